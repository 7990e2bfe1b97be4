/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_ENCODE_EXTRA_H
#define LB_SHIP_ENCODE_EXTRA_H

#include "agent/store/extra.h"

/*
 * The objects error, dd and syslog of a record (design.md 4), each with a comma
 * in front.
 */
#define LB_ENCODE_KIND_MAX  256u  /* bytes of error.kind; what is more is in the message */
#define LB_ENCODE_ERROR_MAX 4096u /* bytes of error.message, likewise */
#define LB_ENCODE_TRACE_MAX 64u   /* bytes of an id: a longer one is none */

/*
 * What they may take at most, in bytes.
 *   text_len  of the record's text, which error.stack may repeat
 *   calls     any thread
 */
size_t lb_encode_extra_bound(size_t text_len);

/*
 * Write what there is.
 *   to        room for lb_encode_extra_bound() of its text
 *   returns   one past the last byte written
 *   calls     any thread
 */
char *lb_encode_extra(const struct lb_record *record, char *to);

#endif
