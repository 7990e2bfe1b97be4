/* SPDX-License-Identifier: MIT */
/*
 * One word of a line. In: a word. Out: what class of values it is one of. Always true: a word of letters
 * alone is never masked here.
 */
#include <stdint.h>
#include <string.h>

#include "agent/shape/pattern_kinds.h"
#include "agent/shape/pattern_parts.h"

#define HEX_LEAST 6 /* letters and digits of one number: what is shorter may be a word */
#define UNIT_MAX  4 /* letters behind a number: "ms", "KiB", "rpm" */
#define UUID_LEN  36

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return ((unsigned char)(c | 0x20) >= 'a' && (unsigned char)(c | 0x20) <= 'z');
}

static bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* What a word is made of. */
struct made_of {
    size_t digits, letters, hex_letters, dots, colons, slashes, hyphens, ats, others;
    size_t first_digit;  /* where */
    size_t digit_groups; /* runs of digits, parted by letters */
};

static void look(const char *word, size_t len, struct made_of *of)
{
    bool after_letter = true;

    memset(of, 0, sizeof *of);
    of->first_digit = len;
    for (size_t i = 0; i < len; i++) {
        char c = word[i];

        if (is_digit(c)) {
            of->first_digit = of->first_digit == len ? i : of->first_digit;
            of->digits++;
            of->digit_groups += after_letter;
            after_letter = false;
        } else if (is_letter(c)) {
            of->letters++;
            of->hex_letters += is_hex(c);
            after_letter = true;
        } else {
            of->dots += c == '.';
            of->colons += c == ':';
            of->slashes += c == '/' || c == '\\';
            of->hyphens += c == '-';
            of->ats += c == '@';
            of->others += !strchr(".:/\\-@", c);
        }
    }
}

static bool is_uuid(const char *word, size_t len, const struct made_of *of)
{
    return len == UUID_LEN && of->hyphens == 4 && word[8] == '-' && word[13] == '-' && word[18] == '-' &&
           word[23] == '-' && of->letters == of->hex_letters;
}

/* "1.2.3.4", with a port, or a length behind it; or groups of hexadecimal parted by colons. */
static bool is_ip(const char *word, size_t len, const struct made_of *of)
{
    size_t at = 0, groups = 0;

    if (of->colons >= 2 && of->letters == of->hex_letters && of->others == 0 && of->hyphens == 0 &&
        of->slashes == 0)
        return of->letters > 0 || of->colons > 3 || memmem(word, len, "::", 2);
    while (at < len && word[at] == '/')
        at++;
    for (; groups < 4; groups++) {
        size_t start = at;

        while (at < len && is_digit(word[at]))
            at++;
        if (at == start || at - start > 3)
            return false;
        if (groups < 3 && (at >= len || word[at++] != '.'))
            return false;
    }
    return at == len || word[at] == ':' || word[at] == '/';
}

/* Times and dates: digits with colons, or with two of the same separators. */
static bool is_time(const struct made_of *of)
{
    if (of->digits < 4 || of->letters > 2 || of->others > 1 || of->ats > 0)
        return false;
    if (of->colons >= 1 && of->colons <= 3 && of->hyphens >= 2) /* a date, a time, and perhaps a zone */
        return true;
    return of->colons == 1 || of->colons == 2 ||
           (of->colons == 0 && of->letters == 0 && (of->hyphens == 2 || of->slashes == 2));
}

/* A number with its sign, separators and unit. */
static bool is_number(const char *word, size_t len, const struct made_of *of)
{
    size_t at = 0, letters = 0;

    while (at < len && !is_digit(word[at]) && !is_letter(word[at]))
        at++;
    if (at == len || !is_digit(word[at]))
        return false;
    while (at < len && !is_letter(word[at]))
        at++;
    while (at + letters < len && is_letter(word[at + letters]))
        letters++;
    return letters <= UNIT_MAX && (of->digit_groups == 1 || (of->digit_groups == 2 && at + letters < len));
}

/* Is there no letter in it but those of hexadecimal? */
static bool is_hex_only(const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (kind(word + i) == LETTER && !is_hex(word[i]))
            return false;
    return true;
}

/* Letters, and a number at the end: the letters are a name. "bead12" may be a number, "sensor12" is none. */
size_t lb_pattern_front(const char *word, size_t len)
{
    size_t digit = 0, front;

    for (; digit < len && kind(word + digit) != DIGIT; digit++)
        if (kind(word + digit) & (MARK | COLON))
            return 0;
    for (size_t i = digit; i < len; i++)
        if (kind(word + i) != DIGIT)
            return 0;
    for (front = digit; front > 0 && kind(word + front - 1) != LETTER;)
        front--;
    if (front < 2 || is_hex_only(word, front))
        return 0;
    return word[front - 1] != '_' && digit - front == 1 ? digit
                                                        : front; /* "blk_-7" has a sign, "node-7" none */
}

static bool is_whole(enum lb_pattern_class class)
{
    return class >= LB_PATTERN_UUID && class <= LB_PATTERN_TIME;
}

size_t lb_pattern_cut(const char *word, size_t len, bool has_mark)
{
    unsigned seen = 0;

    for (size_t i = 0; i + 1 < len; i++) {
        unsigned is = kind(word + i), next = kind(word + i + 1);
        bool may_be_address;

        seen |= is;
        if (is != COLON || i == 0 || (!(next & (LETTER | COLON)) && seen & (DOT | DIGIT)))
            continue;
        may_be_address = is_hex_only(word, i);
        if (next == COLON && may_be_address)
            continue;
        return (may_be_address || has_mark) && is_whole(lb_pattern_judge(word, len)) ? 0 : i;
    }
    return 0;
}

/* The stamp of an access log: "15/Jan/2026:10:00:00". */
static bool is_access_time(const char *word, const struct made_of *of)
{
    return is_digit(word[0]) && of->slashes == 2 && of->colons >= 2 && of->letters == 3;
}

enum lb_pattern_class lb_pattern_judge(const char *word, size_t len)
{
    struct made_of of;

    look(word, len, &of);
    if (of.colons > 0 && of.slashes > 1 && memmem(word, len, "://", 3))
        return LB_PATTERN_URL;
    if (of.ats == 1 && of.letters > 0 && word[0] != '@' && word[len - 1] != '@')
        return LB_PATTERN_MAIL;
    if (is_uuid(word, len, &of))
        return LB_PATTERN_UUID;
    if (is_access_time(word, &of))
        return LB_PATTERN_TIME;
    if (of.digits > 0 && is_ip(word, len, &of))
        return LB_PATTERN_IP;
    if (of.slashes > 0 &&
        (word[0] == '/' || word[0] == '\\' || of.slashes > 1 || (len > 2 && word[1] == ':')) &&
        of.letters > 0)
        return LB_PATTERN_PATH;
    if (of.digits == 0)
        return LB_PATTERN_WORD;
    if (len > 2 && word[0] == '0' && (word[1] | 0x20) == 'x')
        return LB_PATTERN_HEX;
    if (is_time(&of))
        return LB_PATTERN_TIME;
    if (is_number(word, len, &of))
        return LB_PATTERN_NUM;
    if (of.letters == of.hex_letters && of.letters > 0 && of.digits + of.letters >= HEX_LEAST)
        return LB_PATTERN_HEX;
    return LB_PATTERN_ID;
}

/* Up to four letters as one number, without regard to case. */
static uint32_t packed(const char *word, size_t len)
{
    uint32_t number = 0;

    for (size_t i = 0; i < len; i++)
        number = number << 8 | (unsigned char)(word[i] | 0x20);
    return number;
}

#define PACK2(a, b)       ((uint32_t)(a) << 8 | (b))
#define PACK3(a, b, c)    (PACK2(a, b) << 8 | (c))
#define PACK4(a, b, c, d) (PACK3(a, b, c) << 8 | (d))

bool lb_pattern_is_unit(const char *word, size_t len)
{
    if (len > UNIT_MAX)
        return false;
    switch (packed(word, len)) {
    case 's':
    case 'b':
    case PACK2('m', 's'):
    case PACK2('u', 's'):
    case PACK2('n', 's'):
    case PACK2('k', 'b'):
    case PACK2('m', 'b'):
    case PACK2('g', 'b'):
    case PACK2('t', 'b'):
    case PACK2('h', 'z'):
    case PACK3('s', 'e', 'c'):
    case PACK3('m', 'i', 'n'):
    case PACK3('k', 'i', 'b'):
    case PACK3('m', 'i', 'b'):
    case PACK3('g', 'i', 'b'):
    case PACK3('k', 'h', 'z'):
    case PACK3('m', 'h', 'z'):
    case PACK3('g', 'h', 'z'):
    case PACK3('r', 'p', 'm'):
    case PACK4('s', 'e', 'c', 's'):
        return true;
    default:
        return false;
    }
}

bool lb_pattern_is_of_date(const char *word)
{
    switch (packed(word, 3)) {
    case PACK3('j', 'a', 'n'):
    case PACK3('f', 'e', 'b'):
    case PACK3('m', 'a', 'r'):
    case PACK3('a', 'p', 'r'):
    case PACK3('m', 'a', 'y'):
    case PACK3('j', 'u', 'n'):
    case PACK3('j', 'u', 'l'):
    case PACK3('a', 'u', 'g'):
    case PACK3('s', 'e', 'p'):
    case PACK3('o', 'c', 't'):
    case PACK3('n', 'o', 'v'):
    case PACK3('d', 'e', 'c'):
    case PACK3('m', 'o', 'n'):
    case PACK3('t', 'u', 'e'):
    case PACK3('w', 'e', 'd'):
    case PACK3('t', 'h', 'u'):
    case PACK3('f', 'r', 'i'):
    case PACK3('s', 'a', 't'):
    case PACK3('s', 'u', 'n'):
    case PACK3('u', 't', 'c'):
    case PACK3('g', 'm', 't'):
    case PACK3('e', 's', 't'):
    case PACK3('e', 'd', 't'):
    case PACK3('c', 's', 't'):
    case PACK3('c', 'd', 't'):
    case PACK3('p', 's', 't'):
    case PACK3('p', 'd', 't'):
    case PACK3('c', 'e', 't'):
        return true;
    default:
        return false;
    }
}

/* Verbs and nouns that stand behind "user" where nobody is named. By their ends, and some by name. */
bool lb_pattern_may_be_user(const char *word, size_t len)
{
    static const char words[][8] = { "is",     "was",    "has",  "had", "does",  "did",     "can",
                                     "cannot", "may",    "must", "not", "agent", "account", "data",
                                     "login",  "logout", "name", "id",  "ids",   "and",     "or",
                                     "in",     "with",   "from", "to",  "space", "unknown" };

    if (len > 3 && (memcmp(word + len - 2, "ed", 2) == 0 || memcmp(word + len - 3, "ing", 3) == 0 ||
                    memcmp(word + len - 3, "ion", 3) == 0))
        return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strnlen(words[i], sizeof words[i]) == len && memcmp(words[i], word, len) == 0)
            return false;
    return true;
}
