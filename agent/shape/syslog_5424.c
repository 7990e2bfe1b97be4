/* SPDX-License-Identifier: MIT */
/* RFC 5424. In: what follows a PRI. Out: its header fields, structured data and message, or nothing. Always
 * true: strict, so that text which only begins with a number is not torn apart; two liberties are taken, both
 * lossless: nine digits of fraction, and the same SD-ID twice.
 *
 *     VERSION SP STAMP SP HOST SP APP SP PROCID SP MSGID SP ("-" | "[" ID *(SP NAME="VALUE") "]" ...) [SP
 * MSG]
 */
#include <string.h>

#include "agent/shape/syslog_parts.h"
#include "common/stamp.h"

#define HOST_MAX    255
#define APP_MAX     48
#define PROCID_MAX  128
#define MSGID_MAX   32
#define SD_NAME_MAX 32

static bool take(struct lb_syslog_rest *rest, char c)
{
    if (rest->at == rest->end || rest->text[rest->at] != c)
        return false;
    rest->at++;
    return true;
}

static bool is_printable(char c)
{
    return c > ' ' && c < 0x7f;
}

/* One to three digits, the first of them not 0. */
static bool take_version(struct lb_syslog_rest *rest)
{
    size_t from = rest->at;

    while (rest->at < rest->end && rest->text[rest->at] >= '0' && rest->text[rest->at] <= '9')
        rest->at++;
    return rest->at > from && rest->at <= from + 3 && rest->text[from] != '0';
}

static bool take_stamp(struct lb_syslog_rest *rest, uint64_t *ret_ms)
{
    size_t len;

    if (take(rest, '-'))
        return true;
    len = lb_stamp_read_rfc3339(rest->text + rest->at, rest->end - rest->at, ret_ms);
    rest->at += len;
    return len > 0;
}

/* A word and the blank in front of it. "-" is none. */
static bool take_field(struct lb_syslog_rest *rest, size_t max, struct lb_syslog_span *ret)
{
    size_t from = rest->at + 1;

    if (!take(rest, ' '))
        return false;
    while (rest->at < rest->end && is_printable(rest->text[rest->at]))
        rest->at++;
    if (rest->at == from || rest->at - from > max)
        return false;
    if (rest->at - from > 1 || rest->text[from] != '-')
        *ret = (struct lb_syslog_span) { (uint32_t)from, (uint32_t)(rest->at - from) };
    return true;
}

static bool take_sd_name(struct lb_syslog_rest *rest)
{
    size_t from = rest->at;

    while (rest->at < rest->end && is_printable(rest->text[rest->at]) && rest->text[rest->at] != '=' &&
           rest->text[rest->at] != ']' && rest->text[rest->at] != '"')
        rest->at++;
    return rest->at > from && rest->at - from <= SD_NAME_MAX;
}

/* In quotes; a quote, a bracket and a backslash are escaped, and a backslash elsewhere is one. */
static bool take_sd_value(struct lb_syslog_rest *rest)
{
    if (!take(rest, '"'))
        return false;
    for (; rest->at < rest->end; rest->at++) {
        char c = rest->text[rest->at];

        if (c == '"') {
            rest->at++;
            return true;
        }
        if (c == ']')
            return false;
        if (c == '\\' && rest->at + 1 < rest->end && rest->text[rest->at + 1] != '\0' &&
            strchr("\"\\]", rest->text[rest->at + 1]))
            rest->at++;
    }
    return false;
}

static bool take_structured_data(struct lb_syslog_rest *rest, struct lb_syslog_span *ret)
{
    size_t from = rest->at;

    if (take(rest, '-'))
        return true;
    while (take(rest, '[')) {
        if (!take_sd_name(rest))
            return false;
        while (take(rest, ' '))
            if (!take_sd_name(rest) || !take(rest, '=') || !take_sd_value(rest))
                return false;
        if (!take(rest, ']'))
            return false;
    }
    *ret = (struct lb_syslog_span) { (uint32_t)from, (uint32_t)(rest->at - from) };
    return rest->at > from;
}

bool lb_syslog_5424(const struct lb_syslog_rest *rest, struct lb_syslog *ret)
{
    struct lb_syslog_rest r = *rest;
    struct lb_syslog found = *ret;

    if (!take_version(&r) || !take(&r, ' ') || !take_stamp(&r, &found.stamp_ms) ||
        !take_field(&r, HOST_MAX, &found.hostname) || !take_field(&r, APP_MAX, &found.appname) ||
        !take_field(&r, PROCID_MAX, &found.procid) || !take_field(&r, MSGID_MAX, &found.msgid) ||
        !take(&r, ' ') || !take_structured_data(&r, &found.structured_data))
        return false;
    if (r.at < r.end && !take(&r, ' '))
        return false;
    found.form = LB_SYSLOG_5424;
    found.message = (struct lb_syslog_span) { (uint32_t)r.at, (uint32_t)(r.end - r.at) };
    *ret = found;
    return true;
}
