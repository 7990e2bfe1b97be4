/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_REPORT_TEXT_H
#define LB_WEAR_REPORT_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "agent/wear/view.h"

/* Room for one figure in words. */
#define LB_REPORT_WORD 48

/*
 * Figures in words, which need no escape in HTML. Bytes have decimal units,
 * since that is how the label of a card counts: "912 B", "1.2 GB"; spans are
 * "42 s", "12 min", "3 h 12 min", "5 days"; lives are rounded down to what one
 * may rely on: "23 days", "14 months", "8 years"; counts have commas; shares
 * are "34 %", "under 1 %", or "-" of nothing.
 *   buf      LB_REPORT_WORD bytes
 *   returns  buf; LB_WEAR_UNKNOWN gives "not known"
 *   calls    any thread; pure functions
 */
char *lb_report_bytes(uint64_t bytes, char *buf);
char *lb_report_span(uint64_t seconds, char *buf);
char *lb_report_life(uint64_t seconds, char *buf);
char *lb_report_count(uint64_t count, char *buf);
char *lb_report_share(uint64_t part, uint64_t whole, char *buf);

/*
 * A moment: "14:10" in UTC, "08 Dec 14:10" of another day than the last sample
 * is of, or "3 h 20 min ago" where the wall clock is not known; and in full, "2026-11-27 14:10:03 UTC".
 *   at_ns    boot clock
 *   buf      LB_REPORT_WORD bytes
 *   returns  buf
 *   calls    any thread; pure functions
 */
char *lb_report_moment(const struct lb_wear_view *view, uint64_t at_ns, char *buf);
char *lb_report_stamp(const struct lb_wear_view *view, uint64_t at_ns, char *buf);

/*
 * Write a text from outside, so that it is text wherever it stands in HTML or
 * XML, attributes included: markup is escaped, and what is no UTF-8, no
 * character, a control, or turns the direction of what follows becomes U+FFFD.
 * A byte becomes five at most.
 *   text       ends with NUL or after size bytes
 *   chars_max  more are cut, and an ellipsis tells so
 *   calls      any thread
 */
void lb_report_text(FILE *out, const char *text, size_t size);
void lb_report_text_cut(FILE *out, const char *text, size_t size, size_t chars_max);

/*
 * The same for a terminal: markup stays as it is.
 *   calls      any thread
 */
void lb_report_plain(FILE *out, const char *text, size_t size);

/*
 * Write bytes in words, with the exact number for who copies it: <data value="1200">1.2 kB</data>.
 *   calls    any thread
 */
void lb_report_value(FILE *out, uint64_t bytes);

/*
 * Write a bar: so much of the whole, at most all of it; nothing has no bar.
 *   css      class of the filled part
 *   calls    any thread
 */
void lb_report_bar(FILE *out, uint64_t bytes, uint64_t whole, const char *css);

/*
 * Write who a program is: "python3 (telemetry.service)".
 *   calls    any thread
 */
void lb_report_program(FILE *out, const struct lb_program *program);

#endif
