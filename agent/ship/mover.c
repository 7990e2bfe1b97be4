/* SPDX-License-Identifier: MIT */
/*
 * Moving records to the backlog. In: a stretch of the ring. Out: segments, and what had to go for them.
 * Always true: what is stored, and that it has left the ring, becomes true in one publish.
 */
#include "agent/ship/mover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ship/dear.h"
#include "agent/ship/pending.h"
#include "agent/ship/release.h"
#include "agent/store/loss.h"
#include "common/log.h"

#define PIECES       12u            /* of one step: their rows are in one publish */
#define STEP_COST    (512u * 1024)  /* of the records of one step, with their heads */
#define ARENA_BYTES  (1536u * 1024) /* for them, packed, and what they go on with */
#define HEAD_GUESS   32u            /* what a record counts in a segment's length beside its body */
#define EXTEND_BYTES (512u * 1024)  /* of small segments that are unpacked to go on with */
#define OTHERS       2u             /* who have segments in hand */
#define TRIES        1024           /* segments given up for one step */

struct piece {
    const uint8_t *bytes;
    struct lb_segment_view view;
    uint64_t lines;
    bool is_kept, has_persist;
};

/* Records of a lane that will be one piece. */
struct list {
    const struct lb_record *record[LB_SEGMENT_RECORDS];
    size_t count, cost, bytes;
    bool is_kept, has_persist;
};

struct lb_mover {
    struct lb_shipper *shipper;
    struct lb_backlog *backlog;
    struct {
        bool (*holds)(const void *ctx, uint32_t row);
        const void *ctx;
    } other[OTHERS];
    unsigned others;
    struct lb_segment_packer *packer;
    struct list *list[LB_LANE_COUNT];
    uint8_t *arena;
    size_t arena_used;
    struct piece piece[PIECES];
    unsigned pieces;
    uint32_t
        extended[LB_LANE_COUNT]; /* the row that a lane's first piece goes on with, and takes the place of */
    struct lb_unpacked settled;
    struct lb_shipper settler; /* only what release.c looks at */
    struct lb_mover_stats stats;
};

struct lb_mover *lb_mover_new(struct lb_shipper *shipper, struct lb_backlog *backlog)
{
    struct lb_mover *mover = calloc(1, sizeof *mover);

    if (!mover)
        return NULL;
    mover->shipper = shipper;
    mover->backlog = backlog;
    if (lb_unpacked_init(&mover->settled, backlog, LB_SLOW_SETTLE) < 0) {
        free(mover);
        return NULL;
    }
    return mover;
}

void lb_mover_rest(struct lb_mover *mover)
{
    if (!mover->packer && !mover->arena)
        return;
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++) {
        free(mover->list[lane]);
        mover->list[lane] = NULL;
    }
    free(mover->arena);
    mover->arena = NULL;
    lb_segment_packer_free(mover->packer);
    mover->packer = NULL;
    lb_unpacked_free(&mover->settled);
}

void lb_mover_free(struct lb_mover *mover)
{
    if (!mover)
        return;
    lb_mover_rest(mover);
    free(mover);
}

void lb_mover_spare(struct lb_mover *mover, bool (*holds)(const void *ctx, uint32_t row), const void *ctx)
{
    mover->other[mover->others % OTHERS].holds = holds;
    mover->other[mover->others++ % OTHERS].ctx = ctx;
}

static bool is_in_hand(const struct lb_mover *mover, uint32_t row)
{
    for (unsigned i = 0; i < mover->others && i < OTHERS; i++)
        if (mover->other[i].holds(mover->other[i].ctx, row))
            return true;
    return false;
}

struct lb_backlog *lb_mover_backlog(const struct lb_mover *mover)
{
    return mover->backlog;
}

const struct lb_mover_stats *lb_mover_stats(const struct lb_mover *mover)
{
    return &mover->stats;
}

struct lb_segment_packer *lb_mover_packer(struct lb_mover *mover)
{
    if (!mover->packer)
        mover->packer = lb_segment_packer_new((int)mover->shipper->config->backlog_level);
    return mover->packer;
}

static bool get_ready(struct lb_mover *mover)
{
    bool is_ready = lb_mover_packer(mover) != NULL;

    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++) {
        if (!mover->list[lane])
            mover->list[lane] = calloc(1, sizeof *mover->list[lane]);
        is_ready = is_ready && mover->list[lane];
    }
    if (!mover->arena)
        mover->arena = aligned_alloc(8, ARENA_BYTES);
    return is_ready && mover->arena;
}

/* ---- pieces ---- */

/* The records of a lane become a piece. false: the arena is full, or there is no memory. */
static bool close_list(struct lb_mover *mover, struct list *list)
{
    struct piece *piece = &mover->piece[mover->pieces];
    long len;

    if (list->count == 0)
        return true;
    len = lb_segment_pack(mover->packer, mover->shipper->ring->id, list->record, list->count,
                          mover->arena + mover->arena_used, ARENA_BYTES - mover->arena_used);
    if (len < 0) {
        lb_log(LB_LEVEL_ERROR, "a segment of %zu records cannot be packed: %s", list->count,
               strerror((int)-len));
        return false;
    }
    piece->bytes = mover->arena + mover->arena_used;
    lb_segment_look_at_head(piece->bytes, (size_t)len, &piece->view);
    piece->is_kept = list->is_kept;
    piece->has_persist = list->has_persist;
    piece->lines = 0;
    for (size_t i = 0; i < list->count; i++)
        piece->lines += list->record[i]->kind == LB_KIND_LINE ? list->record[i]->lines : 0;
    mover->arena_used += (size_t)len;
    mover->pieces++;
    list->count = list->cost = list->bytes = 0;
    list->is_kept = list->has_persist = false;
    return true;
}

static void add(struct list *list, const struct lb_record *record)
{
    list->record[list->count++] = record;
    list->cost += lb_segment_cost(record);
    list->bytes += record->body_len + HEAD_GUESS;
}

/* Does a record go with those of its lane? A segment ends at a gap. */
static bool goes_with(const struct lb_mover *mover, const struct list *list, const struct lb_record *record)
{
    if (list->count == 0)
        return true;
    return record->n == list->record[list->count - 1]->n + 1 && list->count < LB_SEGMENT_RECORDS &&
           list->cost + lb_segment_cost(record) <= LB_SEGMENT_COST_MAX &&
           list->bytes < mover->shipper->config->backlog_segment_bytes;
}

/* The last segment of the ring's in a lane, if records from next_n on go on where it ends and it is small. */
static uint32_t find_small(const struct lb_mover *mover, unsigned lane, uint64_t next_n)
{
    const struct lb_backlog *backlog = mover->backlog;

    for (uint32_t row = 0; row < backlog->rows; row++)
        if (lb_backlog_is_valid(backlog, row) && lb_backlog_lane(backlog, row) == lane &&
            lb_backlog_word(backlog, row, LB_ROW_LAST_N) + 1 == next_n &&
            lb_backlog_word(backlog, row, LB_ROW_RING) == mover->shipper->ring->id)
            return !(lb_backlog_word(backlog, row, LB_ROW_STATE) & LB_ROW_SPOOLED_BIT) &&
                           lb_backlog_word(backlog, row, LB_ROW_DONE_N) ==
                               lb_backlog_word(backlog, row, LB_ROW_FIRST_N) &&
                           lb_backlog_word(backlog, row, LB_ROW_BYTES) <
                               mover->shipper->config->backlog_segment_bytes / 2 &&
                           lb_mover_is_free(mover, row) && !is_in_hand(mover, row)
                       ? row
                       : LB_BACKLOG_NONE;
    return LB_BACKLOG_NONE;
}

/* Records of a small segment come first in its lane's list. They lie in `settled` until the pieces are
 * packed.
 */
static void extend(struct lb_mover *mover, unsigned lane, uint64_t next_n)
{
    struct lb_unpacked *settled = &mover->settled;
    struct list *list = mover->list[lane];
    uint32_t row = find_small(mover, lane, next_n);
    const struct lb_record *record;
    uint64_t pos, end;

    if (row == LB_BACKLOG_NONE || lb_unpacked_add(settled, mover->packer, row) < 0)
        return;
    end = lb_ring_head(&settled->ring);
    for (pos = settled->part[settled->parts - 1].from; (record = lb_ring_at(&settled->ring, pos, end));
         pos += record->len)
        add(list, record);
    list->is_kept = lb_backlog_word(mover->backlog, row, LB_ROW_STATE) & LB_ROW_KEPT_BIT;
    list->has_persist = lb_backlog_word(mover->backlog, row, LB_ROW_STATE) & LB_ROW_PERSIST_BIT;
    mover->extended[lane] = row;
}

/* Room to unpack a small segment of each lane. */
static void get_ready_to_extend(struct lb_mover *mover)
{
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        mover->extended[lane] = LB_BACKLOG_NONE;
    if (lb_unpacked_begin(&mover->settled, mover->shipper->ring->id, EXTEND_BYTES) < 0)
        lb_unpacked_free(&mover->settled); /* then none is extended */
}

/*
 * Pack the records of [from, to) that are not final, as far as one step goes.
 * Returns where it ended: from, if not even one record could be packed.
 */
static uint64_t pack(struct lb_mover *mover, uint64_t from, uint64_t to, bool is_body)
{
    struct lb_shipper *shipper = mover->shipper;
    bool may_extend[LB_LANE_COUNT] = { !is_body, !is_body };
    const struct lb_record *record;
    uint64_t pos = from;
    size_t cost = 0;

    mover->pieces = 0;
    mover->arena_used = 0;
    get_ready_to_extend(mover);
    for (; pos < to && (record = lb_ring_at(shipper->ring, pos, to)); pos += record->len) {
        struct list *list;

        if (record->kind == LB_KIND_HOLE || record->state >= LB_STATE_DELIVERED)
            continue;
        list = mover->list[record->lane % LB_LANE_COUNT];
        cost += lb_segment_cost(record);
        if (cost > STEP_COST && pos > from && mover->pieces + list->count > 0)
            break;
        if (may_extend[record->lane % LB_LANE_COUNT])
            extend(mover, record->lane % LB_LANE_COUNT, record->n);
        may_extend[record->lane % LB_LANE_COUNT] = false;
        /* Each lane may need one piece more in the end. */
        if (!goes_with(mover, list, record) &&
            (mover->pieces + LB_LANE_COUNT >= PIECES || !close_list(mover, list)))
            break;
        add(list, record);
        list->is_kept |= lb_release_is_kept(shipper, record);
        list->has_persist |= lb_record_is_dear(record, shipper->config);
    }
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        if (!close_list(mover, mover->list[lane])) {
            mover->list[0]->count = mover->list[1]->count = 0;
            return from;
        }
    return pos;
}

/* ---- what goes for them ---- */

void lb_mover_lose(struct lb_mover *mover, uint32_t row)
{
    struct lb_shipper *shipper = mover->shipper;

    lb_loss_add_segment(shipper->state, lb_backlog_lane(mover->backlog, row),
                        lb_backlog_word(mover->backlog, row, LB_ROW_DONE_N),
                        lb_backlog_word(mover->backlog, row, LB_ROW_LAST_N),
                        lb_backlog_word(mover->backlog, row, LB_ROW_LINES),
                        lb_backlog_word(mover->backlog, row, LB_ROW_BYTES),
                        lb_backlog_word(mover->backlog, row, LB_ROW_FIRST_NS),
                        lb_backlog_word(mover->backlog, row, LB_ROW_LAST_NS));
    lb_backlog_pass(mover->backlog, row, UINT64_MAX, 0, 0);
    shipper->has_losses = true;
    lb_release_publish(shipper);
}

/* A segment in hand for its final state. false: it is damaged, or there is no memory. */
static bool take_in_hand(struct lb_mover *mover, uint32_t row)
{
    struct lb_unpacked *settled = &mover->settled;
    struct lb_shipper *settler = &mover->settler;
    uint64_t size = lb_unpacked_size(settled, row);
    int rc = size > 0 && lb_mover_packer(mover) ? 0 : -ENOMEM;

    if (rc == 0)
        rc = lb_unpacked_begin(settled, lb_backlog_word(mover->backlog, row, LB_ROW_RING), size);
    if (rc == 0)
        rc = lb_unpacked_add(settled, mover->packer, row);
    if (rc < 0) {
        lb_log(LB_LEVEL_ERROR, "a segment of the backlog cannot be unpacked: %s", strerror(-rc));
        return false;
    }
    settler->ring = &settled->ring;
    settler->unpacked = settled;
    settler->state = mover->shipper->state;
    settler->is_best_effort = mover->shipper->is_best_effort;
    settler->link = mover->shipper->link;
    settler->config = mover->shipper->config;
    settler->has_losses = false;
    return true;
}

static void give_up(struct lb_mover *mover, uint32_t row)
{
    if (lb_backlog_word(mover->backlog, row, LB_ROW_STATE) & LB_ROW_SPOOLED_BIT) {
        lb_backlog_forget(mover->backlog, row); /* it is not lost: the spool has it */
        lb_release_publish(mover->shipper);
        return;
    }
    mover->stats.shed_segments++;
    if (!take_in_hand(mover, row)) {
        lb_mover_lose(mover, row);
        return;
    }
    lb_release_lost(&mover->settler, lb_ring_tail(&mover->settled.ring), lb_ring_head(&mover->settled.ring),
                    LB_REASON_SHED);
    mover->shipper->has_losses |= mover->settler.has_losses;
}

void lb_mover_taken(struct lb_mover *mover, const struct lb_slot *slot)
{
    for (uint32_t row = 0; row < mover->backlog->rows; row++) {
        const uint64_t *range;

        if (!lb_backlog_is_valid(mover->backlog, row) ||
            lb_backlog_word(mover->backlog, row, LB_ROW_RING) != slot->ring_id)
            continue;
        range = slot->body.range[lb_backlog_lane(mover->backlog, row)];
        if (range[0] == 0 || lb_backlog_word(mover->backlog, row, LB_ROW_FIRST_N) < range[0] ||
            lb_backlog_word(mover->backlog, row, LB_ROW_LAST_N) > range[1] || !take_in_hand(mover, row))
            continue;
        lb_release_taken(&mover->settler, lb_ring_tail(&mover->settled.ring),
                         lb_ring_head(&mover->settled.ring));
    }
}

bool lb_mover_is_free(const struct lb_mover *mover, uint32_t row)
{
    unsigned lane = lb_backlog_lane(mover->backlog, row);

    for (unsigned i = 0; i < LB_SHIPPER_SLOTS; i++) {
        const struct lb_slot *slot = &mover->shipper->slot[i];
        const uint64_t *range = slot->body.range[lane % LB_LANE_COUNT];

        if (slot->state == LB_SLOT_LINGERING && slot->is_moved &&
            slot->ring_id == lb_backlog_word(mover->backlog, row, LB_ROW_RING) && range[0] != 0 &&
            lb_backlog_word(mover->backlog, row, LB_ROW_LAST_N) >= range[0] &&
            lb_backlog_word(mover->backlog, row, LB_ROW_FIRST_N) <= range[1])
            return false;
    }
    return true;
}

static bool may_go(void *ctx, uint32_t row)
{
    const struct lb_mover *mover = ctx;

    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        if (mover->extended[lane] == row)
            return false;
    return !(lb_backlog_word(mover->backlog, row, LB_ROW_STATE) & LB_ROW_KEPT_BIT) &&
           lb_mover_is_free(mover, row) && !is_in_hand(mover, row) &&
           !(lb_backlog_word(mover->backlog, row, LB_ROW_STATE) & LB_ROW_SPOOLED_BIT &&
             lb_backlog_word(mover->backlog, row, LB_ROW_DONE_N) !=
                 lb_backlog_word(mover->backlog, row, LB_ROW_FIRST_N));
}

/* Give up one segment for others of a lane. false: there is none that may go. */
static bool give_way(struct lb_mover *mover, unsigned lane)
{
    uint32_t row = lb_backlog_oldest(mover->backlog, LB_LANE_ROUTINE, may_go, mover);
    uint64_t room = lb_backlog_room(mover->backlog);

    if (row == LB_BACKLOG_NONE && lane == LB_LANE_URGENT)
        row = lb_backlog_oldest(mover->backlog, LB_LANE_URGENT, may_go, mover);
    if (row == LB_BACKLOG_NONE)
        return false;
    give_up(mover, row);
    return lb_backlog_room(mover->backlog) > room;
}

/* ---- storing ---- */

/* All pieces get their rows, or none does. */
static bool put_all(struct lb_mover *mover)
{
    int64_t row[PIECES];

    for (unsigned i = 0; i < mover->pieces; i++) {
        const struct lb_backlog_origin origin = { .is_kept = mover->piece[i].is_kept,
                                                  .has_persist = mover->piece[i].has_persist };

        row[i] = lb_backlog_put(mover->backlog, &mover->piece[i].view, &origin);
        if (row[i] >= 0)
            continue;
        while (i-- > 0) /* nobody has seen them */
            lb_backlog_forget(mover->backlog, (uint32_t)row[i]);
        return false;
    }
    return true;
}

/* Segments that others have taken the place of go in the same publish. */
static void drop_extended(struct lb_mover *mover)
{
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        if (mover->extended[lane] != LB_BACKLOG_NONE)
            lb_backlog_forget(mover->backlog, mover->extended[lane]);
}

static bool store(struct lb_mover *mover)
{
    unsigned lane = LB_LANE_URGENT;

    for (unsigned i = 0; i < mover->pieces; i++)
        if (mover->piece[i].view.head->lane == LB_LANE_ROUTINE)
            lane = LB_LANE_ROUTINE;
    for (unsigned i = 0; i < TRIES; i++) {
        if (put_all(mover))
            return true;
        lb_release_publish(mover->shipper); /* what was undone, and what was given up, is free now */
        if (!give_way(mover, lane))
            return false;
    }
    return false;
}

/* Urgent segments fill the backlog: what is routine and still in the ring goes before any of them. */
static uint64_t shed_routine(struct lb_mover *mover, uint64_t from, uint64_t to, bool is_body)
{
    struct lb_shipper *shipper = mover->shipper;
    bool has_routine = false;

    for (unsigned i = 0; i < mover->pieces; i++) {
        if (mover->piece[i].is_kept)
            return from; /* somebody waits: the ring fills, and so they do */
        has_routine |= mover->piece[i].view.head->lane == LB_LANE_ROUTINE;
    }
    if (!has_routine) { /* not even for urgent ones: nothing that is there may go */
        lb_release_lost(shipper, from, to, LB_REASON_SHED);
        return to;
    }
    lb_release_lost_of_lane(shipper, from, to, LB_LANE_ROUTINE, LB_REASON_SHED);
    return lb_mover_move(mover, from, to, is_body);
}

uint64_t lb_mover_move(struct lb_mover *mover, uint64_t from, uint64_t to, bool is_body)
{
    struct lb_shipper *shipper = mover->shipper;
    uint64_t end;

    if (!get_ready(mover))
        return from; /* no memory: it is tried again with the next step */
    end = pack(mover, from, to, is_body);
    if (end == from)
        return from;
    if (mover->pieces == 0) {
        lb_release_passed(shipper, from, end);
        return end;
    }
    if (!store(mover))
        return shed_routine(mover, from, end, is_body);
    drop_extended(mover);
    for (unsigned i = 0; i < mover->pieces; i++) {
        mover->stats.moved_lines += mover->piece[i].lines;
        mover->stats.packed_bytes += mover->piece[i].view.head->len;
    }
    mover->stats.moved_bytes += end - from;
    mover->stats.moved_segments += mover->pieces;
    lb_ring_finish(shipper->ring, from, end, LB_STATE_MOVED);
    lb_release_publish(shipper);
    return end;
}
