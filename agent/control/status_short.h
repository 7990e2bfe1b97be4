/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_STATUS_SHORT_H
#define LB_CONTROL_STATUS_SHORT_H

#include "agent/control/status.h"

/*
 * A quota as a JSON object, or null where there is none:
 * { window(day|month) limit spent left ends_s(null: the clock is not known) step(0..7) }.
 *   calls     slow side
 */
void lb_status_print_quota(const struct lb_quota_view *view, FILE *out);

/*
 * What runs short, as members: "network":{"quota":…,"rate":bytes a second|null},"pressure":{"step":0..3}.
 *   calls     slow side
 */
void lb_status_print_short(const struct lb_status_source *source, uint64_t now_ns, FILE *out);

/*
 * The same for a person, where there is something to tell.
 *   calls     slow side
 */
void lb_status_print_short_text(const struct lb_status_source *source, uint64_t now_ns, FILE *out);

#endif
