/* SPDX-License-Identifier: MIT */
/* Severity from a line's text. In: the first bytes of a line. Out: a level, or none. No state, no allocation.
 */
#include "agent/shape/severity.h"

#include <stdbool.h>
#include <string.h>

#include "common/level.h"

/* Names as logging.getLevelName() gives them, and the two that people add. */
static const struct {
    const char *name;
    unsigned char len, level;
} words[] = {
    { "INFO", 4, LB_LEVEL_INFO },      { "DEBUG", 5, LB_LEVEL_DEBUG },   { "WARNING", 7, LB_LEVEL_WARNING },
    { "ERROR", 5, LB_LEVEL_ERROR },    { "WARN", 4, LB_LEVEL_WARNING },  { "CRITICAL", 8, LB_LEVEL_CRITICAL },
    { "FATAL", 5, LB_LEVEL_CRITICAL }, { "NOTICE", 6, LB_LEVEL_NOTICE },
};

static int word_level(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (words[i].len == len && memcmp(words[i].name, text, len) == 0)
            return words[i].level;
    return -1;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool matches(const char *text, size_t len, const char *shape)
{
    size_t want = strlen(shape);

    if (len < want)
        return false;
    for (size_t i = 0; i < want; i++)
        if (shape[i] == '9' ? !is_digit(text[i]) : shape[i] == '?' ? false : shape[i] != text[i])
            return false;
    return true;
}

/* Length of "2026-01-31 23:59:59,123" at the start, fraction and zone included; 0: there is none. */
static size_t asctime_length(const char *text, size_t len)
{
    size_t at = 0;

    if (!matches(text, len, "9999-99-99") || len < 19 || (text[10] != ' ' && text[10] != 'T') ||
        !matches(text + 11, len - 11, "99:99:99"))
        return 0;
    at = 19;
    if (at < len && (text[at] == ',' || text[at] == '.'))
        for (at++; at < len && is_digit(text[at]);)
            at++;
    if (at < len && text[at] == 'Z')
        at++;
    else if (at + 5 < len && (text[at] == '+' || text[at] == '-') && is_digit(text[at + 1]))
        while (at < len && (is_digit(text[at]) || strchr("+-:", text[at])))
            at++;
    return at;
}

/* One field: up to a blank; what frames it is cut. Returns the level, or -1. */
static int field_level(const char *field, size_t len)
{
    while (len > 0 && strchr("[(<|", field[0]) && field[0]) {
        field++;
        len--;
    }
    while (len > 0 && strchr("])>|:,", field[len - 1]) && field[len - 1])
        len--;
    return word_level(field, len);
}

/*
 * After asctime the level is the first, second or third field: "%(levelname)s text", "%(name)s -
 * %(levelname)s - text",
 * "%(name)s [%(process)d] %(levelname)s: text". Lone separators are no fields.
 */
static int level_after_asctime(const char *text, size_t len)
{
    size_t at = 0;

    for (int fields = 0; fields < 3 && at < len;) {
        size_t from, end;
        int level;

        while (at < len && (text[at] == ' ' || text[at] == '\t'))
            at++;
        from = at;
        while (at < len && text[at] != ' ' && text[at] != '\t')
            at++;
        end = at;
        if (end - from == 1 && strchr("-|:", text[from]))
            continue;
        level = field_level(text + from, end - from);
        if (level >= 0)
            return level;
        fields++;
    }
    return -1;
}

int lb_severity_of(const char *text, size_t len)
{
    size_t asctime_len, word = 0;

    if (len > LB_SEVERITY_LOOK)
        len = LB_SEVERITY_LOOK;
    if (len == 0)
        return -1;
    if (text[0] >= 'A' && text[0] <= 'Z') {
        while (word < len && text[word] >= 'A' && text[word] <= 'Z')
            word++;
        return word < len && text[word] == ':' ? word_level(text, word) : -1;
    }
    asctime_len = asctime_length(text, len);
    if (asctime_len == 0 && text[0] == '[') { /* "[2026-01-31 ...] LEVEL" */
        asctime_len = asctime_length(text + 1, len - 1);
        if (asctime_len == 0 || ++asctime_len >= len || text[asctime_len] != ']')
            return -1;
        asctime_len++;
    }
    return asctime_len ? level_after_asctime(text + asctime_len, len - asctime_len) : -1;
}
