/* SPDX-License-Identifier: MIT */
/* The sink of type elasticsearch: where its bodies go, and what is in them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_bodies.h"
#include "tests/unit/lib_config.h"
#include "tests/unit/lib_encode.h"

#define KIB     1024
#define ELASTIC "[sink es]\ntype = elasticsearch\nurl = http://es:9200/logs/_bulk\ncompression = none\n"
#define STAMP   "{\"@timestamp\":\""

static struct lb_target target;

static const struct lb_sink *elastic(void)
{
    return lb_sink_find("elasticsearch");
}

/* ---- where to ---- */

static const char *url_of(const char *url, const char *index)
{
    struct lb_sink_config settings = { .url = (char *)(uintptr_t)url,
                                       .index = (char *)(uintptr_t)index,
                                       .headers = (char *)(uintptr_t) "X-Team: sensors",
                                       .auth = LB_AUTH_APIKEY };

    assert_int_equal(elastic()->aim(&settings, "k3y", &target), 0);
    return target.url;
}

static bool has_header(const char *line)
{
    for (unsigned i = 0; i < target.headers; i++)
        if (strcmp(target.header[i], line) == 0)
            return true;
    return false;
}

#define QUERY "?filter_path=errors,items.*.status,items.*.error.type"

static void an_index_becomes_part_of_the_address(void **state)
{
    (void)state;
    assert_string_equal(url_of("https://es:9200", ""), "https://es:9200/_bulk" QUERY);
    assert_string_equal(url_of("https://es:9200/", "logs-x-default"),
                        "https://es:9200/logs-x-default/_bulk" QUERY);
    assert_string_equal(url_of("https://es:9200", "<l-{now/d}>"),
                        "https://es:9200/%3Cl-%7Bnow%2Fd%7D%3E/_bulk" QUERY);
    assert_string_equal(url_of("https://es/pre/mine/_bulk", "other"), "https://es/pre/mine/_bulk" QUERY);
    assert_true(has_header("Content-Type: application/x-ndjson"));
    assert_true(has_header("Authorization: ApiKey k3y"));
    assert_true(has_header("X-Team: sensors"));
    assert_int_equal(target.headers, 3);
}

static void an_index_that_is_too_long_is_refused_not_cut(void **state)
{
    char index[512];
    struct lb_sink_config settings = { .url = (char *)(uintptr_t) "http://es", .index = index };

    (void)state;
    memset(index, '/', sizeof index);
    index[256] = '\0';
    assert_int_equal(elastic()->aim(&settings, "", &target), -E2BIG);
    index[255] = '\0';
    settings.headers = (char *)(uintptr_t) "";
    assert_int_equal(elastic()->aim(&settings, "", &target), 0);
}

/* ---- bodies ---- */

static void a_pair_of_lines_for_each_record_and_an_end_to_the_last(void **state)
{
    char expected[256];

    (void)state;
    bodies_begin(ELASTIC);
    rig_put(&bodies_rig, "shop", LB_LEVEL_INFO, 8);
    rig_put(&bodies_rig, "shop", LB_LEVEL_ERROR, 8);
    assert_int_equal(bodies_make(0), 2);
    snprintf(expected, sizeof expected, "{\"create\":{\"_id\":\"%016llx-r-1\"}}\n" STAMP,
             (unsigned long long)bodies_rig.files.ring.id);
    assert_int_equal(strncmp(bodies_text, expected, strlen(expected)), 0);
    snprintf(expected, sizeof expected, "}\n{\"create\":{\"_id\":\"%016llx-u-1\"}}\n" STAMP,
             (unsigned long long)bodies_rig.files.ring.id);
    assert_non_null(strstr(bodies_text, expected));
    assert_int_equal(bodies_count("\n"), 4);
    assert_int_equal(bodies_count("Z\",\"message\":\"L"), 2);
    assert_int_equal(bodies_count("\"timestamp\":"), 2);
    assert_string_equal(bodies_text + strlen(bodies_text) - 2, "}\n");
}

static void the_ranges_are_in_the_last_document_alone(void **state)
{
    char expected[160];

    (void)state;
    bodies_begin(ELASTIC);
    for (int i = 0; i < 3; i++)
        rig_put(&bodies_rig, "shop", i == 1 ? LB_LEVEL_ERROR : LB_LEVEL_INFO, 8);
    assert_int_equal(bodies_make(0), 3);
    snprintf(expected, sizeof expected,
             ",\"logboom_body\":{\"id\":\"%016llx\",\"urgent\":[1,1],\"routine\":[1,2]}}\n",
             (unsigned long long)bodies_rig.files.ring.id);
    assert_string_equal(bodies_text + strlen(bodies_text) - strlen(expected), expected);
    assert_int_equal(bodies_count("logboom_body"), 1);
}

static void there_are_no_ranges_where_all_are_numbered_or_none(void **state)
{
    (void)state;
    bodies_begin(ELASTIC "sequence = all\n");
    rig_put(&bodies_rig, "shop", LB_LEVEL_INFO, 8);
    assert_int_equal(bodies_make(0), 1);
    assert_int_equal(bodies_count("logboom_body"), 0);
    assert_int_equal(bodies_count("\"lane\":\"routine\",\"n\":1"), 1);
    bodies_end(state);
    bodies_begin(ELASTIC "sequence = off\n");
    rig_put(&bodies_rig, "shop", LB_LEVEL_INFO, 8);
    assert_int_equal(bodies_make(0), 1);
    assert_int_equal(bodies_count("\"logboom"), 0);
    assert_int_equal(bodies_count("-r-1\"}}\n"), 1); /* an id is not for the reader */
}

static void a_record_has_the_same_id_in_whatever_body_it_is(void **state)
{
    char id[64];
    uint64_t pos = 0;

    (void)state;
    bodies_begin(ELASTIC);
    for (int i = 0; i < 3; i++)
        rig_put(&bodies_rig, "shop", LB_LEVEL_INFO, 8);
    snprintf(id, sizeof id, "{\"create\":{\"_id\":\"%016llx-r-3\"}}\n" STAMP,
             (unsigned long long)bodies_rig.files.ring.id);
    assert_int_equal(bodies_make(0), 3);
    assert_int_equal(bodies_count(id), 1);
    rig_record(&bodies_rig, &pos);
    rig_record(&bodies_rig, &pos);
    assert_int_equal(bodies_make(pos), 1);
    assert_int_equal(strncmp(bodies_text, id, strlen(id)), 0);
    /* Of an earlier ring, as the backlog sends them. */
    bodies_builder.encoder.ring_id = 0xabc;
    assert_int_equal(bodies_make(pos), 1);
    assert_int_equal(bodies_count("{\"create\":{\"_id\":\"0000000000000abc-r-3\"}}\n"), 1);
}

static void what_does_not_fit_is_as_if_it_had_not_been_tried(void **state)
{
    uint64_t from = 0;
    unsigned got, lines = 0, bodies = 0;

    (void)state;
    bodies_begin(ELASTIC "body_bytes = 16K\n");
    for (int i = 0; i < 200; i++)
        assert_true(rig_put(&bodies_rig, "shop", LB_LEVEL_INFO, 8 + (size_t)(i * 37 % 1500)) > 0);
    while ((got = bodies_make(from)) > 0) {
        assert_true(bodies_body.raw_bytes <= 16 * KIB);
        assert_int_equal(bodies_count("\n"), 2 * got);
        assert_int_equal(bodies_count("{\"create\":"), got);
        assert_int_equal(bodies_count("\n" STAMP), got);
        assert_int_equal(bodies_count("}\n{\"create\":"), got - 1);
        assert_int_equal(bodies_count("logboom_body"), 1);
        assert_string_equal(bodies_text + strlen(bodies_text) - 4, "]}}\n");
        from = bodies_body.to;
        lines += got;
        bodies++;
    }
    assert_int_equal(lines, 200);
    assert_true(bodies > 5);
}

/* The text of one document that add() has written, alone in its body. */
static const char *added(const struct lb_record *record)
{
    struct lb_composer composer = { .encoder = &encoder };
    char *end = elastic()->format->begin(&composer, encoded_text);

    end = elastic()->format->add(&composer, record, end);
    assert_true((size_t)(end - encoded_text) <= lb_encode_bound(record) + LB_FORMAT_FRAME);
    composer.records = 1;
    *elastic()->format->end(&composer, NULL, end) = '\0';
    return strchr(encoded_text, '\n') + 1;
}

static void times_are_those_of_the_calendar(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } table[] = {
        { 0, "1970-01-01T00:00:00.000Z" },
        { 1, "1970-01-01T00:00:00.001Z" },
        { 68169599999, "1972-02-28T23:59:59.999Z" },
        { 68169600000, "1972-02-29T00:00:00.000Z" },
        { 68256000000, "1972-03-01T00:00:00.000Z" },
        { 946684799999, "1999-12-31T23:59:59.999Z" },
        { 951782400000, "2000-02-29T00:00:00.000Z" }, /* a century that has one */
        { 951868800000, "2000-03-01T00:00:00.000Z" },
        { 1700000000005, "2023-11-14T22:13:20.005Z" },
        { 1709251199000, "2024-02-29T23:59:59.000Z" },
        { 4107542399000, "2100-02-28T23:59:59.000Z" }, /* one that has none */
        { 4107542400000, "2100-03-01T00:00:00.000Z" },
        { 18446744073709, "2554-07-21T23:34:33.709Z" }, /* the last that there is */
    };
    char expected[64];

    (void)state;
    encode_begin("", LB_SEQUENCE_BATCH);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct lb_record *record = line_of("x");

        record->boot_ns = 0;
        encoder.stamps = (struct lb_stamps) { .offset_ns = table[i].ms * 1000000 };
        snprintf(expected, sizeof expected, STAMP "%s\",\"message\"", table[i].text);
        assert_int_equal(strncmp(added(record), expected, strlen(expected)), 0);
    }
}

static void a_record_without_a_stamp_has_the_time_of_sending(void **state)
{
    (void)state;
    encode_begin("", LB_SEQUENCE_BATCH);
    encoder.stamps = (struct lb_stamps) {
        .offset_ns = 1700000000000000000ull, .has_window = true, .is_implausible = true, .now_ns = 9000000
    };
    assert_int_equal(strncmp(added(line_of("x")), STAMP "2023-11-14T22:13:20.009Z\"", 40), 0);
}

static void whatever_a_line_says_it_is_one_line_of_json(void **state)
{
    const char *text;

    (void)state;
    encode_begin("", LB_SEQUENCE_BATCH);
    text = added(record_of("a\"b", "k:v", "x\n\"\\\r\1\xff}", 8));
    assert_non_null(strstr(text, "\"message\":\"x\\n\\\"\\\\\\r\\u0001\xef\xbf\xbd}\""));
    assert_non_null(strstr(text, "\"service\":\"a\\\"b\""));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void the_longest_record_keeps_its_bound(void **state)
{
    static char body[131072], tags[1024];

    (void)state;
    encode_begin("", LB_SEQUENCE_ALL);
    memset(body, '\1', sizeof body);
    memset(tags, '\1', sizeof tags - 1);
    assert_non_null(added(record_of("\1\1\1\1\1\1", tags, body, sizeof body)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_becomes_part_of_the_address),
        cmocka_unit_test(an_index_that_is_too_long_is_refused_not_cut),
        cmocka_unit_test_teardown(a_pair_of_lines_for_each_record_and_an_end_to_the_last, bodies_end),
        cmocka_unit_test_teardown(the_ranges_are_in_the_last_document_alone, bodies_end),
        cmocka_unit_test_teardown(there_are_no_ranges_where_all_are_numbered_or_none, bodies_end),
        cmocka_unit_test_teardown(a_record_has_the_same_id_in_whatever_body_it_is, bodies_end),
        cmocka_unit_test_teardown(what_does_not_fit_is_as_if_it_had_not_been_tried, bodies_end),
        cmocka_unit_test_setup_teardown(times_are_those_of_the_calendar, test_make_dir, test_remove_dir),
        cmocka_unit_test_setup_teardown(a_record_without_a_stamp_has_the_time_of_sending, test_make_dir,
                                        test_remove_dir),
        cmocka_unit_test_setup_teardown(whatever_a_line_says_it_is_one_line_of_json, test_make_dir,
                                        test_remove_dir),
        cmocka_unit_test_setup_teardown(the_longest_record_keeps_its_bound, test_make_dir, test_remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
