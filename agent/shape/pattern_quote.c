/* SPDX-License-Identifier: MIT */
/*
 * What is quoted in a line. In: where a quote stands. Out: where it ends, and whether it is a value, a key,
 * or something that says what happened. Always true: nothing outside of the line is read but what pads it.
 */
#include <string.h>

#include "agent/shape/pattern_parts.h"
#include "common/eight.h"

static bool is_wordy(char c)
{
    return (unsigned char)c >= 0x80 || c == '_' || (c >= '0' && c <= '9') ||
           ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

const char *lb_pattern_quote_end(const char *line, const char *quote, const char *end)
{
    if (quote > line && quote[-1] == '\\') { /* \"...\" within another quote */
        const char *next = quote + 1 < end ? memchr(quote + 1, *quote, (size_t)(end - quote - 1)) : NULL;

        return next && next[-1] == '\\' ? next : NULL;
    }
    if (*quote != '"' && quote > line && is_wordy(quote[-1]))
        return NULL;
    for (const char *at = quote + 1; at < end; at++) {
        uint64_t eight = lb_eight_load(at);
        uint64_t found = lb_eight_equal(eight, *quote) | lb_eight_equal(eight, '\\');

        if (!found) {
            at += 7;
            continue;
        }
        at += lb_eight_first(found);
        if (at >= end)
            break;
        if (*at == '\\')
            at++;
        else if (*quote == '"' || at + 1 >= end || !is_wordy(at[1]))
            return at;
    }
    return NULL;
}

bool lb_pattern_is_key(const char *line, const char *quote, const char *close, const char *end)
{
    const char *next = close + 1;

    while (next < end && *next == ' ')
        next++;
    if (next >= end || *next != ':')
        return false;
    while (quote > line && quote[-1] == ' ')
        quote--;
    return quote > line && (quote[-1] == '{' || quote[-1] == ',');
}

/* What says what happened, how bad it is, and who says so: not a value that changes. */
bool lb_pattern_is_kept_key(const char *key, size_t len)
{
    static const char names[][10] = { "msg",   "lvl",    "log",     "text",     "event",
                                      "level", "logger", "message", "severity", "levelname" };

    if (len < 3 || len > 9)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i][0] == key[0] && names[i][2] == key[2] && strlen(names[i]) == len &&
            memcmp(names[i], key, len) == 0)
            return true;
    return false;
}

bool lb_pattern_is_kept_value(const char *line, const char *quote)
{
    const char *key;

    if (quote == line || quote[-1] != '=')
        return false;
    for (key = quote - 1; key > line && is_wordy(key[-1]);)
        key--;
    return lb_pattern_is_kept_key(key, (size_t)(quote - 1 - key));
}

/* "GET /path HTTP/1.1" */
bool lb_pattern_is_request(const char *quote, const char *close)
{
    const char *verb = quote + 1, *at = verb;

    while (at < close && *at >= 'A' && *at <= 'Z')
        at++;
    return at - verb >= 3 && at - verb <= 7 && at + 1 < close && at[0] == ' ' &&
           (at[1] == '/' || at[1] == 'h');
}
