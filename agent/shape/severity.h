/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_SEVERITY_H
#define LB_SHAPE_SEVERITY_H

#include <stddef.h>

/* How much of a line's beginning is looked at. */
#define LB_SEVERITY_LOOK 256

/*
 * The level that a line states about itself, in the formats of Python's
 * logging: basicConfig's LEVEL:name:text, and formats that have asctime (date,
 * time) at the beginning and the level name as a field of its own in front of
 * it or soon after. A word like "error" in running text is no level.
 *   text     the line's first bytes, len of them, LB_SEVERITY_LOOK suffice
 *   returns  0..7 | -1 it states none
 *   calls    fast side, offline modes; a pure function
 */
int lb_severity_of(const char *text, size_t len);

#endif
