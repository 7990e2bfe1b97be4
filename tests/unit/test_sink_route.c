/* SPDX-License-Identifier: MIT */
/*
 * Which records a sink gets.
 *
 * The story: a record is there, with its service and its severity, and each sink is asked whether it wants
 * it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/level.h"
#include "common/sink_route.h"

static struct lb_sink_config sink_for(const char *services, int min_level)
{
    return (struct lb_sink_config) { .services = (char *)(uintptr_t)services, .min_level = min_level };
}

static bool takes(const char *services, const char *service)
{
    struct lb_sink_config sink = sink_for(services, LB_LEVEL_DEBUG);

    return lb_sink_takes(&sink, service, strlen(service), LB_LEVEL_INFO);
}

static void a_sink_without_a_filter_takes_each_record(void **state)
{
    struct lb_sink_config sink = sink_for("", LB_LEVEL_DEBUG);

    (void)state;
    assert_false(lb_sink_is_filtered(&sink));
    assert_true(lb_sink_takes(&sink, "shop", 4, LB_LEVEL_DEBUG));
    assert_true(lb_sink_takes(&sink, "", 0, LB_LEVEL_EMERGENCY));
}

static void what_is_less_severe_than_min_level_is_not_for_it(void **state)
{
    struct lb_sink_config sink = sink_for("", LB_LEVEL_ERROR);

    (void)state;
    assert_true(lb_sink_is_filtered(&sink));
    assert_true(lb_sink_takes(&sink, "shop", 4, LB_LEVEL_EMERGENCY));
    assert_true(lb_sink_takes(&sink, "shop", 4, LB_LEVEL_ERROR));
    assert_false(lb_sink_takes(&sink, "shop", 4, LB_LEVEL_WARNING));
    assert_false(lb_sink_takes(&sink, "shop", 4, LB_LEVEL_DEBUG));
}

static void a_service_is_named_or_matched_as_in_a_shell(void **state)
{
    (void)state;
    assert_true(takes("shop", "shop"));
    assert_false(takes("shop", "shops"));
    assert_false(takes("shop", "sho"));
    assert_true(takes("web-*", "web-"));
    assert_true(takes("web-*", "web-front"));
    assert_false(takes("web-*", "my-web-front"));
    assert_true(takes("rack?", "rack7"));
    assert_false(takes("rack?", "rack"));
    assert_true(takes("r[0-4]", "r3"));
    assert_false(takes("r[0-4]", "r5"));
    assert_true(takes("*", ".a/b@c:d"));
    assert_true(takes("a*b*c", "a/x/b.c"));
    assert_false(takes("SHOP", "shop"));
}

static void one_of_several_globs_is_enough(void **state)
{
    (void)state;
    assert_true(takes("web-*,shop,db?", "web-1"));
    assert_true(takes("web-*,shop,db?", "shop"));
    assert_true(takes("web-*,shop,db?", "db1"));
    assert_false(takes("web-*,shop,db?", "db"));
    assert_false(takes("web-*,shop,db?", "shop,db?"));
    assert_false(takes("web-*,shop,db?", ""));
}

static void both_filters_must_let_a_record_pass(void **state)
{
    struct lb_sink_config sink = sink_for("web-*", LB_LEVEL_ERROR);

    (void)state;
    assert_true(lb_sink_takes(&sink, "web-1", 5, LB_LEVEL_ERROR));
    assert_false(lb_sink_takes(&sink, "web-1", 5, LB_LEVEL_INFO));
    assert_false(lb_sink_takes(&sink, "shop", 4, LB_LEVEL_ERROR));
}

static void a_name_counts_by_its_length_not_by_a_nul(void **state)
{
    struct lb_sink_config sink = sink_for("web,db-*", LB_LEVEL_DEBUG);

    (void)state;
    assert_true(lb_sink_takes(&sink, "web-2", 3, LB_LEVEL_INFO));
    assert_true(lb_sink_takes(&sink, "db-12", 3, LB_LEVEL_INFO));
    assert_false(lb_sink_takes(&sink, "db-12", 2, LB_LEVEL_INFO));
}

static void the_longest_name_and_the_longest_glob_have_room(void **state)
{
    char glob[LB_NAME_MAX + 1], name[LB_NAME_MAX + 9];

    (void)state;
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    memset(glob, 'a', LB_NAME_MAX);
    glob[LB_NAME_MAX] = '\0';
    assert_true(takes(glob, glob));
    glob[LB_NAME_MAX - 1] = '*';
    assert_true(takes(glob, name)); /* of which the first 128 count */
    glob[0] = 'b';
    assert_false(takes(glob, name));
}

static void a_list_is_of_names_and_globs_with_none_that_is_empty(void **state)
{
    static const char *const right[] = { "", "a", "*", "web-*,shop", "[a-z]?.x/y@z:1_2" };
    static const char *const wrong[] = {
        ",", "a,", ",a", "a,,b", "a b", "a;b", "a, b", "a!b", "a\\*", "{a}"
    };
    char glob[LB_NAME_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_true(lb_sink_services_are_legal(right[i]));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(lb_sink_services_are_legal(wrong[i]));
    memset(glob, '*', sizeof glob);
    glob[LB_NAME_MAX + 1] = '\0';
    assert_false(lb_sink_services_are_legal(glob));
    glob[LB_NAME_MAX] = '\0';
    assert_true(lb_sink_services_are_legal(glob));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sink_without_a_filter_takes_each_record),
        cmocka_unit_test(what_is_less_severe_than_min_level_is_not_for_it),
        cmocka_unit_test(a_service_is_named_or_matched_as_in_a_shell),
        cmocka_unit_test(one_of_several_globs_is_enough),
        cmocka_unit_test(both_filters_must_let_a_record_pass),
        cmocka_unit_test(a_name_counts_by_its_length_not_by_a_nul),
        cmocka_unit_test(the_longest_name_and_the_longest_glob_have_room),
        cmocka_unit_test(a_list_is_of_names_and_globs_with_none_that_is_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
