/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_INPUT_SCAN_H
#define LB_CAPTURE_INPUT_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/store/card.h"
#include "common/config.h"

/*
 * Find the files that globs name. Runs on a card side, because to open a path
 * may wait for a disk; talks to the fast side only by what is in struct lb_scan,
 * which belongs to one of them at a time.
 *
 * A file is known by what it is, not by its name: its id is made of the
 * input's name, the device, the inode and its time of birth (an inode number
 * comes again, on a disk at once). So a renamed file is the same one, and a
 * new one in its place is another.
 */
#define LB_INPUT_FILES 128 /* followed at a time, over all inputs */
#define LB_SCAN_ERROR  320
#define LB_SCAN_DIRS   64 /* that are watched, of one input */

struct lb_scan_glob {        /* one input */
    const char *name, *path; /* of the configuration, constant while scans run */
    bool is_wanted;
    bool allow_flash;
    char error[LB_SCAN_ERROR]; /* out: what is wrong with one of them; "" */
    unsigned matches;          /* out: regular files that the glob finds, followed or not */
    unsigned refused;          /* out: of them, on flash */
};

struct lb_scan_known {
    unsigned input; /* of no meaning where it is sought: its id is of one input only */
    uint64_t id;
    uint64_t ino; /* by which it is sought */
};

struct lb_scan_found {
    unsigned input;
    uint64_t id, dev, ino;
    int fd; /* the receiver's; -1: it is known already */
    int wd; /* of inotify; -1: none */
    uid_t uid;
    uint64_t size;
    uint64_t end; /* behind its last line that is whole */
    bool is_ram;
    bool is_gone; /* no glob finds it: it has another name since an agent before us read it */
};

struct lb_scan {
    struct lb_card_job job;
    int inotify_fd;
    struct lb_scan_glob glob[LB_INPUTS_MAX];
    unsigned globs;
    struct lb_scan_known known[LB_INPUT_FILES]; /* in: these are followed */
    unsigned known_count;
    struct lb_scan_known sought[LB_INPUT_FILES]; /* in: and these were, before the agent was started */
    unsigned sought_count;
    struct lb_scan_found found[LB_INPUT_FILES]; /* out */
    unsigned found_count;
    bool has_more; /* out: there was no room for all */
};

/*
 * The id of a file for an input.
 *   returns   never 0
 *   calls     any thread; a pure function
 */
uint64_t lb_scan_id(const char *input, uint64_t dev, uint64_t ino, uint64_t born_ns);

/*
 * Is a file passed over for its name (packed by logrotate)?
 *   calls     any thread; a pure function
 */
bool lb_scan_is_packed(const char *path);

/*
 * Do it.
 *   scan      in is filled; out becomes the result, descriptors and all
 *   calls     a card side; may block
 */
void lb_scan_run(struct lb_scan *scan);

#endif
