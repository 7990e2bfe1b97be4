/* SPDX-License-Identifier: MIT */
/* What was understood of a line, as JSON. In: a record with extra parts. Out: the objects error, dd, syslog.
 */
#include "agent/ship/encode_extra.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"

#define FACILITIES 24

size_t lb_encode_extra_bound(size_t text_len)
{
    return lb_json_bound(text_len) +
           lb_json_bound(LB_ENCODE_KIND_MAX + LB_ENCODE_ERROR_MAX + 2 * LB_ENCODE_TRACE_MAX) +
           2 * lb_json_bound(LB_EXTRA_HEADER_MAX) + 512;
}

/* A member, with a comma in front unless it is the first one of its object. */
static char *add_text(char *to, const char *key, const char *text, size_t len)
{
    if (to[-1] != '{')
        *to++ = ',';
    *to++ = '"';
    to = lb_json_raw(to, key, strlen(key));
    to = LB_JSON_LITERAL(to, "\":\"");
    to = lb_json_escape(to, text, len);
    *to++ = '"';
    return to;
}

static size_t cut(uint32_t len, size_t max)
{
    return len < max ? len : max;
}

static char *add_error(char *to, const struct lb_extra_error *error, const char *text)
{
    char hex[17];

    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)error->fingerprint);
    to = LB_JSON_LITERAL(to, ",\"error\":{");
    if (error->kind.len > 0)
        to = add_text(to, "kind", text + error->kind.at, cut(error->kind.len, LB_ENCODE_KIND_MAX));
    if (error->message.len > 0)
        to = add_text(to, "message", text + error->message.at, cut(error->message.len, LB_ENCODE_ERROR_MAX));
    if (error->stack.len > 0)
        to = add_text(to, "stack", text + error->stack.at, error->stack.len);
    to = add_text(to, "fingerprint", hex, 16);
    *to++ = '}';
    return to;
}

static char *add_trace(char *to, const struct lb_extra_trace *trace, const char *text)
{
    if (trace->trace_id.len == 0 || trace->trace_id.len > LB_ENCODE_TRACE_MAX)
        return to;
    to = LB_JSON_LITERAL(to, ",\"dd\":{");
    to = add_text(to, "trace_id", text + trace->trace_id.at, trace->trace_id.len);
    if (trace->span_id.len > 0 && trace->span_id.len <= LB_ENCODE_TRACE_MAX)
        to = add_text(to, "span_id", text + trace->span_id.at, trace->span_id.len);
    *to++ = '}';
    return to;
}

/* One "[id name="value" ...]": returns what is behind it; NULL: it is not one. Values stay as they were
 * written. */
static const char *add_element(char **to, const char *at, const char *end)
{
    const char *id = ++at;

    while (at < end && *at != ' ' && *at != ']')
        at++;
    if ((*to)[-1] != '{')
        *(*to)++ = ',';
    *(*to)++ = '"';
    *to = lb_json_escape(*to, id, (size_t)(at - id));
    *to = LB_JSON_LITERAL(*to, "\":{");
    while (at < end && *at == ' ') {
        const char *name = ++at, *value;

        while (at < end && *at != '=')
            at++;
        if (at + 1 >= end || at[1] != '"')
            return NULL;
        value = at + 2;
        for (at = value; at < end && *at != '"'; at++)
            if (*at == '\\')
                at++;
        if (at >= end)
            return NULL;
        if ((*to)[-1] != '{')
            *(*to)++ = ',';
        *(*to)++ = '"';
        *to = lb_json_escape(*to, name, (size_t)(value - 2 - name));
        *to = LB_JSON_LITERAL(*to, "\":\"");
        *to = lb_json_escape(*to, value, (size_t)(at++ - value));
        *(*to)++ = '"';
    }
    *(*to)++ = '}';
    return at < end && *at == ']' ? at + 1 : NULL;
}

/* RFC 5424, structured data: an object of objects; as text where it cannot be taken apart. */
static char *add_structured_data(char *to, const char *text, size_t len)
{
    const char *at = text, *end = text + len;
    char *start = to;

    if (to[-1] != '{')
        *to++ = ',';
    to = LB_JSON_LITERAL(to, "\"structured_data\":{");
    while (at && at < end && *at == '[')
        at = add_element(&to, at, end);
    *to++ = '}';
    return at == end ? to : add_text(start, "structured_data", text, len);
}

static char *add_syslog(char *to, const struct lb_extra *extra)
{
    static const char *const names[LB_SYSLOG_FIELDS] = { "hostname", "appname", "procid", "msgid", NULL };
    const struct lb_extra_span *sd = &extra->syslog.field[LB_SYSLOG_SD];

    to = LB_JSON_LITERAL(to, ",\"syslog\":{");
    for (unsigned i = 0; i < LB_SYSLOG_SD; i++)
        if (extra->syslog.field[i].len > 0)
            to =
                add_text(to, names[i], extra->header + extra->syslog.field[i].at, extra->syslog.field[i].len);
    if (extra->syslog.facility < FACILITIES) {
        if (to[-1] != '{')
            *to++ = ',';
        to = LB_JSON_LITERAL(to, "\"facility\":");
        to = lb_json_u64(to, extra->syslog.facility);
    }
    if (sd->len > 0)
        to = add_structured_data(to, extra->header + sd->at, sd->len);
    *to++ = '}';
    return to;
}

char *lb_encode_extra(const struct lb_record *record, char *to)
{
    uint32_t text_len;
    const char *text = lb_record_text(record, &text_len);
    struct lb_extra extra;

    lb_extra_read(record, &extra);
    if (extra.has_error)
        to = add_error(to, &extra.error, text);
    if (extra.has_trace)
        to = add_trace(to, &extra.trace, text);
    if (extra.has_syslog)
        to = add_syslog(to, &extra);
    return to;
}
