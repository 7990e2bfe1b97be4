/* SPDX-License-Identifier: MIT */
/*
 * Segments in tmpfs. In: segments. Out: rows for them, and the segments again. Always true: what a published
 * row says is there, whatever instant the process was killed at.
 *
 * Happy path. A segment is copied into free blocks, and its row is set in the commit; the publish that makes
 * the row true also makes the records `moved` in the ring. When its last record is final the row becomes
 * free in the publish that books it, and after that its blocks are.
 *
 * Crash story. Blocks are written before the publish that speaks of them: killed before it, nobody knows of
 * them. Blocks of a row that is freed are given to others only when that was published; killed before, the
 * segment is there as it was.
 */
#include "agent/store/backlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/killpoint.h"
#include "agent/store/state.h"

uint64_t lb_backlog_word(const struct lb_backlog *backlog, uint32_t row, unsigned word)
{
    return lb_commit_get(backlog->slow, LB_SLOW_BACKLOG, row * LB_ROW_WORDS + word);
}

static void set(struct lb_backlog *backlog, uint32_t row, unsigned word, uint64_t value)
{
    if (lb_backlog_word(backlog, row, word) != value)
        lb_commit_set(backlog->slow, LB_SLOW_BACKLOG, row * LB_ROW_WORDS + word, value);
}

bool lb_backlog_is_valid(const struct lb_backlog *backlog, uint32_t row)
{
    return lb_backlog_word(backlog, row, LB_ROW_STATE) != 0;
}

unsigned lb_backlog_lane(const struct lb_backlog *backlog, uint32_t row)
{
    return lb_backlog_word(backlog, row, LB_ROW_STATE) >> LB_ROW_LANE_SHIFT & 0xff;
}

static unsigned extents_of(uint64_t state)
{
    return state >> LB_ROW_EXTENTS_SHIFT & 0xff;
}

/* ---- sums ---- */

static uint64_t blocks_of(uint64_t len)
{
    return (len + LB_BACKLOG_BLOCK - 1) / LB_BACKLOG_BLOCK;
}

static void find_oldest(struct lb_backlog *backlog)
{
    uint32_t row = lb_backlog_oldest(backlog, LB_LANE_COUNT, NULL, NULL);

    /* One of an earlier boot is older than this boot is. */
    backlog->sum.first_ns = row == LB_BACKLOG_NONE ? 0
                            : lb_backlog_word(backlog, row, LB_ROW_WALL_NS) != 0
                                ? 1
                                : lb_backlog_word(backlog, row, LB_ROW_FIRST_NS);
}

static void count(struct lb_backlog *backlog, uint32_t row, int sign)
{
    struct lb_backlog_sum *sum = &backlog->sum;
    uint64_t one = (uint64_t)(int64_t)sign;

    sum->segments += one;
    sum->lines += one * lb_backlog_word(backlog, row, LB_ROW_LINES);
    sum->bytes += one * lb_backlog_word(backlog, row, LB_ROW_BYTES);
    sum->packed_bytes += one * blocks_of(lb_backlog_word(backlog, row, LB_ROW_LEN)) * LB_BACKLOG_BLOCK;
    sum->by_lane[lb_backlog_lane(backlog, row) % LB_LANE_COUNT] += one;
}

/* ---- blocks ---- */

static void mark(struct lb_backlog *backlog, uint32_t row, bool is_used)
{
    unsigned extents = extents_of(lb_backlog_word(backlog, row, LB_ROW_STATE));

    for (unsigned i = 0; i < extents; i++) {
        uint64_t extent = lb_backlog_word(backlog, row, LB_ROW_EXTENT + i);
        uint32_t blocks = (uint32_t)extent;

        memset(backlog->is_used + (extent >> 32), is_used, blocks);
        backlog->used_blocks += is_used ? blocks : 0 - blocks;
    }
}

/* Rows whose end was published since: their blocks, and they, are free. */
static void let_go(struct lb_backlog *backlog)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < backlog->leaving_count; i++) {
        uint32_t row = backlog->leaving[i];

        if (lb_load(&backlog->row[row * LB_ROW_WORDS + LB_ROW_STATE]) != 0) {
            backlog->leaving[left++] = row;
            continue;
        }
        for (unsigned extent = 0; extent < LB_BACKLOG_EXTENTS; extent++) {
            uint64_t where = lb_backlog_word(backlog, row, LB_ROW_EXTENT + extent);

            memset(backlog->is_used + (where >> 32), 0, (uint32_t)where);
            backlog->used_blocks -= (uint32_t)where;
        }
    }
    backlog->leaving_count = left;
}

/* The stretch of free blocks behind `from`, as long as it is, but no longer than wanted. */
static uint32_t next_free(const struct lb_backlog *backlog, uint32_t *from, uint32_t want)
{
    uint32_t blocks = 0;
    const uint8_t *at =
        *from < backlog->blocks ? memchr(backlog->is_used + *from, 0, backlog->blocks - *from) : NULL;

    if (!at)
        return 0;
    *from = (uint32_t)(at - backlog->is_used);
    while (blocks < want && *from + blocks < backlog->blocks && !backlog->is_used[*from + blocks])
        blocks++;
    return blocks;
}

struct stretch {
    uint32_t at, blocks;
};

/* One stretch that holds all, looked for from where the last one was found, so that old and new go round. */
static bool find_one(struct lb_backlog *backlog, uint32_t want, struct stretch *ret_stretch)
{
    for (unsigned round = 0; round < 2; round++) {
        uint32_t at = round == 0 ? backlog->from_block : 0, got;

        for (; (got = next_free(backlog, &at, want)) > 0; at += got)
            if (got == want) {
                *ret_stretch = (struct stretch) { at, got };
                backlog->from_block = at + got;
                return true;
            }
    }
    return false;
}

/* The longest stretches, as many as may be of one segment. */
static unsigned find_some(const struct lb_backlog *backlog, uint32_t want,
                          struct stretch stretch[LB_BACKLOG_EXTENTS])
{
    unsigned found = 0;
    uint32_t at = 0, got, have = 0;

    for (; (got = next_free(backlog, &at, want)) > 0; at += got) {
        unsigned i = found < LB_BACKLOG_EXTENTS ? found : LB_BACKLOG_EXTENTS - 1;

        if (found == LB_BACKLOG_EXTENTS && stretch[i].blocks >= got)
            continue;
        for (; i > 0 && stretch[i - 1].blocks < got; i--)
            stretch[i] = stretch[i - 1];
        stretch[i] = (struct stretch) { at, got };
        found += found < LB_BACKLOG_EXTENTS;
    }
    for (unsigned i = 0; i < found; i++) {
        if (have + stretch[i].blocks >= want) {
            stretch[i].blocks = want - have;
            return i + 1;
        }
        have += stretch[i].blocks;
    }
    return 0;
}

/* ---- put, copy, pass ---- */

static uint32_t free_row(const struct lb_backlog *backlog)
{
    for (uint32_t row = 0; row < backlog->rows; row++)
        if (lb_load(&backlog->row[row * LB_ROW_WORDS + LB_ROW_STATE]) == 0 &&
            !lb_backlog_is_valid(backlog, row))
            return row;
    return LB_BACKLOG_NONE;
}

static void copy_in(struct lb_backlog *backlog, const struct lb_segment_head *head,
                    const struct stretch *stretch, unsigned extents)
{
    const uint8_t *from = (const uint8_t *)head;
    size_t left = head->len;

    for (unsigned i = 0; i < extents; i++) {
        size_t part = (size_t)stretch[i].blocks * LB_BACKLOG_BLOCK;

        part = part < left ? part : left;
        memcpy(backlog->map.data + (size_t)stretch[i].at * LB_BACKLOG_BLOCK, from, part);
        lb_killpoint();
        from += part;
        left -= part;
    }
}

static void set_row(struct lb_backlog *backlog, uint32_t row, const struct lb_segment_view *segment,
                    const struct stretch *stretch, unsigned extents, const struct lb_backlog_origin *origin)
{
    const struct lb_segment_head *head = segment->head;
    struct lb_segment_sum sum;
    uint64_t lines = 0, bytes = 0;

    for (size_t at = 0; lb_segment_next_sum(segment, &at, &sum);) {
        lines += sum.lines;
        bytes += sum.bytes;
    }
    set(backlog, row, LB_ROW_RING, head->ring_id);
    set(backlog, row, LB_ROW_FIRST_N, head->first_n);
    set(backlog, row, LB_ROW_LAST_N, head->last_n);
    set(backlog, row, LB_ROW_DONE_N, head->first_n);
    set(backlog, row, LB_ROW_LEN, head->len);
    set(backlog, row, LB_ROW_SEQ, backlog->next_seq++);
    set(backlog, row, LB_ROW_FIRST_NS, head->first_ns);
    set(backlog, row, LB_ROW_LAST_NS, head->last_ns);
    set(backlog, row, LB_ROW_LINES, lines);
    set(backlog, row, LB_ROW_BYTES, bytes);
    set(backlog, row, LB_ROW_WALL_NS, origin->wall_ns);
    set(backlog, row, LB_ROW_TRUST, origin->trust);
    for (unsigned i = 0; i < LB_BACKLOG_EXTENTS; i++)
        set(backlog, row, LB_ROW_EXTENT + i,
            i < extents ? (uint64_t)stretch[i].at << 32 | stretch[i].blocks : 0);
    set(backlog, row, LB_ROW_STATE,
        1 | (uint64_t)head->lane << LB_ROW_LANE_SHIFT | (origin->is_kept ? LB_ROW_KEPT_BIT : 0) |
            (origin->is_spooled ? LB_ROW_SPOOLED_BIT : 0) | (uint64_t)extents << LB_ROW_EXTENTS_SHIFT);
}

int64_t lb_backlog_put(struct lb_backlog *backlog, const struct lb_segment_view *segment,
                       const struct lb_backlog_origin *origin)
{
    uint32_t want = (uint32_t)blocks_of(segment->head->len), row;
    struct stretch stretch[LB_BACKLOG_EXTENTS];
    unsigned extents = 1;

    let_go(backlog);
    row = free_row(backlog);
    if (row == LB_BACKLOG_NONE || want > backlog->blocks - backlog->used_blocks)
        return -ENOSPC;
    if (!find_one(backlog, want, &stretch[0]))
        extents = find_some(backlog, want, stretch);
    if (extents == 0)
        return -ENOSPC;
    copy_in(backlog, segment->head, stretch, extents);
    set_row(backlog, row, segment, stretch, extents, origin);
    mark(backlog, row, true);
    count(backlog, row, 1);
    find_oldest(backlog);
    return row;
}

void lb_backlog_copy(const struct lb_backlog *backlog, uint32_t row, uint8_t *to)
{
    uint64_t left = lb_backlog_word(backlog, row, LB_ROW_LEN);

    for (unsigned i = 0; left > 0 && i < LB_BACKLOG_EXTENTS; i++) {
        uint64_t extent = lb_backlog_word(backlog, row, LB_ROW_EXTENT + i);
        uint64_t part = (extent & UINT32_MAX) * LB_BACKLOG_BLOCK;

        part = part < left ? part : left;
        memcpy(to, backlog->map.data + (extent >> 32) * LB_BACKLOG_BLOCK, part);
        to += part;
        left -= part;
    }
}

/* When it began, to be compared: by the wall clock for those of earlier boots, by this boot's for its own. */
struct age {
    bool is_of_this_boot;
    uint64_t first_ns, seq;
};

static struct age age_of(const struct lb_backlog *backlog, uint32_t row)
{
    uint64_t wall_ns = lb_backlog_word(backlog, row, LB_ROW_WALL_NS);

    return (struct age) { wall_ns == 0, wall_ns + lb_backlog_word(backlog, row, LB_ROW_FIRST_NS),
                          lb_backlog_word(backlog, row, LB_ROW_SEQ) };
}

static bool is_older(const struct age *one, const struct age *other)
{
    if (one->is_of_this_boot != other->is_of_this_boot)
        return !one->is_of_this_boot;
    return one->first_ns < other->first_ns || (one->first_ns == other->first_ns && one->seq < other->seq);
}

uint32_t lb_backlog_oldest(const struct lb_backlog *backlog, unsigned lane,
                           bool (*may_take)(void *ctx, uint32_t row), void *ctx)
{
    uint32_t found = LB_BACKLOG_NONE;
    struct age least = { 0 };

    for (uint32_t row = 0; row < backlog->rows; row++) {
        struct age age;

        if (!lb_backlog_is_valid(backlog, row) ||
            (lane < LB_LANE_COUNT && lb_backlog_lane(backlog, row) != lane))
            continue;
        age = age_of(backlog, row);
        if ((found != LB_BACKLOG_NONE && !is_older(&age, &least)) || (may_take && !may_take(ctx, row)))
            continue;
        found = row;
        least = age;
    }
    return found;
}

void lb_backlog_pass(struct lb_backlog *backlog, uint32_t row, uint64_t next_n, uint64_t lines,
                     uint64_t bytes)
{
    uint64_t had_lines = lb_backlog_word(backlog, row, LB_ROW_LINES),
             had_bytes = lb_backlog_word(backlog, row, LB_ROW_BYTES);

    if (next_n > lb_backlog_word(backlog, row, LB_ROW_LAST_N)) {
        count(backlog, row, -1);
        set(backlog, row, LB_ROW_STATE, 0);
        backlog->leaving[backlog->leaving_count++] = row;
        find_oldest(backlog);
        return;
    }
    lines = lines < had_lines ? lines : had_lines;
    bytes = bytes < had_bytes ? bytes : had_bytes;
    set(backlog, row, LB_ROW_DONE_N, next_n);
    set(backlog, row, LB_ROW_LINES, had_lines - lines);
    set(backlog, row, LB_ROW_BYTES, had_bytes - bytes);
    backlog->sum.lines -= lines;
    backlog->sum.bytes -= bytes;
}

uint64_t lb_backlog_room(const struct lb_backlog *backlog)
{
    uint64_t used = backlog->used_blocks;

    for (uint32_t i = 0; i < backlog->leaving_count; i++)
        for (unsigned extent = 0; extent < LB_BACKLOG_EXTENTS; extent++)
            used -= (uint32_t)lb_backlog_word(backlog, backlog->leaving[i], LB_ROW_EXTENT + extent);
    return (backlog->blocks - used) * LB_BACKLOG_BLOCK;
}
