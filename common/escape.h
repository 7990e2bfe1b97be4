/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_ESCAPE_H
#define LB_COMMON_ESCAPE_H

#include <stddef.h>

#define LB_ESCAPE '\x1b'

/*
 * Length of the terminal escape sequence at the front of a text (ECMA-48): CSI, the strings OSC, DCS, SOS, PM
 * and APC up to ST (OSC also up to BEL), and the short ones, charsets among them. Looks no further than the
 * next escape, so that a walk over all sequences of a text is linear.
 *   text     len bytes, any content
 *   returns  bytes | 0 there is none at the front, or it is malformed or not complete
 *   calls    any thread; a pure function
 */
size_t lb_escape_length(const char *text, size_t len);

#endif
