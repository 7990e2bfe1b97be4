/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a segment, and any damage to one. In: libFuzzer's bytes. Out: nothing. Always true, or the run
 * stops: nothing outside of the bytes is read and nothing outside of what the head promises is written,
 * whether the check was looked at or not; what is unpacked are whole records.
 *
 * Random bytes never have a right check, and hardly a frame: so the input also changes a good segment, three
 * bytes a change, where and what; and is packed itself, a record for each line, and comes out again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/ring.h"
#include "agent/store/segment.h"

#define RECORDS 200
#define BYTES   (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct lb_segment_packer *packer;
static _Alignas(8) uint8_t text[BYTES], good[BYTES], bad[BYTES];
static size_t good_len;

static void must(int is_true)
{
    if (!is_true)
        abort();
}

/* Records of lines; returns their segment's length. */
static size_t pack(const uint8_t *lines, size_t len, uint8_t *to)
{
    static const struct lb_record *record[RECORDS];
    size_t count = 0, used = 0, cost = 0;
    long packed;

    while (len > 0 && count < RECORDS) {
        const uint8_t *end = memchr(lines, '\n', len);
        size_t body = end ? (size_t)(end - lines) : len;
        struct lb_record *at = (struct lb_record *)(void *)(text + used);

        if (used + body + 128 > BYTES)
            break;
        memset(at, 0, lb_record_size(3, 0, body));
        *at = (struct lb_record) { .lane = LB_LANE_ROUTINE,
                                   .severity = body % 8,
                                   .boot_ns = (count * 1000003 + body) * LB_SEGMENT_TICK_NS,
                                   .n = 1 + count,
                                   .stream_id = body % 5,
                                   .stream_off = used,
                                   .service_len = 3,
                                   .lines = 1,
                                   .body_len = (uint32_t)body,
                                   .len = (uint32_t)lb_record_size(3, 0, body) };
        memcpy(at + 1, "app", 3);
        memcpy((char *)(at + 1) + 3, lines, body);
        lb_record_seal(at);
        record[count++] = at;
        used += at->len;
        cost += lb_segment_cost(at);
        lines += end ? body + 1 : body;
        len -= end ? body + 1 : body;
    }
    if (count == 0 || cost > LB_SEGMENT_COST_MAX)
        return 0;
    packed = lb_segment_pack(packer, 1, record, count, to, BYTES);
    must(packed > 0);
    return (size_t)packed;
}

static void open_it(const uint8_t *bytes, size_t len, int is_good)
{
    struct lb_segment_view view;
    struct lb_segment_sum sum;
    uint8_t *to;

    must(lb_segment_look(bytes, len, &view) == 0 || !is_good);
    if (lb_segment_look_at_head(bytes, len, &view) < 0)
        return;
    for (size_t at = 0; lb_segment_next_sum(&view, &at, &sum);)
        must(at <= view.head->sums_len && sum.name_len <= sizeof sum.name);
    to = aligned_alloc(8, view.head->unpacked_len);
    must(to != NULL);
    if (lb_segment_unpack(packer, &view, to) == 0) {
        size_t at = 0;

        for (uint32_t i = 0; i < view.head->records; i++) {
            const struct lb_record *record = (const struct lb_record *)(const void *)(to + at);

            must(lb_record_is_whole(record, view.head->unpacked_len - at, LB_RECORD_MAX + 65536));
            at += record->len;
        }
        must(at == view.head->unpacked_len);
        must(!is_good || memcmp(to, text, at) == 0);
    } else {
        must(!is_good);
    }
    free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char sample[] = "read sensor 1 in 12 ms\nread sensor 2 in 9 ms\n\nTraceback\x01\xff\nslow\n";

    if (!packer) {
        packer = lb_segment_packer_new(1);
        must(packer != NULL);
        good_len = pack((const uint8_t *)sample, sizeof sample - 1, good);
    }
    if (size > BYTES / 2)
        return 0;
    memcpy(bad, data, size);
    open_it(bad, size, 0);
    memcpy(bad, good, good_len);
    for (size_t i = 0; i + 3 <= size; i += 3)
        bad[(data[i] | data[i + 1] << 8) % good_len] = data[i + 2];
    open_it(bad, good_len, 0);
    size = pack(data, size, bad);
    if (size > 0)
        open_it(bad, size, 1);
    return 0;
}
