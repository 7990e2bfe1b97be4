/* SPDX-License-Identifier: MIT */
/*
 * The books of a plan, and its twin: an engine takes records at times of their own, and what it tells of them
 * balances.
 */
#include "agent/offline/plan_print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_config.h"

#define BEGIN_MS 1795766400000ull /* 2026-11-27 08:00 */

static struct lb_plan_engine *engine_of(const char *text, bool is_unthrottled)
{
    char whole[1024];
    struct lb_config *config;
    struct lb_config_faults faults = { 0 };
    struct lb_rules *rules;
    struct lb_plan_engine *engine;

    snprintf(whole, sizeof whole, "[sink d]\ntype = datadog\n%s", text);
    test_config_of(whole);
    config = test_config;
    test_config = NULL; /* it becomes the engine's */
    assert_int_equal(lb_rules_compile(config, &faults, &rules), 0);
    engine = lb_plan_engine_new(config, rules, is_unthrottled, BEGIN_MS);
    assert_non_null(engine);
    return engine;
}

static void put(struct lb_plan_engine *engine, const char *service, const char *line, uint64_t after_ms)
{
    static char text[128]; /* what the engine makes of it lies in there */
    struct lb_shape shape;
    size_t len = strlen(line);

    memcpy(text, line, len);
    lb_shape_message(&shape, text, len, -1);
    assert_true(
        lb_plan_engine_put(engine, service, strlen(service), &shape, text, len, false, BEGIN_MS + after_ms));
}

static void in_is_what_was_kept_held_and_dropped(void **state)
{
    struct lb_plan_engine *engine =
        engine_of("[throttle]\nmin_level = info\ndrop chatter = noise\ntrigger = off\n", false);
    struct lb_plan_book all, shop;

    (void)state;
    put(engine, "shop", "INFO:app:sold 5", 0);
    put(engine, "shop", "INFO:app:noise", 10);
    put(engine, "till", "DEBUG:app:counted", 20);
    lb_plan_engine_blank(engine, "till", 4);
    lb_plan_engine_finish(engine);

    assert_int_equal(lb_plan_services(engine), 2);
    shop = lb_plan_book_of(engine, lb_plan_service(engine, 0));
    assert_int_equal(shop.in, 2);
    assert_int_equal(shop.kept, 1);
    assert_int_equal(shop.kept_bytes, strlen("INFO:app:sold 5"));
    assert_int_equal(shop.held_by[0] + shop.dropped_by[LB_DROP_FILTER], 1);
    all = lb_plan_book_of(engine, LB_SERVICES_BOOKS);
    assert_int_equal(all.in, 4);
    assert_int_equal(all.in, all.kept + all.held + all.dropped);
    assert_int_equal(all.dropped_by[LB_DROP_BLANK], 1);
    assert_true(engine->has_given_way);
    lb_plan_engine_free(engine);
}

static void what_an_error_brings_along_is_kept_and_told_as_promoted(void **state)
{
    struct lb_plan_engine *engine = engine_of("[throttle]\nmin_level = info\n", false);
    struct lb_plan_book all;

    (void)state;
    put(engine, "shop", "DEBUG:app:step 1", 0);
    put(engine, "shop", "DEBUG:app:step 2", 5);
    put(engine, "shop", "ERROR:app:it failed", 10);
    lb_plan_engine_finish(engine);
    all = lb_plan_book_of(engine, LB_SERVICES_BOOKS);
    assert_int_equal(all.kept, 3);
    assert_int_equal(all.promoted, 2);
    assert_int_equal(all.held, 0);
    lb_plan_engine_free(engine);
}

static void bytes_on_the_wire_are_shared_by_services_and_are_all_there_are(void **state)
{
    struct lb_plan_engine *engine = engine_of("", false);
    double sum = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        put(engine, i % 4 ? "shop" : "till", "INFO:app:one more", 100 * i);
    lb_plan_engine_finish(engine);
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++)
        sum += engine->sent.wire_by_row[row];
    assert_true(sum > (double)engine->sent.wire_bytes - 1 && sum < (double)engine->sent.wire_bytes + 1);
    assert_true(engine->sent.wire_by_row[lb_plan_service(engine, 0)] > 0);
    lb_plan_engine_free(engine);
}

static void an_amount_is_scaled_to_a_day(void **state)
{
    struct lb_plan_result result = { .first_ms = BEGIN_MS, .last_ms = BEGIN_MS + 3600000 };

    (void)state;
    assert_int_equal(lb_plan_a_day(&result, 10), 240);
    result.last_ms = BEGIN_MS; /* of an instant: as if it were a second */
    assert_int_equal(lb_plan_a_day(&result, 1), 86400);
}

/* Records of a level, each with a number of its own. */
static void put_both(struct lb_plan_engine *first, struct lb_plan_twin *twin, unsigned from, unsigned to,
                     const char *level)
{
    for (unsigned i = from; i < to; i++) {
        uint64_t after_ms = 60000ull * i; /* each is a body of its own */
        char line[64];

        snprintf(line, sizeof line, "%s:app:sold %u", level, i);
        put(first, "shop", line, after_ms);
        assert_true(lb_plan_twin_put(twin, first, "shop", 4, 1, false, BEGIN_MS + after_ms));
    }
}

static void the_twin_rests_while_nothing_gives_way_and_counts_what_does(void **state)
{
    struct lb_plan_engine *first =
        engine_of("[throttle]\nmin_level = info\ntrigger = off\n[heartbeat]\ninterval = off\n", false);
    struct lb_plan_twin twin = { .engine = engine_of("[heartbeat]\ninterval = off\n", true) };

    (void)state;
    put_both(first, &twin, 0, 200, "INFO");
    assert_int_equal(twin.phase, LB_TWIN_BEGINS);
    put_both(first, &twin, 200, 400, "INFO");
    assert_int_equal(twin.phase, LB_TWIN_RESTS);
    put_both(first, &twin, 400, 500, "DEBUG");
    assert_int_equal(twin.phase, LB_TWIN_GOES_ON);
    lb_plan_engine_finish(first);
    lb_plan_twin_finish(&twin, first);
    assert_in_range((uint64_t)twin.bodies, 499, 500);
    assert_in_range(twin.engine->sent.bodies, 99, 100); /* of its own, behind the rest */
    lb_plan_engine_free(first);
    lb_plan_engine_free(twin.engine);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_make_dir, test_remove_dir)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(in_is_what_was_kept_held_and_dropped),
        TEST(what_an_error_brings_along_is_kept_and_told_as_promoted),
        TEST(bytes_on_the_wire_are_shared_by_services_and_are_all_there_are),
        TEST(an_amount_is_scaled_to_a_day),
        TEST(the_twin_rests_while_nothing_gives_way_and_counts_what_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
