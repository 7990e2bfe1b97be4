/* SPDX-License-Identifier: MIT */
/*
 * Values by the key table. In: a row, a value's text, a field. Out: the field
 * filled, or a sentence on what is wrong. Always true: the sentence is made of
 * the row alone, so a secret written into the wrong key is not shown.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/config.h"
#include "common/keys.h"
#include "common/level.h"
#include "common/units.h"

#define PORT_MAX 65535

__attribute__((format(printf, 3, 4))) static int complain(char *why, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, size, format, args);
    va_end(args);
    return -EINVAL;
}

bool lb_key_is_text(const struct lb_key *key)
{
    return key->type >= LB_KEY_WORD;
}

static void print_amount(const struct lb_key *key, uint64_t amount, char *buf, size_t size)
{
    char number[32];

    if (key->type == LB_KEY_SIZE)
        lb_units_print_size(amount, buf, size);
    else if (key->type == LB_KEY_DURATION)
        lb_units_print_duration(amount, buf, size);
    else if (key->type == LB_KEY_RATE)
        lb_units_print_rate(amount, buf, size);
    else if (key->type == LB_KEY_QUOTA)
        snprintf(buf, size, "%s/day", lb_units_print_size(amount, number, sizeof number));
    else if (key->type == LB_KEY_SHARE)
        snprintf(buf, size, "1/%" PRIu64, amount);
    else if (key->type == LB_KEY_PERCENT)
        snprintf(buf, size, "%" PRIu64 "%%", amount);
    else
        snprintf(buf, size, "%" PRIu64, amount);
}

/* "a|b|c" as "a, b or c". */
static void print_choices(const char *choices, char *buf, size_t size)
{
    const char *last = strrchr(choices, '|');
    size_t used = 0;

    buf[0] = '\0';
    for (const char *at = choices; *at != '\0' && used + 1 < size; at++) {
        const char *text = *at != '|' ? NULL : at == last ? " or " : ", ";

        used += (size_t)(text ? snprintf(buf + used, size - used, "%s", text)
                              : snprintf(buf + used, size - used, "%c", *at));
    }
}

char *lb_key_print_range(const struct lb_key *key, char *buf, size_t size)
{
    char low[32], high[32];

    switch (key->type) {
    case LB_KEY_NUMBER:
    case LB_KEY_SIZE:
    case LB_KEY_DURATION:
    case LB_KEY_RATE:
    case LB_KEY_SHARE:
    case LB_KEY_PERCENT:
    case LB_KEY_QUOTA:
        print_amount(key, key->min, low, sizeof low);
        print_amount(key, key->max, high, sizeof high);
        snprintf(buf, size, "%s to %s%s%s", low, high, key->unit ? " " : "", key->unit ? key->unit : "");
        break;
    case LB_KEY_BOOL:
        snprintf(buf, size, "yes or no");
        break;
    case LB_KEY_LEVEL:
        snprintf(buf, size, "emergency, alert, critical, error, warning, notice, info or debug");
        break;
    case LB_KEY_CHOICE:
    case LB_KEY_WORD:
        print_choices(key->choices, buf, size);
        break;
    case LB_KEY_PATH:
        snprintf(buf, size, "an absolute path");
        break;
    case LB_KEY_URL:
        snprintf(buf, size, "http:// or https://");
        break;
    case LB_KEY_TEXT:
    case LB_KEY_TEMPLATE:
    case LB_KEY_HOST:
    case LB_KEY_RULES:
    case LB_KEY_PHRASE:
        buf[0] = '\0';
        break;
    }
    return buf;
}

static void store_unsigned(const struct lb_key *key, void *field, uint64_t value)
{
    unsigned int narrow = (unsigned int)value;

    if (key->size == sizeof narrow)
        memcpy(field, &narrow, sizeof narrow);
    else
        memcpy(field, &value, sizeof value);
}

static const char *form_of(const struct lb_key *key)
{
    switch (key->type) {
    case LB_KEY_SIZE:
        return "a size, like 64K or 8M";
    case LB_KEY_DURATION:
        return "a duration, like 500ms, 30s or 5m";
    case LB_KEY_RATE:
        return "a rate, like 200/s, 20/min or 50M/day";
    case LB_KEY_SHARE:
        return "a share, like 1/100";
    case LB_KEY_PERCENT:
        return "a percentage, like 10%";
    default:
        return "a whole number";
    }
}

static int store_amount(const struct lb_key *key, const char *text, void *field, char *why, size_t size)
{
    char range[128];
    uint64_t value = 0;
    int rc;

    if (strcmp(text, "off") == 0 && key->off_means) {
        store_unsigned(key, field, key->off_value);
        return 0;
    }
    if (strcmp(text, "auto") == 0 && key->auto_means) {
        store_unsigned(key, field, LB_AUTO);
        return 0;
    }
    if (strcmp(text, "off") == 0 && key->off_never)
        return complain(why, size, "%s cannot be off: %s", key->name, key->off_never);
    rc = key->type == LB_KEY_SIZE       ? lb_units_size(text, &value)
         : key->type == LB_KEY_DURATION ? lb_units_duration(text, &value)
         : key->type == LB_KEY_RATE     ? lb_units_rate(text, &value)
         : key->type == LB_KEY_SHARE    ? lb_units_share(text, &value)
         : key->type == LB_KEY_PERCENT  ? lb_units_percent(text, &value)
                                        : lb_units_number(text, &value);
    if (rc == -EINVAL)
        return complain(why, size, "%s must be %s%s", key->name, form_of(key),
                        key->auto_means ? ", or auto" : "");
    if (rc != 0 || value < key->min || value > key->max)
        return complain(why, size, "%s is out of range: %s", key->name,
                        lb_key_print_range(key, range, sizeof range));
    store_unsigned(key, field, value);
    return 0;
}

static int store_quota(const struct lb_key *key, const char *text, void *field, char *why, size_t size)
{
    struct lb_quota quota = { .bytes = LB_OFF };
    char range[128];
    int rc = strcmp(text, "off") == 0 ? 0 : lb_units_quota(text, &quota);

    if (rc == -EINVAL)
        return complain(why, size, "%s must be bytes in a day or a month, like 50M/day or 500M/month",
                        key->name);
    if (rc != 0 || (quota.bytes != LB_OFF && (quota.bytes < key->min || quota.bytes > key->max)))
        return complain(why, size, "%s is out of range: %s", key->name,
                        lb_key_print_range(key, range, sizeof range));
    memcpy(field, &quota, sizeof quota);
    return 0;
}

/* Place of a word in "a|b|c", or -1. */
static int choice_index(const char *choices, const char *word)
{
    size_t len = strlen(word);
    int index = 0;

    for (const char *at = choices; at; at = strchr(at, '|')) {
        if (*at == '|')
            at++, index++;
        if (strncmp(at, word, len) == 0 && (at[len] == '|' || at[len] == '\0') && len > 0)
            return index;
    }
    return -1;
}

static int store_enum(const struct lb_key *key, const char *text, void *field, char *why, size_t size)
{
    char range[128];
    bool is_yes = false, is_off = key->off_means && strcmp(text, "off") == 0;
    int value = key->type == LB_KEY_LEVEL    ? lb_level_parse(text, strlen(text))
                : key->type == LB_KEY_CHOICE ? choice_index(key->choices, text)
                                             : lb_units_bool(text, &is_yes);

    if (is_off)
        value = (int)key->off_value;
    else if (value < 0)
        return complain(why, size, "%s must be %s", key->name, lb_key_print_range(key, range, sizeof range));
    if (key->type == LB_KEY_BOOL)
        memcpy(field, &is_yes, sizeof is_yes);
    else
        memcpy(field, &value, sizeof value);
    return 0;
}

static bool is_printable(const char *text, bool may_have_blanks)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f || (*text == ' ' && !may_have_blanks))
            return false;
    return true;
}

static bool is_host(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '.' && text[i] != '-')
            return false;
    return len > 0;
}

/* "host", "host:port", "[v6]:port". */
static bool is_authority(const char *text, size_t len)
{
    const char *end = text + len;
    const char *close = len > 0 && text[0] == '[' ? memchr(text, ']', len) : NULL;
    const char *colon = close ? close + 1 : memchr(text, ':', len);
    unsigned int port = 0;

    if (close && strspn(text + 1, "0123456789abcdefABCDEF:.") != (size_t)(close - text - 1))
        return false;
    if (!close && !is_host(text, (size_t)((colon ? colon : end) - text)))
        return false;
    if (!colon || colon == end)
        return true;
    if (*colon != ':' || end - colon < 2 || end - colon > 6)
        return false;
    for (const char *at = colon + 1; at < end; at++) {
        if (!isdigit((unsigned char)*at))
            return false;
        port = port * 10 + (unsigned int)(*at - '0');
    }
    return port >= 1 && port <= PORT_MAX;
}

static const char *wrong_with_url(const char *url)
{
    size_t scheme = strncasecmp(url, "https://", 8) == 0 ? 8 : strncasecmp(url, "http://", 7) == 0 ? 7 : 0;
    size_t len;

    if (scheme == 0)
        return "must begin with http:// or https://";
    len = strcspn(url + scheme, "/?#");
    if (memchr(url + scheme, '@', len))
        return "must not hold a user or a password (they would show in status)";
    return is_authority(url + scheme, len) ? NULL : "has no valid host and port";
}

/* What is wrong with a text of this row, or NULL. */
static const char *wrong_with_text(const struct lb_key *key, const char *text)
{
    if (*text == '\0')
        return key->dflt[0] == '\0' && !key->is_required ? NULL : "must not be empty";
    if (key->type != LB_KEY_TEMPLATE && key->max > 0 && strlen(text) > key->max)
        return "is too long";
    if (!is_printable(text,
                      key->type == LB_KEY_PATH || key->type == LB_KEY_TEMPLATE || key->type == LB_KEY_PHRASE))
        return "holds a blank or a control character";
    switch (key->type) {
    case LB_KEY_WORD:
        return choice_index(key->choices, text) < 0 ? "is not one of those known" : NULL;
    case LB_KEY_PATH:
        return text[0] != '/' ? "must be an absolute path" : NULL;
    case LB_KEY_URL:
        return key->off_means && strcmp(text, "off") == 0 ? NULL : wrong_with_url(text);
    case LB_KEY_HOST:
        return is_host(text, strlen(text)) ? NULL : "must be a host name (letters, digits, dots and hyphens)";
    default:
        return NULL;
    }
}

static int store_text(const struct lb_key *key, const char *text, void *field, char *why, size_t size)
{
    const char *wrong = wrong_with_text(key, text);
    char range[128];
    char *copy, *old;

    if (wrong && key->type == LB_KEY_WORD)
        return complain(why, size, "%s must be %s", key->name, lb_key_print_range(key, range, sizeof range));
    if (wrong)
        return complain(why, size, "%s %s", key->name, wrong);
    copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    memcpy(&old, field, sizeof old);
    memcpy(field, &copy, sizeof copy);
    free(old);
    return 0;
}

int lb_key_store(const struct lb_key *key, const char *text, void *field, char *why, size_t size)
{
    if (lb_key_is_text(key))
        return store_text(key, text, field, why, size);
    if (key->type <= LB_KEY_SHARE)
        return store_amount(key, text, field, why, size);
    if (key->type == LB_KEY_QUOTA)
        return store_quota(key, text, field, why, size);
    return store_enum(key, text, field, why, size);
}

bool lb_key_equal(const struct lb_key *key, const void *field_a, const void *field_b)
{
    const char *a, *b;

    if (key->type == LB_KEY_RULES)
        return true; /* live: nobody asks */
    if (!lb_key_is_text(key))
        return memcmp(field_a, field_b, key->size) == 0;
    memcpy(&a, field_a, sizeof a);
    memcpy(&b, field_b, sizeof b);
    return strcmp(a, b) == 0;
}
