/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_ANSWERS_PARTLY_H
#define LB_SHIP_ANSWERS_PARTLY_H

#include "agent/ship/shipper.h"

/*
 * Let go of a body of which the sink took all records but some (sink.h,
 * lb_partly): those are rejected, each told by a receipt, the others
 * delivered. What nobody can tell apart counts as delivered, and is told by a
 * receipt without numbers.
 *   answer    as it came, with what it says
 *   calls     slow side
 */
void lb_answers_release_partly(struct lb_shipper *shipper, const struct lb_body *body,
                               const struct lb_answer *answer);

#endif
