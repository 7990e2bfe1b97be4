/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a line: its level and ids, and its escape sequences. In: libFuzzer's bytes. Out: nothing.
 * Always true, or the run stops: a level comes with its rule; an id lies in the line and is digits or hex,
 * and not 0; a text without escapes is no longer than before, the same text if it is as long, and the same in
 * place.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shape/ansi.h"
#include "agent/shape/severity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_id(const char *text, size_t size, struct lb_severity_span id)
{
    bool is_zero = true;

    if (id.len == 0)
        return;
    must(id.len <= 39 && (size_t)id.at + id.len <= size);
    for (size_t i = id.at; i < (size_t)id.at + id.len; i++) {
        must(text[i] != '\0' && strchr("0123456789abcdefABCDEF", text[i]));
        is_zero &= text[i] == '0';
    }
    must(!is_zero);
}

static void check_line(const char *text, size_t size)
{
    struct lb_severity found;

    lb_severity_look(text, size, &found);
    must(found.level >= -1 && found.level <= 7);
    must((found.level < 0) == (found.rule == LB_SEVERITY_NONE));
    must(found.skip <= size && (found.skip > 0) == (found.rule == LB_SEVERITY_PRI));
    must(lb_severity_rule_name(found.rule) != NULL);
    check_id(text, size, found.trace_id);
    check_id(text, size, found.span_id);
}

static void check_escapes(char *text, size_t size)
{
    char *other = malloc(size ? size : 1);
    size_t len = lb_ansi_strip(other, text, size);

    must(len <= size && (len < size || memcmp(other, text, size) == 0));
    must(lb_ansi_length(text, size) <= size);
    must(lb_ansi_strip(text, text, size) == len && memcmp(text, other, len) == 0);
    free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1); /* its own block: a read past it is seen */

    memcpy(copy, data, size);
    check_line(copy, size);
    check_escapes(copy, size);
    free(copy);
    return 0;
}
