/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_DISKS_H
#define LB_WEAR_DISKS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/wear/view.h"

/*
 * Whole disks as sysfs tells of them (facts/storage.md 2): what they are, and
 * what has been written to them. Nothing is asked of the disk itself: CMD56 has
 * made cards vanish, so SD tells no health here.
 *
 * A disk keeps its index while the agent lives, also when it is taken out; when
 * all places are taken, that of a disk that was gone for a day goes.
 */
struct lb_disks {
    struct lb_disk disk[LB_WEAR_DISKS];
    uint64_t last_sectors[LB_WEAR_DISKS]; /* the counter as it was read last */
    uint64_t gone_ns[LB_WEAR_DISKS];      /* since when a disk is not there */
    uint32_t count, left_out;
    bool are_all; /* no real disk is left unwatched: what is dirtied goes to one of these */
};

/*
 * Look at all disks. The first look of a disk takes its counter as it is; from
 * then on wraps of a 32-bit kernel's counter (2^32 sectors) are counted, and a
 * counter that begins anew (a card was taken out and put in) is told from one.
 *   root      what stands before /sys: "" on a device, a directory in tests
 *   wanted    "auto": all that are not RAM, loop, optical, or made of others (dm, md); else names as in
 *             /sys/block, parted by blanks, of any kind; one that is not there is not an error
 *   returns   0 | -ENOENT no /sys/block
 *   calls     the sampler's thread: may wait for the kernel
 */
int lb_disks_sample(struct lb_disks *disks, const char *root, const char *wanted, uint64_t now_ns);

/*
 * The index of a disk by its name, of those that are present; -1: it is not watched.
 *   calls     the sampler's thread
 */
int lb_disks_find(const struct lb_disks *disks, const char *name);

#endif
