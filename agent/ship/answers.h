/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_ANSWERS_H
#define LB_SHIP_ANSWERS_H

#include "agent/ship/shipper.h"

/*
 * What becomes of a body when its answer is there, and the questions that we
 * ask a sink of our own accord. All on the slow side.
 */

/*
 * Note a failure that is not an answer: a body could not be made or sent.
 *   calls     slow side
 */
void lb_answers_note_failure(struct lb_shipper *shipper, const char *why, uint64_t now_ns);

/*
 * A body was given up that was sent at sent_ns and not answered.
 *   calls     slow side
 */
void lb_answers_note_silence(struct lb_shipper *shipper, uint64_t sent_ns, uint64_t now_ns);

/*
 * Another shipper of the same link has delivered: the sink is well.
 *   at_ns     when
 *   calls     slow side
 */
void lb_answers_note_well(struct lb_shipper *shipper, uint64_t at_ns);

/*
 * Ask what has to be known before a body is sent, if anything.
 *   returns   true: a question is on its way, or could not be sent, and no body may be sent now
 *   calls     slow side, when a body may be sent
 */
bool lb_answers_ask_first(struct lb_shipper *shipper, uint64_t now_ns);

/*
 * Take a look at the clocks; what waits for them may go on.
 *   calls     slow side
 */
void lb_answers_look_at_clock(struct lb_shipper *shipper, uint64_t now_ns);

/*
 * Is there a stretch of records that the sink refused together?
 *   calls     slow side
 */
static inline bool lb_answers_suspect(const struct lb_shipper *shipper)
{
    return shipper->suspect.from < shipper->suspect.to;
}

/*
 * Bodies in the encoding that the settings and the sink's answers call for.
 *   returns   0 | -ENOMEM
 *   calls     slow side, before a body is made
 */
int lb_answers_recode(struct lb_shipper *shipper);

#endif
