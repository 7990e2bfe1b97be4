/* SPDX-License-Identifier: MIT */
/*
 * The parts of `logboom top`: a status is read whatever else it says, patterns are counted in a table that
 * does not grow, keys do what the help says, services become rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/offline/top_keys.h"
#include "agent/offline/top_patterns.h"
#include "agent/offline/top_rows.h"

#define DAY_NS 86400000000000ull

static struct lb_top_status status, other;

/* ---- statuses ---- */

static const char json[] =
    "{\"version\":\"0.2.0\",\"pid\":77,\"uptime_s\":12.500,\"runtime_dir\":\"/run/"
    "x\",\"hostname\":\"de\\\"v\","
    "\"books\":{\"all\":{\"in\":{\"lines\":10,\"bytes\":900},\"open\":{\"lines\":0,\"bytes\":0},"
    "\"queued\":{\"lines\":7,\"bytes\":1},\"held\":{\"lines\":2,\"bytes\":3},\"dropped\":{\"lines\":6,"
    "\"bytes\":1},"
    "\"pending\":{\"lines\":4,\"bytes\":1},\"delivered\":{\"lines\":1,\"bytes\":1},\"shed\":{\"lines\":20,"
    "\"bytes\":1},"
    "\"rejected\":{\"lines\":300,\"bytes\":1},\"dropped_by\":{\"blank\":{\"lines\":1,\"bytes\":0},"
    "\"overload\":{\"lines\":2,\"bytes\":0},\"client\":{\"lines\":1,\"bytes\":0},\"later\":{\"lines\":1,"
    "\"bytes\":0},"
    "\"lost\":{\"lines\":1,\"bytes\":0}},\"held_by\":{\"in\":{\"lines\":99,\"bytes\":9}}},"
    "\"services\":{\"a/"
    "b@c\":{\"in\":{\"lines\":5,\"bytes\":50},\"quota\":{\"window\":\"month\",\"limit\":1000,"
    "\"spent\":900,\"left\":100,\"ends_s\":null,\"step\":3}},\"z\":{\"in\":{\"lines\":1,\"bytes\":2}}}},"
    "\"sinks\":[{\"name\":\"one\",\"type\":\"file\",\"state\":\"ok\",\"wire_bytes\":5,\"wire_bytes_today\":4,"
    "\"last_delivery_s\":1.250,\"next_try_s\":null,\"last_error\":\"\",\"new\":{\"a\":[1,{\"b\":\"]\"}]}},"
    "{\"name\":\"two\",\"state\":\"away\",\"wire_bytes_today\":null,\"last_delivery_s\":null,\"next_try_s\":"
    "3.5,"
    "\"last_error\":\"503 \\u001b[31m\"}],"
    "\"ring\":{\"id\":\"00ff\",\"size\":4096,\"used\":1024,\"next\":{\"urgent\":1}},\"held\":{\"size\":10,"
    "\"used\":11},"
    "\"network\":{\"quota\":{\"window\":\"day\",\"limit\":50,\"left\":20,\"ends_s\":99,\"step\":1},\"rate\":"
    "null},"
    "\"pressure\":{\"step\":2},\"staging\":{\"size\":100,\"free\":25},"
    "\"clock\":{\"boot_ms\":1000,\"wall_ms\":2000,\"synchronized\":true,\"state\":\"exact\"},\"what\":[1,2,3]"
    "}\n";

static void a_status_is_read(void **state)
{
    (void)state;
    assert_true(lb_top_status_read(json, sizeof json - 1, &status));
    assert_int_equal(status.pid, 77);
    assert_string_equal(status.version, "0.2.0");
    assert_string_equal(status.hostname, "de\"v");
    assert_int_equal(status.all.in, 10);
    assert_int_equal(status.all.lost, 20 + 300 + 2 + 1 + 1);
    assert_int_equal(status.all.suppressed, 2 + 6 - 4);
    assert_int_equal(status.services, 2);
    assert_string_equal(status.service[0].name, "a/b@c");
    assert_true(status.service[0].quota.is_on);
    assert_int_equal(status.service[0].quota.left, 100);
    assert_int_equal(status.service[0].quota.ends_s, 0);
    assert_int_equal(status.service[1].in_bytes, 2);
    assert_int_equal(status.sinks, 2);
    assert_true(status.sink[0].has_today && status.sink[0].wire_bytes_today == 4);
    assert_true(status.sink[0].last_delivery_s == 1.25 && status.sink[0].next_try_s < 0);
    assert_false(status.sink[1].has_today);
    assert_true(status.sink[1].last_delivery_s < 0 && status.sink[1].next_try_s == 3.5);
    assert_string_equal(status.sink[1].last_error, "503 \x1b[31m");
    assert_string_equal(status.ring_id, "00ff");
    assert_int_equal(status.ring.used, 1024);
    assert_int_equal(status.held.used, 10);
    assert_int_equal(status.staging.used, 75);
    assert_false(status.backlog.is_there);
    assert_string_equal(status.quota.window, "day");
    assert_int_equal(status.pressure, 2);
    assert_int_equal(status.boot_ms, 1000);
}

static void a_status_that_is_cut_or_of_somebody_else_is_none(void **state)
{
    char *copy;

    (void)state;
    for (size_t len = 0; len < sizeof json - 2; len++) {
        copy = malloc(len + 1); /* a sanitizer sees a read beyond it */
        memcpy(copy, json, len);
        assert_false(lb_top_status_read(copy, len, &status));
        free(copy);
    }
    assert_false(lb_top_status_read("{}", 2, &status));
    assert_false(lb_top_status_read("[{\"pid\":1}]", 11, &status));
    assert_true(lb_top_status_read("{\"pid\":1,\"books\":7,\"sinks\":{},\"ring\":null}", 42, &status));
    assert_int_equal(status.sinks, 0);
}

static void more_services_and_sinks_than_there_is_room_for_are_left_out(void **state)
{
    static char text[64 * 1024];
    size_t len = (size_t)sprintf(text, "{\"books\":{\"services\":{");

    (void)state;
    for (int i = 0; i < 300; i++)
        len +=
            (size_t)sprintf(text + len, "%s\"s%d\":{\"in\":{\"lines\":%d,\"bytes\":0}}", i ? "," : "", i, i);
    len += (size_t)sprintf(text + len, "}},\"sinks\":[");
    for (int i = 0; i < 20; i++)
        len += (size_t)sprintf(text + len, "%s{\"name\":\"n%d\"}", i ? "," : "", i);
    len += (size_t)sprintf(text + len, "],\"pid\":5}");
    assert_true(lb_top_status_read(text, len, &status));
    assert_int_equal(status.services, LB_TOP_SERVICES);
    assert_int_equal(status.service[LB_TOP_SERVICES - 1].in, LB_TOP_SERVICES - 1);
    assert_int_equal(status.sinks, LB_TOP_SINKS);
    assert_int_equal(status.pid, 5);
}

/* ---- rows ---- */

static void service_is(struct lb_top_status *of, const char *name, uint64_t in, uint64_t pending)
{
    struct lb_top_book *book = &of->service[of->services++];

    memset(book, 0, sizeof *book);
    snprintf(book->name, sizeof book->name, "%s", name);
    book->in = in;
    book->pending = pending;
}

static void rows_are_ordered_and_equal_ones_by_name(void **state)
{
    static struct lb_top_row rows[LB_TOP_SERVICES];

    (void)state;
    memset(&status, 0, sizeof status);
    memset(&other, 0, sizeof other);
    other.boot_ms = 1000;
    status.boot_ms = 3000;
    service_is(&other, "Web", 100, 0);
    service_is(&status, "new", 20, 0); /* the places moved: another agent's table */
    service_is(&status, "db", 7, 5);
    service_is(&status, "Web", 90, 5); /* and its counters began anew */
    service_is(&status, "silent", 0, 0);
    assert_int_equal(lb_top_rows(&status, &other, LB_TOP_BY_LINES, "", rows), 3);
    assert_string_equal(rows[0].book->name, "new");
    assert_true(rows[0].lines_s == 10);
    assert_string_equal(rows[1].book->name, "db");
    assert_true(rows[2].lines_s == 0);
    lb_top_rows(&status, &other, LB_TOP_BY_PENDING, "", rows);
    assert_string_equal(rows[0].book->name, "Web");
    assert_string_equal(rows[1].book->name, "db");
    assert_int_equal(lb_top_rows(&status, &other, LB_TOP_BY_NAME, "wE", rows), 1);
    assert_int_equal(lb_top_rows(&status, NULL, LB_TOP_BY_LINES, "", rows), 3);
    assert_true(rows[0].lines_s < 0);
}

/* ---- patterns ---- */

static struct lb_top_patterns *patterns;
static struct lb_top_pattern best[LB_TOP_ROWS_BEST];

static int set_up(void **state)
{
    (void)state;
    patterns = lb_top_patterns_make();
    return patterns ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    lb_top_patterns_free(patterns);
    return 0;
}

static void see(const char *service, uint64_t id, unsigned times, bool is_held)
{
    char text[32];

    snprintf(text, sizeof text, "kind %c of it", (char)('a' + id % 26));
    while (times-- > 0)
        lb_top_patterns_see(patterns, service, strlen(service), id, text, strlen(text), is_held);
}

static void look(double seconds, uint64_t id, unsigned times)
{
    lb_top_patterns_begin(patterns, seconds);
    see("app", id, times, false);
    lb_top_patterns_end(patterns, 1, 1, NULL, 0);
}

static void rates_are_over_the_last_ten_seconds(void **state)
{
    (void)state;
    assert_true(lb_top_patterns_window(patterns) == 0);
    look(2, 1, 20);
    assert_int_equal(lb_top_patterns_best(patterns, "", best, LB_TOP_ROWS_BEST), 1);
    assert_true(best[0].lines_s == 10);
    assert_int_equal(best[0].template_len, strlen("kind b of it"));
    for (int i = 0; i < 4; i++)
        look(2, 2, 10);
    assert_true(lb_top_patterns_window(patterns) == 10);
    lb_top_patterns_best(patterns, "", best, LB_TOP_ROWS_BEST);
    assert_true(best[0].lines_s == 4 && best[1].lines_s == 2);
    look(2, 2, 10); /* the first one leaves the window, and stays in the table */
    assert_int_equal(lb_top_patterns_best(patterns, "", best, LB_TOP_ROWS_BEST), 2);
    assert_true(best[0].lines_s == 5 && best[1].lines_s == 0);
    assert_int_equal(best[1].total, 20);
    look(60, 1, 60); /* one that is longer than the window is all of it */
    lb_top_patterns_best(patterns, "", best, LB_TOP_ROWS_BEST);
    assert_true(lb_top_patterns_window(patterns) == 60 && best[0].lines_s == 1);
    for (int i = 0; i < 100; i++)
        look(0.1, 3, 1);
    assert_true(lb_top_patterns_window(patterns) > 1.5 && lb_top_patterns_window(patterns) < 1.7);
    lb_top_patterns_restart(patterns);
    look(1, 3, 7);
    lb_top_patterns_best(patterns, "", best, LB_TOP_ROWS_BEST);
    assert_true(best[0].lines_s == 7);
}

static void what_a_look_did_not_see_is_multiplied_up(void **state)
{
    (void)state;
    lb_top_patterns_begin(patterns, 1);
    see("app", 1, 10, false);
    see("app", 1, 3, true);
    lb_top_patterns_end(patterns, 0.25, 0.5, NULL, 0);
    assert_true(lb_top_patterns_share(patterns) == 0.25);
    lb_top_patterns_best(patterns, "", best, LB_TOP_ROWS_BEST);
    assert_true(best[0].lines_s == 46 && best[0].held_s == 6);
    assert_int_equal(best[0].total, 13);
}

static void no_service_is_multiplied_up_to_more_than_what_came_of_it(void **state)
{
    static const struct lb_top_came came[] = { { "storm", 1000, 5000 }, { "web", 10, 0 }, { "we", 99, 99 } };

    (void)state;
    lb_top_patterns_begin(patterns, 1);
    see("storm", 1, 30, false);
    see("storm", 2, 10, false);
    see("storm", 1, 20, true);
    see("web", 1, 9, false);
    see("app", 1, 1, false); /* of which nothing is known */
    lb_top_patterns_end(patterns, 0.01, 0.1, came, 3);
    assert_int_equal(lb_top_patterns_best(patterns, "", best, LB_TOP_ROWS_BEST), 4);
    assert_true(best[0].lines_s == 30 * 25 + 200 && best[0].held_s == 200);
    assert_true(best[1].lines_s == 250);
    assert_true(best[2].lines_s == 100);
    assert_true(best[3].lines_s > 9.99 && best[3].lines_s < 10.01);
    assert_memory_equal(best[3].service, "web", 3);
}

static void a_pattern_is_one_of_a_service_and_filters_take_both(void **state)
{
    (void)state;
    lb_top_patterns_begin(patterns, 1);
    see("app", 1, 2, false);
    see("web", 1, 3, false);
    see("web", 1025, 1, false); /* of the same chain */
    lb_top_patterns_end(patterns, 1, 1, NULL, 0);
    assert_int_equal(lb_top_patterns_best(patterns, "", best, LB_TOP_ROWS_BEST), 3);
    assert_int_equal(lb_top_patterns_best(patterns, "WEB", best, LB_TOP_ROWS_BEST), 2);
    assert_int_equal(lb_top_patterns_best(patterns, "kind B", best, LB_TOP_ROWS_BEST), 2);
    assert_int_equal(lb_top_patterns_best(patterns, "none", best, LB_TOP_ROWS_BEST), 0);
    assert_int_equal(lb_top_patterns_best(patterns, "", best, 1), 1);
    assert_true(best[0].lines_s == 3);
}

static void a_full_table_keeps_those_that_come(void **state)
{
    (void)state;
    look(1, 7, 1000);
    for (uint64_t id = 100; id < 100 + 5 * LB_TOP_PATTERNS; id += 16) {
        lb_top_patterns_begin(patterns, 0.5);
        see("app", 7, 1, false);
        for (uint64_t k = 0; k < 16; k++)
            see("noise", id + k, 1, false);
        lb_top_patterns_end(patterns, 1, 1, NULL, 0);
    }
    assert_int_equal(lb_top_patterns_best(patterns, "app", best, LB_TOP_ROWS_BEST), 1);
    assert_int_equal(best[0].total, 1000 + 5 * LB_TOP_PATTERNS / 16);
    assert_int_equal(lb_top_patterns_best(patterns, "", best, LB_TOP_ROWS_BEST), LB_TOP_ROWS_BEST);
}

/* ---- keys ---- */

static struct lb_top_keys typed(const char *bytes)
{
    struct lb_top_keys keys = { 0 };

    lb_top_keys_take(&keys, bytes, strlen(bytes));
    return keys;
}

static void keys_do_what_the_help_says(void **state)
{
    (void)state;
    assert_true(typed("q").is_over && typed("/x\rq").is_over && typed("hq").is_over);
    assert_false(typed("/q").is_over);
    assert_int_equal(typed("s").sort, LB_TOP_BY_BYTES);
    assert_int_equal(typed("S").sort, LB_TOP_BY_NAME);
    assert_int_equal(typed(">><").sort, LB_TOP_BY_BYTES);
    assert_int_equal(typed("\x1b[C\x1bOC\x1b[D").sort, LB_TOP_BY_BYTES);
    assert_int_equal(typed("6").sort, LB_TOP_BY_LOST);
    assert_true(typed("p").is_paused && typed(" ").is_paused);
    assert_false(typed("pp").is_paused);
    assert_int_equal(typed("?").mode, LB_TOP_HELPING);
    assert_int_equal(typed("hx").mode, LB_TOP_LOOKING);
    assert_int_equal(typed("\x1b[15~\x1b[1;5Bzyx\t\x01").mode, LB_TOP_LOOKING);
}

static void a_filter_is_typed_kept_and_cleared(void **state)
{
    struct lb_top_keys keys = typed("/grü\x7fx");

    (void)state;
    assert_string_equal(keys.filter, "grx");
    assert_int_equal(keys.mode, LB_TOP_TYPING);
    lb_top_keys_take(&keys, "\r", 1);
    assert_int_equal(keys.mode, LB_TOP_LOOKING);
    assert_string_equal(keys.filter, "grx");
    lb_top_keys_take(&keys, "\x1b", 1);
    assert_string_equal(keys.filter, "grx"); /* an arrow may follow */
    lb_top_keys_pause(&keys);
    assert_string_equal(keys.filter, "");
    keys = typed("/ab\x1b"
                 "[D"
                 "c");
    assert_string_equal(keys.filter, "abc");
    assert_string_equal(typed("/ab\x15z").filter, "z");
    assert_int_equal(typed("/\x7f").mode, LB_TOP_LOOKING);
    assert_int_equal(typed("/ab\x1b"
                           "/")
                         .filter_len,
                     0);
}

static void a_filter_has_an_end_and_no_halves_of_characters(void **state)
{
    struct lb_top_keys keys = typed("/");

    (void)state;
    for (int i = 0; i < 100; i++)
        lb_top_keys_take(&keys, "€", 3);
    assert_int_equal(keys.filter_len, 63);
    lb_top_keys_take(&keys, "éx", 3);
    assert_int_equal(keys.filter_len, 64);
    assert_int_equal(keys.filter[63], 'x');
    assert_string_equal(typed("/\x9b").filter, "");
}

static void orders_are_found_by_their_names(void **state)
{
    (void)state;
    for (int i = 0; i < LB_TOP_SORTS; i++)
        assert_int_equal(lb_top_sort_find(lb_top_sort_name((enum lb_top_sort)i)), i);
    assert_int_equal(lb_top_sort_find("by"), LB_TOP_BY_BYTES);
    assert_int_equal(lb_top_sort_find("l"), -1);
    assert_int_equal(lb_top_sort_find("s"), -1);
    assert_int_equal(lb_top_sort_find(""), -1);
    assert_int_equal(lb_top_sort_find("nothing"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_read),
        cmocka_unit_test(a_status_that_is_cut_or_of_somebody_else_is_none),
        cmocka_unit_test(more_services_and_sinks_than_there_is_room_for_are_left_out),
        cmocka_unit_test(rows_are_ordered_and_equal_ones_by_name),
        cmocka_unit_test_setup_teardown(rates_are_over_the_last_ten_seconds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_look_did_not_see_is_multiplied_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_service_is_multiplied_up_to_more_than_what_came_of_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_pattern_is_one_of_a_service_and_filters_take_both, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_full_table_keeps_those_that_come, set_up, tear_down),
        cmocka_unit_test(keys_do_what_the_help_says),
        cmocka_unit_test(a_filter_is_typed_kept_and_cleared),
        cmocka_unit_test(a_filter_has_an_end_and_no_halves_of_characters),
        cmocka_unit_test(orders_are_found_by_their_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
