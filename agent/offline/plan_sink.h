/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PLAN_SINK_H
#define LB_OFFLINE_PLAN_SINK_H

#include "agent/offline/plan_engine.h"

/*
 * The transport of a plan's shipper: it takes each body at once, and counts it in engine->sent.
 *   returns   a copy; the engine stays the caller's, and outlives it
 *   calls     offline modes, as all of this
 */
struct lb_transport lb_plan_sink(struct lb_plan_engine *engine);

/*
 * Let the shipper do what it can at this instant, until there is nothing left.
 */
void lb_plan_sink_step(struct lb_plan_engine *engine);

#endif
