/* SPDX-License-Identifier: MIT */
/*
 * Packing records. In: records of one lane. Out: one segment. Always true: what is packed comes out again as
 * it was, but for the time below a tick, the state, and the number, which follows from the first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "agent/store/extra.h"
#include "agent/store/segment_parts.h"

#define STREAM_MOST 64u /* what a stream's numbers take at most */
#define SUM_MOST    (1 + 128 + 12 * 10)
#define LEVELS      8u

uint64_t lb_segment_check(const struct lb_segment_head *head)
{
    struct lb_segment_head bare = *head;

    bare.check = 0;
    return XXH3_64bits_withSeed(head + 1, head->len - sizeof *head, XXH3_64bits(&bare, sizeof bare));
}

struct lb_segment_packer *lb_segment_packer_new(int level)
{
    struct lb_segment_packer *packer = calloc(1, sizeof *packer);

    if (!packer)
        return NULL;
    packer->squeezer = ZSTD_createCCtx();
    packer->opener = ZSTD_createDCtx();
    packer->raw = malloc(LB_SEGMENT_RAW_MAX);
    if (packer->squeezer && packer->opener && packer->raw &&
        !ZSTD_isError(ZSTD_CCtx_setParameter(packer->squeezer, ZSTD_c_compressionLevel, level)) &&
        !ZSTD_isError(ZSTD_CCtx_setParameter(packer->squeezer, ZSTD_c_checksumFlag, 0)))
        return packer;
    lb_segment_packer_free(packer);
    return NULL;
}

void lb_segment_packer_free(struct lb_segment_packer *packer)
{
    if (!packer)
        return;
    ZSTD_freeCCtx(packer->squeezer);
    ZSTD_freeDCtx(packer->opener);
    free(packer->raw);
    free(packer);
}

size_t lb_segment_cost(const struct lb_record *record)
{
    /* As if each were a stream of its own: a segment is a little smaller then than it could be. */
    return record->body_len + LB_SEGMENT_HEAD_MOST + record->service_len + record->tags_len + STREAM_MOST;
}

size_t lb_segment_bound(size_t cost, size_t records)
{
    size_t sums = records < LB_SEGMENT_SERVICES + 1 ? records : LB_SEGMENT_SERVICES + 1;

    return (sizeof(struct lb_segment_head) + sums * SUM_MOST +
            ZSTD_compressBound(cost + LB_SEGMENT_RAW_MAX - LB_SEGMENT_COST_MAX) + 7) &
           ~(size_t)7;
}

/* ---- streams and sums ---- */

static bool is_same_stream(const struct lb_record *a, const struct lb_record *b)
{
    return a->stream_id == b->stream_id && a->pid == b->pid && a->uid == b->uid &&
           a->service_ix == b->service_ix && a->service_len == b->service_len && a->tags_len == b->tags_len &&
           memcmp(lb_record_service(a), lb_record_service(b), (size_t)a->service_len + a->tags_len) == 0;
}

static uint16_t sum_of(struct lb_segment_packer *packer, const struct lb_record *record)
{
    size_t len = record->service_len < 128 ? record->service_len : 128;
    struct lb_segment_sum *sum;
    unsigned i = 0;

    for (; i < packer->sums; i++)
        if (packer->sum[i].name_len == len &&
            memcmp(packer->sum[i].name, lb_record_service(record), len) == 0)
            return (uint16_t)i;
    if (i > LB_SEGMENT_SERVICES)
        return LB_SEGMENT_SERVICES;
    sum = &packer->sum[packer->sums++];
    memset(sum, 0, sizeof *sum);
    if (i == LB_SEGMENT_SERVICES)
        return (uint16_t)i; /* without a name: it is of several */
    sum->name_len = (uint8_t)len;
    memcpy(sum->name, lb_record_service(record), len);
    return (uint16_t)i;
}

static uint16_t stream_of(struct lb_segment_packer *packer, const struct lb_record *record)
{
    uint64_t key[2] = { record->stream_id ^ (uint64_t)record->service_ix << 32,
                        record->pid | (uint64_t)record->uid << 32 };
    size_t at = XXH3_64bits(key, sizeof key) % LB_SEGMENT_HASH;
    struct lb_segment_stream *stream;

    for (; packer->by_hash[at]; at = (at + 1) % LB_SEGMENT_HASH)
        if (is_same_stream(packer->stream[packer->by_hash[at] - 1].first, record))
            return (uint16_t)(packer->by_hash[at] - 1);
    stream = &packer->stream[packer->streams];
    *stream = (struct lb_segment_stream) { .first = record, .sum = sum_of(packer, record) };
    packer->by_hash[at] = (uint16_t)++packer->streams;
    return (uint16_t)(packer->streams - 1);
}

static void add_up(struct lb_segment_sum *sum, const struct lb_record *record)
{
    if (record->kind != LB_KIND_LINE) {
        sum->own++;
        sum->own_bytes += record->body_len;
        return;
    }
    sum->lines += record->lines;
    sum->bytes += lb_record_text_len(record);
    sum->by_severity[record->severity & 7] += record->lines;
}

/* ---- numbers ---- */

static uint8_t *put(uint8_t *to, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *to++ = (uint8_t)(number | 0x80);
    *to++ = (uint8_t)number;
    return to;
}

static uint8_t *put_signed(uint8_t *to, int64_t number)
{
    return put(to, (uint64_t)number << 1 ^ (uint64_t)(number >> 63));
}

static uint8_t *put_bytes(uint8_t *to, const void *bytes, size_t len)
{
    memcpy(to, bytes, len);
    return to + len;
}

/* ---- the frame ---- */

static uint8_t *put_streams(const struct lb_segment_packer *packer, uint8_t *to)
{
    to = put(to, packer->streams);
    for (unsigned i = 0; i < packer->streams; i++) {
        const struct lb_record *first = packer->stream[i].first;

        to = put(to, first->stream_id);
        to = put(to, first->pid);
        to = put(to, first->uid);
        to = put(to, first->service_ix);
        to = put(to, first->service_len);
        to = put(to, first->tags_len);
        to = put_bytes(to, lb_record_service(first), (size_t)first->service_len + first->tags_len);
    }
    return to;
}

static uint8_t *put_places(struct lb_segment_packer *packer, const struct lb_record *const *record,
                           size_t count, uint64_t first_ns, uint8_t *to)
{
    uint64_t before = first_ns / LB_SEGMENT_TICK_NS;

    for (size_t i = 0; i < count; i++)
        to = put(to, packer->stream_of[i]);
    for (size_t i = 0; i < count; i++)
        *to++ = (uint8_t)((record[i]->severity & 7) | record[i]->kind << 3);
    for (size_t i = 0; i < count; i++)
        *to++ = record[i]->flags;
    for (size_t i = 0; i < count; i++) {
        to = put_signed(to, (int64_t)(record[i]->boot_ns / LB_SEGMENT_TICK_NS - before));
        before = record[i]->boot_ns / LB_SEGMENT_TICK_NS;
    }
    for (size_t i = 0; i < count; i++) {
        struct lb_segment_stream *stream = &packer->stream[packer->stream_of[i]];

        to = put_signed(to, (int64_t)(record[i]->stream_off - stream->next_off));
        stream->next_off = record[i]->stream_off + record[i]->raw_len;
    }
    return to;
}

/* A line end packs better than a length, since the same ends come again: so a plain line has one. */
static bool ends_at_line_end(const struct lb_record *record)
{
    return !memchr(lb_record_body(record), '\n', record->body_len);
}

static uint8_t *put_lengths(const struct lb_record *const *record, size_t count, uint8_t *to)
{
    for (size_t i = 0; i < count; i++)
        to = put_signed(to, (int64_t)record[i]->raw_len - (int64_t)record[i]->body_len);
    for (size_t i = 0; i < count; i++)
        to = put(to, record[i]->lines);
    for (size_t i = 0; i < count; i++)
        to = put(to, ends_at_line_end(record[i]) ? 0 : record[i]->body_len + 1ull);
    return to;
}

static size_t put_frame(struct lb_segment_packer *packer, const struct lb_record *const *record, size_t count,
                        uint64_t first_ns)
{
    uint8_t *to = put_streams(packer, packer->raw);

    to = put_places(packer, record, count, first_ns, to);
    to = put_lengths(record, count, to);
    for (size_t i = 0; i < count; i++) {
        to = put_bytes(to, lb_record_body(record[i]), record[i]->body_len);
        if (ends_at_line_end(record[i]))
            *to++ = '\n';
    }
    return (size_t)(to - packer->raw);
}

static uint8_t *put_sum(uint8_t *to, const struct lb_segment_sum *sum)
{
    *to++ = sum->name_len;
    to = put_bytes(to, sum->name, sum->name_len);
    to = put(to, sum->lines);
    to = put(to, sum->bytes);
    for (unsigned level = 0; level < LEVELS; level++)
        to = put(to, sum->by_severity[level]);
    to = put(to, sum->own);
    return put(to, sum->own_bytes);
}

/* ---- all of it ---- */

/* false: they do not go together */
static bool survey(struct lb_segment_packer *packer, const struct lb_record *const *record, size_t count,
                   struct lb_segment_head *head)
{
    size_t cost = 0;

    memset(packer->by_hash, 0, sizeof packer->by_hash);
    packer->streams = packer->sums = 0;
    for (size_t i = 0; i < count; i++) {
        const struct lb_record *one = record[i];

        cost += lb_segment_cost(one);
        if (one->kind == LB_KIND_HOLE || one->lane != head->lane || one->n != head->first_n + i ||
            one->severity >= LEVELS || cost > LB_SEGMENT_COST_MAX)
            return false;
        packer->stream_of[i] = stream_of(packer, one);
        add_up(&packer->sum[packer->stream[packer->stream_of[i]].sum], one);
        head->severities |= (uint8_t)(1u << one->severity);
        head->unpacked_len += one->len;
        head->first_ns = one->boot_ns < head->first_ns ? one->boot_ns : head->first_ns;
        head->last_ns = one->boot_ns > head->last_ns ? one->boot_ns : head->last_ns;
    }
    return true;
}

static long squeeze(struct lb_segment_packer *packer, size_t raw_len, uint8_t *to, size_t room)
{
    size_t got;

    ZSTD_CCtx_reset(packer->squeezer, ZSTD_reset_session_only);
    got = ZSTD_compress2(packer->squeezer, to, room, packer->raw, raw_len);
    if (!ZSTD_isError(got))
        return (long)got;
    return ZSTD_getErrorCode(got) == ZSTD_error_dstSize_tooSmall    ? -ENOBUFS
           : ZSTD_getErrorCode(got) == ZSTD_error_memory_allocation ? -ENOMEM
                                                                    : -EIO;
}

long lb_segment_pack(struct lb_segment_packer *packer, uint64_t ring_id,
                     const struct lb_record *const *record, size_t count, uint8_t *to, size_t room)
{
    struct lb_segment_head head = { .magic = LB_SEGMENT_MAGIC,
                                    .format = LB_SEGMENT_FORMAT,
                                    .ring_id = ring_id };
    uint8_t *at = to + sizeof head;
    long packed;

    if (count == 0 || count > LB_SEGMENT_RECORDS)
        return -EINVAL;
    head.lane = record[0]->lane;
    head.records = (uint32_t)count;
    head.first_n = record[0]->n;
    head.last_n = head.first_n + count - 1;
    head.first_ns = UINT64_MAX;
    if (!survey(packer, record, count, &head))
        return -EINVAL;
    if (room < sizeof head + packer->sums * SUM_MOST)
        return -ENOBUFS;
    for (unsigned i = 0; i < packer->sums; i++)
        at = put_sum(at, &packer->sum[i]);
    head.services = packer->sums;
    head.sums_len = (uint32_t)(at - to - (long)sizeof head);
    head.raw_len = (uint32_t)put_frame(packer, record, count, head.first_ns);
    packed = squeeze(packer, head.raw_len, at, room - (size_t)(at - to));
    if (packed < 0)
        return packed;
    head.frame_len = (uint32_t)packed;
    for (at += packed; (at - to) % 8 != 0; at++) {
        if ((size_t)(at - to) >= room)
            return -ENOBUFS;
        *at = 0;
    }
    head.len = (uint32_t)(at - to);
    memcpy(to, &head, sizeof head);
    head.check = lb_segment_check((const struct lb_segment_head *)(const void *)to);
    memcpy(to, &head, sizeof head);
    return at - to;
}
