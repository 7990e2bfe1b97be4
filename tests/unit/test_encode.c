/* SPDX-License-Identifier: MIT */
/*
 * Records as JSON objects: the members that design.md 4 names, for each kind of sequence; receipts; what an
 * encoder keeps from one record to the next; and that no record is longer than its bound says. Time and
 * records of our own are in test_encode_time.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/ship/encode_own.h"
#include "tests/unit/lib_config.h"
#include "tests/unit/lib_encode.h"

static void a_plain_line_has_the_seven_members(void **state)
{
    (void)state;
    encode_begin("[agent]\nhostname = pi\n", LB_SEQUENCE_OFF);
    assert_string_equal(
        encoded(line_of("flow \"low\"\n\tat 3")),
        "{\"message\":\"flow \\\"low\\\"\\n\\tat 3\",\"status\":\"error\",\"timestamp\":1700000000005,"
        "\"hostname\":\"pi\",\"service\":\"shop\",\"ddsource\":\"python\"}");
}

static void tags_of_agent_service_and_client_are_merged(void **state)
{
    (void)state;
    encode_begin(
        "[agent]\ntags = env:prod\n[service shop]\ntags = team:a,tier:1\nsource = ruby\n[service bare]\n",
        LB_SEQUENCE_OFF);
    assert_non_null(strstr(encoded(record_of("shop", "k:v", "x", 1)),
                           "\"ddsource\":\"ruby\",\"ddtags\":\"env:prod,team:a,tier:1,k:v\"}"));
    assert_non_null(strstr(encoded(record_of("bare", "", "x", 1)), "\"ddtags\":\"env:prod\"}"));
    encode_begin("[service shop]\ntags = team:a\n", LB_SEQUENCE_OFF);
    assert_non_null(strstr(encoded(record_of("shop", "", "x", 1)), "\"ddtags\":\"team:a\"}"));
    assert_non_null(strstr(encoded(record_of("till", "k:v,l:w", "x", 1)), "\"ddtags\":\"k:v,l:w\"}"));
    assert_null(strstr(encoded(record_of("till", "", "x", 1)), "ddtags"));
}

static void what_is_kept_between_records_never_goes_to_another_service(void **state)
{
    static char long_tags[256 + 1], longer_tags[400 + 1], long_name[128 + 1];
    const char *const tags[] = { "", "a:b", "a:c", long_tags, longer_tags };
    const char *const names[] = { "a", "b", "ab", long_name };
    static char fresh[sizeof encoded_text];

    (void)state;
    snprintf(long_tags, sizeof long_tags, "k:%0254d", 1);
    snprintf(longer_tags, sizeof longer_tags, "k:%0398d", 1);
    memset(long_name, 'n', 128);
    encode_begin("[service b]\nsource = ruby\n", LB_SEQUENCE_OFF);
    for (size_t i = 0; i < 2000; i++) {
        size_t name = i * 7 % 4, tag = i * 11 % 5 * (i % 3 ? 1 : 0);
        const struct lb_record *record = record_of(names[name], tags[tag], "x", 1);

        strcpy(fresh, encoded(record));
        lb_encoder_init(&encoder, test_config, LB_SEQUENCE_OFF, ENCODE_RING_ID);
        encoded(record);
        assert_string_equal(fresh, encoded_text);
        record = record_of(names[name], tags[(i + i / 5) % 5], "x", 1);
        encoded(record); /* what the next one meets */
    }
}

static void sequence_all_tells_where_each_record_comes_from(void **state)
{
    struct lb_record *record;

    (void)state;
    encode_begin("", LB_SEQUENCE_ALL);
    assert_non_null(strstr(encoded(line_of("x")),
                           ",\"logboom\":{\"id\":\"0123456789abcdef\",\"lane\":\"routine\","
                           "\"n\":42,\"stream\":\"000000000000feed\",\"pid\":7,\"uid\":1000,"
                           "\"clock\":\"exact\"}}"));
    record = line_of("x");
    record->lane = LB_LANE_URGENT;
    record->stream_id = 0;
    record->pid = 0;
    record->uid = 0;
    record->n = UINT64_MAX;
    assert_non_null(strstr(encoded(record),
                           "\"lane\":\"urgent\",\"n\":18446744073709551615,\"uid\":0,\"clock\":\"exact\"}}"));
}

static void sequence_batch_and_off_have_only_what_says_something(void **state)
{
    static const enum lb_sequence kinds[] = { LB_SEQUENCE_BATCH, LB_SEQUENCE_OFF };
    struct lb_record *record;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        encode_begin("", kinds[i]);
        assert_null(strstr(encoded(line_of("x")), "logboom"));
        record = line_of("x");
        record->flags = LB_RECORD_CUT;
        assert_non_null(strstr(encoded(record), ",\"logboom\":{\"cut\":true}}"));
        record->lines = 3;
        assert_non_null(strstr(encoded(record), ",\"logboom\":{\"lines\":3,\"cut\":true}}"));
    }
}

static void without_logboom_its_members_are_left_for_the_caller(void **state)
{
    struct lb_record *record = line_of("x");
    char *end;

    (void)state;
    encode_begin("", LB_SEQUENCE_BATCH);
    record->flags = LB_RECORD_CUT;
    end = lb_encode_record(&encoder, record, 1, encoded_text);
    *end = '\0';
    assert_int_equal(strncmp(encoded_text, "\"message\":\"x\"", 13), 0);
    assert_null(strstr(encoded_text, "logboom"));
    assert_string_equal(end - 2, "\"}");
    assert_int_equal(encoder.members_len, strlen("\"cut\":true"));
    assert_memory_equal(encoder.members, "\"cut\":true", encoder.members_len);
}

static void a_receipt_says_what_was_lost_for_people_and_for_programs(void **state)
{
    struct lb_receipt receipt = { .reason = LB_REASON_SHED,
                                  .lines = 120,
                                  .bytes = 4800,
                                  .first_ns = 1000000,
                                  .last_ns = 3000000,
                                  .range = { { 3, 4 }, { 10, 127 } },
                                  .by_severity = { [3] = 2, [6] = 118 } };

    (void)state;
    encode_begin("", LB_SEQUENCE_OFF);
    encoded(receipt_of(&receipt));
    assert_non_null(
        strstr(encoded_text,
               "{\"message\":\"logboom: 120 lines were not sent: the sink was away and the ring was full\","
               "\"status\":\"warn"));
    assert_non_null(
        strstr(encoded_text,
               ",\"logboom\":{\"kind\":\"receipt\",\"count\":120,\"bytes\":4800,"
               "\"first_ms\":1700000000001,\"last_ms\":1700000000003,\"reason\":\"shed\","
               "\"by\":{\"error\":2,\"info\":118},\"range\":{\"urgent\":[3,4],\"routine\":[10,127]}}}"));
    receipt = (struct lb_receipt) { .reason = LB_REASON_CLIENT, .lines = 1 };
    encoded(receipt_of(&receipt));
    assert_non_null(strstr(encoded_text, "logboom: 1 line was not sent: "));
    assert_non_null(strstr(encoded_text, "\"reason\":\"client\",\"by\":{},\"range\":{}"));
}

static void the_reasons_have_names_and_unknown_ones_do_no_harm(void **state)
{
    struct lb_receipt receipt = { .reason = 77, .lines = 1 };
    char small[8];

    (void)state;
    assert_string_equal(lb_reason_name(LB_REASON_OVERLOAD), "overload");
    assert_string_equal(lb_reason_name(LB_REASON_CORRUPT), "corrupt");
    assert_string_equal(lb_reason_name(LB_REASON_REJECTED), "rejected");
    assert_string_equal(lb_reason_name(77), "unknown");
    encode_begin("", LB_SEQUENCE_ALL);
    assert_non_null(strstr(encoded(receipt_of(&receipt)), "\"reason\":\"unknown\""));
    assert_int_equal(lb_own_text(receipt_of(&receipt), small, sizeof small), sizeof small - 1);
    assert_string_equal(small, "logboom");
}

static void wall_time_is_the_boot_stamp_and_the_offset_of_now(void **state)
{
    struct lb_record *record = line_of("x");

    (void)state;
    encode_begin("", LB_SEQUENCE_OFF);
    record->boot_ns = 1999999; /* whole milliseconds are cut, never rounded up */
    assert_non_null(strstr(encoded(record), "\"timestamp\":1700000000001,"));
    encoder.stamps.offset_ns -= 3600ull * 1000000000; /* the clock was set back meanwhile */
    assert_non_null(strstr(encoded(record), "\"timestamp\":1699996400001,"));
    record->boot_ns = 10ull * 3600 * 1000000000;
    encoder.stamps.offset_ns = 0 - 3600ull * 1000000000; /* wall clock behind the boot clock: 1970 */
    assert_non_null(strstr(encoded(record), "\"timestamp\":32400000,"));
}

static void text_of_any_kind_becomes_valid_json(void **state)
{
    (void)state;
    encode_begin("", LB_SEQUENCE_OFF);
    assert_non_null(strstr(encoded(record_of("shop", "", "\xff\0\x1b[1m", 6)),
                           "\"message\":\"\xef\xbf\xbd\\u0000\\u001b[1m\""));
    assert_non_null(strstr(encoded(record_of("sh\"op", "a:\\", "x", 1)), "\"service\":\"sh\\\"op\""));
    assert_non_null(strstr(encoded_text, "\"ddtags\":\"a:\\\\\""));
}

/* As large as a ring may hold, every byte the longest in JSON; the room ends at a page that nobody may touch.
 */
static void the_bound_holds_for_the_worst_record(void **state)
{
    static char body[512 * 1024], service[256], tags[65536];
    char settings[1024], agent_tags[257];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bound, room;
    struct lb_record *record;
    char *map;

    (void)state;
    memset(body, 1, sizeof body);
    memset(service, 2, sizeof service - 1);
    memset(tags, 3, sizeof tags - 1);
    snprintf(agent_tags, sizeof agent_tags, "k:%0254d", 1);
    snprintf(settings, sizeof settings, "[agent]\nhostname = %0255d\ntags = %s\n[service s]\ntags = %s\n", 1,
             agent_tags, agent_tags);
    encode_begin(settings, LB_SEQUENCE_ALL);
    record = record_of(service, tags, body, sizeof body);
    record->flags = LB_RECORD_CUT;
    record->n = record->stream_id = UINT64_MAX;
    record->pid = record->uid = record->lines = UINT32_MAX;
    bound = lb_encode_bound(record);
    room = (bound + page - 1) / page * page;
    map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map + room, page, PROT_NONE), 0);
    assert_true(lb_encode_record(&encoder, record, 0, map + room - bound) <= map + room);
    munmap(map, room + page);
}

static void the_worst_receipt_fits_its_members(void **state)
{
    struct lb_receipt receipt;

    (void)state;
    encode_begin("", LB_SEQUENCE_ALL);
    memset(&receipt, 0xff, sizeof receipt);
    assert_non_null(
        strstr(encoded(receipt_of(&receipt)), "\"kind\":\"receipt\",\"count\":18446744073709551615"));
    assert_true(encoder.members_len < LB_ENCODE_MEMBERS_MAX / 2);
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, test_make_dir, test_remove_dir)
    const struct CMUnitTest tests[] = {
        CLAIM(a_plain_line_has_the_seven_members),
        CLAIM(tags_of_agent_service_and_client_are_merged),
        CLAIM(what_is_kept_between_records_never_goes_to_another_service),
        CLAIM(sequence_all_tells_where_each_record_comes_from),
        CLAIM(sequence_batch_and_off_have_only_what_says_something),
        CLAIM(without_logboom_its_members_are_left_for_the_caller),
        CLAIM(a_receipt_says_what_was_lost_for_people_and_for_programs),
        CLAIM(the_reasons_have_names_and_unknown_ones_do_no_harm),
        CLAIM(wall_time_is_the_boot_stamp_and_the_offset_of_now),
        CLAIM(text_of_any_kind_becomes_valid_json),
        CLAIM(the_bound_holds_for_the_worst_record),
        CLAIM(the_worst_receipt_fits_its_members),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
