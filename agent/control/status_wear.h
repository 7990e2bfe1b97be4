/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_STATUS_WEAR_H
#define LB_CONTROL_STATUS_WEAR_H

#include "agent/control/status.h"
#include "agent/wear/view.h"

/*
 * Wear as a member: "wear":{…}|null where nobody looks.
 *   calls     slow side
 */
void lb_status_print_wear(const struct lb_status_source *source, uint64_t now_ns, FILE *out);

/*
 * The same for a person: one line, and what may not be seen.
 *   calls     slow side
 */
void lb_status_print_wear_text(const struct lb_status_source *source, uint64_t now_ns, FILE *out);

/*
 * What a view of wear is told of the agent itself: its last part.
 *   calls     slow side
 */
void lb_status_fill_wear(const struct lb_status_source *source, uint64_t now_ns, struct lb_wear_view *view);

#endif
