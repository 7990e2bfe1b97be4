/* SPDX-License-Identifier: MIT */
/* The sink of type elasticsearch: where its bodies go, what is in them, and what _bulk's answers mean. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/lib_bodies.h"
#include "tests/unit/lib_config.h"
#include "tests/unit/lib_encode.h"

#define KIB     1024
#define ELASTIC "[sink es]\ntype = elasticsearch\nurl = http://es:9200\ncompression = none\n"
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

static void days_of_five_centuries_agree_with_libc(void **state)
{
    (void)state;
    encode_begin("", LB_SEQUENCE_BATCH);
    for (uint64_t day = 0; day < 213000; day += 1 + day % 3) {
        struct lb_record *record = line_of("x");
        time_t at = (time_t)(day * 86400);
        char expected[64];

        record->boot_ns = 0;
        encoder.stamps = (struct lb_stamps) { .offset_ns = day * 86400 * 1000000000 };
        strftime(expected, sizeof expected, STAMP "%Y-%m-%dT00:00:00.000Z\",", gmtime(&at));
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

/* ---- answers ---- */

static struct lb_partly partly;

/* In a block of its own, so that a read past it is seen. */
static enum lb_verdict judged(enum lb_verdict (*judge)(const struct lb_answer *), const char *reply,
                              size_t len)
{
    char *copy = malloc(len ? len : 1);
    struct lb_answer answer = { .status = 200, .reply = copy, .reply_len = len };
    enum lb_verdict verdict;

    assert_non_null(copy);
    memcpy(copy, reply, len);
    verdict = judge(&answer);
    memset(&partly, 0xff, sizeof partly);
    elastic()->partly(&answer, &partly);
    assert_true(partly.count <= LB_PARTLY_MAX);
    free(copy);
    return verdict;
}

static enum lb_verdict verdict_of(const char *reply)
{
    return judged(elastic()->judge, reply, strlen(reply));
}

#define ERRORS(items) "{\"errors\":true,\"items\":[" items "]}"
#define ITEM(status)  "{\"create\":{\"status\":" #status "}}"
#define FAILED(status, type) \
    "{\"create\":{\"status\":" #status ",\"error\":{\"type\":\"" type "\",\"caused_by\":{\"type\":\"x\"}}}}"
#define BAD FAILED(400, "mapper_parsing_exception")

static void an_answer_without_errors_is_not_looked_through(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("{\"errors\":false}"), LB_VERDICT_DELIVERED);
    assert_int_equal(verdict_of("{\"took\":5,\"errors\":false,\"items\":[" ITEM(201)),
                     LB_VERDICT_DELIVERED); /* cut */
    assert_int_equal(verdict_of(" {\n \"items\" : [ " ITEM(201) " ] , \"errors\" : false }\n"),
                     LB_VERDICT_DELIVERED);
}

static void what_is_there_already_is_as_good_as_taken(void **state)
{
    (void)state;
    assert_int_equal(
        verdict_of(ERRORS(ITEM(201) "," FAILED(409, "version_conflict_engine_exception") "," ITEM(200))),
        LB_VERDICT_DELIVERED);
    assert_int_equal(verdict_of(ERRORS("{\"index\":{\"status\":201}}")), LB_VERDICT_DELIVERED);
}

static void one_that_is_to_come_again_brings_all_of_them_again(void **state)
{
    (void)state;
    assert_int_equal(verdict_of(ERRORS(ITEM(201) "," FAILED(429, "es_rejected_execution_exception"))),
                     LB_VERDICT_RETRY);
    assert_int_equal(verdict_of(ERRORS(BAD "," ITEM(503) "," ITEM(201))), LB_VERDICT_RETRY);
    assert_int_equal(verdict_of(ERRORS(FAILED(403, "security_exception") "," ITEM(500))), LB_VERDICT_RETRY);
    assert_int_equal(verdict_of("{\"errors\":true,\"items\":[" BAD "," ITEM(429) ",{\"cre"),
                     LB_VERDICT_RETRY);
}

static void those_that_are_refused_are_told_by_their_place(void **state)
{
    (void)state;
    assert_int_equal(
        verdict_of(ERRORS(ITEM(201) "," BAD "," ITEM(409) "," FAILED(413, "x") ",\n" BAD "," ITEM(201))),
        LB_VERDICT_PARTLY);
    assert_int_equal(partly.count, 3);
    assert_int_equal(partly.index[0], 1);
    assert_int_equal(partly.index[1], 3);
    assert_int_equal(partly.index[2], 4);
    assert_int_equal(partly.unknown + partly.before_ns + partly.from_ns, 0);
    assert_int_equal(verdict_of(ERRORS("{\"index\":{\"error\":{\"type\":\"x\"},\"status\":400}}")),
                     LB_VERDICT_PARTLY);
    assert_int_equal(partly.index[0], 0);
}

static void what_is_wrong_with_key_or_index_is_no_record_s_fault(void **state)
{
    (void)state;
    assert_int_equal(verdict_of(ERRORS(FAILED(401, "x") "," ITEM(201))), LB_VERDICT_PAUSE);
    assert_int_equal(verdict_of(ERRORS(FAILED(403, "security_exception"))), LB_VERDICT_PAUSE);
    assert_int_equal(verdict_of(ERRORS(BAD "," FAILED(404, "index_not_found_exception"))), LB_VERDICT_PAUSE);
    assert_int_equal(verdict_of(ERRORS(FAILED(400, "index_closed_exception"))), LB_VERDICT_PAUSE);
    assert_int_equal(verdict_of(ERRORS(FAILED(400, "invalid_index_name_exception"))), LB_VERDICT_PAUSE);
}

static size_t many(char *to, unsigned count)
{
    char *at = to + sprintf(to, "{\"errors\":true,\"items\":[");

    for (unsigned i = 0; i < count; i++)
        at += sprintf(at, "%s" BAD, i ? "," : "");
    at += sprintf(at, "]}");
    return (size_t)(at - to);
}

static void more_than_can_be_told_are_looked_for(void **state)
{
    static char reply[128 * KIB];

    (void)state;
    many(reply, LB_PARTLY_MAX);
    assert_int_equal(verdict_of(reply), LB_VERDICT_PARTLY);
    assert_int_equal(partly.count, LB_PARTLY_MAX);
    assert_int_equal(partly.index[LB_PARTLY_MAX - 1], LB_PARTLY_MAX - 1);
    many(reply, LB_PARTLY_MAX + 1);
    assert_int_equal(verdict_of(reply), LB_VERDICT_BISECT);
    many(reply, 1000);
    assert_int_equal(judged(elastic()->judge, reply, 65536), LB_VERDICT_BISECT);
}

static void no_answer_that_was_cut_counts_as_whole(void **state)
{
    static const char taken[] = ERRORS(ITEM(201) "," ITEM(409)), mixed[] = ERRORS(BAD "," ITEM(201));

    (void)state;
    assert_int_equal(judged(elastic()->judge, taken, sizeof taken - 1), LB_VERDICT_DELIVERED);
    for (size_t len = 0; len < sizeof taken - 1; len++)
        assert_int_equal(judged(elastic()->judge, taken, len), LB_VERDICT_RETRY);
    assert_int_equal(judged(elastic()->judge, mixed, sizeof mixed - 1), LB_VERDICT_PARTLY);
    for (size_t len = 0; len < sizeof mixed - 1; len++) {
        enum lb_verdict verdict = judged(elastic()->judge, mixed, len);

        assert_int_equal(verdict, partly.count > 0 ? LB_VERDICT_BISECT : LB_VERDICT_RETRY);
    }
}

static void what_is_no_answer_of_bulk_is_tried_again(void **state)
{
    static const char *const table[] = {
        "",
        "{}",
        "[]",
        "null",
        "<html>please log in</html>",
        "{\"errors\":true}",
        ERRORS(""),
        "{\"items\":{}}",
        ERRORS("1"),
        ERRORS("{}"),
        ERRORS("{\"create\":1}"),
        ERRORS("{\"create\":{}}"),
        ERRORS(ITEM(0)),
        ERRORS(ITEM(99)),
        ERRORS(ITEM(302)),
        ERRORS(ITEM(600)),
        ERRORS(ITEM(2001)),
        ERRORS(ITEM("201")),
        ERRORS(ITEM(-201)),
        ERRORS(ITEM(2e2)),
        ERRORS("{\"delete\":{\"status\":201}}"),
        ERRORS(ITEM(201) ","),
        ERRORS(ITEM(201) " " ITEM(201)),
        ERRORS("," ITEM(201)),
        ERRORS("{\"create\":{\"status\":201},\"more\":1}"),
        "{\"errors\":\"false\",\"items\":[]}",
        "{\"nested\":{\"errors\":false}}",
        "[{\"errors\":false}]",
        "{\"errors\":true,\"items\":[" ITEM(201) "}",
        ERRORS(ITEM(201)) + 1,
    };
    struct lb_answer answer = { .status = 200 };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(verdict_of(table[i]), LB_VERDICT_RETRY);
    assert_int_equal(elastic()->judge(&answer), LB_VERDICT_RETRY); /* no memory for it, say */
    elastic()->partly(&answer, &partly);
    assert_int_equal(partly.count, 0);
}

static void the_table_of_statuses(void **state)
{
    static const struct {
        long from, to;
        enum lb_verdict verdict;
    } table[] = {
        { 201, 399, LB_VERDICT_PAUSE }, { 400, 400, LB_VERDICT_BISECT }, { 401, 407, LB_VERDICT_PAUSE },
        { 408, 408, LB_VERDICT_RETRY }, { 409, 412, LB_VERDICT_PAUSE },  { 413, 413, LB_VERDICT_SPLIT },
        { 414, 414, LB_VERDICT_PAUSE }, { 415, 415, LB_VERDICT_RECODE }, { 422, 422, LB_VERDICT_BISECT },
        { 429, 429, LB_VERDICT_RETRY }, { 500, 500, LB_VERDICT_RETRY },  { 501, 501, LB_VERDICT_PAUSE },
        { 502, 599, LB_VERDICT_RETRY },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        for (long status = table[i].from; status <= table[i].to; status++) {
            struct lb_answer answer = { .status = status, .reply = "{\"errors\":false}", .reply_len = 16 };

            assert_int_equal(elastic()->judge(&answer), table[i].verdict);
            assert_int_equal(elastic()->judge_probe(&answer), table[i].verdict);
            answer.error = 28;
            assert_int_equal(elastic()->judge(&answer), LB_VERDICT_RETRY);
            answer.is_clock_fault = true;
            assert_int_equal(elastic()->judge_probe(&answer), LB_VERDICT_CLOCK);
        }
}

static enum lb_verdict probed(const char *reply)
{
    return judged(elastic()->judge_probe, reply, strlen(reply));
}

#define UPDATE(status, type) "{\"update\":{\"status\":" #status ",\"error\":{\"type\":\"" type "\"}}}"

static void the_question_is_answered_well_by_there_is_no_such_document(void **state)
{
    (void)state;
    assert_int_equal(probed(ERRORS(UPDATE(404, "document_missing_exception"))), LB_VERDICT_DELIVERED);
    assert_int_equal(probed(ERRORS(UPDATE(400, "illegal_argument_exception"))), LB_VERDICT_DELIVERED);
    assert_int_equal(probed(ERRORS(UPDATE(403, "security_exception"))), LB_VERDICT_DELIVERED);
    assert_int_equal(probed("{\"errors\":false}"), LB_VERDICT_DELIVERED);
    assert_int_equal(probed(ERRORS(UPDATE(404, "index_not_found_exception"))), LB_VERDICT_PAUSE);
    assert_int_equal(probed(ERRORS(UPDATE(429, "es_rejected_execution_exception"))), LB_VERDICT_RETRY);
    assert_int_equal(probed(ERRORS(BAD)), LB_VERDICT_RETRY);
    assert_int_equal(probed("<html>"), LB_VERDICT_RETRY);
    /* The same of a body of records is no word about them. */
    assert_int_not_equal(verdict_of(ERRORS(UPDATE(404, "document_missing_exception"))), LB_VERDICT_DELIVERED);
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
        cmocka_unit_test_setup_teardown(days_of_five_centuries_agree_with_libc, test_make_dir,
                                        test_remove_dir),
        cmocka_unit_test_setup_teardown(a_record_without_a_stamp_has_the_time_of_sending, test_make_dir,
                                        test_remove_dir),
        cmocka_unit_test_setup_teardown(whatever_a_line_says_it_is_one_line_of_json, test_make_dir,
                                        test_remove_dir),
        cmocka_unit_test_setup_teardown(the_longest_record_keeps_its_bound, test_make_dir, test_remove_dir),
        cmocka_unit_test(an_answer_without_errors_is_not_looked_through),
        cmocka_unit_test(what_is_there_already_is_as_good_as_taken),
        cmocka_unit_test(one_that_is_to_come_again_brings_all_of_them_again),
        cmocka_unit_test(those_that_are_refused_are_told_by_their_place),
        cmocka_unit_test(what_is_wrong_with_key_or_index_is_no_record_s_fault),
        cmocka_unit_test(more_than_can_be_told_are_looked_for),
        cmocka_unit_test(no_answer_that_was_cut_counts_as_whole),
        cmocka_unit_test(what_is_no_answer_of_bulk_is_tried_again),
        cmocka_unit_test(the_table_of_statuses),
        cmocka_unit_test(the_question_is_answered_well_by_there_is_no_such_document),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
