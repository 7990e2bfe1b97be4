/* SPDX-License-Identifier: MIT */
/*
 * The otlp sink beside its bodies (test_otlp.c): where they go, what an answer means, whatever it says, and
 * that a builder which fills bodies to the brim makes whole ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ship/body.h"
#include "tests/unit/lib_otlp.h"
#include "tests/unit/lib_ring.h"

static const struct lb_sink *otlp(void)
{
    return lb_sink_find("otlp");
}

/* ---- where they go ---- */

static void bodies_go_to_v1_logs_with_what_the_settings_say(void **state)
{
    static struct lb_target target;
    struct lb_sink_config settings = { .url = (char *)(uintptr_t) "http://collector:4318",
                                       .headers = (char *)(uintptr_t) "X-Team: sensors",
                                       .auth = LB_AUTH_BEARER };

    (void)state;
    assert_int_equal(otlp()->aim(&settings, "t0ken", &target), 0);
    assert_string_equal(target.url, "http://collector:4318/v1/logs");
    assert_int_equal(target.headers, 3);
    assert_string_equal(target.header[0], "Content-Type: application/x-protobuf");
    assert_string_equal(target.header[1], "Authorization: Bearer t0ken");
    assert_string_equal(target.header[2], "X-Team: sensors");
    settings.url = (char *)(uintptr_t) "http://gateway/otlp/v1/logs";
    assert_int_equal(otlp()->aim(&settings, "t0ken", &target), 0);
    assert_string_equal(target.url, "http://gateway/otlp/v1/logs");
    assert_int_equal(lb_sink_probe_len(otlp()), 0);
    assert_true(otlp()->reads_reply);
}

/* ---- what comes back ---- */

static void the_table_of_answers_is_the_specification_s(void **state)
{
    (void)state;
    for (long status = 0; status < 700; status++) {
        struct lb_answer answer = { .status = status };
        enum lb_verdict want = status == 200                                       ? LB_VERDICT_DELIVERED
                               : status == 400                                     ? LB_VERDICT_BISECT
                               : status == 413                                     ? LB_VERDICT_SPLIT
                               : status == 415                                     ? LB_VERDICT_RECODE
                               : status == 429 || (status >= 502 && status <= 504) ? LB_VERDICT_RETRY
                                                                                   : LB_VERDICT_PAUSE;

        assert_int_equal(otlp()->judge(&answer), want);
        answer.error = 28;
        assert_int_equal(otlp()->judge(&answer), LB_VERDICT_RETRY);
        answer.is_clock_fault = true;
        assert_int_equal(otlp()->judge(&answer), LB_VERDICT_CLOCK);
    }
}

/* How many records a reply of status 200 rejects. It lies in a block of its own: a sanitizer sees a read past
 * it. */
static uint64_t rejected(const char *reply, size_t len)
{
    char *copy = malloc(len + (len == 0));
    struct lb_answer answer = { .status = 200, .reply = copy, .reply_len = len };
    struct lb_partly partly = { 0 };

    assert_non_null(copy);
    memcpy(copy, reply, len);
    otlp()->partly(&answer, &partly);
    assert_int_equal(otlp()->judge(&answer), partly.unknown > 0 ? LB_VERDICT_PARTLY : LB_VERDICT_DELIVERED);
    assert_true(partly.count == 0 && partly.before_ns == 0 && partly.from_ns == 0);
    answer.status = 503;
    assert_int_equal(otlp()->judge(&answer), LB_VERDICT_RETRY); /* of another status it says nothing */
    free(copy);
    return partly.unknown;
}

#define REJECTED(literal) rejected(literal, sizeof(literal) - 1)

static void a_part_that_was_rejected_is_told_by_its_number(void **state)
{
    (void)state;
    assert_int_equal(REJECTED("\x0a\x02\x08\x05"), 5);
    assert_int_equal(REJECTED("\x0a\x0a\x08\xac\x02\x12\x05late!"), 300);
    assert_int_equal(REJECTED("\x0a\x09\x12\x05late!\x08\x05"), 5); /* fields in any order */
    assert_int_equal(REJECTED("\x12\x03new\x0a\x04\x18\x07\x08\x05"),
                     5);                                               /* and those that are not known yet */
    assert_int_equal(REJECTED("\x0a\x02\x08\x05\x0a\x02\x08\x06"), 6); /* of two the last one */
    assert_int_equal(REJECTED("\x0a\x82\x80\x00\x08\x05"), 5);         /* padded */
}

static void nothing_that_was_rejected_is_delivered(void **state)
{
    (void)state;
    assert_int_equal(REJECTED(""), 0);
    assert_int_equal(REJECTED("\x0a\x00"), 0);
    assert_int_equal(REJECTED("\x0a\x02\x08\x00"), 0);
    assert_int_equal(REJECTED("\x0a\x07\x12\x05"
                              "beware"),
                     0); /* a warning */
}

static void a_hostile_reply_is_read_no_further_than_it_reaches(void **state)
{
    static char deep[65536];

    (void)state;
    assert_int_equal(REJECTED("\x0a"), 0);
    assert_int_equal(REJECTED("\x0a\xff"), 0);
    assert_int_equal(REJECTED("\x0a\x02\x08"), 0);
    assert_int_equal(REJECTED("\x0a\x02\x08\xff"), 0);
    assert_int_equal(REJECTED("\x0a\x7f\x08\x05"),
                     5); /* cut, as we cut what is too long; the number had come */
    assert_int_equal(REJECTED("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x08\x05"), 5);
    assert_int_equal(REJECTED("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 0); /* -1 */
    assert_int_equal(REJECTED("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), 0); /* 70 bits */
    assert_int_equal(REJECTED("\x0a\x02\x0a\x05"), 0); /* text for a number */
    assert_int_equal(REJECTED("\x08\x05"), 0);
    assert_int_equal(REJECTED("\x0b\x08\x05\x0c"), 0);
    assert_int_equal(REJECTED("<html><body>fine</body></html>"), 0);
    assert_int_equal(REJECTED("\nOK\n"), 0);
    memset(deep, 0x0a, sizeof deep);
    assert_int_equal(rejected(deep, sizeof deep), 0);
    memset(deep, '{', sizeof deep);
    assert_int_equal(rejected(deep, sizeof deep), 0);
    memset(deep, 0xff, sizeof deep);
    assert_int_equal(rejected(deep, sizeof deep), 0);
}

static void an_answer_in_json_is_read_too(void **state)
{
    (void)state;
    assert_int_equal(REJECTED("{\"partialSuccess\":{\"rejectedLogRecords\":\"7\",\"errorMessage\":\"no\"}}"),
                     7);
    assert_int_equal(REJECTED("{\"a\":{\"b\":[1]},\"partialSuccess\": {\"rejectedLogRecords\": 7}}"), 7);
    assert_int_equal(REJECTED("{\"partialSuccess\":{\"errorMessage\":\"no\"}}"), 0);
    assert_int_equal(REJECTED("{\"partialSuccess\":{\"rejectedLogRecords\":\"0\"}}"), 0);
    assert_int_equal(REJECTED("{\"partialSuccess\":{}}"), 0);
    assert_int_equal(REJECTED("{}"), 0);
    assert_int_equal(REJECTED("{\"rejectedLogRecords\":7}"), 0);
    assert_int_equal(REJECTED("{\"a\":{\"partialSuccess\":{\"rejectedLogRecords\":7}}}"), 0);
    assert_int_equal(REJECTED("{\"partialSuccess\":{\"x\":{\"rejectedLogRecords\":7}}}"), 0);
    assert_int_equal(REJECTED("{\"partialSuccess\":{\"rejectedLogRecords\":-7}}"), 0);
    assert_int_equal(REJECTED("{\"partialSuccess\":{\"rejectedLogRecords\":\"99999999999999999999\"}}"), 0);
    assert_int_equal(REJECTED("{\"partialSuccess\":{\"rejectedLogRecords\":{}}}"), 0);
    assert_int_equal(REJECTED("{\"partialSuccess\":{\"rejectedLogRecords\":7,"), 7); /* cut behind it */
    assert_int_equal(REJECTED("{\"partialSuccess\":{\"rejectedLogRecords\":7"), 0);  /* and perhaps within */
    assert_int_equal(REJECTED("{"), 0);
}

/* ---- bodies to the brim ---- */

static unsigned count(const char *text, const char *word)
{
    unsigned found = 0;

    for (const char *at = text; (at = strstr(at, word)); at++)
        found++;
    return found;
}

static void bodies_are_whole_and_within_their_limit_wherever_they_end(void **state)
{
    static const char *const names[] = { "shop", "till", "gate" };
    struct lb_body_plan plan = { .max_lines = 1000 };
    struct lb_builder builder;
    struct lb_body body = { 0 };
    struct lb_config *config;
    struct rig rig;
    uint64_t lines = 0, bodies = 0;

    (void)state;
    rig_begin(&rig, 1 << 20);
    config =
        rig_config(&rig, "[sink o]\ntype = otlp\nurl = http://x\ncompression = none\nbody_bytes = 16K\n");
    assert_int_equal(lb_builder_init(&builder, otlp(), config, &config->sinks[0], rig.files.ring.id), 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(rig_put(&rig, names[i / 3 % 3], LB_LEVEL_INFO, 8 + i * 37 % 700) > 0);
    plan.head = lb_ring_head(&rig.files.ring);
    plan.max_bytes = builder.max_bytes;
    while (lb_builder_make(&builder, &rig.files.ring, &rig.files.state, &plan, &body) > 0) {
        const char *text = otlp_text((const char *)body.payload, body.payload_len);

        assert_true(body.payload_len <= 16384);
        assert_int_equal(count(text, "record time="), body.lines);
        assert_int_equal(count(text, " logboom.body={\"id\":"), 1);
        assert_string_equal(text + strlen(text) - 3, "]}\n"); /* of the ranges, on the last record */
        plan.from = body.to;
        lines += body.lines;
        bodies++;
    }
    assert_int_equal(lines, 1000);
    assert_true(bodies > 20);
    free(body.payload);
    lb_builder_close(&builder);
    lb_config_free(config);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_go_to_v1_logs_with_what_the_settings_say),
        cmocka_unit_test(the_table_of_answers_is_the_specification_s),
        cmocka_unit_test(a_part_that_was_rejected_is_told_by_its_number),
        cmocka_unit_test(nothing_that_was_rejected_is_delivered),
        cmocka_unit_test(a_hostile_reply_is_read_no_further_than_it_reaches),
        cmocka_unit_test(an_answer_in_json_is_read_too),
        cmocka_unit_test(bodies_are_whole_and_within_their_limit_wherever_they_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
