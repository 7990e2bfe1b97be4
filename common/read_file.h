/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_READ_FILE_H
#define LB_COMMON_READ_FILE_H

#include <stddef.h>

/*
 * Read a whole small file. Only regular files (and those of /proc and /sys)
 * are read, so that a FIFO or a device in the place of one cannot hold us up.
 *   buf      room for size bytes; no NUL is added
 *   ret_len  bytes read, at most size
 *   returns  0 | -E2BIG longer than size | -EISDIR, -ENXIO not a file | negative errno of open, fstat, read
 *   calls    may block on the disk: start-up, card side, offline modes
 */
int lb_read_file(const char *path, char *buf, size_t size, size_t *ret_len);

#endif
