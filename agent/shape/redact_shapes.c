/* SPDX-License-Identifier: MIT */
/*
 * What secrets look like. In: a token or a number. Out: whose it is. Always true: a shape is a prefix that
 * its maker gave it and a length, or a number whose check digits are right; a hash, a UUID or a commit is
 * none.
 */
#include <stdint.h>
#include <string.h>

#include "agent/shape/redact_parts.h"

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* ---- tokens ---- */

enum made_of { ANY = 0, UPPER /* and digits */, ALNUM, HEX };

#define SHAPE(prefix, rule, made_of, least, most)              \
    {                                                          \
        prefix, sizeof(prefix) - 1, rule, made_of, least, most \
    }
static const struct shape {
    char prefix[31];
    uint8_t len; /* of the prefix */
    enum lb_redact_rule rule;
    enum made_of made_of; /* behind the prefix */
    size_t least, most;   /* of those; most 0: none */
} shapes[] = {
    SHAPE("AKIA", LB_REDACT_AWS, UPPER, 16, 16),
    SHAPE("ASIA", LB_REDACT_AWS, UPPER, 16, 16),
    SHAPE("AROA", LB_REDACT_AWS, UPPER, 16, 17),
    SHAPE("AIDA", LB_REDACT_AWS, UPPER, 16, 17),
    SHAPE("ABIA", LB_REDACT_AWS, UPPER, 16, 16),
    SHAPE("ACCA", LB_REDACT_AWS, UPPER, 16, 16),
    SHAPE("AIza", LB_REDACT_GCP, ANY, 35, 35),
    SHAPE("ya29.", LB_REDACT_GCP, ANY, 20, 0),
    SHAPE("GOCSPX-", LB_REDACT_GCP, ANY, 20, 0),
    SHAPE("ghp_", LB_REDACT_GITHUB, ALNUM, 20, 0),
    SHAPE("gho_", LB_REDACT_GITHUB, ALNUM, 20, 0),
    SHAPE("ghu_", LB_REDACT_GITHUB, ALNUM, 20, 0),
    SHAPE("ghs_", LB_REDACT_GITHUB, ANY, 20, 0),
    SHAPE("ghr_", LB_REDACT_GITHUB, ALNUM, 20, 0),
    SHAPE("github_pat_", LB_REDACT_GITHUB, ANY, 20, 0),
    SHAPE("xoxa-", LB_REDACT_SLACK, ANY, 10, 0),
    SHAPE("xoxb-", LB_REDACT_SLACK, ANY, 10, 0),
    SHAPE("xoxc-", LB_REDACT_SLACK, ANY, 10, 0),
    SHAPE("xoxd-", LB_REDACT_SLACK, ANY, 10, 0),
    SHAPE("xoxe-", LB_REDACT_SLACK, ANY, 10, 0),
    SHAPE("xoxe.", LB_REDACT_SLACK, ANY, 10, 0),
    SHAPE("xoxo-", LB_REDACT_SLACK, ANY, 10, 0),
    SHAPE("xoxp-", LB_REDACT_SLACK, ANY, 10, 0),
    SHAPE("xoxr-", LB_REDACT_SLACK, ANY, 10, 0),
    SHAPE("xoxs-", LB_REDACT_SLACK, ANY, 10, 0),
    SHAPE("xapp-", LB_REDACT_SLACK, ANY, 10, 0),
    SHAPE("hooks.slack.com/services/", LB_REDACT_SLACK, ANY, 10, 0),
    SHAPE("hooks.slack.com/workflows/", LB_REDACT_SLACK, ANY, 10, 0),
    SHAPE("sk_live_", LB_REDACT_STRIPE, ALNUM, 10, 0),
    SHAPE("sk_test_", LB_REDACT_STRIPE, ALNUM, 10, 0),
    SHAPE("rk_live_", LB_REDACT_STRIPE, ALNUM, 10, 0),
    SHAPE("rk_test_", LB_REDACT_STRIPE, ALNUM, 10, 0),
    SHAPE("pk_live_", LB_REDACT_STRIPE, ALNUM, 10, 0),
    SHAPE("whsec_", LB_REDACT_STRIPE, ANY, 16, 0),
    SHAPE("ddapp_", LB_REDACT_DATADOG, ANY, 16, 0),
    SHAPE("ddp_", LB_REDACT_DATADOG, ANY, 16, 0),
    SHAPE("glpat-", LB_REDACT_VENDOR, ANY, 16, 0),
    SHAPE("glptt-", LB_REDACT_VENDOR, ANY, 16, 0),
    SHAPE("glcbt-", LB_REDACT_VENDOR, ANY, 16, 0),
    SHAPE("glsoat-", LB_REDACT_VENDOR, ANY, 16, 0),
    SHAPE("glsa_", LB_REDACT_VENDOR, ANY, 20, 0),
    SHAPE("NRAK-", LB_REDACT_VENDOR, UPPER, 20, 0),
    SHAPE("tskey-", LB_REDACT_VENDOR, ANY, 16, 0),
    SHAPE("ATATT3", LB_REDACT_VENDOR, ANY, 40, 0),
    SHAPE("dapi", LB_REDACT_VENDOR, HEX, 32, 32),
    SHAPE("EAAAE", LB_REDACT_VENDOR, ANY, 40, 0),
    SHAPE("gldt-", LB_REDACT_VENDOR, ANY, 16, 0),
    SHAPE("glrt-", LB_REDACT_VENDOR, ANY, 16, 0),
    SHAPE("npm_", LB_REDACT_VENDOR, ALNUM, 30, 0),
    SHAPE("pypi-", LB_REDACT_VENDOR, ANY, 40, 0),
    SHAPE("SG.", LB_REDACT_VENDOR, ANY, 40, 0),
    SHAPE("sk-ant-", LB_REDACT_VENDOR, ANY, 20, 0),
    SHAPE("sk-proj-", LB_REDACT_VENDOR, ANY, 20, 0),
    SHAPE("sk-", LB_REDACT_VENDOR, ALNUM, 32, 0),
    SHAPE("hf_", LB_REDACT_VENDOR, ALNUM, 30, 0),
    SHAPE("shpat_", LB_REDACT_VENDOR, HEX, 32, 0),
    SHAPE("shpss_", LB_REDACT_VENDOR, HEX, 32, 0),
    SHAPE("shppa_", LB_REDACT_VENDOR, HEX, 32, 0),
    SHAPE("shpca_", LB_REDACT_VENDOR, HEX, 32, 0),
    SHAPE("dop_v1_", LB_REDACT_VENDOR, HEX, 32, 0),
    SHAPE("sq0atp-", LB_REDACT_VENDOR, ANY, 20, 0),
    SHAPE("sq0csp-", LB_REDACT_VENDOR, ANY, 20, 0),
    SHAPE("key-", LB_REDACT_VENDOR, HEX, 32, 32),
    SHAPE("SK", LB_REDACT_VENDOR, HEX, 32, 32),
    SHAPE("AGE-SECRET-KEY-1", LB_REDACT_VENDOR, UPPER, 50, 0),
    SHAPE("dckr_pat_", LB_REDACT_VENDOR, ANY, 20, 0),
    SHAPE("hvs.", LB_REDACT_VENDOR, ANY, 24, 0),
    SHAPE("lin_api_", LB_REDACT_VENDOR, ALNUM, 30, 0),
    SHAPE("atlasv1.", LB_REDACT_VENDOR, ANY, 40, 0),
};

static size_t run_of(const char *text, size_t len, enum made_of made_of)
{
    size_t at = 0;

    for (; at < len; at++) {
        char c = text[at];
        bool is_hex = lb_redact_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');

        if (made_of == UPPER ? !(is_upper(c) || lb_redact_is_digit(c))
            : made_of == HEX ? !is_hex
                             : made_of == ALNUM && !lb_redact_is_alnum(c))
            break;
    }
    return at;
}

/* Three parts in base64url, the first of which begins as JSON does. */
#define JWT_HEAD_MAX 2048
static size_t jwt(const char *token, size_t len)
{
    const char *first, *second;

    if (len < 20 || memcmp(token, "eyJ", 3) != 0)
        return 0;
    first = memchr(token, '.', len < JWT_HEAD_MAX ? len : JWT_HEAD_MAX);
    if (!first)
        return 0;
    second = memchr(first + 1, '.', len - (size_t)(first + 1 - token));
    return second && second - first > 4 ? len : 0;
}

/* A bot of Telegram: its number, and 35 characters. */
static size_t telegram(const char *token, size_t len)
{
    size_t digits = 0, all;

    while (digits < len && lb_redact_is_digit(token[digits]))
        digits++;
    all = digits + 36;
    if (digits < 8 || digits > 10 || len < all || token[digits] != ':' || token[digits + 1] != 'A')
        return 0;
    return len == all || memchr("./:=~+", token[all], 6) ? all : 0;
}

static size_t with_prefix(const char *token, size_t len, const struct shape *shape)
{
    size_t prefix = shape->len, run;

    if (len < prefix + shape->least || memcmp(token, shape->prefix, prefix) != 0)
        return 0;
    if (shape->most > 0 && len > prefix + shape->most + 1)
        len = prefix + shape->most + 1; /* one more is one too many */
    run = run_of(token + prefix, len - prefix, shape->made_of);
    return run >= shape->least && (shape->most == 0 || run <= shape->most) ? prefix + run : 0;
}

const unsigned char lb_redact_kinds[256] = {
    ['+'] = LB_REDACT_TOKEN,
    [' '] = LB_REDACT_CLOSE,
    ['"'] = LB_REDACT_CLOSE,
    ['\''] = LB_REDACT_CLOSE,
    ['`'] = LB_REDACT_CLOSE,
    ['\\'] = LB_REDACT_CLOSE,
    [']'] = LB_REDACT_CLOSE,
    ['/'] = LB_REDACT_TOKEN,
    ['='] = LB_REDACT_TOKEN,
    ['~'] = LB_REDACT_TOKEN,
    [':'] = LB_REDACT_TOKEN,
    ['-'] = LB_REDACT_INNER | LB_REDACT_TOKEN,
    ['.'] = LB_REDACT_INNER | LB_REDACT_TOKEN,
    ['_'] = LB_REDACT_INNER | LB_REDACT_TOKEN,
    ['0' ... '9'] = LB_REDACT_DIGIT | LB_REDACT_ALNUM | LB_REDACT_INNER | LB_REDACT_TOKEN,
    ['A' ... 'Z'] = LB_REDACT_ALNUM | LB_REDACT_INNER | LB_REDACT_TOKEN,
    ['a' ... 'z'] = LB_REDACT_ALNUM | LB_REDACT_INNER | LB_REDACT_TOKEN,
};

/* The second characters of what begins with a letter, by their lowest five bits: of `shapes`, and of a JWT.
 */
#define TWO(c) (1u << ((c)&31))
static const uint32_t seconds[64] = {
    ['A' - '@'] = TWO('B') | TWO('C') | TWO('T') | TWO('K') | TWO('S') | TWO('R') | TWO('I') | TWO('G'),
    ['E' - '@'] = TWO('A'),
    ['G' - '@'] = TWO('O'),
    ['N' - '@'] = TWO('R'),
    ['S' - '@'] = TWO('G') | TWO('K'),
    ['a' - '@'] = TWO('t'),
    ['b' - '@'] = TWO('o'),
    ['d' - '@'] = TWO('a') | TWO('d') | TWO('o') | TWO('c'),
    ['e' - '@'] = TWO('y'),
    ['g' - '@'] = TWO('h') | TWO('i') | TWO('l'),
    ['h' - '@'] = TWO('o') | TWO('f') | TWO('v'),
    ['k' - '@'] = TWO('e'),
    ['l' - '@'] = TWO('i'),
    ['n' - '@'] = TWO('p'),
    ['p' - '@'] = TWO('k') | TWO('y'),
    ['r' - '@'] = TWO('k'),
    ['s' - '@'] = TWO('k') | TWO('h') | TWO('q'),
    ['t' - '@'] = TWO('s'),
    ['w' - '@'] = TWO('h'),
    ['x' - '@'] = TWO('o') | TWO('a'),
    ['y' - '@'] = TWO('a'),
};

/* Does any token begin so? Those of a bot of Telegram begin with a digit. */
static bool may_begin(const char *token)
{
    if (lb_redact_is_digit(token[0]))
        return lb_redact_is_digit(token[7]);
    return seconds[(unsigned char)(token[0] - '@') & 63] & TWO(token[1]);
}

static size_t begins_with_token(const char *token, size_t len, enum lb_redact_rule *ret_rule)
{
    size_t found = 0;

    *ret_rule = LB_REDACT_VENDOR;
    if (lb_redact_is_digit(token[0]))
        return telegram(token, len);
    for (size_t i = 0; !found && i < sizeof shapes / sizeof shapes[0]; i++) {
        if (shapes[i].prefix[0] != token[0])
            continue;
        found = with_prefix(token, len, &shapes[i]);
        *ret_rule = shapes[i].rule;
    }
    if (found)
        return found;
    if (memcmp(token, "bot", 3) == 0) { /* as its URLs have it */
        found = telegram(token + 3, len - 3);
        return found ? found + 3 : 0;
    }
    *ret_rule = LB_REDACT_JWT;
    return jwt(token, len);
}

size_t lb_redact_judge_token(const char *token, size_t len, size_t *ret_at, enum lb_redact_rule *ret_rule)
{
    size_t found;

    /* A token may stand behind something else: "/", "=", ":" are characters of some tokens, too. */
    for (size_t at = 0; at + 16 <= len; at++) {
        if (may_begin(token + at)) {
            found = begins_with_token(token + at, len - at, ret_rule);
            *ret_at = at;
            if (found)
                return found;
        }
        while (at + 16 <= len && lb_redact_is_alnum(token[at]))
            at++;
    }
    return 0;
}

/* ---- numbers that check ---- */

static bool is_luhn(const char *digits, size_t count)
{
    unsigned sum = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned digit = (unsigned)(digits[count - 1 - i] - '0') << (i & 1);

        sum += digit > 9 ? digit - 9 : digit;
    }
    return sum % 10 == 0;
}

/* Does a maker of cards give out numbers that begin so, and are so long? */
static bool is_of_maker(const char *d, size_t count)
{
    unsigned two = (unsigned)(d[0] - '0') * 10 + (unsigned)(d[1] - '0');
    unsigned four = two * 100 + (unsigned)(d[2] - '0') * 10 + (unsigned)(d[3] - '0');

    if (d[0] == '4')
        return count == 13 || count == 16 || count == 19;
    if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720) || four == 6011 || two == 65 ||
        two == 35 || (four >= 6440 && four <= 6499))
        return count == 16;
    if (two == 34 || two == 37)
        return count == 15;
    return (two == 36 || two == 38 || (four >= 3000 && four <= 3059)) && count == 14;
}

size_t lb_redact_card(const char *text, size_t len, size_t at)
{
    char digits[20], parted_by = 0;
    size_t count = 0, group = 0, i = at;

    if (len - at < 13 || text[at] < '2' || text[at] > '6' || (text[at] == '2' && text[at + 1] < '2'))
        return 0; /* as a year does, no card begins */
    for (; i < len && count < 20; i++) {
        if (lb_redact_is_digit(text[i])) {
            digits[count++] = text[i];
            group++;
        } else if ((text[i] == ' ' || text[i] == '-') && (parted_by == 0 || parted_by == text[i]) &&
                   (group == 4 || (group == 6 && count == 10)) && i + 1 < len &&
                   lb_redact_is_digit(text[i + 1])) {
            parted_by = text[i];
            group = 0;
        } else {
            break;
        }
    }
    if (count < 13 || count > 19 || (i < len && (lb_redact_is_alnum(text[i]) || text[i] == '_')))
        return 0;
    return is_of_maker(digits, count) && is_luhn(digits, count) ? i - at : 0;
}

size_t lb_redact_iban(const char *text, size_t len, size_t at)
{
    char plain[36];
    size_t count = 0, i = at;
    unsigned rest = 0;

    for (; i < len && count < 35; i++) {
        if (lb_redact_is_digit(text[i]) || is_upper(text[i]))
            plain[count++] = text[i];
        else if (text[i] != ' ' || count % 4 != 0 || i + 1 >= len ||
                 !(lb_redact_is_digit(text[i + 1]) || is_upper(text[i + 1])))
            break;
    }
    if (count < 15 || count > 34 || !is_upper(plain[0]) || !is_upper(plain[1]) ||
        !lb_redact_is_digit(plain[2]) || !lb_redact_is_digit(plain[3]) ||
        (i < len && lb_redact_is_alnum(text[i])))
        return 0;
    for (size_t k = 0; k < count; k++) {
        char c = plain[(k + 4) % count];

        rest = lb_redact_is_digit(c) ? (rest * 10 + (unsigned)(c - '0')) % 97
                                     : (rest * 100 + (unsigned)(c - 'A' + 10)) % 97;
    }
    return rest == 1 ? i - at : 0;
}

/* ---- addresses ---- */

size_t lb_redact_ipv4(const char *text, size_t len, size_t at)
{
    size_t i = at;

    for (unsigned part = 0; part < 4; part++) {
        unsigned number = 0, digits = 0;

        for (; i < len && lb_redact_is_digit(text[i]) && digits < 4; i++, digits++)
            number = number * 10 + (unsigned)(text[i] - '0');
        if (digits == 0 || digits > 3 || number > 255 || (part < 3 && (i >= len || text[i++] != '.')))
            return 0;
    }
    return i < len && (lb_redact_is_alnum(text[i]) ||
                       (text[i] == '.' && i + 1 < len && lb_redact_is_digit(text[i + 1])))
               ? 0
               : i - at;
}

size_t lb_redact_ipv6(const char *text, size_t len, size_t at)
{
    size_t i = at, groups = 0;
    bool is_short = false;

    while (i < len && groups < 9) {
        size_t digits = run_of(text + i, len - i < 5 ? len - i : 5, HEX);

        if (digits > 4)
            return 0;
        groups += digits > 0;
        i += digits;
        if (i + 1 < len && text[i] == ':' && text[i + 1] == ':' && !is_short) {
            is_short = true;
            i += 2;
        } else if (i + 1 < len && text[i] == ':' && digits > 0 && run_of(text + i + 1, 1, HEX) == 1) {
            i++;
        } else {
            break;
        }
    }
    if (i < len && (lb_redact_is_alnum(text[i]) || (text[i] == ':' && i + 1 < len && text[i + 1] == ':')))
        return 0;
    return (is_short && groups >= 2 && groups < 8) || (!is_short && groups == 8) ? i - at : 0;
}

/* ---- private keys ---- */

bool lb_redact_is_pem_body(const char *line, size_t len)
{
    size_t i = 0;

    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' '))
        len--;
    while (i < len && (lb_redact_is_alnum(line[i]) || memchr("+/= ", line[i], 4)))
        i++;
    if (i == len)
        return len <= 80;
    return (len > 10 && memcmp(line, "Proc-Type:", 10) == 0) ||
           (len > 9 && memcmp(line, "DEK-Info:", 9) == 0) || (len > 8 && memcmp(line, "Comment:", 8) == 0) ||
           (len > 12 && memcmp(line, "PuTTY-User-K", 12) == 0);
}
