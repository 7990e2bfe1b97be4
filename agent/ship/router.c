/* SPDX-License-Identifier: MIT */
/*
 * The router. In: records of the ring. Out: copies of them in the rings of other sinks. Always true: a copy
 * and the place up to which all is copied become true together.
 */
#include "agent/ship/router.h"

#include <errno.h>
#include <string.h>

#include "agent/ship/outlet_loss.h"
#include "agent/ship/pending.h"
#include "agent/ship/shed.h"
#include "agent/store/extra.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/sink_route.h"

#define WORDS_OF_COPY 64u          /* of a commit: cursor, ring, books, and some to spare */
#define LOOK_BYTES    (64u * 1024) /* a sink that takes a part is not woken for less */

static const char own_service[] = "logboom";

/* ---- the cursor ---- */

static uint64_t cursor(const struct lb_outlet *outlet, unsigned word)
{
    return lb_commit_get(&outlet->files.state.fast, LB_FAST_INPUTS, word);
}

static void set_cursor(struct lb_outlet *outlet, uint64_t ring_id, uint64_t pos)
{
    if (cursor(outlet, LB_OUTLET_CURSOR_RING) != ring_id)
        lb_commit_set(&outlet->files.state.fast, LB_FAST_INPUTS, LB_OUTLET_CURSOR_RING, ring_id);
    lb_commit_set(&outlet->files.state.fast, LB_FAST_INPUTS, LB_OUTLET_CURSOR_POS, pos);
}

/* The ring that an outlet reads now: the one that was set aside first. */
static struct lb_ring *ring_of(const struct lb_router *router, const struct lb_outlet *outlet)
{
    struct lb_files *files = router->files;

    return files->has_old_ring && cursor(outlet, LB_OUTLET_CURSOR_RING) == files->old_ring.id
               ? &files->old_ring
               : &files->ring;
}

/* The least place of a ring that some primary has still to be given; what is behind it stays. */
static uint64_t least(const struct lb_router *router, const struct lb_ring *ring)
{
    uint64_t limit = lb_ring_head(ring);

    for (unsigned i = 0; i < router->outlets; i++) {
        const struct lb_outlet *outlet = router->outlet[i];

        if (!outlet->is_primary || outlet->is_detached)
            continue;
        if (cursor(outlet, LB_OUTLET_CURSOR_RING) == ring->id)
            limit = lb_earlier(limit, cursor(outlet, LB_OUTLET_CURSOR_POS));
        else if (ring == &router->files->ring) /* it has the older one to read first */
            limit = lb_earlier(limit, lb_ring_tail(ring));
    }
    return limit;
}

void lb_router_protect(struct lb_router *router)
{
    struct lb_files *files = router->files;

    for (unsigned i = 0; i < router->outlets; i++)
        router->has_primary |= router->outlet[i]->is_primary;
    if (!router->has_primary)
        return;
    if (!files->ring.is_new)
        lb_ring_set_limit(&files->ring, least(router, &files->ring));
    if (files->has_old_ring) /* also where the one behind it was not made before a kill */
        lb_ring_set_limit(&files->old_ring, least(router, &files->old_ring));
}

/*
 * Where to go on in a ring, or LB_NEVER: the cursor is of another one. Recovery may have made one hole of
 * what lies on both sides of the cursor, and where the end was damaged the head lies before it now: what is
 * before the cursor was given, so it goes on at the next record.
 */
static uint64_t place_in(const struct lb_ring *ring, const struct lb_outlet *outlet)
{
    uint64_t pos = lb_ring_tail(ring), head = lb_ring_head(ring),
             given = cursor(outlet, LB_OUTLET_CURSOR_POS);
    const struct lb_record *record;

    if (cursor(outlet, LB_OUTLET_CURSOR_RING) != ring->id)
        return LB_NEVER;
    while (pos < given && (record = lb_ring_at(ring, pos, head)))
        pos += record->len;
    return pos;
}

void lb_router_attach(struct lb_router *router)
{
    struct lb_files *files = router->files;
    const struct lb_ring *first = files->has_old_ring ? &files->old_ring : &files->ring;

    for (unsigned i = 0; i < router->outlets; i++) {
        struct lb_outlet *outlet = router->outlet[i];
        uint64_t pos = place_in(&files->ring, outlet), old_pos = LB_NEVER;

        if (files->has_old_ring)
            old_pos = place_in(&files->old_ring, outlet);
        if (files->repair.cursors_were_bad || (pos == LB_NEVER && old_pos == LB_NEVER))
            set_cursor(outlet, first->id, lb_ring_tail(first));
        else if (pos != LB_NEVER)
            set_cursor(outlet, files->ring.id, pos);
        else
            set_cursor(outlet, files->old_ring.id, old_pos);
        lb_commit_publish(&outlet->files.state.fast);
    }
    if (!router->has_primary)
        return;
    lb_ring_set_limit(&files->ring, least(router, &files->ring));
    if (files->has_old_ring)
        lb_ring_set_limit(&files->old_ring, least(router, &files->old_ring));
}

/* ---- copying ---- */

static bool is_own(const struct lb_record *record)
{
    return record->kind != LB_KIND_LINE && record->service_len == sizeof own_service - 1 &&
           memcmp(lb_record_service(record), own_service, sizeof own_service - 1) == 0;
}

/* Receipts by number, and how a ring began, speak of the first sink's ring. */
static bool is_of_the_first(const struct lb_record *record)
{
    struct lb_receipt receipt;

    if (record->kind == LB_KIND_START)
        return true;
    if (record->kind != LB_KIND_RECEIPT || record->body_len != sizeof receipt)
        return false;
    memcpy(&receipt, lb_record_body(record), sizeof receipt);
    return receipt.reason != LB_REASON_OVERLOAD && receipt.reason != LB_REASON_CLIENT;
}

static bool takes(const struct lb_outlet *outlet, const struct lb_record *record)
{
    if (is_of_the_first(record))
        return false;
    return is_own(record) || lb_sink_takes(outlet->shipper.sink_config, lb_record_service(record),
                                           record->service_len, record->severity);
}

static void book(struct lb_outlet *outlet, uint32_t row, unsigned word, uint64_t lines, uint64_t bytes)
{
    struct lb_commit *fast = &outlet->files.state.fast;

    lb_commit_add(fast, LB_FAST_BOOKS, row * LB_BOOK_FAST_WORDS + word, lines);
    lb_commit_add(fast, LB_FAST_BOOKS, row * LB_BOOK_FAST_WORDS + word + 1, bytes);
}

static int copy(struct lb_outlet *outlet, const struct lb_record *record)
{
    struct lb_state *state = &outlet->files.state;
    struct iovec body = { (void *)(uintptr_t)lb_record_body(record), record->body_len };
    struct lb_record head = *record;
    int rc;

    head.service_ix = lb_state_service(state, lb_record_service(record), record->service_len);
    rc = lb_ring_put(&outlet->files.ring, &head, lb_record_service(record), record->service_len,
                     lb_record_tags(record), record->tags_len, &body, 1);
    if (rc < 0)
        return rc;
    if (record->kind == LB_KIND_LINE)
        book(outlet, head.service_ix, LB_BOOK_QUEUED_LINES, record->lines, lb_record_text_len(record));
    else
        book(outlet, head.service_ix, LB_BOOK_OWN_LINES, 1, record->body_len);
    return 0;
}

/* One record. false: it has to wait. */
static bool pass_on(struct lb_outlet *outlet, const struct lb_record *record, uint64_t now_ns)
{
    int rc;

    if (record->kind == LB_KIND_HOLE) {
        lb_outlet_lose_hole(outlet, record, now_ns);
        return true;
    }
    if (!takes(outlet, record))
        return true;
    rc = copy(outlet, record);
    if (rc == -ENOSPC) {
        lb_commit_publish(&outlet->files.state.fast);
        lb_shed_for(&outlet->shipper, record->len, now_ns);
        rc = copy(outlet, record);
    }
    if (rc == -ENOSPC && outlet->is_primary) {
        outlet->wanted_bytes = record->len;
        return false;
    }
    if (rc < 0 && record->kind == LB_KIND_LINE)
        lb_outlet_lose(outlet, record, now_ns);
    else if (rc < 0 && record->kind == LB_KIND_RECEIPT) /* of others there will be more */
        lb_outlet_tell_later(outlet, record, now_ns);
    return true;
}

/* The pipe waits for it: what is in its queue goes at once. */
static void hurry(struct lb_outlet *outlet)
{
    struct lb_shipper *shipper = &outlet->shipper;
    uint64_t *force_pos = shipper->next_ring ? &shipper->force_next_pos : &shipper->force_pos;

    *force_pos = lb_later(*force_pos, lb_ring_head(&outlet->files.ring));
    if (shipper->next_ring)
        shipper->force_pos = lb_ring_head(shipper->ring);
}

/* The record at a place; NULL also where its parts do not fit it: damage that came after the start. */
static const struct lb_record *record_at(const struct lb_ring *ring, uint64_t pos, uint64_t head)
{
    const struct lb_record *record = lb_ring_at(ring, pos, head);

    if (record && record->kind != LB_KIND_HOLE &&
        (lb_record_size(record->service_len, record->tags_len, record->body_len) != record->len ||
         record->lane >= LB_LANE_COUNT))
        return NULL;
    return record;
}

static void feed(struct lb_router *router, struct lb_outlet *outlet, uint64_t now_ns)
{
    struct lb_commit *fast = &outlet->files.state.fast;
    struct lb_ring *ring = ring_of(router, outlet);
    uint64_t pos = cursor(outlet, LB_OUTLET_CURSOR_POS), head = lb_ring_head(ring);
    const struct lb_record *record;

    outlet->is_stalled = false;
    while ((record = record_at(ring, pos, head))) {
        if (!pass_on(outlet, record, now_ns)) {
            outlet->is_stalled = true;
            hurry(outlet);
            break;
        }
        pos += record->len;
        set_cursor(outlet, ring->id, pos);
        if (!lb_commit_has_room(fast, WORDS_OF_COPY))
            lb_commit_publish(fast);
    }
    if (!record && pos < head && !router->is_damaged) {
        router->is_damaged = true;
        lb_log(LB_LEVEL_ERROR, "sink %s: the ring is damaged: restart to recover what is behind it",
               outlet->name);
    }
    if (!record && pos == head && ring != &router->files->ring) {
        set_cursor(outlet, router->files->ring.id, lb_ring_tail(&router->files->ring));
        lb_commit_publish(fast);
        feed(router, outlet, now_ns);
        return;
    }
    lb_commit_publish(fast);
}

bool lb_router_step(struct lb_router *router, uint64_t now_ns)
{
    struct lb_files *files = router->files;
    bool has_moved = false;

    for (unsigned i = 0; i < router->outlets; i++) {
        if (router->outlet[i]->is_detached)
            continue;
        router->has_primary |= router->outlet[i]->is_primary; /* a reload may make it one */
        lb_outlet_tell(router->outlet[i], router->urgent, now_ns);
        feed(router, router->outlet[i], now_ns);
    }
    if (!router->has_primary)
        return false;
    has_moved = lb_ring_set_limit(&files->ring, least(router, &files->ring));
    if (files->has_old_ring)
        has_moved |= lb_ring_set_limit(&files->old_ring, least(router, &files->old_ring));
    return has_moved;
}

bool lb_router_has_given(const struct lb_outlet *outlet, uint64_t ring_id, uint64_t pos)
{
    return cursor(outlet, LB_OUTLET_CURSOR_RING) == ring_id && cursor(outlet, LB_OUTLET_CURSOR_POS) >= pos;
}

bool lb_router_is_done(const struct lb_router *router)
{
    for (unsigned i = 0; i < router->outlets; i++)
        if (!router->outlet[i]->is_detached && !lb_link_get(&router->outlet[i]->link.sink_away) &&
            (cursor(router->outlet[i], LB_OUTLET_CURSOR_RING) != router->files->ring.id ||
             cursor(router->outlet[i], LB_OUTLET_CURSOR_POS) != lb_ring_head(&router->files->ring)))
            return false;
    return true;
}

/* ---- when to look again ---- */

/* At which fill of the ring an outlet wants to look; UINT64_MAX: it has enough, or no room. */
static uint64_t wish(const struct lb_router *router, const struct lb_outlet *outlet)
{
    const struct lb_shipper *shipper = &outlet->shipper;
    uint64_t pos = cursor(outlet, LB_OUTLET_CURSOR_POS), max = shipper->builder.max_bytes;

    if (outlet->is_stalled || outlet->is_detached || shipper->is_full ||
        cursor(outlet, LB_OUTLET_CURSOR_RING) != router->files->ring.id)
        return UINT64_MAX;
    if (lb_sink_is_filtered(shipper->sink_config))
        return pos + LOOK_BYTES;
    if (shipper->pending_lines == 0)
        return pos + 1;
    return pos + lb_later(max - lb_earlier(shipper->pending_bytes, max), 4) / 4 * 3 + 1;
}

/*
 * Does a sink that takes a part want no knock for the next urgent record? What has come since the last look
 * was not urgent for it, so others are likely not for it as well: it looks again a little later, and wants a
 * knock when nothing came meanwhile.
 */
static bool is_quiet(struct lb_outlet *outlet, uint64_t now_ns)
{
    const struct lb_sink_config *sink = outlet->shipper.sink_config;
    uint64_t pos = cursor(outlet, LB_OUTLET_CURSOR_POS);

    if (!lb_sink_is_filtered(sink))
        return false;
    if (pos != outlet->looked_pos && now_ns >= outlet->quiet_until_ns)
        outlet->quiet_until_ns = now_ns + sink->urgent_wait_ms * LB_NS_PER_MS / 2;
    outlet->looked_pos = pos;
    return now_ns < outlet->quiet_until_ns;
}

/* Ask for a knock at the next urgent record. Returns when to look without one. */
static uint64_t ask_for_urgent(struct lb_outlet *outlet, struct lb_link *link, const struct lb_router *router,
                               uint64_t now_ns)
{
    if (outlet->shipper.has_urgent || outlet->is_stalled)
        return LB_NEVER;
    if (is_quiet(outlet, now_ns))
        return outlet->quiet_until_ns;
    if (lb_link_get(&link->slow_wants_urgent))
        return LB_NEVER;
    lb_link_put(&link->slow_wants_urgent, 1);
    /* One may have come before this was to be seen. */
    return lb_ring_head(&router->files->ring) != cursor(outlet, LB_OUTLET_CURSOR_POS) ? now_ns : LB_NEVER;
}

uint64_t lb_router_ask(const struct lb_router *router, struct lb_link *link, const struct lb_shipper *first,
                       uint64_t now_ns)
{
    uint64_t head, wake = lb_link_get(&link->slow_wake_pos), due_ns = LB_NEVER;
    bool is_first_silent = first->pending_lines > 0 || first->next_ring; /* it may not ask for each record */

    for (unsigned i = 0; i < router->outlets; i++) {
        struct lb_outlet *outlet = router->outlet[i];

        if (outlet->is_detached)
            continue;
        wake = lb_earlier(wake, wish(router, outlet));
        due_ns = lb_earlier(due_ns, ask_for_urgent(outlet, link, router, now_ns));
        if (lb_sink_is_filtered(outlet->shipper.sink_config) && is_first_silent)
            due_ns = lb_earlier(due_ns, now_ns + outlet->shipper.sink_config->wait_ms * LB_NS_PER_MS);
    }
    lb_link_put(&link->slow_wake_pos, wake);
    head = lb_ring_head(&router->files->ring);
    for (unsigned i = 0; i < router->outlets; i++)
        if (head > cursor(router->outlet[i], LB_OUTLET_CURSOR_POS) && head >= wish(router, router->outlet[i]))
            due_ns = now_ns;
    return due_ns;
}
