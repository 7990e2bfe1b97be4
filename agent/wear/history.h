/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_HISTORY_H
#define LB_WEAR_HISTORY_H

#include <stdint.h>

#include "agent/wear/view.h"

/*
 * The past of disks and programs, in RAM: minutes of the last hour, by which
 * limits an hour are judged, and buckets of [wear] history, which are shown.
 * Bytes of programs are kept in KiB; what is below one is carried over by the
 * programs' own sums, so nothing is lost to rounding.
 *
 * What a look tells is of the time since the look before. Where that is longer
 * than a minute, or reaches out of the hour, an hour's sum has its part of it.
 * Where another disk or another medium takes a place, its past begins anew.
 */
#define LB_HISTORY_MINUTES 61 /* an hour, and the one that is being filled */

struct lb_history_minute {
    uint64_t start_ns;
    uint64_t from_ns; /* the look before its first: what is told here is of the time from then on */
    uint64_t disk_bytes[LB_WEAR_DISKS];
    uint32_t program_kib[LB_WEAR_PROGRAMS][LB_WEAR_DISKS];
};

struct lb_history {
    uint64_t bucket_s;
    uint64_t noted_ns; /* 0: nothing yet */
    uint32_t minutes, buckets;
    struct lb_history_minute minute[LB_HISTORY_MINUTES]; /* oldest first, the last is being filled */
    struct lb_wear_bucket bucket[LB_WEAR_BUCKETS];       /* likewise */
    uint32_t told_kib[LB_WEAR_PROGRAMS][LB_WEAR_DISKS];  /* of programs' sums, counted so far */
    char name[LB_WEAR_DISKS][LB_WEAR_NAME];              /* whose past it is: the disk, and its medium */
    uint64_t medium[LB_WEAR_DISKS];
    uint64_t since_ns[LB_WEAR_DISKS]; /* from when on the past is its own */
    uint64_t told_in, told_delivered, told_lost, told_body_bytes;
};

/* What is told of the agent's own work with each look; all since the books were begun. */
struct lb_wear_books {
    uint64_t lines_in, lines_delivered, lines_lost, body_bytes;
    uint32_t backlog_permille, ring_permille;
    bool is_away;
};

/*
 * Note a look.
 *   view       disks and programs as of this look, with their delta_bytes
 *   moved      lb_writers_view()'s: the past of a program goes with it
 *   history_s  how long the past is to be; another one than before begins it anew
 *   calls      the sampler's thread
 */
void lb_history_note(struct lb_history *history, const struct lb_wear_view *view,
                     const uint32_t moved[LB_WEAR_PROGRAMS], const struct lb_wear_books *books,
                     uint64_t history_s, uint64_t now_ns);

/*
 * The past is put into a view.
 *   calls      the sampler's thread
 */
void lb_history_show(const struct lb_history *history, struct lb_wear_view *view);

/*
 * Sums over the hour before the last look, or what is known of it: of a disk; of
 * a program on a disk, on all of them where disk is LB_WEAR_DISKS.
 *   calls      the sampler's thread
 */
uint64_t lb_history_hour(const struct lb_history *history, uint32_t disk);
uint64_t lb_history_program_hour(const struct lb_history *history, uint32_t program, uint32_t disk);

#endif
