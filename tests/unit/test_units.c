/* SPDX-License-Identifier: MIT */
/*
 * Numbers with units: what people write is read, what they may have meant
 * otherwise is refused, and what is printed reads back as the same number.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/units.h"

#define KIB 1024ull

static void a_number_is_decimal_digits_and_nothing_else(void **state)
{
    static const char *const wrong[] = { "", " 1", "1 ", "+1", "-1", "0x10", "1.5", "1e3", "ten", "1K" };
    uint64_t number = 77;

    (void)state;
    assert_int_equal(lb_units_number("0", &number), 0);
    assert_int_equal(number, 0);
    assert_int_equal(lb_units_number("18446744073709551615", &number), 0);
    assert_true(number == UINT64_MAX);
    number = 77;
    assert_int_equal(lb_units_number("18446744073709551616", &number), -ERANGE);
    assert_int_equal(lb_units_number("99999999999999999999999", &number), -ERANGE);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(lb_units_number(wrong[i], &number), -EINVAL);
    assert_int_equal(number, 77); /* an error leaves the result alone */
}

static void a_size_has_binary_units_in_four_spellings(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } right[] = {
        { "0", 0 },
        { "123", 123 },
        { "64K", 64 * KIB },
        { "64Ki", 64 * KIB },
        { "64KiB", 64 * KIB },
        { "64KB", 64 * KIB },
        { "8M", 8 * KIB * KIB },
        { "1G", KIB * KIB * KIB },
        { "16777215T", 16777215 * KIB * KIB * KIB * KIB },
    };
    static const char *const wrong[] = {
        "", "K", "64 K", "64k", "64B", "64KK", "-1K", "1.5M", "64Kibi", "off"
    };
    uint64_t bytes = 77;

    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_int_equal(lb_units_size(right[i].text, &bytes), 0);
        assert_true(bytes == right[i].bytes);
    }
    bytes = 77;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(lb_units_size(wrong[i], &bytes), -EINVAL);
    assert_int_equal(lb_units_size("16777216T", &bytes), -ERANGE);
    assert_int_equal(bytes, 77);
}

static void a_duration_needs_its_unit_except_for_zero(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } right[] = {
        { "0", 0 },       { "0s", 0 },       { "500ms", 500 },    { "30s", 30000 },
        { "5m", 300000 }, { "2h", 7200000 }, { "7d", 604800000 }, { "5y", 157680000000 },
    };
    static const char *const wrong[] = { "", "5", "00", "1h30m", "5 s", "1.5s", "5S", "5min", "-1s", "off" };
    uint64_t ms = 77;

    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_int_equal(lb_units_duration(right[i].text, &ms), 0);
        assert_true(ms == right[i].ms);
    }
    ms = 77;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(lb_units_duration(wrong[i], &ms), -EINVAL);
    assert_int_equal(lb_units_duration("18446744073709551615y", &ms), -ERANGE);
    assert_int_equal(ms, 77);
}

static void a_percentage_bears_its_sign(void **state)
{
    static const char *const wrong[] = { "", "10", "%", "10 %", "10%%", "1.5%", "-1%" };
    uint64_t percent = 77;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(lb_units_percent(wrong[i], &percent), -EINVAL);
    assert_int_equal(percent, 77);
    assert_int_equal(lb_units_percent("10%", &percent), 0);
    assert_int_equal(percent, 10);
}

static void a_bool_is_yes_or_no(void **state)
{
    bool value = false;

    (void)state;
    assert_int_equal(lb_units_bool("yes", &value), 0);
    assert_true(value);
    assert_int_equal(lb_units_bool("no", &value), 0);
    assert_false(value);
    assert_int_equal(lb_units_bool("true", &value), -EINVAL);
    assert_int_equal(lb_units_bool("Yes", &value), -EINVAL);
    assert_int_equal(lb_units_bool("", &value), -EINVAL);
}

static void the_shortest_exact_form_is_printed_and_reads_back(void **state)
{
    static const uint64_t numbers[] = { 0,     1,     999,      1000,       1024,      1500,
                                        90000, 65536, 86400000, UINT64_MAX, 3ull << 40 };
    char text[32];

    (void)state;
    assert_string_equal(lb_units_print_size(64 * KIB, text, sizeof text), "64K");
    assert_string_equal(lb_units_print_size(64 * KIB + 1, text, sizeof text), "65537");
    assert_string_equal(lb_units_print_size(4 * KIB * KIB, text, sizeof text), "4M");
    assert_string_equal(lb_units_print_duration(1500, text, sizeof text), "1500ms");
    assert_string_equal(lb_units_print_duration(90000, text, sizeof text), "90s");
    assert_string_equal(lb_units_print_duration(300000, text, sizeof text), "5m");
    assert_string_equal(lb_units_print_duration(0, text, sizeof text), "0s");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uint64_t back = 77;

        assert_int_equal(lb_units_size(lb_units_print_size(numbers[i], text, sizeof text), &back), 0);
        assert_true(back == numbers[i]);
        assert_int_equal(lb_units_duration(lb_units_print_duration(numbers[i], text, sizeof text), &back), 0);
        assert_true(back == numbers[i]);
    }
}

static void a_size_for_people_has_one_decimal(void **state)
{
    char text[32];

    (void)state;
    assert_string_equal(lb_units_print_human(0, text, sizeof text), "0 B");
    assert_string_equal(lb_units_print_human(1023, text, sizeof text), "1023 B");
    assert_string_equal(lb_units_print_human(1024, text, sizeof text), "1.0 KiB");
    assert_string_equal(lb_units_print_human(1024 * KIB - 1, text, sizeof text), "1.0 MiB");
    assert_string_equal(lb_units_print_human(2 * KIB * KIB, text, sizeof text), "2.0 MiB");
    assert_string_equal(lb_units_print_human(UINT64_MAX, text, sizeof text), "16.0 EiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_decimal_digits_and_nothing_else),
        cmocka_unit_test(a_size_has_binary_units_in_four_spellings),
        cmocka_unit_test(a_duration_needs_its_unit_except_for_zero),
        cmocka_unit_test(a_percentage_bears_its_sign),
        cmocka_unit_test(a_bool_is_yes_or_no),
        cmocka_unit_test(the_shortest_exact_form_is_printed_and_reads_back),
        cmocka_unit_test(a_size_for_people_has_one_decimal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
