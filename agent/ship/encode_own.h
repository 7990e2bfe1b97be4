/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_ENCODE_OWN_H
#define LB_SHIP_ENCODE_OWN_H

#include <stddef.h>
#include <stdint.h>

#include "agent/store/record.h"

/*
 * Records of our own: what they say to people (message) and to programs (the
 * members of their logboom object, design.md 4).
 */
#define LB_OWN_TEXT_MAX 288

/*
 * The text of a record of our own, for people.
 *   buf       size bytes, LB_OWN_TEXT_MAX suffice; cut if too small
 *   returns   its length | 0 the record is an application's, or damaged, or its body is its text
 *   calls     any thread
 */
size_t lb_own_text(const struct lb_record *record, char *buf, size_t size);

/*
 * The members that such a record has beside those of every record: "kind" and
 * what belongs to it, parted by commas, without one in front.
 *   to        room for LB_ENCODE_MEMBERS_MAX bytes less those of every record
 *   offset_ns wall time less boot time
 *   returns   one past the last byte written; `to`: the record is an application's, or damaged
 *   calls     any thread
 */
char *lb_own_members(const struct lb_record *record, uint64_t offset_ns, char *to);

/*
 * Name of a reason, as receipts and status have it.
 *   returns   a static string
 */
const char *lb_reason_name(uint64_t reason);

#endif
