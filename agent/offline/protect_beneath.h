/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PROTECT_BENEATH_H
#define LB_OFFLINE_PROTECT_BENEATH_H

/*
 * Open what a path names with a directory as its "/", name by name: what
 * openat2 and RESOLVE_IN_ROOT do in one call where they are (Linux 5.6; not
 * under qemu-user of Debian 12). No link, and no "..", leads out, also while
 * somebody renames.
 *   top      the directory, O_PATH is enough
 *   flags    of open(2), without O_CREAT
 *   returns  a descriptor | -ELOOP more than 40 links, or a link and
 *            O_NOFOLLOW without O_PATH | -ENAMETOOLONG, also below more than
 *            64 directories | negative errno
 *   calls    any thread
 */
int lb_protect_beneath(int top, const char *path, int flags);

#endif
