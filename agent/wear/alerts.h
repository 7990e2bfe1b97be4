/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_ALERTS_H
#define LB_WEAR_ALERTS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/wear/history.h"
#include "agent/wear/view.h"

/*
 * When to speak up about wear, once for each thing, and once more when it is
 * over. A limit that is passed is over below four fifths of it; what was told
 * is not told anew within an hour, however often it comes and goes; and no more
 * than LB_ALERTS_HOUR alerts leave in an hour, the rest wait: file systems
 * first, then disks, then programs.
 *
 *     well ── passed ──▶ told ── below 4/5 ──▶ told to be over ── an hour ──▶ well
 *
 * Twice without an "over" between come only what has become grave since, and
 * errors of a file system, which do not go away: each time that there are more.
 *
 * There are as many subjects as a view can give reason for. When they are all
 * taken by what was told and went, what is new waits until that is settled.
 */
#define LB_ALERTS_SUBJECTS (4 * LB_WEAR_DISKS + 2 * LB_WEAR_FILESYSTEMS + LB_WEAR_PROGRAMS)
#define LB_ALERTS_HOUR     12
#define LB_ALERTS_AT_ONCE  8

enum lb_wear_what {
    LB_WEAR_DISK = 0,  /* a disk was written more than `alert` in an hour */
    LB_WEAR_PROGRAM,   /* a program wrote more than `program_alert` in an hour, to such disks */
    LB_WEAR_LIFE,      /* a disk will not last for `life_warn` */
    LB_WEAR_EOL,       /* an eMMC says that its spare blocks or its life run out */
    LB_WEAR_READ_ONLY, /* a file system has gone read-only */
    LB_WEAR_ERRORS, /* a file system has counted errors, or the kernel's log tells of some: those there were
                       at first, or more */
    LB_WEAR_WHATS
};

struct lb_wear_limit_settings {
    uint64_t disk_bytes_per_hour, program_bytes_per_hour; /* LB_WEAR_UNKNOWN: off */
    uint64_t life_warn_s;                                 /* 0: off */
    bool are_named; /* disks were named: limits of an hour are for them, flash or not */
};

/* One thing to be told. */
struct lb_wear_event {
    enum lb_wear_what what;
    bool is_over;
    bool is_grave; /* an error, not a warning */
    char disk[LB_WEAR_NAME];
    char program[LB_WEAR_NAME], unit[LB_WEAR_UNIT]; /* to blame; "" nobody is known, or it is over */
    uint64_t bytes, limit_bytes; /* of an hour; 0: it is not about bytes, or the limit is off */
    char text[256];              /* names in it are as they are: any bytes */
};

struct lb_wear_subject {
    enum lb_wear_what what;
    char name[LB_WEAR_NAME], unit[LB_WEAR_UNIT]; /* of a disk, a device, or a program and its unit */
    char disk[LB_WEAR_NAME];                     /* on which it was last seen */
    bool is_used;
    bool is_passed, is_told; /* passed now; told as such, and not yet told to be over */
    bool is_grave;           /* told as grave */
    bool is_kept;            /* a file system that is there: its errors are compared with those before */
    bool was_seen;           /* in this look */
    uint64_t told_ns;        /* when it was told that it is passed; 0: never */
    uint64_t value, first; /* of errors: how many were told, and how many there were when it was first seen */
};

struct lb_alerts {
    struct lb_wear_subject subject[LB_ALERTS_SUBJECTS];
    uint64_t left_ns[LB_ALERTS_HOUR]; /* when the last ones left */
    uint32_t left;                    /* grows: the place in left_ns is modulo */
};

/*
 * What is to be told after a look.
 *   view, history  as of this look
 *   events    room for LB_ALERTS_AT_ONCE
 *   returns   how many; what waits comes with a later look, unless it is over by then
 *   calls     the sampler's thread; pure but for alerts
 */
unsigned lb_alerts_look(struct lb_alerts *alerts, const struct lb_wear_view *view,
                        const struct lb_history *history, const struct lb_wear_limit_settings *limits,
                        uint64_t now_ns, struct lb_wear_event *events);

/*
 * The name of what an alert is about, as records tell it: "disk", "program", "life" ...
 *   calls     any thread
 */
const char *lb_wear_what_name(enum lb_wear_what what);

#endif
