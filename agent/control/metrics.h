/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_METRICS_H
#define LB_CONTROL_METRICS_H

#include <stdio.h>

#include "agent/control/status.h"

/*
 * Print the snapshot of lb_status_print_json() in the text format of Prometheus,
 * 0.0.4. Names begin with logboom_; counters run on over restarts of the agent
 * where the books do, and begin anew with the machine.
 *   errors    those of stdio, seen by ferror(out)
 *   calls     slow side
 */
void lb_metrics_print(const struct lb_status_source *source, uint64_t now_ns, FILE *out);

/*
 * Write text as the value of a label: backslash, quote and line end are escaped, what is no printable ASCII
 * becomes '?'.
 *   calls     any thread
 */
void lb_metrics_put_label(FILE *out, const char *text, size_t len);

#endif
