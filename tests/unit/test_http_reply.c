/* SPDX-License-Identifier: MIT */
/*
 * What is kept of a reply: its Date and Retry-After, whatever else the head holds and however odd it is; and
 * where a head or a body that has no end is broken off. The transport around it is in test_http.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ship/http_reply.h"
#include "common/clock.h"

#define SERVER_DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

static struct lb_http_reply reply;

/* A line as libcurl hands it over: no NUL behind it, and nothing else that may be read. */
static bool line(const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);
    bool goes_on;

    assert_non_null(copy);
    memcpy(copy, text, len);
    goes_on = lb_http_reply_header(&reply, copy, len);
    free(copy);
    return goes_on;
}

static void begin(void)
{
    memset(&reply, 0, sizeof reply);
    assert_true(line("HTTP/1.1 503 Service Unavailable\r\n"));
}

/* What a head with this one line asks for. */
static uint64_t asked_ms(const char *text)
{
    begin();
    assert_true(line(text));
    return lb_http_reply_retry_after_ms(&reply);
}

/* The same, from a server whose clock shows 1994. */
static uint64_t asked_in_1994_ms(const char *text)
{
    begin();
    assert_true(line(SERVER_DATE));
    assert_true(line(text));
    return lb_http_reply_retry_after_ms(&reply);
}

static void seconds_are_seconds(void **state)
{
    (void)state;
    assert_int_equal(asked_ms("Retry-After: 120\r\n"), 120000);
    assert_int_equal(asked_ms("Retry-After: 0\r\n"), 0);
    assert_int_equal(asked_ms("Retry-After: 1\n"), 1000);
    assert_int_equal(asked_ms("Retry-After: 007\r\n"), 7000);
    begin();
    assert_int_equal(lb_http_reply_retry_after_ms(&reply), 0);
}

static void the_name_is_known_in_any_case_and_the_blanks_around_do_not_count(void **state)
{
    (void)state;
    assert_int_equal(asked_ms("retry-after:5\r\n"), 5000);
    assert_int_equal(asked_ms("RETRY-AFTER: \t 5 \r\n"), 5000);
    assert_int_equal(asked_ms("Retry-After: 5\t\r\n"), 5000);
    assert_int_equal(asked_ms("Retry-After: 5 \t \r\n"), 5000);
    assert_int_equal(asked_ms("Retry-After: 5"), 5000);
}

static void another_name_is_another_header(void **state)
{
    (void)state;
    assert_int_equal(asked_ms("X-Retry-After: 5\r\n"), 0);
    assert_int_equal(asked_ms("Retry-After-Us: 5\r\n"), 0);
    assert_int_equal(asked_ms("Retry-After : 5\r\n"), 0);
    assert_int_equal(asked_ms(" Retry-After: 5\r\n"), 0);
    assert_int_equal(asked_ms("Retry-Afte"), 0);
    assert_int_equal(asked_ms("Retry-After:"), 0);
    assert_int_equal(asked_ms(""), 0);
}

static void nonsense_asks_for_nothing(void **state)
{
    static const char *const nonsense[] = {
        "Retry-After:\r\n",      "Retry-After:  \r\n",   "Retry-After: soon\r\n",  "Retry-After: -5\r\n",
        "Retry-After: 5s\r\n",   "Retry-After: 5.5\r\n", "Retry-After: 5, 6\r\n",  "Retry-After: +5\r\n",
        "Retry-After: 0x10\r\n", "Retry-After: 1e3\r\n", "Retry-After: \"5\"\r\n", "Retry-After: %s%n\r\n",
        "Retry-After: \xff\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        assert_int_equal(asked_ms(nonsense[i]), 0);
        assert_int_equal(asked_in_1994_ms(nonsense[i]), 0);
    }
}

static void a_number_that_is_too_large_is_nonsense_and_none_overflows(void **state)
{
    (void)state;
    assert_true(asked_ms("Retry-After: 4294967295\r\n") == 4294967295000ull);
    assert_int_equal(asked_ms("Retry-After: 4294967296\r\n"), 0);
    assert_int_equal(asked_ms("Retry-After: 18446744073709551615\r\n"), 0);
    assert_int_equal(asked_ms("Retry-After: 18446744073709551616\r\n"), 0);
    assert_int_equal(asked_ms("Retry-After: 99999999999999999999999999999999999999\r\n"), 0);
}

static void a_date_is_set_against_the_server_s_own(void **state)
{
    (void)state;
    assert_int_equal(asked_in_1994_ms("Retry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n"), 60000);
    assert_int_equal(asked_in_1994_ms("Retry-After: Sunday, 06-Nov-94 08:50:37 GMT\r\n"), 60000);
    assert_int_equal(asked_in_1994_ms("Retry-After: Sun Nov  6 08:50:37 1994\r\n"), 60000);
    assert_int_equal(asked_in_1994_ms("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 0); /* now */
    assert_int_equal(asked_in_1994_ms("Retry-After: Sun, 06 Nov 1994 08:49:36 GMT\r\n"), 0); /* past */
    assert_int_equal(asked_in_1994_ms("Retry-After: Mon, 01 Jan 1900 00:00:00 GMT\r\n"), 0);
    assert_int_equal(asked_in_1994_ms("Retry-After: Sun, 06 Nov 1994 25:00:00 GMT\r\n"), 0); /* never */
    begin(); /* the order in which they come is the server's */
    line("Retry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n");
    line(SERVER_DATE);
    assert_int_equal(lb_http_reply_retry_after_ms(&reply), 60000);
}

static void without_a_date_of_the_server_ours_has_to_do(void **state)
{
    (void)state;
    assert_int_equal(asked_ms("Retry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n"), 0);
    /* libcurl reads no later year where a time_t has 32 bits. */
    assert_true(asked_ms("Retry-After: Thu, 01 Jan 2037 00:00:00 GMT\r\n") > 1000ull * 86400 * 1000);
    begin();
    line("Date: once upon a time\r\n");
    line("Retry-After: Thu, 01 Jan 2037 00:00:00 GMT\r\n");
    assert_true(lb_http_reply_retry_after_ms(&reply) > 1000ull * 86400 * 1000);
    assert_true(lb_http_reply_retry_after_ms(&reply) < 200ull * 366 * 86400 * 1000);
}

static void of_two_the_last_counts_and_a_fold_is_no_header(void **state)
{
    (void)state;
    begin();
    line("Retry-After: 5\r\n");
    line("Retry-After: 7\r\n");
    line(" 9\r\n");
    line("\tRetry-After: 11\r\n");
    line("\r\n");
    assert_int_equal(lb_http_reply_retry_after_ms(&reply), 7000);
}

/* What a 100 (or a proxy's answer) said is not the answer's. */
static void a_new_answer_begins_anew(void **state)
{
    (void)state;
    memset(&reply, 0, sizeof reply);
    line("HTTP/1.1 100 Continue\r\n");
    line("Retry-After: 5\r\n");
    line(SERVER_DATE);
    line("\r\n");
    line("HTTP/1.1 503 Busy\r\n");
    assert_string_equal(reply.date, "");
    assert_int_equal(lb_http_reply_retry_after_ms(&reply), 0);
    line("Retry-After: 9\r\n");
    assert_int_equal(lb_http_reply_retry_after_ms(&reply), 9000);
    line("HTTP/"); /* no answer's line is that short */
    assert_int_equal(lb_http_reply_retry_after_ms(&reply), 9000);
}

static void a_value_that_is_too_long_is_none(void **state)
{
    char text[256];

    (void)state;
    begin();
    line("Retry-After: 5\r\n");
    memset(text, '0', sizeof text);
    memcpy(text, "Retry-After: ", 13);
    memcpy(text + 13 + LB_HTTP_VALUE_MAX - 2, "7\r\n", 4); /* 63 bytes: the last that fits */
    assert_true(line(text));
    assert_int_equal(strlen(reply.retry_after), LB_HTTP_VALUE_MAX - 1);
    assert_int_equal(lb_http_reply_retry_after_ms(&reply), 7000);
    memset(text + 13, '0', 100);
    memcpy(text + 13 + LB_HTTP_VALUE_MAX - 1, "7\r\n", 4);
    assert_true(line(text));
    assert_string_equal(reply.retry_after, "");
    assert_int_equal(lb_http_reply_retry_after_ms(&reply), 0);
}

static void a_nul_ends_a_value_and_nothing_else(void **state)
{
    static const char text[] = "Retry-After: 5\0 6\r\n";

    (void)state;
    begin();
    assert_true(lb_http_reply_header(&reply, text, sizeof text - 1));
    assert_int_equal(lb_http_reply_retry_after_ms(&reply), 5000);
}

static void a_head_without_an_end_is_broken_off(void **state)
{
    char filler[1024];
    unsigned lines = 0;

    (void)state;
    memset(filler, 'x', sizeof filler);
    memset(&reply, 0, sizeof reply);
    line("Retry-After: 5\r\n");
    while (lb_http_reply_header(&reply, filler, sizeof filler))
        assert_true(++lines < 100);
    assert_int_equal(lines, 63); /* 64 KiB in all */
    assert_false(line("Retry-After: 9\r\n"));
    assert_int_equal(lb_http_reply_retry_after_ms(&reply), 5000);
    memset(&reply, 0, sizeof reply); /* one line may be all of it, to the byte */
    reply.head_bytes = 65536 - 2;
    assert_true(line("\r\n"));
    assert_false(line("\n"));
}

static void a_body_without_an_end_is_broken_off(void **state)
{
    static char bytes[65536];

    (void)state;
    memset(&reply, 0, sizeof reply);
    assert_true(lb_http_reply_body(&reply, bytes, 0));
    assert_true(lb_http_reply_body(&reply, bytes, 65536));
    assert_true(lb_http_reply_body(&reply, bytes, 0));
    assert_false(lb_http_reply_body(&reply, bytes, 1));
    assert_false(lb_http_reply_body(&reply, bytes, 0));
    assert_null(reply.text);
}

static void what_it_says_is_kept_where_somebody_wants_to_know(void **state)
{
    (void)state;
    reply = (struct lb_http_reply) { .is_wanted = true };
    assert_true(lb_http_reply_body(&reply, "{\"errors\":", 10));
    assert_true(lb_http_reply_body(&reply, "false}", 6));
    assert_int_equal(reply.text_len, 16);
    assert_memory_equal(reply.text, "{\"errors\":false}", 16);
    lb_http_reply_end(&reply);
    assert_null(reply.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seconds_are_seconds),
        cmocka_unit_test(the_name_is_known_in_any_case_and_the_blanks_around_do_not_count),
        cmocka_unit_test(another_name_is_another_header),
        cmocka_unit_test(nonsense_asks_for_nothing),
        cmocka_unit_test(a_number_that_is_too_large_is_nonsense_and_none_overflows),
        cmocka_unit_test(a_date_is_set_against_the_server_s_own),
        cmocka_unit_test(without_a_date_of_the_server_ours_has_to_do),
        cmocka_unit_test(of_two_the_last_counts_and_a_fold_is_no_header),
        cmocka_unit_test(a_new_answer_begins_anew),
        cmocka_unit_test(a_value_that_is_too_long_is_none),
        cmocka_unit_test(a_nul_ends_a_value_and_nothing_else),
        cmocka_unit_test(a_head_without_an_end_is_broken_off),
        cmocka_unit_test(a_body_without_an_end_is_broken_off),
        cmocka_unit_test(what_it_says_is_kept_where_somebody_wants_to_know),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
