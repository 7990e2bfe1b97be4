/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_EXPLAIN_PRINT_H
#define LB_OFFLINE_EXPLAIN_PRINT_H

#include <stdbool.h>
#include <stdio.h>

#include "agent/shape/pipeline.h"

/* How `logboom explain` prints what it found. */
struct lb_explain_printer {
    FILE *out;
    const char *service;
    const struct lb_service_rules *rules;
    bool is_json;    /* an object a record */
    bool has_colors; /* out is a terminal that wants them */
};

/*
 * Print one record.
 *   record   of the shaping steps
 *   first    number of its first line, from 1
 *   lines    how many it has
 *   is_cut   it is a piece of something longer
 *   calls    main thread of an offline mode; errors are seen by ferror(out)
 */
void lb_explain_print(const struct lb_explain_printer *printer, const struct lb_shape_output *record,
                      uint64_t first, size_t lines, bool is_cut);

/*
 * Print that a line is blank, and dropped.
 *   calls    as lb_explain_print()
 */
void lb_explain_print_blank(const struct lb_explain_printer *printer, uint64_t number);

#endif
