/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PROTECT_TREE_H
#define LB_OFFLINE_PROTECT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * The files of a system, this one's or an image's. All paths are absolute, as
 * the system itself sees them: no link, whatever it says, leads out of it
 * (openat2 or protect_beneath.h), so an image of strangers costs nobody else a file.
 *
 * What is written is whole or not there: a new name, synced, put in place.
 */
#define LB_PROTECT_FILE_MOST (256 * 1024) /* bytes of a file of settings; a larger one is not read */

struct lb_protect_tree {
    int fd;                         /* of its top */
    bool is_walked;                 /* there is no openat2 here: paths are looked up name by name */
    int (*before_write)(void *arg); /* for tests: asked before each change; nonzero fails it; may be NULL */
    void *arg;
};

/*
 * Open a system.
 *   top      "/" or a directory
 *   returns  0 | -ENOTDIR, other negative errno of open
 *   calls    as all here: an offline mode; they wait for the disk
 */
int lb_protect_tree_open(const char *top, struct lb_protect_tree *ret_tree);
void lb_protect_tree_close(struct lb_protect_tree *tree);

/*
 * Open a file or a directory as open(2) does.
 *   returns  a descriptor | negative errno
 */
int lb_protect_open(const struct lb_protect_tree *tree, const char *path, int flags);

/*
 * What a path is. A link that has no end is not there.
 *   is_link  true: of the link itself
 *   returns  0 | negative errno
 */
int lb_protect_stat(const struct lb_protect_tree *tree, const char *path, bool is_link,
                    struct stat *ret_stat);
bool lb_protect_exists(const struct lb_protect_tree *tree, const char *path);

/*
 * A file as a text, or where a link leads to, as it stands in it.
 *   buf      size bytes; a NUL is put behind what is read
 *   returns  0 | -E2BIG longer than that | -EISDIR, -ENXIO not a file | -EINVAL not a link | negative errno
 */
int lb_protect_read(const struct lb_protect_tree *tree, const char *path, char *buf, size_t size,
                    size_t *ret_len);
int lb_protect_read_link(const struct lb_protect_tree *tree, const char *path, char *buf, size_t size);

/*
 * The names in a directory, sorted, without those that begin with a dot.
 *   most     how many are taken; what is beyond is left out
 *   ret_names  with how many there are; to be freed by lb_protect_names_free()
 *   returns  0 (also where there is no such directory) | negative errno
 */
int lb_protect_list(const struct lb_protect_tree *tree, const char *path, size_t most, char ***ret_names,
                    size_t *ret_count);
void lb_protect_names_free(char **names, size_t count);

/*
 * Put a file in place: its new name, PATH.new, is there only meanwhile. Its directory exists.
 *   mode     of the file
 *   returns  0 it is on the disk, and so is its name | negative errno; the file is as it was
 */
int lb_protect_write(const struct lb_protect_tree *tree, const char *path, const char *text, size_t len,
                     mode_t mode);

/* The same for a link. */
int lb_protect_write_link(const struct lb_protect_tree *tree, const char *path, const char *target);

/*
 * Make a directory, 0755; that above it exists.
 *   returns  0 (also where it was there) | negative errno
 */
int lb_protect_mkdir(const struct lb_protect_tree *tree, const char *path);

/*
 * Remove a file and what an interrupted write left of it; a directory that is empty.
 *   returns  0 (also where there is none) | -ENOTEMPTY | negative errno
 */
int lb_protect_unlink(const struct lb_protect_tree *tree, const char *path);
int lb_protect_rmdir(const struct lb_protect_tree *tree, const char *path);

#endif
