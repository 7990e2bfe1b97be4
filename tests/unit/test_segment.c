/* SPDX-License-Identifier: MIT */
/*
 * Segments: what is packed comes out again.
 *
 * The story: a sink is away, and records leave the ring in pieces of one lane. Hours later, or after a
 * reboot, they are unpacked and shipped as if they had come just now.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "agent/store/ring.h"
#include "agent/store/segment.h"
#include "common/level.h"
#include "tests/unit/lib_store.h"

enum { RECORDS = 4000, BYTES = 2 << 20 };

static struct {
    struct lb_segment_packer *packer;
    _Alignas(8) uint8_t text[BYTES], packed[BYTES], unpacked[BYTES];
    const struct lb_record *record[RECORDS];
    size_t count, len, cost;
    long packed_len;
} it;

static int begin(void **state)
{
    (void)state;
    memset(&it, 0, sizeof it);
    it.packer = lb_segment_packer_new(1);
    random_begin();
    return it.packer ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    lb_segment_packer_free(it.packer);
    return 0;
}

static struct lb_record head_of(unsigned lane, uint64_t n)
{
    return (struct lb_record) { .lane = (uint8_t)lane,
                                .severity = LB_LEVEL_INFO,
                                .boot_ns = 5000000000 + n * 1000000,
                                .n = n,
                                .stream_id = 77,
                                .stream_off = n * 100,
                                .raw_len = 100,
                                .pid = 42,
                                .uid = 1000,
                                .service_ix = 3,
                                .lines = 1 };
}

static void put(struct lb_record head, const char *service, const char *tags, const char *body, size_t len)
{
    struct lb_record *at = (struct lb_record *)(void *)(it.text + it.len);

    head.service_len = (uint8_t)strlen(service);
    head.tags_len = (uint16_t)strlen(tags);
    head.body_len = (uint32_t)len;
    head.len = (uint32_t)lb_record_size(head.service_len, head.tags_len, len);
    memset(at, 0, head.len);
    *at = head;
    memcpy(at + 1, service, head.service_len);
    memcpy((char *)(at + 1) + head.service_len, tags, head.tags_len);
    if (len > 0)
        memcpy((char *)(at + 1) + head.service_len + head.tags_len, body, len);
    lb_record_seal(at);
    it.record[it.count++] = at;
    it.len += head.len;
    it.cost += lb_segment_cost(at);
}

static void put_line(uint64_t n, const char *text)
{
    put(head_of(LB_LANE_ROUTINE, n), "checkout", "", text, strlen(text));
}

static void pack(void)
{
    it.packed_len = lb_segment_pack(it.packer, 0xabcd, it.record, it.count, it.packed,
                                    lb_segment_bound(it.cost, it.count));
    assert_true(it.packed_len > 0);
    assert_int_equal(it.packed_len % 8, 0);
}

static struct lb_segment_view look(void)
{
    struct lb_segment_view view;

    assert_int_equal(lb_segment_look(it.packed, (size_t)it.packed_len, &view), 0);
    return view;
}

static void unpack_and_compare(void)
{
    struct lb_segment_view view = look();

    assert_int_equal(view.head->unpacked_len, it.len);
    assert_int_equal(lb_segment_unpack(it.packer, &view, it.unpacked), 0);
    assert_memory_equal(it.unpacked, it.text, it.len);
}

/* ---- what comes out */

static void what_is_packed_comes_out_as_it_was(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 100; n++)
        put_line(n, "read sensor in 12 ms");
    pack();
    unpack_and_compare();
}

static void streams_services_tags_kinds_and_times_in_any_mixture_come_out(void **state)
{
    static const char *const service[] = { "a", "checkout.service", "", "web@1" }, *const tags[] = {
        "", "env:prod,v:1"
    };
    char body[300];

    (void)state;
    for (uint64_t n = 1000; n < 1000 + 2000; n++) {
        struct lb_record head = head_of(LB_LANE_URGENT, n);
        size_t len = random_below(sizeof body);

        for (size_t i = 0; i < len; i++)
            body[i] = (char)random_next();
        head.kind = (uint8_t)(random_below(LB_KIND_COUNT - 3) + 3);
        head.severity = (uint8_t)random_below(8);
        head.flags = (uint8_t)random_below(16);
        head.boot_ns = random_next() % (1ull << 60) / LB_SEGMENT_TICK_NS * LB_SEGMENT_TICK_NS;
        head.stream_id = random_below(3) ? random_below(20) : random_next();
        head.stream_off = random_next();
        head.raw_len = (uint32_t)random_next();
        head.lines = (uint32_t)random_next();
        head.pid = (uint32_t)random_below(3) ? 1 : (uint32_t)random_next();
        head.uid = (uint32_t)random_next() % 4;
        put(head, service[random_below(4)], tags[random_below(2)], body, len);
    }
    pack();
    unpack_and_compare();
}

static void a_time_is_kept_to_a_tenth_of_a_millisecond(void **state)
{
    struct lb_record head = head_of(LB_LANE_ROUTINE, 1);
    struct lb_segment_view view;

    (void)state;
    head.boot_ns = 1234567891;
    put(head, "a", "", "x", 1);
    pack();
    view = look();
    assert_int_equal(lb_segment_unpack(it.packer, &view, it.unpacked), 0);
    assert_int_equal(((struct lb_record *)(void *)it.unpacked)->boot_ns, 1234500000);
    assert_true(lb_record_is_whole((struct lb_record *)(void *)it.unpacked, it.len, LB_RECORD_MAX));
}

static void the_longest_record_has_a_segment_of_its_own(void **state)
{
    char *body = malloc(LB_RECORD_MAX);

    (void)state;
    assert_non_null(body);
    for (size_t i = 0; i < LB_RECORD_MAX; i++)
        body[i] = (char)random_next();
    put(head_of(LB_LANE_ROUTINE, 9), "a", "", body, LB_RECORD_MAX - 512);
    free(body);
    pack();
    unpack_and_compare();
}

/* ---- what its head tells */

static void the_head_tells_range_time_severities_and_counts_by_service(void **state)
{
    struct lb_segment_view view;
    struct lb_segment_sum sum;
    struct lb_record head;
    size_t at = 0;

    (void)state;
    put_line(7, "one");
    head = head_of(LB_LANE_ROUTINE, 8);
    head.severity = LB_LEVEL_DEBUG;
    head.boot_ns = 1000000; /* older than the one before it */
    head.lines = 3;
    put(head, "web", "", "three\nof\nthem", 13);
    head = head_of(LB_LANE_ROUTINE, 9);
    head.kind = LB_KIND_EXIT;
    put(head, "web", "", "12345678", 8);
    pack();
    view = look();
    assert_int_equal(view.head->ring_id, 0xabcd);
    assert_int_equal(view.head->lane, LB_LANE_ROUTINE);
    assert_int_equal(view.head->first_n, 7);
    assert_int_equal(view.head->last_n, 9);
    assert_int_equal(view.head->first_ns, 1000000);
    assert_int_equal(view.head->last_ns, 5009000000);
    assert_int_equal(view.head->severities, 1 << LB_LEVEL_INFO | 1 << LB_LEVEL_DEBUG);
    assert_true(lb_segment_next_sum(&view, &at, &sum));
    assert_memory_equal(sum.name, "checkout", 8);
    assert_int_equal(sum.lines, 1);
    assert_int_equal(sum.bytes, 3);
    assert_int_equal(sum.by_severity[LB_LEVEL_INFO], 1);
    assert_true(lb_segment_next_sum(&view, &at, &sum));
    assert_memory_equal(sum.name, "web", 3);
    assert_int_equal(sum.lines, 3);
    assert_int_equal(sum.by_severity[LB_LEVEL_DEBUG], 3);
    assert_int_equal(sum.own, 1);
    assert_int_equal(sum.own_bytes, 8);
    assert_false(lb_segment_next_sum(&view, &at, &sum));
}

static void more_services_than_have_a_sum_share_one_without_a_name(void **state)
{
    struct lb_segment_view view;
    struct lb_segment_sum sum;
    uint64_t lines = 0;
    size_t at = 0;
    unsigned sums = 0;
    char name[16];

    (void)state;
    for (uint64_t n = 1; n <= 400; n++) {
        snprintf(name, sizeof name, "s%u", (unsigned)n);
        put(head_of(LB_LANE_ROUTINE, n), name, "", "x", 1);
    }
    pack();
    view = look();
    while (lb_segment_next_sum(&view, &at, &sum)) {
        lines += sum.lines;
        sums++;
    }
    assert_int_equal(lines, 400);
    assert_int_equal(sums, LB_SEGMENT_SERVICES + 1);
    assert_int_equal(sum.name_len, 0);
    unpack_and_compare();
}

/* ---- what does not go together, and damage */

static void a_gap_another_lane_or_a_hole_is_refused(void **state)
{
    struct lb_record head = head_of(LB_LANE_ROUTINE, 3);

    (void)state;
    put_line(1, "a");
    put(head, "a", "", "b", 1);
    assert_int_equal(lb_segment_pack(it.packer, 1, it.record, 2, it.packed, BYTES), -EINVAL);
    head = head_of(LB_LANE_URGENT, 4);
    put(head, "a", "", "b", 1);
    assert_int_equal(lb_segment_pack(it.packer, 1, it.record + 1, 2, it.packed, BYTES), -EINVAL);
    assert_int_equal(lb_segment_pack(it.packer, 1, it.record, 0, it.packed, BYTES), -EINVAL);
    assert_int_equal(lb_segment_pack(it.packer, 1, it.record, 1, it.packed, 64), -ENOBUFS);
}

static void any_bit_that_is_wrong_is_found_by_the_check_and_harms_nobody(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 50; n++)
        put_line(n, "the same again, but not quite");
    pack();
    for (unsigned i = 0; i < 2000; i++) {
        struct lb_segment_view view;
        size_t bit = random_below((uint64_t)it.packed_len * 8);

        it.packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(lb_segment_look(it.packed, (size_t)it.packed_len, &view) < 0);
        if (lb_segment_look_at_head(it.packed, (size_t)it.packed_len, &view) == 0 &&
            view.head->unpacked_len <= sizeof it.unpacked) {
            struct lb_segment_sum sum;

            for (size_t at = 0; lb_segment_next_sum(&view, &at, &sum);) {
            }
            lb_segment_unpack(it.packer, &view, it.unpacked);
        }
        it.packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    unpack_and_compare();
}

static void lines_of_a_service_take_a_fraction_of_their_text(void **state)
{
    uint64_t text = 0;
    char line[128];

    (void)state;
    for (uint64_t n = 1; n <= 1000; n++) {
        struct lb_record head = head_of(LB_LANE_ROUTINE, n);

        snprintf(line, sizeof line,
                 "2026-11-27 12:%02u:%02u,%03u INFO app.sensor: read %u of 12 sensors in %u ms",
                 (unsigned)(n / 600), (unsigned)(n / 10 % 60), (unsigned)random_below(1000),
                 (unsigned)random_below(12), (unsigned)random_below(100));
        text += strlen(line) + 1;
        put(head, "sensors", "", line, strlen(line));
    }
    pack();
    assert_true((uint64_t)it.packed_len * 5 < text);
    unpack_and_compare();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_packed_comes_out_as_it_was),
        TEST(streams_services_tags_kinds_and_times_in_any_mixture_come_out),
        TEST(a_time_is_kept_to_a_tenth_of_a_millisecond),
        TEST(the_longest_record_has_a_segment_of_its_own),
        TEST(the_head_tells_range_time_severities_and_counts_by_service),
        TEST(more_services_than_have_a_sum_share_one_without_a_name),
        TEST(a_gap_another_lane_or_a_hole_is_refused),
        TEST(any_bit_that_is_wrong_is_found_by_the_check_and_harms_nobody),
        TEST(lines_of_a_service_take_a_fraction_of_their_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
