/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_ENCODE_H
#define TESTS_LIB_ENCODE_H

#include "agent/ship/encode.h"
#include "common/level.h"

/*
 * Records as they lie in a ring, and what an encoder makes of them. Needs the
 * directory of lib_config.h. What does not fit ends the test.
 */
#define ENCODE_RING_ID 0x0123456789abcdefull

extern struct lb_encoder encoder;
extern char encoded_text[8 << 20];

/*
 * Settings of this text, with a sink; a clock that is exact, 1700000000 s
 * ahead of boot time, and no window.
 */
void encode_begin(const char *settings, enum lb_sequence sequence);

/*
 * The record: an error of the routine lane, number 42, stamped at 5 ms. It is
 * the only one: the next call makes another of it.
 */
struct lb_record *record_of(const char *service, const char *tags, const void *body, size_t len);
struct lb_record *line_of(const char *body);
struct lb_record *receipt_of(const struct lb_receipt *receipt);

/*
 * Its object, which is never longer than its bound says; in encoded_text.
 */
const char *encoded(const struct lb_record *record);

#endif
