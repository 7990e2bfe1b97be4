/* SPDX-License-Identifier: MIT */
/*
 * Where secrets are in a text. In: a text, and which rules are on. Out: spans. Always true: a clean line is
 * gone over once, eight bytes at a time, for what a secret stands behind or is made of (: = @, four digits,
 * dashes), and is looked at at every 16th character for tokens, which are so long.
 */
#include <string.h>

#include "agent/shape/redact_parts.h"
#include "common/eight.h"

#define KEY_MAX       64
#define QUERY_LEAST   16 /* of a secret behind ?key= */
#define MARKER        "[redacted"
#define MARKER_LEN    9
#define NO_SECRET_MAX 64
#define NUMBER_LEAST  7 /* digits of a token's value that is no count */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* What begins in a span, or right behind it, is a part of it. */
static void swallow(struct lb_redact_find *find, unsigned i)
{
    struct lb_redact_span *span = &find->span[i];

    while (i + 1 < find->count && span[1].at <= span->at + span->len) {
        size_t end = span[1].at + span[1].len;

        if (end > span->at + span->len)
            span->len = end - span->at;
        memmove(span + 1, span + 2, (find->count - i - 2) * sizeof *span);
        find->count--;
    }
}

void lb_redact_add(struct lb_redact_find *find, size_t at, size_t len, enum lb_redact_rule rule)
{
    unsigned i = find->count;

    if (len == 0 || (len >= MARKER_LEN && memcmp(find->text + at, MARKER, MARKER_LEN) == 0))
        return;
    while (i > 0 && find->span[i - 1].at > at)
        i--;
    if (i > 0 && find->span[i - 1].at + find->span[i - 1].len >= at) { /* it begins in the one before */
        struct lb_redact_span *before = &find->span[--i];

        if (before->at + before->len < at + len)
            before->len = at + len - before->at;
    } else if (find->count ==
               LB_REDACT_SPANS_MAX) { /* no more can be told apart: all behind the first is masked */
        find->span[0].len = find->len - find->span[0].at;
        if (at < find->span[0].at) {
            find->span[0].len = find->len - at;
            find->span[0].at = at;
        }
        i = 0;
    } else {
        memmove(&find->span[i + 1], &find->span[i], (find->count - i) * sizeof find->span[0]);
        find->span[i] = (struct lb_redact_span) { at, len, (uint8_t)rule };
        find->count++;
    }
    swallow(find, i);
    if (find->masked_end < at + len)
        find->masked_end = at + len;
}

/* ---- values ---- */

/* The end of a quoted value; without a closing quote it goes on to the end of the line. */
static size_t end_of_quoted(const struct lb_redact_find *find, size_t at, char quote, bool is_escaped)
{
    for (; at < find->len && find->text[at] != '\n'; at++) {
        if (find->text[at] == '\\' && at + 1 < find->len) {
            if (is_escaped && find->text[at + 1] == quote)
                return at;
            at++;
        } else if (find->text[at] == quote) {
            return at;
        }
    }
    return at < find->len ? at : find->len;
}

static size_t end_of_bare(const struct lb_redact_find *find, size_t at)
{
    size_t start = at;

    while (at < find->len && !is_space(find->text[at]) && !memchr(",;&\"'`", find->text[at], 6))
        at++;
    while (at > start && memchr(")]}>.:\\", find->text[at - 1], 7))
        at--;
    return at;
}

/* Does it begin as what stands for a value: a variable, a placeholder, a marker of ours? */
static bool is_placeholder(const struct lb_redact_find *find, size_t at)
{
    const char *text = find->text + at;
    size_t len = at < find->len ? find->len - at : 0;

    return len > 0 && (text[0] == '$' || text[0] == '<' || (len > 1 && memcmp(text, "{{", 2) == 0) ||
                       (len >= MARKER_LEN && memcmp(text, MARKER, MARKER_LEN) == 0));
}

/*
 * What stands for a value and is none: nothing, a word of a language, a type, a count. Nothing that is long
 * is, so that a value which is not masked is never gone over often.
 */
static bool is_no_secret(const char *text, size_t len, bool is_count)
{
    static const char *const words[] = { "null", "none", "nil", "true",  "false",   "undefined",
                                         "yes",  "no",   "str", "bytes", "Optional" };
    size_t digits = 0;

    if (len == 0)
        return true;
    if (len > NO_SECRET_MAX)
        return false;
    if (len > 1 && text[0] == '%' && (text[len - 1] == '%' || len == 2))
        return true;
    while (digits < len && text[digits] == '*')
        digits++;
    if (digits == len)
        return true;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strlen(words[i]) == len && strncasecmp(words[i], text, len) == 0)
            return true;
    for (digits = 0; digits < len && lb_redact_is_digit(text[digits]);)
        digits++;
    return is_count && digits == len && len < NUMBER_LEAST;
}

/* Mask the value that begins at a place, quoted or bare. */
static void mask_value(struct lb_redact_find *find, size_t at, enum lb_redact_rule rule, size_t least,
                       bool is_count)
{
    bool is_escaped = at + 1 < find->len && find->text[at] == '\\' && memchr("\"'", find->text[at + 1], 2);
    size_t start = at + (is_escaped ? 1 : 0), end;

    /* b'...' and its like, as Python has them */
    if (start + 1 < find->len && memchr("burf", find->text[start] | 0x20, 4) &&
        memchr("\"'", find->text[start + 1], 2))
        start++;
    if (start + 1 < find->len && memchr("[(", find->text[start], 2) &&
        memchr("\"'", find->text[start + 1], 2)) /* the first of a list */
        start++;
    if (is_placeholder(find, start))
        return;
    if (start < find->len && memchr("\"'`", find->text[start], 3)) {
        start++;
        if (is_placeholder(find, start))
            return;
        end = end_of_quoted(find, start, find->text[start - 1], is_escaped);
    } else {
        end = end_of_bare(find, start);
    }
    if (end - start < least || is_no_secret(find->text + start, end - start, is_count))
        return;
    lb_redact_add(find, start, end - start, rule);
}

/* The end of what a header says: of its line, of the quotes that it stands in, or before others than
 * key="..." */
static size_t end_of_header(const struct lb_redact_find *find, size_t at, char quote)
{
    size_t end = at;

    while (end < find->len && find->text[end] != '\n' && !(quote && find->text[end] == quote)) {
        size_t before = end;
        const char *close;

        if (find->text[end++] != '"' || quote == '\'')
            continue;
        while (before > at && find->text[before - 1] == '\\')
            before--;
        close = end < find->len ? memchr(find->text + end, '"', find->len - end) : NULL;
        if (before == at || find->text[before - 1] != '=' || !close)
            return end - 1;
        end = (size_t)(close - find->text) + 1;
    }
    return end;
}

/* All that follows in the line, or in the quotes that the header stands in. */
static void mask_rest(struct lb_redact_find *find, size_t at, size_t key_at)
{
    char quote = key_at > 0 && memchr("\"'", find->text[key_at - 1], 2) ? find->text[key_at - 1] : 0;
    size_t end;

    if (at < find->len && memchr("\"'", find->text[at], 2)) { /* {"Authorization": "..."} */
        mask_value(find, at, LB_REDACT_AUTHORIZATION, 1, false);
        return;
    }
    if (is_placeholder(find, at))
        return;
    end = end_of_header(find, at, quote);
    while (end > at && (is_space(find->text[end - 1]) || find->text[end - 1] == '\\'))
        end--;
    if (is_no_secret(find->text + at, end - at, false))
        return;
    lb_redact_add(find, at, end - at, LB_REDACT_AUTHORIZATION);
}

/* "name=value; name=value": the values. */
static void mask_cookies(struct lb_redact_find *find, size_t at)
{
    static const char *const attributes[] = { "path", "domain", "expires", "max-age", "samesite" };

    while (at < find->len && find->text[at] != '\n' && find->text[at] != '"') {
        size_t name = at, equals, end;
        bool is_attribute = false;

        while (at < find->len && !memchr("=;\n\"", find->text[at], 4))
            at++;
        equals = at;
        if (at >= find->len || find->text[at] != '=') {
            at += at < find->len && find->text[at] == ';';
            continue;
        }
        while (name < equals && is_space(find->text[name]))
            name++;
        for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++)
            is_attribute |= strlen(attributes[i]) == equals - name &&
                            strncasecmp(find->text + name, attributes[i], equals - name) == 0;
        for (end = equals + 1; end < find->len && !memchr(";\n\"", find->text[end], 3);)
            end++;
        if (!is_attribute && !is_placeholder(find, equals + 1) &&
            !is_no_secret(find->text + equals + 1, end - equals - 1, true))
            lb_redact_add(find, equals + 1, end - equals - 1, LB_REDACT_AUTHORIZATION);
        at = end + (end < find->len && find->text[end] == ';');
    }
    find->cookie_end = at;
}

/* ---- keys ---- */

/* The letter before the last one, by the last one, of keys that tell a secret; both without their case. */
#define LETTER(c) (1u << ((c)&31))
static const uint32_t last_but_one[32] = {
    ['D' & 31] = LETTER('R') | LETTER('W'),               /* password, passwd, pwd */
    ['E' & 31] = LETTER('S') | LETTER('R') | LETTER('I'), /* passphrase, signature, cookie */
    ['G' & 31] = LETTER('N') | LETTER('I'),               /* communitystring, sig */
    ['K' & 31] = LETTER('S'),                             /* psk */
    ['L' & 31] = LETTER('A'),                             /* credential */
    ['N' & 31] = LETTER('E') | LETTER('O'),               /* token, authorization */
    ['S' & 31] = LETTER('L') | LETTER('S'),               /* credentials, pass */
    ['T' & 31] = LETTER('E') | LETTER('R'),               /* secret, passwort */
    ['Y' & 31] = LETTER('E'),                             /* key */
};

static inline bool has_w(const char *text)
{
    return lb_eight_equal(lb_eight_load(text) | 0x20 * LB_EIGHT_ONES, 'w') != 0;
}

/* A first look at a key that ends here: most end in other letters, and have no w, as "password" has. */
static inline bool may_tell(const struct lb_redact_find *find, size_t end)
{
    const char *last = find->text + end - 1;

    if (end < 8 || !lb_redact_is_alnum(last[0]) || !lb_redact_is_alnum(last[-1]) ||
        last_but_one[last[0] & 31] & LETTER(last[-1]) || has_w(last - 7))
        return true;
    if (end == 8 || !lb_redact_is_inner(last[-8]))
        return false;
    return end < 17 || has_w(last - 15) || lb_redact_is_inner(last[-16]);
}

/*
 * The key in front of a separator: its first character's place; *ret_end behind its last one. They are the
 * same where there is no key that tells a secret.
 */
static size_t key_before(const struct lb_redact_find *find, size_t separator, size_t *ret_end)
{
    size_t end = separator, start;

    while (end > 0 && lb_redact_is(find->text[end - 1], LB_REDACT_CLOSE))
        end--;
    *ret_end = end;
    if (!may_tell(find, end))
        return end;
    for (start = end; start > 0 && lb_redact_is_inner(find->text[start - 1]) && end - start < KEY_MAX;)
        start--;
    return start;
}

/* Where the value begins: behind "=", "==", "=>", ":", ":=", and blanks. */
static size_t value_behind(const struct lb_redact_find *find, size_t separator)
{
    size_t at = separator + 1;

    while (at < find->len && (memchr("=>:", find->text[at], 3) && find->text[at - 1] != ' '))
        at++;
    while (at < find->len && (find->text[at] == ' ' || find->text[at] == '\t'))
        at++;
    return at;
}

/* "PWD=/var/log", as sudo and a shell's environment have it, is a folder and no password. */
static bool is_folder(const struct lb_redact_find *find, size_t key_end, size_t value)
{
    return strncasecmp(find->text + key_end - 3, "pwd", 3) == 0 && value < find->len &&
           find->text[value] == '/';
}

/* "    token = self.get_token(user)", as a traceback shows a source line: blanks around "=", and a call. */
static bool is_source(const struct lb_redact_find *find, size_t key_end, size_t value)
{
    size_t at = value;

    if (find->text[key_end] != ' ' || value < 2 || find->text[value - 1] != ' ')
        return false;
    while (at < find->len && at - value < KEY_MAX && lb_redact_is_inner(find->text[at]))
        at++;
    if (at == value || at >= find->len || !memchr("([", find->text[at], 2))
        return false;
    while (at + 1 < find->len && at - value < 4 * KEY_MAX && find->text[at + 1] != '\n')
        at++;
    return memchr(")]", find->text[at], 2) != NULL;
}

/* "PASS: TestFoo", as the runners of tests say it. */
static bool is_verdict(const struct lb_redact_find *find, size_t start, size_t end)
{
    return end - start == 4 && memcmp(find->text + start, "PASS:", 5) == 0;
}

/* May a short number be its value? Tokens and passes are also counted. */
static bool is_counted(const struct lb_redact_find *find, size_t start, size_t end)
{
    return (end - start >= 5 && strncasecmp(find->text + end - 5, "token", 5) == 0) ||
           (end - start == 4 && strncasecmp(find->text + start, "pass", 4) == 0);
}

static void look_behind_key(struct lb_redact_find *find, size_t separator)
{
    size_t end, start = key_before(find, separator, &end), value;

    if (end - start < 3)
        return;
    switch (lb_redact_judge_key(find->text + start, end - start)) {
    case LB_REDACT_KEY_PLAIN:
        return;
    case LB_REDACT_KEY_QUERY:
        if (lb_redact_has(find, LB_REDACT_PASSWORD) && start > 0 && memchr("?&", find->text[start - 1], 2))
            mask_value(find, separator + 1, LB_REDACT_PASSWORD, QUERY_LEAST, true);
        return;
    case LB_REDACT_KEY_HEADER:
        if (lb_redact_has(find, LB_REDACT_AUTHORIZATION))
            mask_rest(find, value_behind(find, separator), start);
        return;
    case LB_REDACT_KEY_COOKIE:
        if (lb_redact_has(find, LB_REDACT_AUTHORIZATION) && separator >= find->cookie_end)
            mask_cookies(find, value_behind(find, separator));
        return;
    case LB_REDACT_KEY_DATADOG:
        if (!lb_redact_has(find, LB_REDACT_DATADOG) && !lb_redact_has(find, LB_REDACT_PASSWORD))
            return;
        mask_value(find, value_behind(find, separator), LB_REDACT_DATADOG, 1, false);
        return;
    case LB_REDACT_KEY_SECRET:
        break;
    }
    value = value_behind(find, separator);
    if (lb_redact_has(find, LB_REDACT_PASSWORD) && !is_folder(find, end, value) &&
        !is_source(find, end, value) && !is_verdict(find, start, end))
        mask_value(find, value, LB_REDACT_PASSWORD, 1, is_counted(find, start, end));
}

/* "<password>...</password>": what stands between the marks. */
static void look_behind_mark(struct lb_redact_find *find, size_t mark)
{
    size_t start = mark, end = mark + 1;

    while (start > 0 && lb_redact_is_inner(find->text[start - 1]) && mark - start < KEY_MAX)
        start--;
    if (mark - start < 3 || start == 0 || find->text[start - 1] != '<' ||
        lb_redact_judge_key(find->text + start, mark - start) != LB_REDACT_KEY_SECRET)
        return;
    while (end < find->len && find->text[end] != '<' && find->text[end] != '\n')
        end++;
    if (is_no_secret(find->text + mark + 1, end - mark - 1, false))
        return;
    lb_redact_add(find, mark + 1, end - mark - 1, LB_REDACT_PASSWORD);
}

static inline void look_at(struct lb_redact_find *find, size_t at)
{
    char c = at >= find->masked_end ? find->text[at] : '\0';

    if (c == '@' && lb_redact_has(find, LB_REDACT_EMAIL))
        lb_redact_find_mail(find, at);
    else if (c == ':' && find->len - at > 3 && find->text[at + 1] == '/' && find->text[at + 2] == '/' &&
             lb_redact_has(find, LB_REDACT_URL))
        lb_redact_find_url(find, at);
    else if (at > 2 && (c == '=' || (c == ':' && !lb_redact_is_digit(find->text[at - 1]))))
        look_behind_key(find, at);
    else if (c == '>' && lb_redact_has(find, LB_REDACT_PASSWORD))
        look_behind_mark(find, at);
}

/* May a card begin so, or an IBAN have this group? A year in front of a month, and a port, are neither. */
static inline bool may_be_number(const struct lb_redact_find *find, size_t start)
{
    char c = find->text[start], before = start > 0 ? find->text[start - 1] : ' ';

    return before == ' ' || (before >= 'A' && before <= 'Z') ||
           (c >= '2' && c <= '6' && (c > '2' || find->text[start + 1] >= '2'));
}

/* Groups of four digits that end in a block; a longer one is told of where its fourth digit is. */
static inline void look_at_groups(struct lb_redact_find *find, size_t block, uint64_t fours)
{
    for (; fours != 0; fours &= fours - 1) {
        size_t start = block + lb_eight_first(fours) - 3;

        if ((start == 0 || !lb_redact_is_digit(find->text[start - 1])) && may_be_number(find, start))
            lb_redact_find_number(find, start);
    }
}

/* Two dashes here or there: of five, two are in one of these places. */
static inline bool has_dashes(uint64_t eight)
{
    return (eight >> 16 & 0xffff) == 0x2d2d || eight >> 48 == 0x2d2d;
}

/* Go over the text. Returns whether dashes are in it as a private key has them. */
static bool look_at_blocks(struct lb_redact_find *find)
{
    bool has_numbers = find->rules & (1ull << LB_REDACT_CARD | 1ull << LB_REDACT_IBAN), was_dashed = false;
    uint64_t digits = 0, pairs = 0;
    char tail[8] = { 0 };

    for (size_t block = 0; block < find->len; block += 8) {
        const char *text = find->text + block;
        uint64_t eight, found, fours, last_digits = digits, last_pairs = pairs;

        if (find->len - block < 8) {
            memcpy(tail, text, find->len - block);
            text = tail;
        }
        eight = lb_eight_load(text);
        digits = lb_eight_within(eight, '0', '9');
        pairs = digits & (digits << 8 | last_digits >> 56);
        fours = pairs & (pairs << 16 | last_pairs >> 48);
        if (fours != 0 && has_numbers)
            look_at_groups(find, block, fours);
        was_dashed |= has_dashes(eight);
        for (found = lb_eight_within(eight, ':', '@'); found != 0; found &= found - 1)
            look_at(find, block + lb_eight_first(found));
    }
    return was_dashed;
}

void lb_redact_find_all(struct lb_redact_find *find)
{
    const uint64_t tokens = 1ull << LB_REDACT_AUTHORIZATION | 1ull << LB_REDACT_AWS | 1ull << LB_REDACT_GCP |
                            1ull << LB_REDACT_GITHUB | 1ull << LB_REDACT_SLACK | 1ull << LB_REDACT_STRIPE |
                            1ull << LB_REDACT_DATADOG | 1ull << LB_REDACT_VENDOR | 1ull << LB_REDACT_JWT;

    if (look_at_blocks(find) && lb_redact_has(find, LB_REDACT_PEM))
        lb_redact_find_private_keys(find);
    if (find->rules & tokens)
        lb_redact_find_tokens(find);
    if (find->rules & (1ull << LB_REDACT_IPV4 | 1ull << LB_REDACT_IPV6))
        lb_redact_find_addresses(find);
}
