/* SPDX-License-Identifier: MIT */
/*
 * Letting go of records. In: a stretch of the ring and what became of it. Out: books, states, tail and loss
 * rows that become true in one publish. Always true: a record is counted once, when its state becomes final.
 */
#include "agent/ship/release.h"

#include <string.h>

#include "agent/store/extra.h"
#include "agent/store/killpoint.h"
#include "agent/store/loss.h"
#include "common/log.h"

#define RUN_SERVICES 16 /* services told apart in one stretch; the rest share a row without a name */

/*
 * A stretch may hold records of every service there is, and the loss table may change from end to end with
 * it: more words than one commit takes. So it is let go of in parts; each is whole, and a record is counted
 * in one of them.
 */
#define WORDS_OF_RECORD 4u /* lines and bytes: its own or ours, and by reason */
#define WORDS_OF_PART   (LB_LOSS_SLOTS * LB_LOSS_WORDS + LB_RING_SLOW_WORDS)
_Static_assert(WORDS_OF_PART + WORDS_OF_RECORD + 2 * LB_COMMIT_RANGES <= LB_COMMIT_ENTRIES,
               "a part holds a record");

struct run {
    enum lb_reason reason;
    struct lb_receipt range; /* lane ranges of the whole stretch */
    struct lb_receipt lost[RUN_SERVICES + 1];
    uint32_t row[RUN_SERVICES];
    unsigned count;
};

static void book_more(struct lb_shipper *shipper, uint32_t row, unsigned word, uint64_t lines, uint64_t bytes)
{
    lb_commit_add(&shipper->state->slow, LB_SLOW_MORE, row * LB_MORE_WORDS + word, lines);
    lb_commit_add(&shipper->state->slow, LB_SLOW_MORE, row * LB_MORE_WORDS + word + 1, bytes);
}

/* Are these records of an earlier boot? Then they are in no book of this one but a place of their own. */
static bool is_earlier(const struct lb_shipper *shipper)
{
    return shipper->unpacked && shipper->unpacked->wall_ns != 0;
}

static void book(struct lb_shipper *shipper, uint32_t row, unsigned word, uint64_t lines, uint64_t bytes)
{
    if (is_earlier(shipper)) {
        if (word == LB_BOOK_DELIVERED)
            book_more(shipper, row, LB_MORE_EARLIER_DELIVERED, lines, bytes);
        else if (word == LB_BOOK_SHED || word == LB_BOOK_REJECTED)
            book_more(shipper, row, LB_MORE_EARLIER_LOST, lines, bytes);
        return;
    }
    lb_commit_add(&shipper->state->slow, LB_SLOW_BOOKS, row * LB_BOOK_SLOW_WORDS + word, lines);
    lb_commit_add(&shipper->state->slow, LB_SLOW_BOOKS, row * LB_BOOK_SLOW_WORDS + word + 1, bytes);
}

static struct lb_receipt *row_of(struct run *run, const struct lb_record *record, uint32_t row)
{
    struct lb_receipt *lost;

    for (unsigned i = 0; i < run->count; i++)
        if (run->row[i] == row)
            return &run->lost[i];
    if (run->count == RUN_SERVICES)
        return &run->lost[RUN_SERVICES];
    run->row[run->count] = row;
    lost = &run->lost[run->count++];
    if (row == LB_SERVICES_BOOKS - 1)
        return lost; /* shared by many: no name is right */
    lost->name_len = record->service_len < sizeof lost->name ? record->service_len : sizeof lost->name;
    memcpy(lost->name, lb_record_service(record), lost->name_len);
    return lost;
}

static void note_range(struct lb_receipt *range, const struct lb_record *record)
{
    if (range->range[record->lane][0] == 0)
        range->range[record->lane][0] = record->n;
    range->range[record->lane][1] = record->n;
}

static void note_line(struct lb_receipt *lost, const struct lb_record *record)
{
    lost->lines += record->lines;
    lost->bytes += lb_record_text_len(record);
    lost->by_severity[record->severity & 7] += record->lines;
    /* Stamps are in no order: what a client had drained is older than what was recovered before it came. */
    if (lost->first_ns == 0 || record->boot_ns < lost->first_ns)
        lost->first_ns = record->boot_ns;
    if (record->boot_ns > lost->last_ns)
        lost->last_ns = record->boot_ns;
}

static void lose_one(struct lb_shipper *shipper, struct run *run, const struct lb_record *record,
                     uint32_t row)
{
    note_range(&run->range, record);
    if (record->kind == LB_KIND_LINE) {
        note_line(row_of(run, record, row), record);
        book(shipper, row, run->reason == LB_REASON_REJECTED ? LB_BOOK_REJECTED : LB_BOOK_SHED, record->lines,
             lb_record_text_len(record));
        if (run->reason == LB_REASON_EXPIRED && !is_earlier(shipper))
            book_more(shipper, row, LB_MORE_EXPIRED, record->lines, lb_record_text_len(record));
        return;
    }
    book(shipper, row, LB_BOOK_OWN_SHED, 1, record->body_len);
    if (run->reason == LB_REASON_REJECTED) { /* telling it again would be refused again, for ever */
        lb_log(LB_LEVEL_ERROR, "the sink refuses a record of our own, number %llu",
               (unsigned long long)record->n);
        return;
    }
    if (record->kind == LB_KIND_RECEIPT && record->body_len == sizeof(struct lb_receipt)) {
        struct lb_receipt told;

        memcpy(&told, lb_record_body(record), sizeof told);
        lb_loss_return(shipper->state, &told);
    }
    row_of(run, record, row); /* its own number is lost too: some row must tell the range */
}

static void deliver_one(struct lb_shipper *shipper, const struct lb_record *record, uint32_t row)
{
    if (record->kind == LB_KIND_LINE)
        book(shipper, row, LB_BOOK_DELIVERED, record->lines, lb_record_text_len(record));
    else
        book(shipper, row, LB_BOOK_OWN_DELIVERED, 1, record->body_len);
}

/* A number between was not lost (a body behind was delivered, then the agent was killed): another row tells
 * the rest. */
static bool leaves_gap(const struct run *run, const struct lb_record *record)
{
    const uint64_t *range = run->range.range[record->lane];

    return range[0] != 0 && record->n != range[1] + 1;
}

/* Walk a stretch; run NULL: delivered. Returns where the commit's room, or a gapless range, ended; else `to`.
 */
static uint64_t walk(struct lb_shipper *shipper, uint64_t from, uint64_t to, struct run *run)
{
    uint64_t head = lb_ring_head(shipper->ring), pos = from;

    while (pos < to && lb_commit_has_room(&shipper->state->slow, WORDS_OF_PART + WORDS_OF_RECORD)) {
        const struct lb_record *record = lb_ring_at(shipper->ring, pos, head);
        uint32_t row;

        if (!record)
            return to; /* damaged: the tail stops there, whatever is said of what is behind */
        if (record->kind == LB_KIND_HOLE || record->state >= LB_STATE_DELIVERED) {
            pos += record->len;
            continue;
        }
        if (run && leaves_gap(run, record))
            return pos;
        pos += record->len;
        row = lb_state_find_service(shipper->state, lb_record_service(record), record->service_len,
                                    record->service_ix);
        if (run)
            lose_one(shipper, run, record, row);
        else
            deliver_one(shipper, record, row);
    }
    return pos;
}

void lb_release_publish(struct lb_shipper *shipper)
{
    struct lb_link *link = shipper->link;

    if (shipper->unpacked)
        lb_unpacked_tell(shipper->unpacked);
    lb_commit_publish(&shipper->state->slow);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the tail is out before we look who waits for it */
    if (lb_link_get(&link->fast_wants_room) || (lb_link_get(&link->losses_wait) && shipper->has_losses))
        lb_link_knock(link->to_fast_fd);
}

static void deliver_by_walking(struct lb_shipper *shipper, uint64_t from, uint64_t to)
{
    for (uint64_t pos = from; pos < to; from = pos) {
        pos = walk(shipper, from, to, NULL);
        lb_ring_finish(shipper->ring, from, pos, LB_STATE_DELIVERED);
        if (pos < to)
            lb_release_publish(shipper);
    }
}

/* The usual case, in which no record is looked at again: the builder has counted them. */
static void deliver_by_sums(struct lb_shipper *shipper, const struct lb_body *body)
{
    for (unsigned i = 0; i < body->sums; i++) {
        const struct lb_body_sum *sum = &body->sum[i];

        if (sum->lines)
            book(shipper, sum->row, LB_BOOK_DELIVERED, sum->lines, sum->bytes);
        if (sum->own_lines)
            book(shipper, sum->row, LB_BOOK_OWN_DELIVERED, sum->own_lines, sum->own_bytes);
    }
    if (body->from == lb_ring_tail(shipper->ring))
        lb_ring_pass(shipper->ring, body->to, body->next_after);
    else
        lb_ring_finish(shipper->ring, body->from, body->to, LB_STATE_DELIVERED);
}

void lb_release_taken(struct lb_shipper *shipper, uint64_t from, uint64_t to)
{
    deliver_by_walking(shipper, from, to);
    lb_release_publish(shipper);
}

void lb_release_tell(struct lb_shipper *shipper)
{
    if (!shipper->has_losses)
        return;
    lb_link_put(&shipper->link->losses_wait, lb_loss_release(shipper->state));
    lb_release_publish(shipper);
}

void lb_release_delivered(struct lb_shipper *shipper, const struct lb_body *body)
{
    if (body->sums <= LB_BODY_SUMS)
        deliver_by_sums(shipper, body);
    else
        deliver_by_walking(shipper, body->from, body->to);
    if (shipper->has_losses)
        lb_link_put(&shipper->link->losses_wait, lb_loss_release(shipper->state));
    lb_release_publish(shipper);
}

void lb_release_passed(struct lb_shipper *shipper, uint64_t from, uint64_t to)
{
    lb_ring_finish(shipper->ring, from, to, LB_STATE_DELIVERED);
    lb_release_publish(shipper);
}

static uint64_t lose_part(struct lb_shipper *shipper, uint64_t from, uint64_t to, enum lb_reason reason)
{
    struct run run;
    uint64_t end;

    memset(&run, 0, sizeof run);
    run.reason = reason;
    end = walk(shipper, from, to, &run);
    for (unsigned i = 0; i <= RUN_SERVICES; i++) {
        struct lb_receipt *lost = &run.lost[i];

        if (i < run.count || lost->lines > 0) {
            lost->reason = reason;
            if (is_earlier(shipper)) /* those numbers, and times, are of another ring and boot */
                lost->first_ns = lost->last_ns = 0;
            else
                memcpy(lost->range, run.range.range, sizeof lost->range);
            lb_loss_add(shipper->state, lost);
            shipper->has_losses = true;
        }
    }
    lb_ring_finish(shipper->ring, from, end,
                   reason == LB_REASON_REJECTED ? LB_STATE_REJECTED : LB_STATE_SHED);
    lb_release_publish(shipper);
    return end;
}

void lb_release_lost(struct lb_shipper *shipper, uint64_t from, uint64_t to, enum lb_reason reason)
{
    while (from < to)
        from = lose_part(shipper, from, to, reason);
    if (reason == LB_REASON_SHED) /* told when the sink is back */
        return;
    lb_link_put(&shipper->link->losses_wait, lb_loss_release(shipper->state));
    lb_release_publish(shipper);
}

/* The end of a stretch of records, from `from` on, that are of one lane, or final. */
static uint64_t end_of_lane(const struct lb_shipper *shipper, uint64_t from, uint64_t to, unsigned lane)
{
    const struct lb_record *record;

    while (from < to && (record = lb_ring_at(shipper->ring, from, to)) &&
           (record->kind == LB_KIND_HOLE || record->state >= LB_STATE_DELIVERED || record->lane == lane))
        from += record->len;
    return from;
}

void lb_release_lost_of_lane(struct lb_shipper *shipper, uint64_t from, uint64_t to, unsigned lane,
                             enum lb_reason reason)
{
    while (from < to) {
        uint64_t end = end_of_lane(shipper, from, to, lane);

        if (end > from)
            lb_release_lost(shipper, from, end, reason);
        from = end_of_lane(shipper, end, to, lane == LB_LANE_URGENT ? LB_LANE_ROUTINE : LB_LANE_URGENT);
        if (from == end)
            return; /* damage, or the end */
    }
}

void lb_release_sweep(struct lb_shipper *shipper)
{
    bool has_any = false;

    if (!shipper->has_losses)
        return;
    lb_loss_sweep(shipper->state);
    for (unsigned row = 0; row < LB_LOSS_SLOTS && !has_any; row++)
        has_any = lb_commit_get(&shipper->state->slow, LB_SLOW_LOSS, row * LB_LOSS_WORDS + LB_LOSS_STATE) !=
                  LB_LOSS_FREE;
    shipper->has_losses = has_any;
    if (!has_any)
        lb_link_put(&shipper->link->losses_wait, 0);
    lb_commit_publish(&shipper->state->slow);
}

static bool may_keep_any(const struct lb_shipper *shipper)
{
    const struct lb_config *config = shipper->config;

    if (shipper->is_best_effort)
        return false;
    if (config->capture.overload == LB_OVERLOAD_WAIT)
        return true;
    for (size_t i = 0; i < config->service_count; i++)
        if (config->services[i].capture.overload == LB_OVERLOAD_WAIT)
            return true;
    return false;
}

static bool is_of_one_that_waits(const struct lb_shipper *shipper, const struct lb_record *record)
{
    return record->kind == LB_KIND_LINE &&
           lb_config_service(shipper->config, lb_record_service(record), record->service_len)
                   ->capture.overload == LB_OVERLOAD_WAIT;
}

bool lb_release_is_kept(const struct lb_shipper *shipper, const struct lb_record *record)
{
    return may_keep_any(shipper) && is_of_one_that_waits(shipper, record);
}

uint64_t lb_release_first_kept(const struct lb_shipper *shipper, uint64_t from, uint64_t to)
{
    const struct lb_record *record;

    if (!may_keep_any(shipper))
        return to;
    for (uint64_t pos = from; pos < to && (record = lb_ring_at(shipper->ring, pos, to)); pos += record->len)
        if (record->state < LB_STATE_DELIVERED && is_of_one_that_waits(shipper, record))
            return pos;
    return to;
}
