/* SPDX-License-Identifier: MIT */
/*
 * Where an ordinary log line begins. In: the beginning of a line. Out: whether it looks like the first line
 * of a record that some logger wrote, and whether that record tells of a failure. It is asked only where a
 * record is open that could swallow the line, so it may look at some dozen bytes; it need not know the
 * format, only that there is one. A wrong yes costs a join, a wrong no could cost a line.
 */
#include <string.h>
#include <strings.h>

#include "common/python_line.h"
#include "common/python_line_cursor.h"

#define HEAD_BYTES 32

/* 0: a digit, a: a letter; anything else is itself. By their first byte, which nearly always is neither. */
static const char *const digit_stamps[] = {
    "0000-00-00",   "0000/00/00",     "0000.00.00",      "0000-00.00",     "00/00/0000",
    "00-00-0000",   "00.00.0000",     "0/00/0000",       "00/0/0000",      "0/0/0000",
    "00:00:00",     "00/aaa/0000",    "00-aaa-000",      "00 aaa 0000",    "00000000T00",
    "0000000000.0", "00000000 00:00", "00000000-00:00:", "000000 00:00:0", NULL,
};
static const char *const letter_stamps[] = {
    "aaa 00 00:00", "aaa  0 00:",   "aaa 0 00:00", "aaa aaa 00 ",
    "aaa aaa  0 ",  "aaa, 00 aaa ", "a0000 00:0",  NULL,
};
static const char *const no_stamps[] = { NULL };

static bool is_letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static const char *const *stamps_of(char first)
{
    return lb_python_is_digit(first) ? digit_stamps : is_letter(first) ? letter_stamps : no_stamps;
}

static bool fits(const char *head, const char *shape)
{
    for (; *shape != '\0'; head++, shape++) {
        if (*shape == '0' ? !lb_python_is_digit(*head) : *shape == 'a' ? !is_letter(*head) : *shape != *head)
            return false;
    }
    return true;
}

static const struct word {
    const char *name;
    unsigned char len;
    bool is_failure;
    bool in_any_case; /* no exception is called so */
} words[] = {
    { "INFO", 4, false, true },      { "DEBUG", 5, false, true },  { "WARNING", 7, true, false },
    { "ERROR", 5, true, false },     { "WARN", 4, true, false },   { "CRITICAL", 8, true, false },
    { "FATAL", 5, true, false },     { "NOTICE", 6, false, true }, { "TRACE", 5, false, true },
    { "SUCCESS", 7, false, false },  { "ALERT", 5, true, false },  { "EMERG", 5, true, false },
    { "EMERGENCY", 9, true, false }, { "CRIT", 4, true, false },   { "SEVERE", 6, true, false },
    { "EXCEPTION", 9, true, false }, { "ERR", 3, true, false },    { "INFORMATION", 11, false, true },
    { "VERBOSE", 7, false, true },   { "PANIC", 5, true, false },  { "FINE", 4, false, false },
};

static const struct word *find_word(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (words[i].len == len && ((words[i].name[0] ^ text[0]) & ~0x20) == 0 &&
            strncasecmp(words[i].name, text, len) == 0)
            return &words[i];
    return NULL;
}

static size_t word_length(const char *text, size_t len)
{
    size_t at = 0;

    while (at < len && is_letter(text[at]))
        at++;
    return at;
}

/* "INFO:x", "[info ] x", "ERROR x": in brackets in any case, else in capitals, or what can be nothing else.
 */
static bool starts_with_level(const char *head, bool is_framed)
{
    size_t len = word_length(head, HEAD_BYTES);
    const struct word *word = find_word(head, len);

    if (word == NULL || (head[len] != '\0' && strchr(" :]|,/-)>\t;", head[len]) == NULL))
        return false;
    return is_framed || memcmp(word->name, head, len) == 0 || (word->in_any_case && head[len] == ':');
}

/* 127.0.0.1 - - [22/Nov/2026 ..., ::1 - - [..., and with a port in front of a quote. */
static bool starts_with_address(const char *head)
{
    size_t at = 0, marks = 0;

    for (; lb_python_is_digit(head[at]) || (head[at] >= 'a' && head[at] <= 'f') || head[at] == '.' ||
           head[at] == ':';
         at++)
        marks += head[at] == '.' || head[at] == ':';
    return marks >= 2 && strncmp(head + at, " - ", 3) == 0;
}

static bool starts_with_key(const char *head)
{
    static const char *const keys[] = { "level=",     "lvl=", "time=",     "ts=",
                                        "timestamp=", "msg=", "severity=", "at=" };

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keys[i][0] == head[0] && strncmp(head, keys[i], strlen(keys[i])) == 0)
            return true;
    return head[0] == '{' && head[1] == '"';
}

/* "<13>", and "<13>1 " */
static bool starts_with_priority(const char *head)
{
    size_t at = 1;

    while (at < 4 && lb_python_is_digit(head[at]))
        at++;
    return head[0] == '<' && at > 1 && head[at] == '>';
}

/* The first visible bytes, up to a NUL. */
static void copy_head(char *room, struct lb_python_cursor in)
{
    size_t len = (size_t)(in.end - in.at);

    len = len < HEAD_BYTES ? len : HEAD_BYTES;
    if (memchr(in.at, LB_PYTHON_ESC, len) == NULL) {
        memcpy(room, in.at, len);
        return;
    }
    for (size_t at = 0; at < HEAD_BYTES; at++, in.at++) {
        int c = lb_python_peek(&in);

        if (c <= 0)
            break;
        room[at] = (char)c;
    }
}

bool lb_python_line_starts_log(const char *text, size_t len, bool only_date)
{
    struct lb_python_cursor in = { text, text + len };
    char room[HEAD_BYTES + 1] = { 0 };
    const char *head = room;

    lb_python_eat_blanks(&in);
    copy_head(room, in);
    while (*head != '\0' && strchr("[(<|* ", *head) != NULL)
        head++;
    for (const char *const *stamp = stamps_of(*head); *stamp != NULL; stamp++)
        if (fits(head, *stamp))
            return true;
    return !only_date && (starts_with_level(head, head > room) || starts_with_priority(room) ||
                          starts_with_key(room) || starts_with_address(room));
}

enum lb_python_mood lb_python_line_mood(const char *text, size_t len)
{
    struct lb_python_cursor in = { text, text + len };
    char word[16] = "";
    size_t at = 0;

    for (;; in.at++) {
        int c = lb_python_peek(&in);
        const struct word *found;

        if (c < 0)
            return LB_PYTHON_MOOD_NONE;
        if (is_letter(c)) {
            if (at < sizeof word)
                word[at] = (char)c;
            at++;
            continue;
        }
        found = at > 0 && at <= sizeof word ? find_word(word, at) : NULL;
        if (found != NULL)
            return found->is_failure ? LB_PYTHON_MOOD_FAILED : LB_PYTHON_MOOD_CALM;
        at = 0;
    }
}
