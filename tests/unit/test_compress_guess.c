/* SPDX-License-Identifier: MIT */
/*
 * How long a body would be: of each size the first ones are squeezed, then some by chance, and the rest is
 * guessed by them.
 */
#include "agent/ship/compress_guess.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ship/compress.h"

static struct lb_compress_guess guess;

static int begin(void **state)
{
    (void)state;
    guess = (struct lb_compress_guess) { .one_in = 8 };
    return 0;
}

/* Bodies of a length that come to one part in `ratio`. Returns what they add up to, squeezed or guessed. */
static uint64_t bodies(unsigned count, size_t len, unsigned ratio, unsigned *ret_squeezed)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < count; i++) {
        size_t guessed = lb_compress_guess(&guess, len, len), real = len / ratio;

        if (guessed == 0) {
            lb_compress_learn(&guess, len, len, real);
            (*ret_squeezed)++;
        }
        sum += guessed ? guessed : real;
    }
    return sum;
}

static void the_first_are_squeezed_then_one_in_so_many(void **state)
{
    unsigned squeezed = 0;

    (void)state;
    bodies(32, 10000, 5, &squeezed);
    assert_int_equal(squeezed, 32);
    assert_int_equal(bodies(8000, 10000, 5, &squeezed), 8000 * 2000);
    assert_in_range(squeezed, 32 + 900, 32 + 1100);
    assert_in_range(guess.guessed_bytes, guess.bytes * 85 / 100, guess.bytes * 90 / 100);
}

static void bodies_of_another_size_are_learnt_for_themselves(void **state)
{
    unsigned small = 0, large = 0;

    (void)state;
    bodies(1000, 1000, 2, &small);
    assert_int_equal(bodies(20, 100000, 10, &large), 20 * 10000);
    assert_int_equal(large, 20);
}

static void a_log_that_says_other_things_is_learnt_anew(void **state)
{
    unsigned squeezed = 0;
    uint64_t sum;

    (void)state;
    bodies(1000, 10000, 20, &squeezed);
    sum = bodies(1000, 10000, 2, &squeezed);
    assert_in_range(sum, 1000 * 5000 * 96 / 100, 1000 * 5000);
}

static void a_compressor_that_guesses_says_how_much_it_measured(void **state)
{
    static char text[20000], to[40000];
    struct lb_compressor *compressor = lb_compressor_new(LB_COMPRESSION_ZSTD, 3);
    long first, last = 0;

    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i * i % 23 % 17);
    assert_int_equal(lb_compressor_guess(compressor, 8), 0);
    first = lb_compress(compressor, text, sizeof text, to, sizeof to);
    assert_true(lb_compressor_measured(compressor) == 1);
    for (unsigned i = 0; i < 1000; i++)
        last = lb_compress(compressor, text, sizeof text, to, sizeof to);
    assert_int_equal(last, first);
    assert_true(lb_compressor_measured(compressor) > 0.1 && lb_compressor_measured(compressor) < 0.2);
    lb_compressor_free(compressor);

    compressor = lb_compressor_new(LB_COMPRESSION_NONE, 0);
    assert_int_equal(lb_compressor_guess(compressor, 8), 0);
    assert_int_equal(lb_compress(compressor, text, 5, to, sizeof to), 5);
    assert_true(lb_compressor_measured(compressor) == 1);
    lb_compressor_free(compressor);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_first_are_squeezed_then_one_in_so_many, begin),
        cmocka_unit_test_setup(bodies_of_another_size_are_learnt_for_themselves, begin),
        cmocka_unit_test_setup(a_log_that_says_other_things_is_learnt_anew, begin),
        cmocka_unit_test_setup(a_compressor_that_guesses_says_how_much_it_measured, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
