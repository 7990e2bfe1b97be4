/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_DROPFILE_H
#define LB_SHIP_DROPFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ship/sinks/sink.h"
#include "common/ground.h"

/*
 * The file of a file sink: bodies are appended to it, whole or not at all; at
 * a size it is put aside as PATH.1, what was there as PATH.2, and so on. The
 * file ends with a whole line, or, packed, with a whole zstd frame.
 *
 * It refuses to lie on what lines wear out (an SD card, eMMC, USB) unless that
 * is allowed.
 */
struct lb_dropfile {
    char path[LB_SINK_URL_LEN];
    uint64_t rotate_bytes; /* a body that would make it longer begins a new one; LB_OFF: never */
    unsigned keep;         /* how many are put aside; 0: the old one is removed */
    bool allow_flash;
    const char *root; /* before /sys and /proc: "" on a device */
    bool is_known;    /* what an agent before has left is looked at, and so is the ground */
};

/*
 * Append a body.
 *   why       size bytes: where it failed, and what can be done, for people; "" when all is well
 *   returns   0 it is written, in the kernel's hands | ENOTSUP it would lie on flash | another errno; the
 *             file is as it was
 *   calls     card side; one thread for each file
 */
int lb_dropfile_append(struct lb_dropfile *file, const void *body, size_t len, char *why, size_t size);

/*
 * Do lines wear out what a file lies on: an SD card, eMMC, a flash chip, or
 * flash that hangs on USB? A SATA or NVMe disk spreads its writes, and takes
 * hundreds of times as many (facts/storage.md 2).
 *   root      as in struct lb_dropfile
 *   calls     as lb_dropfile_append()
 */
bool lb_dropfile_is_worn(const char *root, const struct lb_ground_view *view);

#endif
