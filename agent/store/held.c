/* SPDX-License-Identifier: MIT */
/*
 * The held pool, in use. In: throttled records. Out: the same, when they are asked for, and sums of those
 * that were given up. Always true: see held.h. How it is opened and recovered: held_open.c.
 *
 * Happy path. A record is copied behind the fill of its service's last chunk, as the turn sees it; the
 * publish of the turn moves the fill. A full pool gives up whole chunks, oldest first, and each service no
 * more than its share: the one that owns most pays.
 *
 * Crash story. Killed before the publish, a chunk's fill is the old one, and the bytes behind it do not
 * exist. A chunk that is emptied or cut in a turn still holds committed records until the publish, so nothing
 * is written to it before: it goes through `freed`, or its queue is sealed and goes on in another chunk.
 */
#include "agent/store/held.h"

#include <errno.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "agent/store/held_parts.h"
#include "agent/store/killpoint.h"
#include "agent/store/ring.h"

uint64_t lb_held_word(const struct lb_held *held, uint32_t chunk, unsigned word)
{
    return lb_commit_get(held->fast, LB_FAST_HELD, chunk * LB_HELD_WORDS + word);
}

static void set_word(struct lb_held *held, uint32_t chunk, unsigned word, uint64_t value)
{
    lb_commit_set(held->fast, LB_FAST_HELD, chunk * LB_HELD_WORDS + word, value);
}

static uint8_t *chunk_at(const struct lb_held *held, uint32_t chunk)
{
    return held->map.data + (size_t)chunk * LB_HELD_CHUNK_BYTES;
}

const struct lb_record *lb_held_record_at(const struct lb_held *held, uint32_t chunk, uint32_t at)
{
    const struct lb_record *record = (const void *)(chunk_at(held, chunk) + at);
    uint64_t used = lb_held_word(held, chunk, LB_HELD_USED);

    if (used > LB_HELD_CHUNK_BYTES || at + sizeof *record > used || record->len < sizeof *record ||
        record->len % 8 != 0 || record->len > used - at)
        return NULL;
    return record;
}

/* ---- the books ---- */

/* A damaged reason counts as the last one that can be. */
unsigned lb_held_reason(const struct lb_record *record)
{
    return record->state < LB_HELD_REASONS ? record->state : LB_HELD_REASONS - 1;
}

static void book_held(struct lb_held *held, uint32_t row, unsigned reason, int64_t lines, int64_t bytes)
{
    uint32_t word = row * LB_THROTTLE_WORDS + LB_THROTTLE_HELD + 2 * reason;

    lb_commit_add(held->fast, LB_FAST_THROTTLE, word, (uint64_t)lines);
    lb_commit_add(held->fast, LB_FAST_THROTTLE, word + 1, (uint64_t)bytes);
}

static void book_dropped(struct lb_held *held, uint32_t row, unsigned reason, uint64_t lines, uint64_t bytes)
{
    unsigned why = LB_DROP_FILTER + reason < LB_DROP_COUNT ? LB_DROP_FILTER + reason : LB_DROP_LOST;
    struct lb_drop_place place = lb_drop_place(row, why);

    lb_commit_add(held->fast, place.region, place.word, lines);
    lb_commit_add(held->fast, place.region, place.word + 1, bytes);
}

/* Records of a chunk, from a place to another, leave the books' held; and are dropped, or the caller's
 * affair. */
static void unbook(struct lb_held *held, uint32_t row, uint32_t chunk, uint32_t at, uint32_t end,
                   bool is_dropped)
{
    struct lb_held_sum sum[LB_HELD_REASONS] = { 0 };
    const struct lb_record *record;

    for (; at < end && (record = lb_held_record_at(held, chunk, at)); at += record->len) {
        sum[lb_held_reason(record)].lines += record->lines;
        sum[lb_held_reason(record)].bytes += record->n;
    }
    for (unsigned i = 0; i < LB_HELD_REASONS; i++) {
        if (sum[i].lines == 0 && sum[i].bytes == 0)
            continue;
        book_held(held, row, i, -(int64_t)sum[i].lines, -(int64_t)sum[i].bytes);
        if (is_dropped)
            book_dropped(held, row, i, sum[i].lines, sum[i].bytes);
    }
}

/* ---- chunks ---- */

static void free_later(struct lb_held *held, uint32_t chunk)
{
    set_word(held, chunk, LB_HELD_OWNER, 0);
    held->next[chunk] = held->freed;
    held->freed = chunk + 1;
}

void lb_held_after_publish(struct lb_held *held)
{
    while (held->freed) {
        uint32_t chunk = held->freed - 1;

        held->freed = held->next[chunk];
        held->next[chunk] = held->free;
        held->free = chunk + 1;
        held->free_count++;
    }
}

void lb_held_append_chunk(struct lb_held *held, uint32_t row, uint32_t chunk)
{
    struct lb_held_queue *queue = &held->queue[row];

    held->next[chunk] = 0;
    if (queue->last)
        held->next[queue->last - 1] = chunk + 1;
    else
        queue->first = chunk + 1;
    queue->last = chunk + 1;
    queue->count++;
    queue->is_sealed = false;
}

static void take_free_chunk(struct lb_held *held, uint32_t row)
{
    uint32_t chunk = held->free - 1;

    held->free = held->next[chunk];
    held->free_count--;
    set_word(held, chunk, LB_HELD_OWNER, row + 1);
    set_word(held, chunk, LB_HELD_SEQ, held->next_seq++);
    set_word(held, chunk, LB_HELD_USED, 0);
    lb_held_append_chunk(held, row, chunk);
}

/* The one that owns most; whoever asks, where all own the same. */
static uint32_t richest(const struct lb_held *held, uint32_t row)
{
    uint32_t best = row;

    for (uint32_t i = 0; i < LB_SERVICES_BOOKS; i++)
        if (held->queue[i].count > held->queue[best].count)
            best = i;
    return best;
}

/* Does a service hold what it may without its oldest chunk? Asked once for a chunk that is filled. */
static bool has_enough(const struct lb_held *held, uint32_t row, uint64_t bytes_max)
{
    const struct lb_held_queue *queue = &held->queue[row];
    const struct lb_record *record;
    uint64_t bytes = 0, oldest = 0;

    for (unsigned i = 0; i < LB_HELD_REASONS; i++)
        bytes += lb_commit_get(held->fast, LB_FAST_THROTTLE,
                               row * LB_THROTTLE_WORDS + LB_THROTTLE_HELD + 2 * i + 1);
    if (queue->count >= LB_HELD_CHUNKS_MAX)
        return true;
    if (queue->count < 2 || bytes < bytes_max)
        return false;
    for (uint32_t at = 0; (record = lb_held_record_at(held, queue->first - 1, at)); at += record->len)
        oldest += record->n;
    return bytes - oldest >= bytes_max;
}

void lb_held_give_up(struct lb_held *held, uint32_t row, uint64_t bytes_max)
{
    uint32_t who = has_enough(held, row, bytes_max) ? row : richest(held, row);
    struct lb_held_queue *queue = &held->queue[who];
    uint32_t chunk = queue->first - 1;

    if (!queue->first)
        return;
    unbook(held, who, chunk, 0, LB_HELD_CHUNK_BYTES, true);
    queue->first = held->next[chunk];
    if (!queue->first)
        queue->last = 0;
    queue->count--;
    free_later(held, chunk);
}

/* ---- put ---- */

static void copy_record(uint8_t *to, const struct lb_record *head, const struct iovec *service,
                        const struct iovec *tags, const struct iovec *body, unsigned pieces, size_t len)
{
    const size_t from = offsetof(struct lb_record, lane);
    struct lb_record record = *head;
    uint8_t *at = to + sizeof record;

    record.len = (uint32_t)len;
    record.service_len = (uint8_t)service->iov_len;
    record.tags_len = (uint16_t)tags->iov_len;
    record.body_len = 0;
    at = mempcpy(at, service->iov_base, service->iov_len);
    if (tags->iov_len > 0)
        at = mempcpy(at, tags->iov_base, tags->iov_len);
    for (unsigned i = 0; i < pieces; i++) {
        if (body[i].iov_len > 0)
            at = mempcpy(at, body[i].iov_base, body[i].iov_len);
        record.body_len += (uint32_t)body[i].iov_len;
    }
    memset(at, 0, (size_t)(to + len - at));
    memcpy(to, &record, sizeof record);
    record.check = (uint32_t)XXH3_64bits_withSeed(to + from, len - from, len);
    memcpy(to + offsetof(struct lb_record, check), &record.check, sizeof record.check);
    lb_killpoint();
}

int lb_held_put(struct lb_held *held, uint32_t row, uint64_t bytes_max, const struct lb_record *head,
                enum lb_drop why, uint64_t bytes, const struct iovec *service, const struct iovec *tags,
                const struct iovec *body, unsigned pieces)
{
    struct lb_held_queue *queue = &held->queue[row];
    struct lb_record record = *head;
    size_t body_len = 0, len;
    uint64_t used;

    for (unsigned i = 0; i < pieces; i++)
        body_len += body[i].iov_len;
    len = lb_record_size(service->iov_len, tags->iov_len, body_len);
    if (held->chunks == 0 || len > LB_HELD_CHUNK_BYTES)
        return -EMSGSIZE;
    used = queue->last && !queue->is_sealed ? lb_held_word(held, queue->last - 1, LB_HELD_USED)
                                            : LB_HELD_CHUNK_BYTES;
    if (used + len > LB_HELD_CHUNK_BYTES) {
        if (!held->free || has_enough(held, row, bytes_max))
            return -ENOBUFS;
        take_free_chunk(held, row);
        used = 0;
    }
    record.state = (uint8_t)(why - LB_DROP_FILTER);
    record.n = bytes;
    copy_record(chunk_at(held, queue->last - 1) + used, &record, service, tags, body, pieces, len);
    set_word(held, queue->last - 1, LB_HELD_USED, used + len);
    book_held(held, row, why - LB_DROP_FILTER, record.lines, (int64_t)bytes);
    return 0;
}

/* ---- what was held is asked for ---- */

const struct lb_record *lb_held_next(const struct lb_held *held, struct lb_held_place *place)
{
    while (place->chunk) {
        const struct lb_record *record = lb_held_record_at(held, place->chunk - 1, place->at);

        if (record) {
            place->at += record->len;
            return record;
        }
        place->chunk = held->next[place->chunk - 1];
        place->at = 0;
    }
    return NULL;
}

static void add_up(struct lb_held_sum *sum, const struct lb_record *record)
{
    sum->lines += record->lines;
    sum->bytes += record->n;
    sum->ring_bytes += record->len;
}

void lb_held_reach(const struct lb_held *held, uint32_t row, uint64_t since_ns, uint64_t bytes_max,
                   uint64_t ring_bytes_max, struct lb_held_place *ret_from, struct lb_held_sum *ret_sum)
{
    struct lb_held_place at = { held->queue[row].first, 0 };
    struct lb_held_sum all = { 0 }, before = { 0 };
    const struct lb_record *record;

    for (struct lb_held_place walk = at; (record = lb_held_next(held, &walk));)
        add_up(&all, record);
    *ret_from = at;
    while ((record = lb_held_next(held, &at))) {
        if (record->boot_ns >= since_ns && all.bytes - before.bytes <= bytes_max &&
            all.ring_bytes - before.ring_bytes <= ring_bytes_max)
            break;
        add_up(&before, record);
        *ret_from = at;
    }
    *ret_sum = (struct lb_held_sum) { all.lines - before.lines, all.bytes - before.bytes,
                                      all.ring_bytes - before.ring_bytes };
}

void lb_held_take(struct lb_held *held, uint32_t row, const struct lb_held_place *from)
{
    struct lb_held_queue *queue = &held->queue[row];
    bool is_older = from->chunk != 0;

    for (uint32_t chunk = queue->first; chunk;) {
        uint32_t next = held->next[chunk - 1];

        if (chunk == from->chunk) { /* in front of the place: too far back; behind it: the caller's */
            unbook(held, row, chunk - 1, 0, from->at, true);
            unbook(held, row, chunk - 1, from->at, LB_HELD_CHUNK_BYTES, false);
            is_older = false;
        } else {
            unbook(held, row, chunk - 1, 0, LB_HELD_CHUNK_BYTES, is_older);
        }
        free_later(held, chunk - 1);
        chunk = next;
    }
    *queue = (struct lb_held_queue) { 0 };
}
