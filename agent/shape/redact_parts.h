/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_REDACT_PARTS_H
#define LB_SHAPE_REDACT_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the files of the redact step call of each other: redact.c has the rules
 * and puts texts together, redact_find.c, redact_tokens.c and
 * redact_numbers.c go over a text, redact_keys.c knows names, redact_shapes.c knows what tokens and numbers
 * look like.
 */
enum lb_redact_rule {
    LB_REDACT_AUTHORIZATION = 0,
    LB_REDACT_PASSWORD,
    LB_REDACT_URL,
    LB_REDACT_AWS,
    LB_REDACT_GCP,
    LB_REDACT_GITHUB,
    LB_REDACT_SLACK,
    LB_REDACT_STRIPE,
    LB_REDACT_DATADOG,
    LB_REDACT_VENDOR,
    LB_REDACT_JWT,
    LB_REDACT_PEM,
    LB_REDACT_EMAIL,
    LB_REDACT_CARD,
    LB_REDACT_IBAN,
    LB_REDACT_IPV4,
    LB_REDACT_IPV6,
    LB_REDACT_BUILTIN
};

/* What is to be masked, in the order of the text, and never one within another. */
#define LB_REDACT_SPANS_MAX 64u
struct lb_redact_span {
    size_t at, len;
    uint8_t rule;
};

struct lb_redact_find {
    uint64_t rules; /* that are on, by bits */
    const char *text;
    size_t len;
    struct lb_redact_span span[LB_REDACT_SPANS_MAX];
    unsigned count;
    bool is_full;      /* more was found: from the last span on all is masked */
    size_t url_end;    /* of the last URL's host: no mail address is within */
    size_t masked_end; /* of all that is masked so far: nothing before is looked at again */
    size_t cookie_end; /* of the last cookies that were looked at */
};

/* What a character is, bit by bit. */
enum {
    LB_REDACT_DIGIT = 1,
    LB_REDACT_ALNUM = 2,  /* of ASCII */
    LB_REDACT_INNER = 4,  /* of a key: ALNUM, and _ - . */
    LB_REDACT_TOKEN = 8,  /* of a token: INNER, and + / = ~ : */
    LB_REDACT_CLOSE = 16, /* may stand between a key and its separator: blank " ' ` \ ] */
};
extern const unsigned char lb_redact_kinds[256];

static inline bool lb_redact_is(char c, unsigned kinds)
{
    return lb_redact_kinds[(unsigned char)c] & kinds;
}

static inline bool lb_redact_is_digit(char c)
{
    return lb_redact_is(c, LB_REDACT_DIGIT);
}

static inline bool lb_redact_is_alnum(char c)
{
    return lb_redact_is(c, LB_REDACT_ALNUM);
}

static inline bool lb_redact_is_inner(char c)
{
    return lb_redact_is(c, LB_REDACT_INNER);
}

static inline bool lb_redact_has(const struct lb_redact_find *find, enum lb_redact_rule rule)
{
    return find->rules >> rule & 1;
}

/*
 * Add what was found; what lies in a span that is there already is left out, and
 * what overlaps makes it longer. A marker is not masked again.
 */
void lb_redact_add(struct lb_redact_find *find, size_t at, size_t len, enum lb_redact_rule rule);

/*
 * Find all that the built-in rules name.
 *   find      rules, text and len are set, the rest is zero
 */
void lb_redact_find_all(struct lb_redact_find *find);

/*
 * Find the payment card that begins with a group of digits, or the IBAN that it belongs to. Both have groups
 * of four digits at least.
 *   find      as far as it is filled
 *   start     of the group
 */
void lb_redact_find_number(struct lb_redact_find *find, size_t start);

/*
 * Find tokens of known shapes, and what stands behind Bearer and its like.
 *   find      as far as it is filled
 */
#define LB_REDACT_TOKEN_LEAST 16 /* characters of one */
void lb_redact_find_tokens(struct lb_redact_find *find);

/*
 * Find private keys in PEM, from the line of their begin to that of their end, or to the end of the text.
 *   find      as far as it is filled
 */
void lb_redact_find_private_keys(struct lb_redact_find *find);

/*
 * Find the password, or the token, of "://user:password@host".
 *   find      as far as it is filled
 *   colon     of "://"
 */
void lb_redact_find_url(struct lb_redact_find *find, size_t colon);

/*
 * Find a mail address.
 *   find      as far as it is filled
 *   sign      its "@"
 */
void lb_redact_find_mail(struct lb_redact_find *find, size_t sign);

/*
 * Find addresses of IP, of the versions that are on.
 *   find      as far as it is filled
 */
void lb_redact_find_addresses(struct lb_redact_find *find);

enum lb_redact_key {
    LB_REDACT_KEY_PLAIN = 0,
    LB_REDACT_KEY_SECRET,
    LB_REDACT_KEY_DATADOG,
    LB_REDACT_KEY_HEADER, /* Authorization: all that follows */
    LB_REDACT_KEY_COOKIE,
    LB_REDACT_KEY_QUERY /* "key", "sig": a secret only in a query string */
};

/*
 * What kind of a key is this?
 *   key       len bytes, of A-Z a-z 0-9 _ - .
 */
enum lb_redact_key lb_redact_judge_key(const char *key, size_t len);

/*
 * Is a run of characters that tokens are made of a token of a known shape?
 *   token     len bytes
 *   ret_rule  whose
 *   returns   how many bytes of it are the secret, *ret_at where they begin | 0 it is none
 */
size_t lb_redact_judge_token(const char *token, size_t len, size_t *ret_at, enum lb_redact_rule *ret_rule);

/*
 * A number that begins here: a payment card, or an IBAN, that checks?
 *   at        of a digit, or of the two letters of an IBAN
 *   returns   its length | 0 it is none
 */
size_t lb_redact_card(const char *text, size_t len, size_t at);
size_t lb_redact_iban(const char *text, size_t len, size_t at);

/*
 * An address that begins here.
 *   returns   its length | 0 it is none
 */
size_t lb_redact_ipv4(const char *text, size_t len, size_t at);
size_t lb_redact_ipv6(const char *text, size_t len, size_t at);

/*
 * Is a line one that may stand within a private key: base64, or a header of PEM?
 * Blanks may be in it, as some print keys. Any other character ends a key that
 * has no end, so that what is masked by mistake is little.
 */
bool lb_redact_is_pem_body(const char *line, size_t len);

#endif
