/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PROTECT_PLAN_H
#define LB_OFFLINE_PROTECT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What `logboom protect` finds and what it would do about it: plain values,
 * between those that look (protect_find.h), that do (protect_apply.h) and that
 * print.
 */

/* The files of our own, and no others: what is written or removed is one of these. */
enum lb_protect_file {
    LB_PROTECT_JOURNALD = 0,
    LB_PROTECT_TIMESYNCD,
    LB_PROTECT_SYSCTL,
    LB_PROTECT_UNIT,
    LB_PROTECT_UNIT_LINK, /* a link: its text is where it leads to */
    LB_PROTECT_FILES
};
#define LB_PROTECT_DROP_IN   "60-logboom-protect.conf"
#define LB_PROTECT_SERVICE   "logboom-protect.service"
#define LB_PROTECT_MANIFEST  "/etc/logboom/protect.manifest"
#define LB_PROTECT_FILE_TEXT 4096

/* By enum lb_protect_file. */
extern const char *const lb_protect_paths[LB_PROTECT_FILES];

enum lb_protect_state {
    LB_PROTECT_WOULD,   /* --apply does it */
    LB_PROTECT_DONE,    /* it is applied */
    LB_PROTECT_BY_HAND, /* nothing of it can be taken back safely: reported only */
    LB_PROTECT_BLOCKED  /* a setting of somebody else's wins over ours */
};

#define LB_PROTECT_TEXT 512
#define LB_PROTECT_MOST 64 /* findings; further ones of a kind are summed up by who looks */

/* Texts are for people, one line each, without control characters; "" where there is nothing to say. */
struct lb_protect_finding {
    const char *id; /* "journald", for programs */
    unsigned rank;  /* the worst first: larger */
    enum lb_protect_state state;
    char title[160];
    char known[LB_PROTECT_TEXT];  /* how it is known, what was measured here */
    char cost[LB_PROTECT_TEXT];   /* what it typically costs, as measured elsewhere */
    char action[LB_PROTECT_TEXT]; /* what protect does, or what a person can do */
};

#define LB_PROTECT_REMOUNTS 8
#define LB_PROTECT_POINT    256
#define LB_PROTECT_OPTIONS  64

/* A file system that the service mounts anew with other options. */
struct lb_protect_remount {
    char point[LB_PROTECT_POINT];
    char options[LB_PROTECT_OPTIONS]; /* "noatime,commit=60" */
    char before[LB_PROTECT_OPTIONS];  /* what undoes them: "relatime,commit=5" */
    bool is_due;                      /* it is mounted otherwise now */
};

struct lb_protect_plan {
    struct lb_protect_finding finding[LB_PROTECT_MOST];
    size_t count, left_out;
    char ground[LB_PROTECT_TEXT]; /* what the system lies on, for people */
    unsigned unreadable;          /* files of settings that could not be read */

    struct {
        bool is_wanted;
        char text[LB_PROTECT_FILE_TEXT];
    } file[LB_PROTECT_FILES];
    struct lb_protect_remount remount[LB_PROTECT_REMOUNTS];
    size_t remounts;
    int swappiness; /* that of the machine, where it is to be another; -1: it stays */
};

/*
 * A finding more; where there is no room, the last place is given, and it is counted as left out.
 *   returns  to be filled in; never NULL
 */
struct lb_protect_finding *lb_protect_add(struct lb_protect_plan *plan, const char *id, unsigned rank,
                                          enum lb_protect_state state);

/*
 * Write a text as printf does, or behind what is there. It is cut between characters of UTF-8 if need be;
 * control characters are '?', so that a name of a file can do nothing to a terminal.
 *   size     of the room at `to`
 */
void lb_protect_say(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
void lb_protect_say_more(char *to, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define LB_PROTECT_SAY(array, ...)      lb_protect_say((array), sizeof(array), __VA_ARGS__)
#define LB_PROTECT_SAY_MORE(array, ...) lb_protect_say_more((array), sizeof(array), __VA_ARGS__)

/*
 * The worst first; those of one rank as they were found.
 */
void lb_protect_sort(struct lb_protect_plan *plan);

#endif
