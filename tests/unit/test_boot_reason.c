/* SPDX-License-Identifier: MIT */
/*
 * Why the machine started.
 *
 * The story: a device was restarted in the field. Where its bootloader or its watchdog tells why, that is
 * said; where they do not, or what they say makes no sense, nothing is made up.
 */
#include "agent/wear/boot_reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_board.h"

#define RSTS     "/proc/device-tree/chosen/bootloader/rsts"
#define WATCHDOG "/sys/class/watchdog/watchdog0/bootstatus"

static const char *reason(void)
{
    static char text[96];

    memset(text, 'x', sizeof text);
    lb_boot_reason(board_root, text, sizeof text);
    return text;
}

static const char *reason_of_cell(const char *cell, size_t len)
{
    board_put_bytes(RSTS, cell, len);
    return reason();
}

static void a_board_that_does_not_tell_has_no_reason(void **state)
{
    (void)state;
    assert_string_equal(reason(), "");
}

static void a_pi_tells_by_a_cell_of_the_device_tree(void **state)
{
    (void)state;
    assert_string_equal(reason_of_cell("\0\0\x10\0", 4), "power was switched on (reset status 0x1000)");
    assert_string_equal(reason_of_cell("\0\0\0\x20", 4), "a reboot, or the watchdog (reset status 0x20)");
    assert_string_equal(reason_of_cell("\0\0\x10\x20", 4), "power was switched on (reset status 0x1020)");
    assert_string_equal(reason_of_cell("\xff\0\x04\0", 4), "not told (reset status 0xff000400)");
    assert_string_equal(reason_of_cell("\0\0\0\0", 4), "not told (reset status 0x0)");
}

static void a_cell_that_is_cut_tells_nothing(void **state)
{
    (void)state;
    assert_string_equal(reason_of_cell("\0\0\x10", 3), "");
    assert_string_equal(reason_of_cell("", 0), "");
    board_remove(RSTS);
    board_put(RSTS "/x", "a directory");
    assert_string_equal(reason(), "");
}

static void a_watchdog_tells_by_its_bits(void **state)
{
    (void)state;
    board_put(WATCHDOG, "32\n");
    assert_string_equal(reason(), "the watchdog");
    board_put(WATCHDOG, "16\n");
    assert_string_equal(reason(), "power was too low");
    board_put(WATCHDOG, "1\n");
    assert_string_equal(reason(), "it was too hot");
    board_put(WATCHDOG, "33\n"); /* it was too hot to go on, and the watchdog ended it */
    assert_string_equal(reason(), "the watchdog");
    board_put(WATCHDOG, "0x20\n");
    assert_string_equal(reason(), "the watchdog");
}

static void a_watchdog_that_says_nothing_leaves_it_to_the_bootloader(void **state)
{
    static const char *const texts[] = { "0\n", "", "\n", "none\n", "-1\n", "4\n", " 32\n" };

    (void)state;
    board_put_bytes(RSTS, "\0\0\0\x20", 4);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        board_put(WATCHDOG, texts[i]);
        assert_string_equal(reason(), "a reboot, or the watchdog (reset status 0x20)");
    }
    board_put(WATCHDOG, "32\n"); /* which knows more */
    assert_string_equal(reason(), "the watchdog");
}

static void a_text_is_cut_where_there_is_no_room(void **state)
{
    char text[8];

    (void)state;
    board_put(WATCHDOG, "32\n");
    lb_boot_reason(board_root, text, sizeof text);
    assert_string_equal(text, "the wat");
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, board_begin, board_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_board_that_does_not_tell_has_no_reason),
        CLAIM(a_pi_tells_by_a_cell_of_the_device_tree),
        CLAIM(a_cell_that_is_cut_tells_nothing),
        CLAIM(a_watchdog_tells_by_its_bits),
        CLAIM(a_watchdog_that_says_nothing_leaves_it_to_the_bootloader),
        CLAIM(a_text_is_cut_where_there_is_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
