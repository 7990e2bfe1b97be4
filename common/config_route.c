/* SPDX-License-Identifier: MIT */
/*
 * Which sink is the first, and how the others stand beside it. In: all [sink NAME]. Out: sinks[0] is the one
 * that takes all, ours if need be; faults where none is primary, or where two are the same place. Always
 * true: of what the ring and the backlog hold there is no record that sinks[0] does not take, or they would
 * wait for it for ever.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_load.h"
#include "common/sink_route.h"
#include "common/sink_types.h"

static bool takes_all(const struct lb_sink_config *sink)
{
    return sink->primary && !lb_sink_is_filtered(sink);
}

/* ---- the first ---- */

static void move_to_front(struct lb_loader *loader, size_t from)
{
    struct lb_config *config = loader->config;
    struct lb_sink_config sink = config->sinks[from];
    struct lb_section_seen seen = loader->sinks[from];

    memmove(&config->sinks[1], &config->sinks[0], from * sizeof sink);
    memmove(&loader->sinks[1], &loader->sinks[0], from * sizeof seen);
    config->sinks[0] = sink;
    loader->sinks[0] = seen;
}

static int make_none(struct lb_config *config, struct lb_sink_config *sink)
{
    const struct lb_sink_type *type = lb_sink_type("none");

    snprintf(sink->name, sizeof sink->name, "%s", LB_SINK_NONE);
    if (lb_config_set_sink_defaults(config, sink) < 0)
        return -ENOMEM;
    free(sink->type);
    sink->type = strdup(type->name);
    sink->compression = type->compression;
    sink->sequence = type->sequence;
    return sink->type ? 0 : -ENOMEM;
}

/* Primaries share the records: before them stands one that takes all and keeps nothing. */
static int put_none_first(struct lb_loader *loader)
{
    struct lb_config *config = loader->config;
    size_t ix = config->sink_count++;

    memset(&loader->sinks[ix], 0, sizeof loader->sinks[ix]);
    if (make_none(config, &config->sinks[ix]) < 0)
        return -ENOMEM;
    move_to_front(loader, ix);
    return 0;
}

int lb_config_put_none_first(struct lb_config *config)
{
    struct lb_sink_config sink;
    size_t ix = config->sink_count;

    if (ix == LB_SINKS_MAX)
        return -ENOSPC;
    config->sink_count++;
    if (make_none(config, &config->sinks[ix]) < 0)
        return -ENOMEM;
    sink = config->sinks[ix];
    memmove(&config->sinks[1], &config->sinks[0], ix * sizeof sink);
    config->sinks[0] = sink;
    return 0;
}

int lb_config_order_sinks(struct lb_loader *loader)
{
    const struct lb_config *config = loader->config;
    size_t first = 0;
    bool has_primary = false;

    while (first < config->sink_count && !takes_all(&config->sinks[first]))
        has_primary |= config->sinks[first++].primary;
    if (first < config->sink_count && first > 0)
        move_to_front(loader, first);
    return first == config->sink_count && has_primary && first < LB_SINKS_MAX ? put_none_first(loader) : 0;
}

bool lb_config_keep_first(struct lb_config *config, const char *name)
{
    struct lb_sink_config sink;
    size_t at = 0;

    while (at < config->sink_count && strcmp(config->sinks[at].name, name) != 0)
        at++;
    if (at == config->sink_count || !takes_all(&config->sinks[at]))
        return false;
    sink = config->sinks[at];
    memmove(&config->sinks[1], &config->sinks[0], at * sizeof sink);
    config->sinks[0] = sink;
    return true;
}

void lb_config_check_first_sink(struct lb_loader *loader)
{
    const struct lb_config *config = loader->config;
    struct lb_sink_section section = { loader, &loader->config->sinks[0], &loader->sinks[0] };
    struct lb_origin at = lb_sink_section_origin(&section, "primary");

    if (takes_all(&config->sinks[0]))
        return;
    if (config->sink_count == LB_SINKS_MAX)
        lb_config_fault(loader->faults, &at, "where no primary takes all there may be %d sinks",
                        LB_SINKS_MAX - 1);
    else
        lb_config_fault(loader->faults, &at, "primary: one sink must have primary = yes");
}

/* ---- each ---- */

static bool is_first(const struct lb_sink_section *section)
{
    return section->config == &section->loader->config->sinks[0] && takes_all(section->config);
}

static void warn_if_set(const struct lb_sink_section *section, const char *key, const char *instead)
{
    struct lb_origin at = lb_sink_section_origin(section, key);

    if (lb_config_is_set(section->seen, LB_SECTION_SINK, key))
        lb_config_warn(section->loader->faults, &at, "%s has no effect: [sink %s] is the first, which has %s",
                       key, section->config->name, instead);
}

/* What is not sent now must wait somewhere. */
static void check_when(const struct lb_sink_section *section)
{
    const struct lb_config *config = section->loader->config;
    const struct lb_sink_config *sink = section->config;
    struct lb_origin at = lb_sink_section_origin(section, "when");
    const char *backlog = is_first(section) ? "[backlog] size" : "queue_backlog";

    if ((is_first(section) ? config->backlog_bytes : sink->queue_backlog_bytes) > 0)
        return;
    if (sink->when == LB_WHEN_URGENT_ONLY)
        lb_config_fault(section->loader->faults, &at,
                        "when = urgent-only needs a backlog, where the rest waits, and %s is off", backlog);
    else if (sink->when == LB_WHEN_UNMETERED)
        lb_config_warn(
            section->loader->faults, &at,
            "when = unmetered without a backlog (%s is off): what the queue has no room for is given up",
            backlog);
}

/* Two that append to one file tear its lines; two with one name at a broker throw each other out. */
static void check_twice(const struct lb_sink_section *section)
{
    const struct lb_sink_config *sink = section->config;
    bool is_file = strcmp(sink->type, "file") == 0, is_mqtt = strcmp(sink->type, "mqtt") == 0;
    struct lb_origin at = lb_sink_section_origin(section, is_file ? "path" : "client_id");

    for (const struct lb_sink_config *other = section->loader->config->sinks; other < sink; other++) {
        if (strcmp(other->type, sink->type) != 0)
            continue;
        if (is_file && sink->path[0] != '\0' && strcmp(other->path, sink->path) == 0)
            lb_config_fault(section->loader->faults, &at, "path: [sink %s] appends to the same file",
                            other->name);
        if (is_mqtt && strcmp(other->address, sink->address) == 0 &&
            strcmp(other->client_id, sink->client_id) == 0)
            lb_config_fault(
                section->loader->faults, &at,
                "client_id: [sink %s] has the same at the same broker, which takes one of them only",
                other->name);
    }
}

void lb_config_check_route(const struct lb_sink_section *section)
{
    const struct lb_sink_config *sink = section->config;
    struct lb_origin at = lb_sink_section_origin(section, "services");

    if (!lb_sink_services_are_legal(sink->services))
        lb_config_fault(
            section->loader->faults, &at,
            "services must be names parted by commas, each 1 to %d of A-Z a-z 0-9 . _ / @ : - and "
            "* ? [ ]",
            LB_NAME_MAX);
    if (is_first(section)) {
        warn_if_set(section, "queue", "the ring");
        warn_if_set(section, "queue_backlog", "[backlog]");
    }
    check_when(section);
    check_twice(section);
}
