/* SPDX-License-Identifier: MIT */
/*
 * What Grafana Loki answers, and what that means: which of a push it has, which it will never take, and
 * whether to come again. Pure functions; a reply has no end but its length.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ship/sinks/sink.h"

static struct lb_sink_config settings;
static char room[4096];

/* ---- where it goes ---- */

static struct lb_target target;

static void the_path_is_added_and_the_tenant_is_a_header(void **state)
{
    struct lb_sink_config config = { .url = (char *)(uintptr_t) "http://loki:3100",
                                     .tenant = (char *)(uintptr_t) "fleet-7",
                                     .auth = LB_AUTH_BEARER,
                                     .headers = (char *)(uintptr_t) "X-A: b" };
    const struct lb_sink *sink = lb_sink_find("loki");

    (void)state;
    assert_int_equal(sink->aim(&config, "t0k3n", &target), 0);
    assert_string_equal(target.url, "http://loki:3100/loki/api/v1/push");
    assert_int_equal(target.headers, 4);
    assert_string_equal(target.header[0], "Content-Type: application/json");
    assert_string_equal(target.header[1], "X-Scope-OrgID: fleet-7");
    assert_string_equal(target.header[2], "Authorization: Bearer t0k3n");
    assert_string_equal(target.header[3], "X-A: b");
    config.tenant = (char *)(uintptr_t) "";
    assert_int_equal(sink->aim(&config, "t0k3n", &target), 0);
    assert_int_equal(target.headers, 3);
}

/* ---- answers ---- */

#define OLD                                                                                              \
    "entry for stream '{service=\"a\"}' has timestamp too old: 2026-04-08T04:34:44Z, oldest acceptable " \
    "timestamp is: "

static struct lb_answer answer_of(long status, const char *reply)
{
    return (struct lb_answer) { .status = status, .reply = reply, .reply_len = reply ? strlen(reply) : 0 };
}

static void the_table_of_answers(void **state)
{
    static const struct {
        long from, to;
        enum lb_verdict verdict;
    } table[] = {
        { 200, 200, LB_VERDICT_DELIVERED }, { 201, 203, LB_VERDICT_PAUSE },
        { 204, 204, LB_VERDICT_DELIVERED }, { 205, 399, LB_VERDICT_PAUSE }, /* 260 among them */
        { 400, 400, LB_VERDICT_BISECT },    { 401, 405, LB_VERDICT_PAUSE },
        { 408, 408, LB_VERDICT_RETRY },     { 413, 413, LB_VERDICT_SPLIT },
        { 415, 415, LB_VERDICT_RECODE },    { 422, 422, LB_VERDICT_BISECT },
        { 429, 429, LB_VERDICT_RETRY },     { 500, 599, LB_VERDICT_RETRY },
    };
    const struct lb_sink *sink = lb_sink_find("loki");

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        for (long status = table[i].from; status <= table[i].to; status++) {
            struct lb_answer answer = answer_of(status, NULL);

            assert_int_equal(sink->judge(&answer), table[i].verdict);
            answer.error = 28;
            assert_int_equal(sink->judge(&answer), LB_VERDICT_RETRY);
            answer.is_clock_fault = true;
            assert_int_equal(sink->judge(&answer), LB_VERDICT_CLOCK);
        }
}

#define ONE_OF_TWO                                                              \
    "entry with timestamp x ignored, reason: 'entry out of order',\nuser 'a', " \
    "total ignored: 1 out of 2 for stream: {}"

static void a_400_that_tells_of_stamps_was_taken_but_for_those(void **state)
{
    static const char *const partly[] = {
        OLD "2026-05-14T03:07:18Z",
        "entry for stream '{}' has timestamp too new: 2026-05-14T03:07:18Z",
        "entry too far behind, oldest acceptable timestamp is: 2025-10-29T08:14:08Z",
        ONE_OF_TWO,
    };
    struct lb_answer answer;

    (void)state;
    for (size_t i = 0; i < sizeof partly / sizeof partly[0]; i++) {
        answer = answer_of(400, partly[i]);
        assert_int_equal(lb_sink_find("loki")->judge(&answer), LB_VERDICT_PARTLY);
        answer.status = 429; /* a limit: nothing says that the rest was taken */
        assert_int_equal(lb_sink_find("loki")->judge(&answer), LB_VERDICT_RETRY);
    }
    answer = answer_of(400, "error parsing labels");
    assert_int_equal(lb_sink_find("loki")->judge(&answer), LB_VERDICT_BISECT);
}

static void a_400_that_every_record_would_get_pauses_and_rejects_none(void **state)
{
    static const char *const settings_of_loki[] = {
        "no org id",
        "stream '{}' includes structured metadata, but this feature is disallowed. Please see ...",
        "entry for stream '{}' has 5 label names; limit 4",
    };

    (void)state;
    for (size_t i = 0; i < sizeof settings_of_loki / sizeof settings_of_loki[0]; i++) {
        struct lb_answer answer = answer_of(400, settings_of_loki[i]);

        assert_int_equal(lb_sink_find("loki")->judge(&answer), LB_VERDICT_PAUSE);
    }
}

static void an_empty_push_that_is_refused_as_empty_found_loki_well_and_lines_did_not(void **state)
{
    const struct lb_sink *sink = lb_sink_find("loki");
    struct lb_answer answer = answer_of(422, "error at least one valid stream is required for ingestion\n");

    (void)state;
    assert_int_equal(lb_sink_judge_probe(sink, &settings, &answer), LB_VERDICT_DELIVERED);
    assert_int_equal(lb_sink_judge(sink, &settings, &answer), LB_VERDICT_BISECT);
    answer = answer_of(204, NULL);
    assert_int_equal(lb_sink_judge_probe(sink, &settings, &answer), LB_VERDICT_DELIVERED);
    answer = answer_of(422, "what is this?");
    assert_int_equal(lb_sink_judge_probe(sink, &settings, &answer), LB_VERDICT_BISECT);
    answer = answer_of(401, "no org id");
    assert_int_equal(lb_sink_judge_probe(sink, &settings, &answer), LB_VERDICT_PAUSE);
    answer.error = 7;
    assert_int_equal(lb_sink_judge_probe(sink, &settings, &answer), LB_VERDICT_RETRY);
}

/* Of a reply in a block of its own, so that a read past its end is seen. */
static struct lb_partly partly_of(const char *reply)
{
    size_t len = strlen(reply);
    char *copy = malloc(len + (len == 0));
    struct lb_answer answer = { .status = 400, .reply = copy, .reply_len = len };
    struct lb_partly partly;

    memcpy(copy, reply, len);
    memset(&partly, 0xaa, sizeof partly);
    lb_sink_find("loki")->partly(&answer, &partly);
    free(copy);
    assert_int_equal(partly.count, 0);
    return partly;
}

static void times_are_read_in_every_form_that_loki_prints(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } times[] = {
        { "2023-11-14T22:13:20Z", 1700000001000000000ull }, /* cut to the second: the next one */
        { "2023-11-14T22:13:20.5Z", 1700000000500000000ull },
        { "2023-11-14T22:13:20.123456789123Z", 1700000000123456789ull },
        { "2023-11-15T00:13:20.0+02:00", 1700000000000000000ull },
        { "2023-11-14T18:43:20.0-03:30", 1700000000000000000ull },
        { "2023-11-14 22:13:20.25 +0000 UTC", 1700000000250000000ull },
        { "2024-02-29T00:00:00.0Z", 1709164800000000000ull },
        { "2000-03-01T00:00:00.0Z", 951868800000000000ull },
    };

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char reply[256];

        snprintf(reply, sizeof reply, OLD "%s", times[i].text);
        assert_int_equal(partly_of(reply).before_ns, times[i].ns);
        assert_int_equal(partly_of(reply).from_ns, 0);
        assert_int_equal(partly_of(reply).unknown, 0);
    }
}

static void of_several_times_the_one_counts_that_refuses_most(void **state)
{
    struct lb_partly partly =
        partly_of(OLD "2023-11-14T22:13:20.0Z\n" OLD "2023-11-14T22:13:22.0Z\n" OLD "2023-11-14T22:13:21.0Z\n"
                      "entry for stream '{}' has timestamp too new: 2023-11-15T22:13:21Z\n"
                      "entry for stream '{}' has timestamp too new: 2023-11-15T22:13:20Z\n");

    (void)state;
    assert_int_equal(partly.before_ns, 1700000002000000000ull);
    assert_int_equal(partly.from_ns, 1700086400000000000ull);
    assert_int_equal(partly.unknown, 0);
}

#define IGNORED(stamp)                                                                                      \
    "entry with timestamp " stamp " +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: " \
    "2023-11-14T22:13:18Z, oldest acceptable timestamp is: 2023-11-14T22:13:20Z',\n"

static void where_each_refused_entry_is_named_only_those_are_refused(void **state)
{
    static const char named[] =
        IGNORED("2023-11-14 22:13:18.000001085") IGNORED("2023-11-14 22:13:18.000000083");

    (void)state;
    /* Its stamp is of the same ten microseconds as the record's own time. */
    assert_int_equal(
        partly_of(strcat(strcpy(room, named), "user 'fake', total ignored: 2 out of 9 for stream: {}"))
            .before_ns,
        1699999998000010000ull);
    /* More than are named: the time that is told, and the second that it was cut to. */
    assert_int_equal(
        partly_of(strcat(strcpy(room, named), "user 'fake', total ignored: 12 out of 99 for stream: {}"))
            .before_ns,
        1700000001000000000ull);
}

static void without_a_time_the_number_that_is_told_is_refused_and_nobody_knows_which(void **state)
{
    (void)state;
    assert_int_equal(partly_of("entry out of order, total ignored: 3 out of 7").unknown, 3);
    assert_int_equal(partly_of("total ignored: 3 out of 7 total ignored: 4 out of 4").unknown, 7);
    assert_int_equal(partly_of("has timestamp too old: soon").unknown, 1);
    assert_int_equal(partly_of("total ignored: none").unknown, 1);
    assert_int_equal(partly_of("").unknown, 1);
}

static void a_hostile_reply_is_read_to_its_end_and_no_further(void **state)
{
    static const char whole[] =
        OLD "2023-11-14T22:13:20.123+02:00 total ignored: 99999999999999999999999 out of 1";
    static const char *const wrong[] = {
        "2023-13-14T22:13:20Z", "2023-00-14T22:13:20Z", "2023-11-32T22:13:20Z", "2023-11-14T24:13:20Z",
        "2023-11-14T22:60:20Z", "2023-11-14T22:13:61Z", "2023-11-14T22:13:20",  "2023-11-14T22:13:20+99:00",
        "0000-01-01T00:00:00Z", "9999-11-14T22:13:20Z", "-023-11-14T22:13:20Z", "1969-12-31T23:59:59Z",
    };
    char reply[512];

    (void)state;
    for (size_t len = 0; len < sizeof whole; len++) {
        snprintf(reply, len + 1, "%s", whole);
        partly_of(reply);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(reply, sizeof reply, OLD "%s", wrong[i]);
        assert_int_equal(partly_of(reply).before_ns, 0);
        assert_int_equal(partly_of(reply).unknown, 1);
    }
    assert_true(partly_of("total ignored: 99999999999999999999999 out of 1").unknown > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_path_is_added_and_the_tenant_is_a_header),
        cmocka_unit_test(the_table_of_answers),
        cmocka_unit_test(a_400_that_tells_of_stamps_was_taken_but_for_those),
        cmocka_unit_test(a_400_that_every_record_would_get_pauses_and_rejects_none),
        cmocka_unit_test(an_empty_push_that_is_refused_as_empty_found_loki_well_and_lines_did_not),
        cmocka_unit_test(times_are_read_in_every_form_that_loki_prints),
        cmocka_unit_test(of_several_times_the_one_counts_that_refuses_most),
        cmocka_unit_test(where_each_refused_entry_is_named_only_those_are_refused),
        cmocka_unit_test(without_a_time_the_number_that_is_told_is_refused_and_nobody_knows_which),
        cmocka_unit_test(a_hostile_reply_is_read_to_its_end_and_no_further),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
