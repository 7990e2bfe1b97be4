/* SPDX-License-Identifier: MIT */
/*
 * Bodies that were taken but for some records. In: a body, an answer. Out: its records released, stretch by
 * stretch. Always true: each is released once, as delivered or as rejected.
 */
#include "agent/ship/answers_partly.h"

#include "agent/ship/pending.h"
#include "agent/ship/release.h"
#include "agent/store/loss.h"
#include "common/log.h"

struct walk {
    const struct lb_partly *partly;
    const struct lb_stamps *stamps; /* of the body */
    uint32_t index;                 /* of the record in the body */
    unsigned next;                  /* place in partly->index */
};

/* The time that the sink knows a record by: that of sending, where its own was not for the sink. */
static uint64_t stamp_of(const struct lb_stamps *stamps, const struct lb_record *record)
{
    bool is_of_sending =
        lb_stamps_are_off(stamps, record->boot_ns) || (stamps->has_window && stamps->is_implausible);

    return (is_of_sending ? stamps->now_ns : record->boot_ns) + stamps->offset_ns;
}

static bool is_refused(struct walk *walk, const struct lb_record *record)
{
    const struct lb_partly *partly = walk->partly;
    uint64_t wall_ns = stamp_of(walk->stamps, record);
    bool is_named;

    while (walk->next < partly->count && partly->index[walk->next] < walk->index)
        walk->next++;
    is_named = walk->next < partly->count && partly->index[walk->next] == walk->index;
    walk->index++;
    return is_named || (partly->before_ns > 0 && wall_ns < partly->before_ns) ||
           (partly->from_ns > 0 && wall_ns >= partly->from_ns);
}

static void release(struct lb_shipper *shipper, uint64_t from, uint64_t to, bool is_lost)
{
    if (from == to)
        return;
    if (is_lost)
        lb_release_lost(shipper, from, to, LB_REASON_REJECTED);
    else
        lb_release_taken(shipper, from, to);
}

static void tell_unknown(struct lb_shipper *shipper, uint64_t lines)
{
    struct lb_receipt lost = { .reason = LB_REASON_REJECTED, .lines = lines };

    lb_loss_add(shipper->state, &lost);
    shipper->has_losses = true;
    lb_link_put(&shipper->link->losses_wait, lb_loss_release(shipper->state));
    lb_release_publish(shipper);
}

void lb_answers_release_partly(struct lb_shipper *shipper, const struct lb_body *body,
                               const struct lb_answer *answer)
{
    struct lb_partly partly = { 0 };
    struct walk walk = { .partly = &partly, .stamps = &body->stamps };
    uint64_t begin = body->from, pos = body->from;
    const struct lb_record *record;
    bool was_lost = false;

    shipper->sink->partly(answer, &partly);
    lb_log(LB_LEVEL_WARNING,
           "sink %s took a body but for some records: %s; they are rejected, and told in receipts",
           shipper->sink_config->name, answer->text);
    while (pos < body->to && (record = lb_ring_at(shipper->ring, pos, body->to))) {
        bool is_lost = was_lost;

        if (record->kind != LB_KIND_HOLE && record->state < LB_STATE_DELIVERED)
            is_lost = is_refused(&walk, record);
        if (is_lost != was_lost) {
            release(shipper, begin, pos, was_lost);
            begin = pos;
            was_lost = is_lost;
        }
        pos += record->len;
    }
    release(shipper, begin, body->to, was_lost);
    if (partly.unknown > 0) /* whoever answers may say any number */
        tell_unknown(shipper, lb_earlier(partly.unknown, body->lines));
}

bool lb_answers_tell_partly(struct lb_shipper *shipper, const struct lb_body *body,
                            const struct lb_answer *answer)
{
    struct lb_partly partly = { 0 };

    shipper->sink->partly(answer, &partly);
    if (partly.count > 0 || partly.before_ns > 0 || partly.from_ns > 0)
        return false;
    if (partly.unknown > 0)
        tell_unknown(shipper, lb_earlier(partly.unknown, body->lines));
    return true;
}
