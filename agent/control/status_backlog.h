/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_STATUS_BACKLOG_H
#define LB_CONTROL_STATUS_BACKLOG_H

#include "agent/control/status.h"

/*
 * What the sink took and refused, live and from the backlog together.
 *   calls     slow side
 */
struct lb_shipper_stats lb_status_stats(const struct lb_status_source *source);

/*
 * The backlog as a member: "backlog":{…}|null where there is none.
 *   calls     slow side
 */
void lb_status_print_backlog(const struct lb_status_source *source, uint64_t now_ns, FILE *out);

/*
 * The same for a person.
 *   calls     slow side
 */
void lb_status_print_backlog_text(const struct lb_status_source *source, uint64_t now_ns, FILE *out);

/*
 * Bytes of the backlog that are taken, and its size; 0 where there is none.
 *   calls     slow side
 */
uint64_t lb_status_backlog_used(const struct lb_status_source *source);
uint64_t lb_status_backlog_size(const struct lb_status_source *source);

/*
 * How long an outage may last from now on before something is given up, at the
 * rate of the last minutes.
 *   returns   hours; a negative number: nothing comes in, or nothing is known yet
 *   calls     slow side
 */
double lb_status_hours_left(const struct lb_status_source *source, uint64_t now_ns);

#endif
