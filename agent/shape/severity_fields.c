/* SPDX-License-Identifier: MIT */
/* Fields behind a time stamp. In: what follows it. Out: the level, where one of the fields is one.
 *
 * Blanks part fields, a bracket and its partner hold one together, and a lone "-" or "|" parts columns:
 *
 *     name ERROR text          [25327] [INFO] text         | INFO     | a:b:1 - text
 *     148 INFO a.b: text       (MainThread) [error] text   - my name - WARNING - text
 *
 * What keeps running text out: a bare word counts in capitals only, and behind at most one plain word (which
 * is then a logger's name); once the text has begun, only another column can make a difference, and in its
 * first word. Always true: no more than FIELDS_MAX fields are looked at.
 */
#include <string.h>

#include "agent/shape/severity_parts.h"
#include "common/escape.h"
#include "common/level.h"
#include "common/level_word.h"

#define FIELDS_MAX  10
#define COLUMNS_MAX 4
#define LONE_MAX    3
#define GROUP_MAX   64 /* a bracket that is not closed by then opens nothing */
#define WORD_LOOK   (LB_LEVEL_WORD_MAX + 1)

/* What a byte may be: one load tells. */
enum { BLANK = 1, LONE = 2, NAME = 4, OPENS = 8, CLOSES = 16, END = 32, COLON = 64, SIGN = 128 };

static const unsigned char class_of[256] = {
    [' '] = BLANK,        ['\t'] = BLANK, [';'] = BLANK,        ['\x1b'] = BLANK | END,
    ['|'] = BLANK | LONE, ['-'] = LONE,   ['['] = OPENS | NAME, [':'] = LONE | NAME | COLON,
    ['('] = OPENS | NAME, ['<'] = OPENS,  [']'] = CLOSES,       [')'] = CLOSES,
    ['>'] = CLOSES,       ['.'] = NAME,   ['_'] = NAME,         ['/'] = NAME,
    ['@'] = NAME,         ['#'] = NAME,   ['='] = NAME | SIGN,  ['0' ... '9'] = NAME,
    ['\n'] = END,
};

static bool is(char c, unsigned class)
{
    return class_of[(unsigned char)c] & class;
}

struct fields {
    const char *text;
    size_t len, at;
    unsigned plain;     /* plain words in this column */
    unsigned plain_max; /* more of them, and the text has begun */
    unsigned columns, count;
    bool is_stamped;
    unsigned is_unsure; /* an escape was among the blanks so far, or may be in a group */
};

struct field {
    const char *text;
    size_t len;
    unsigned any; /* classes of its bytes; those within a bracket at the front do not count */
};

bool lb_severity_is_upper(const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (word[i] < 'A' || word[i] > 'Z')
            return false;
    return true;
}

int lb_severity_letter(char letter)
{
    switch (letter) {
    case 'D':
    case 'T':
        return LB_LEVEL_DEBUG;
    case 'I':
        return LB_LEVEL_INFO;
    case 'W':
        return LB_LEVEL_WARNING;
    case 'E':
        return LB_LEVEL_ERROR;
    case 'F':
        return LB_LEVEL_CRITICAL;
    default:
        return -1;
    }
}

static void trim(const char **text, size_t *len, unsigned class)
{
    while (*len > 0 && is((*text)[*len - 1], class))
        --*len;
    while (*len > 0 && is(**text, class))
        ++*text, --*len;
}

/* Length of the letters at the front. */
static size_t word_length(const char *text, size_t len)
{
    size_t at = 0;

    while (at < len && (text[at] | 0x20) >= 'a' && (text[at] | 0x20) <= 'z')
        at++;
    return at;
}

int lb_severity_framed(const char *text, size_t len)
{
    size_t word;
    int level;

    trim(&text, &len, BLANK);
    word = word_length(text, len);
    if (len == 1)
        return lb_severity_letter(text[0]);
    level = lb_level_word(text, word);
    if (word == len)
        return level;
    if (level >= 0 && (text[word] == '/' || is(text[word], BLANK)) && lb_severity_is_upper(text, word))
        return level; /* multiprocessing: "INFO/MainProcess"; "INFO a.b" */
    if (text[word] != ':' || word == 0 || text[0] < 'a')
        return -1;
    return lb_level_word(text + word + 1, len - word - 1); /* Apache 2.4: "core:error" */
}

/* A bracket at the front: where its partner stands, or the bracket itself, if that is alone. */
static size_t partner_of(const struct fields *f)
{
    char opener = f->text[f->at], closer = opener == '[' ? ']' : opener == '(' ? ')' : '>';
    size_t look = f->len - f->at < GROUP_MAX ? f->len - f->at : GROUP_MAX;
    const char *partner = memchr(f->text + f->at, closer, look);

    return partner ? (size_t)(partner - f->text) : f->at;
}

/* The field at the front goes up to a blank, or to one behind the partner of the bracket that it begins with.
 */
static inline void take_field(struct fields *f, struct field *field)
{
    size_t at = f->at;
    unsigned any = class_of[(unsigned char)f->text[at]], class;

    if (any & OPENS) {
        at = partner_of(f);
        f->is_unsure = true;
        if (at > f->at && at + 1 < f->len && f->text[at + 1] == '[') { /* "[ERROR][till.net] text" */
            *field = (struct field) { f->text + f->at, at + 1 - f->at, any | CLOSES };
            f->at = at + 1;
            return;
        }
    }
    for (; at < f->len && !((class = class_of[(unsigned char)f->text[at]]) & (BLANK | END)); at++)
        any |= class;
    *field = (struct field) { f->text + f->at, at - f->at, any };
    f->at = at;
}

/* "till.net:ERROR:text" and "ERROR:till.net:text" come with colons between all fields. */
static int level_between_colons(const char *field, size_t len)
{
    const char *colon = memchr(field, ':', len);
    size_t left = colon ? len - (size_t)(colon + 1 - field) : 0,
           word = colon ? word_length(colon + 1, left) : 0;

    if (word == 0 || word == left || colon[1 + word] != ':' || !lb_severity_is_upper(colon + 1, word))
        return -1;
    return lb_level_word(colon + 1, word);
}

/* Is a field that ends here all that its column holds? Then its case does not matter. */
static bool is_column(const struct fields *f)
{
    size_t end = f->at;

    while (end < f->len && f->text[end] != '|' && is(f->text[end], BLANK))
        end++;
    return end + 1 < f->len && (f->text[end] == '|' || (f->text[end] == '-' && is(f->text[end + 1], BLANK)));
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* "[error]", "<Error>:", "(INFO),". */
static int group_level(const struct field *field)
{
    size_t len = field->len;

    while (len > 1 && (field->text[len - 1] == ':' || field->text[len - 1] == ','))
        len--;
    return len > 2 && is(field->text[len - 1], CLOSES) ? lb_severity_framed(field->text + 1, len - 2) : -1;
}

/* "ERROR", "ERROR:", "ERROR]", "INFO/MainProcess]" (celery), and "warning:" as the first. */
static int word_level(const struct field *field, bool is_first, bool may_be_small)
{
    size_t len = field->len, word = word_length(field->text, len < WORD_LOOK ? len : WORD_LOOK);
    int level = lb_level_word(field->text, word);
    bool has_colon = word < len && field->text[word] == ':';

    if (level < 0)
        return is_first && (field->any & COLON) ? level_between_colons(field->text, len) : -1;
    if (!lb_severity_is_upper(field->text, word))
        return may_be_small && has_colon && word + 1 == len && field->text[0] >= 'a' ? level : -1;
    if (has_colon || (word < len && field->text[word] == '/' && field->text[len - 1] == ']'))
        return level;
    for (; word < len; word++)
        if (!is(field->text[word], CLOSES) && field->text[word] != ':' && field->text[word] != ',')
            return -1;
    return level;
}

/* A name in capitals and no more is what nearly all lines have that have a level. */
static inline int capitals_level(const struct fields *f)
{
    size_t at = f->at;

    while (at < f->len && is_capital(f->text[at]))
        at++;
    if (at < f->len && !is(f->text[at], BLANK | END))
        return -1;
    return lb_level_word(f->text + f->at, at - f->at);
}

static int field_level(const struct fields *f, const struct field *field)
{
    bool is_first = f->count == 0;

    if (is(field->text[0], OPENS))
        return group_level(field);
    if (is_capital(field->text[0]) || (is_first && (field->any & COLON)))
        return word_level(field, is_first, f->is_stamped && is_first);
    return -1;
}

static inline int column_level(struct fields *f, const struct field *field)
{
    int level = f->columns > 0 && f->plain == 0 ? lb_level_word(field->text, field->len) : -1;

    f->is_unsure |= level >= 0;
    return level >= 0 && is_column(f) ? level : -1;
}

/* A column's first word is believed, what follows no more than that: its text may be the message. */
static void begin_column(struct fields *f)
{
    f->plain = 0;
    f->plain_max = 0;
    f->columns++;
}

/* Go to the next field. false: there is none. */
static inline bool next_field(struct fields *f)
{
    unsigned class = 0, passed = 0;

    while (f->at < f->len && ((class = class_of[(unsigned char)f->text[f->at]]) & BLANK)) {
        passed |= class;
        f->at++;
    }
    f->is_unsure |= passed & END;
    if (passed & LONE) /* a '|' was among the blanks */
        begin_column(f);
    return f->at < f->len && !(class & END);
}

/* Pass a field of up to three "-" or ":", which begins a column. */
static inline bool pass_lone(struct fields *f)
{
    size_t at = f->at;

    while (at < f->len && (class_of[(unsigned char)f->text[at]] & (LONE | BLANK)) == LONE)
        at++;
    if (at == f->at || at - f->at > LONE_MAX || (at < f->len && !is(f->text[at], BLANK | END)))
        return false;
    f->at = at;
    begin_column(f);
    return true;
}

/* "level=error msg=..." behind the stamp. */
static bool begins_pairs(const struct fields *f, const struct field *field)
{
    const char *sign;

    if (!(field->any & SIGN) || f->count > 0 || !f->is_stamped || field->text[0] < 'a' ||
        field->text[0] > 'z')
        return false;
    sign = memchr(field->text, '=', field->len);
    return sign && !memchr(field->text, '"', (size_t)(sign - field->text));
}

static int pairs_level(struct fields *f, const struct field *field)
{
    f->is_unsure = true;
    return lb_severity_pairs(field->text, f->len - (size_t)(field->text - f->text));
}

/* Count a field that is no level. false: the text has begun, and no column can make a difference. */
static inline bool pass(struct fields *f, const struct field *field)
{
    bool is_plain = !(field->any & (NAME | OPENS)); /* rather than a name, a number, or in brackets */

    f->count++;
    f->plain += is_plain;
    if (f->plain > f->plain_max && f->columns == 0 && f->plain > 1)
        return false;
    if (field->text[field->len - 1] == ':') /* "app[12]:": the next word may be the level, those behind not */
        f->plain += f->plain < f->plain_max;
    return true;
}

struct lb_severity_head lb_severity_fields(const char *text, size_t len, bool is_stamped)
{
    struct fields f = { .text = text, .len = len, .plain_max = is_stamped, .is_stamped = is_stamped };
    struct lb_severity_head head = { .level = -1, .is_stamped = is_stamped };
    enum lb_severity_rule rule = LB_SEVERITY_STAMPED;
    struct field field;
    int level = -1;

    while (f.count < FIELDS_MAX && f.columns <= COLUMNS_MAX && next_field(&f)) {
        bool may_be_level = f.plain <= f.plain_max;

        if (pass_lone(&f))
            continue;
        level = may_be_level && is_capital(text[f.at]) ? capitals_level(&f) : -1;
        if (level >= 0)
            break;
        take_field(&f, &field);
        level = may_be_level ? field_level(&f, &field) : -1;
        if (level >= 0)
            break;
        level = column_level(&f, &field);
        if (level >= 0)
            break;
        if (begins_pairs(&f, &field)) {
            rule = LB_SEVERITY_LOGFMT;
            level = pairs_level(&f, &field);
            break;
        }
        if (!pass(&f, &field))
            break;
    }
    if (level < 0)
        return head;
    head.level = level;
    head.rule = (uint8_t)rule;
    head.is_sure = !f.is_unsure;
    return head;
}
