/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_LEVEL_H
#define LB_COMMON_LEVEL_H

#include <stddef.h>

/*
 * Severities. The numbers are those of syslog (RFC 5424 section 6.2.1): lower
 * is worse. "At or above warning" thus means `level <= LB_LEVEL_WARNING`.
 */
enum lb_level {
    LB_LEVEL_EMERGENCY = 0,
    LB_LEVEL_ALERT,
    LB_LEVEL_CRITICAL,
    LB_LEVEL_ERROR,
    LB_LEVEL_WARNING,
    LB_LEVEL_NOTICE,
    LB_LEVEL_INFO,
    LB_LEVEL_DEBUG,
    LB_LEVEL_COUNT
};

/*
 * Name of a level as Datadog's status attribute has it (facts/sinks.md 1.6).
 *   level    0..7; anything else gives "info"
 *   returns  a static string, never NULL
 *   calls    any thread
 */
const char *lb_level_name(int level);

/*
 * Read a level from a configuration value or an argument: the names of
 * lb_level_name(), and the usual short forms (emerg, crit, err, warn), without
 * regard to case.
 *   text     len bytes, need not end in NUL
 *   returns  0..7 | -1 no such level
 *   calls    any thread
 */
int lb_level_parse(const char *text, size_t len);

#endif
