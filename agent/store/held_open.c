/* SPDX-License-Identifier: MIT */
/*
 * The held pool at start. In: a file that an agent before us may have left. Out: queues of chunks. Always
 * true: when recovery is done the books' held are the sums over what is there.
 *
 * Killed in recovery the next start does the rest: what is set is taken from the records that are there, so
 * whatever part of it became true, the same sums come out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "agent/store/held_parts.h"
#include "agent/store/ring.h"
#include "common/log.h"

static const char magic[8] = "LBHELD";

size_t lb_held_header_bytes(uint64_t chunks)
{
    return lb_mapfile_round(sizeof(struct lb_held_header) +
                            (size_t)chunks * LB_HELD_WORDS * sizeof(uint64_t));
}

static uint64_t check_of(const struct lb_held_header *header)
{
    return XXH3_64bits(header, offsetof(struct lb_held_header, check));
}

uint32_t lb_held_check_identity(const struct lb_held_header *header, size_t bytes)
{
    if (memcmp(header->magic, magic, sizeof magic) != 0 || header->format != LB_HELD_FORMAT ||
        header->chunk_bytes != LB_HELD_CHUNK_BYTES || header->check != check_of(header) ||
        header->chunks == 0 || header->chunks > bytes / LB_HELD_CHUNK_BYTES ||
        lb_held_header_bytes(header->chunks) + header->chunks * LB_HELD_CHUNK_BYTES != bytes)
        return 0;
    return (uint32_t)header->chunks;
}

/* ---- open ---- */

static uint64_t chunks_of(uint64_t bytes)
{
    /* The data of a map is a multiple of LB_MAP_ALIGN. */
    return lb_mapfile_round(bytes) / LB_HELD_CHUNK_BYTES;
}

static int make(int dir_fd, uint64_t bytes, unsigned flags, struct lb_mapfile *ret_map)
{
    uint64_t chunks = chunks_of(bytes);
    struct lb_held_header *header;
    int rc = lb_mapfile_create(dir_fd, "held", lb_held_header_bytes(chunks), chunks * LB_HELD_CHUNK_BYTES,
                               flags, ret_map);

    if (rc < 0)
        return rc;
    header = (struct lb_held_header *)(void *)ret_map->header;
    memcpy(header->magic, magic, sizeof magic);
    header->format = LB_HELD_FORMAT;
    header->chunk_bytes = LB_HELD_CHUNK_BYTES;
    header->chunks = chunks;
    header->check = check_of(header);
    rc = lb_mapfile_publish(dir_fd, "held");
    if (rc < 0)
        lb_mapfile_close(ret_map);
    return rc;
}

/* A header's length depends on what it says: it is mapped with the least length, and then as it is. */
static int open_map(int dir_fd, unsigned flags, struct lb_mapfile *ret_map)
{
    struct lb_mapfile map;
    size_t bytes;
    uint32_t chunks;
    int rc = lb_mapfile_open(dir_fd, "held", LB_MAP_ALIGN, 0, &map);

    if (rc < 0)
        return rc == -EINVAL ? -EBADMSG : rc;
    bytes = map.header_bytes + map.data_bytes;
    chunks = lb_held_check_identity((const struct lb_held_header *)(void *)map.header, bytes);
    lb_mapfile_close(&map);
    if (chunks == 0)
        return -EBADMSG;
    return lb_mapfile_open(dir_fd, "held", lb_held_header_bytes(chunks), flags, ret_map);
}

static int begin(struct lb_held *held)
{
    held->header = (struct lb_held_header *)(void *)held->map.header;
    held->chunks = (uint32_t)held->header->chunks;
    held->next = calloc(held->chunks, sizeof *held->next);
    if (!held->next)
        return -ENOMEM;
    return lb_commit_region(held->fast, LB_FAST_HELD, held->header->words, held->chunks * LB_HELD_WORDS);
}

int lb_held_open(int dir_fd, uint64_t bytes, bool lock, struct lb_commit *fast, struct lb_held *held)
{
    unsigned flags = lock ? LB_MAP_LOCK : 0;
    int rc;

    memset(held, 0, sizeof *held);
    held->fast = fast;
    held->map.fd = -1;
    rc = open_map(dir_fd, flags, &held->map);
    if (rc == -EBADMSG) {
        held->was_damaged = true;
        if (renameat(dir_fd, "held", dir_fd, "held.damaged") != 0)
            return -errno;
        rc = -ENOENT;
    }
    if (rc == -ENOENT && bytes == 0)
        return 0;
    if (rc == -ENOENT)
        rc = make(dir_fd, bytes, flags, &held->map);
    return rc < 0 ? rc : begin(held);
}

void lb_held_close(struct lb_held *held)
{
    if (held->chunks > 0)
        lb_mapfile_close(&held->map);
    free(held->next);
    memset(held, 0, sizeof *held);
    held->map.fd = -1;
}

/* ---- recover ---- */

/* Sums over records, by service and reason. */
struct found {
    struct lb_held_sum sum[LB_SERVICES_BOOKS][LB_HELD_REASONS];
};

/* Add up the records of a chunk; returns where the first one that is damaged begins, or the end. */
static uint32_t walk_chunk(const struct lb_held *held, uint32_t chunk, struct lb_held_sum *sums)
{
    uint64_t used = lb_held_word(held, chunk, LB_HELD_USED);
    const struct lb_record *record;
    uint32_t at = 0;

    for (; (record = lb_held_record_at(held, chunk, at)); at += record->len) {
        if (!lb_record_is_whole(record, used - at, LB_HELD_CHUNK_BYTES))
            break;
        sums[lb_held_reason(record)].lines += record->lines;
        sums[lb_held_reason(record)].bytes += record->n;
    }
    return at;
}

static int by_seq(const void *a, const void *b, void *arg)
{
    const struct lb_held *held = arg;
    uint64_t seq_a = lb_held_word(held, *(const uint32_t *)a, LB_HELD_SEQ);
    uint64_t seq_b = lb_held_word(held, *(const uint32_t *)b, LB_HELD_SEQ);

    return seq_a < seq_b ? -1 : seq_a > seq_b;
}

static void make_queues(struct lb_held *held, struct found *found, bool state_is_new)
{
    uint32_t *order = calloc(held->chunks, sizeof *order), count = 0;

    for (uint32_t chunk = held->chunks; chunk-- > 0;) {
        uint64_t owner = lb_held_word(held, chunk, LB_HELD_OWNER);

        if (order && owner > 0 && owner <= LB_SERVICES_BOOKS && !state_is_new) {
            order[count++] = chunk;
            continue;
        }
        if (owner != 0)
            lb_commit_set(held->fast, LB_FAST_HELD, chunk * LB_HELD_WORDS + LB_HELD_OWNER, 0);
        held->next[chunk] = held->free;
        held->free = chunk + 1;
        held->free_count++;
    }
    if (count > 0)
        qsort_r(order, count, sizeof *order, by_seq, held);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t chunk = order[i], row = (uint32_t)lb_held_word(held, chunk, LB_HELD_OWNER) - 1;
        uint32_t good = walk_chunk(held, chunk, found->sum[row]);
        uint64_t seq = lb_held_word(held, chunk, LB_HELD_SEQ);

        if (good != lb_held_word(held, chunk, LB_HELD_USED))
            lb_commit_set(held->fast, LB_FAST_HELD, chunk * LB_HELD_WORDS + LB_HELD_USED, good);
        if (seq >= held->next_seq)
            held->next_seq = seq + 1;
        lb_held_append_chunk(held, row, chunk);
        held->queue[row].is_sealed =
            true; /* what lies behind its fill may be half a record: go on elsewhere */
        if (!lb_commit_has_room(held->fast, 64))
            lb_commit_publish(held->fast);
    }
    free(order);
}

/* What the books say, and what is there: what is missing was lost, and is added up. true: they differ */
static bool settle_books(struct lb_held *held, uint32_t row, const struct lb_held_sum *sums,
                         struct lb_held_sum *ret_lost)
{
    struct lb_drop_place lost = lb_drop_place(row, LB_DROP_LOST);
    bool is_missing = false;

    for (unsigned i = 0; i < LB_HELD_REASONS; i++) {
        uint32_t word = row * LB_THROTTLE_WORDS + LB_THROTTLE_HELD + 2 * i;
        uint64_t lines = lb_commit_get(held->fast, LB_FAST_THROTTLE, word);
        uint64_t bytes = lb_commit_get(held->fast, LB_FAST_THROTTLE, word + 1);

        if (lines == sums[i].lines && bytes == sums[i].bytes)
            continue;
        is_missing = true;
        lb_commit_set(held->fast, LB_FAST_THROTTLE, word, sums[i].lines);
        lb_commit_set(held->fast, LB_FAST_THROTTLE, word + 1, sums[i].bytes);
        ret_lost->lines += lines > sums[i].lines ? lines - sums[i].lines : 0;
        ret_lost->bytes += bytes > sums[i].bytes ? bytes - sums[i].bytes : 0;
    }
    if (ret_lost->lines + ret_lost->bytes > 0) {
        lb_commit_add(held->fast, lost.region, lost.word, ret_lost->lines);
        lb_commit_add(held->fast, lost.region, lost.word + 1, ret_lost->bytes);
    }
    return is_missing;
}

void lb_held_recover(struct lb_held *held, bool state_is_new, struct lb_held_sum *ret_lost)
{
    struct found *found = calloc(1, sizeof *found);
    bool is_missing = false;

    if (!found)
        return; /* before readiness: the next allocation fails, and is told */
    held->next_seq = 1;
    if (held->chunks > 0)
        make_queues(held, found, state_is_new);
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++) {
        struct lb_held_sum lost = { 0 };

        is_missing |= settle_books(held, row, found->sum[row], &lost);
        if (ret_lost)
            ret_lost[row] = lost;
        if (!lb_commit_has_room(held->fast, 64))
            lb_commit_publish(held->fast);
    }
    lb_commit_publish(held->fast);
    free(found);
    if (is_missing)
        lb_log(LB_LEVEL_ERROR, "some of what was held is not there any more: it is dropped as lost");
}

/* ---- another size ---- */

static void give_up_all(struct lb_held *held)
{
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++)
        while (held->queue[row].count > 0) {
            lb_held_give_up(held, row,
                            UINT64_MAX); /* of this one, or of one that has more: in the end, of all */
            if (!lb_commit_has_room(held->fast, 64))
                lb_commit_publish(held->fast);
        }
    lb_commit_publish(held->fast);
    lb_held_after_publish(held);
}

int lb_held_resize(struct lb_held *held, int dir_fd, uint64_t bytes, bool lock)
{
    struct lb_commit *fast = held->fast;
    int rc = 0;

    if (held->chunks == (bytes ? chunks_of(bytes) : 0))
        return 0;
    if (held->chunks > 0) {
        give_up_all(held);
        if (unlinkat(dir_fd, "held", 0) != 0)
            return -errno;
    }
    lb_held_close(held);
    held->fast = fast;
    if (bytes > 0) {
        rc = lb_held_open(dir_fd, bytes, lock, fast, held);
        if (rc == 0)
            lb_commit_reload(fast, LB_FAST_HELD);
        if (rc == 0)
            lb_held_recover(held, false, NULL);
    }
    return rc;
}
