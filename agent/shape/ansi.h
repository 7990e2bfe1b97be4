/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_ANSI_H
#define LB_SHAPE_ANSI_H

#include <stddef.h>

/*
 * Copy a text without its ANSI escape sequences (those of lb_escape_length()).
 * An escape that is not complete is kept.
 *   to       room for len bytes; may be `from` itself
 *   returns  bytes in to
 *   calls    fast side, offline modes; a pure function, linear in len
 */
size_t lb_ansi_strip(char *to, const char *from, size_t len);

/*
 * Length of the escape sequence at the front of text, len bytes; 0: there is none, or it is not complete.
 *   calls    fast side, offline modes; a pure function
 */
size_t lb_ansi_length(const char *text, size_t len);

#endif
