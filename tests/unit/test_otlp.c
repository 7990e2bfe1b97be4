/* SPDX-License-Identifier: MIT */
/*
 * Bodies of the otlp sink: what they hold, read back by a reader that shares nothing with the writer, and
 * that a record may be taken back at any time. Where they go and what comes back: test_otlp_sink.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ship/encode_otlp.h"
#include "agent/ship/encode_otlp_record.h"
#include "agent/store/extra.h"
#include "tests/unit/lib_config.h"
#include "tests/unit/lib_encode.h"
#include "tests/unit/lib_otlp.h"

#define ENVELOPE "time=1700000000005000000 observed=1700000000007000000"

static struct lb_composer composer;
static char body[12 << 20], *to;

static void begin(const char *settings, enum lb_sequence sequence)
{
    encode_begin(settings, sequence);
    encoder.stamps.now_ns = 7000000;
    composer = (struct lb_composer) { .encoder = &encoder, .config = test_config };
    to = lb_encode_otlp.begin(&composer, body);
}

static void add(const struct lb_record *record)
{
    char *start = to;

    to = lb_encode_otlp.add(&composer, record, to);
    composer.records++;
    assert_true((size_t)(to - start) <= lb_encode_bound(record) + LB_FORMAT_FRAME);
}

static const char *ended(const struct lb_body_ranges *ranges)
{
    char *end = lb_encode_otlp.end(&composer, ranges, to);

    assert_true((size_t)(end - to) <= LB_FORMAT_FRAME);
    return otlp_text(body, (size_t)(end - body));
}

static void has(const char *text)
{
    if (!strstr(ended(NULL), text))
        fail_msg("no %s in: %s", text, ended(NULL));
}

static unsigned count(const char *text, const char *word)
{
    unsigned found = 0;

    for (const char *at = text; (at = strstr(at, word)); at++)
        found++;
    return found;
}

static struct lb_record *with_level(struct lb_record *record, unsigned severity)
{
    record->severity = (uint8_t)severity;
    return record;
}

/* The record with what was understood of it. */
static struct lb_record *understood(const char *text, const struct lb_extra *extra)
{
    static char room[LB_EXTRA_MAX + 4096] __attribute__((aligned(8)));
    size_t len = lb_extra_write(extra, room);
    struct lb_record *record;

    assert_true(len > 0);
    memcpy(room + len, text, strlen(text));
    record = record_of("shop", "", room, len + strlen(text));
    record->flags |= LB_RECORD_EXTRA;
    return record;
}

static struct lb_extra_span find(const char *text, const char *word)
{
    const char *at = strstr(text, word);

    assert_non_null(at);
    return (struct lb_extra_span) { (uint32_t)(at - text), (uint32_t)strlen(word) };
}

static void a_line_is_a_record_of_a_resource(void **state)
{
    (void)state;
    begin("[agent]\nhostname = pi\n", LB_SEQUENCE_OFF);
    add(line_of("flow \"low\"\n\tat 3"));
    assert_string_equal(ended(NULL),
                        "resource host.name=pi service.name=shop\n"
                        "record " ENVELOPE
                        " severity=17/error body=\"flow \"low\"\n\tat 3\" logboom.source=python\n");
}

static void tags_are_attributes_of_the_resource(void **state)
{
    (void)state;
    begin("[agent]\nhostname = pi\ntags = env:prod\n[service shop]\ntags = team:a:b\n", LB_SEQUENCE_OFF);
    add(record_of("shop", "bare,k:v", "x", 1));
    has("resource host.name=pi service.name=shop env=prod team=a:b bare= k=v "
        "deployment.environment.name=prod\n");
}

static void tags_of_one_key_are_one_attribute_with_all_their_values(void **state)
{
    (void)state;
    begin("[agent]\nhostname = pi\ntags = site:north,env:prod\n[service shop]\ntags = site:south\n",
          LB_SEQUENCE_OFF);
    add(record_of("shop", "env:test,site:,deployment.environment.name:mine", "x", 1));
    has(" site=[north|south|] env=[prod|test] deployment.environment.name=mine\n");
}

static void a_tag_that_can_be_no_attribute_is_counted(void **state)
{
    (void)state;
    begin("[agent]\nhostname = pi\n", LB_SEQUENCE_OFF);
    add(record_of("shop", "host.name:evil,:v,\xff:v,\xfe:w,k:\xff,service.name:evil", "x", 1));
    has("resource host.name=pi service.name=shop k=\xef\xbf\xbd dropped=5\n");
}

static void more_tags_than_a_receiver_takes_are_counted(void **state)
{
    char tags[2048] = "";
    size_t len = 0;

    (void)state;
    for (int i = 0; i < 200; i++)
        len += (size_t)sprintf(tags + len, "k%d:v,", i);
    begin("", LB_SEQUENCE_OFF);
    add(record_of("shop", tags, "x", 1));
    has(" k125=v dropped=74\n");
}

static void records_of_one_service_and_tags_share_a_resource(void **state)
{
    const char *text;

    (void)state;
    begin("", LB_SEQUENCE_OFF);
    add(record_of("shop", "", "one", 3));
    add(record_of("shop", "", "two", 3));
    add(record_of("till", "", "three", 5));
    add(record_of("till", "a:b", "four", 4));
    add(record_of("till", "a:b", "five", 4));
    add(record_of("shop", "", "six", 3));
    text = ended(NULL);
    assert_int_equal(count(text, "resource "), 4);
    assert_int_equal(count(text, "record "), 6);
    assert_true(strstr(text, "\"two\"") < strstr(text, "service.name=till\n"));
    assert_true(strstr(text, "\"four\"") > strstr(text, "service.name=till a=b\n"));
    assert_true(strstr(text, "\"five\"") > strstr(text, "\"four\""));
}

static void severities_are_those_of_the_data_model(void **state)
{
    static const unsigned numbers[] = { 21, 19, 18, 17, 13, 10, 9, 5 };
    char want[64];

    (void)state;
    for (unsigned level = 0; level < 8; level++) {
        begin("", LB_SEQUENCE_OFF);
        add(with_level(line_of("x"), level));
        snprintf(want, sizeof want, " severity=%u/%s ", numbers[level], lb_level_name((int)level));
        has(want);
        assert_int_equal(lb_encode_otlp_severity(level), numbers[level]);
    }
    assert_int_equal(lb_encode_otlp_severity(200), 9);
}

static void a_time_that_is_not_known_is_left_out_but_not_when_it_was_observed(void **state)
{
    (void)state;
    begin("", LB_SEQUENCE_OFF);
    encoder.stamps.has_window = encoder.stamps.is_implausible = true;
    encoder.stamps.max_age_ns = UINT64_MAX;
    add(line_of("x"));
    has("record observed=1700000000007000000 severity");
}

static void bytes_that_are_no_text_are_replaced(void **state)
{
    (void)state;
    begin("", LB_SEQUENCE_OFF);
    add(line_of("bad \xff\xfe\xc3 end \xe2\x82\xac"));
    has(" body=\"bad \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd end \xe2\x82\xac\"");
}

static void nothing_is_text_too(void **state)
{
    (void)state;
    begin("", LB_SEQUENCE_OFF);
    add(record_of("", "", "", 0));
    has("service.name=\n");
    has(" body=\"\"");
}

static void a_traceback_is_an_exception(void **state)
{
    static const char text[] = "oops Traceback: ValueError: no change";
    struct lb_extra extra = { .has_error = true };

    (void)state;
    extra.error = (struct lb_extra_error) { 0xabc, find(text, "ValueError"), find(text, "no change"),
                                            find(text, "Traceback: ValueError: no change") };
    begin("", LB_SEQUENCE_OFF);
    add(understood(text, &extra));
    has(" exception.type=ValueError exception.message=no change exception.stacktrace=Traceback: ValueError: "
        "no change"
        " logboom.fingerprint=0000000000000abc\n");
}

static void traced(const char *trace, const char *span)
{
    static char text[256];
    struct lb_extra extra = { .has_trace = true };

    snprintf(text, sizeof text, "t=%s s=%s", trace, span);
    extra.trace = (struct lb_extra_trace) { find(text, trace), find(text + 2 + strlen(trace), span) };
    extra.trace.span_id.at += (uint32_t)(2 + strlen(trace));
    begin("", LB_SEQUENCE_OFF);
    add(understood(text, &extra));
}

static void ids_in_hex_are_ids_and_others_are_datadog_s(void **state)
{
    (void)state;
    traced("0AF7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    has(" trace_id=0af7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331\n");
    traced("8448102938475610293", "1234567890123456"); /* sixteen digits that might be hex */
    has(" dd.trace_id=8448102938475610293 dd.span_id=1234567890123456\n");
    traced("0af7651916cd43dd8448eb211c80319c", "12345678901234567");
    has(" trace_id=0af7651916cd43dd8448eb211c80319c dd.span_id=12345678901234567\n");
    traced("00000000000000000000000000000000", "b7ad6b7169203331"); /* OpenTelemetry's word for none */
    has(" dd.trace_id=00000000000000000000000000000000 dd.span_id=b7ad6b7169203331\n");
    traced("0af7651916cd43dd8448eb211c80319g", "");
    has(" dd.trace_id=0af7651916cd43dd8448eb211c80319g\n");
    traced("00000000000000000000000000000000000000000000000000000000000000001", "1"); /* longer than any */
    has(" logboom.source=python dd.span_id=1\n");
}

static void fields_of_syslog_are_attributes(void **state)
{
    struct lb_extra extra = { .has_syslog = true, .header = "boxcron4242[x@1 k=\"v\"]", .header_len = 22 };

    (void)state;
    extra.syslog.facility = 3;
    extra.syslog.field[LB_SYSLOG_HOSTNAME] = (struct lb_extra_span) { 0, 3 };
    extra.syslog.field[LB_SYSLOG_APPNAME] = (struct lb_extra_span) { 3, 4 };
    extra.syslog.field[LB_SYSLOG_PROCID] = (struct lb_extra_span) { 7, 4 };
    extra.syslog.field[LB_SYSLOG_SD] = (struct lb_extra_span) { 11, 11 };
    begin("", LB_SEQUENCE_OFF);
    add(understood("x", &extra));
    has(" syslog.hostname=box syslog.appname=cron syslog.procid=4242 syslog.structured_data=[x@1 k=\"v\"] "
        "syslog.facility=#3\n");
    extra.syslog.facility = 99;
    begin("", LB_SEQUENCE_OFF);
    add(understood("x", &extra));
    assert_null(strstr(ended(NULL), "facility"));
}

static void the_logboom_object_is_json_in_an_attribute(void **state)
{
    (void)state;
    begin("", LB_SEQUENCE_ALL);
    add(line_of("x"));
    has(" logboom={\"id\":\"0123456789abcdef\",\"lane\":\"routine\",\"n\":42,");
    begin("", LB_SEQUENCE_OFF);
    add(line_of("x"));
    assert_null(strstr(ended(NULL), " logboom="));
}

static void a_receipt_says_what_it_tells(void **state)
{
    struct lb_receipt receipt = { .reason = LB_REASON_REJECTED, .lines = 3 };

    (void)state;
    begin("", LB_SEQUENCE_OFF);
    add(receipt_of(&receipt));
    has("\"kind\":\"receipt\"");
    has("\"count\":3");
    has(" severity=13/warning ");
}

static void spans_of_a_damaged_record_of_our_own_are_not_read(void **state)
{
    struct lb_receipt receipt = { .reason = LB_REASON_REJECTED, .lines = 3 };
    struct lb_record *record;

    (void)state;
    begin("", LB_SEQUENCE_OFF);
    record = receipt_of(&receipt);
    record->flags |= LB_RECORD_EXTRA;
    add(record);
    assert_null(strstr(ended(NULL), "exception"));
}

static void the_ranges_are_on_the_last_record_and_only_there(void **state)
{
    struct lb_body_ranges ranges = { 0xfeed, { { 1, 2 }, { 3, 4 } } };
    const char *text, *first_end;

    (void)state;
    begin("", LB_SEQUENCE_BATCH);
    add(line_of("one"));
    add(record_of("till", "", "two", 3));
    text = ended(&ranges);
    assert_int_equal(count(text, "logboom.body="), 1);
    first_end = strstr(text, "service.name=till");
    assert_true(strstr(text, "logboom.body=") > first_end);
    assert_non_null(
        strstr(text, " logboom.body={\"id\":\"000000000000feed\",\"urgent\":[1,2],\"routine\":[3,4]}\n"));
    assert_int_equal(count(ended(NULL), "logboom.body="), 0); /* and it may be ended otherwise */
}

/* As body.c does where a record turns out not to fit: at every place, and with a record that opens a group.
 */
static void a_record_that_is_taken_back_leaves_nothing_behind(void **state)
{
    static const char *const names[] = { "shop", "shop", "till", "shop", "till", "till" };
    static char without[65536];
    struct lb_body_ranges ranges = { 0xfeed, { { 1, 2 }, { 3, 4 } } };

    (void)state;
    for (unsigned at = 1; at <= 6; at++)
        for (unsigned other = 0; other < 2; other++) {
            begin("", LB_SEQUENCE_BATCH);
            for (unsigned i = 0; i < at; i++)
                add(record_of(names[i], "", "x", 1));
            strcpy(without, ended(&ranges));
            begin("", LB_SEQUENCE_BATCH);
            for (unsigned i = 0; i < at; i++) {
                struct lb_composer before;

                add(record_of(names[i], "", "x", 1));
                before = composer;
                lb_encode_otlp.add(&composer, record_of(other ? "another" : names[i], "", "gone", 4), to);
                composer = before;
            }
            assert_string_equal(ended(&ranges), without);
        }
}

static void the_worst_record_fits_its_bound(void **state)
{
    static char text[128 * 1024], tags[LB_ENCODE_TAGS_MAX + 64], service[129];
    struct lb_record *record;
    char settings[2048];

    (void)state;
    memset(text, '\xff', sizeof text);
    memset(service, '\xff', 128);
    for (size_t i = 0; i < sizeof tags - 1; i++)
        tags[i] = "e\xff:,"[i % 4];
    snprintf(settings, sizeof settings, "[agent]\nhostname = %0250d\ntags = env:%0240d\n", 1, 1);
    begin(settings, LB_SEQUENCE_ALL);
    record = record_of(service, tags, text, sizeof text);
    add(record);
    has("host.name=0000");
    for (size_t i = 0; i < sizeof tags - 1; i++)
        tags[i] = "env:\xff,"[i % 6];
    begin(settings, LB_SEQUENCE_ALL);
    add(record_of(service, tags, text, sizeof text));
    has("env=[0000");
}

#define ENCODES(test) cmocka_unit_test_setup_teardown(test, test_make_dir, test_remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENCODES(a_line_is_a_record_of_a_resource),
        ENCODES(tags_are_attributes_of_the_resource),
        ENCODES(tags_of_one_key_are_one_attribute_with_all_their_values),
        ENCODES(a_tag_that_can_be_no_attribute_is_counted),
        ENCODES(more_tags_than_a_receiver_takes_are_counted),
        ENCODES(records_of_one_service_and_tags_share_a_resource),
        ENCODES(severities_are_those_of_the_data_model),
        ENCODES(a_time_that_is_not_known_is_left_out_but_not_when_it_was_observed),
        ENCODES(bytes_that_are_no_text_are_replaced),
        ENCODES(nothing_is_text_too),
        ENCODES(a_traceback_is_an_exception),
        ENCODES(ids_in_hex_are_ids_and_others_are_datadog_s),
        ENCODES(fields_of_syslog_are_attributes),
        ENCODES(the_logboom_object_is_json_in_an_attribute),
        ENCODES(a_receipt_says_what_it_tells),
        ENCODES(spans_of_a_damaged_record_of_our_own_are_not_read),
        ENCODES(the_ranges_are_on_the_last_record_and_only_there),
        ENCODES(a_record_that_is_taken_back_leaves_nothing_behind),
        ENCODES(the_worst_record_fits_its_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
