/* SPDX-License-Identifier: MIT */
/* A plain text's first bytes. In: a head in which colours are folded to one byte each. Out: the level that it
 * begins with, or that the fields behind its stamp hold. Always true: a text that begins with neither a
 * stamp, a level, a bracket nor a key is let go after two words.
 */
#include <string.h>

#include "agent/shape/severity_parts.h"
#include "common/eight.h"
#include "common/escape.h"
#include "common/level_word.h"
#include "common/stamp.h"

#define RARE         __attribute__((noinline)) /* what needs room on the stack that ordinary lines do not */
#define FRAME_MAX    32                        /* of "[info     ]" */
#define COMMAS_MAX   4
#define LEVEL_WIDTH  8  /* of a level in most columns */
#define NAME_MAX_LEN 64 /* of a file or container in front of the stamp */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_small(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* What may stand between a level or a name and a stamp, or in front of a stamp. */
static const bool joins[256] = { [' '] = true, ['\t'] = true, ['|'] = true, ['-'] = true,      ['['] = true,
                                 [']'] = true, [':'] = true,  [','] = true, [LB_ESCAPE] = true };

static size_t joint_length(const char *text, size_t len)
{
    size_t at = 0;

    while (at < len && joins[(unsigned char)text[at]])
        at++;
    return at;
}

static const struct lb_severity_head nothing = { .level = -1 };

static struct lb_severity_head found(int level, enum lb_severity_rule rule, bool is_sure)
{
    return (struct lb_severity_head) { level, (uint8_t)rule, false, is_sure };
}

/* "stamp LEVEL text", in most lines, and "stamp 148 LEVEL text"; -1: it is another one. */
static inline int level_in_capitals(const char *text, size_t len)
{
    size_t at = 1, end;

    if (is_digit(text[1])) {
        while (at < len && is_digit(text[at]))
            at++;
        if (at == len || text[at] != ' ')
            return -1;
        at++;
    }
    for (end = at; end < len && text[end] >= 'A' && text[end] <= 'Z'; end++)
        continue;
    return end > at && end < len && text[end] == ' ' ? lb_level_word(text + at, end - at) : -1;
}

/* "stamp [level] text", padded perhaps; -1: it is another one. */
static inline int level_in_frame(const char *text, size_t len)
{
    size_t at = 2, word;

    while (at < len && is_letter(text[at]))
        at++;
    for (word = at - 2; at < len && at < FRAME_MAX && text[at] == ' '; at++)
        continue;
    return at + 1 < len && text[at] == ']' && is_blank(text[at + 1]) ? lb_level_word(text + 2, word) : -1;
}

/* What cannot be in a name that is a column of its own, or makes it worth a closer look. */
static const bool ends_name[256] = { ['\0' ... ' '] = true, [';'] = true, ['|'] = true, [':'] = true,
                                     ['='] = true,          ['['] = true, ['('] = true, ['<'] = true };

static inline bool is_dash(const char *text, size_t len, size_t at)
{
    return at + 2 < len && text[at] == ' ' && text[at + 1] == '-' && text[at + 2] == ' ';
}

/* "stamp - LEVEL - text", "stamp - name - LEVEL - text", as logging's manual has it; -1: it is another one.
 */
RARE static int level_between_dashes(const char *text, size_t len)
{
    for (size_t at = 0, end; is_dash(text, len, at); at = end) {
        at += 3;
        for (end = at; end < len && text[end] >= 'A' && text[end] <= 'Z'; end++)
            continue;
        if (is_dash(text, len, end) && end > at)
            return lb_level_word(text + at, end - at);
        for (; end < len && !ends_name[(unsigned char)text[end]]; end++)
            continue;
        if (at > 3 || lb_level_word(text + at, end - at) >= 0)
            break;
    }
    return -1;
}

/* What nearly all formats have behind the stamp, as lb_severity_fields() would read it; -1: it is another
 * one. */
static inline int level_next(const char *text, size_t len)
{
    if (len < 2 || text[0] != ' ')
        return -1;
    if (text[1] == '-')
        return level_between_dashes(text, len);
    return text[1] == '[' ? level_in_frame(text, len) : level_in_capitals(text, len);
}

/* "stamp,25230,ERROR,text": no blanks, and commas between the fields. -1: it is another one. */
static int level_between_commas(const char *text, size_t len)
{
    for (size_t field = 0, at = 0, end; field < COMMAS_MAX && at < len && text[at] == ',';
         field++, at = end) {
        at++;
        for (end = at; end < len && text[end] != ',' && text[end] > ' '; end++)
            continue;
        if (end < len && text[end] == ',' && lb_severity_is_upper(text + at, end - at) &&
            lb_level_word(text + at, end - at) >= 0)
            return lb_level_word(text + at, end - at);
    }
    return -1;
}

/* Behind a stamp, with the bracket that it may stand in. */
RARE static struct lb_severity_head level_after_stamp(const char *text, size_t len)
{
    struct lb_severity_head head;
    bool has_escape = false;
    size_t at = 0;
    int level;

    while (at < len && (text[at] == ']' || text[at] == ')' || text[at] == ':' || text[at] == LB_ESCAPE))
        has_escape |= text[at++] == LB_ESCAPE;
    level = at < len && text[at] == ',' ? level_between_commas(text + at, len - at)
                                        : level_next(text + at, len - at);
    if (level >= 0)
        return (struct lb_severity_head) { level, LB_SEVERITY_STAMPED, true, !has_escape };
    head = lb_severity_fields(text + at, len - at, true);
    head.is_sure &= !has_escape;
    return head;
}

/* The same, where something stands in front of the stamp that may hold an escape. */
static struct lb_severity_head level_further_on(const char *text, size_t len)
{
    struct lb_severity_head head = level_after_stamp(text, len);

    head.is_sure = false;
    return head;
}

/*
 * One blank behind a level: "ERROR Connection lost", "INFO till.net: x", but "ERROR codes are", as prose goes
 * on in small letters. Two blanks are padding, and so is a tab.
 */
static bool begins_message(const char *text, size_t len)
{
    size_t at = 0;

    if (len < 2 || is_blank(text[1]) || text[0] == '\t' || !is_small(text[1]))
        return len >= 2 && text[len - 1] != ' ';
    for (at = 1; at < len && !is_blank(text[at]); at++)
        if (is_digit(text[at]) || (text[at] != '\0' && strchr("._/[:=@", text[at])))
            return true;
    return lb_stamp_length(text + 1, len - 1) > 0;
}

/* The line begins with the word of a level, in capitals. Is it meant as one? */
static bool is_level_first(const char *text, size_t len, size_t word)
{
    if (word == len)
        return false;
    switch (text[word]) {
    case ':':
    case '|':
    case LB_ESCAPE:
        return true;
    case '[': /* logrus: "INFO[0012] text" */
        return word + 1 < len && is_digit(text[word + 1]);
    case ' ':
    case '\t':
        return begins_message(text + word, len - word);
    default:
        return false;
    }
}

/* "I0131 23:59:59.123456  77 a.go:1] text" and, behind a bracket, "I 260131 23:59:59 web:1] text". */
static int level_of_letter(const char *text, size_t len, bool is_bracketed)
{
    if (len < 14)
        return -1;
    if (!is_bracketed && (!is_digit(text[1]) || !is_digit(text[2]) || !is_digit(text[3]) ||
                          !is_digit(text[4]) || text[5] != ' ' || lb_stamp_length(text + 6, len - 6) == 0))
        return -1;
    if (is_bracketed && (text[1] != ' ' || lb_stamp_length(text + 2, len - 2) == 0))
        return -1;
    return lb_severity_letter(text[0]);
}

/* A level in capitals and what stands behind it. */
struct capitals {
    int level;      /* -1: it is none */
    size_t behind;  /* of it and of its blanks */
    bool is_padded; /* as "%(levelname)-8s " is: nobody writes prose so */
};

static struct capitals take_capitals(const char *text, size_t len, size_t at)
{
    struct capitals word = { .level = -1 };
    size_t end = at;

    while (end < len && text[end] >= 'A' && text[end] <= 'Z')
        end++;
    word.level = lb_level_word(text + at, end - at);
    for (word.behind = end; word.behind < len && text[word.behind] == ' '; word.behind++)
        continue;
    word.is_padded = word.behind > at + LEVEL_WIDTH && word.behind < len;
    return word;
}

/*
 * "till.net - ERROR - text", with "|" or ":" as well, or "till.net    : ERROR    text": a column of its own,
 * as prose does not have one. text[0] is the blank behind the name.
 */
static int level_in_column(const char *text, size_t len)
{
    struct capitals word;
    size_t at = 0;

    while (at < len && text[at] == ' ')
        at++;
    if (len - at < 6 || text[at + 1] != ' ' || (text[at] != '-' && text[at] != '|' && text[at] != ':'))
        return -1;
    word = take_capitals(text, len, at + 2);
    if (word.level < 0 || word.behind >= len || text[word.behind - 1] != ' ')
        return -1;
    if (text[word.behind] == text[at] && word.behind + 1 < len && text[word.behind + 1] == ' ')
        return word.level;
    return text[at] == ':' && word.is_padded ? word.level : -1;
}

/* "till: ERROR: text", "till: ERROR    text", "till[77]: ERROR text". text[0] is the blank behind the colon.
 */
RARE static struct lb_severity_head level_behind_colon(const char *text, size_t len, bool has_pid)
{
    struct capitals word = take_capitals(text, len, 1);

    if (word.level < 0 || word.behind >= len)
        return nothing;
    if (text[word.behind - 1] == ' ' ? !has_pid && !word.is_padded : text[word.behind] != ':')
        return nothing;
    return found(word.level, LB_SEVERITY_FIRST, false);
}

RARE static struct lb_severity_head level_behind_joint(const char *text, size_t len, size_t name)
{
    size_t at = name + joint_length(text + name, len - name), stamp;
    int level = level_in_column(text + name, len - name);
    bool is_name = false;

    if (level >= 0)
        return found(level, LB_SEVERITY_FIRST, false);
    if (at == len || (!is_digit(text[at]) && text[name + 1] != '['))
        return nothing;
    for (size_t i = 0; i < name && !is_name; i++)
        is_name = is_digit(text[i]) || text[i] == '.' || text[i] == '_' || text[i] == '/';
    level = is_name && text[name + 1] == '[' ? level_in_frame(text + name, len - name) : -1;
    if (level >= 0)
        return found(level, LB_SEVERITY_FIRST, false);
    if (!is_digit(text[at]))
        return nothing;
    stamp = is_name ? lb_stamp_length(text + at, len - at) : 0;
    return stamp > 0 ? level_further_on(text + at + stamp, len - at - stamp) : nothing;
}

/*
 * "web-1.log 2026-01-31 23:59:59 ...": a name that is no word of a sentence, and a stamp; or a name and a
 * level that stands apart. text[name] ends the name, or it is too long for one. In nearly all sentences a
 * letter begins the second word.
 */
static inline struct lb_severity_head level_behind_name(const char *text, size_t len, size_t name)
{
    if (name > NAME_MAX_LEN || name + 1 >= len)
        return nothing;
    if (is_letter(text[name + 1])) {
        if (text[name - 1] != ':' || is_small(text[name + 1]) || text[name] != ' ')
            return nothing;
        return level_behind_colon(text + name, len - name, name > 2 && text[name - 2] == ']');
    }
    return level_behind_joint(text, len, name);
}

/* Where a word ends: at a blank, at a '=' if that is to be found, or at the end of the text. */
static inline size_t word_end(const char *text, size_t len, size_t at, char sign)
{
    for (; at + 8 <= len; at += 8) {
        uint64_t eight = lb_eight_load(text + at);
        uint64_t found_end = lb_eight_below(eight, ' ' + 1) | lb_eight_equal(eight, sign);

        if (found_end) {
            at += lb_eight_first(found_end);
            break;
        }
    }
    while (at < len && !is_blank(text[at]) && text[at] != sign)
        at++;
    return at;
}

/* "[stamp ...", "[INFO] text", "[INFO 2026-...", "[I 260131 ...", "[77] [INFO] text". */
RARE static struct lb_severity_head level_in_brackets(const char *text, size_t len)
{
    struct lb_severity_head head;
    size_t at = 1, stamp, word = 0;
    int level;

    while (at < len && (is_blank(text[at]) || text[at] == LB_ESCAPE))
        at++;
    stamp = at < len ? lb_stamp_length(text + at, len - at) : 0;
    if (stamp > 0)
        return at == 1 ? level_after_stamp(text + at + stamp, len - at - stamp)
                       : level_further_on(text + at + stamp, len - at - stamp);
    while (at + word < len && text[at + word] >= 'A' && text[at + word] <= 'Z')
        word++;
    level = word == 1 ? level_of_letter(text + at, len - at, true) : -1;
    if (level >= 0)
        return found(level, LB_SEVERITY_LETTER, false);
    level = lb_level_word(text + at, word);
    if (level >= 0) {
        size_t joint = joint_length(text + at + word, len - at - word), behind = at + word + joint;

        if (behind < len && lb_stamp_length(text + behind, len - behind) > 0)
            return found(level, LB_SEVERITY_FIRST, false);
    }
    head = lb_severity_fields(text, len, false);
    return head.level >= 0 ? found(head.level, LB_SEVERITY_FIRST, false) : nothing;
}

/* A word in a colour of its own at the front may be written in small letters: "\e[32minfo\e[39m: text". */
static int level_in_colour(const char *text, size_t len)
{
    const char *end = memchr(text, LB_ESCAPE, len);
    size_t word = end ? (size_t)(end - text) : 0;

    while (word > 0 && (is_blank(text[word - 1]) || text[word - 1] == ':'))
        word--;
    return word > 0 ? lb_severity_framed(text, word) : -1;
}

/* A level in capitals at the front: is it meant as one? */
RARE static struct lb_severity_head level_first(const char *text, size_t len, size_t word, int level)
{
    size_t joint;

    if (is_level_first(text, len, word))
        return found(level, LB_SEVERITY_FIRST, false);
    joint = joint_length(text + word, len - word);
    if (joint > 0 && word + joint < len && lb_stamp_length(text + word + joint, len - word - joint) > 0)
        return found(level, LB_SEVERITY_FIRST, false);
    return nothing;
}

/* A capital and no other behind it: a letter, a month or weekday, a name, a sentence. */
RARE static struct lb_severity_head level_of_word(const char *text, size_t len)
{
    int level = level_of_letter(text, len, false);
    size_t stamp;

    if (level >= 0)
        return found(level, LB_SEVERITY_LETTER, false);
    stamp = lb_stamp_length(text, len); /* "Jan", "Sun" */
    if (stamp > 0)
        return level_after_stamp(text + stamp, len - stamp);
    return level_behind_name(text, len, word_end(text, len, 0, ' '));
}

static inline struct lb_severity_head level_of_capital(const char *text, size_t len)
{
    size_t word = 1;
    int level;

    while (word < len && text[word] >= 'A' && text[word] <= 'Z')
        word++;
    if (word == 1)
        return level_of_word(text, len);
    level = lb_level_word(text, word);
    if (level < 0)
        return level_behind_name(text, len, word_end(text, len, 0, ' '));
    if (word == len || text[word] != ':')
        return level_first(text, len, word, level);
    return found(level, LB_SEVERITY_FIRST, true);
}

/* A small letter at the front: a key, or a name. */
static inline struct lb_severity_head level_of_small(const char *text, size_t len)
{
    size_t end = word_end(text, len, 0, '=');
    int level;

    if (end < len && text[end] == '=') {
        level = lb_severity_pairs(text, len);
        if (level >= 0)
            return found(level, LB_SEVERITY_LOGFMT, false);
        end = word_end(text, len, end, ' ');
    }
    return level_behind_name(text, len, end);
}

RARE static struct lb_severity_head level_behind_colour(const char *text, size_t len)
{
    int level = level_in_colour(text, len);

    if (level >= 0)
        return found(level, LB_SEVERITY_FIRST, false);
    return len > 0 && text[0] != LB_ESCAPE ? lb_severity_head(text, len) : nothing;
}

struct lb_severity_head lb_severity_head(const char *text, size_t len)
{
    char first = len > 0 ? text[0] : '\0';
    size_t stamp;
    int level;

    if (is_digit(first)) {
        stamp = lb_stamp_length(text, len);
        level = stamp > 0 ? level_next(text + stamp, len - stamp) : -1;
        if (level >= 0)
            return (struct lb_severity_head) { level, LB_SEVERITY_STAMPED, true, true };
        return stamp > 0 ? level_after_stamp(text + stamp, len - stamp) : nothing;
    }
    if (first >= 'A' && first <= 'Z')
        return level_of_capital(text, len);
    if (is_small(first) || first == '@' || first == '_')
        return level_of_small(text, len);
    if (first == '[' || first == '(')
        return level_in_brackets(text, len);
    return first == LB_ESCAPE ? level_behind_colour(text + 1, len - 1) : nothing;
}
