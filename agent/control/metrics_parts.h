/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_METRICS_PARTS_H
#define LB_CONTROL_METRICS_PARTS_H

#include <stdint.h>
#include <stdio.h>

#include "agent/control/metrics.h"

/*
 * The parts of lb_metrics_print(), which nobody else includes. All on the slow
 * side; errors are those of stdio.
 */
#define LB_COUNTER "counter"
#define LB_GAUGE   "gauge"

/*
 * Begin a family: its help and its type.
 *   name      without the prefix
 *   type      LB_COUNTER or LB_GAUGE
 *   calls     slow side
 */
void lb_metrics_family(FILE *out, const char *name, const char *type, const char *help);

/*
 * Begin a series: name{label="value", with the brace still open for more labels.
 *   value     len bytes
 *   calls     slow side
 */
void lb_metrics_begin_series(FILE *out, const char *name, const char *label, const char *value, size_t len);

/*
 * Print the families of the sinks, each with a series for each sink.
 *   calls     slow side
 */
void lb_metrics_print_sinks(const struct lb_status_source *source, uint64_t now_ns, FILE *out);

#endif
