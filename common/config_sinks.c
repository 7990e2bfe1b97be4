/* SPDX-License-Identifier: MIT */
/*
 * [sink NAME], each as a whole. In: all their keys. Out: the same, expanded, with what follows from the type,
 * and faults where keys do not go together. Always true: a sink that passed has what its type needs, and
 * nothing of what one sink is told is looked up with another.
 */
#include <errno.h>
#include <string.h>

#include "common/config_load.h"
#include "common/sink_types.h"

#define GZIP_LEVEL_MAX 9
#define SECRET_MAX     512

static struct lb_sink_section section_at(struct lb_loader *loader, size_t i)
{
    return (struct lb_sink_section) { loader, &loader->config->sinks[i], &loader->sinks[i] };
}

struct lb_origin lb_sink_section_origin(const struct lb_sink_section *section, const char *key)
{
    return lb_config_origin(section->loader, section->seen, LB_SECTION_SINK, key);
}

static bool is_set(const struct lb_sink_section *section, const char *key)
{
    return lb_config_is_set(section->seen, LB_SECTION_SINK, key);
}

/* ---- completed ---- */

/* What follows from the type, or from another key, where nobody has set it. */
static void resolve(const struct lb_sink_section *section)
{
    struct lb_sink_config *sink = section->config;
    const struct lb_sink_type *type = lb_sink_type(sink->type);

    if (type && !is_set(section, "sequence"))
        sink->sequence = type->sequence;
    if (type && !is_set(section, "compression"))
        sink->compression = type->compression;
    if (type && type->max_age_ms > 0 && !is_set(section, "max_age"))
        sink->max_age_ms = type->max_age_ms;
    if (sink->urgent_wait_ms == LB_OFF)
        sink->urgent_wait_ms = sink->wait_ms;
}

int lb_config_complete_sinks(struct lb_loader *loader)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < loader->config->sink_count; i++) {
        struct lb_sink_section section = section_at(loader, i);
        struct lb_origin labels = lb_sink_section_origin(&section, "labels");

        rc = lb_config_expand_pairs(loader, &section.config->labels, "labels", &labels);
        if (rc == 0)
            rc = lb_config_expand_topics(&section);
        resolve(&section);
    }
    return rc;
}

/* ---- checked ---- */

/* Settings that a sink of this type does not look at are most likely meant for another. */
static void warn_of_idle_keys(const struct lb_sink_section *section)
{
    const struct lb_origin *set = section->seen->set;
    const char *type = section->config->type;
    size_t count;
    const struct lb_key *keys = lb_keys(&count);

    for (size_t i = 0; i < count; i++)
        if (keys[i].section == LB_SECTION_SINK && set[i].line > 0 && !lb_key_is_for(&keys[i], type))
            lb_config_warn(section->loader->faults, &set[i], "%s has no effect in a sink of type %s",
                           keys[i].name, type);
}

/* A secret that two sinks show is known to two receivers: most likely one of them has it by mistake. */
static void warn_of_shared_key(const struct lb_sink_section *section, const char *where)
{
    struct lb_loader *loader = section->loader;
    struct lb_origin at = lb_sink_section_origin(section, "api_key_file");

    if (strcmp(where, LB_CONFIG_COMMON_KEY) != 0)
        return;
    if (loader->common_key_sink)
        lb_config_warn(
            loader->faults, &at,
            "[sink %s] shows the same key as [sink %s], api_key in $CREDENTIALS_DIRECTORY: its own "
            "would be %s.api_key there",
            section->config->name, loader->common_key_sink->name, section->config->name);
    else
        loader->common_key_sink = section->config;
}

static void check_key_file(const struct lb_sink_section *section)
{
    const struct lb_sink_config *sink = section->config;
    struct lb_config_faults *faults = section->loader->faults;
    struct lb_origin at = lb_sink_section_origin(section, "api_key_file");
    const char *where = "";
    char secret[SECRET_MAX];
    int rc = lb_config_read_secret(sink, secret, sizeof secret, &where);

    explicit_bzero(secret, sizeof secret);
    if (rc == 0)
        warn_of_shared_key(section, where);
    else if (rc == -ENOENT)
        lb_config_fault(
            faults, &at,
            "no API key: neither %s, nor %s.api_key or api_key in $CREDENTIALS_DIRECTORY%s is there",
            sink->api_key_file[0] ? sink->api_key_file : "an api_key_file", sink->name,
            strcmp(sink->type, "datadog") == 0 ? ", nor $DD_API_KEY" : "");
    else
        lb_config_fault(faults, &at, "no API key: %s: %s", where,
                        rc == -EINVAL  ? "empty, or more than one line"
                        : rc == -E2BIG ? "too long for a key"
                                       : strerror(-rc));
}

static void check_packing(const struct lb_sink_section *section, const struct lb_sink_type *type)
{
    const struct lb_sink_config *sink = section->config;
    struct lb_config_faults *faults = section->loader->faults;
    struct lb_origin at = lb_sink_section_origin(section, "compression");

    if (!type->may_pack[sink->compression])
        lb_config_fault(faults, &at, "compression: a sink of type %s does not read that", type->name);
    if (sink->compression == LB_COMPRESSION_GZIP && sink->level > GZIP_LEVEL_MAX) {
        at = lb_sink_section_origin(section, "level");
        lb_config_fault(faults, &at, "level is out of range: gzip has 1 to %d", GZIP_LEVEL_MAX);
    }
}

/* What its type asks for, and what goes together. */
static void check_whole(const struct lb_sink_section *section, const struct lb_sink_type *type)
{
    const struct lb_sink_config *sink = section->config;
    struct lb_config_faults *faults = section->loader->faults;
    struct lb_origin at = lb_sink_section_origin(section, "type");

    if (strcmp(type->name, "file") == 0 && sink->path[0] == '\0')
        lb_config_fault(faults, &at, "[sink %s] is of type file and needs a path", sink->name);
    if (type->needs_url && sink->url[0] == '\0')
        lb_config_fault(faults, &at, "[sink %s] is of type %s and needs a url", sink->name, type->name);
    lb_config_check_sink_texts(section);
    lb_config_check_mqtt(section);
    if ((sink->tls_cert[0] == '\0') != (sink->tls_key[0] == '\0'))
        lb_config_fault(faults, &at, "[sink %s]: tls_cert and tls_key go together", sink->name);
    if (sink->retry_max_ms < sink->retry_min_ms) {
        at = lb_sink_section_origin(section, "retry_max");
        lb_config_fault(faults, &at, "retry_max is below retry_min");
    }
    check_packing(section, type);
    at = lb_sink_section_origin(section, "site");
    if (sink->url[0] != '\0' && is_set(section, "site"))
        lb_config_warn(faults, &at, "site has no effect: url is set");
}

static void check(const struct lb_sink_section *section)
{
    const struct lb_sink_config *sink = section->config;
    const struct lb_sink_type *type = lb_sink_type(sink->type);
    struct lb_origin at = lb_sink_section_origin(section, "type");

    if (!type) {
        lb_config_fault(
            section->loader->faults, &at,
            "[sink %s] needs a type: datadog, loki, otlp, elasticsearch, splunk, http, syslog, mqtt or file",
            sink->name);
        return;
    }
    warn_of_idle_keys(section);
    check_whole(section, type);
    lb_config_check_route(section);
    if (lb_sink_needs_key(sink) && section->loader->mode == LB_CONFIG_RUN)
        check_key_file(section);
}

void lb_config_check_sinks(struct lb_loader *loader)
{
    for (size_t i = 0; i < loader->config->sink_count; i++) {
        struct lb_sink_section section = section_at(loader, i);

        check(&section);
    }
    if (loader->config->sink_count > 0)
        lb_config_check_first_sink(loader);
}
