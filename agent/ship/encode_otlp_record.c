/* SPDX-License-Identifier: MIT */
/*
 * One record as a LogRecord. In: a view. Out: its fields. Always true: each attribute has a key of its own,
 * and the whole is no longer than the same record in JSON may be, where a byte takes up to six.
 */
#include "agent/ship/encode_otlp_record.h"

#include <stdio.h>
#include <string.h>

#include "agent/ship/encode_extra.h"
#include "agent/ship/protobuf.h"
#include "common/level.h"
#include "common/utf8.h"

enum {
    RECORD_TIME = 1,
    RECORD_SEVERITY_NUMBER = 2,
    RECORD_SEVERITY_TEXT = 3,
    RECORD_BODY = 5,
    RECORD_TRACE_ID = 9,
    RECORD_SPAN_ID = 10,
    RECORD_OBSERVED = 11
};

#define TRACE_ID_BYTES 16u
#define SPAN_ID_BYTES  8u
#define FACILITIES     24u
#define SOURCE_MAX     512u /* the key table allows no more */

unsigned lb_encode_otlp_severity(unsigned severity)
{
    static const unsigned char numbers[LB_LEVEL_COUNT] = {
        [LB_LEVEL_EMERGENCY] = 21, [LB_LEVEL_ALERT] = 19,  [LB_LEVEL_CRITICAL] = 18, [LB_LEVEL_ERROR] = 17,
        [LB_LEVEL_WARNING] = 13,   [LB_LEVEL_NOTICE] = 10, [LB_LEVEL_INFO] = 9,      [LB_LEVEL_DEBUG] = 5
    };

    return severity < LB_LEVEL_COUNT ? numbers[severity] : numbers[LB_LEVEL_INFO];
}

bool lb_encode_otlp_is_clean(const char *text, size_t len)
{
    return lb_utf8_clean_len(text, len) == len;
}

/* A field that holds an AnyValue that is text. */
static char *put_any_text(char *to, unsigned field, const char *text, size_t len)
{
    size_t clean = lb_utf8_clean_len(text, len);

    to = lb_protobuf_head(to, field, 1 + lb_protobuf_varint_len(clean) + clean);
    return lb_utf8_clean(lb_protobuf_head(to, LB_OTLP_ANY_STRING, clean), text, len);
}

char *lb_encode_otlp_text(char *to, unsigned field, const char *key, size_t key_len, const char *value,
                          size_t value_len)
{
    size_t clean_key = lb_utf8_clean_len(key, key_len), clean = lb_utf8_clean_len(value, value_len);
    size_t any = 1 + lb_protobuf_varint_len(clean) + clean;

    to = lb_protobuf_head(
        to, field, 1 + lb_protobuf_varint_len(clean_key) + clean_key + 1 + lb_protobuf_varint_len(any) + any);
    to = lb_protobuf_text(to, LB_OTLP_KEY_VALUE_KEY, key, key_len);
    return put_any_text(to, LB_OTLP_KEY_VALUE_VALUE, value, value_len);
}

static char *put_text(char *to, const char *key, const char *value, size_t len)
{
    return len > 0 ? lb_encode_otlp_text(to, LB_OTLP_RECORD_ATTRIBUTES, key, strlen(key), value, len) : to;
}

static char *put_number(char *to, const char *key, uint64_t number)
{
    size_t key_len = strlen(key), any = 1 + lb_protobuf_varint_len(number);

    to = lb_protobuf_head(to, LB_OTLP_RECORD_ATTRIBUTES,
                          1 + lb_protobuf_varint_len(key_len) + key_len + 1 + lb_protobuf_varint_len(any) +
                              any);
    to = lb_protobuf_text(to, LB_OTLP_KEY_VALUE_KEY, key, key_len);
    to = lb_protobuf_head(to, LB_OTLP_KEY_VALUE_VALUE, any);
    return lb_protobuf_number(to, LB_OTLP_ANY_INT, number);
}

static size_t cut(uint32_t len, size_t max)
{
    return len < max ? len : max;
}

static char *put_error(char *to, const struct lb_extra_error *error, const char *text)
{
    char hex[17];

    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)error->fingerprint);
    to = put_text(to, "exception.type", text + error->kind.at, cut(error->kind.len, LB_ENCODE_KIND_MAX));
    to = put_text(to, "exception.message", text + error->message.at,
                  cut(error->message.len, LB_ENCODE_ERROR_MAX));
    to = put_text(to, "exception.stacktrace", text + error->stack.at, error->stack.len);
    return put_text(to, "logboom.fingerprint", hex, 16);
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* An id of so many bytes in hex. All zeros are none. */
static bool read_id(const char *text, size_t len, unsigned char *id, size_t bytes)
{
    unsigned any = 0;

    if (len != 2 * bytes)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        id[i] = (unsigned char)(high << 4 | low);
        any |= id[i];
    }
    return any != 0;
}

/* Ids in hex, as OpenTelemetry and W3C have them; those of Datadog are decimal numbers, and a span's may look
 * like hex: so it is the trace's that tells which they are. */
static char *put_trace(char *to, const struct lb_extra_trace *trace, const char *text)
{
    const char *trace_text = text + trace->trace_id.at, *span_text = text + trace->span_id.at;
    size_t trace_len = trace->trace_id.len, span_len = trace->span_id.len;
    unsigned char trace_id[TRACE_ID_BYTES], span_id[SPAN_ID_BYTES];

    if (read_id(trace_text, trace_len, trace_id, sizeof trace_id)) {
        to = lb_protobuf_bytes(to, RECORD_TRACE_ID, trace_id, sizeof trace_id);
        if (read_id(span_text, span_len, span_id, sizeof span_id))
            return lb_protobuf_bytes(to, RECORD_SPAN_ID, span_id, sizeof span_id);
    } else if (trace_len <= LB_ENCODE_TRACE_MAX) {
        to = put_text(to, "dd.trace_id", trace_text, trace_len);
    }
    return span_len <= LB_ENCODE_TRACE_MAX ? put_text(to, "dd.span_id", span_text, span_len) : to;
}

static char *put_syslog(char *to, const struct lb_extra *extra)
{
    static const char *const keys[LB_SYSLOG_FIELDS] = { "syslog.hostname", "syslog.appname", "syslog.procid",
                                                        "syslog.msgid", "syslog.structured_data" };

    for (unsigned i = 0; i < LB_SYSLOG_FIELDS; i++)
        to = put_text(to, keys[i], extra->header + extra->syslog.field[i].at, extra->syslog.field[i].len);
    return extra->syslog.facility < FACILITIES ? put_number(to, "syslog.facility", extra->syslog.facility)
                                               : to;
}

/* The logboom object as JSON text: its members need braces around them, and are clean. */
static char *put_members(char *to, const struct lb_view *view)
{
    static const char key[] = "logboom";
    size_t len = view->members_len + 2, any = 1 + lb_protobuf_varint_len(len) + len;

    if (view->members_len == 0)
        return to;
    to = lb_protobuf_head(to, LB_OTLP_RECORD_ATTRIBUTES,
                          1 + 1 + sizeof key - 1 + 1 + lb_protobuf_varint_len(any) + any);
    to = lb_protobuf_text(to, LB_OTLP_KEY_VALUE_KEY, key, sizeof key - 1);
    to = lb_protobuf_head(to, LB_OTLP_KEY_VALUE_VALUE, any);
    to = lb_protobuf_head(to, LB_OTLP_ANY_STRING, len);
    *to++ = '{';
    memcpy(to, view->members, view->members_len);
    to += view->members_len;
    *to++ = '}';
    return to;
}

char *lb_encode_otlp_record(const struct lb_stamps *stamps, const struct lb_view *view, char *to)
{
    const char *level = lb_level_name((int)view->severity);

    if (view->has_stamp)
        to = lb_protobuf_fixed64(to, RECORD_TIME, view->wall_ns);
    to = lb_protobuf_fixed64(to, RECORD_OBSERVED, stamps->now_ns + stamps->offset_ns);
    to = lb_protobuf_number(to, RECORD_SEVERITY_NUMBER, lb_encode_otlp_severity(view->severity));
    to = lb_protobuf_text(to, RECORD_SEVERITY_TEXT, level, strlen(level));
    to = put_any_text(to, RECORD_BODY, view->text, view->text_len);
    to = put_text(to, "logboom.source", view->source, strnlen(view->source, SOURCE_MAX));
    if (view->has_extra && view->extra.has_error)
        to = put_error(to, &view->extra.error, view->text);
    if (view->has_extra && view->extra.has_trace)
        to = put_trace(to, &view->extra.trace, view->text);
    if (view->has_extra && view->extra.has_syslog)
        to = put_syslog(to, &view->extra);
    return put_members(to, view);
}
