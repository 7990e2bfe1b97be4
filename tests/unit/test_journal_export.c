/* SPDX-License-Identifier: MIT */
/*
 * The journal's export format.
 *
 * The story: journalctl writes entries into a pipe, which cuts them where it likes. Text and binary fields,
 * odd ones and broken ones come; what is asked for is found, the rest is passed over, and nothing grows.
 */
#include "agent/capture/journal_export.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MESSAGE_MAX 4096

static struct lb_journal journal;
static char message[MESSAGE_MAX], input[65536];
static size_t input_len;

static int begin(void **state)
{
    (void)state;
    lb_journal_init(&journal, message, sizeof message);
    input_len = 0;
    return 0;
}

static void text(const char *name, const char *value)
{
    input_len += (size_t)snprintf(input + input_len, sizeof input - input_len, "%s=%s\n", name, value);
}

static void raw(const char *bytes, size_t len)
{
    memcpy(input + input_len, bytes, len);
    input_len += len;
}

static void binary(const char *name, const char *bytes, uint64_t len, size_t stored)
{
    raw(name, strlen(name));
    raw("\n", 1);
    for (unsigned i = 0; i < 8; i++)
        input[input_len++] = (char)(len >> (8 * i));
    raw(bytes, stored);
    raw("\n", 1);
}

/* Feed all of it in pieces of this size; each entry's message and cursor are put into told. */
static int64_t feed(size_t piece, char *told, size_t size)
{
    size_t used = 0;

    told[0] = '\0';
    lb_journal_init(&journal, message, sizeof message);
    for (size_t at = 0; at < input_len;) {
        size_t left = input_len - at;
        bool has_entry;
        int64_t got = lb_journal_feed(&journal, input + at, left < piece ? left : piece, &has_entry);

        if (got < 0)
            return got;
        at += (size_t)got;
        if (has_entry)
            used += (size_t)snprintf(told + used, size - used, "[%.*s|%s%s]", (int)journal.message_len,
                                     journal.message, journal.value[LB_JOURNAL_CURSOR].text,
                                     journal.is_message_cut ? "|cut" : "");
    }
    return 0;
}

static void assert_told(const char *expected)
{
    static const size_t pieces[] = { 1, 2, 3, 7, 64, 65536 };
    static char told[16384];

    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        assert_int_equal(feed(pieces[i], told, sizeof told), 0);
        assert_string_equal(told, expected);
    }
}

static void entries_come_out_however_the_bytes_are_cut(void **state)
{
    (void)state;
    text("__CURSOR", "s=1;i=1");
    text("MESSAGE", "one = two");
    text("PRIORITY", "3");
    raw("\n", 1);
    text("__CURSOR", "s=1;i=2");
    binary("MESSAGE", "two\nlines\n\nand =", 16, 16);
    text("_PID", "7");
    raw("\n\n\n", 3);
    text("__CURSOR", "s=1;i=3");
    text("MESSAGE", "");
    raw("\n", 1);
    text("__CURSOR", "half");
    assert_told("[one = two|s=1;i=1][two\nlines\n\nand =|s=1;i=2][|s=1;i=3]");
}

static void a_field_that_nobody_asks_for_is_passed_over(void **state)
{
    char long_value[20000];

    (void)state;
    memset(long_value, 'x', sizeof long_value);
    binary("COREDUMP", long_value, sizeof long_value, sizeof long_value);
    text("_EXTRA", "MESSAGE=not this one");
    binary("EMPTY", "", 0, 0);
    binary("TRAP", "\n\nMESSAGE=nor this\n", 19, 19);
    text("MESSAGE", "this");
    text("__CURSOR", "c");
    raw("\n", 1);
    assert_told("[this|c]");
}

static void of_two_fields_of_a_name_the_first_one_counts(void **state)
{
    (void)state;
    text("MESSAGE", "first");
    text("MESSAGE", "second");
    text("__CURSOR", "a");
    text("__CURSOR", "b");
    raw("\n", 1);
    assert_told("[first|a]");
}

static void an_entry_without_a_message_has_none(void **state)
{
    bool has_entry;

    (void)state;
    text("__CURSOR", "c");
    raw("\n", 1);
    assert_int_equal(lb_journal_feed(&journal, input, input_len, &has_entry), input_len);
    assert_true(has_entry);
    assert_false(journal.has_message);
}

static void what_is_longer_than_its_room_is_cut_and_told(void **state)
{
    static char long_value[MESSAGE_MAX + 100], expected[MESSAGE_MAX + 32];

    (void)state;
    memset(long_value, 'm', sizeof long_value);
    binary("MESSAGE", long_value, sizeof long_value, sizeof long_value);
    text("__CURSOR", "c");
    raw("\n", 1);
    snprintf(expected, sizeof expected, "[%.*s|c|cut]", MESSAGE_MAX, long_value);
    assert_told(expected);
    begin(state);
    long_value[LB_JOURNAL_VALUE_MAX + 1] = '\0';
    text("__CURSOR", long_value);
    raw("\n", 1);
    assert_told("[|"
                "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
                "mmmmmmmmmmmmm"
                "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
                "mmmmmmmmmmmmm"
                "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm]");
    assert_true(journal.value[LB_JOURNAL_CURSOR].is_cut);
}

static void a_line_that_is_no_field_is_passed_over_and_counted(void **state)
{
    (void)state;
    raw("-- No entries --\n", 17);
    raw("=no name\n", 9);
    text("MESSAGE", "yes");
    raw("lower=case\n", 11);
    raw("9DIGIT=first\n", 13);
    text("THIS_NAME_IS_LONGER_THAN_ANY_THAT_JOURNALD_WOULD_EVER_LET_THROUGH", "x");
    text("__CURSOR", "c");
    raw("\n", 1);
    assert_told("[yes|c]");
    assert_int_equal(journal.junk_lines, 5);
}

static void out_of_step_is_said_once_and_for_all(void **state)
{
    static char told[64];

    (void)state;
    binary("MESSAGE", "abc", LB_JOURNAL_FIELD_MAX + 1, 3);
    assert_int_equal(feed(65536, told, sizeof told), -EBADMSG);
    assert_int_equal(feed(1, told, sizeof told), -EBADMSG);
    begin(state);
    binary("MESSAGE", "abcd", 3, 4); /* its length is wrong: no LF where it ends */
    assert_int_equal(feed(5, told, sizeof told), -EBADMSG);
}

static struct lb_journal_entry describe(void)
{
    struct lb_journal_entry entry;
    bool has_entry;

    raw("\n", 1);
    lb_journal_init(&journal, message, sizeof message);
    assert_int_equal(lb_journal_feed(&journal, input, input_len, &has_entry), input_len);
    assert_true(has_entry);
    lb_journal_describe(&journal, &entry);
    input_len = 0;
    return entry;
}

static void assert_service(struct lb_journal_entry entry, const char *name)
{
    assert_int_equal(entry.service_len, strlen(name));
    assert_memory_equal(entry.service, name, strlen(name));
}

static void a_unit_is_the_service_and_a_scope_is_none(void **state)
{
    struct lb_journal_entry entry;

    (void)state;
    text("_SYSTEMD_UNIT", "getty@tty1.service");
    text("SYSLOG_IDENTIFIER", "agetty");
    text("_PID", "812");
    text("_UID", "0");
    text("PRIORITY", "4");
    text("__MONOTONIC_TIMESTAMP", "61234567");
    entry = describe();
    assert_service(entry, "getty@tty1");
    assert_int_equal(entry.pid, 812);
    assert_int_equal(entry.uid, 0);
    assert_int_equal(entry.level, 4);
    assert_int_equal(entry.monotonic_us, 61234567);
    text("_SYSTEMD_UNIT", "session-3.scope");
    text("SYSLOG_IDENTIFIER", "sudo");
    entry = describe();
    assert_service(entry, "sudo");
    assert_int_equal(entry.unit_len, strlen("session-3.scope"));
    text("SYSLOG_IDENTIFIER", "kernel");
    entry = describe();
    assert_service(entry, "kernel");
    assert_int_equal(entry.level, -1);
    assert_int_equal(entry.pid, 0);
    assert_int_equal(entry.uid, (uint32_t)-1);
    text("_COMM", "python3");
    assert_service(describe(), "python3");
    text("_SYSTEMD_UNIT", "x.scope");
    assert_service(describe(), "x.scope");
    text("_SYSTEMD_UNIT", ".service");
    assert_service(describe(), ".service");
}

static void what_systemd_says_about_a_unit_is_that_units(void **state)
{
    (void)state;
    text("_SYSTEMD_UNIT", "init.scope");
    text("UNIT", "nginx.service");
    text("_PID", "1");
    assert_service(describe(), "nginx");
    text("_SYSTEMD_UNIT", "liar.service");
    text("UNIT", "nginx.service");
    text("_PID", "99");
    assert_service(describe(), "liar");
}

static void numbers_that_are_none_are_not_told(void **state)
{
    struct lb_journal_entry entry;

    (void)state;
    text("_PID", "-1");
    text("_UID", "4294967295");
    text("PRIORITY", "8");
    text("__MONOTONIC_TIMESTAMP", "99999999999999999999");
    entry = describe();
    assert_int_equal(entry.pid, 0);
    assert_int_equal(entry.uid, (uint32_t)-1);
    assert_int_equal(entry.level, -1);
    assert_int_equal(entry.monotonic_us, 0);
}

static bool is_wanted(const char *units, const char *unit)
{
    return lb_journal_is_wanted(units, unit, strlen(unit));
}

static void units_are_wanted_by_name_or_glob(void **state)
{
    (void)state;
    assert_true(is_wanted("", "anything"));
    assert_true(is_wanted("  ", "anything"));
    assert_true(is_wanted("a nginx b", "nginx"));
    assert_true(is_wanted("nginx.service", "nginx"));
    assert_true(is_wanted("getty@*.service", "getty@tty1"));
    assert_true(is_wanted("getty@*", "getty@tty1"));
    assert_true(is_wanted("session-*.scope", "session-1.scope"));
    assert_false(is_wanted("nginx", "nginx2"));
    assert_false(is_wanted("nginx", ""));
    assert_true(lb_journal_is_wanted("nginx", "nginx.service", 5));
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entries_come_out_however_the_bytes_are_cut),
        TEST(a_field_that_nobody_asks_for_is_passed_over),
        TEST(of_two_fields_of_a_name_the_first_one_counts),
        TEST(an_entry_without_a_message_has_none),
        TEST(what_is_longer_than_its_room_is_cut_and_told),
        TEST(a_line_that_is_no_field_is_passed_over_and_counted),
        TEST(out_of_step_is_said_once_and_for_all),
        TEST(a_unit_is_the_service_and_a_scope_is_none),
        TEST(what_systemd_says_about_a_unit_is_that_units),
        TEST(numbers_that_are_none_are_not_told),
        TEST(units_are_wanted_by_name_or_glob),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
