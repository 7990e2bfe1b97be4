/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_GROUND_H
#define LB_COMMON_GROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What a file lies on: RAM, flash, or something else (facts/storage.md 2). A
 * file on tmpfs may be read by the fast side; whatever writes one on flash
 * wears it; anything else (a disk that turns, a disk of a virtual machine, the
 * network) is read where reading may take its time.
 */
enum lb_ground { LB_GROUND_OTHER = 0, LB_GROUND_RAM, LB_GROUND_FLASH };

#define LB_GROUND_NAME 96
#define LB_GROUND_WORD 32

struct lb_ground_view {
    enum lb_ground ground;
    char name[LB_GROUND_NAME];   /* "mmcblk0p2 (ext4)", for people; cut if longer */
    char type[LB_GROUND_WORD];   /* of the file system, "ext4"; of an overlay that of its upper directory;
                                    "overlay" where that is out of sight, "" where nothing can be told */
    char device[LB_GROUND_WORD]; /* the block device that takes what is written: "mmcblk0p2", "dm-0", of an
                                    overlay that of its upper directory; "" where there is none */
    bool leaves_out_syncs;       /* an overlay mounted "volatile" */
    char disk[LB_GROUND_WORD];   /* the whole disk below all layers, as /sys/block calls it; of several one
                                    that is flash; "" where there is none */
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

/*
 * The same for a block device by its name in /sys/class/block ("mmcblk0", "sda1", "dm-0").
 *   ret_view  its type is ""
 *   ret_why   how it is known of the disk below, for people: "an SD card", "does not turn"; "" there is none
 *   returns   ret_view->ground
 *   calls     as above
 */
enum lb_ground lb_ground_of_name(const char *root, const char *device, struct lb_ground_view *ret_view,
                                 const char **ret_why);

/*
 * What a disk holds, and what has been written to it since the machine started.
 *   disk      as /sys/block calls it
 *   ret_bytes of all writers; on a 32-bit kernel the counter begins anew at 2 TiB
 *   returns   0 | -ENOENT no such disk | -EINVAL the kernel says something else there
 *   calls     any thread: sysfs does not wait for the disk
 */
int lb_ground_capacity(const char *root, const char *disk, uint64_t *ret_bytes);
int lb_ground_written(const char *root, const char *disk, uint64_t *ret_bytes);

#endif
