/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_SHORTAGE_PARTS_H
#define LB_CAPTURE_SHORTAGE_PARTS_H

#include "agent/capture/capture.h"

/*
 * How a quota stands: what the slow side's meter has, and what lies in the
 * queue, at what a byte of text costs of late.
 *   row       of the books, or LB_METER_ALL
 *   quota     not off
 *   span      of its window, kept by the caller between calls; of the calling thread
 *   calls     any thread
 */
struct lb_budget lb_shortage_budget(const struct lb_capture *capture, uint32_t row,
                                    const struct lb_quota *quota, struct lb_shortage_span *span,
                                    uint64_t now_ns);

/*
 * How full it is, 0..1: the queue; while the sink is away the queue and the
 * backlog together, since then the one goes over into the other.
 *   calls     fast side
 */
double lb_shortage_fill(const struct lb_capture *capture);

#endif
