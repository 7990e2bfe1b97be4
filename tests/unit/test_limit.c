/* SPDX-License-Identifier: MIT */
/*
 * How much a service may send.
 *
 * The story: a service says a lot. What it says of one kind is sampled, what it says in all is limited, what
 * is bad is neither but has a limit of its own, and what was never said before passes.
 */
#include "agent/shape/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/level.h"
#include "tests/unit/lib_throttle.h"

#define DAY 86400ull

static struct lb_limit limit;
static struct lb_throttle_config settings;
static uint64_t now_ns;

static int begin(void **state)
{
    throttle_begin(state);
    lb_limit_open(&limit, &throttle_commit);
    settings = throttle_defaults();
    now_ns = 1000 * SECOND;
    for (uint32_t service = 0; service < 8;
         service++) /* all have said so much that patterns are told apart */
        lb_commit_set(&throttle_commit, LB_FAST_THROTTLE, service * LB_THROTTLE_WORDS + LB_THROTTLE_GATE_NS,
                      UINT64_MAX / 2);
    lb_commit_publish(&throttle_commit);
    return 0;
}

static struct lb_limit_answer ask_for(uint32_t service, int severity, uint64_t pattern, uint32_t lines,
                                      uint64_t bytes, bool is_kept)
{
    struct lb_limit_ask ask = { service, severity, is_kept, pattern, lines, bytes, now_ns, 0, 0 };
    struct lb_limit_answer answer;

    lb_limit_look(&limit, &settings, &ask, &answer);
    lb_limit_note(&limit, &settings, &ask, &answer);
    lb_commit_publish(&throttle_commit);
    return answer;
}

static enum lb_limit_wish wish_of(uint32_t service)
{
    struct lb_limit_ask ask = { service, LB_LEVEL_INFO, false, 0, 1, 100, now_ns, 0, 0 };

    return lb_limit_wish(&limit, &settings, &ask);
}

static enum lb_limit_verdict info(uint64_t pattern)
{
    return ask_for(3, LB_LEVEL_INFO, pattern, 1, 100, false).verdict;
}

/* How many of `count` such lines pass, `gap_ns` apart. */
static unsigned passing(unsigned count, uint64_t gap_ns, uint64_t pattern)
{
    unsigned passed = 0;

    for (unsigned i = 0; i < count; i++, now_ns += gap_ns)
        passed += info(pattern) == LB_LIMIT_PASS;
    return passed;
}

static void a_bucket_gives_its_burst_and_then_its_rate(void **state)
{
    uint64_t full_ns = 0;

    (void)state;
    for (int i = 0; i < 3; i++) {
        full_ns = lb_bucket_ask(full_ns, 10 * SECOND, 1, 2 * DAY, 3);
        assert_true(full_ns != UINT64_MAX);
    }
    assert_true(lb_bucket_ask(full_ns, 10 * SECOND, 1, 2 * DAY, 3) == UINT64_MAX);
    assert_true(lb_bucket_ask(full_ns, 10 * SECOND + 499 * MS, 1, 2 * DAY, 3) == UINT64_MAX);
    assert_true(lb_bucket_ask(full_ns, 10 * SECOND + 500 * MS, 1, 2 * DAY, 3) != UINT64_MAX);
    assert_true(lb_bucket_ask(full_ns, 9 * SECOND, 1, LB_OFF, 3) != UINT64_MAX);
}

static void what_is_larger_than_a_burst_passes_when_the_bucket_is_full(void **state)
{
    (void)state;
    assert_true(lb_bucket_ask(0, 10 * SECOND, 1000, DAY, 3) != UINT64_MAX);
    assert_true(lb_bucket_ask(11 * SECOND, 10 * SECOND, 1000, DAY, 3) == UINT64_MAX);
}

static void a_stamp_that_lies_before_the_last_one_gives_no_credit(void **state)
{
    uint64_t full_ns = lb_bucket_ask(0, 10 * SECOND, 3, DAY, 3);

    (void)state;
    assert_true(lb_bucket_ask(full_ns, 9 * SECOND, 1, DAY, 3) == UINT64_MAX);
}

static void a_service_below_twenty_lines_a_second_of_a_kind_is_left_alone_by_the_defaults(void **state)
{
    (void)state;
    for (unsigned second = 0; second < 120; second++, now_ns += SECOND)
        for (unsigned kind = 1; kind <= 20; kind++)
            for (unsigned i = 0; i < 19; i++)
                assert_int_equal(info(kind), LB_LIMIT_PASS);
}

static void beyond_its_rate_one_in_a_hundred_of_a_pattern_passes(void **state)
{
    (void)state;
    settings.pattern_rate_per_day = 1;
    assert_int_equal(passing(200, 0, 7), 200);
    assert_int_equal(passing(99, 0, 7), 0);
    assert_int_equal(info(7), LB_LIMIT_PASS);
    assert_int_equal(passing(1000, 0, 7), 10);
    settings.sample = 0;
    assert_int_equal(passing(1000, 0, 7), 0);
}

static void patterns_do_not_pay_for_each_other(void **state)
{
    (void)state;
    settings.sample = 0;
    assert_int_equal(passing(1000, 0, 7), 200);
    assert_int_equal(passing(100, 0, 8), 100);
}

static void a_pattern_recovers_at_its_rate(void **state)
{
    (void)state;
    settings.sample = 0;
    passing(1000, 0, 7);
    now_ns += SECOND;
    assert_int_equal(passing(1000, 0, 7), 20);
}

static void a_service_has_a_rate_over_all_its_patterns(void **state)
{
    unsigned passed = 0;

    (void)state;
    settings.burst = 100;
    settings.rate_per_day = DAY;
    for (unsigned i = 0; i < 1000; i++)
        passed += info(1 + i % 10) == LB_LIMIT_PASS;
    assert_int_equal(passed, 100);
    assert_int_equal(ask_for(3, LB_LEVEL_INFO, 1, 1, 1, false).verdict, LB_LIMIT_LIMIT);
    assert_int_equal(ask_for(4, LB_LEVEL_INFO, 1, 1, 1, false).verdict, LB_LIMIT_PASS);
}

static void the_first_of_a_pattern_passes_beyond_the_rate_but_not_without_end(void **state)
{
    unsigned passed = 0;

    (void)state;
    settings.burst = 1;
    settings.rate_per_day = 1;
    assert_int_equal(info(1), LB_LIMIT_PASS);
    assert_int_equal(info(1), LB_LIMIT_LIMIT);
    for (unsigned i = 0; i < 500; i++)
        passed += info(100 + i) == LB_LIMIT_PASS;
    assert_int_equal(passed, LB_LIMIT_NEW_BURST);
    now_ns += 2 * SECOND;
    passed = 0;
    for (unsigned i = 0; i < 500; i++)
        passed += info(1000 + i) == LB_LIMIT_PASS;
    assert_int_equal(passed, 2 * LB_LIMIT_NEW_RATE);
}

static void what_is_bad_is_never_sampled_and_has_a_rate_of_its_own(void **state)
{
    unsigned passed = 0;

    (void)state;
    passing(100000, 0, 7);
    for (unsigned i = 0; i < 1000; i++)
        passed += ask_for(3, LB_LEVEL_ERROR, 7, 1, 100, false).verdict == LB_LIMIT_PASS;
    assert_int_equal(passed, 500);
    now_ns += SECOND;
    assert_int_equal(ask_for(3, LB_LEVEL_WARNING, 7, 50, 100, false).verdict, LB_LIMIT_PASS);
    assert_int_equal(ask_for(3, LB_LEVEL_WARNING, 7, 1, 100, false).verdict, LB_LIMIT_LIMIT);
}

static void what_a_rule_keeps_is_of_the_floor(void **state)
{
    (void)state;
    settings.sample = 0;
    passing(1000, 0, 7);
    assert_int_equal(ask_for(3, LB_LEVEL_DEBUG, 7, 1, 100, true).verdict, LB_LIMIT_PASS);
}

static void with_the_floor_off_errors_are_as_all_else(void **state)
{
    (void)state;
    settings.floor = -1;
    settings.sample = 0;
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(ask_for(3, LB_LEVEL_ERROR, 7, 1, 100, false).verdict, LB_LIMIT_PASS);
    assert_int_equal(ask_for(3, LB_LEVEL_ERROR, 7, 1, 100, false).verdict, LB_LIMIT_SAMPLE);
}

static void bytes_are_limited_but_what_is_bad_only_pays(void **state)
{
    (void)state;
    settings.bytes_per_day = DAY * 100;
    assert_int_equal(ask_for(3, LB_LEVEL_INFO, 1, 1, 65536, false).verdict, LB_LIMIT_PASS);
    assert_int_equal(ask_for(3, LB_LEVEL_INFO, 1, 1, 100, false).verdict, LB_LIMIT_LIMIT);
    assert_int_equal(ask_for(3, LB_LEVEL_ERROR, 1, 1, 1000, false).verdict, LB_LIMIT_PASS);
    now_ns += 10 * SECOND;
    assert_int_equal(ask_for(3, LB_LEVEL_INFO, 1, 1, 100, false).verdict, LB_LIMIT_LIMIT);
    now_ns += SECOND;
    assert_int_equal(ask_for(3, LB_LEVEL_INFO, 1, 1, 100, false).verdict, LB_LIMIT_PASS);
}

static void looking_again_costs_nothing(void **state)
{
    struct lb_limit_ask ask = { 3, LB_LEVEL_INFO, false, 7, 1, 100, now_ns, 0, 0 };
    struct lb_limit_answer answer;

    (void)state;
    settings.sample = 0;
    for (unsigned i = 0; i < 1000; i++)
        lb_limit_look(&limit, &settings, &ask, &answer);
    assert_int_equal(passing(300, 0, 7), 200);
}

static void a_kill_gives_no_credit(void **state)
{
    (void)state;
    settings.sample = 0;
    passing(200, 0, 7);
    throttle_restart();
    lb_limit_open(&limit, &throttle_commit);
    assert_int_equal(passing(100, 0, 7), 0);
}

static void the_pattern_not_seen_for_longest_gives_way(void **state)
{
    (void)state;
    settings.max_patterns = 3;
    settings.sample = 0;
    for (unsigned pattern = 1; pattern <= 3; pattern++)
        passing(200, 0, pattern);
    info(1); /* seen again, though it is held */
    info(4); /* 2 gives way */
    assert_int_equal(limit.count[3], 3);
    assert_int_equal(info(1), LB_LIMIT_SAMPLE);
    assert_int_equal(info(2), LB_LIMIT_PASS);
}

static void a_full_table_takes_from_the_service_that_has_most(void **state)
{
    (void)state;
    settings.max_patterns = LB_PATTERNS;
    for (uint64_t pattern = 1; pattern <= LB_PATTERNS; pattern++)
        ask_for(5, LB_LEVEL_INFO, pattern, 1, 1, false);
    assert_int_equal(limit.count[5], LB_PATTERNS);
    ask_for(6, LB_LEVEL_INFO, 1, 1, 1, false);
    assert_int_equal(limit.count[5], LB_PATTERNS - 1);
    assert_int_equal(limit.count[6], 1);
}

static void a_quiet_service_is_not_asked_for_its_patterns(void **state)
{
    unsigned asked = 0;

    (void)state;
    for (unsigned i = 0; i < 10000; i++, now_ns += SECOND / 20) {
        asked += wish_of(100) != LB_LIMIT_NO_PATTERN;
        ask_for(100, LB_LEVEL_INFO, 0, 1, 100, false);
    }
    assert_int_equal(asked, 0);
    for (unsigned i = 0; i < 201; i++) {
        asked += wish_of(100) != LB_LIMIT_NO_PATTERN;
        ask_for(100, LB_LEVEL_INFO, 0, 1, 100, false);
    }
    assert_true(asked > 0);
}

static void a_firehose_is_asked_for_all_its_patterns_only_as_long_as_that_is_cheap(void **state)
{
    unsigned known = 0, any = 0;

    (void)state;
    settings.rate_per_day = DAY;
    settings.burst = 1;
    for (unsigned i = 0; i < 10000; i++) {
        enum lb_limit_wish wish = wish_of(3);

        known += wish == LB_LIMIT_KNOWN_PATTERN;
        any += wish == LB_LIMIT_ANY_PATTERN;
        ask_for(3, LB_LEVEL_INFO, wish == LB_LIMIT_ANY_PATTERN ? 1 + i % 100 : 0, 1, 100, false);
    }
    assert_true(any <= LB_LIMIT_LOOK_BURST + 200);
    assert_int_equal(any + known, 10000);
}

static void no_patterns_leaves_the_rate_alone(void **state)
{
    (void)state;
    settings.max_patterns = 0;
    assert_int_equal(wish_of(3), LB_LIMIT_NO_PATTERN);
    assert_int_equal(passing(6000, 0, 0), 5000);
}

/* ---- what runs short asks for a share of known patterns (squeeze.h) ---- */

static enum lb_limit_verdict share_of(uint64_t share, uint64_t quiet_ns, int severity, uint64_t pattern)
{
    struct lb_limit_ask ask = { .service_ix = 3,
                                .severity = severity,
                                .pattern = pattern,
                                .lines = 1,
                                .bytes = 100,
                                .now_ns = now_ns,
                                .share = share,
                                .quiet_ns = quiet_ns };
    struct lb_limit_answer answer;

    lb_limit_look(&limit, &settings, &ask, &answer);
    lb_limit_note(&limit, &settings, &ask, &answer);
    lb_commit_publish(&throttle_commit);
    now_ns += SECOND;
    return answer.verdict;
}

static void of_a_known_pattern_one_in_so_many_passes_and_a_new_one_always(void **state)
{
    unsigned passed = 0;

    (void)state;
    assert_int_equal(share_of(4, 0, LB_LEVEL_INFO, 7), LB_LIMIT_PASS);
    for (int i = 0; i < 400; i++)
        passed += share_of(4, 0, LB_LEVEL_INFO, 7) == LB_LIMIT_PASS;
    assert_int_equal(passed, 100);
    assert_int_equal(share_of(UINT64_MAX, 0, LB_LEVEL_INFO, 7), LB_LIMIT_SHARE);
    assert_int_equal(share_of(UINT64_MAX, 0, LB_LEVEL_INFO, 8), LB_LIMIT_PASS);
    assert_int_equal(share_of(UINT64_MAX, 0, LB_LEVEL_INFO, 8), LB_LIMIT_SHARE);
}

static void a_share_of_errors_lets_rare_ones_pass(void **state)
{
    (void)state;
    assert_int_equal(share_of(16, 600 * SECOND, LB_LEVEL_ERROR, 7), LB_LIMIT_PASS);
    assert_int_equal(share_of(16, 600 * SECOND, LB_LEVEL_ERROR, 7), LB_LIMIT_SHARE);
    now_ns += 600 * SECOND;
    assert_int_equal(share_of(16, 600 * SECOND, LB_LEVEL_ERROR, 7), LB_LIMIT_PASS);
}

static void where_patterns_are_not_told_apart_time_decides_of_a_share(void **state)
{
    unsigned passed = 0;

    (void)state;
    settings.max_patterns = 0;
    for (int i = 0; i < 4000; i++, now_ns += 12345678)
        passed += share_of(4, 0, LB_LEVEL_INFO, 0) == LB_LIMIT_PASS;
    assert_in_range(passed, 900, 1100);
    assert_int_equal(share_of(UINT64_MAX, 0, LB_LEVEL_INFO, 0), LB_LIMIT_SHARE);
}

static void a_share_asks_for_the_pattern_whatever_the_rate(void **state)
{
    struct lb_limit_ask ask = {
        .service_ix = 9, .severity = LB_LEVEL_ERROR, .lines = 1, .now_ns = now_ns, .share = 16
    };

    (void)state;
    assert_int_equal(lb_limit_wish(&limit, &settings, &ask), LB_LIMIT_ANY_PATTERN);
    ask.share = 0;
    assert_int_equal(lb_limit_wish(&limit, &settings, &ask), LB_LIMIT_NO_PATTERN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, throttle_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bucket_gives_its_burst_and_then_its_rate),
        TEST(what_is_larger_than_a_burst_passes_when_the_bucket_is_full),
        TEST(a_stamp_that_lies_before_the_last_one_gives_no_credit),
        TEST(a_service_below_twenty_lines_a_second_of_a_kind_is_left_alone_by_the_defaults),
        TEST(beyond_its_rate_one_in_a_hundred_of_a_pattern_passes),
        TEST(patterns_do_not_pay_for_each_other),
        TEST(a_pattern_recovers_at_its_rate),
        TEST(a_service_has_a_rate_over_all_its_patterns),
        TEST(the_first_of_a_pattern_passes_beyond_the_rate_but_not_without_end),
        TEST(what_is_bad_is_never_sampled_and_has_a_rate_of_its_own),
        TEST(what_a_rule_keeps_is_of_the_floor),
        TEST(with_the_floor_off_errors_are_as_all_else),
        TEST(bytes_are_limited_but_what_is_bad_only_pays),
        TEST(looking_again_costs_nothing),
        TEST(a_kill_gives_no_credit),
        TEST(the_pattern_not_seen_for_longest_gives_way),
        TEST(a_full_table_takes_from_the_service_that_has_most),
        TEST(a_quiet_service_is_not_asked_for_its_patterns),
        TEST(a_firehose_is_asked_for_all_its_patterns_only_as_long_as_that_is_cheap),
        TEST(no_patterns_leaves_the_rate_alone),
        TEST(of_a_known_pattern_one_in_so_many_passes_and_a_new_one_always),
        TEST(a_share_of_errors_lets_rare_ones_pass),
        TEST(where_patterns_are_not_told_apart_time_decides_of_a_share),
        TEST(a_share_asks_for_the_pattern_whatever_the_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
