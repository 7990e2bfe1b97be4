/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what a service prints, and as rules of the user's. In: libFuzzer's bytes: the first one says
 * which built-in rules are on and how much room there is; a line that begins with '!' is an own rule, with
 * '>' its replacement. Out: nothing. Always true, or the run stops: what comes out fits the room; without own
 * rules a text that was masked stays as it is; a rule is compiled or told what is wrong with it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shape/filter.h"
#include "agent/shape/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

static char *line_of(const uint8_t *data, size_t size, char mark)
{
    const uint8_t *stop = size > 0 ? memchr(data, '\n', size) : NULL;

    if (!stop || data[0] != (uint8_t)mark)
        return NULL;
    return strndup((const char *)data + 1, (size_t)(stop - data) - 1);
}

static void filter_with(const char *pattern, const char *text, size_t len)
{
    struct lb_rule rule = { .name = "own", .text = (char *)(uintptr_t)pattern };
    struct lb_throttle_config all = { .drop = { &rule, 1 } };
    struct lb_filter_faults faults;
    struct lb_filter *filter;
    const char *name;

    if (lb_filter_compile(&all, NULL, &filter, &faults) == 0) {
        lb_filter_look(filter, text, len, &name);
        lb_filter_free(filter);
    } else {
        must(faults.count == 1 && faults.fault[0].text[0] != '\0');
    }
}

static void mask(const struct lb_redact *redact, const char *text, size_t len, size_t room_size, bool has_own)
{
    char *room = malloc(room_size ? room_size : 1), *again;
    uint8_t state = 0;
    struct lb_redact_result first, second;

    lb_redact_apply(redact, &state, text, len, room, room_size, &first);
    must(first.len <= (first.was_changed ? room_size : len));
    must(first.was_changed || (first.text == text && first.len == len));
    if (!has_own && first.was_changed && first.len < room_size) {
        again = malloc(first.len + 400);
        state = 0;
        lb_redact_apply(redact, &state, first.text, first.len, again, first.len + 400, &second);
        must(second.len == first.len && memcmp(second.text, first.text, first.len) == 0);
        free(again);
    }
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const builtin[] = {
        "all", "off", "all ipv4 ipv6", "password url", "card iban email", "pem jwt"
    };
    struct lb_redact_rule_text rule = { .name = "own" };
    struct lb_redact *redact;
    char *pattern = NULL, *replacement = NULL, *text, why[256] = "";
    size_t at = 1;
    int rc;

    if (size == 0)
        return 0;
    pattern = line_of(data + at, size - at, '!');
    if (pattern)
        at += strlen(pattern) + 2 <= size - at ? strlen(pattern) + 2 : size - at;
    replacement = line_of(data + at, size - at, '>');
    if (replacement)
        at += strlen(replacement) + 2 <= size - at ? strlen(replacement) + 2 : size - at;
    rule.pattern = pattern;
    rule.replacement = replacement;
    text = malloc(size - at + 1);
    memcpy(text, data + at, size - at);
    rc = lb_redact_compile(builtin[(data[0] & 7) % 6], &rule, pattern != NULL, &redact, why, sizeof why);
    must(rc == 0 || why[0] != '\0');
    if (rc == 0 && redact)
        mask(redact, text, size - at, (size - at) * 2 + (data[0] >> 3) * 16, pattern != NULL);
    if (rc == 0)
        lb_redact_free(redact);
    if (pattern)
        filter_with(pattern, text, size - at);
    free(text);
    free(pattern);
    free(replacement);
    return 0;
}
