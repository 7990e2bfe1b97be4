/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_BODIES_H
#define TESTS_LIB_BODIES_H

#include "agent/ship/body.h"
#include "tests/unit/lib_ring.h"

/*
 * Bodies of a sink, made of the lines of a rig, unpacked. Cannot fail: a fault
 * in here ends the test.
 */
#define BODIES_OFFSET_NS 1700000000000000000ull /* of the wall clock, ahead of boot time */

extern struct rig bodies_rig;
extern struct lb_builder bodies_builder;
extern struct lb_body bodies_body; /* the one made last */
extern char bodies_text[8 << 20];  /* its text, with NUL */

/*
 * A rig, and a builder of the sink that the settings name first. The settings
 * say compression = none.
 */
void bodies_begin(const char *settings);

/*
 * The end of both; a teardown.
 */
int bodies_end(void **state);

/*
 * Make a body from a position of the ring on.
 *   returns   its records | 0 there are none
 */
unsigned bodies_make(uint64_t from);

/*
 * How often a word is in the body.
 */
unsigned bodies_count(const char *word);

#endif
