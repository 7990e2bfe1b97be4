/* SPDX-License-Identifier: MIT */
/*
 * Losses of one sink beside the first. In: records that found no room. Out: its books, and receipts in its
 * ring. Always true: what never came to the ring is counted, and what is told is marked as told, in one
 * publish.
 */
#include "agent/ship/outlet_loss.h"

#include <string.h>

#include "agent/ship/pending.h"
#include "agent/store/extra.h"
#include "agent/store/loss.h"
#include "agent/store/untold.h"
#include "common/clock.h"
#include "common/level.h"
#include "common/loop.h"

#define TELL_EVERY_NS LB_NS_PER_S /* one receipt of a service, while lines of it are lost */

static const char own_service[] = "logboom";

/* ---- what was lost ---- */

static void add_untold(struct lb_outlet *outlet, uint32_t row, unsigned why, const struct lb_receipt *lost,
                       uint64_t now_ns)
{
    struct lb_commit *fast = &outlet->files.state.fast;
    uint32_t at = lb_untold_at(row, why);
    uint64_t first_ns = lb_commit_get(fast, LB_FAST_BOOKS, at + LB_UNTOLD_FIRST_NS);

    lb_commit_add(fast, LB_FAST_BOOKS, at + LB_UNTOLD_LINES, lost->lines);
    lb_commit_add(fast, LB_FAST_BOOKS, at + LB_UNTOLD_BYTES, lost->bytes);
    if (first_ns == 0 || lost->first_ns < first_ns)
        lb_commit_set(fast, LB_FAST_BOOKS, at + LB_UNTOLD_FIRST_NS, lost->first_ns);
    if (lost->last_ns > lb_commit_get(fast, LB_FAST_BOOKS, at + LB_UNTOLD_LAST_NS))
        lb_commit_set(fast, LB_FAST_BOOKS, at + LB_UNTOLD_LAST_NS, lost->last_ns);
    for (uint32_t level = 0; level < 8; level++)
        if (lost->by_severity[level] > 0)
            lb_commit_add(fast, LB_FAST_BOOKS, at + LB_UNTOLD_BY_SEVERITY + level, lost->by_severity[level]);
    outlet->tell_due_ns = lb_earlier(outlet->tell_due_ns, now_ns + TELL_EVERY_NS);
}

static void book_dropped(struct lb_outlet *outlet, uint32_t row, enum lb_drop reason, uint64_t lines,
                         uint64_t bytes)
{
    struct lb_drop_place place = lb_drop_place(row, reason);

    lb_commit_add(&outlet->files.state.fast, place.region, place.word, lines);
    lb_commit_add(&outlet->files.state.fast, place.region, place.word + 1, bytes);
}

void lb_outlet_lose(struct lb_outlet *outlet, const struct lb_record *record, uint64_t now_ns)
{
    struct lb_receipt lost = { .lines = record->lines,
                               .bytes = lb_record_text_len(record),
                               .first_ns = record->boot_ns,
                               .last_ns = record->boot_ns };
    uint32_t row = lb_state_service(&outlet->files.state, lb_record_service(record), record->service_len);

    lost.by_severity[record->severity & 7] = record->lines;
    book_dropped(outlet, row, LB_DROP_OVERLOAD, lost.lines, lost.bytes);
    add_untold(outlet, row, LB_UNTOLD_OVERLOAD, &lost, now_ns);
}

void lb_outlet_tell_later(struct lb_outlet *outlet, const struct lb_record *record, uint64_t now_ns)
{
    struct lb_receipt told;

    if (record->body_len != sizeof told)
        return;
    memcpy(&told, lb_record_body(record), sizeof told);
    add_untold(outlet, lb_state_service(&outlet->files.state, lb_record_service(record), record->service_len),
               told.reason == LB_REASON_CLIENT ? LB_UNTOLD_CLIENT : LB_UNTOLD_OVERLOAD, &told, now_ns);
}

void lb_outlet_lose_hole(struct lb_outlet *outlet, const struct lb_record *hole, uint64_t now_ns)
{
    struct lb_state *state = &outlet->files.state;
    struct lb_receipt lost = { .reason = LB_REASON_CORRUPT, .first_ns = now_ns, .last_ns = now_ns };

    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        lost.lines += lb_hole_count(hole, lane);
    if (lost.lines == 0)
        return;
    book_dropped(outlet, lb_state_service(state, own_service, sizeof own_service - 1), LB_DROP_LOST,
                 lost.lines, 0);
    lb_loss_add(state, &lost);
    lb_commit_publish(&state->slow);
    outlet->shipper.has_losses = true;
}

/* ---- telling ---- */

/* false: there is no room now. */
static bool put_receipt(struct lb_outlet *outlet, unsigned urgent, const struct lb_receipt *receipt,
                        uint64_t now_ns)
{
    struct lb_state *state = &outlet->files.state;
    bool has_name = receipt->name_len > 0 && receipt->name_len <= sizeof receipt->name;
    const char *name = has_name ? (const char *)receipt->name : own_service;
    size_t len = has_name ? receipt->name_len : sizeof own_service - 1;
    struct lb_record head = {
        .lane = LB_LEVEL_WARNING <= urgent ? LB_LANE_URGENT : LB_LANE_ROUTINE,
        .severity = LB_LEVEL_WARNING,
        .kind = LB_KIND_RECEIPT,
        .boot_ns = now_ns,
        .service_ix = lb_state_service(state, name, len),
        .lines = 1,
    };
    struct iovec body = { (void *)(uintptr_t)receipt, sizeof *receipt };
    uint32_t at = head.service_ix * LB_BOOK_FAST_WORDS + LB_BOOK_OWN_LINES;

    if (lb_ring_put(&outlet->files.ring, &head, name, len, "", 0, &body, 1) < 0)
        return false;
    lb_commit_add(&state->fast, LB_FAST_BOOKS, at, 1);
    lb_commit_add(&state->fast, LB_FAST_BOOKS, at + 1, sizeof *receipt);
    return true;
}

/* What never came to the ring, of one service. false: there is no room now. */
static bool tell_untold(struct lb_outlet *outlet, unsigned urgent, uint32_t row, unsigned why,
                        uint64_t now_ns)
{
    struct lb_receipt receipt;

    if (!lb_untold_read(&outlet->files.state, row, why, &receipt))
        return true;
    if (!put_receipt(outlet, urgent, &receipt, now_ns))
        return false;
    lb_untold_clear(&outlet->files.state, row, why);
    lb_commit_publish(&outlet->files.state.fast);
    return true;
}

static void tell_all_untold(struct lb_outlet *outlet, unsigned urgent, uint64_t now_ns)
{
    outlet->tell_due_ns = LB_NEVER;
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++)
        for (unsigned why = 0; why < LB_UNTOLD_COUNT; why++)
            if (!tell_untold(outlet, urgent, row, why, now_ns)) {
                outlet->tell_due_ns = now_ns + TELL_EVERY_NS;
                return;
            }
}

void lb_outlet_tell(struct lb_outlet *outlet, unsigned urgent, uint64_t now_ns)
{
    struct lb_state *state = &outlet->files.state;
    struct lb_receipt receipt;
    unsigned row = 0;

    if (now_ns >= outlet->tell_due_ns)
        tell_all_untold(outlet, urgent, now_ns);
    outlet->is_mute = false;
    if (!lb_link_get(&outlet->link.losses_wait))
        return;
    while (!outlet->is_mute && lb_loss_next(state, &row, &receipt)) {
        outlet->is_mute = !put_receipt(outlet, urgent, &receipt, now_ns);
        if (outlet->is_mute)
            break;
        lb_loss_told(state, row);
        lb_commit_publish(&state->fast);
    }
}
