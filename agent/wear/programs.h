/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_PROGRAMS_H
#define LB_WEAR_PROGRAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/wear/view.h"

/*
 * The programs that were seen to write, by name and unit. A program keeps its
 * place until it must make room for one that writes more: then it is merged
 * into "others", which has the last place and stays.
 */
#define LB_PROGRAMS_OTHERS (LB_WEAR_PROGRAMS - 1)

struct lb_programs {
    struct lb_program at[LB_WEAR_PROGRAMS];
    uint64_t weight[LB_WEAR_PROGRAMS];   /* bytes dirtied, fading: about those of the last day */
    uint32_t disks[LB_WEAR_PROGRAMS];    /* a bit for each disk that it was last seen with files on; 0 none */
    uint64_t disks_ns[LB_WEAR_PROGRAMS]; /* when */
    uint32_t moved[LB_WEAR_PROGRAMS];    /* where what was here at lb_programs_begin() is now */
    uint32_t count;
    uint64_t faded_ns; /* 0: not begun */
};

/*
 * A look begins: nothing has moved, and weights fade with time.
 *   calls     the sampler's thread, as all of these; none of them waits
 */
void lb_programs_begin(struct lb_programs *programs, uint64_t now_ns);

/*
 * The place of a program, LB_WEAR_NO_PROGRAM if it has none.
 *   name, unit  end in NUL
 */
uint32_t lb_programs_find(const struct lb_programs *programs, const char *name, const char *unit);

/*
 * The place of a program that has dirtied bytes. One that is new and finds no
 * room takes that of the lightest, if that weighs less than these bytes; else
 * it is one of the others.
 *   is_ours     it is logboomd itself, which never makes room
 *   ret_merged  the place whose program went to LB_PROGRAMS_OTHERS for it; LB_WEAR_NO_PROGRAM: none did
 */
uint32_t lb_programs_take(struct lb_programs *programs, const char *name, const char *unit, bool is_ours,
                          uint64_t bytes, uint32_t *ret_merged);

/*
 * Which disks a program's bytes may be for.
 *   disks     a bit for each that one of its processes has files on, of the caller's meaning; 0: it has none
 *             open now
 *   returns   disks, or those of an earlier look where it is 0; 0: not known
 */
uint32_t lb_programs_disks(struct lb_programs *programs, uint32_t program, uint32_t disks, uint64_t now_ns);

/* What each program gets of what the disks counted, of this look. */
void lb_programs_pay(struct lb_programs *programs, uint64_t shares[LB_WEAR_PROGRAMS][LB_WEAR_DISKS]);

/* Another disk takes this one's place: nobody has written to it. */
void lb_programs_forget_disk(struct lb_programs *programs, uint32_t disk);

#endif
