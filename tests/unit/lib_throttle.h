/* SPDX-License-Identifier: MIT */
#ifndef LB_UNIT_LIB_THROTTLE_H
#define LB_UNIT_LIB_THROTTLE_H

#include "agent/shape/limit.h"
#include "agent/store/state.h"
#include "common/config.h"

/*
 * The tables of the throttle in memory of our own, under one commit, closed the
 * way a kill does: nothing is published. Cannot fail.
 */
#define SECOND 1000000000ull
#define MS     1000000ull

extern struct lb_commit throttle_commit;

/*
 * Set-up and tear-down of a test, for cmocka: empty tables.
 *   returns  0
 */
int throttle_begin(void **state);
int throttle_end(void **state);

/*
 * What was not published is forgotten, as by a kill.
 */
void throttle_restart(void);

/*
 * The settings of the key table: nothing that a test did not ask for.
 *   returns  a copy
 */
struct lb_throttle_config throttle_defaults(void);

#endif
