// SPDX-License-Identifier: MIT
/*
 * The keys of [throttle], [redact] and [held]: rates and shares, `off`, and rules, of which each name is a
 * key of its own.
 */
#include "tests/unit/lib_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void rates_are_amounts_for_a_time_and_shares_one_in_so_many(void **state)
{
    const struct lb_config *c = test_config_of(
        "[throttle]\nrate = 200/s\nbytes = 50M/day\npattern_rate = 20/min\nsample = 1/7\n" TEST_SINK);

    (void)state;
    assert_int_equal(c->throttle.rate_per_day, 200 * 86400);
    assert_int_equal(c->throttle.bytes_per_day, 50 << 20);
    assert_int_equal(c->throttle.pattern_rate_per_day, 20 * 1440);
    assert_int_equal(c->throttle.sample, 7);
    test_refused("[throttle]\nrate = 200", "rate must be a rate, like 200/s, 20/min or 50M/day");
    test_refused("[throttle]\nrate = 200/fortnight", "rate must be a rate, like 200/s, 20/min or 50M/day");
    test_refused("[throttle]\nrate = /s", "rate must be a rate, like 200/s, 20/min or 50M/day");
    test_refused("[throttle]\nrate = 0/s", "rate is out of range: 1/day to 1G/s");
    test_refused("[throttle]\nsample = 3/7", "sample must be a share, like 1/100");
    test_refused("[throttle]\nsample = 1/0", "sample is out of range: 1/1 to 1/1000000");
}

static void off_turns_each_of_them_off(void **state)
{
    const struct lb_config *c = test_config_of(
        "[throttle]\nmin_level = off\nrate = off\nburst = off\nbytes = off\npattern_rate = off\n"
        "pattern_burst = off\nsample = off\nfloor = off\nfloor_rate = off\nfloor_burst = off\ncollapse = "
        "off\n"
        "max_patterns = off\ntrigger = off\ncontext = off\ncontext_bytes = off\n[held]\nsize = off\n"
        "[redact]\nbuiltin = off\n" TEST_SINK);
    const struct lb_throttle_config *t = &c->throttle;

    (void)state;
    assert_true(t->rate_per_day == LB_OFF && t->bytes_per_day == LB_OFF &&
                t->pattern_rate_per_day == LB_OFF && t->floor_rate_per_day == LB_OFF);
    assert_true(t->burst == 1 && t->pattern_burst == 1 && t->floor_burst == 1);
    assert_true(t->min_level == LB_LEVEL_DEBUG && t->floor == -1 && t->trigger == -1);
    assert_true(t->sample == 0 && t->collapse_ms == 0 && t->max_patterns == 0 && t->context_ms == 0 &&
                t->context_bytes == 0 && c->held_bytes == 0);
    assert_string_equal(c->redact.builtin, "off");
}

static void each_name_of_a_rule_is_a_key_of_its_own(void **state)
{
    const struct lb_config *c =
        test_config_of("[redact]\nrule pin = PIN (\\d+) = x\nreplace pin = PIN $1\n"
                       "rule b.2 = b\n[throttle]\ndrop health = GET /health\n" TEST_SINK);

    (void)state;
    assert_int_equal(c->redact.rule.count, 2);
    assert_string_equal(c->redact.rule.rule[0].name, "pin");
    assert_string_equal(c->redact.rule.rule[0].text, "PIN (\\d+) = x");
    assert_int_equal(c->redact.rule.rule[0].line, 2);
    assert_string_equal(c->redact.rule.rule[1].name, "b.2");
    assert_string_equal(c->redact.replace.rule[0].text, "PIN $1");
    assert_string_equal(c->throttle.drop.rule[0].name, "health");
    assert_int_equal(c->throttle.keep.count, 0);
    test_refused("[redact]\nrule = x", "unknown key \"rule\" in [redact]");
    test_refused("[redact]\nrule a b = x",
                 "the name in \"rule NAME\" must be 1 to 40 of A-Z a-z 0-9 . _ / @ : -");
    assert_non_null(strstr(test_faults_of("[redact]\nrule a = x\nrule b = x\nrule a = y\n" TEST_SINK),
                           "main.ini:4: a second value for rule a: the first is in line 2"));
    test_refused("[throttle]\ndrop a =", "drop a must not be empty: it would match every record");
}

static void a_later_file_replaces_a_rule_by_its_name(void **state)
{
    const struct lb_config *c;

    (void)state;
    test_write("conf.d/a.ini", "[redact]\nrule a = 2\nrule b = 3\n");
    c = test_config_of("[redact]\nrule a = 1\n" TEST_SINK);
    assert_int_equal(c->redact.rule.count, 2);
    assert_string_equal(c->redact.rule.rule[0].text, "2");
    assert_non_null(strstr(c->redact.rule.rule[0].file, "a.ini"));
    assert_string_equal(c->redact.rule.rule[1].text, "3");
    assert_int_equal(unlink(test_path("conf.d/a.ini")), 0);
}

static void a_service_has_what_it_says_itself_and_else_what_the_sections_say(void **state)
{
    const struct lb_config *c = test_config_of(
        "[service a]\nrate = 7/s\nbuiltin = email\ndrop own = x\n[throttle]\nrate = 9/s\nburst = 3\n"
        "drop all = y\n[redact]\nbuiltin = all -email\n" TEST_SINK);
    const struct lb_service_config *a = lb_config_service(c, "a", 1), *b = lb_config_service(c, "b", 1);

    (void)state;
    assert_int_equal(a->throttle.rate_per_day, 7 * 86400);
    assert_int_equal(a->throttle.burst, 3);
    assert_string_equal(a->redact.builtin, "email");
    assert_int_equal(a->throttle.drop.count, 1);
    assert_int_equal(b->throttle.rate_per_day, 9 * 86400);
    assert_string_equal(b->redact.builtin, "all -email");
    assert_int_equal(b->throttle.drop.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_make_dir, test_remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rates_are_amounts_for_a_time_and_shares_one_in_so_many),
        TEST(off_turns_each_of_them_off),
        TEST(each_name_of_a_rule_is_a_key_of_its_own),
        TEST(a_later_file_replaces_a_rule_by_its_name),
        TEST(a_service_has_what_it_says_itself_and_else_what_the_sections_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
