/* SPDX-License-Identifier: MIT */
/*
 * The sink for Grafana Loki: what a push holds, and what an answer means. Bodies are made of records of our
 * own at times of our own, and each is read by a strict reader of JSON before it is looked at.
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
#include "agent/ship/sinks/loki_parts.h"
#include "common/loop.h"
#include "tests/unit/lib_config.h"
#include "tests/unit/lib_encode.h"
#include "tests/unit/lib_ring.h"

#define HOUR_NS (3600 * 1000000000ull)
#define FIXED   "{\"streams\":[{\"stream\":{"

static struct lb_sink_config settings;
static struct lb_composer composer;
static char *at; /* end of the body so far, in encoded_text */

/* ---- a strict reader: only whether it is JSON ---- */

static const char *read_value(const char *text);

static const char *read_string(const char *text)
{
    assert_int_equal(*text++, '"');
    while (*text != '"') {
        assert_true((unsigned char)*text >= 0x20);
        if (*text++ != '\\')
            continue;
        if (*text == 'u')
            for (int i = 0; i < 4; i++)
                assert_non_null(strchr("0123456789abcdefABCDEF", *++text));
        else
            assert_non_null(strchr("\"\\/bfnrt", *text));
        text++;
    }
    return text + 1;
}

static const char *read_list(const char *text, char closes, bool has_names)
{
    if (*++text == closes)
        return text + 1;
    for (;; text++) {
        if (has_names) {
            text = read_string(text);
            assert_int_equal(*text++, ':');
        }
        text = read_value(text);
        if (*text == closes)
            return text + 1;
        assert_int_equal(*text, ',');
    }
}

/* Texts, arrays and objects are all that a push is made of. */
static const char *read_value(const char *text)
{
    if (*text == '"')
        return read_string(text);
    if (*text == '[')
        return read_list(text, ']', false);
    assert_int_equal(*text, '{');
    return read_list(text, '}', true);
}

/* ---- bodies ---- */

static void begin_as(const char *ini, const char *labels, enum lb_sequence sequence)
{
    encode_begin(ini, sequence);
    settings = (struct lb_sink_config) { .labels = (char *)(uintptr_t)labels };
    composer = (struct lb_composer) { .encoder = &encoder, .config = test_config, .sink_config = &settings };
    at = lb_loki_format.begin(&composer, encoded_text);
    assert_true((size_t)(at - encoded_text) <= LB_FORMAT_FRAME);
}

static void begin(const char *labels)
{
    begin_as("[agent]\nhostname = dev1\n", labels, LB_SEQUENCE_OFF);
}

static void add(const struct lb_record *record)
{
    char *end = lb_loki_format.add(&composer, record, at);

    assert_true((size_t)(end - at) <= lb_encode_bound(record) + LB_FORMAT_FRAME);
    composer.records++;
    at = end;
}

static void add_line(const char *service, unsigned severity, const char *text)
{
    struct lb_record *record = record_of(service, "", text, strlen(text));

    record->severity = (uint8_t)severity;
    record->n = 42 + composer.records;
    add(record);
}

static const char *finish(const struct lb_body_ranges *ranges)
{
    char *end = lb_loki_format.end(&composer, ranges, at);

    assert_true((size_t)(end - at) <= LB_FORMAT_FRAME);
    *end = '\0';
    assert_int_equal(*read_value(encoded_text), '\0');
    return encoded_text;
}

static unsigned count(const char *text, const char *word)
{
    unsigned found = 0;

    for (; (text = strstr(text, word)); text++)
        found++;
    return found;
}

static void has(const char *text, const char *word)
{
    if (!strstr(text, word))
        fail_msg("no %s in %s", word, text);
}

static void a_push_is_a_stream_of_stamps_lines_and_metadata(void **state)
{
    (void)state;
    begin("");
    add_line("shop", LB_LEVEL_INFO, "hello");
    assert_string_equal(finish(NULL),
                        FIXED "\"service\":\"shop\",\"level\":\"info\",\"host\":\"dev1\"},\"values\":["
                              "[\"1700000000005000085\",\"hello\",{\"source\":\"python\"}]]}]}");
}

static void neighbours_of_the_same_labels_share_a_stream(void **state)
{
    const char *text;

    (void)state;
    begin("");
    add_line("shop", LB_LEVEL_INFO, "1");
    add_line("shop", LB_LEVEL_INFO, "2");
    add_line("shop", LB_LEVEL_ERROR, "3");
    add_line("till", LB_LEVEL_ERROR, "4");
    add_line("shop", LB_LEVEL_ERROR, "5");
    text = finish(NULL);
    assert_int_equal(count(text, "{\"stream\":{"), 4);
    has(text, "\"1\",{\"source\":\"python\"}],[\"17");
    has(text, "\"2\",{\"source\":\"python\"}]]},{\"stream\":{\"service\":\"shop\",\"level\":\"error\",");
    assert_int_equal(count(text, "\"host\":\"dev1\""), 4);
}

static void labels_of_the_settings_are_made_legal_and_never_twice(void **state)
{
    const char *text;

    (void)state;
    begin("fleet:north,9lives:cat,a-b.c:d\"\\e,a_b_c:again,host:no,level:no,replay:no,bare,empty:,site:x:y");
    add_line("shop", LB_LEVEL_INFO, "1");
    text = finish(NULL);
    has(text, "\"host\":\"dev1\",\"fleet\":\"north\",\"_9lives\":\"cat\",\"a_b_c\":\"d\\\"\\\\e\",\"site\":"
              "\"x:y\"},");
    assert_int_equal(count(text, "\":\"no\""), 0);
}

static void no_stream_has_more_labels_than_loki_takes(void **state)
{
    char labels[512] = "";

    (void)state;
    for (int i = 0; i < 30; i++)
        sprintf(labels + strlen(labels), "l%d:v,", i);
    begin(labels);
    add_line("shop", LB_LEVEL_INFO, "1");
    finish(NULL);
    assert_int_equal(count(encoded_text, ":\"v\""), 11); /* with service, level, host and replay: 15 */
}

static void stamps_of_the_same_moment_differ_and_stay_what_they_are(void **state)
{
    (void)state;
    begin("");
    for (int i = 0; i < 3; i++)
        add_line("shop", LB_LEVEL_INFO, "same");
    finish(NULL);
    has(encoded_text, "\"1700000000005000085\"");
    has(encoded_text, "\"1700000000005000087\"");
    has(encoded_text, "\"1700000000005000089\"");
}

static void without_a_clock_the_time_of_sending_is_made_unique_too(void **state)
{
    (void)state;
    begin("");
    encoder.stamps.has_window = encoder.stamps.is_implausible = true;
    encoder.stamps.max_age_ns = LB_NEVER;
    encoder.stamps.now_ns = 7000000;
    add_line("shop", LB_LEVEL_INFO, "same");
    add_line("shop", LB_LEVEL_INFO, "same");
    finish(NULL);
    has(encoded_text, "\"1700000000007000085\"");
    has(encoded_text, "\"1700000000007000087\"");
    has(encoded_text, "\\\"age_ms\\\":2");
}

static void each_tag_is_metadata_by_its_own_name(void **state)
{
    (void)state;
    begin_as(
        "[agent]\nhostname = h\ntags = place:dock-9,team:a\n[service shop]\ntags = team:b\nsource = mine\n",
        "", LB_SEQUENCE_OFF);
    add(record_of("shop", "team:c,we/ird:x:y,lone,logboom_body:z", "t", 1));
    finish(NULL);
    has(encoded_text,
        "{\"source\":\"mine\",\"place\":\"dock-9\",\"team\":\"a\",\"team_2\":\"b\",\"team_3\":\"c\","
        "\"we_ird\":\"x:y\",\"lone\":\"\",\"logboom_body_2\":\"z\"}");
}

static void what_was_understood_of_a_line_is_flat_metadata(void **state)
{
    char room[1024] __attribute__((aligned(8)));
    struct lb_extra extra = {
        .has_error = true,
        .has_trace = true,
        .has_syslog = true,
        .error = { .fingerprint = 0xabc, .kind = { 0, 9 }, .message = { 11, 3 } },
        .trace = { .trace_id = { 15, 2 }, .span_id = { 18, 2 } },
        .syslog = { .facility = 3, .field = { { 0, 3 }, { 3, 3 }, { 6, 2 }, { 8, 1 }, { 9, 11 } } },
        .header = "boxappp1i[a b=\"c\\\"\"]",
        .header_len = 20,
    };
    size_t len = lb_extra_write(&extra, room);
    struct lb_record *record;

    (void)state;
    begin("");
    strcpy(room + len, "KeyErrors: 'x' t1 s1");
    record = record_of("shop", "", room, len + 20);
    record->flags = LB_RECORD_EXTRA;
    add(record);
    finish(NULL);
    has(encoded_text, "\"KeyErrors: 'x' t1 "
                      "s1\",{\"source\":\"python\",\"error_kind\":\"KeyErrors\",\"error_message\":\"'x'\","
                      "\"error_fingerprint\":\"0000000000000abc\",\"trace_id\":\"t1\",\"span_id\":\"s1\","
                      "\"syslog_hostname\":\"box\",\"syslog_appname\":\"app\",\"syslog_procid\":\"p1\","
                      "\"syslog_msgid\":\"i\",\"syslog_structured_data\":\"[a "
                      "b=\\\"c\\\\\\\"\\\"]\",\"syslog_facility\":\"3\"}");
}

static void every_byte_is_legal_json(void **state)
{
    char text[256];

    (void)state;
    for (int i = 0; i < 256; i++)
        text[i] = (char)i;
    begin("x:\x01\xff");
    add(record_of("shop", "\x02\xfe:\x03\xfd", text, sizeof text));
    finish(NULL);
    has(encoded_text, "\"__\":\"\\u0003\xef\xbf\xbd\"");
    has(encoded_text, "\\u0000\\u0001");
}

static void too_many_tags_are_left_out_and_counted(void **state)
{
    char tags[4096] = "";

    (void)state;
    for (int i = 0; i < 300; i++)
        sprintf(tags + strlen(tags), "t%d:v,", i);
    begin("");
    add(record_of("shop", tags, "t", 1));
    finish(&(struct lb_body_ranges) { 1, { { 1, 2 } } });
    has(encoded_text, "\"logboom_tags_left_out\":\"176\"");
    assert_true(count(encoded_text, "\":\"v\"") + 3 <= LB_LOKI_METADATA_MAX);
}

static void a_line_that_loki_would_refuse_is_cut_and_says_so(void **state)
{
    size_t len = 130000;
    char *text = malloc(len);

    (void)state;
    begin("");
    memset(text, 'x', len);
    add(record_of("shop", "", text, len));
    finish(NULL);
    assert_null(strstr(encoded_text, "left_out"));
    begin("");
    memset(text, 0xff, len);
    add(record_of("shop", "", text, len));
    finish(NULL);
    has(encoded_text, "\"logboom_bytes_left_out\":\"53334\"");
    assert_int_equal(count(encoded_text, "\xef\xbf\xbd"), LB_LOKI_LINE_MAX / 3);
    free(text);
}

static void the_worst_record_stays_within_its_bound(void **state)
{
    static char tags[4600], text[131072];

    (void)state;
    memset(tags, 1, sizeof tags - 1);
    memset(text, 1, sizeof text);
    for (size_t i = 1; i < sizeof tags - 1; i += 3)
        tags[i] = ',';
    begin_as("[agent]\nhostname = dev1\n", "a:\x01\x01,b:\x01", LB_SEQUENCE_ALL);
    for (int i = 0; i < 2; i++)
        add(record_of("shop", tags, text, i ? sizeof text : 0));
    finish(NULL);
}

/* ---- replay ---- */

static bool is_replayed(bool is_from_backlog, uint64_t age_ns)
{
    struct lb_record *record = line_of("x");

    begin("");
    composer.is_replay = is_from_backlog;
    encoder.stamps.has_window = true;
    encoder.stamps.max_age_ns = 6 * 24 * HOUR_NS;
    encoder.stamps.now_ns = record->boot_ns + age_ns;
    add(record);
    return strstr(finish(NULL), "\"level\":\"error\",\"replay\":\"1\",") != NULL;
}

static void what_waited_nearly_an_hour_in_the_backlog_has_streams_of_its_own(void **state)
{
    (void)state;
    assert_true(is_replayed(true, HOUR_NS));
    assert_true(is_replayed(true, 5 * 24 * HOUR_NS));
    assert_true(is_replayed(true, HOUR_NS - 1)); /* it has a way to go */
    assert_false(is_replayed(true, HOUR_NS / 2));
    assert_false(is_replayed(true, 0));
    assert_false(is_replayed(false, 2 * HOUR_NS)); /* the live stream waited with it */
}

static void what_gets_the_time_of_sending_is_live_or_it_would_shut_out_the_rest(void **state)
{
    (void)state;
    assert_false(is_replayed(true, 7 * 24 * HOUR_NS));
    has(encoded_text, "\\\"original_ms\\\":1700000000005");
}

/* ---- numbers ---- */

static void the_last_record_tells_the_numbers_of_the_body(void **state)
{
    struct lb_body_ranges ranges = { ENCODE_RING_ID, { { 3, 3 }, { 7, 8 } } };

    (void)state;
    begin_as("", "", LB_SEQUENCE_BATCH);
    add_line("shop", LB_LEVEL_INFO, "1");
    add_line("shop", LB_LEVEL_ERROR, "2");
    finish(&ranges);
    assert_int_equal(count(encoded_text, "logboom_body"), 1);
    has(encoded_text, "\"2\",{\"source\":\"python\",\"logboom_body\":\"{\\\"id\\\":\\\"0123456789abcdef\\\","
                      "\\\"urgent\\\":[3,3],\\\"routine\\\":[7,8]}\"}]]}]}");
}

static void with_sequence_all_each_record_tells_its_number(void **state)
{
    (void)state;
    begin_as("", "", LB_SEQUENCE_ALL);
    add_line("shop", LB_LEVEL_INFO, "1");
    finish(NULL);
    has(encoded_text,
        "{\"logboom\":\"{\\\"id\\\":\\\"0123456789abcdef\\\",\\\"lane\\\":\\\"routine\\\",\\\"n\\\":42,"
        "\\\"stream\\\":\\\"000000000000feed\\\",\\\"pid\\\":7,\\\"uid\\\":1000,");
}

static void a_record_that_is_taken_back_leaves_nothing_behind(void **state)
{
    static char alone[4096];
    struct lb_composer before;
    char *end;

    (void)state;
    begin("");
    add_line("shop", LB_LEVEL_INFO, "1");
    add_line("shop", LB_LEVEL_INFO, "2");
    before = composer;
    end = at;
    snprintf(alone, sizeof alone, "%s", finish(NULL));
    add_line("till", LB_LEVEL_ERROR, "3"); /* another stream, written over the end */
    composer = before;
    at = end;
    assert_string_equal(finish(NULL), alone);
    add_line("shop", LB_LEVEL_INFO, "4"); /* still in the stream of the first two */
    assert_int_equal(count(finish(NULL), "{\"stream\":"), 1);
}

static void a_body_that_ends_by_its_size_is_whole(void **state)
{
    static struct rig rig;
    struct lb_config *config;
    struct lb_builder builder;
    struct lb_body body = { 0 };
    uint64_t from = 0, lines = 0;

    (void)state;
    rig_begin(&rig, 256 * 1024);
    config = rig_config(
        &rig, "[sink l]\ntype = loki\nurl = http://localhost\ncompression = none\nbody_bytes = 16K\n");
    assert_int_equal(
        lb_builder_init(&builder, lb_sink_find("loki"), config, &config->sinks[0], rig.files.ring.id), 0);
    for (int i = 0; i < 100; i++)
        rig_put(&rig, i % 7 == 0 ? "till" : "shop", i % 5 == 0 ? LB_LEVEL_ERROR : LB_LEVEL_INFO,
                8 + (size_t)(i * 37 % 1500));
    for (;;) {
        struct lb_body_plan plan = { .from = from,
                                     .head = lb_ring_head(&rig.files.ring),
                                     .max_bytes = builder.max_bytes,
                                     .max_lines = builder.max_lines };

        if (lb_builder_make(&builder, &rig.files.ring, &rig.files.state, &plan, &body) == 0)
            break;
        assert_true(body.raw_bytes <= 16 * 1024);
        memcpy(encoded_text, body.payload, body.payload_len);
        encoded_text[body.payload_len] = '\0';
        assert_int_equal(*read_value(encoded_text), '\0');
        assert_int_equal(count(encoded_text, "logboom_body"), 1);
        assert_int_equal(count(encoded_text, "[\""), body.lines);
        from = body.to;
        lines += body.lines;
    }
    assert_int_equal(lines, 100);
    lb_builder_close(&builder);
    free(body.payload);
    lb_config_free(config);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_push_is_a_stream_of_stamps_lines_and_metadata),
        cmocka_unit_test(neighbours_of_the_same_labels_share_a_stream),
        cmocka_unit_test(labels_of_the_settings_are_made_legal_and_never_twice),
        cmocka_unit_test(no_stream_has_more_labels_than_loki_takes),
        cmocka_unit_test(stamps_of_the_same_moment_differ_and_stay_what_they_are),
        cmocka_unit_test(without_a_clock_the_time_of_sending_is_made_unique_too),
        cmocka_unit_test(each_tag_is_metadata_by_its_own_name),
        cmocka_unit_test(what_was_understood_of_a_line_is_flat_metadata),
        cmocka_unit_test(every_byte_is_legal_json),
        cmocka_unit_test(too_many_tags_are_left_out_and_counted),
        cmocka_unit_test(a_line_that_loki_would_refuse_is_cut_and_says_so),
        cmocka_unit_test(the_worst_record_stays_within_its_bound),
        cmocka_unit_test(what_waited_nearly_an_hour_in_the_backlog_has_streams_of_its_own),
        cmocka_unit_test(what_gets_the_time_of_sending_is_live_or_it_would_shut_out_the_rest),
        cmocka_unit_test(the_last_record_tells_the_numbers_of_the_body),
        cmocka_unit_test(with_sequence_all_each_record_tells_its_number),
        cmocka_unit_test(a_record_that_is_taken_back_leaves_nothing_behind),
        cmocka_unit_test(a_body_that_ends_by_its_size_is_whole),
    };

    return cmocka_run_group_tests(tests, test_make_dir, test_remove_dir);
}
