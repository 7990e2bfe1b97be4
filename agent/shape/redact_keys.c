/* SPDX-License-Identifier: MIT */
/*
 * Names of keys. In: a key. Out: does its value tell a secret? Always true: letters' case and the characters
 * that part words make no difference: X-Api-Key, api_key and apiKey are one.
 */
#include <stdint.h>
#include <string.h>

#include "agent/shape/redact_parts.h"

#define KEY_MAX 64

struct name {
    const char *text;
    enum lb_redact_key kind;
};

/* A key that ends in one of these. */
static const struct name endings[] = {
    { "password", LB_REDACT_KEY_SECRET },
    { "passwd", LB_REDACT_KEY_SECRET },
    { "passphrase", LB_REDACT_KEY_SECRET },
    { "passwort", LB_REDACT_KEY_SECRET },
    { "pwd", LB_REDACT_KEY_SECRET },
    { "secret", LB_REDACT_KEY_SECRET },
    { "token", LB_REDACT_KEY_SECRET },
    { "ddapikey", LB_REDACT_KEY_DATADOG },
    { "ddappkey", LB_REDACT_KEY_DATADOG },
    { "ddapplicationkey", LB_REDACT_KEY_DATADOG },
    { "apikey", LB_REDACT_KEY_SECRET },
    { "appkey", LB_REDACT_KEY_SECRET },
    { "applicationkey", LB_REDACT_KEY_SECRET },
    { "accesskey", LB_REDACT_KEY_SECRET },
    { "secretkey", LB_REDACT_KEY_SECRET },
    { "privatekey", LB_REDACT_KEY_SECRET },
    { "privkey", LB_REDACT_KEY_SECRET },
    { "authkey", LB_REDACT_KEY_SECRET },
    { "authenticationkey", LB_REDACT_KEY_SECRET },
    { "privacykey", LB_REDACT_KEY_SECRET },
    { "encryptionkey", LB_REDACT_KEY_SECRET },
    { "accountkey", LB_REDACT_KEY_SECRET },
    { "masterkey", LB_REDACT_KEY_SECRET },
    { "signingkey", LB_REDACT_KEY_SECRET },
    { "sharedkey", LB_REDACT_KEY_SECRET },
    { "subscriptionkey", LB_REDACT_KEY_SECRET },
    { "credential", LB_REDACT_KEY_SECRET },
    { "credentials", LB_REDACT_KEY_SECRET },
    { "communitystring", LB_REDACT_KEY_SECRET },
    { "sharedaccesssignature", LB_REDACT_KEY_SECRET },
    { "authorization", LB_REDACT_KEY_HEADER },
    { "cookie", LB_REDACT_KEY_COOKIE },
    { "psk", LB_REDACT_KEY_SECRET },
};

/* A key that has "password" anywhere tells one, unless it ends in what is said about one. */
static const char *const about[] = { "path",     "file",      "len",      "length", "count",   "policy",
                                     "age",      "at",        "id",       "name",   "type",    "hint",
                                     "field",    "prompt",    "url",      "min",    "max",     "changed",
                                     "reset",    "enabled",   "required", "expiry", "expires", "attempts",
                                     "strength", "rotated",   "date",     "status", "error",   "hash",
                                     "valid",    "ok",        "set",      "loaded", "manager", "rounds",
                                     "cost",     "iterations" };

static bool ends_in(const char *key, size_t len, const char *text)
{
    size_t text_len = strlen(text);

    return len >= text_len && memcmp(key + len - text_len, text, text_len) == 0;
}

/* "pass" is a word of its own in db_pass and dbPass, and none in bypass and compass. */
static bool ends_in_pass(const char *key, size_t len)
{
    const char *pass = key + len - 4;

    if (len < 4 || (pass[0] | 0x20) != 'p' || (pass[1] | 0x20) != 'a' || (pass[2] | 0x20) != 's' ||
        (pass[3] | 0x20) != 's')
        return false;
    return len == 4 || pass[-1] == '_' || pass[-1] == '-' || pass[-1] == '.' ||
           (pass[0] == 'P' && pass[1] == 'a' && pass[-1] >= 'a' && pass[-1] <= 'z');
}

#define LAST(a, b, c) ((uint32_t)(a) << 16 | (uint32_t)(b) << 8 | (uint32_t)(c))

/* May a key that ends in these three letters be one of `endings`? */
static bool may_end(uint32_t last)
{
    switch (last) {
    case LAST('o', 'r', 'd'):
    case LAST('s', 'w', 'd'):
    case LAST('a', 's', 'e'):
    case LAST('o', 'r', 't'):
    case LAST('p', 'w', 'd'):
    case LAST('r', 'e', 't'):
    case LAST('k', 'e', 'n'):
    case LAST('k', 'e', 'y'):
    case LAST('i', 'a', 'l'):
    case LAST('a', 'l', 's'):
    case LAST('i', 'n', 'g'):
    case LAST('s', 'i', 'g'):
    case LAST('u', 'r', 'e'):
    case LAST('i', 'o', 'n'):
    case LAST('k', 'i', 'e'):
    case LAST('p', 's', 'k'):
        return true;
    default:
        return false;
    }
}

enum lb_redact_key lb_redact_judge_key(const char *key, size_t len)
{
    char plain[KEY_MAX];
    size_t plain_len = 0;
    bool has_pa = false; /* of "password" */
    uint32_t last = 0;

    if (len > KEY_MAX) { /* the end tells */
        key += len - KEY_MAX;
        len = KEY_MAX;
    }
    for (size_t i = 0; i < len; i++) {
        if (!lb_redact_is_alnum(key[i]))
            continue;
        plain[plain_len] = key[i] | 0x20; /* a digit has that bit, too */
        last = (last << 8 | (unsigned char)plain[plain_len++]) & 0xffffff;
        has_pa |= (last & 0xffff) == LAST(0, 'p', 'a');
    }
    if (plain_len < 3 || (!has_pa && !may_end(last)))
        return LB_REDACT_KEY_PLAIN;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (ends_in(plain, plain_len, endings[i].text))
            return endings[i].kind;
    if (ends_in_pass(key, len))
        return LB_REDACT_KEY_SECRET;
    if (plain_len == 3 && (memcmp(plain, "key", 3) == 0 || memcmp(plain, "sig", 3) == 0))
        return LB_REDACT_KEY_QUERY;
    if (!memmem(plain, plain_len, "password", 8) && !memmem(plain, plain_len, "passwd", 6))
        return LB_REDACT_KEY_PLAIN;
    for (size_t i = 0; i < sizeof about / sizeof about[0]; i++)
        if (ends_in(plain, plain_len, about[i]))
            return LB_REDACT_KEY_PLAIN;
    return LB_REDACT_KEY_SECRET;
}
