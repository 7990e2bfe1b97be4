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

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

/* shape: 9 stands for any digit, other characters for themselves. */
static bool matches(const char *text, size_t len, const char *shape)
{
    size_t want = strlen(shape);

    if (len < want)
        return false;
    for (size_t i = 0; i < want; i++)
        if (shape[i] == '9' ? !is_digit(text[i]) : shape[i] != text[i])
            return false;
    return true;
}

/* Length of "Z", "+0200", "+02:00" or " +0200" at the start; 0: there is none. */
static size_t zone_length(const char *text, size_t len)
{
    static const char *const shapes[] = { "Z", "+99:99", "-99:99", "+9999", "-9999", " +9999", " -9999" };

    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (matches(text, len, shapes[i]))
            return strlen(shapes[i]);
    return 0;
}

/* Length of "2026-01-31 23:59:59,123" at the start, fraction and zone included; 0: there is none. */
static size_t asctime_length(const char *text, size_t len)
{
    size_t at = 19;

    if (!matches(text, len, "9999-99-99 99:99:99") && !matches(text, len, "9999-99-99T99:99:99"))
        return 0;
    if (at + 1 < len && is_one_of(text[at], ",.") && is_digit(text[at + 1]))
        for (at++; at < len && is_digit(text[at]);)
            at++;
    return at + zone_length(text + at, len - at);
}

/* One field, without what frames it. Returns the level, or -1. */
static int field_level(const char *field, size_t len)
{
    while (len > 0 && is_one_of(field[0], "[(<")) {
        field++;
        len--;
    }
    while (len > 0 && is_one_of(field[len - 1], "])>:,"))
        len--;
    return word_level(field, len);
}

/*
 * After asctime the level is the first, second or third field: "%(levelname)s text", "%(name)s -
 * %(levelname)s - text",
 * "%(name)s [%(process)d] %(levelname)s: text". Blanks and upright bars part fields; lone separators are
 * none.
 */
static int level_after_asctime(const char *text, size_t len)
{
    size_t at = 0;

    for (int fields = 0; fields < 3 && at < len;) {
        size_t from;
        int level;

        while (at < len && is_one_of(text[at], " \t|"))
            at++;
        from = at;
        while (at < len && !is_one_of(text[at], " \t|"))
            at++;
        if (at - from == 1 && is_one_of(text[from], "-:]"))
            continue;
        level = field_level(text + from, at - from);
        if (level >= 0)
            return level;
        fields++;
    }
    return -1;
}

/* A line that begins with a word in capitals: "LEVEL:name:text", or "LEVEL" in front of asctime. */
static int level_first(const char *text, size_t len)
{
    size_t word = 0, at;
    int level;

    while (word < len && text[word] >= 'A' && text[word] <= 'Z')
        word++;
    level = word_level(text, word);
    if (level < 0 || (word < len && text[word] == ':'))
        return level;
    for (at = word; at < len && is_one_of(text[at], " \t]|-["); at++)
        continue;
    return asctime_length(text + at, len - at) ? level : -1;
}

int lb_severity_of(const char *text, size_t len)
{
    size_t at;

    if (len > LB_SEVERITY_LOOK)
        len = LB_SEVERITY_LOOK;
    if (len > 0 && text[0] == '[') {
        text++;
        len--;
    }
    if (len > 0 && text[0] >= 'A' && text[0] <= 'Z')
        return level_first(text, len);
    at = asctime_length(text, len);
    if (at > 0 && at < len && text[at] == ']')
        at++;
    return at > 0 ? level_after_asctime(text + at, len - at) : -1;
}
