/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_REPORT_H
#define LB_WEAR_REPORT_H

#include <stdio.h>

#include "agent/wear/view.h"

/*
 * `logboom wear --report`: one page for a person, HTML with its style and its
 * drawings (inline SVG) in it. It asks for nothing elsewhere and runs no
 * script. It is read on a phone, in the dark, and printed.
 *   view      as it is now
 *   out       errors are those of stdio, seen by ferror(out)
 *   calls     any thread; a pure function but for out
 */
void lb_report_print(const struct lb_wear_view *view, FILE *out);

#endif
