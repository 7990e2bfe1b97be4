/* SPDX-License-Identifier: MIT */
/*
 * Is the clock synchronised? The kernel and the mark of systemd-timesyncd are played here: this program's own
 * adjtimex() and access() stand before those of the C library.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"

static struct {
    int state, status, error;
    bool has_mark;
    unsigned kernel_asked, mark_asked;
} played;

int adjtimex(struct timex *clock)
{
    played.kernel_asked++;
    if (clock->modes != 0)
        abort(); /* it would set the clock of this machine */
    if (played.error) {
        errno = played.error;
        return -1;
    }
    clock->status = played.status;
    return played.state;
}

int access(const char *path, int mode)
{
    if (strcmp(path, "/run/systemd/timesync/synchronized") != 0 || mode != F_OK)
        abort();
    played.mark_asked++;
    if (played.has_mark)
        return 0;
    errno = ENOENT;
    return -1;
}

static bool is_synced(int state, int status, int error, bool has_mark)
{
    memset(&played, 0, sizeof played);
    played.state = state;
    played.status = status;
    played.error = error;
    played.has_mark = has_mark;
    return lb_clock_is_synced();
}

static void the_kernel_s_word_counts(void **state)
{
    static const int running[] = { TIME_OK, TIME_INS, TIME_DEL, TIME_OOP,
                                   TIME_WAIT }; /* leap seconds are fine */

    (void)state;
    for (size_t i = 0; i < sizeof running / sizeof *running; i++) {
        assert_true(is_synced(running[i], STA_PLL | STA_NANO, 0, false));
        assert_false(is_synced(running[i], STA_PLL | STA_UNSYNC, 0, false));
    }
    assert_false(is_synced(TIME_ERROR, STA_UNSYNC, 0, false));
    assert_false(
        is_synced(TIME_ERROR, STA_CLOCKERR, 0, false)); /* broken, though nobody calls it unsynchronised */
}

/* The mark stays when the clock is set by hand. */
static void where_the_kernel_says_no_the_mark_is_not_asked(void **state)
{
    (void)state;
    assert_false(is_synced(TIME_ERROR, STA_UNSYNC, 0, true));
    assert_int_equal(played.kernel_asked, 1);
    assert_int_equal(played.mark_asked, 0);
}

static void where_the_kernel_may_not_be_asked_the_mark_counts(void **state)
{
    static const int errors[] = { EPERM, ENOSYS };

    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        assert_true(is_synced(0, 0, errors[i], true));
        assert_false(is_synced(0, 0, errors[i], false));
        assert_int_equal(played.mark_asked, 1);
    }
}

static void the_clocks_go_forward_and_count_nanoseconds(void **state)
{
    uint64_t boot = lb_clock_boot_ns(), wall = lb_clock_wall_ns(), seconds = (uint64_t)time(NULL);

    (void)state;
    assert_true(boot > 0 && lb_clock_boot_ns() >= boot);
    assert_in_range(wall / LB_NS_PER_S, seconds - 60, seconds + 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_s_word_counts),
        cmocka_unit_test(where_the_kernel_says_no_the_mark_is_not_asked),
        cmocka_unit_test(where_the_kernel_may_not_be_asked_the_mark_counts),
        cmocka_unit_test(the_clocks_go_forward_and_count_nanoseconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
