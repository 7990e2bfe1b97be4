/* SPDX-License-Identifier: MIT */
/*
 * Where tokens and private keys are in a text. In: a text, and which rules are on. Out: spans. Always true: a
 * token of a known shape is found wherever it begins behind what is neither letter nor digit.
 */
#include <string.h>

#include "agent/shape/redact_parts.h"
#include "common/eight.h"

static inline bool is_token(char c)
{
    return lb_redact_is(c, LB_REDACT_TOKEN);
}

/* Is it behind "Bearer" or "Basic"? Then it is a credential, whatever it looks like. */
static bool is_behind_scheme(const struct lb_redact_find *find, size_t at)
{
    static const char *const schemes[] = { "bearer", "basic", "negotiate" };
    size_t end = at;

    while (end > 0 && find->text[end - 1] == ' ')
        end--;
    if (end == at || end < 5 || !memchr("rceRCE", find->text[end - 1], 6)) /* the last letters of them */
        return false;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = strlen(schemes[i]);

        if (end >= len && strncasecmp(find->text + end - len, schemes[i], len) == 0 &&
            (end == len || !lb_redact_is_alnum(find->text[end - len - 1])))
            return true;
    }
    return false;
}

static void look_at_run(struct lb_redact_find *find, size_t start, size_t end)
{
    enum lb_redact_rule rule;
    size_t at, len;

    while (start < end) {
        if (lb_redact_has(find, LB_REDACT_AUTHORIZATION) && is_behind_scheme(find, start)) {
            lb_redact_add(find, start, end - start, LB_REDACT_AUTHORIZATION);
            return;
        }
        len = lb_redact_judge_token(find->text + start, end - start, &at, &rule);
        if (len == 0)
            return;
        if (lb_redact_has(find, rule))
            lb_redact_add(find, start + at, len, rule);
        start += at + len;
    }
}

/* Are these eight bytes of a token? No blank, quote, bracket or comma is: a first look. */
static inline bool may_be_token(const char *text)
{
    return lb_eight_below(lb_eight_load(text), '+') == 0;
}

/* A run of 16 characters has one at a place that 16 divides, and eight in a row on one side of it. */
void lb_redact_find_tokens(struct lb_redact_find *find)
{
    size_t done = 0;

    for (size_t at = LB_REDACT_TOKEN_LEAST - 1; at < find->len; at += LB_REDACT_TOKEN_LEAST) {
        size_t start = at, end = at;

        if (at < done || !is_token(find->text[at]) ||
            !(may_be_token(find->text + at - 7) || (at + 8 < find->len && may_be_token(find->text + at + 1))))
            continue;
        while (start > done && is_token(find->text[start - 1]))
            start--;
        while (end < find->len && is_token(find->text[end]))
            end++;
        done = end;
        if (end - start >= LB_REDACT_TOKEN_LEAST)
            look_at_run(find, start, end);
    }
}

void lb_redact_find_private_keys(struct lb_redact_find *find)
{
    const char *begin = find->text, *end, *line, *stop = find->text + find->len;

    while ((begin = memmem(begin, (size_t)(stop - begin), "-----BEGIN ", 11))) {
        line = memmem(begin + 11, (size_t)(stop - begin - 11), "-----", 5);
        if (!line || !memmem(begin, (size_t)(line - begin), "PRIVATE KEY", 11)) {
            begin += 11;
            continue;
        }
        line += 5;
        end = memmem(line, (size_t)(stop - line), "-----END", 8);
        lb_redact_add(find, (size_t)(line - find->text), (size_t)((end ? end : stop) - line), LB_REDACT_PEM);
        if (!end)
            return;
        begin = end + 8;
    }
}
