/* SPDX-License-Identifier: MIT */
/*
 * Which records a sink gets. In: its settings, a service, a severity. Out: yes or no. Always true: the same
 * question has the same answer as long as the settings are the same, since nothing is kept.
 */
#include "common/sink_route.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

#include "common/level.h"

#define GLOB_CHARS "*?["

/* A glob of len bytes; fnmatch() wants it to end in NUL. */
static bool matches(const char *glob, size_t len, const char *service, size_t service_len)
{
    char pattern[LB_NAME_MAX + 1], name[LB_NAME_MAX + 1];

    if (len > LB_NAME_MAX)
        return false;
    memcpy(pattern, glob, len);
    pattern[len] = '\0';
    if (!strpbrk(pattern, GLOB_CHARS))
        return len == service_len && memcmp(pattern, service, len) == 0;
    memcpy(name, service, service_len);
    name[service_len] = '\0';
    return fnmatch(pattern, name, 0) == 0;
}

bool lb_sink_takes(const struct lb_sink_config *sink, const char *service, size_t service_len,
                   unsigned severity)
{
    if (severity > (unsigned)sink->min_level)
        return false;
    if (sink->services[0] == '\0')
        return true;
    if (service_len > LB_NAME_MAX)
        service_len = LB_NAME_MAX;
    for (const char *at = sink->services;; at++) {
        size_t len = strcspn(at, ",");

        if (matches(at, len, service, service_len))
            return true;
        at += len;
        if (*at == '\0')
            return false;
    }
}

bool lb_sink_is_filtered(const struct lb_sink_config *sink)
{
    return sink->services[0] != '\0' || sink->min_level < LB_LEVEL_DEBUG;
}

bool lb_sink_services_are_legal(const char *services)
{
    size_t len = 0;

    if (services[0] == '\0')
        return true;
    for (const char *at = services;; at++) {
        if (*at == ',' || *at == '\0') {
            if (len < 1 || len > LB_NAME_MAX)
                return false;
            len = 0;
        } else if (isalnum((unsigned char)*at) || strchr("._/@:-*?[]", *at)) {
            len++;
        } else {
            return false;
        }
        if (*at == '\0')
            return true;
    }
}
