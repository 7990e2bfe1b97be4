/* SPDX-License-Identifier: MIT */
/* A lookup beside the loop: of what needs no network. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ship/resolve.h"

static struct lb_loop loop;
static unsigned calls, found;
static char first[64], reason[128];

static void note(void *ctx, char address[][64], unsigned count, const char *why)
{
    assert_ptr_equal(ctx, &loop);
    calls++;
    found = count;
    snprintf(first, sizeof first, "%s", count > 0 ? address[0] : "");
    snprintf(reason, sizeof reason, "%s", why);
}

static void look_up(const char *host)
{
    struct lb_resolve *resolve;

    calls = 0;
    assert_int_equal(lb_resolve_start(&loop, host, note, &loop, &resolve), 0);
    assert_int_equal(calls, 0); /* never from within */
    while (calls == 0)
        assert_int_equal(lb_loop_turn(&loop, true), 0);
}

static void an_address_is_its_own(void **state)
{
    (void)state;
    look_up("127.0.0.1");
    assert_int_equal(found, 1);
    assert_string_equal(first, "127.0.0.1");
}

static void what_is_no_name_has_none_and_it_is_told(void **state)
{
    (void)state;
    look_up("no name at all");
    assert_int_equal(found, 0);
    assert_non_null(strstr(reason, "no address"));
}

static void who_waits_no_more_hears_nothing(void **state)
{
    struct lb_resolve *resolve;

    (void)state;
    calls = 0;
    for (int i = 0; i < 3 * LB_RESOLVE_MAX; i++) {
        int rc = lb_resolve_start(&loop, "127.0.0.1", note, &loop, &resolve);

        assert_true(rc == 0 || rc == -EBUSY); /* those before may be looking still */
        if (rc == 0)
            lb_resolve_cancel(resolve);
    }
    assert_int_equal(lb_loop_turn(&loop, false), 0);
    assert_int_equal(calls, 0);
    do
        errno = -lb_resolve_start(&loop, "127.0.0.1", note, &loop, &resolve);
    while (errno == EBUSY);
    while (calls == 0)
        assert_int_equal(lb_loop_turn(&loop, true), 0);
    assert_int_equal(calls, 1);
}

static int open_loop(void **state)
{
    (void)state;
    return lb_loop_init(&loop);
}

static int close_loop(void **state)
{
    (void)state;
    lb_loop_close(&loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_address_is_its_own, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(what_is_no_name_has_none_and_it_is_told, open_loop, close_loop),
        cmocka_unit_test_setup_teardown(who_waits_no_more_hears_nothing, open_loop, close_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
