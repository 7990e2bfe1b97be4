/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_MOUNTS_H
#define LB_COMMON_MOUNTS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * /proc/PID/mountinfo, line by line. Blanks and the like in paths, which the
 * kernel writes as three octal digits behind a backslash, are as they were.
 */
#define LB_MOUNTS_OPTIONS 4096

/* One line. 12 KiB: of those that look through many lines one is enough, on the heap. */
struct lb_mount {
    unsigned maj, min;
    char point[PATH_MAX];
    char flags[256]; /* of this mount: "rw,relatime" */
    char type[64];   /* "ext4", "fuse.sshfs" */
    char source[PATH_MAX];
    char
        options[LB_MOUNTS_OPTIONS]; /* of the file system: "rw,errors=remount-ro"; cut, escapes as they are */
};

/*
 * Take a line apart.
 *   line     with or without its newline
 *   returns  false: it is none of mountinfo; *ret_mount is spoilt
 *   calls    any thread
 */
bool lb_mounts_parse(const char *line, struct lb_mount *ret_mount);

/*
 * Is a word among options that are parted by commas?
 *   word     whole: "sync" is not in "async"; with its value if it has one
 *   calls    any thread
 */
bool lb_mounts_has(const char *options, const char *word);

/*
 * The value of an option, escapes undone.
 *   key      with its equals sign: "upperdir="
 *   buf      size bytes, cut if too small
 *   returns  false: there is no such option; buf is as it was
 *   calls    any thread
 */
bool lb_mounts_value(const char *options, const char *key, char *buf, size_t size);

/*
 * Undo \040 and its like, in place.
 *   calls    any thread
 */
void lb_mounts_unescape(char *text);

#endif
