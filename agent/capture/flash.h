/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_FLASH_H
#define LB_CAPTURE_FLASH_H

#include <stddef.h>
#include <sys/types.h>

/*
 * What a file lies on: RAM, flash, or something else (facts/storage.md 2). A
 * file on tmpfs may be read by the fast side; whatever writes one on flash
 * wears it; anything else (a disk that turns, a disk of a virtual machine, the
 * network) is read where reading may take its time.
 */
enum lb_ground { LB_GROUND_OTHER = 0, LB_GROUND_RAM, LB_GROUND_FLASH };

#define LB_GROUND_NAME 96

struct lb_ground_view {
    enum lb_ground ground;
    char name[LB_GROUND_NAME]; /* "mmcblk0p2 (ext4)", for people; cut if longer */
};

/*
 * Look where an open file lies.
 *   fd        of it, may be O_PATH
 *   root      what stands before /sys and /proc/self/mountinfo: "" on a device, a directory in tests
 *   returns   0 | negative errno of fstat, fstatfs
 *   calls     a thread that may wait for a disk: it resolves paths
 */
int lb_ground_of(int fd, const char *root, struct lb_ground_view *ret_view);

/*
 * The same for a device, or a path that lies on none of its own.
 *   dev       st_dev
 *   path      absolute, by which the mount is found where dev is no block device; may be ""
 *   calls     as above
 */
void lb_ground_of_dev(dev_t dev, const char *path, const char *root, struct lb_ground_view *ret_view);

#endif
