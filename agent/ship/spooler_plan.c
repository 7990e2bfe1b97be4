/* SPDX-License-Identifier: MIT */
/*
 * What is due for the card. In: ring, backlog, what the spool holds, the time. Out: one piece of work. Always
 * true: what leaves RAM for the card is asked for only as a whole batch, and stays until it is acknowledged.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/ship/dear.h"
#include "agent/ship/pending.h"
#include "agent/ship/spooler_parts.h"
#include "common/clock.h"

#define FULL_OF_TEN   9u /* the backlog is nearly full when so many tenths of it are */
#define BRING_BYTES   (512u << 10)
#define COPY_RUNS     16u /* stretches of dear records in one transaction */
#define COPY_RECORDS  1024u
#define DROPS_AT_ONCE 8u
#define DROP_WAIT_NS  (60 * LB_NS_PER_S)

static uint64_t word(const struct lb_spooler *spooler, uint32_t row, unsigned which)
{
    return lb_backlog_word(spooler->backlog, row, which);
}

/* ---- segments of the backlog, to be written ---- */

static bool may_go(void *ctx, uint32_t row)
{
    const struct lb_spooler *spooler = ctx;

    if (word(spooler, row, LB_ROW_STATE) & LB_ROW_SPOOLED_BIT || !lb_mover_is_free(spooler->mover, row) ||
        lb_unpacked_holds(&spooler->drain->unpacked, row))
        return false;
    for (unsigned i = 0; i < spooler->rows; i++)
        if (spooler->row[i] == row)
            return false; /* taken already */
    return true;
}

static bool add_row(struct lb_spooler *spooler, uint32_t row, enum lb_spool_why why, uint64_t now_ns)
{
    struct lb_spool_work *work = &spooler->work;
    uint64_t len = word(spooler, row, LB_ROW_LEN);
    struct lb_spool_part *part = &work->part[work->parts];
    struct lb_segment_view view;
    uint8_t *to = lb_spool_work_room(work, len);

    if (!to)
        return false;
    lb_backlog_copy(spooler->backlog, row, to);
    memset(part, 0, sizeof *part);
    part->len = (uint32_t)len;
    part->meta = (struct lb_segment_meta) { .ring_id = word(spooler, row, LB_ROW_RING),
                                            .first_n = word(spooler, row, LB_ROW_FIRST_N),
                                            .last_n = word(spooler, row, LB_ROW_LAST_N),
                                            .first_ns = word(spooler, row, LB_ROW_FIRST_NS),
                                            .last_ns = word(spooler, row, LB_ROW_LAST_NS),
                                            .lines = word(spooler, row, LB_ROW_LINES),
                                            .bytes = word(spooler, row, LB_ROW_BYTES),
                                            .lane = (uint8_t)lb_backlog_lane(spooler->backlog, row),
                                            .why = (uint8_t)why };
    if (lb_segment_look_at_head(to, len, &view) == 0) {
        part->meta.records = view.head->records;
        part->meta.severity_mask = view.head->severities;
    }
    lb_spooler_stamp(spooler, &part->meta, now_ns);
    spooler->row_seq[spooler->rows] = word(spooler, row, LB_ROW_SEQ);
    spooler->row[spooler->rows++] = row;
    work->parts++;
    return true;
}

/* The oldest of a lane, until there is enough for a batch. */
static void gather(struct lb_spooler *spooler, unsigned lane, uint64_t most, enum lb_spool_why why,
                   uint64_t now_ns)
{
    uint32_t row;

    while (spooler->work.parts < LB_SPOOL_PARTS_MAX && spooler->work.used < most &&
           (row = lb_backlog_oldest(spooler->backlog, lane, may_go, spooler)) != LB_BACKLOG_NONE)
        if (!add_row(spooler, row, why, now_ns))
            return;
}

static bool is_nearly_full(const struct lb_backlog *backlog)
{
    uint64_t size = (uint64_t)backlog->blocks * LB_BACKLOG_BLOCK;

    return size - lb_backlog_room(backlog) >= size / 10 * FULL_OF_TEN;
}

bool lb_spooler_is_pressed(const struct lb_spooler *spooler, uint64_t now_ns)
{
    return is_nearly_full(spooler->backlog) && lb_shipper_is_away(spooler->live, now_ns);
}

/* What would be given up next is written instead, where that is allowed. */
static bool plan_overflow(struct lb_spooler *spooler, uint64_t now_ns)
{
    uint64_t size = (uint64_t)spooler->backlog->blocks * LB_BACKLOG_BLOCK;
    uint64_t want = lb_earlier(LB_SPOOL_BATCH_BYTES, size / 4);

    if (!lb_spooler_is_pressed(spooler, now_ns))
        return false;
    if (spooler->backlog->sum.by_lane[LB_LANE_ROUTINE] > 0 && !spooler->config->spool_routine)
        return false; /* they go first, and not to the card */
    gather(spooler, LB_LANE_ROUTINE, want, LB_SPOOL_BACKLOG, now_ns);
    if (spooler->work.used < want)
        gather(spooler, LB_LANE_URGENT, want, LB_SPOOL_BACKLOG, now_ns);
    return spooler->work.used >= want;
}

/* ---- copies ---- */

static bool add_run(struct lb_spooler *spooler, const struct lb_record *const *record, size_t count,
                    uint64_t now_ns)
{
    struct lb_segment_packer *packer = lb_mover_packer(spooler->mover);
    struct lb_spool_work *work = &spooler->work;
    struct lb_spool_part *part = &work->part[work->parts];
    struct lb_segment_view view;
    size_t cost = 0, bound;
    uint8_t *to;
    long len;

    for (size_t i = 0; i < count; i++)
        cost += lb_segment_cost(record[i]);
    bound = lb_segment_bound(cost, count);
    to = lb_spool_work_room(work, bound);
    if (!packer || !to)
        return false;
    len = lb_segment_pack(packer, spooler->live->ring->id, record, count, to, bound);
    work->used -= len > 0 ? bound - (size_t)len : bound;
    if (len < 0 || lb_segment_look_at_head(to, (size_t)len, &view) < 0)
        return false;
    memset(part, 0, sizeof *part);
    part->len = (uint32_t)len;
    part->meta = (struct lb_segment_meta) { .ring_id = view.head->ring_id,
                                            .first_n = view.head->first_n,
                                            .last_n = view.head->last_n,
                                            .first_ns = view.head->first_ns,
                                            .last_ns = view.head->last_ns,
                                            .records = view.head->records,
                                            .lane = view.head->lane,
                                            .severity_mask = view.head->severities,
                                            .why = LB_SPOOL_COPY };
    for (size_t i = 0; i < count; i++)
        part->meta.lines += record[i]->kind == LB_KIND_LINE ? record[i]->lines : 0;
    lb_spooler_stamp(spooler, &part->meta, now_ns);
    work->parts++;
    return true;
}

/* Dear records of the ring that have waited long enough, in stretches of numbers. */
static void copy_from_ring(struct lb_spooler *spooler, uint64_t now_ns)
{
    const struct lb_shipper *live = spooler->live;
    uint64_t after_ns = spooler->config->spool_persist_after_ms * LB_NS_PER_MS;
    uint64_t head = lb_pending_end(live), pos = lb_later(spooler->copy_pos, lb_ring_tail(live->ring));
    const struct lb_record *run[COPY_RECORDS], *record;
    size_t count = 0;

    for (; (record = lb_ring_at(live->ring, pos, head)) && spooler->work.parts < COPY_RUNS;
         pos += record->len) {
        if (record->kind == LB_KIND_HOLE || record->state >= LB_STATE_DELIVERED)
            continue;
        if (record->boot_ns + after_ns > now_ns)
            break;
        if (record->lane != LB_LANE_URGENT || !lb_record_is_dear(record, spooler->config))
            continue;
        if (count > 0 && (record->n != run[count - 1]->n + 1 || count == COPY_RECORDS)) {
            if (!add_run(spooler, run, count, now_ns))
                return;
            count = 0;
        }
        run[count++] = record;
    }
    if (count > 0 && !add_run(spooler, run, count, now_ns))
        return;
    spooler->copy_pos = pos;
}

static bool is_known(const struct lb_spooler *spooler, uint32_t row)
{
    for (unsigned i = 0; i < spooler->known_count; i++)
        for (unsigned part = 0; part < spooler->known[i].count; part++) {
            const struct lb_segment_meta *meta = &spooler->known[i].part[part].meta;

            if (meta->ring_id == word(spooler, row, LB_ROW_RING) &&
                meta->lane == lb_backlog_lane(spooler->backlog, row) &&
                meta->first_n == word(spooler, row, LB_ROW_FIRST_N) &&
                meta->last_n == word(spooler, row, LB_ROW_LAST_N))
                return true;
        }
    return false;
}

/* And segments that hold some, which came to the backlog since. */
static void copy_from_backlog(struct lb_spooler *spooler, uint64_t now_ns)
{
    uint64_t after_ns = spooler->config->spool_persist_after_ms * LB_NS_PER_MS, seen = spooler->copied_seq;

    for (uint32_t row = 0; row < spooler->backlog->rows && spooler->work.parts < COPY_RUNS; row++) {
        if (!lb_backlog_is_valid(spooler->backlog, row) ||
            !(word(spooler, row, LB_ROW_STATE) & LB_ROW_PERSIST_BIT) ||
            word(spooler, row, LB_ROW_SEQ) < spooler->copied_seq ||
            word(spooler, row, LB_ROW_FIRST_NS) + after_ns > now_ns || !may_go(spooler, row) ||
            is_known(spooler, row))
            continue;
        if (!add_row(spooler, row, LB_SPOOL_COPY, now_ns))
            return;
        seen = lb_later(seen, word(spooler, row, LB_ROW_SEQ) + 1);
    }
    spooler->copied_seq = seen;
}

/* ---- the system goes down ---- */

/*
 * Segments of a lane whose records are on their way to the sink: nobody will be there to hear the answer.
 * They are copied, and stay in RAM: where the system does not go down after all they are shipped from there.
 */
static bool copy_what_is_out(struct lb_spooler *spooler, unsigned lane, uint64_t now_ns)
{
    for (uint32_t row = 0; row < spooler->backlog->rows && spooler->work.parts < LB_SPOOL_PARTS_MAX; row++) {
        if (!lb_backlog_is_valid(spooler->backlog, row) || lb_backlog_lane(spooler->backlog, row) != lane ||
            word(spooler, row, LB_ROW_STATE) & LB_ROW_SPOOLED_BIT || may_go(spooler, row) ||
            is_known(spooler, row))
            continue;
        if (!add_row(spooler, row, LB_SPOOL_COPY, now_ns))
            break;
    }
    spooler->task = LB_SPOOLER_COPY;
    return spooler->work.parts > 0;
}

/* Urgent ones first. What may leave RAM and what is copied are transactions of their own. */
static bool plan_down(struct lb_spooler *spooler, uint64_t now_ns)
{
    struct lb_spool_work *work = &spooler->work;

    work->is_going_down = true;
    gather(spooler, LB_LANE_URGENT, LB_SPOOL_BATCH_BYTES * 4, LB_SPOOL_STOP, now_ns);
    if (work->parts == 0 && copy_what_is_out(spooler, LB_LANE_URGENT, now_ns))
        return true;
    spooler->task = LB_SPOOLER_DOWN;
    gather(spooler, LB_LANE_ROUTINE, LB_SPOOL_BATCH_BYTES * 4, LB_SPOOL_STOP, now_ns);
    return work->parts > 0 || copy_what_is_out(spooler, LB_LANE_ROUTINE, now_ns);
}

static bool has_persist(const struct lb_config *config)
{
    return config->spool_persist >= 0 && config->spool_persist < LB_LEVEL_COUNT;
}

static bool plan_copy(struct lb_spooler *spooler, uint64_t now_ns)
{
    const struct lb_config *config = spooler->config;

    if (!has_persist(config) ||
        (spooler->copied_ns &&
         now_ns < spooler->copied_ns + config->spool_persist_interval_ms * LB_NS_PER_MS))
        return false;
    copy_from_ring(spooler, now_ns);
    copy_from_backlog(spooler, now_ns);
    return spooler->work.parts > 0;
}

/* ---- what comes back, and what is let go of ---- */

static bool is_done(const struct lb_spool_known *known)
{
    return known->count == 0 || known->done == (known->count == 64 ? UINT64_MAX : (1ull << known->count) - 1);
}

static bool has_only_copies(const struct lb_spool_known *known)
{
    for (unsigned i = 0; i < known->count; i++)
        if (known->part[i].meta.why != LB_SPOOL_COPY)
            return false;
    return true;
}

/* Rows that are done ride on any transaction. */
static unsigned add_drops(struct lb_spooler *spooler)
{
    struct lb_spool_work *work = &spooler->work;

    for (unsigned i = 0; i < spooler->known_count && work->drops < LB_SPOOL_DROPS_MAX; i++)
        if (is_done(&spooler->known[i]))
            work->drop[work->drops++] = spooler->known[i].id;
    return work->drops;
}

/* One of their own is made for many, or for the last ones; copies alone are not worth one. */
static bool plan_drop(struct lb_spooler *spooler, uint64_t now_ns)
{
    unsigned done = 0, waiting = 0;
    bool is_worth_it = false;

    for (unsigned i = 0; i < spooler->known_count; i++) {
        if (!is_done(&spooler->known[i]))
            waiting++;
        else if (++done && !has_only_copies(&spooler->known[i]))
            is_worth_it = true;
    }
    if (!is_worth_it || (done < DROPS_AT_ONCE && waiting > 0 &&
                         now_ns < lb_later(spooler->dropped_ns, DROP_WAIT_NS) + DROP_WAIT_NS))
        return false;
    return add_drops(spooler) > 0;
}

/* Copies of what is still in RAM are not needed; others are what is left of an earlier time. */
static bool is_wanted(const struct lb_spooler *spooler, const struct lb_spool_known *known, unsigned part)
{
    return !((known->done | known->in_ram) >> part & 1) &&
           !(known->part[part].meta.why == LB_SPOOL_COPY &&
             lb_spooler_is_of_now(spooler, &known->part[part].meta));
}

static uint64_t age_of(const struct lb_segment_meta *meta)
{
    return (uint64_t)meta->wall_offset_ns + meta->first_ns;
}

/* The row whose first wanted part is the oldest. */
static const struct lb_spool_known *oldest(const struct lb_spooler *spooler, unsigned *ret_part)
{
    const struct lb_spool_known *found = NULL;
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < spooler->known_count; i++)
        for (unsigned part = 0; part < spooler->known[i].count; part++) {
            if (!is_wanted(spooler, &spooler->known[i], part))
                continue;
            if (age_of(&spooler->known[i].part[part].meta) < least) {
                least = age_of(&spooler->known[i].part[part].meta);
                found = &spooler->known[i];
                *ret_part = part;
            }
            break;
        }
    return found;
}

static bool is_well(const struct lb_spooler *spooler, uint64_t now_ns)
{
    const struct lb_shipper *live = spooler->live;

    return live->stats.last_delivery_ns && !live->failed_since_delivery && !live->retry.is_open &&
           live->trouble == LB_TROUBLE_NONE && !lb_shipper_is_away(live, now_ns) &&
           !spooler->drain->shipper.failed_since_delivery;
}

static bool plan_bring(struct lb_spooler *spooler, uint64_t now_ns)
{
    struct lb_spool_work *work = &spooler->work;
    const struct lb_spool_known *known;
    unsigned part = 0;
    uint64_t size = (uint64_t)spooler->backlog->blocks * LB_BACKLOG_BLOCK, most;

    if (!is_well(spooler, now_ns) || lb_backlog_room(spooler->backlog) < size / 2)
        return false;
    known = oldest(spooler, &part);
    if (!known)
        return false;
    most = lb_earlier(BRING_BYTES, size / 4);
    work->id = known->id;
    work->offset = known->part[part].offset;
    work->len = 0;
    for (; part < known->count && is_wanted(spooler, known, part) &&
           (work->len == 0 || work->len + known->part[part].len <= most);
         part++)
        work->len += known->part[part].len;
    return lb_spool_work_room(work, work->len) != NULL;
}

/* The ledger goes with the file: only when there is nothing in it to remember. */
static bool plan_give_back(struct lb_spooler *spooler, uint64_t now_ns)
{
    const struct lb_ledger *ledger = &spooler->side.ledger; /* nobody else has it while no work is out */

    if (spooler->known_count > 0 || spooler->view.rows > 0 || !spooler->view.is_there ||
        spooler->view.bytes_disk <= LB_SPOOL_KEPT_BYTES ||
        lb_ledger_left(ledger, now_ns) < ledger->rate_per_day)
        return false;
    spooler->work.task = LB_SPOOL_TASK_GIVE_BACK;
    spooler->task = LB_SPOOLER_GIVE_BACK;
    return true;
}

/* ---- all of it ---- */

bool lb_spooler_plan(struct lb_spooler *spooler, uint64_t now_ns)
{
    struct lb_spool_work *work = &spooler->work;

    work->parts = work->drops = 0;
    work->used = 0;
    work->is_going_down = false;
    spooler->rows = 0;
    work->task = LB_SPOOL_TASK_WRITE;
    if (spooler->is_going_down) {
        spooler->task = LB_SPOOLER_DOWN;
        return plan_down(spooler, now_ns);
    }
    spooler->task = LB_SPOOLER_OVERFLOW;
    if (!plan_overflow(spooler, now_ns)) {
        work->parts = work->drops = spooler->rows = 0;
        work->used = 0;
        spooler->task = LB_SPOOLER_COPY;
        if (!plan_copy(spooler, now_ns)) {
            spooler->task = LB_SPOOLER_DROP;
            if (!plan_drop(spooler, now_ns)) {
                work->task = LB_SPOOL_TASK_READ;
                spooler->task = LB_SPOOLER_BRING;
                return plan_bring(spooler, now_ns) || plan_give_back(spooler, now_ns);
            }
            return true;
        }
    }
    add_drops(spooler);
    return true;
}
