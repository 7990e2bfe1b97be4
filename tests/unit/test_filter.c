/* SPDX-License-Identifier: MIT */
/* The user's rules on what to drop and what to keep: which match, whose win, and what is wrong with one. */
#include "agent/shape/filter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct lb_rule rules[8];
static struct lb_throttle_config all, own;
static struct lb_filter *filter;
static struct lb_filter_faults faults;
static const char *who;

static struct lb_rule_list list_of(struct lb_rule *at, const char *name, const char *text)
{
    *at = (struct lb_rule) { .text = (char *)(uintptr_t)text };
    strcpy(at->name, name);
    return (struct lb_rule_list) { at, 1 };
}

static int begin(void **state)
{
    (void)state;
    all = own = (struct lb_throttle_config) { 0 };
    filter = NULL;
    who = NULL;
    return 0;
}

static int end(void **state)
{
    (void)state;
    lb_filter_free(filter);
    return 0;
}

static enum lb_filter_verdict look(const char *text)
{
    return lb_filter_look(filter, text, strlen(text), &who);
}

static void without_rules_there_is_no_filter(void **state)
{
    (void)state;
    assert_int_equal(lb_filter_compile(&all, &own, &filter, &faults), 0);
    assert_null(filter);
    assert_int_equal(look("anything"), LB_FILTER_NONE);
}

static void a_pattern_may_match_anywhere(void **state)
{
    (void)state;
    all.drop = list_of(&rules[0], "health", "\"GET /health(z)? ");
    assert_int_equal(lb_filter_compile(&all, NULL, &filter, &faults), 0);
    assert_int_equal(look("10.0.0.1 \"GET /healthz HTTP/1.1\" 200"), LB_FILTER_DROP);
    assert_string_equal(who, "health");
    assert_int_equal(look("10.0.0.1 \"GET /healthy HTTP/1.1\" 200"), LB_FILTER_NONE);
}

static void a_text_without_special_characters_is_looked_for_as_it_is(void **state)
{
    (void)state;
    all.drop = list_of(&rules[0], "poll", "poll done");
    assert_int_equal(lb_filter_compile(&all, NULL, &filter, &faults), 0);
    assert_int_equal(look("INFO poll done"), LB_FILTER_DROP);
    assert_int_equal(look("INFO poll is done"), LB_FILTER_NONE);
    assert_int_equal(lb_filter_look(filter, "", 0, &who), LB_FILTER_NONE);
}

static void what_is_to_be_kept_is_not_dropped(void **state)
{
    (void)state;
    all.drop = list_of(&rules[0], "all", ".");
    all.keep = list_of(&rules[1], "pay", "payment .* refused");
    assert_int_equal(lb_filter_compile(&all, NULL, &filter, &faults), 0);
    assert_int_equal(look("payment 17 refused"), LB_FILTER_KEEP);
    assert_string_equal(who, "pay");
    assert_int_equal(look("payment 17 taken"), LB_FILTER_DROP);
}

static void a_service_has_its_own_beside_those_of_all_and_instead_of_one_of_the_same_name(void **state)
{
    (void)state;
    rules[0] = (struct lb_rule) { .name = "a", .text = (char *)(uintptr_t) "alpha" };
    rules[1] = (struct lb_rule) { .name = "b", .text = (char *)(uintptr_t) "beta" };
    all.drop = (struct lb_rule_list) { rules, 2 };
    own.drop = list_of(&rules[2], "a", "gamma");
    assert_int_equal(lb_filter_compile(&all, &own, &filter, &faults), 0);
    assert_int_equal(look("alpha"), LB_FILTER_NONE);
    assert_int_equal(look("beta"), LB_FILTER_DROP);
    assert_int_equal(look("gamma"), LB_FILTER_DROP);
}

static void a_pattern_that_is_none_is_told_with_its_place(void **state)
{
    (void)state;
    all.keep = list_of(&rules[0], "broken", "a(b");
    all.drop = list_of(&rules[1], "as well", "[z-a]");
    assert_int_equal(lb_filter_compile(&all, NULL, &filter, &faults), -EINVAL);
    assert_int_equal(faults.count, 2);
    assert_ptr_equal(faults.fault[0].rule, &rules[0]);
    assert_string_equal(faults.fault[0].kind, "keep");
    assert_non_null(strstr(faults.fault[0].text, "at character 4"));
    assert_string_equal(faults.fault[1].kind, "drop");
    assert_null(filter);
}

static void no_pattern_runs_away(void **state)
{
    static char text[65536];

    (void)state;
    memset(text, 'a', sizeof text);
    all.drop = list_of(&rules[0], "evil", "(a+)+$b");
    assert_int_equal(lb_filter_compile(&all, NULL, &filter, &faults), 0);
    assert_int_equal(lb_filter_look(filter, text, sizeof text, &who), LB_FILTER_NONE);
}

static void bytes_that_are_no_utf8_are_looked_through(void **state)
{
    (void)state;
    all.drop = list_of(&rules[0], "x", "secr.t");
    assert_int_equal(lb_filter_compile(&all, NULL, &filter, &faults), 0);
    assert_int_equal(look("\xff\xfe secret \x80"), LB_FILTER_DROP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_rules_there_is_no_filter),
        TEST(a_pattern_may_match_anywhere),
        TEST(a_text_without_special_characters_is_looked_for_as_it_is),
        TEST(what_is_to_be_kept_is_not_dropped),
        TEST(a_service_has_its_own_beside_those_of_all_and_instead_of_one_of_the_same_name),
        TEST(a_pattern_that_is_none_is_told_with_its_place),
        TEST(no_pattern_runs_away),
        TEST(bytes_that_are_no_utf8_are_looked_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
