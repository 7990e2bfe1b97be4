/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_WRITERS_H
#define TESTS_LIB_WRITERS_H

#include <stdint.h>

#include "agent/wear/writers.h"

/*
 * Writers on a card (8:0, "card") and a stick (9:0, "stick") of our making, in
 * a tree of lib_proc. Time is passed in: it begins at an hour, and a look is a
 * minute after the last. Each look is checked: no disk is shared out for more
 * than it counted, and programs add up to what they were given.
 */
enum { CARD = 0, STICK = 1 };
enum { OWN_PID = 7 };

struct looks {
    struct lb_writers *writers;
    struct lb_disks disks;
    struct lb_wear_view view;
    uint32_t moved[LB_WEAR_PROGRAMS];
    uint64_t now_ns;
};
extern struct looks looks;

/* Setup and teardown of a test; nobody has looked yet. */
int looks_begin(void **state);
int looks_end(void **state);

/* Look, when the disks have counted this much since the last look. Returns what lb_writers_sample() does. */
int look(uint64_t card_bytes, uint64_t stick_bytes);

/* The same, some seconds after the last look. */
int look_after(unsigned seconds, uint64_t card_bytes, uint64_t stick_bytes);

/* A program of the view; NULL: there is none of this name and unit. */
const struct lb_program *program(const char *name, const char *unit);

/* What a program in no unit has been given of a disk by now; 0 if there is none. */
uint64_t given(const char *name, unsigned disk);

#endif
