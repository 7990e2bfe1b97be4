/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_STATUS_SPOOL_H
#define LB_CONTROL_STATUS_SPOOL_H

#include "agent/control/status.h"

/*
 * The spool as a member: "spool":{…}|null where there is none.
 *   calls     slow side
 */
void lb_status_print_spool(const struct lb_status_source *source, FILE *out);

/*
 * The same for a person.
 *   calls     slow side
 */
void lb_status_print_spool_text(const struct lb_status_source *source, FILE *out);

#endif
