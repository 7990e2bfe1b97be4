/* SPDX-License-Identifier: MIT */
/*
 * Mending the ring at start. In: a mapped ring whose commits have recovered. Out: a ring in which all between
 * tail and head are whole records or holes, nothing is in flight, and the caller knows which numbers are
 * missing.
 *
 * Each step writes what a second run would write again: a hole is a whole record of its own kind, a pending
 * state is a byte. So a kill in the middle costs nothing. Missing numbers are found from the numbers beside
 * them. The hole where they lay remembers them under the number of this recovery; with the publish that makes
 * the losses true that number becomes true too: from then on the hole stands for its numbers, and nothing is
 * missing.
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
    while (pos < head &&
           !lb_record_is_whole(place(ring, pos), room_at(ring, pos, head), lb_ring_record_max(ring)))
        pos += 8;
    return pos < head ? pos : head;
}

static void seal_hole(struct lb_record *hole)
{
    size_t from = offsetof(struct lb_record, lane);

    hole->check = (uint32_t)XXH3_64bits_withSeed((const char *)hole + from, hole->len - from, hole->len);
    lb_killpoint();
}

/* A walk from tail to head: what comes next, by lane, and what was missed. */
struct walk {
    struct lb_ring *ring;
    struct lb_ring_repair *repair;
    uint64_t told; /* holes of recoveries up to this one are told */
    uint64_t next[LB_LANE_COUNT];
    uint64_t seen_pos[LB_LANE_COUNT]; /* 1 + position of the last record, 0: none */
    uint64_t hole_pos;                /* 1 + position of the last hole that is not told, 0: none */
    uint64_t boot_ns;                 /* of the last record */
};

/* Cover [from, to) with holes. A hole is a record, so it has a record's least and greatest size. */
static void dig(struct walk *walk, uint64_t from, uint64_t to)
{
    uint64_t max = lb_ring_record_max(walk->ring) / 8 * 8;

    while (from < to) {
        uint64_t len = to - from;
        struct lb_record hole = { .kind = LB_KIND_HOLE, .state = LB_STATE_SHED, .n = walk->told + 1 };

        if (len > max)
            len = len - max >= sizeof hole ? max : max - sizeof hole;
        hole.len = (uint32_t)len;
        memset(place(walk->ring, from), 0, len);
        *place(walk->ring, from) = hole;
        seal_hole(place(walk->ring, from));
        walk->hole_pos = from + 1;
        from += len;
    }
}

static void set_head(struct lb_ring *ring, uint64_t head)
{
    lb_store(&ring->header->fast[LB_RING_HEAD], head);
    if (ring->fast)
        lb_commit_reload(ring->fast, ring->fast_region);
}

/*
 * No whole record lies behind pos. What the head names may be less than a hole needs, or more than was ever
 * written, if it was the head that was damaged. So the head comes to the end of a smallest hole.
 */
static void end_here(struct walk *walk, uint64_t pos)
{
    struct lb_ring *ring = walk->ring;
    uint64_t end = pos + sizeof(struct lb_record), tail = lb_ring_tail(ring);

    if (end > tail + ring->size) {
        set_head(ring, pos);
        return;
    }
    if (end > lb_ring_oldest(ring) + ring->size)
        lb_store(&ring->header->oldest, tail);
    dig(walk, pos, end);
    set_head(ring, end);
}

/* A cursor or number is one word without a check. No more records can be missing than the ring can hold. */
static bool is_plausible(const struct lb_ring *ring, uint64_t first, uint64_t end)
{
    return end <= first || end - first <= ring->size / sizeof(struct lb_record);
}

/* Of two neighbours the second may be the older one: of a line that a client had drained. */
static void note_time(struct lb_receipt *lost, uint64_t boot_ns)
{
    if (lost->first_ns == 0 || boot_ns < lost->first_ns)
        lost->first_ns = boot_ns;
    if (boot_ns > lost->last_ns)
        lost->last_ns = boot_ns;
}

static void add_gap(struct lb_receipt *lost, unsigned lane, uint64_t first, uint64_t end, uint64_t from_ns,
                    uint64_t to_ns)
{
    lost->reason = LB_REASON_CORRUPT;
    lost->lines += end - first;
    if (lost->range[lane][0] == 0)
        lost->range[lane][0] = first;
    lost->range[lane][1] = end - 1;
    note_time(lost, from_ns);
    note_time(lost, to_ns);
}

/* The numbers [first, end) of a lane are in no record. The hole where they lay remembers it, for later
 * starts. */
static void miss(struct walk *walk, unsigned lane, uint64_t first, uint64_t end, uint64_t to_ns)
{
    struct lb_ring_repair *repair = walk->repair;
    uint64_t from_ns = walk->boot_ns ? walk->boot_ns : to_ns;

    if (first == 0 || first >= end || !is_plausible(walk->ring, first, end))
        return;
    add_gap(&repair->lost, lane, first, end, from_ns, to_ns);
    if (repair->gaps < LB_RING_GAPS)
        repair->gaps++;
    add_gap(&repair->gap[repair->gaps - 1], lane, first, end, from_ns, to_ns);
    if (walk->hole_pos > walk->seen_pos[lane]) {
        struct lb_record *hole = place(walk->ring, walk->hole_pos - 1);

        lb_hole_set(hole, lane, first, (uint32_t)(end - first));
        seal_hole(hole);
    } else if (walk->seen_pos[lane] ==
               0) { /* before the first record, and no hole: the tail word was damaged */
        lb_commit_set(walk->ring->slow, walk->ring->slow_region, LB_RING_TAIL_NEXT + lane, end);
    }
}

static void note_hole(struct walk *walk, uint64_t pos, const struct lb_record *hole)
{
    if (hole->n > walk->told) {
        walk->hole_pos = pos + 1;
        return;
    }
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        if (lb_hole_count(hole, lane) > 0 && lb_hole_first(hole, lane) == walk->next[lane])
            walk->next[lane] += lb_hole_count(hole, lane);
}

static void note_record(struct walk *walk, uint64_t pos, const struct lb_record *record)
{
    miss(walk, record->lane, walk->next[record->lane], record->n, record->boot_ns);
    walk->next[record->lane] = record->n + 1;
    walk->seen_pos[record->lane] = pos + 1;
    walk->boot_ns = record->boot_ns;
    if (record->state == LB_STATE_IN_FLIGHT)
        lb_ring_set_state(walk->ring, pos, LB_STATE_PENDING);
}

static void walk_all(struct walk *walk, uint64_t tail, uint64_t head)
{
    struct lb_ring *ring = walk->ring;

    for (uint64_t pos = tail, next; pos < head; pos = next) {
        const struct lb_record *record = place(ring, pos);

        if (lb_record_is_whole(record, room_at(ring, pos, head), lb_ring_record_max(ring))) {
            next = pos + record->len;
            if (record->kind == LB_KIND_HOLE)
                note_hole(walk, pos, record);
            else
                note_record(walk, pos, record);
            continue;
        }
        /* The damaged record was not shorter than a head, so none begins nearer; and a hole needs that room.
         */
        next = next_whole(ring, pos + sizeof(struct lb_record), head);
        walk->repair->holes++;
        walk->repair->lost_bytes += next - pos;
        if (next == head)
            end_here(walk, pos);
        else
            dig(walk, pos, next);
    }
}

/* What is missing behind the last record; and a number is never given twice, whatever became of its word. */
static void finish_numbers(struct walk *walk)
{
    struct lb_ring *ring = walk->ring;

    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++) {
        uint64_t *word = &ring->header->fast[LB_RING_NEXT_URGENT + lane], first = walk->next[lane];

        if (*word < first || (walk->seen_pos[lane] && !is_plausible(ring, first, *word)))
            lb_store(word, first);
        if (first < *word && walk->seen_pos[lane] && walk->hole_pos <= walk->seen_pos[lane])
            end_here(walk, lb_ring_head(ring)); /* no hole, a damaged word: something must remember */
        miss(walk, lane, first, *word, walk->boot_ns);
    }
    if (ring->fast)
        lb_commit_reload(ring->fast, ring->fast_region);
}

/* Where the seam of newest and oldest lies, when no cursor tells: in each lane the numbers fall there. */
struct found {
    uint64_t first_pos[LB_LANE_COUNT], first_n[LB_LANE_COUNT]; /* the smallest number; n = 0: lane is empty */
    uint64_t next[LB_LANE_COUNT];
};

static void find_all(const struct lb_ring *ring, struct found *found)
{
    memset(found, 0, sizeof *found);
    for (uint64_t pos = 0; (pos = next_whole(ring, pos, 2 * ring->size)) < ring->size;) {
        const struct lb_record *record = place(ring, pos);
        unsigned lane = record->lane;

        if (record->kind != LB_KIND_HOLE) {
            if (found->first_n[lane] == 0 || record->n < found->first_n[lane]) {
                found->first_n[lane] = record->n;
                found->first_pos[lane] = pos;
            }
            if (record->n >= found->next[lane])
                found->next[lane] = record->n + 1;
        }
        pos += record->len;
    }
}

/* Does the lane's first record come before any other of it, when the circle is walked from `from`? */
static bool comes_first(const struct lb_ring *ring, const struct found *found, unsigned lane, uint64_t from)
{
    uint64_t end = from + ring->size;

    for (uint64_t pos = from; (pos = next_whole(ring, pos, end)) < end; pos += place(ring, pos)->len)
        if (place(ring, pos)->kind != LB_KIND_HOLE && place(ring, pos)->lane == lane)
            return place(ring, pos)->n == found->first_n[lane];
    return true;
}

static uint64_t end_of_last(const struct lb_ring *ring, uint64_t from)
{
    uint64_t end = from + ring->size, last = from;

    for (uint64_t pos = from; (pos = next_whole(ring, pos, end)) < end;)
        last = pos += place(ring, pos)->len;
    return last;
}

/* Where the oldest record lies: at the first one of a lane; where both would do, the free room must lie
 * behind. */
static uint64_t find_base(const struct lb_ring *ring, const struct found *found)
{
    uint64_t best = 0, best_bytes = UINT64_MAX;

    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++) {
        uint64_t base = found->first_pos[lane], bytes = end_of_last(ring, base) - base;

        if (found->first_n[lane] == 0 || bytes >= best_bytes)
            continue;
        if (found->first_n[!lane] && !comes_first(ring, found, !lane, base))
            continue;
        best = base;
        best_bytes = bytes;
    }
    return best;
}

/*
 * The cursors make no sense. All of the data is searched for whole records; the ring is laid anew so that the
 * oldest of them is the tail. What was delivered still says so in its state, and the tail passes over it.
 */
static void find_cursors(struct lb_ring *ring)
{
    struct lb_ring_header *header = ring->header;
    struct found found;
    uint64_t base;

    find_all(ring, &found);
    base = find_base(ring, &found);
    /* Killed in here, the next start sees that it must search. */
    lb_store(&header->fast[LB_RING_HEAD], UINT64_MAX);
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++) {
        uint64_t *next = &header->fast[LB_RING_NEXT_URGENT + lane];

        if (*next < found.next[lane] || (found.next[lane] && !is_plausible(ring, found.next[lane], *next)))
            lb_store(next, found.next[lane]);
        if (*next == 0)
            lb_store(next, 1);
        lb_store(&header->slow[LB_RING_TAIL_NEXT + lane], found.first_n[lane] ? found.first_n[lane] : *next);
    }
    lb_store(&header->oldest, base);
    lb_store(&header->slow[LB_RING_TAIL], base);
    lb_store(&header->fast[LB_RING_HEAD], end_of_last(ring, base));
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
    lb_store(&header->slow[LB_RING_TAIL], 0);
    lb_store(&header->oldest, 0);
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++) {
        lb_store(&header->fast[LB_RING_NEXT_URGENT + lane], 1);
        lb_store(&header->slow[LB_RING_TAIL_NEXT + lane], 1);
    }
    lb_store(&header->slow[LB_RING_MENDED], 0);
    if (ring->fast)
        lb_commit_reload(ring->fast, ring->fast_region);
    lb_commit_reload(ring->slow, ring->slow_region);
    ring->is_new = false;
}

void lb_ring_recover(struct lb_ring *ring, struct lb_ring_repair *ret_repair)
{
    struct lb_ring_repair repair = { 0 };
    struct walk walk = { .ring = ring, .repair = &repair };
    struct lb_commit *slow = ring->slow;

    if (ring->is_new)
        begin_anew(ring);
    if (!cursors_make_sense(ring)) {
        repair.cursors_were_bad = true;
        find_cursors(ring);
        if (ring->fast)
            lb_commit_reload(ring->fast, ring->fast_region);
        lb_commit_reload(slow, ring->slow_region);
    }
    mend_oldest(ring);
    walk.told = ring->header->slow[LB_RING_MENDED];
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        walk.next[lane] = ring->header->slow[LB_RING_TAIL_NEXT + lane];
    walk_all(&walk, lb_ring_tail(ring), lb_ring_head(ring));
    finish_numbers(&walk);
    /* Nobody hands in ranges for what is final already: behind it the tail would stay for ever. */
    lb_ring_move_tail(ring);
    if (repair.lost.lines > 0)
        lb_commit_set(slow, ring->slow_region, LB_RING_MENDED, walk.told + 1);
    memset(&ring->writer, 0, sizeof ring->writer); /* what was noted of a ring that is laid anew is wrong */
    ring->writer.seen_tail = lb_ring_tail(ring);
    *ret_repair = repair;
}
