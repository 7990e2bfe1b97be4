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

/*
 * The same for a body whose records were moved to the backlog while it was on
 * its way: tell what nobody can tell apart.
 *   returns   true: the moved ones need not be sent again | false: it names some, which a walk over the ring
 *             would have to find; nothing was told
 *   calls     slow side
 */
bool lb_answers_tell_partly(struct lb_shipper *shipper, const struct lb_body *body,
                            const struct lb_answer *answer);

#endif
