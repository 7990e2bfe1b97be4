/* SPDX-License-Identifier: MIT */
/* What a line states about itself. In: a line. Out: its level, by which rule, and its trace ids. Always true:
 * no state, no allocation, no byte past the line; the first byte tells which family can apply, so a line that
 * states nothing is let go after its first words.
 *
 *     <N> ──▶ rest ─┬─ { ──────────────▶ severity_json.c
 *                   └─ text ─ colours ─▶ severity_head.c ──▶ severity_fields.c, severity_pairs.c
 */
#include "agent/shape/severity.h"

#include <stdbool.h>
#include <string.h>

#include "agent/shape/severity_parts.h"
#include "common/escape.h"
#include "common/level_word.h"

#define RARE __attribute__((noinline)) /* what needs room on the stack that ordinary lines do not */

/* At the end: "[CRITICAL]" with colours around. */
#define TAIL_LOOK 64

#define RICH_TIME_WIDTH  11
#define RICH_LEVEL_WIDTH 8

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/*
 * "<N>", as sd-daemon and the kernel have it: 0 to 191 without leading zeros, the level being its lowest
 * three bits. Returns its length, 0: there is none.
 */
static size_t pri_length(const char *text, size_t len, unsigned *ret_pri)
{
    size_t at = 1;
    unsigned pri = 0;

    while (at < len && at <= 3 && is_digit(text[at]))
        pri = pri * 10 + (unsigned)(text[at++] - '0');
    if (at == 1 || at >= len || text[at] != '>' || pri > 191 || (text[1] == '0' && at > 2))
        return 0;
    *ret_pri = pri;
    return at + 1;
}

/* Copy text with a single LB_ESCAPE for each run of escape sequences: where a colour changes, a frame ends.
 */
static size_t fold_colours(char *to, size_t size, const char *text, size_t len)
{
    size_t out = 0;

    for (size_t at = 0; at < len && out < size;) {
        size_t skip = lb_escape_length(text + at, len - at);

        if (skip == 0)
            to[out++] = text[at++];
        else if (out == 0 || to[out - 1] != LB_ESCAPE)
            to[out++] = LB_ESCAPE;
        at += skip;
    }
    return out;
}

static bool ends_field(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == LB_ESCAPE;
}

/* "... [ERROR]", "... - ERROR", "... | ERROR" at the end of a line: a word, and what stands on both sides. */
static int level_at_end(const char *text, size_t len)
{
    size_t end = len, from, before;
    bool is_framed;

    while (end > 0 && ends_field(text[end - 1]))
        end--;
    is_framed = end > 0 && (text[end - 1] == ']' || text[end - 1] == ')' || text[end - 1] == '>');
    end -= is_framed;
    while (end > 0 && ends_field(text[end - 1]))
        end--;
    for (from = end; from > 0 && text[from - 1] >= 'A' && text[from - 1] <= 'Z'; from--)
        continue;
    for (before = from; before > 0 && ends_field(text[before - 1]); before--)
        continue;
    if (before == 0 || from == end ||
        (!is_framed && (before == from || before < 2 || text[before - 2] != ' ')))
        return -1;
    return memchr(is_framed ? "[(<" : "||-", text[before - 1], 3) ? lb_level_word(text + from, end - from)
                                                                  : -1;
}

/* A bracket, a capital, the m of a colour, a blank behind them: else there is no level to be found. */
static bool may_end_line(char c)
{
    return c == ']' || c == ')' || c == '>' || (c >= 'A' && c <= 'Z') || c == 'm' || ends_field(c);
}

RARE static int last_field(const char *text, size_t len)
{
    const char *end = memchr(text, '\n', len);
    char tail[TAIL_LOOK];
    size_t from;

    if (end)
        len = (size_t)(end - text);
    if (len == 0 || !may_end_line(text[len - 1]))
        return -1;
    from = len > TAIL_LOOK ? len - TAIL_LOOK : 0;
    if (!memchr(text + from, LB_ESCAPE, len - from))
        return level_at_end(text + from, len - from);
    len = fold_colours(tail, sizeof tail, text + from, len - from);
    return level_at_end(tail, len);
}

/* How much of a long line is looked at: no word that is cut, which may be another one. */
RARE static size_t head_length(const char *text)
{
    size_t at = LB_SEVERITY_LOOK;

    while (at > LB_SEVERITY_LOOK - LB_LEVEL_WORD_MAX && (text[at] | 0x20) >= 'a' && (text[at] | 0x20) <= 'z')
        at--;
    return at;
}

/* A head with colours in it. */
RARE static struct lb_severity_head folded_head(const char *text, size_t len)
{
    char folded[LB_SEVERITY_LOOK];

    return lb_severity_head(folded, fold_colours(folded, sizeof folded, text, len));
}

static inline void look_at_text(const char *text, size_t len, struct lb_severity *ret)
{
    struct lb_severity_head head = { .level = -1 };
    size_t head_len = len <= LB_SEVERITY_LOOK ? len : head_length(text);

    if (text[0] != LB_ESCAPE)
        head = lb_severity_head(text, head_len);
    /* A line that begins in small letters is prose or logfmt, and has its level in front of any colour. */
    if (!head.is_sure && (text[0] < 'a' || text[0] > 'z') && memchr(text, LB_ESCAPE, head_len))
        head = folded_head(text, len);
    ret->level = head.level;
    ret->rule = head.rule;
    if (head.level >= 0 || !head.is_stamped)
        return;
    ret->level = last_field(text, len);
    if (ret->level >= 0)
        ret->rule = LB_SEVERITY_LAST;
}

static inline void look_for_ids(const char *text, size_t len, struct lb_severity *ret)
{
    size_t look = len < LB_SEVERITY_IDS_LOOK ? len : LB_SEVERITY_IDS_LOOK;
    const char *sign = memchr(text, '=', look);

    if (sign)
        lb_severity_ids(text, look, sign, ret);
}

/*
 * rich's handler leaves the time out where it has just shown the same, but not its column: "[23:59:59] " is
 * eleven wide, a level eight and a blank. -1: it is none.
 */
static int level_in_wide_column(const char *text, size_t len)
{
    size_t at = 0, end;

    while (at < len && text[at] == ' ')
        at++;
    if (at < RICH_TIME_WIDTH || at + RICH_LEVEL_WIDTH + 1 >= len || text[at + RICH_LEVEL_WIDTH] != ' ')
        return -1;
    for (end = at; text[end] >= 'A' && text[end] <= 'Z' && end < at + RICH_LEVEL_WIDTH; end++)
        continue;
    for (size_t pad = end; pad < at + RICH_LEVEL_WIDTH; pad++)
        if (text[pad] != ' ')
            return -1;
    return text[at + RICH_LEVEL_WIDTH + 1] != ' ' ? lb_level_word(text + at, end - at) : -1;
}

/* What begins with '<', '{' or a blank: a priority, JSON, or both; or a level further on. false: it is
 * neither. */
RARE static bool look_behind_prefix(const char *text, size_t len, struct lb_severity *ret)
{
    unsigned pri = 0;
    size_t skip = text[0] == '<' ? pri_length(text, len, &pri) : 0;
    bool is_json = skip < len && (text[skip] == '{' || text[skip] == ' ') &&
                   lb_severity_json(text + skip, len - skip, skip, ret);

    if (skip == 0 && !is_json && text[0] == ' ') {
        ret->level = level_in_wide_column(text, len);
        ret->rule = ret->level >= 0 ? LB_SEVERITY_FIRST : LB_SEVERITY_NONE;
        return false;
    }
    if (skip == 0)
        return is_json;
    if (!is_json)
        look_for_ids(text, len, ret);
    ret->skip = (uint32_t)skip;
    ret->level = (int)(pri & 7);
    ret->rule = LB_SEVERITY_PRI;
    return true;
}

void lb_severity_look(const char *text, size_t len, struct lb_severity *ret)
{
    *ret = (struct lb_severity) { .level = -1 };
    if (len == 0)
        return;
    if ((text[0] == '{' || text[0] == '<' || text[0] == ' ') && look_behind_prefix(text, len, ret))
        return;
    if (ret->level < 0)
        look_at_text(text, len, ret);
    look_for_ids(text, len, ret);
}

const char *lb_severity_rule_name(enum lb_severity_rule rule)
{
    static const char *const names[LB_SEVERITY_RULE_COUNT] = {
        [LB_SEVERITY_NONE] = "none",     [LB_SEVERITY_PRI] = "pri",       [LB_SEVERITY_JSON] = "json",
        [LB_SEVERITY_LOGFMT] = "logfmt", [LB_SEVERITY_FIRST] = "first",   [LB_SEVERITY_STAMPED] = "stamped",
        [LB_SEVERITY_LAST] = "last",     [LB_SEVERITY_LETTER] = "letter",
    };

    return names[rule < LB_SEVERITY_RULE_COUNT ? rule : LB_SEVERITY_NONE];
}
