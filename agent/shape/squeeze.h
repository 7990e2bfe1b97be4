/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_SQUEEZE_H
#define LB_SHAPE_SQUEEZE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/store/state.h"

/*
 * What gives way when something runs short: the data plan, the queue, the
 * machine's memory. Two ladders of value, each climbed and left one threshold
 * at a time; a step is left below half of what led to it (a quota), or ten
 * points below it (a fill), so that it does not flutter.
 *
 *   quota     1 known patterns one in 4 · 2 one in 16 · 3 new patterns only · 4 errors only ·
 *             5 of errors new patterns, rare ones, and one in 16 ·
 *             6 of errors new patterns, and one in half an hour · 7 nothing
 *   pressure  1 no debug · 2 of info only new patterns · 3 no info
 *
 * Up to step 3 of a quota what is at or above `floor` passes as ever. Held is
 * not lost: what gives way goes to the held pool, and comes along with an error.
 *
 * A quota is spent evenly: its pace is what would leave nothing at the end of
 * the window, had it been spent like that since counting began. The steps are
 * how far ahead of that pace the spending is. Pure functions; the clock and
 * the counts are the caller's.
 */
#define LB_QUOTA_STEPS        8
#define LB_QUOTA_STEP_ERRORS  4 /* from here on no context is brought along, and no warning passes */
#define LB_QUOTA_STEP_SCARCE  5
#define LB_QUOTA_STEP_CRASHES 6
#define LB_QUOTA_STEP_NOTHING 7
#define LB_PRESSURE_STEPS     4

/* One quota, as it stands. */
struct lb_budget {
    uint64_t limit; /* bytes in the window */
    uint64_t spent; /* in it, with what is queued and will be */
    double from;    /* where in the window (0..1) counting began */
    double at;      /* where in it we are */
};

/*
 * The step of a quota's ladder.
 *   before    the step it was on
 *   returns   0: all passes .. LB_QUOTA_STEP_NOTHING
 *   calls     fast side, offline modes; pure
 */
unsigned lb_squeeze_quota_step(const struct lb_budget *budget, unsigned before);

/*
 * The step of the pressure ladder by how full the queue is.
 *   fill      0..1
 *   before    the step that its fill gave last
 *   returns   0..3
 *   calls     fast side; pure
 */
unsigned lb_squeeze_fill_step(double fill, unsigned before);

/*
 * The same by how much the machine's processes wait for memory.
 *   percent   avg10 of "some" in /proc/pressure/memory
 *   calls     fast side; pure
 */
unsigned lb_squeeze_memory_step(double percent, unsigned before);

/* Where a service is on both ladders. */
struct lb_squeeze {
    uint8_t quota, pressure;
};

enum lb_squeeze_verdict { LB_SQUEEZE_PASS = 0, LB_SQUEEZE_SHARE, LB_SQUEEZE_HOLD };

#define LB_SQUEEZE_NEW_ONLY UINT64_MAX

struct lb_squeeze_answer {
    enum lb_squeeze_verdict verdict;
    enum lb_drop drop; /* why it gives way: LB_DROP_QUOTA or LB_DROP_PRESSURE */
    uint64_t share;    /* with SHARE: of known patterns one in so many; LB_SQUEEZE_NEW_ONLY: none ... */
    uint64_t quiet_ns; /* ... and one of which none passed for so long; 0: not for that */
};

/*
 * May a record pass, as far as the ladders go?
 *   severity  of the record
 *   floor     of its service's settings, -1: off
 *   is_kept   a rule says so: as an error
 *   is_crash  a traceback, or worse than an error
 *   calls     fast side, offline modes; pure
 */
struct lb_squeeze_answer lb_squeeze_ask(const struct lb_squeeze *squeeze, int severity, int floor,
                                        bool is_kept, bool is_crash);

/*
 * What a step means, for a person.
 *   returns   a static string; "" for a step that is none
 *   calls     any thread
 */
const char *lb_squeeze_quota_text(unsigned step);
const char *lb_squeeze_pressure_text(unsigned step);

#endif
