/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_UNITS_H
#define LB_COMMON_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/quota.h"

/*
 * Numbers with units, as the INI and the command line have them (design.md 4).
 * All take the whole text: anything left over, a sign, or an overflow is an
 * error. `off` is the callers' word, not read here.
 *   text     NUL-terminated
 *   returns  0 | -EINVAL not of the form | -ERANGE too large for 64 bits
 *   calls    any thread
 */

/* Plain decimal: "12". */
int lb_units_number(const char *text, uint64_t *ret_number);
/* Bytes: "123", "64K", "8M", "1G" (binary multiples; also Ki, KiB, KB for K, and so on). */
int lb_units_size(const char *text, uint64_t *ret_bytes);
/* Milliseconds: "500ms", "30s", "5m", "2h", "18h", "7d", "5y"; a bare "0" too. */
int lb_units_duration(const char *text, uint64_t *ret_ms);
/* A number or a size for a time, given as so many a day: "200/s", "20/min", "5/h", "50M/day". */
int lb_units_rate(const char *text, uint64_t *ret_per_day);
/* Bytes in a day or a month: "50M/day", "500M/month". */
int lb_units_quota(const char *text, struct lb_quota *ret_quota);
/* "1/100" gives 100. */
int lb_units_share(const char *text, uint64_t *ret_share);
/* "10%" gives 10. */
int lb_units_percent(const char *text, uint64_t *ret_percent);
/* "yes" or "no". */
int lb_units_bool(const char *text, bool *ret_value);

/*
 * Write a size or a duration in its shortest exact form with units ("64K",
 * "1500ms", "90s"), as the sample file prints defaults.
 *   buf      size bytes, cut if too small
 *   returns  buf
 */
char *lb_units_print_size(uint64_t bytes, char *buf, size_t size);
char *lb_units_print_duration(uint64_t ms, char *buf, size_t size);
char *lb_units_print_rate(uint64_t per_day, char *buf, size_t size);
/* A size for people, rounded to one decimal: "912 B", "2.0 MiB". Not read back by lb_units_size(). */
char *lb_units_print_human(uint64_t bytes, char *buf, size_t size);

#endif
