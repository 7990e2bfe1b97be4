/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_MAPFILE_H
#define LB_STORE_MAPFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A file of the runtime directory, mapped: a header, then data. It is fully
 * allocated before it is mapped, so that a full tmpfs is an error at start and
 * never a SIGBUS later (facts/storage.md section 3). It outlives the process.
 *
 * Header and data are multiples of LB_MAP_ALIGN, which is a multiple of every
 * page size in use (16 KiB on the Pi 5), so that one image suits all kernels.
 */
#define LB_MAP_ALIGN 65536u

struct lb_mapfile {
    int fd;
    uint8_t *header;
    uint8_t *data; /* mapped twice in a row when mirrored: data[i] == data[data_bytes + i] */
    size_t header_bytes;
    size_t data_bytes;
    bool is_mirrored;
    bool is_locked; /* in RAM, cannot be swapped to the card */
    int lock_errno; /* why not, when is_locked is false and it was asked for */
};

/* What lb_mapfile_open() is to do. */
enum { LB_MAP_MIRROR = 1, LB_MAP_LOCK = 2 };

/*
 * Open an existing file and map it.
 *   header_bytes  a multiple of LB_MAP_ALIGN; the rest of the file is data
 *   returns  0 | -ENOENT | -EINVAL shorter than the header, or not a whole multiple
 *            | other negative errno of open, fallocate or mmap; on error nothing stays open
 *   calls    before the threads start
 */
int lb_mapfile_open(int dir_fd, const char *name, size_t header_bytes, unsigned flags,
                    struct lb_mapfile *ret_map);

/*
 * Make a new file under a temporary name, all zero, and map it. It appears
 * under its own name only with lb_mapfile_publish(), so a half-made file is
 * never taken for a good one.
 *   returns  0 | -ENOSPC the file system has no room for it (nothing is left behind)
 *            | other negative errno
 *   calls    before the threads start
 */
int lb_mapfile_create(int dir_fd, const char *name, size_t header_bytes, size_t data_bytes, unsigned flags,
                      struct lb_mapfile *ret_map);

/*
 * Give a new file its name, in place of any file that has it now.
 *   returns  0 | negative errno of rename
 *   calls    before the threads start
 */
int lb_mapfile_publish(int dir_fd, const char *name);

/*
 * Map an existing file for reading only, from a descriptor that came by
 * SCM_RIGHTS (offline readers).
 *   fd       becomes the map's on success, stays the caller's on error
 *   returns  0 | -EINVAL as lb_mapfile_open() | negative errno
 *   calls    any thread of an offline reader
 */
int lb_mapfile_open_readonly(int fd, size_t header_bytes, unsigned flags, struct lb_mapfile *ret_map);

/*
 * Unmap and close; the file stays.
 *   calls    when no thread uses the map any more
 */
void lb_mapfile_close(struct lb_mapfile *map);

/*
 * Round up to LB_MAP_ALIGN.
 *   calls    any thread
 */
size_t lb_mapfile_round(size_t bytes);

#endif
