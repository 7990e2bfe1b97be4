/* SPDX-License-Identifier: MIT */
/*
 * Bodies: what is framed around records, where a body ends, and what is squeezed out of it. The ring is a
 * real one; a body is judged by its text after it was unpacked again.
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

#include <zlib.h>
#include <zstd.h>

#include "agent/ship/body.h"
#include "tests/unit/lib_ring.h"

#define KIB     1024
#define DATADOG "[sink dd]\ntype = datadog\n"

static struct rig rig;
static struct lb_config *config;
static struct lb_builder builder;
static struct lb_body body;
static char text[8 << 20]; /* of the body made last, unpacked */

static void begin(uint64_t ring_bytes, const char *settings)
{
    rig_begin(&rig, ring_bytes);
    config = rig_config(&rig, settings);
    memset(&body, 0, sizeof body);
    assert_int_equal(lb_builder_init(&builder, lb_sink_find(config->sinks[0].type), config, &config->sinks[0],
                                     rig.files.ring.id),
                     0);
}

static int end(void **state)
{
    (void)state;
    lb_builder_close(&builder);
    free(body.payload);
    lb_config_free(config);
    rig_end(&rig);
    return 0;
}

static size_t unzip(void)
{
    z_stream gzip = { .next_in = body.payload, .avail_in = (uInt)body.payload_len };
    size_t len;

    gzip.next_out = (Bytef *)text;
    gzip.avail_out = sizeof text - 1;
    assert_int_equal(inflateInit2(&gzip, 15 + 16), Z_OK);
    assert_int_equal(inflate(&gzip, Z_FINISH), Z_STREAM_END);
    len = sizeof text - 1 - gzip.avail_out;
    inflateEnd(&gzip);
    return len;
}

static void unpack(void)
{
    size_t len = body.payload_len;

    if (builder.compression == LB_COMPRESSION_ZSTD)
        len = ZSTD_decompress(text, sizeof text - 1, body.payload, body.payload_len);
    else if (builder.compression == LB_COMPRESSION_GZIP)
        len = unzip();
    else
        memcpy(text, body.payload, len);
    assert_true(len < sizeof text); /* an error of zstd is a huge number */
    assert_int_equal(len, body.raw_bytes);
    text[len] = '\0';
}

/* Make a body from a position on. Returns its lines, or the error. */
static int make_from(uint64_t from)
{
    struct lb_body_plan plan = {
        .from = from,
        .head = lb_ring_head(&rig.files.ring),
        .max_bytes = builder.max_bytes,
        .max_lines = builder.max_lines,
    };
    int rc = lb_builder_make(&builder, &rig.files.ring, &rig.files.state, &plan, &body);

    text[0] = '\0';
    if (rc <= 0)
        return rc;
    unpack();
    return (int)body.lines;
}

static void set_state(uint32_t number, enum lb_record_state to)
{
    uint64_t pos = 0, at = 0;
    const struct lb_record *record;

    while ((record = rig_record(&rig, &pos))) {
        if (--number == 0) {
            lb_ring_set_state(&rig.files.ring, at, to);
            return;
        }
        at = pos;
    }
    fail();
}

static void an_array_for_datadog_with_the_ranges_in_its_first_record(void **state)
{
    char id[32];

    (void)state;
    begin(64 * KIB, DATADOG);
    rig_put(&rig, "shop", LB_LEVEL_INFO, 8);
    rig_put(&rig, "shop", LB_LEVEL_ERROR, 8);
    rig_put(&rig, "shop", LB_LEVEL_INFO, 8);
    assert_int_equal(make_from(0), 3);
    assert_int_equal(strncmp(text, "[{\"logboom\":{\"id\":\"", 19), 0);
    snprintf(id, sizeof id, "%016llx", (unsigned long long)rig.files.ring.id);
    assert_int_equal(strncmp(text + 19, id, 16), 0);
    assert_non_null(strstr(text, "\",\"urgent\":[1,1],\"routine\":[1,2]},\"message\":\"L1......\""));
    assert_non_null(strstr(text, "},{\"message\":\"L2......\",\"status\":\"error\""));
    assert_string_equal(text + strlen(text) - 2, "}]");
    assert_null(strstr(strstr(text, "logboom") + 1, "logboom")); /* once, in a body of plain lines */
    assert_int_equal(body.range[LB_LANE_ROUTINE][1], 2);
    assert_int_equal(body.to, lb_ring_head(&rig.files.ring));
}

static void a_line_for_each_object_in_a_file(void **state)
{
    char *second;

    (void)state;
    begin(64 * KIB, "");
    rig_put(&rig, "shop", LB_LEVEL_INFO, 8);
    rig_put(&rig, "shop", LB_LEVEL_INFO, 8);
    assert_int_equal(make_from(0), 2);
    second = strchr(text, '\n');
    assert_non_null(second);
    assert_int_equal(strncmp(text, "{\"message\":\"L1", 14), 0);
    assert_int_equal(strncmp(second + 1, "{\"message\":\"L2", 14), 0);
    assert_string_equal(text + strlen(text) - 2, "}\n");
    assert_non_null(strstr(second, "\"lane\":\"routine\",\"n\":2"));
}

static void a_body_ends_at_body_lines(void **state)
{
    (void)state;
    begin(64 * KIB, DATADOG "body_lines = 3\n");
    for (int i = 0; i < 7; i++)
        rig_put(&rig, "shop", LB_LEVEL_INFO, 8);
    assert_int_equal(make_from(0), 3);
    assert_int_equal(make_from(body.to), 3);
    assert_int_equal(make_from(body.to), 1);
    assert_int_equal(make_from(body.to), 0);
    assert_int_equal(body.to, lb_ring_head(&rig.files.ring));
}

static void a_body_never_exceeds_body_bytes_while_it_has_two_records(void **state)
{
    uint64_t lines = 0, from = 0;
    int got;

    (void)state;
    begin(256 * KIB, DATADOG "body_bytes = 16K\n");
    for (int i = 0; i < 100; i++)
        assert_true(rig_put(&rig, "shop", LB_LEVEL_INFO, 8 + (size_t)(i * 37 % 1500)) > 0);
    while ((got = make_from(from)) > 0) {
        assert_true(body.raw_bytes <= 16 * KIB + 600); /* and the members of the first record */
        assert_int_equal(body.from, from);
        from = body.to;
        lines += (uint64_t)got;
    }
    assert_int_equal(lines, 100);
}

static void a_record_larger_than_a_body_goes_alone(void **state)
{
    static char huge[128 * KIB];

    (void)state;
    begin(1024 * KIB, "[capture]\nmax_line = 128K\n[ring]\nsize = 1M\n" DATADOG "body_bytes = 16K\n");
    memset(huge, '\1', sizeof huge); /* six bytes each in JSON: the worst that there is */
    rig_put(&rig, "shop", LB_LEVEL_INFO, 8);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rig_put_text(&rig, "shop", "", LB_LEVEL_INFO, huge, sizeof huge - 512), 0);
    rig_put(&rig, "shop", LB_LEVEL_INFO, 8);
    assert_int_equal(make_from(0), 1);
    assert_int_equal(make_from(body.to), 1); /* two such in a row once ran over the builder's room */
    assert_int_equal(body.range[LB_LANE_ROUTINE][0], 2);
    assert_true(body.raw_bytes > 6 * (sizeof huge - 512));
    assert_int_equal(make_from(body.to), 1);
    assert_int_equal(make_from(body.to), 1);
    assert_non_null(strstr(text, "L2......"));
    assert_int_equal(make_from(body.to), 0);
}

static void a_gap_in_a_lane_ends_a_body(void **state)
{
    (void)state;
    begin(64 * KIB, DATADOG);
    for (int i = 0; i < 5; i++)
        rig_put(&rig, "shop", i == 4 ? LB_LEVEL_ERROR : LB_LEVEL_INFO, 8);
    set_state(2, LB_STATE_DELIVERED); /* by a body that was answered before the first, and then a kill */
    assert_int_equal(make_from(0), 1);
    assert_int_equal(body.range[LB_LANE_ROUTINE][1], 1);
    assert_int_equal(make_from(body.to), 3);
    assert_int_equal(body.range[LB_LANE_ROUTINE][0], 3);
    assert_int_equal(body.range[LB_LANE_ROUTINE][1], 4);
    assert_int_equal(body.range[LB_LANE_URGENT][0], 1);
}

static void what_is_final_is_passed_over(void **state)
{
    (void)state;
    begin(64 * KIB, DATADOG);
    for (int i = 0; i < 4; i++)
        rig_put(&rig, "shop", LB_LEVEL_INFO, 8);
    for (uint32_t n = 1; n <= 4; n++)
        set_state(n, n % 2 ? LB_STATE_DELIVERED : LB_STATE_SHED);
    assert_int_equal(make_from(0), 0);
    assert_int_equal(body.to, lb_ring_head(&rig.files.ring));
}

static void a_body_tells_what_it_holds_and_leaves_the_ring_as_it_is(void **state)
{
    uint64_t pos = 0;

    (void)state;
    begin(64 * KIB, DATADOG);
    rig_put(&rig, "shop", LB_LEVEL_INFO, 8);
    rig_put(&rig, "shop", LB_LEVEL_INFO, 8);
    rig_put(&rig, "till", LB_LEVEL_ERROR, 30);
    rig_put(&rig, "shop", LB_LEVEL_INFO, 8);
    set_state(1, LB_STATE_DELIVERED);
    assert_int_equal(make_from(0), 3);
    assert_int_equal(body.sums, 2);
    assert_int_equal(body.sum[0].lines, 2);
    assert_int_equal(body.sum[0].bytes, 16);
    assert_int_equal(body.sum[1].lines, 1);
    assert_int_equal(body.sum[1].bytes, 30);
    assert_int_equal(body.next_before[LB_LANE_ROUTINE], 2);
    assert_int_equal(body.next_after[LB_LANE_ROUTINE], 4);
    assert_int_equal(body.next_after[LB_LANE_URGENT], 2);
    assert_int_equal(rig_record(&rig, &pos)->state, LB_STATE_DELIVERED);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_record(&rig, &pos)->state, LB_STATE_PENDING);
}

static void more_services_than_a_body_counts_are_left_to_a_walk(void **state)
{
    (void)state;
    begin(64 * KIB, DATADOG);
    for (int i = 0; i <= LB_BODY_SUMS; i++) {
        char service[32];

        snprintf(service, sizeof service, "service-%d", i);
        rig_put(&rig, service, LB_LEVEL_INFO, 8);
    }
    assert_int_equal(make_from(0), LB_BODY_SUMS + 1);
    assert_int_equal(body.sums, LB_BODY_SUMS + 1);
}

static void each_compression_unpacks_to_the_same_text(void **state)
{
    static const char *const kinds[] = { "none", "gzip", "zstd" };
    static char first[sizeof text];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        char settings[128];

        snprintf(settings, sizeof settings, DATADOG "compression = %s\nsequence = off\n", kinds[i]);
        begin(64 * KIB, settings);
        for (int line = 0; line < 100; line++)
            rig_put(&rig, "shop", LB_LEVEL_INFO, 100);
        assert_int_equal(make_from(0), 100);
        assert_string_equal(lb_compression_token(builder.compression), i ? kinds[i] : "");
        if (i == 0)
            memcpy(first, text, sizeof first);
        else
            assert_true(body.payload_len < body.raw_bytes / 4);
        assert_string_equal(text, first);
        if (i < 2)
            end(state);
    }
}

/* A record whose parts do not add up: nothing behind it can be trusted, and nothing beyond it may be read. */
static void damage_that_comes_later_ends_the_body_before_it(void **state)
{
    uint64_t pos = 0;
    struct lb_record *second;

    (void)state;
    begin(64 * KIB, DATADOG);
    for (int i = 0; i < 3; i++)
        rig_put(&rig, "shop", LB_LEVEL_INFO, 8);
    rig_record(&rig, &pos);
    second = (struct lb_record *)(rig.files.ring.map.data + pos);
    second->body_len = 0xfffffff0;
    assert_int_equal(make_from(0), 1);
    assert_true(body.is_damaged);
    assert_int_equal(body.to, pos);
    assert_int_equal(make_from(pos), 0);
    assert_true(body.is_damaged);
    second->body_len = 8;
    second->lane = 77;
    assert_int_equal(make_from(0), 1);
    second->lane = LB_LANE_ROUTINE;
    second->len = 4;
    assert_int_equal(make_from(0), 1);
    assert_true(body.is_damaged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_array_for_datadog_with_the_ranges_in_its_first_record, end),
        cmocka_unit_test_teardown(a_line_for_each_object_in_a_file, end),
        cmocka_unit_test_teardown(a_body_ends_at_body_lines, end),
        cmocka_unit_test_teardown(a_body_never_exceeds_body_bytes_while_it_has_two_records, end),
        cmocka_unit_test_teardown(a_record_larger_than_a_body_goes_alone, end),
        cmocka_unit_test_teardown(a_gap_in_a_lane_ends_a_body, end),
        cmocka_unit_test_teardown(what_is_final_is_passed_over, end),
        cmocka_unit_test_teardown(a_body_tells_what_it_holds_and_leaves_the_ring_as_it_is, end),
        cmocka_unit_test_teardown(more_services_than_a_body_counts_are_left_to_a_walk, end),
        cmocka_unit_test_teardown(each_compression_unpacks_to_the_same_text, end),
        cmocka_unit_test_teardown(damage_that_comes_later_ends_the_body_before_it, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
