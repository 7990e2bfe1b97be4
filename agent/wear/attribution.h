/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_ATTRIBUTION_H
#define LB_WEAR_ATTRIBUTION_H

#include <stdint.h>

#include "agent/wear/view.h"

/*
 * Whose bytes were those that a disk counted? What a program dirtied waits here
 * until the disk is written to, and is paid out of what the disk then counts.
 * Plain arithmetic: no clock, no file, no memory but its own.
 *
 *   dirtied ──▶ new ── a minute ──▶ old ── a minute ──▶ dropped
 *                └───── paid ────────┘
 *
 * Always true: what is paid for a disk is never more than what it counted, and
 * what is paid to a program never more than what it had waiting.
 */
/* Dirtied in one go; more is taken as this much, so that sums stay exact. */
#define LB_ATTRIBUTION_BYTES_MAX (1ull << 50)
/* Among bits for disks: paid when nobody else is left. */
#define LB_ATTRIBUTION_LAST (1u << 30)

/* What one program has waiting. */
struct lb_waiting {
    uint64_t placed[LB_WEAR_DISKS]; /* known to be for this disk */
    uint64_t spread;                /* for some of these: */
    uint32_t spread_disks;          /* a bit for each disk */
    uint64_t unknown;               /* for some disk, maybe none that is watched */
    uint64_t last;                  /* the same, of kernel threads: they dirty what others caused */
};

struct lb_attribution {
    struct lb_waiting fresh[LB_WEAR_PROGRAMS], old[LB_WEAR_PROGRAMS];
    uint64_t aged_ns; /* when fresh became old; 0: never yet */
};

/*
 * A program has dirtied bytes.
 *   program   below LB_WEAR_PROGRAMS
 *   disks     a bit for each disk that they may be for; of several, each gets its part as it is written to.
 *             0: not known: they are paid out of what is left when all that are known have been.
 *             LB_ATTRIBUTION_LAST: nor are they known, and they come behind those
 *   calls     the sampler's thread, as all of these
 */
void lb_attribution_add(struct lb_attribution *attribution, uint32_t program, uint32_t disks, uint64_t bytes);

/*
 * A program has taken bytes back before they were written (truncate, unlink):
 * they are waited for no more, the newest first. More than it has waiting is
 * no error: they were another program's, or paid already.
 */
void lb_attribution_cancel(struct lb_attribution *attribution, uint32_t program, uint64_t bytes);

/*
 * Let time pass. Once a minute what waits becomes old, and what was old is dropped: the kernel writes a dirty
 * page within 35 s, so its page was rewritten before it was written, or its disk is none that is watched.
 *   now_ns    of any clock that does not go back
 */
void lb_attribution_age(struct lb_attribution *attribution, uint64_t now_ns);

/*
 * Pay out what the disks have counted: first what is known to be for a disk,
 * of that the old first, each program in proportion to what it has waiting.
 *   counted   bytes, of each disk since the last payment
 *   shares    is set: what each program gets of it
 *   ret_rest  is set: what nobody gets. Shares of a disk and its rest add up to counted
 */
void lb_attribution_pay(struct lb_attribution *attribution, const uint64_t counted[LB_WEAR_DISKS],
                        uint64_t shares[LB_WEAR_PROGRAMS][LB_WEAR_DISKS], uint64_t ret_rest[LB_WEAR_DISKS]);

/* What a program has waiting goes to another; the first has none then. */
void lb_attribution_move(struct lb_attribution *attribution, uint32_t from, uint32_t to);

/* Another disk takes this one's place: nothing waits for it. */
void lb_attribution_forget_disk(struct lb_attribution *attribution, uint32_t disk);

#endif
