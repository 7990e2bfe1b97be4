/* SPDX-License-Identifier: MIT */
/* Escape sequences leave a text without a trace, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/shape/ansi.h"

/* In place and in a block of its own, of which the end is the text's. */
static void check(const char *from, const char *to)
{
    size_t len = strlen(from);
    char *copy = malloc(len ? len : 1), *other = malloc(len ? len : 1);

    memcpy(copy, from, len);
    assert_int_equal(lb_ansi_strip(other, copy, len), strlen(to));
    assert_memory_equal(other, to, strlen(to));
    assert_int_equal(lb_ansi_strip(copy, copy, len), strlen(to));
    assert_memory_equal(copy, to, strlen(to));
    free(copy);
    free(other);
}

static void each_kind_of_sequence_is_stripped(void **state)
{
    (void)state;
    check("\x1b[1;31mred\x1b[0m", "red");
    check("a\x1b[38;2;1;2;3mb\x1b[Kc\x1b[?25ld\x1b[2 qe", "abcde");
    check("\x1b]0;title\x07"
          "a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
          "alink");
    check("\x1bP1$r\x1b\\a\x1b_x\x1b\\b\x1b^x\x1b\\c\x1bXx\x1b\\d", "abcd");
    check("\x1b(Ba\x1b#8b\x1b"
          "7c\x1b=d\x1bMe",
          "abcde");
}

static void plain_text_is_untouched(void **state)
{
    (void)state;
    check("", "");
    check("no [31m colours \xc3\xa4 here", "no [31m colours \xc3\xa4 here");
}

static void what_is_not_complete_is_kept(void **state)
{
    (void)state;
    check("a\x1b", "a\x1b");
    check("a\x1b[", "a\x1b[");
    check("a\x1b[31", "a\x1b[31");
    check("a\x1b]0;title", "a\x1b]0;title");
    check("a\x1b(", "a\x1b(");
    check("\x1b[3\x01m", "\x1b[3\x01m");
    check("\x1b\x1b[0mx", "\x1bx");
    check("\x1b]0;never\x1b[31m ends", "\x1b]0;never ends");
}

static void the_length_is_that_of_the_sequence_at_the_front(void **state)
{
    (void)state;
    assert_int_equal(lb_ansi_length("\x1b[0mx", 5), 4);
    assert_int_equal(lb_ansi_length("x\x1b[0m", 5), 0);
    assert_int_equal(lb_ansi_length("\x1b[0", 3), 0);
    assert_int_equal(lb_ansi_length("", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_sequence_is_stripped),
        cmocka_unit_test(plain_text_is_untouched),
        cmocka_unit_test(what_is_not_complete_is_kept),
        cmocka_unit_test(the_length_is_that_of_the_sequence_at_the_front),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
