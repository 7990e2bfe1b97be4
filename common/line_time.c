/* SPDX-License-Identifier: MIT */
/*
 * Time stamps in lines. In: the begin of a line. Out: when it was written, as it says. Always true: the same
 * line says the same time, whatever came before it.
 *
 *     in front ─▶ a member that is named for it ─▶ anywhere in the first bytes
 *
 * Most lines have their stamp in front, or none: of the rest of them most characters are passed by one look
 * into a table.
 */
#include "common/line_time.h"

#include <stdbool.h>
#include <string.h>

#include "common/line_time_dated.h"
#include "common/line_time_leading.h"

#define LONGEST_KEY   26
#define LONGEST_LEVEL 10 /* "WARNING", "EMERGENCY" */
#define LEAP_DAY      59 /* the 29th of February, days of the year from 0 */

static const struct lb_line_time none = { LB_LINE_TIME_NONE, 0 };

/* What a character means for the one behind it, and whether a stamp may begin with it. */
enum mark { APART, GLUE, ESCAPE, DIGIT, MONTH };

static const uint8_t mark_of[256] = {
    ['0' ... '9'] = DIGIT, ['A'] = MONTH,         ['B' ... 'C'] = GLUE, ['D'] = MONTH,
    ['E'] = GLUE,          ['F'] = MONTH,         ['G' ... 'I'] = GLUE, ['J'] = MONTH,
    ['K' ... 'L'] = GLUE,  ['M' ... 'O'] = MONTH, ['P' ... 'R'] = GLUE, ['S'] = MONTH,
    ['T' ... 'Z'] = GLUE,  ['a' ... 'z'] = GLUE,  ['_'] = GLUE,         ['-' ... '/'] = GLUE,
    ['\033'] = ESCAPE,
};

static enum mark mark(char c)
{
    return mark_of[(unsigned char)c];
}

static bool is_word(char c)
{
    return mark(c) != APART && mark(c) != ESCAPE && (c < '-' || c > '/');
}

/* Behind the colours that begin here. */
static const char *skip_colour(const char *at, const char *end)
{
    const char *after = at + 1;

    if (after >= end || *after != '[')
        return after;
    for (after++; after < end && ((*after >= '0' && *after <= '9') || *after == ';'); after++)
        ;
    return after < end && *after == 'm' ? after + 1 : at + 1;
}

/* ---- in front ---- */

/* Behind what may stand before the first thing of a line: brackets, quotes, colours, syslog's <13>. */
static const char *skip_dress(const char *at, const char *end)
{
    while (at < end) {
        if (*at == ' ' || *at == '[' || *at == '(' || *at == '"' || *at == '\t') {
            at++;
        } else if (*at == '\033') {
            at = skip_colour(at, end);
        } else if (*at == '<') {
            const char *after = at + 1;

            while (after < end && after < at + 4 && mark(*after) == DIGIT)
                after++;
            if (after == at + 1 || after >= end || *after != '>')
                break;
            at = after + 1;
        } else {
            break;
        }
    }
    return at;
}

/* "INFO 12:00:00": a level, and a time without a date. */
static struct lb_line_time behind_level(const char *at, const char *end)
{
    const char *begin = at;

    while (at < end && *at >= 'A' && *at <= 'Z')
        at++;
    if (at - begin < 3 || at - begin > LONGEST_LEVEL)
        return none;
    while (at < end && (*at == ' ' || *at == ']' || *at == ':' || *at == '|' || *at == '['))
        at++;
    return at < end && mark(*at) == DIGIT ? lb_line_time_clock(at, end) : none;
}

static struct lb_line_time in_front(const char *at, const char *end)
{
    struct lb_line_time time = none;

    if (end - at < 8)
        return none;
    if (mark(*at) == DIGIT) {
        time = lb_line_time_dated(at, end);
        return time.kind ? time : lb_line_time_leading(at, end);
    }
    if (mark(*at) == MONTH)
        time = lb_line_time_dated(at, end);
    if (!time.kind && *at >= 'A' && *at <= 'Z')
        time = mark(at[1]) == DIGIT ? lb_line_time_leading(at, end) : behind_level(at, end);
    return time;
}

/* ---- members ---- */

static bool may_be_time_key(char first)
{
    return first == 't' || first == '@' || first == 'a' || first == 'd' || first == 'e' || first == '_';
}

#define KEY(name)              \
    {                          \
        name, sizeof(name) - 1 \
    }

static bool is_time_key(const char *key, size_t len)
{
    static const struct {
        const char *name;
        size_t len;
    } keys[] = {
        KEY("time"),       KEY("ts"),    KEY("timestamp"),  KEY("@timestamp"),   KEY("asctime"),
        KEY("datetime"),   KEY("date"),  KEY("t"),          KEY("@t"),           KEY("eventTime"),
        KEY("event_time"), KEY("_time"), KEY("time_local"), KEY("time_iso8601"), KEY("__REALTIME_TIMESTAMP")
    };

    if (len == 0 || !may_be_time_key(*key))
        return false;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keys[i].len == len && memcmp(keys[i].name, key, len) == 0)
            return true;
    return false;
}

/* What a member says: a stamp, a number, or "Fri, 27 Nov 2026 12:00:00 GMT". */
static struct lb_line_time of_value(const char *at, const char *end)
{
    const char *begin = at;
    struct lb_line_time time;

    if (at < end && *at == '"')
        begin = ++at;
    while (at < end && at < begin + 9 && mark(*at) != DIGIT && is_word(*at))
        at++;
    if (at > begin && at < end - 1 && (*at == ',' || *at == ' '))
        begin = at + 1 + (at[1] == ' ');
    time = in_front(begin, end);
    return time.kind || begin >= end ? time : lb_line_time_epoch(begin, end);
}

/* Behind a key's closing quote: what the member says, if it is a key at all. */
static struct lb_line_time behind_key(const char *at, const char *end)
{
    while (at < end && *at == ' ')
        at++;
    if (at >= end || *at != ':')
        return none;
    for (at++; at < end && *at == ' '; at++)
        ;
    return of_value(at, end);
}

/* In JSON: "key": value. Strings are not told from keys before the colon shows what they are. */
static struct lb_line_time json_member(const char *text, const char *end)
{
    struct lb_line_time time = none;
    const char *at = text;

    while (!time.kind && (at = memchr(at, '"', (size_t)(end - at)))) {
        const char *key = at + 1, *stop;

        if (at[-1] != '\\' && key < end && may_be_time_key(*key)) {
            stop = memchr(key, '"', (size_t)(end - key));
            if (stop && is_time_key(key, (size_t)(stop - key)))
                time = behind_key(stop + 1, end);
        }
        at++;
    }
    return time;
}

/* In a line of key=value. */
static struct lb_line_time pair(const char *text, const char *end)
{
    struct lb_line_time time = none;
    const char *equals = text;

    while (!time.kind && (equals = memchr(equals, '=', (size_t)(end - equals)))) {
        const char *key = equals;

        while (key > text && equals - key <= LONGEST_KEY && (is_word(key[-1]) || key[-1] == '@'))
            key--;
        equals++;
        if (is_time_key(key, (size_t)(equals - 1 - key)))
            time = of_value(equals, end);
    }
    return time;
}

static bool is_pairs(const char *at, const char *end)
{
    const char *begin = at;

    while (at < end && at < begin + LONGEST_KEY && (is_word(*at) || *at == '@'))
        at++;
    return at > begin && at < end && *at == '=';
}

/* ---- anywhere ---- */

static struct lb_line_time anywhere(const char *at, const char *stop, const char *end)
{
    struct lb_line_time time = none;
    enum mark last = APART;

    while (at < stop) {
        enum mark now = mark(*at);

        if (now >= ESCAPE) {
            if (now == ESCAPE) {
                at = skip_colour(at, end);
                last = APART;
                continue;
            }
            if (last == APART) {
                time = lb_line_time_dated(at, end);
                if (time.kind)
                    return time;
            }
        }
        last = now;
        at++;
    }
    return none;
}

struct lb_line_time lb_line_time_of(const char *text, size_t len)
{
    const char *end = text + len, *begin = skip_dress(text, end);
    const char *deep = text + (len < LB_LINE_TIME_DEEP ? len : LB_LINE_TIME_DEEP);
    const char *stop = text + (len < LB_LINE_TIME_LOOK ? len : LB_LINE_TIME_LOOK);
    struct lb_line_time time = none;

    if (begin >= stop)
        return none;
    time = in_front(begin, end);
    if (time.kind)
        return time;
    if (*begin == '{')
        time = json_member(begin + 1, deep);
    else if (is_pairs(begin, deep))
        time = pair(begin, deep);
    return time.kind ? time : anywhere(begin, stop, end);
}

/* ---- what a stamp means ---- */

static int64_t begin_of_year(int64_t year)
{
    return 365 * (year - 1970) + (year - 1969) / 4 - (year - 1901) / 100 + (year - 1601) / 400;
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static uint64_t in_year(struct lb_line_time time, int64_t year)
{
    int64_t day = (int64_t)(time.ms / LB_LINE_TIME_DAY_MS);

    if (day > LEAP_DAY && !is_leap(year))
        day--;
    return (uint64_t)(begin_of_year(year) + day) * LB_LINE_TIME_DAY_MS + time.ms % LB_LINE_TIME_DAY_MS;
}

static uint64_t near_in_years(struct lb_line_time time, uint64_t from_ms)
{
    int64_t year = 1970 + (int64_t)(from_ms / LB_LINE_TIME_YEAR_MS);
    uint64_t ms;

    if ((uint64_t)begin_of_year(year) * LB_LINE_TIME_DAY_MS > from_ms)
        year--;
    for (ms = in_year(time, year); ms < from_ms; ms = in_year(time, ++year))
        ;
    return ms;
}

uint64_t lb_line_time_near(struct lb_line_time time, uint64_t now_ms)
{
    uint64_t period_ms = time.kind == LB_LINE_TIME_YEARLESS ? LB_LINE_TIME_YEAR_MS : LB_LINE_TIME_DAY_MS;
    uint64_t from_ms = now_ms > period_ms / 4 ? now_ms - period_ms / 4 : 0, day_ms;

    if (time.kind == LB_LINE_TIME_YEARLESS)
        return near_in_years(time, from_ms);
    if (time.kind != LB_LINE_TIME_OF_DAY)
        return time.ms;
    day_ms = from_ms - from_ms % LB_LINE_TIME_DAY_MS;
    return day_ms + time.ms >= from_ms ? day_ms + time.ms : day_ms + time.ms + LB_LINE_TIME_DAY_MS;
}
