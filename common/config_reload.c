/* SPDX-License-Identifier: MIT */
/*
 * Two snapshots beside each other. In: the one in effect and the one just
 * read. Out: the keys whose change waits for the next start.
 */
#include <string.h>

#include "common/config_load.h"

static bool service_differs(const struct lb_key *key, const struct lb_config *a, const struct lb_config *b)
{
    for (size_t i = 0; i < a->service_count; i++) {
        const struct lb_service_config *mine = &a->services[i];
        const struct lb_service_config *other = lb_config_service(b, mine->name, strlen(mine->name));

        if (!lb_key_equal(key, (const char *)&mine->capture + key->offset,
                          (const char *)&other->capture + key->offset))
            return true;
    }
    return false;
}

static bool differs(const struct lb_key *key, const struct lb_config *a, const struct lb_config *b)
{
    if (key->section == LB_SECTION_SINK)
        return !lb_key_equal(key, (const char *)&a->sinks[0] + key->offset,
                             (const char *)&b->sinks[0] + key->offset);
    if (!key->is_per_service)
        return !lb_key_equal(key, (const char *)a + key->offset, (const char *)b + key->offset);
    return !lb_key_equal(key, (const char *)&a->capture + key->offset,
                         (const char *)&b->capture + key->offset) ||
           service_differs(key, a, b) || service_differs(key, b, a);
}

size_t lb_config_restart_keys(const struct lb_config *old_config, const struct lb_config *new_config,
                              const char **names, size_t names_max)
{
    size_t count, found = 0;
    const struct lb_key *keys = lb_keys(&count);

    for (size_t i = 0; i < count && found < names_max; i++)
        if (keys[i].reload == LB_RELOAD_RESTART && keys[i].section != LB_SECTION_SERVICE &&
            differs(&keys[i], old_config, new_config))
            names[found++] = keys[i].path;
    return found;
}
