/* SPDX-License-Identifier: MIT */
/*
 * Mending the ring at start. In: a mapped ring whose commits have recovered. Out: a ring in which all between tail and
 * head are whole records or holes, nothing is in flight, and the caller knows which numbers are missing.
 *
 * Each step writes what a second run would write again: a hole is a whole record of its own kind, a pending state is a
 * byte. So a kill in the middle costs nothing.
 */
#include "agent/store/ring.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "agent/store/killpoint.h"

static struct lb_record *place(const struct lb_ring *ring, uint64_t pos)
{
    return (struct lb_record *)(ring->map.data + pos % ring->size);
}

static uint64_t room_at(const struct lb_ring *ring, uint64_t pos, uint64_t head)
{
    return head - pos < ring->size ? head - pos : ring->size;
}

/* First position at or after pos that holds a whole record, or head. */
static uint64_t next_whole(const struct lb_ring *ring, uint64_t pos, uint64_t head)
{
    while (pos < head && !lb_record_is_whole(place(ring, pos), room_at(ring, pos, head), lb_ring_record_max(ring)))
        pos += 8;
    return pos < head ? pos : head;
}

/*
 * Cover [from, to) with holes. A hole is a record, so it has a record's least and greatest size; a stretch shorter
 * than a head cannot come about, since it would have to lie between two whole records whose lengths add up.
 */
static void dig(struct lb_ring *ring, uint64_t from, uint64_t to)
{
    uint64_t max = lb_ring_record_max(ring) / 8 * 8;

    while (from < to) {
        uint64_t len = to - from;
        struct lb_record hole = { .kind = LB_KIND_HOLE, .state = LB_STATE_SHED };
        size_t check_from = offsetof(struct lb_record, lane);

        if (len > max)
            len = len - max >= sizeof hole ? max : max - sizeof hole;
        hole.len = (uint32_t)len;
        memset(place(ring, from), 0, len);
        *place(ring, from) = hole;
        place(ring, from)->check =
            (uint32_t)XXH3_64bits_withSeed((const char *)place(ring, from) + check_from, len - check_from, len);
        lb_killpoint();
        from += len;
    }
}

/* Numbers seen so far on the walk, to tell which are missing. */
struct numbers {
    uint64_t next[LB_LANE_COUNT]; /* 0: none seen */
};

static void miss(struct lb_receipt *lost, unsigned lane, uint64_t first, uint64_t end, uint64_t boot_ns)
{
    if (first >= end)
        return;
    lost->reason = LB_REASON_CORRUPT;
    lost->lines += end - first;
    if (lost->range[lane][0] == 0)
        lost->range[lane][0] = first;
    lost->range[lane][1] = end - 1;
    if (lost->first_ns == 0)
        lost->first_ns = boot_ns;
    lost->last_ns = boot_ns;
}

static void walk(struct lb_ring *ring, uint64_t tail, uint64_t head, struct lb_ring_repair *repair)
{
    struct numbers seen = { { 0 } };
    uint64_t boot_ns = 0;

    for (uint64_t pos = tail; pos < head;) {
        struct lb_record *record = place(ring, pos);

        if (!lb_record_is_whole(record, room_at(ring, pos, head), lb_ring_record_max(ring))) {
            uint64_t next = next_whole(ring, pos + 8, head);

            dig(ring, pos, next);
            repair->holes++;
            repair->lost_bytes += next - pos;
            pos = next;
            continue;
        }
        if (record->kind != LB_KIND_HOLE) {
            if (seen.next[record->lane])
                miss(&repair->lost, record->lane, seen.next[record->lane], record->n, record->boot_ns);
            seen.next[record->lane] = record->n + 1;
            boot_ns = record->boot_ns;
            if (record->state == LB_STATE_IN_FLIGHT)
                lb_ring_set_state(ring, pos, LB_STATE_PENDING);
        }
        pos += record->len;
    }
    for (unsigned lane = 0; lane < LB_LANE_COUNT && repair->holes; lane++)
        if (seen.next[lane])
            miss(&repair->lost, lane, seen.next[lane], ring->header->fast[LB_RING_NEXT_URGENT + lane], boot_ns);
}

/*
 * The cursors make no sense. What is in the data that was never released? Search it all for whole records, start
 * after the newest gap: the ring is laid anew so that [0, size) is everything, and what was delivered keeps its state.
 */
static void find_cursors(struct lb_ring *ring)
{
    struct lb_ring_header *header = ring->header;
    uint64_t next[LB_LANE_COUNT] = { 1, 1 };
    uint64_t pos = 0, base = 0;

    /* Start where the oldest whole record lies: the smallest boot time decides where the circle was cut. */
    uint64_t oldest_ns = UINT64_MAX;

    while (pos < ring->size) {
        const struct lb_record *record = place(ring, pos);

        if (!lb_record_is_whole(record, ring->size, lb_ring_record_max(ring))) {
            pos += 8;
            continue;
        }
        if (record->kind != LB_KIND_HOLE) {
            if (record->boot_ns < oldest_ns) {
                oldest_ns = record->boot_ns;
                base = pos;
            }
            if (record->n >= next[record->lane])
                next[record->lane] = record->n + 1;
        }
        pos += record->len;
    }
    lb_store(&header->fast[LB_RING_NEXT_URGENT], next[LB_LANE_URGENT]);
    lb_store(&header->fast[LB_RING_NEXT_ROUTINE], next[LB_LANE_ROUTINE]);
    lb_store(&header->oldest, base);
    lb_store(&header->slow[LB_RING_TAIL], base);
    lb_store(&header->fast[LB_RING_HEAD], oldest_ns == UINT64_MAX ? base : base + ring->size);
}

static bool cursors_make_sense(const struct lb_ring *ring)
{
    uint64_t head = ring->header->fast[LB_RING_HEAD], tail = ring->header->slow[LB_RING_TAIL];

    return tail <= head && head - tail <= ring->size && head % 8 == 0 && tail % 8 == 0 &&
           ring->header->fast[LB_RING_NEXT_URGENT] > 0 && ring->header->fast[LB_RING_NEXT_ROUTINE] > 0;
}

static void mend_oldest(struct lb_ring *ring)
{
    uint64_t head = lb_ring_head(ring), tail = lb_ring_tail(ring), oldest = lb_ring_oldest(ring);

    if (oldest > tail || head - oldest > ring->size || oldest % 8 != 0)
        lb_store(&ring->header->oldest, tail);
}

/* A redo block may have spoken of a ring that is no more (damaged, removed): this one is empty. */
static void begin_anew(struct lb_ring *ring)
{
    struct lb_ring_header *header = ring->header;

    lb_store(&header->fast[LB_RING_HEAD], 0);
    lb_store(&header->fast[LB_RING_NEXT_URGENT], 1);
    lb_store(&header->fast[LB_RING_NEXT_ROUTINE], 1);
    lb_store(&header->slow[LB_RING_TAIL], 0);
    lb_store(&header->oldest, 0);
    if (ring->fast)
        lb_commit_reload(ring->fast, ring->fast_region);
    lb_commit_reload(ring->slow, ring->slow_region);
}

void lb_ring_recover(struct lb_ring *ring, struct lb_ring_repair *ret_repair)
{
    struct lb_ring_repair repair = { 0 };

    if (ring->is_new)
        begin_anew(ring);
    if (!cursors_make_sense(ring)) {
        repair.cursors_were_bad = true;
        find_cursors(ring);
        if (ring->fast)
            lb_commit_reload(ring->fast, ring->fast_region);
        lb_commit_reload(ring->slow, ring->slow_region);
    }
    mend_oldest(ring);
    walk(ring, lb_ring_tail(ring), lb_ring_head(ring), &repair);
    *ret_repair = repair;
}
