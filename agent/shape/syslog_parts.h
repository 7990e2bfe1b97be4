/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_SYSLOG_PARTS_H
#define LB_SHAPE_SYSLOG_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/shape/syslog.h"

/* What is left of a datagram, by positions in it. */
struct lb_syslog_rest {
    const char *text;
    size_t at, end;
};

/*
 * Read what follows the PRI of RFC 5424, from the version on.
 *   rest     behind the PRI; not changed
 *   ret      filled in but for severity and facility where it is well formed, else untouched
 *   returns  is it?
 *   calls    fast side, offline modes; a pure function
 */
bool lb_syslog_5424(const struct lb_syslog_rest *rest, struct lb_syslog *ret);

#endif
