/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_FILESYSTEMS_H
#define LB_WEAR_FILESYSTEMS_H

#include <stdint.h>

#include "agent/wear/disks.h"
#include "agent/wear/view.h"

/*
 * The file systems on the watched disks, and what about them wears a card
 * without need. A file system is found through partitions, dm, md, loop,
 * overlay and btrfs by common/ground.h.
 */
struct lb_filesystems {
    struct lb_filesystem at[LB_WEAR_FILESYSTEMS];
    uint32_t count;
    uint32_t left_out;
};

/*
 * Look at all mounts, once each: several mounts of one device are one file
 * system. Writes the lifetime of each disk (the sum over its file systems that
 * remember one) into disks->disk[].lifetime_bytes. What an earlier look saw
 * writable and is read-only now stays marked until it is writable again.
 *   root      what stands before /proc and /sys
 *   returns   0 | negative errno of reading /proc/self/mountinfo
 *   calls     the sampler's thread: it resolves paths
 */
int lb_filesystems_sample(struct lb_filesystems *filesystems, const char *root, struct lb_disks *disks);

/*
 * What could be otherwise: swap on flash (files and partitions of /proc/swaps,
 * zram with a backing device on flash), a file system on flash that writes at
 * each read (atime beyond relatime) or waits for each write (sync), one that
 * went read-only or has counted errors, a disk in its last tenth (eMMC).
 *   findings  room for LB_WEAR_FINDINGS; texts as in struct lb_finding
 *   returns   how many
 *   calls     as above
 */
uint32_t lb_filesystems_find(const struct lb_filesystems *filesystems, const char *root,
                             const struct lb_disks *disks, struct lb_finding *findings);

#endif
