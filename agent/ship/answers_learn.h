/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_ANSWERS_LEARN_H
#define LB_SHIP_ANSWERS_LEARN_H

#include "agent/ship/shipper.h"

/*
 * A body was taken: so much the sink takes, in this encoding.
 *   calls     slow side
 */
void lb_answers_learn_from(struct lb_shipper *shipper, const struct lb_body *body);

/*
 * A body of several records was too large: later ones are smaller.
 *   calls     slow side
 */
void lb_answers_learn_limits(struct lb_shipper *shipper, const struct lb_body *body);

#endif
