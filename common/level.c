/* SPDX-License-Identifier: MIT */
/* Severity names, both ways. In: text or number. Out: number or text. */
#include "common/level.h"

#include <string.h>
#include <strings.h>

static const char *const names[LB_LEVEL_COUNT] = { "emergency", "alert",  "critical", "error",
                                                   "warning",   "notice", "info",     "debug" };

static const struct {
    const char *text;
    int level;
} short_forms[] = {
    { "emerg", LB_LEVEL_EMERGENCY },
    { "crit", LB_LEVEL_CRITICAL },
    { "err", LB_LEVEL_ERROR },
    { "warn", LB_LEVEL_WARNING },
};

const char *lb_level_name(int level)
{
    return level >= 0 && level < LB_LEVEL_COUNT ? names[level] : names[LB_LEVEL_INFO];
}

int lb_level_parse(const char *text, size_t len)
{
    for (int level = 0; level < LB_LEVEL_COUNT; level++)
        if (strlen(names[level]) == len && strncasecmp(names[level], text, len) == 0)
            return level;
    for (size_t i = 0; i < sizeof short_forms / sizeof short_forms[0]; i++)
        if (strlen(short_forms[i].text) == len && strncasecmp(short_forms[i].text, text, len) == 0)
            return short_forms[i].level;
    return -1;
}
