/* SPDX-License-Identifier: MIT */
/* Texts as lines, and lines as records. In: a text. Out: where the joiner puts the boundaries.
 */
#include "tests/unit/lib_lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/shape/severity.h"

int test_level_of(const char *text, size_t len)
{
    struct lb_severity look;

    lb_severity_look(text, len, &look);
    return look.level;
}

void test_lines_of(struct test_lines *lines, const char *text, size_t len)
{
    *lines = (struct test_lines) { .text = malloc(len + 1) };
    assert_non_null(lines->text);
    memcpy(lines->text, text, len);
    lines->text[len] = '\0';
    for (const char *at = lines->text, *end = at + len; at < end;) {
        const char *eol = memchr(at, '\n', (size_t)(end - at));

        assert_true(lines->lines < TEST_LINES_MAX);
        lines->line[lines->lines] = at;
        lines->len[lines->lines++] = (size_t)((eol ? eol : end) - at);
        at = eol ? eol + 1 : end;
    }
}

void test_lines_free(struct test_lines *lines)
{
    free(lines->text);
    lines->text = NULL;
}

static enum lb_multiline_step show(struct lb_multiline *state, enum lb_multiline_mode mode,
                                   const struct test_lines *lines, unsigned i)
{
    size_t len = lines->len[i];
    char *copy = malloc(len ? len : 1);
    enum lb_multiline_step answer;

    assert_non_null(copy);
    memcpy(copy, lines->line[i], len);
    answer = lb_multiline_step(state, mode, copy, len, test_level_of(copy, len));
    free(copy);
    return answer;
}

/* Returns the line behind the record that begins at `first`. */
static unsigned join_one(struct test_lines *lines, enum lb_multiline_mode mode, unsigned first,
                         struct lb_multiline *state)
{
    unsigned joined = first, at = first;

    memset(state, 0, sizeof *state);
    while (at < lines->lines) {
        enum lb_multiline_step answer = show(state, mode, lines, at);

        assert_true(at > first || answer == LB_MULTILINE_JOIN);
        if (answer == LB_MULTILINE_NEW)
            break;
        at++;
        if (answer == LB_MULTILINE_JOIN)
            joined = at;
        assert_true(at - joined <= LB_MULTILINE_HOLD_MAX);
    }
    return joined;
}

void test_lines_join(struct test_lines *lines, enum lb_multiline_mode mode)
{
    struct lb_multiline state;

    memset(lines->is_first, 0, sizeof lines->is_first);
    for (unsigned at = 0; at < lines->lines;) {
        unsigned next = join_one(lines, mode, at, &state);

        assert_true(next > at);
        lines->is_first[at] = true;
        at = next;
    }
}

const char *test_records_of(const char *text)
{
    static char said[TEST_LINES_MAX * 4];
    struct test_lines lines;
    size_t at = 0;
    unsigned from = 0;

    test_lines_of(&lines, text, strlen(text));
    test_lines_join(&lines, LB_MULTILINE_PYTHON);
    said[0] = '\0';
    for (unsigned i = 1; i <= lines.lines; i++)
        if (i == lines.lines || lines.is_first[i]) {
            at += (size_t)snprintf(said + at, sizeof said - at, "%s%u", from ? " " : "", i - from);
            from = i;
        }
    test_lines_free(&lines);
    return said;
}

static void join_all(const char *text, struct lb_multiline *state)
{
    struct test_lines lines;

    test_lines_of(&lines, text, strlen(text));
    assert_int_equal(join_one(&lines, LB_MULTILINE_PYTHON, 0, state), lines.lines);
    test_lines_free(&lines);
}

const char *test_why_of(const char *text)
{
    struct lb_multiline state;

    join_all(text, &state);
    return lb_multiline_why(&state);
}

bool test_waits_after(const char *text)
{
    struct lb_multiline state;

    join_all(text, &state);
    return lb_multiline_waits(&state);
}
