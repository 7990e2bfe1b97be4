/* SPDX-License-Identifier: MIT */
/*
 * The sink for Grafana Loki: what a push holds, and what an answer means. Bodies are made of records of our
 * own at times of our own, and each is read by a strict reader of JSON before it is looked at.
 */
#include <errno.h>
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
                      "\"syslog_msgid\":\"i\",\"syslog_structured_data\":\"[a b=\\\"c\\\\\\\"\\\"]\",\"syslog_facility\":\"3\"}");
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

static void a_400_that_tells_of_stamps_was_taken_but_for_those(void **state)
{
    static const char *const partly[] = {
        OLD "2026-05-14T03:07:18Z",
        "entry for stream '{}' has timestamp too new: 2026-05-14T03:07:18Z",
        "entry too far behind, oldest acceptable timestamp is: 2025-10-29T08:14:08Z",
        "entry with timestamp x ignored, reason: 'entry out of order',\nuser 'a', total ignored: 1 out of 2 "
        "for stream: {}",
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
    answer = answer_of(400, "no org id");
    assert_int_equal(lb_sink_find("loki")->judge(&answer), LB_VERDICT_PAUSE);
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
    /* Its stamp is of the same microsecond as the record's own time. */
    assert_int_equal(partly_of(strcat(strcpy(encoded_text, named),
                                      "user 'fake', total ignored: 2 out of 9 for stream: {}"))
                         .before_ns,
                     1699999998000002000ull);
    /* More than are named: the time that is told, and the second that it was cut to. */
    assert_int_equal(partly_of(strcat(strcpy(encoded_text, named),
                                      "user 'fake', total ignored: 12 out of 99 for stream: {}"))
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
        cmocka_unit_test(the_path_is_added_and_the_tenant_is_a_header),
        cmocka_unit_test(the_table_of_answers),
        cmocka_unit_test(a_400_that_tells_of_stamps_was_taken_but_for_those),
        cmocka_unit_test(an_empty_push_that_is_refused_as_empty_found_loki_well_and_lines_did_not),
        cmocka_unit_test(times_are_read_in_every_form_that_loki_prints),
        cmocka_unit_test(of_several_times_the_one_counts_that_refuses_most),
        cmocka_unit_test(where_each_refused_entry_is_named_only_those_are_refused),
        cmocka_unit_test(without_a_time_the_number_that_is_told_is_refused_and_nobody_knows_which),
        cmocka_unit_test(a_hostile_reply_is_read_to_its_end_and_no_further),
    };

    return cmocka_run_group_tests(tests, test_make_dir, test_remove_dir);
}
