/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PROTECT_MANIFEST_H
#define LB_OFFLINE_PROTECT_MANIFEST_H

#include "agent/offline/protect_plan.h"
#include "agent/offline/protect_tree.h"

/*
 * /etc/logboom/protect.manifest: what is ours, and how things were before. It
 * is written before anything else is, so whatever interrupts an apply, what
 * may have been made is in it; and it is the last that an undo removes.
 *
 *   logboom protect 1
 *   dir /etc/systemd/journald.conf.d              made by us
 *   file 9f86d081884c7d65 /etc/systemd/...        XXH3 of what we wrote; two lines while one is replaced
 *   before relatime,commit=5 /                    of a mount, blanks in its point as \040
 *   swappiness 60                                 of the machine
 *   pending journald mounts                       written, but not yet taken up by what runs
 */
enum lb_protect_pending {
    LB_PROTECT_PENDING_JOURNALD = 1,
    LB_PROTECT_PENDING_TIMESYNCD = 2,
    LB_PROTECT_PENDING_MOUNTS = 4,
    LB_PROTECT_PENDING_SYSCTL = 8
};

#define LB_PROTECT_DIRS     8
#define LB_PROTECT_VERSIONS 2 /* of one file: what is there, and what is about to be */

struct lb_protect_manifest {
    bool is_there;
    unsigned dirs; /* bit N: lb_protect_dirs[N] is ours */
    struct {
        uint64_t hash[LB_PROTECT_VERSIONS];
        unsigned versions; /* 0: it is none of ours */
    } file[LB_PROTECT_FILES];
    struct lb_protect_remount before[LB_PROTECT_REMOUNTS]; /* point and before */
    size_t befores;
    int swappiness; /* -1: not changed */
    unsigned pending;
};

/* The directories that our files lie in, those above first. Ends with NULL. */
extern const char *const lb_protect_dirs[LB_PROTECT_DIRS + 1];

/*
 * Read the manifest of a system.
 *   returns  0 (also where there is none) | -EINVAL it is not what we write: nothing may be done by it |
 * negative errno
 */
int lb_protect_manifest_read(const struct lb_protect_tree *tree, struct lb_protect_manifest *ret_manifest);

/*
 * Take one apart. Names a file or a directory only if it is one of ours.
 *   text     ends with a NUL
 *   returns  0 | -EINVAL
 *   calls    any thread
 */
int lb_protect_manifest_parse(const char *text, struct lb_protect_manifest *ret_manifest);

/*
 * Write it, unless the file says the same already. Its directory exists.
 *   returns  0 | negative errno
 */
int lb_protect_manifest_write(const struct lb_protect_tree *tree, const struct lb_protect_manifest *manifest);

enum lb_protect_is {
    LB_PROTECT_IS_MISSING,
    LB_PROTECT_IS_OURS,   /* as we wrote it */
    LB_PROTECT_IS_FOREIGN /* changed since, or somebody else's; or it cannot be read */
};

/*
 * How a file of ours is.
 */
enum lb_protect_is lb_protect_file_is(const struct lb_protect_tree *tree,
                                      const struct lb_protect_manifest *manifest, enum lb_protect_file file);

/*
 * Is what is there exactly this text?
 */
bool lb_protect_file_has(const struct lb_protect_tree *tree, enum lb_protect_file file, const char *text);

/* What stands in the manifest for a text. */
uint64_t lb_protect_hash(const char *text, size_t len);

#endif
