/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PROTECT_PRINT_H
#define LB_OFFLINE_PROTECT_PRINT_H

#include <stdio.h>

#include "agent/offline/protect_plan.h"

/*
 * Print what was found, for people: the worst first, a few lines each.
 *   columns  width of a line, at least 40
 */
void lb_protect_print(const struct lb_protect_plan *plan, FILE *out, unsigned columns);

/*
 * The same for programs, one JSON object: "ground", "unreadable", "left_out", "findings": a list of {"id",
 * "state": would | done | by_hand | blocked, "title", "known", "cost", "action"}.
 */
void lb_protect_print_json(const struct lb_protect_plan *plan, FILE *out);

#endif
