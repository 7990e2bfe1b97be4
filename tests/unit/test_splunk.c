/* SPDX-License-Identifier: MIT */
/* The sink of type splunk: where its bodies go, what is in them, and what a collector's answers mean. */
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

#define KIB 1024
#define SPLUNK \
    "[agent]\nhostname = box\n[sink hec]\ntype = splunk\nurl = http://hec:8088\ncompression = none\n"

static struct lb_target target;

static const struct lb_sink *splunk(void)
{
    return lb_sink_find("splunk");
}

/* ---- where to ---- */

static struct lb_sink_config settings_of(const char *url)
{
    return (struct lb_sink_config) { .url = (char *)(uintptr_t)url,
                                     .headers = (char *)(uintptr_t) "X-Team: a" };
}

static void the_token_is_shown_as_splunk_wants_it_and_there_is_no_channel(void **state)
{
    struct lb_sink_config settings = settings_of("https://hec:8088");

    (void)state;
    assert_int_equal(splunk()->aim(&settings, "t0k3n", &target), 0);
    assert_string_equal(target.url, "https://hec:8088/services/collector/event");
    assert_int_equal(target.headers, 3);
    assert_string_equal(target.header[0], "Content-Type: application/json");
    assert_string_equal(target.header[1], "Authorization: Splunk t0k3n");
    assert_string_equal(target.header[2], "X-Team: a");
    settings = settings_of("https://hec/mine");
    assert_int_equal(splunk()->aim(&settings, "t0k3n", &target), 0);
    assert_string_equal(target.url, "https://hec/mine");
}

static void its_health_is_asked_for_beside_it(void **state)
{
    struct lb_sink_config settings = settings_of("https://hec:8088/services/collector/event");

    (void)state;
    assert_int_equal(splunk()->aim_check(&settings, "t0k3n", &target), 0);
    assert_string_equal(target.url, "https://hec:8088/services/collector/health");
    assert_int_equal(target.headers, 1);
    assert_string_equal(target.header[0], "Authorization: Splunk t0k3n");
}

static void a_token_that_is_too_long_is_refused_not_cut(void **state)
{
    static char key[LB_SINK_HEADER_LEN + 8];
    struct lb_sink_config settings = settings_of("https://hec:8088");

    (void)state;
    memset(key, 'k', sizeof key - 1);
    assert_int_equal(splunk()->aim(&settings, key, &target), -E2BIG);
    key[LB_SINK_HEADER_LEN - sizeof "Authorization: Splunk "] = '\0';
    assert_int_equal(splunk()->aim(&settings, key, &target), 0);
}

/* ---- bodies ---- */

static void an_event_for_each_record_in_a_line_of_its_own(void **state)
{
    static const char first[] =
        "{\"time\":1700000001.000,\"host\":\"box\",\"source\":\"shop\",\"sourcetype\":\"logboom\","
        "\"event\":{\"message\":\"L1......\"";

    (void)state;
    bodies_begin(SPLUNK);
    rig_put(&bodies_rig, "shop", LB_LEVEL_INFO, 8);
    rig_put(&bodies_rig, "till", LB_LEVEL_ERROR, 8);
    assert_int_equal(bodies_make(0), 2);
    assert_int_equal(strncmp(bodies_text, first, sizeof first - 1), 0);
    assert_int_equal(bodies_count("}}\n{\"time\":"), 1);
    assert_int_equal(
        bodies_count("\"source\":\"till\",\"sourcetype\":\"logboom\",\"event\":{\"message\":\"L2"), 1);
    assert_int_equal(bodies_count("\"index\":"), 0);
    assert_int_equal(bodies_count("\n"), 2);
    assert_string_equal(bodies_text + strlen(bodies_text) - 3, "}}\n");
}

static void index_and_source_type_are_those_of_the_settings(void **state)
{
    (void)state;
    bodies_begin(SPLUNK "index = fle\"et\nsource_type = _json\n");
    rig_put(&bodies_rig, "shop", LB_LEVEL_INFO, 8);
    assert_int_equal(bodies_make(0), 1);
    assert_int_equal(bodies_count(",\"sourcetype\":\"_json\",\"index\":\"fle\\\"et\",\"event\":{"), 1);
}

static void the_ranges_are_in_the_last_event_alone(void **state)
{
    char expected[160];

    (void)state;
    bodies_begin(SPLUNK);
    for (int i = 0; i < 3; i++)
        rig_put(&bodies_rig, "shop", i == 1 ? LB_LEVEL_ERROR : LB_LEVEL_INFO, 8);
    assert_int_equal(bodies_make(0), 3);
    snprintf(expected, sizeof expected,
             ",\"logboom_body\":{\"id\":\"%016llx\",\"urgent\":[1,1],\"routine\":[1,2]}}}\n",
             (unsigned long long)bodies_rig.files.ring.id);
    assert_string_equal(bodies_text + strlen(bodies_text) - strlen(expected), expected);
    assert_int_equal(bodies_count("logboom_body"), 1);
}

static void there_are_no_ranges_where_all_are_numbered_or_none(void **state)
{
    (void)state;
    bodies_begin(SPLUNK "sequence = all\n");
    rig_put(&bodies_rig, "shop", LB_LEVEL_INFO, 8);
    assert_int_equal(bodies_make(0), 1);
    assert_int_equal(bodies_count("logboom_body"), 0);
    assert_int_equal(bodies_count("\"lane\":\"routine\",\"n\":1"), 1);
    bodies_end(state);
    bodies_begin(SPLUNK "sequence = off\n");
    rig_put(&bodies_rig, "shop", LB_LEVEL_INFO, 8);
    assert_int_equal(bodies_make(0), 1);
    assert_int_equal(bodies_count("\"logboom\":"), 0);
    assert_int_equal(bodies_count("logboom_body"), 0);
}

static void what_does_not_fit_is_as_if_it_had_not_been_tried(void **state)
{
    uint64_t from = 0;
    unsigned got, lines = 0, bodies = 0;

    (void)state;
    bodies_begin(SPLUNK "body_bytes = 16K\n");
    for (int i = 0; i < 200; i++)
        assert_true(rig_put(&bodies_rig, "shop", LB_LEVEL_INFO, 8 + (size_t)(i * 37 % 1500)) > 0);
    while ((got = bodies_make(from)) > 0) {
        assert_true(bodies_body.raw_bytes <= 16 * KIB);
        assert_int_equal(bodies_count("\n"), got);
        assert_int_equal(bodies_count("}}\n{\"time\":"), got - 1);
        assert_int_equal(bodies_count("logboom_body"), 1);
        assert_string_equal(bodies_text + strlen(bodies_text) - 5, "]}}}\n");
        from = bodies_body.to;
        lines += got;
        bodies++;
    }
    assert_int_equal(lines, 200);
    assert_true(bodies > 5);
}

/* The text of one event that add() has written, alone in its body. */
static const char *added(const struct lb_record *record)
{
    struct lb_composer composer = { .encoder = &encoder, .sink_config = &test_config->sinks[0] };
    char *end = splunk()->format->begin(&composer, encoded_text);

    end = splunk()->format->add(&composer, record, end);
    assert_true((size_t)(end - encoded_text) <= lb_encode_bound(record) + LB_FORMAT_FRAME);
    composer.records = 1;
    *splunk()->format->end(&composer, NULL, end) = '\0';
    return encoded_text;
}

static void whatever_a_line_says_it_is_one_line_of_json(void **state)
{
    const char *text;

    (void)state;
    encode_begin("[agent]\nhostname = box\n", LB_SEQUENCE_BATCH);
    text = added(record_of("a\"b", "k:v", "x\n\"\\\r\1\xff}", 8));
    assert_non_null(strstr(text, "\"message\":\"x\\n\\\"\\\\\\r\\u0001\xef\xbf\xbd}\""));
    assert_non_null(strstr(text, "\"source\":\"a\\\"b\""));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void times_have_milliseconds_and_a_record_without_one_has_none(void **state)
{
    (void)state;
    encode_begin("", LB_SEQUENCE_BATCH);
    encoder.stamps = (struct lb_stamps) { .offset_ns = 946684799004999999ull }; /* and 5 ms: another year */
    assert_int_equal(strncmp(added(line_of("x")), "{\"time\":946684799.009,\"host\"", 28), 0);
    encoder.stamps = (struct lb_stamps) { .has_window = true, .is_implausible = true, .now_ns = 9000000 };
    assert_int_equal(strncmp(added(line_of("x")), "{\"host\":", 8), 0);
}

static void the_longest_record_keeps_its_bound(void **state)
{
    static char body[131072], tags[1024], service[256];

    (void)state;
    encode_begin("", LB_SEQUENCE_ALL);
    memset(body, '\1', sizeof body);
    memset(tags, '\1', sizeof tags - 1);
    memset(service, '\1', sizeof service - 1);
    assert_non_null(added(record_of(service, tags, body, sizeof body)));
}

/* ---- answers ---- */

static enum lb_verdict judged(enum lb_verdict (*judge)(const struct lb_answer *), long status,
                              const char *reply, size_t len)
{
    char *copy = malloc(len ? len : 1); /* in a block of its own, so that a read past it is seen */
    struct lb_answer answer = { .status = status, .reply = copy, .reply_len = len };
    enum lb_verdict verdict;

    assert_non_null(copy);
    memcpy(copy, reply, len);
    verdict = judge(&answer);
    free(copy);
    return verdict;
}

static enum lb_verdict verdict_of(long status, const char *reply)
{
    return judged(splunk()->judge, status, reply, strlen(reply));
}

static enum lb_verdict verdict_of_code(long status, int code)
{
    char reply[128];

    snprintf(reply, sizeof reply, "{\"text\":\"says } \\\" \",\"code\":%d,\"invalid-event-number\":2}", code);
    return verdict_of(status, reply);
}

static void the_table_of_codes(void **state)
{
    static const struct {
        long status;
        int code;
        enum lb_verdict verdict;
    } table[] = {
        { 200, 0, LB_VERDICT_DELIVERED }, { 403, 1, LB_VERDICT_PAUSE },   { 401, 2, LB_VERDICT_PAUSE },
        { 401, 3, LB_VERDICT_PAUSE },     { 403, 4, LB_VERDICT_PAUSE },   { 400, 5, LB_VERDICT_BISECT },
        { 400, 6, LB_VERDICT_BISECT },    { 400, 7, LB_VERDICT_PAUSE },   { 500, 8, LB_VERDICT_RETRY },
        { 503, 9, LB_VERDICT_RETRY },     { 400, 10, LB_VERDICT_PAUSE },  { 400, 11, LB_VERDICT_PAUSE },
        { 400, 12, LB_VERDICT_BISECT },   { 400, 13, LB_VERDICT_BISECT }, { 400, 14, LB_VERDICT_PAUSE },
        { 400, 15, LB_VERDICT_BISECT },   { 400, 16, LB_VERDICT_PAUSE },  { 400, 99, LB_VERDICT_BISECT },
        { 404, 404, LB_VERDICT_PAUSE },   { 413, 27, LB_VERDICT_SPLIT },  { 503, 7, LB_VERDICT_RETRY },
        { 429, 26, LB_VERDICT_RETRY },    { 408, 0, LB_VERDICT_RETRY },   { 403, 0, LB_VERDICT_PAUSE },
        { 400, 0, LB_VERDICT_BISECT },    { 302, 0, LB_VERDICT_PAUSE },   { 202, 0, LB_VERDICT_DELIVERED },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(verdict_of_code(table[i].status, table[i].code), table[i].verdict);
}

static void without_a_code_the_status_counts(void **state)
{
    static const char *const replies[] = { "",
                                           "{}",
                                           "OK",
                                           "<html>",
                                           "{\"code\":\"0\"}",
                                           "{\"code\":-1}",
                                           "{\"code\":0",
                                           "{\"code\":1e0}",
                                           "{\"code\":00000}",
                                           "[{\"code\":0}]",
                                           "{\"a\":{\"code\":0}}" };
    struct lb_answer answer = { .status = 200 };

    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        assert_int_equal(verdict_of(200, replies[i]), LB_VERDICT_DELIVERED);
        assert_int_equal(verdict_of(204, replies[i]), LB_VERDICT_PAUSE);
        assert_int_equal(verdict_of(302, replies[i]), LB_VERDICT_PAUSE);
        assert_int_equal(verdict_of(400, replies[i]), LB_VERDICT_BISECT);
        assert_int_equal(verdict_of(403, replies[i]), LB_VERDICT_PAUSE);
        assert_int_equal(verdict_of(415, replies[i]), LB_VERDICT_RECODE);
        assert_int_equal(verdict_of(502, replies[i]), LB_VERDICT_RETRY);
    }
    assert_int_equal(splunk()->judge(&answer), LB_VERDICT_DELIVERED);
    answer.error = 28;
    assert_int_equal(splunk()->judge(&answer), LB_VERDICT_RETRY);
    answer.is_clock_fault = true;
    assert_int_equal(splunk()->judge(&answer), LB_VERDICT_CLOCK);
}

static void a_code_that_was_cut_is_none(void **state)
{
    static const char reply[] = "{\"text\":\"Incorrect index\",\"code\":7}";

    (void)state;
    for (size_t len = 0; len < sizeof reply - 2; len++)
        assert_int_equal(judged(splunk()->judge, 400, reply, len), LB_VERDICT_BISECT);
    assert_int_equal(judged(splunk()->judge, 400, reply, sizeof reply - 1), LB_VERDICT_PAUSE);
}

static void the_question_is_answered_well_by_that_is_no_event(void **state)
{
    static const char no_event[] =
        "{\"text\":\"Event field is required\",\"code\":12,\"invalid-event-number\":0}";
    static const char no_data[] = "{\"text\":\"No data\",\"code\":5}", no_token[] = "{\"code\":4}";

    (void)state;
    assert_string_equal(splunk()->probe, "{}");
    assert_int_equal(judged(splunk()->judge_probe, 400, no_event, sizeof no_event - 1), LB_VERDICT_DELIVERED);
    assert_int_equal(judged(splunk()->judge_probe, 200, "", 0), LB_VERDICT_DELIVERED);
    assert_int_equal(judged(splunk()->judge_probe, 400, no_data, sizeof no_data - 1), LB_VERDICT_BISECT);
    assert_int_equal(judged(splunk()->judge_probe, 403, no_token, sizeof no_token - 1), LB_VERDICT_PAUSE);
    assert_int_equal(judged(splunk()->judge_probe, 503, no_event, sizeof no_event - 1), LB_VERDICT_RETRY);
    assert_int_equal(judged(splunk()->judge, 400, no_event, sizeof no_event - 1), LB_VERDICT_BISECT);
}

static void the_log_gets_what_a_code_means(void **state)
{
    static const struct {
        const char *reply, *text;
    } table[] = {
        { "{\"text\":\"anything\",\"code\":7}", "code 7, incorrect index" },
        { "{\"code\":16}", "code 16, query string authorization is not enabled" },
        { "{\"code\":17}", "code 17" },
        { "{\"code\":0}", "" },
        { "{\"code\":\"\x1b\"}", "" },
        { "", "" },
    };
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct lb_answer answer = { .status = 400,
                                    .reply = table[i].reply,
                                    .reply_len = strlen(table[i].reply) };

        splunk()->explain(&answer, text, sizeof text);
        assert_string_equal(text, table[i].text);
    }
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, test_make_dir, test_remove_dir)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_token_is_shown_as_splunk_wants_it_and_there_is_no_channel),
        cmocka_unit_test(its_health_is_asked_for_beside_it),
        cmocka_unit_test(a_token_that_is_too_long_is_refused_not_cut),
        cmocka_unit_test_teardown(an_event_for_each_record_in_a_line_of_its_own, bodies_end),
        cmocka_unit_test_teardown(index_and_source_type_are_those_of_the_settings, bodies_end),
        cmocka_unit_test_teardown(the_ranges_are_in_the_last_event_alone, bodies_end),
        cmocka_unit_test_teardown(there_are_no_ranges_where_all_are_numbered_or_none, bodies_end),
        cmocka_unit_test_teardown(what_does_not_fit_is_as_if_it_had_not_been_tried, bodies_end),
        CLAIM(whatever_a_line_says_it_is_one_line_of_json),
        CLAIM(times_have_milliseconds_and_a_record_without_one_has_none),
        CLAIM(the_longest_record_keeps_its_bound),
        cmocka_unit_test(the_table_of_codes),
        cmocka_unit_test(without_a_code_the_status_counts),
        cmocka_unit_test(a_code_that_was_cut_is_none),
        cmocka_unit_test(the_question_is_answered_well_by_that_is_no_event),
        cmocka_unit_test(the_log_gets_what_a_code_means),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
