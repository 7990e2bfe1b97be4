/* SPDX-License-Identifier: MIT */
/* The syslog sink: where an address leads, and what an answer means. Pure functions. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ship/sinks/sink.h"

static struct lb_target target;

static int aim_at(const char *address)
{
    struct lb_sink_config settings = { .address = (char *)(uintptr_t)address };

    return lb_sink_find("syslog")->aim(&settings, "", &target);
}

static void an_address_leads_to_a_server_or_a_socket(void **state)
{
    (void)state;
    assert_int_equal(aim_at("tls://h:6514"), 0);
    assert_string_equal(target.url, "https://h:6514");
    assert_string_equal(target.unix_path, "");
    assert_int_equal(aim_at("tcp://h:514"), 0);
    assert_string_equal(target.url, "http://h:514");
    assert_int_equal(aim_at("unix:/run/s"), 0);
    assert_string_equal(target.unix_path, "/run/s");
    assert_false(target.is_datagram);
    assert_int_equal(aim_at("unix-dgram:/run/d"), 0);
    assert_string_equal(target.unix_path, "/run/d");
    assert_true(target.is_datagram);
    assert_int_equal(aim_at("unix:/run/s"), 0);
    assert_false(target.is_datagram);
}

static void a_path_that_no_socket_can_have_is_not_aimed_at(void **state)
{
    char address[160] = "unix-dgram:/";

    (void)state;
    memset(address + 12, 'x', 107);
    assert_int_equal(aim_at(address), -E2BIG);
    address[11 + 107] = '\0';
    assert_int_equal(aim_at(address), 0);
}

static enum lb_verdict verdict_of(struct lb_answer answer)
{
    return lb_sink_find("syslog")->judge(&answer);
}

static void nobody_answers_so_what_is_no_failure_is_delivery(void **state)
{
    (void)state;
    assert_int_equal(verdict_of((struct lb_answer) { 0 }), LB_VERDICT_DELIVERED);
    assert_int_equal(verdict_of((struct lb_answer) { .error = ECONNREFUSED }), LB_VERDICT_RETRY);
    assert_int_equal(verdict_of((struct lb_answer) { .error = 60, .is_clock_fault = true }),
                     LB_VERDICT_CLOCK);
}

static void messages_that_no_datagram_takes_are_named_by_their_numbers(void **state)
{
    static char many[4 * LB_PARTLY_MAX + 16];
    struct lb_answer answer = { .reply = "0 17 999 ", .reply_len = 9 };
    struct lb_partly partly;
    char *to = many;

    (void)state;
    assert_int_equal(verdict_of(answer), LB_VERDICT_PARTLY);
    lb_sink_find("syslog")->partly(&answer, &partly);
    assert_int_equal(partly.count, 3);
    assert_int_equal(partly.index[0], 0);
    assert_int_equal(partly.index[1], 17);
    assert_int_equal(partly.index[2], 999);
    assert_int_equal(partly.unknown, 0);

    for (unsigned i = 0; i < LB_PARTLY_MAX + 2; i++)
        to += sprintf(to, "%u ", i);
    answer.reply = many;
    answer.reply_len = (size_t)(to - many);
    lb_sink_find("syslog")->partly(&answer, &partly);
    assert_int_equal(partly.count, LB_PARTLY_MAX);
    assert_int_equal(partly.unknown, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_leads_to_a_server_or_a_socket),
        cmocka_unit_test(a_path_that_no_socket_can_have_is_not_aimed_at),
        cmocka_unit_test(nobody_answers_so_what_is_no_failure_is_delivery),
        cmocka_unit_test(messages_that_no_datagram_takes_are_named_by_their_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
