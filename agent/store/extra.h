/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_EXTRA_H
#define LB_STORE_EXTRA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/record.h"

/*
 * What was understood of a line when it was shaped, so that it need not be
 * understood again when it is shipped. It lies in front of the text, in the
 * body of a record that has LB_RECORD_EXTRA: a head, the parts that are there,
 * and the bytes of those that are not in the text, padded to 8 bytes.
 *
 *     | head | error? | trace? | pattern? | syslog? | bytes of the syslog header | text ...
 */
struct lb_extra_span {
    uint32_t at, len; /* len 0: there is none */
};

/* Spans lie in the text. */
struct lb_extra_error {
    uint64_t fingerprint;
    struct lb_extra_span kind, message, stack;
};

/* Spans lie in the text. */
struct lb_extra_trace {
    struct lb_extra_span trace_id, span_id;
};

enum {
    LB_SYSLOG_HOSTNAME = 0,
    LB_SYSLOG_APPNAME,
    LB_SYSLOG_PROCID,
    LB_SYSLOG_MSGID,
    LB_SYSLOG_SD,
    LB_SYSLOG_FIELDS
};

/* Spans lie in the header's bytes. */
struct lb_extra_syslog {
    uint64_t facility; /* 0..23, above: none was given */
    struct lb_extra_span field[LB_SYSLOG_FIELDS];
};

#define LB_EXTRA_HEADER_MAX 4096u /* bytes of a syslog header that are kept */
#define LB_EXTRA_MAX        (LB_EXTRA_HEADER_MAX + 256u)

/* The parts as an owner holds them, to write and to read. */
struct lb_extra {
    bool has_error, has_trace, has_syslog;
    uint64_t pattern; /* of the text (agent/shape/pattern.h); 0: nobody wants to know */
    struct lb_extra_error error;
    struct lb_extra_trace trace;
    struct lb_extra_syslog syslog;
    const char *header; /* of a syslog message, header_len bytes that stay their owner's */
    uint32_t header_len;
};

/*
 * Lay the parts out as they stand in a record.
 *   to       room for LB_EXTRA_MAX bytes, 8-byte aligned; a header longer than LB_EXTRA_HEADER_MAX
 *            is cut, and fields that lie beyond it are left out
 *   returns  bytes written, a multiple of 8 | 0 there is no part
 *   calls    fast side
 */
size_t lb_extra_write(const struct lb_extra *extra, void *to);

/*
 * The parts of a record, checked: every span lies within what it speaks of, or
 * is empty. The ring may have been damaged after its check was made.
 *   ret_extra  filled; its header points into the record
 *   calls      any thread that may read the record
 */
void lb_extra_read(const struct lb_record *record, struct lb_extra *ret_extra);

/*
 * The pattern of a record's text; 0: it is not known.
 *   calls      any thread that may read the record
 */
uint64_t lb_record_pattern(const struct lb_record *record);

/*
 * The text of a record, behind what was understood of it.
 *   returns    ret_len bytes in the record
 *   calls      any thread that may read the record
 */
const char *lb_record_text(const struct lb_record *record, uint32_t *ret_len);

/*
 * The length of a record's text, for the books.
 *   calls      any thread that may read the record
 */
static inline uint32_t lb_record_text_len(const struct lb_record *record)
{
    uint32_t len;

    if (!(record->flags & LB_RECORD_EXTRA))
        return record->body_len;
    lb_record_text(record, &len);
    return len;
}

#endif
