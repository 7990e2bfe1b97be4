/* SPDX-License-Identifier: MIT */
/*
 * Two snapshots beside each other. In: the one in effect and the one just
 * read. Out: the keys whose change waits for the next start.
 */
#include <string.h>

#include "common/config_load.h"

/* A key's field, to be read only. */
static const void *field_of(const struct lb_key *key, const struct lb_config *config,
                            const struct lb_service_config *service)
{
    return lb_config_field(key, (struct lb_config *)(uintptr_t)config,
                           (struct lb_service_config *)(uintptr_t)service, NULL, NULL);
}

static bool service_differs(const struct lb_key *key, const struct lb_config *a, const struct lb_config *b)
{
    for (size_t i = 0; i < a->service_count; i++) {
        const struct lb_service_config *mine = &a->services[i];
        const struct lb_service_config *other = lb_config_service(b, mine->name, strlen(mine->name));

        if (!lb_key_equal(key, field_of(key, NULL, mine), field_of(key, NULL, other)))
            return true;
    }
    return false;
}

static const struct lb_input_config *find_input(const struct lb_config *config, const char *name)
{
    for (size_t i = 0; i < config->input_count; i++)
        if (strcmp(config->inputs[i].name, name) == 0)
            return &config->inputs[i];
    return NULL;
}

/* An input that only one of them has differs in its type. */
static bool input_differs(const struct lb_key *key, const struct lb_config *a, const struct lb_config *b)
{
    for (size_t i = 0; i < a->input_count; i++) {
        const struct lb_input_config *other = find_input(b, a->inputs[i].name);

        if (other ? !lb_key_equal(key, (const char *)&a->inputs[i] + key->offset,
                                  (const char *)other + key->offset)
                  : strcmp(key->name, "type") == 0)
            return true;
    }
    return false;
}

/* A sink that only one of them has is told apart from its keys, by what_sinks(). */
static bool sink_differs(const struct lb_key *key, const struct lb_config *a, const struct lb_config *b)
{
    for (size_t i = 0; i < a->sink_count; i++) {
        const struct lb_sink_config *other = lb_config_sink_by_name(b, a->sinks[i].name);

        if (other &&
            !lb_key_equal(key, (const char *)&a->sinks[i] + key->offset, (const char *)other + key->offset))
            return true;
    }
    return false;
}

/* What of the sinks as a whole changed, or NULL. Each has files of its own, and the first has the ring. */
static const char *what_sinks(const struct lb_config *a, const struct lb_config *b)
{
    if (a->sink_count != b->sink_count)
        return "the number of sinks";
    for (size_t i = 0; i < a->sink_count; i++)
        if (!lb_config_sink_by_name(b, a->sinks[i].name))
            return "the name of a sink";
    return strcmp(a->sinks[0].name, b->sinks[0].name) == 0 ? NULL : "the choice of the first sink";
}

static bool differs(const struct lb_key *key, const struct lb_config *a, const struct lb_config *b)
{
    if (key->section == LB_SECTION_SINK)
        return sink_differs(key, a, b);
    if (key->section == LB_SECTION_INPUT)
        return input_differs(key, a, b) || input_differs(key, b, a);
    if (!key->is_per_service)
        return !lb_key_equal(key, (const char *)a + key->offset, (const char *)b + key->offset);
    return !lb_key_equal(key, field_of(key, a, NULL), field_of(key, b, NULL)) || service_differs(key, a, b) ||
           service_differs(key, b, a);
}

size_t lb_config_restart_keys(const struct lb_config *old_config, const struct lb_config *new_config,
                              const char **names, size_t names_max)
{
    size_t count, found = 0;
    const struct lb_key *keys = lb_keys(&count);
    const char *sinks = what_sinks(old_config, new_config);

    for (size_t i = 0; i < count && found < names_max; i++)
        if (keys[i].reload == LB_RELOAD_RESTART && keys[i].section != LB_SECTION_SERVICE &&
            differs(&keys[i], old_config, new_config))
            names[found++] = keys[i].path;
    if (sinks && found < names_max)
        names[found++] = sinks;
    return found;
}
