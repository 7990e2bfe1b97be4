/* SPDX-License-Identifier: MIT */
/* Pieces of targets. In: settings, a secret. Out: address and headers. Always true: a secret is only in a
 * header. */
#include "agent/ship/aim.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int put_url(struct lb_target *target, const char *base, size_t base_len, const char *path,
                   const char *query)
{
    const char *mark = query[0] == '\0' ? "" : memchr(base, '?', base_len) ? "&" : "?";
    int len = snprintf(target->url, sizeof target->url, "%.*s%s%s%s", (int)base_len, base, path, mark, query);

    target->headers = 0;
    return len < 0 || (size_t)len >= sizeof target->url ? -E2BIG : 0;
}

/* Where the path of an address begins; its end where it has none. */
static size_t path_at(const char *url)
{
    const char *host = strstr(url, "://");
    size_t skip = host ? (size_t)(host + 3 - url) : 0;

    return skip + strcspn(url + skip, "/?#");
}

int lb_aim_url(const struct lb_sink_config *config, const char *path, const char *query,
               struct lb_target *target)
{
    const char *own = config->url + path_at(config->url);
    bool has_path = own[0] != '\0' && strcmp(own, "/") != 0;
    size_t len = has_path || path[0] == '\0' ? strlen(config->url) : path_at(config->url);

    return put_url(target, config->url, len, has_path ? "" : path, query);
}

int lb_aim_other(const struct lb_sink_config *config, const char *path, struct lb_target *target)
{
    return put_url(target, config->url, path_at(config->url), path, "");
}

int lb_aim_header(struct lb_target *target, const char *name, const char *value)
{
    int len;

    if (target->headers == LB_SINK_HEADERS_MAX)
        return -E2BIG;
    len = snprintf(target->header[target->headers], LB_SINK_HEADER_LEN, "%s: %s", name, value);
    if (len < 0 || len >= LB_SINK_HEADER_LEN)
        return -E2BIG;
    target->headers++;
    return 0;
}

/* RFC 4648, 4. to: room for 4 bytes for each 3, and NUL. */
static void to_base64(const char *from, size_t len, char *to)
{
    for (size_t i = 0; i < len; i += 3) {
        uint32_t word = (uint32_t)(uint8_t)from[i] << 16;

        word |= i + 1 < len ? (uint32_t)(uint8_t)from[i + 1] << 8 : 0;
        word |= i + 2 < len ? (uint32_t)(uint8_t)from[i + 2] : 0;
        *to++ = digits[word >> 18];
        *to++ = digits[word >> 12 & 63];
        *to++ = i + 1 < len ? digits[word >> 6 & 63] : '=';
        *to++ = i + 2 < len ? digits[word & 63] : '=';
    }
    *to = '\0';
}

static int add_secret(struct lb_target *target, const char *word, const char *secret)
{
    char value[LB_SINK_HEADER_LEN];
    int len = snprintf(value, sizeof value, "%s %s", word, secret);
    int rc = len < 0 || (size_t)len >= sizeof value ? -E2BIG : lb_aim_header(target, "Authorization", value);

    explicit_bzero(value, sizeof value);
    return rc;
}

static int add_basic(struct lb_target *target, const char *key)
{
    char coded[LB_SINK_HEADER_LEN];
    int rc;

    if (strlen(key) / 3 * 4 + 5 > sizeof coded)
        return -E2BIG;
    to_base64(key, strlen(key), coded);
    rc = add_secret(target, "Basic", coded);
    explicit_bzero(coded, sizeof coded);
    return rc;
}

int lb_aim_auth(const struct lb_sink_config *config, const char *key, struct lb_target *target)
{
    switch (config->auth) {
    case LB_AUTH_BEARER:
        return add_secret(target, "Bearer", key);
    case LB_AUTH_APIKEY:
        return add_secret(target, "ApiKey", key);
    case LB_AUTH_BASIC:
        return add_basic(target, key);
    case LB_AUTH_HEADER:
        return lb_aim_header(target, config->auth_header, key);
    case LB_AUTH_NONE:
        break;
    }
    return 0;
}

int lb_aim_headers(const struct lb_sink_config *config, struct lb_target *target)
{
    const char *at = config->headers;
    int rc = 0;

    for (size_t len; rc == 0 && *at; at += len + (at[len] == ';')) {
        char line[LB_SINK_HEADER_LEN], *colon;

        at += strspn(at, " ");
        len = strcspn(at, ";");
        if (len == 0)
            continue;
        if (len >= sizeof line)
            return -E2BIG;
        memcpy(line, at, len);
        line[len] = '\0';
        colon = strchr(line, ':');
        if (!colon || colon == line)
            return -EINVAL;
        *colon = '\0';
        rc = lb_aim_header(target, line, colon + 1 + strspn(colon + 1, " "));
    }
    return rc;
}

enum lb_verdict lb_aim_judge(const struct lb_answer *answer)
{
    if (answer->is_clock_fault)
        return LB_VERDICT_CLOCK;
    if (answer->error)
        return LB_VERDICT_RETRY;
    if (answer->status >= 200 && answer->status <= 299)
        return LB_VERDICT_DELIVERED;
    if (answer->status >= 500)
        return LB_VERDICT_RETRY;
    switch (answer->status) {
    case 408:
    case 425:
    case 429:
        return LB_VERDICT_RETRY;
    case 413:
        return LB_VERDICT_SPLIT;
    case 400:
    case 406:
    case 422:
        return LB_VERDICT_BISECT;
    case 415:
        return LB_VERDICT_RECODE;
    default: /* 401, 403: the key; redirects, 404, 405 and the rest: the address */
        return LB_VERDICT_PAUSE;
    }
}
