/* SPDX-License-Identifier: MIT */
/* A JSON line. In: a text that begins with {. Out: the level and the ids that its members state. Always true:
 * one pass over the members of the objects in the table below, which go no deeper than four; strings that
 * only quote something are never looked into; of a member that comes twice the last one counts, as in Python.
 *
 * A name says more than a number: 30 is a warning in Python and an info in bunyan and pino. Which of the two
 * a number means is told by other members: bunyan has "v" and "time" with "hostname" or "pid"; pino has "msg"
 * and "time" in whole milliseconds. GELF, known by "short_message" or its "version" and "host", counts as
 * syslog.
 */
#include <string.h>
#include <strings.h>

#include "agent/shape/severity_parts.h"
#include "common/json_scan.h"
#include "common/level.h"
#include "common/level_word.h"

#define TEXT_MAX 32 /* no key or level name that we know is longer */

enum scope { TOP = 1, LOG = 2, RECORD = 4, LEVEL = 8, EXTRA = 16, DD = 32, TRACE = 64, SPAN = 128 };
#define NO_RANK 255

enum what {
    IS_LEVEL = 1, /* of Python or bunyan where it is a number; an object: LEVEL */
    IS_LEVELNO,   /* of Python, any number */
    IS_SEVERITY,  /* as IS_LEVEL, 0 to 7 of syslog */
    IS_PRIORITY,  /* of syslog: journald's */
    IS_OTEL,      /* 1 to 24 */
    IS_TRACE,
    IS_SPAN,
    IS_SCOPE, /* rank: the scope that this object opens */
    IS_MARK,  /* rank: the mark that it is */
};
enum mark {
    MARK_V = 1,
    MARK_TIME = 2,
    MARK_WHO = 4,
    MARK_MSG = 8,
    MARK_TIME_MS = 16,
    MARK_GELF = 32,
    MARK_HOST = 64,
    MARK_VERSION = 128 /* "1.0" or "1.1": GELF's, if there is a host beside it */
};

struct row {
    const char *key;
    unsigned char scopes, what, rank;
};

/* Rows by the length of their keys, each list ends with {0}. Low ranks win. */
#define LIST (const struct row[])
#define END           \
    {                 \
        NULL, 0, 0, 0 \
    }

static const struct row *const rows[] = {
    [1] = LIST { { "v", TOP, IS_MARK, MARK_V }, END },
    [2] = LIST { { "dd", TOP | EXTRA, IS_SCOPE, DD },
                 { "no", LEVEL, IS_LEVELNO, 0 },
                 { "id", TRACE, IS_TRACE, 3 },
                 { "id", SPAN, IS_SPAN, 3 },
                 END },
    [3] = LIST { { "lvl", TOP, IS_LEVEL, 4 },
                 { "log", TOP, IS_SCOPE, LOG },
                 { "msg", TOP, IS_MARK, MARK_MSG },
                 { "pid", TOP, IS_MARK, MARK_WHO },
                 END },
    [4] = LIST { { "name", LEVEL, IS_LEVEL, 0 },
                 { "time", TOP, IS_MARK, MARK_TIME },
                 { "host", TOP, IS_MARK, MARK_HOST },
                 { "span", TOP, IS_SCOPE, SPAN },
                 END },
    [5] = LIST { { "level", TOP | LOG | RECORD, IS_LEVEL, 1 },
                 { "extra", RECORD, IS_SCOPE, EXTRA },
                 { "trace", TOP, IS_SCOPE, TRACE },
                 END },
    [6] = LIST { { "record", TOP, IS_SCOPE, RECORD },
                 { "spanId", TOP | EXTRA, IS_SPAN, 2 },
                 { "@level", TOP, IS_LEVEL, 1 },
                 END },
    [7] = LIST { { "levelno", TOP, IS_LEVELNO, 5 },
                 { "version", TOP, IS_MARK, MARK_VERSION },
                 { "traceId", TOP | EXTRA, IS_TRACE, 2 },
                 { "span_id", DD, IS_SPAN, 0 },
                 { "span_id", TOP | EXTRA, IS_SPAN, 1 },
                 { "span.id", TOP, IS_SPAN, 3 },
                 END },
    [8] = LIST { { "severity", TOP, IS_SEVERITY, 3 },
                 { "hostname", TOP, IS_MARK, MARK_WHO },
                 { "trace_id", DD, IS_TRACE, 0 },
                 { "trace_id", TOP | EXTRA, IS_TRACE, 1 },
                 { "trace.id", TOP, IS_TRACE, 3 },
                 { "priority", TOP, IS_PRIORITY, 7 },
                 { "loglevel", TOP, IS_LEVEL, 6 },
                 END },
    [9] = LIST { { "levelname", TOP, IS_LEVEL, 2 },
                 { "log.level", TOP, IS_LEVEL, 5 },
                 { "log_level", TOP, IS_LEVEL, 6 },
                 END },
    [10] = LIST { { "dd.span_id", TOP | EXTRA, IS_SPAN, 0 },
                  { "otelSpanID", TOP | EXTRA, IS_SPAN, 2 },
                  { "level_name", TOP, IS_LEVEL, 2 },
                  END },
    [11] = LIST { { "dd.trace_id", TOP | EXTRA, IS_TRACE, 0 },
                  { "otelTraceID", TOP | EXTRA, IS_TRACE, 2 },
                  END },
    [12] = LIST { { "severityText", TOP, IS_LEVEL, 6 }, END },
    [13] = LIST { { "severity_text", TOP, IS_LEVEL, 6 }, { "short_message", TOP, IS_MARK, MARK_GELF }, END },
    [14] = LIST { { "severityNumber", TOP, IS_OTEL, 7 }, END },
    [15] = LIST { { "severity_number", TOP, IS_OTEL, 7 }, END },
};
#define KEY_MAX (sizeof rows / sizeof rows[0] - 1)

/* For each length the first letters of its keys, so that nearly all others go no further. */
#define BIT(letter) (1u << ((letter)&0x1f))
static const uint32_t initials[] = {
    [1] = BIT('v'),
    [2] = BIT('d') | BIT('i') | BIT('n'),
    [3] = BIT('l') | BIT('m') | BIT('p'),
    [4] = BIT('h') | BIT('n') | BIT('s') | BIT('t'),
    [5] = BIT('e') | BIT('l') | BIT('t'),
    [6] = BIT('@') | BIT('r') | BIT('s'),
    [7] = BIT('l') | BIT('s') | BIT('t') | BIT('v'),
    [8] = BIT('h') | BIT('l') | BIT('p') | BIT('s') | BIT('t'),
    [9] = BIT('l'),
    [10] = BIT('d') | BIT('l') | BIT('o'),
    [11] = BIT('d') | BIT('o'),
    [12] = BIT('s'),
    [13] = BIT('s'),
    [14] = BIT('s'),
    [15] = BIT('s'),
};

struct look {
    struct lb_json_scan scan;
    const char *text;
    unsigned scope; /* that is open; a level of a scope of its own has the rank of what opened it */
    unsigned marks;
    int level, number; /* of the lowest rank so far; -1 none */
    unsigned level_rank, number_rank, trace_rank, span_rank;
    enum what number_of;
    struct lb_severity_span trace, span;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A whole number of at most three digits, or -1. */
static int small_number(const char *text, size_t len)
{
    int value = 0;

    if (len < 1 || len > 3)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i]))
            return -1;
        value = value * 10 + text[i] - '0';
    }
    return value;
}

static inline const struct row *row_of(const char *key, size_t len, unsigned scope)
{
    if (len > KEY_MAX || !(initials[len] & BIT(key[0])))
        return NULL;
    for (const struct row *row = rows[len]; row->key; row++)
        if ((row->scopes & scope) && (row->key[0] | 0x20) == (key[0] | 0x20) &&
            strncasecmp(row->key, key, len) == 0)
            return row;
    return NULL;
}

/* Text with its escapes undone, where that can be one we know; else as it stands. */
static inline void plain(const char **text, size_t *len, bool has_escape, char buf[TEXT_MAX])
{
    ssize_t got = has_escape ? lb_json_unescape(buf, TEXT_MAX, *text, *len) : -1;

    if (got >= 0)
        *text = buf, *len = (size_t)got;
}

static void take_level(struct look *l, const struct row *row, const char *value, size_t len)
{
    int level, number = small_number(value, len);

    while (len > 0 && value[len - 1] == ' ') /* padded by a format */
        len--;
    if (number >= 0 && row->rank <= l->number_rank) {
        l->number = number;
        l->number_rank = row->rank;
        l->number_of = row->what;
    }
    level = number < 0 ? lb_level_word(value, len) : -1;
    if (level >= 0 && row->rank <= l->level_rank) {
        l->level = level;
        l->level_rank = row->rank;
    }
}

static void take_id(struct look *l, const struct row *row, const struct lb_json_member *member)
{
    unsigned *rank = row->what == IS_TRACE ? &l->trace_rank : &l->span_rank;
    struct lb_severity_span *id = row->what == IS_TRACE ? &l->trace : &l->span;

    if (row->rank > *rank || !lb_severity_is_id(member->value, member->value_len))
        return;
    *rank = row->rank;
    id->at = (uint32_t)(member->value - l->text);
    id->len = (uint32_t)member->value_len;
}

static void take_mark(struct look *l, const struct row *row, const struct lb_json_member *member)
{
    bool is_number = member->kind == LB_JSON_WORD && is_digit(member->value[0]);

    if (row->rank == MARK_V && !is_number)
        return;
    if (row->rank == MARK_VERSION &&
        (member->kind != LB_JSON_STRING || member->value_len != 3 || memcmp(member->value, "1.", 2) != 0))
        return;
    l->marks |= row->rank;
    if (row->rank == MARK_TIME && is_number && member->value_len == 13 && !memchr(member->value, '.', 13))
        l->marks |= MARK_TIME_MS;
}

static void take_member(struct look *l, const struct row *row, const struct lb_json_member *member)
{
    const char *value = member->value;
    size_t len = member->value_len;
    char buf[TEXT_MAX];

    switch ((enum what)row->what) {
    case IS_TRACE:
    case IS_SPAN:
        take_id(l, row, member);
        break;
    case IS_MARK:
        take_mark(l, row, member);
        break;
    case IS_SCOPE:
        break;
    default:
        plain(&value, &len, member->value_has_escape, buf);
        take_level(l, row, value, len);
    }
}

/* The scope that a member opens; 0: none. */
static unsigned scope_of(const struct row *row, const struct lb_json_member *member)
{
    if (member->kind != LB_JSON_OBJECT)
        return 0;
    if (row->what == IS_SCOPE)
        return row->rank;
    return row->what == IS_LEVEL ? LEVEL : 0;
}

/* Members of the object that is open, and of those in it that the table knows. */
static void walk(struct look *l, unsigned scope)
{
    unsigned around[4];
    unsigned depth = 0;

    while (!l->scan.is_broken) {
        struct lb_json_member member;
        const struct row *row;
        const char *key;
        char buf[TEXT_MAX];
        size_t len;

        if (!lb_json_scan_next(&l->scan, &member)) {
            if (depth == 0)
                return;
            scope = around[--depth];
            continue;
        }
        key = member.key;
        len = member.key_len;
        plain(&key, &len, member.key_has_escape, buf);
        row = len > 0 ? row_of(key, len, scope) : NULL;
        if (row && scope_of(row, &member) && depth < sizeof around / sizeof around[0]) {
            around[depth++] = scope;
            scope = scope_of(row, &member);
            lb_json_scan_open(&l->scan);
        } else if (row && member.kind <= LB_JSON_WORD) {
            take_member(l, row, &member);
        }
    }
}

/* Tens of bunyan and pino, and what Python's numbers mean. */
static int bunyan_level(int number)
{
    static const signed char levels[] = {
        -1, LB_LEVEL_DEBUG, LB_LEVEL_DEBUG, LB_LEVEL_INFO, LB_LEVEL_WARNING, LB_LEVEL_ERROR, LB_LEVEL_CRITICAL
    };

    return number % 10 == 0 && number <= 60 ? levels[number / 10] : -1;
}

static int python_level(int number)
{
    if (number > 60)
        return -1;
    if (number < 20)
        return LB_LEVEL_DEBUG;
    if (number < 30)
        return number < 25 ? LB_LEVEL_INFO : LB_LEVEL_NOTICE;
    if (number < 40)
        return LB_LEVEL_WARNING;
    return number < 50 ? LB_LEVEL_ERROR : LB_LEVEL_CRITICAL;
}

static int otel_level(int number)
{
    static const unsigned char levels[] = { LB_LEVEL_DEBUG,   LB_LEVEL_DEBUG, LB_LEVEL_INFO,
                                            LB_LEVEL_WARNING, LB_LEVEL_ERROR, LB_LEVEL_CRITICAL };

    return number >= 1 && number <= 24 ? levels[(number - 1) / 4] : -1;
}

static bool has(const struct look *l, unsigned marks)
{
    return (l->marks & marks) == marks;
}

/* "level": 41 may well be that of a tank: but for levelno, only numbers that loggers have are believed. */
static int number_level(const struct look *l)
{
    int number = l->number;

    if (l->number_of == IS_OTEL)
        return otel_level(number);
    if (number < LB_LEVEL_COUNT && (l->number_of == IS_PRIORITY || l->number_of == IS_SEVERITY ||
                                    has(l, MARK_GELF) || has(l, MARK_VERSION | MARK_HOST)))
        return number;
    if (l->number_of == IS_PRIORITY)
        return -1;
    if (l->number_of == IS_LEVELNO)
        return python_level(number);
    if (has(l, MARK_V | MARK_TIME | MARK_WHO) || has(l, MARK_TIME_MS | MARK_MSG))
        return bunyan_level(number);
    return number > 0 && (number % 10 == 0 || number == 5 || number == 15 || number == 25)
               ? python_level(number)
               : -1;
}

bool lb_severity_json(const char *text, size_t len, size_t base, struct lb_severity *ret)
{
    struct look l = { .text = text,
                      .level = -1,
                      .number = -1,
                      .level_rank = NO_RANK,
                      .number_rank = NO_RANK,
                      .trace_rank = NO_RANK,
                      .span_rank = NO_RANK };

    if (!lb_json_scan_begin(&l.scan, text, len))
        return false;
    walk(&l, TOP);
    if (l.level < 0 && l.number >= 0)
        l.level = number_level(&l);
    if (l.level >= 0) {
        ret->level = l.level;
        ret->rule = LB_SEVERITY_JSON;
    }
    if (l.trace.len > 0)
        ret->trace_id = (struct lb_severity_span) { l.trace.at + (uint32_t)base, l.trace.len };
    if (l.span.len > 0)
        ret->span_id = (struct lb_severity_span) { l.span.at + (uint32_t)base, l.span.len };
    return true;
}
