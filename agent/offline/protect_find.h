/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PROTECT_FIND_H
#define LB_OFFLINE_PROTECT_FIND_H

#include "agent/offline/protect_conf.h"
#include "agent/offline/protect_manifest.h"
#include "agent/offline/protect_plan.h"
#include "common/ground.h"

/*
 * Looking for what wears a card. Of the machine that runs, what its kernel
 * tells counts; of an image, what its files say that will be: there / is taken
 * to lie on flash, since an image is made for a card.
 *
 * Nothing here changes anything. What cannot be seen is not found.
 */
#define LB_PROTECT_FSTAB 32

struct lb_protect_fstab_line {
    char device[256], point[LB_PROTECT_POINT], type[64], options[512];
};

struct lb_protect_look {
    const struct lb_protect_tree *tree;
    const struct lb_protect_manifest *manifest;
    const char *kernel;    /* what stands before /proc and /sys: "" on a device, a directory in tests */
    bool is_live;          /* the machine that runs; false: an image */
    bool is_unknown_flash; /* a disk of which nothing is known is taken for flash */
    uint64_t now_s;        /* wall time */
    struct lb_protect_plan *plan;
    struct lb_protect_fstab_line fstab[LB_PROTECT_FSTAB];
    size_t fstab_lines;
    size_t mounts_from; /* the first finding that is a mount */
};

/*
 * Find all there is, worst first, and plan what would be done.
 *   look   tree, manifest, kernel, is_live, is_unknown_flash, now_s and plan are set; the plan is
 *          begun anew
 *   calls  an offline mode
 */
void lb_protect_find(struct lb_protect_look *look);

/* What each file of finders looks for. */
void lb_protect_find_journal(struct lb_protect_look *look);
void lb_protect_find_mounts(struct lb_protect_look *look);
void lb_protect_find_swap(struct lb_protect_look *look);
void lb_protect_find_logs(struct lb_protect_look *look);
void lb_protect_find_timesyncd(struct lb_protect_look *look);
void lb_protect_find_timers(struct lb_protect_look *look);
void lb_protect_find_services(struct lb_protect_look *look);
void lb_protect_find_docker(struct lb_protect_look *look);

/* ---- for finders ---- */

/*
 * Does what is written at this path go to flash? A path that is not there yet: where its directory lies.
 */
bool lb_protect_is_on_flash(const struct lb_protect_look *look, const char *path);

/*
 * Is this disk, or what it says of itself, flash?
 */
bool lb_protect_is_flash(const struct lb_protect_look *look, const struct lb_ground_view *view);

/*
 * What stands in the plan for a file of ours, and how a finding that it heals stands: WOULD, DONE, or BLOCKED
 * (somebody changed it).
 *   text     what the file is to be
 *   pending  the bit of what runs that has to take it up
 */
enum lb_protect_state lb_protect_want(struct lb_protect_look *look, enum lb_protect_file file,
                                      const char *text, unsigned pending);

/*
 * Is a unit there and started by a target? Of its name in /etc/systemd/system/TARGET.wants or that of
 * /usr/lib.
 */
bool lb_protect_is_enabled(const struct lb_protect_look *look, const char *target, const char *unit);

typedef void (*lb_protect_walk_file)(void *arg, const char *path, const struct stat *st);

/*
 * All files below a directory, links left out, no further than so deep and so many.
 *   file     called for each; its path is whole
 */
void lb_protect_walk(const struct lb_protect_look *look, const char *dir, lb_protect_walk_file file,
                     void *arg);

#define LB_PROTECT_AGE 32

/* "3 h", "12 days"; "now" below a minute. Of a stamp in the future: "now". */
const char *lb_protect_age(uint64_t now_s, int64_t then_s, char buf[LB_PROTECT_AGE]);

/* Bytes that a file takes on its disk. */
static inline uint64_t lb_protect_allocated(const struct stat *st)
{
    return (uint64_t)st->st_blocks * 512;
}

#endif
