/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_SYSFS_H
#define LB_COMMON_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The small files of /sys: one line each, a word or a number. What is not there
 * and what makes no sense are the same to who asks.
 */

/*
 * The first line of a file.
 *   dir, name  DIR/NAME; name may have slashes
 *   buf        size bytes, at least 1; cut if the line is longer, "" if there is none
 *   calls      any thread: sysfs does not wait for a disk
 */
void lb_sysfs_text(const char *dir, const char *name, char *buf, size_t size);

/*
 * A number alone in its line.
 *   base       10, or 16 for one with 0x
 *   returns    false: no such file, anything but a number from 0 to 2^64 - 1 in it; *ret_number is as it was
 *   calls      any thread
 */
bool lb_sysfs_number(const char *dir, const char *name, int base, uint64_t *ret_number);

/*
 * The number at the start of a text: digits, blanks before them left out.
 *   ret_rest   what stands behind it; may be NULL
 *   returns    false: none (a sign is none), or it is beyond 64 bits
 *   calls      any thread
 */
bool lb_sysfs_parse(const char *text, int base, uint64_t *ret_number, const char **ret_rest);

#endif
