/* SPDX-License-Identifier: MIT */
/*
 * What was understood of a line, beside its text. In: parts. Out: bytes in front of the text, and the parts
 * again. Always true: what a reader gets lies within the record, whatever the bytes say.
 */
#include "agent/store/extra.h"

#include <string.h>

enum { HAS_ERROR = 1, HAS_TRACE = 2, HAS_SYSLOG = 4, HAS_PATTERN = 8 };

struct head {
    uint32_t bytes; /* of all, head and padding included */
    uint16_t has;
    uint16_t header_len;
};

static char *append(char *to, const void *part, size_t len)
{
    memcpy(to, part, len);
    return to + len;
}

/* A field that lies beyond what is kept of the header is left out: half a name is a wrong one. */
static struct lb_extra_syslog within(const struct lb_extra_syslog *syslog, uint32_t header_len)
{
    struct lb_extra_syslog kept = *syslog;

    for (unsigned i = 0; i < LB_SYSLOG_FIELDS; i++)
        if ((uint64_t)kept.field[i].at + kept.field[i].len > header_len)
            kept.field[i].len = 0;
    return kept;
}

size_t lb_extra_write(const struct lb_extra *extra, void *start)
{
    uint32_t header_len = extra->header_len < LB_EXTRA_HEADER_MAX ? extra->header_len : LB_EXTRA_HEADER_MAX;
    struct head head = {
        .has = (uint16_t)((extra->has_error ? HAS_ERROR : 0) | (extra->has_trace ? HAS_TRACE : 0) |
                          (extra->has_syslog ? HAS_SYSLOG : 0) | (extra->pattern ? HAS_PATTERN : 0))
    };
    char *to = (char *)start + sizeof head;

    if (head.has == 0)
        return 0;
    if (extra->has_error)
        to = append(to, &extra->error, sizeof extra->error);
    if (extra->has_trace)
        to = append(to, &extra->trace, sizeof extra->trace);
    if (extra->pattern)
        to = append(to, &extra->pattern, sizeof extra->pattern);
    if (extra->has_syslog) {
        struct lb_extra_syslog kept = within(&extra->syslog, header_len);

        to = append(to, &kept, sizeof kept);
        if (header_len > 0)
            to = append(to, extra->header, header_len);
        head.header_len = (uint16_t)header_len;
    }
    while ((to - (char *)start) % 8 != 0)
        *to++ = 0;
    head.bytes = (uint32_t)(to - (char *)start);
    memcpy(start, &head, sizeof head);
    return head.bytes;
}

static size_t parts_bytes(const struct head *head)
{
    return sizeof *head + (head->has & HAS_ERROR ? sizeof(struct lb_extra_error) : 0) +
           (head->has & HAS_TRACE ? sizeof(struct lb_extra_trace) : 0) +
           (head->has & HAS_PATTERN ? sizeof(uint64_t) : 0) +
           (head->has & HAS_SYSLOG ? sizeof(struct lb_extra_syslog) : 0) + head->header_len;
}

/* The head of what lies before the text. false: there is none, or it cannot be. */
static bool read_head(const struct lb_record *record, struct head *ret_head)
{
    if (!(record->flags & LB_RECORD_EXTRA) || record->body_len < sizeof *ret_head)
        return false;
    memcpy(ret_head, lb_record_body(record), sizeof *ret_head);
    return ret_head->bytes <= record->body_len && parts_bytes(ret_head) <= ret_head->bytes;
}

const char *lb_record_text(const struct lb_record *record, uint32_t *ret_len)
{
    struct head head;

    if (!read_head(record, &head)) {
        *ret_len = record->body_len;
        return lb_record_body(record);
    }
    *ret_len = record->body_len - head.bytes;
    return lb_record_body(record) + head.bytes;
}

uint64_t lb_record_pattern(const struct lb_record *record)
{
    uint64_t pattern;
    struct head head;

    if (!read_head(record, &head) || !(head.has & HAS_PATTERN))
        return 0;
    memcpy(&pattern,
           lb_record_body(record) + sizeof head + (head.has & HAS_ERROR ? sizeof(struct lb_extra_error) : 0) +
               (head.has & HAS_TRACE ? sizeof(struct lb_extra_trace) : 0),
           sizeof pattern);
    return pattern;
}

static bool lies_in(struct lb_extra_span span, uint32_t len)
{
    return (uint64_t)span.at + span.len <= len;
}

void lb_extra_read(const struct lb_record *record, struct lb_extra *extra)
{
    const char *at = lb_record_body(record) + sizeof(struct head);
    uint32_t text_len;
    struct head head;

    memset(extra, 0, sizeof *extra);
    if (!read_head(record, &head))
        return;
    lb_record_text(record, &text_len);
    if (head.has & HAS_ERROR) {
        memcpy(&extra->error, at, sizeof extra->error);
        at += sizeof extra->error;
    }
    if (head.has & HAS_TRACE) {
        memcpy(&extra->trace, at, sizeof extra->trace);
        at += sizeof extra->trace;
    }
    if (head.has & HAS_PATTERN) {
        memcpy(&extra->pattern, at, sizeof extra->pattern);
        at += sizeof extra->pattern;
    }
    if (head.has & HAS_SYSLOG) {
        memcpy(&extra->syslog, at, sizeof extra->syslog);
        extra->header = at + sizeof extra->syslog;
        extra->header_len = head.header_len;
    }
    extra->has_error = head.has & HAS_ERROR && lies_in(extra->error.kind, text_len) &&
                       lies_in(extra->error.message, text_len) && lies_in(extra->error.stack, text_len);
    extra->has_trace = head.has & HAS_TRACE && lies_in(extra->trace.trace_id, text_len) &&
                       lies_in(extra->trace.span_id, text_len);
    extra->has_syslog = head.has & HAS_SYSLOG;
    for (unsigned i = 0; i < LB_SYSLOG_FIELDS; i++)
        if (!lies_in(extra->syslog.field[i], head.header_len))
            extra->syslog.field[i].len = 0;
}
