/* SPDX-License-Identifier: MIT */
/*
 * Answers, and what they mean. In: an answer for a slot, the time. Out: records released, given back, or
 * rejected; the breaker, the learnt limits and the clock moved on. Always true: a record leaves the ring only
 * when the sink took it, or refused it alone while it took something else.
 */
#include "agent/ship/answers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/ship/answers_learn.h"
#include "agent/ship/answers_partly.h"
#include "agent/ship/meter.h"
#include "agent/ship/mover.h"
#include "agent/ship/pending.h"
#include "agent/ship/release.h"
#include "agent/ship/slots.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"

/* Rejected one after the other without proof that the sink takes anything: then it is not the records. */
#define REJECTED_IN_A_ROW_MAX 3

/* ---- failures ---- */

static void note(struct lb_shipper *shipper, const char *why, uint64_t now_ns)
{
    shipper->stats.failures++;
    shipper->stats.last_failure_ns = now_ns;
    snprintf(shipper->stats.last_error, sizeof shipper->stats.last_error, "%s", why);
    shipper->failed_since_delivery = true;
}

/* The breaker opens. Bodies that were on their way together and fail together are one failure of the sink. */
static void fail(struct lb_shipper *shipper, enum lb_failure kind, const char *why, uint64_t asked_ms,
                 uint64_t sent_ns, uint64_t now_ns)
{
    bool is_known = shipper->retry.is_open && now_ns < shipper->retry.until_ns &&
                    sent_ns <= shipper->stats.last_failure_ns;
    const char *name = shipper->sink_config->name;
    uint64_t wait_ms;

    note(shipper, why, now_ns);
    if (is_known) {
        lb_retry_put_off(&shipper->retry, asked_ms, now_ns);
        return;
    }
    wait_ms = lb_retry_failed(&shipper->retry, kind, asked_ms, now_ns);
    shipper->trouble = kind == LB_FAILURE_REFUSED ? LB_TROUBLE_PAUSED : LB_TROUBLE_AWAY;
    if (kind == LB_FAILURE_REFUSED)
        lb_log(LB_LEVEL_ERROR, "sink %s is paused: %s; the lines are kept, next try in %llu ms", name, why,
               (unsigned long long)wait_ms);
    else
        lb_log(LB_LEVEL_WARNING, "sink %s: %s; next try in %llu ms", name, why, (unsigned long long)wait_ms);
}

void lb_answers_note_failure(struct lb_shipper *shipper, const char *why, uint64_t now_ns)
{
    fail(shipper, LB_FAILURE_ANSWER, why, 0, LB_NEVER, now_ns);
}

void lb_answers_note_silence(struct lb_shipper *shipper, uint64_t sent_ns, uint64_t now_ns)
{
    fail(shipper, LB_FAILURE_NETWORK, "no answer, and no room to wait for it", 0, sent_ns, now_ns);
}

static const char *reason_of(const struct lb_answer *answer)
{
    return answer->text[0] ? answer->text : "refused without a reason";
}

static void try_again(struct lb_shipper *shipper, const struct lb_answer *answer, uint64_t sent_ns,
                      uint64_t now_ns)
{
    fail(shipper, answer->error ? LB_FAILURE_NETWORK : LB_FAILURE_ANSWER, reason_of(answer),
         answer->retry_after_ms, sent_ns, now_ns);
}

static void pause(struct lb_shipper *shipper, const struct lb_answer *answer, uint64_t sent_ns,
                  uint64_t now_ns)
{
    fail(shipper, LB_FAILURE_REFUSED, reason_of(answer), answer->retry_after_ms, sent_ns, now_ns);
}

/* ---- the clock ---- */

static void let_go_of_clock(struct lb_shipper *shipper)
{
    if (shipper->trouble != LB_TROUBLE_CLOCK)
        return;
    shipper->trouble = LB_TROUBLE_AWAY;
    shipper->clock_hold_ns = 0;
}

void lb_answers_look_at_clock(struct lb_shipper *shipper, uint64_t now_ns)
{
    struct lb_wall_reading reading = shipper->read_clocks(shipper->clocks_ctx);

    if (lb_wall_look(&shipper->wall, &reading)) {
        let_go_of_clock(shipper);
        lb_log(LB_LEVEL_INFO, "the clock is %s now",
               lb_clock_trust_name(lb_wall_trust(&shipper->wall, now_ns)));
    }
    if (shipper->clock_hold_ns <= now_ns)
        let_go_of_clock(shipper);
}

/*
 * The certificate is not yet, or no more, valid at our time. While nobody vouches for our clock that says
 * more about the clock than about the sink: wait for it, at no cost to the backoff, and look again at the
 * latest after the longest pause.
 */
static void wait_for_clock(struct lb_shipper *shipper, const struct lb_answer *answer, uint64_t sent_ns,
                           uint64_t now_ns)
{
    if (lb_wall_trust(&shipper->wall, now_ns) == LB_CLOCK_EXACT) {
        pause(shipper, answer, sent_ns, now_ns);
        return;
    }
    note(shipper, reason_of(answer), now_ns);
    if (!shipper->has_told_clock)
        lb_log(LB_LEVEL_WARNING, "sink %s: %s; the clock is not synchronised, waiting for it",
               shipper->sink_config->name, reason_of(answer));
    shipper->has_told_clock = true;
    shipper->trouble = LB_TROUBLE_CLOCK;
    shipper->clock_hold_ns = now_ns + shipper->retry.max_ms * LB_NS_PER_MS +
                             lb_retry_random(&shipper->retry, shipper->retry.max_ms / 10 + 1) * LB_NS_PER_MS;
}

/* ---- delivered ---- */

/* A part of what was refused together went through: the rest holds what is refused. */
static void narrow_suspect(struct lb_shipper *shipper, const struct lb_body *body)
{
    struct lb_suspect *suspect = &shipper->suspect;

    if (!lb_answers_suspect(shipper) || body->to <= suspect->from || body->from >= suspect->to)
        return;
    suspect->from = body->to < suspect->to ? body->to : suspect->to;
    suspect->lines = suspect->lines > body->lines ? suspect->lines - body->lines : 1;
    suspect->is_alone = false;
}

void lb_answers_note_well(struct lb_shipper *shipper, uint64_t at_ns)
{
    bool was_away = shipper->failed_since_delivery;

    shipper->stats.last_delivery_ns = lb_later(shipper->stats.last_delivery_ns, at_ns);
    shipper->failed_since_delivery = false;
    lb_retry_succeeded(&shipper->retry);
    shipper->trouble = LB_TROUBLE_NONE;
    shipper->has_told_clock = false;
    lb_link_put(&shipper->link->sink_away, 0);
    if (was_away)
        lb_log(LB_LEVEL_NOTICE, "sink %s: delivering again", shipper->sink_config->name);
}

/* verdict  LB_VERDICT_DELIVERED, or _PARTLY: then the answer tells what it refused for good. */
static void delivered(struct lb_shipper *shipper, struct lb_slot *slot, enum lb_verdict verdict,
                      const struct lb_answer *answer, uint64_t now_ns)
{
    bool was_away = shipper->failed_since_delivery;

    shipper->stats.delivered_bodies++;
    shipper->stats.lines += slot->body.lines;
    shipper->stats.raw_bytes += slot->body.raw_bytes;
    shipper->stats.last_delivery_ns = now_ns;
    shipper->failed_since_delivery = false;
    /* One that was sent before the failure says nothing of the sink after it: the pause stays. */
    if (!shipper->retry.is_open || slot->sent_ns > shipper->stats.last_failure_ns) {
        lb_retry_succeeded(&shipper->retry);
        shipper->trouble = LB_TROUBLE_NONE;
        shipper->has_told_clock = false;
    }
    lb_answers_learn_from(shipper, &slot->body);
    narrow_suspect(shipper, &slot->body);
    lb_link_put(&shipper->link->last_answer_ns, now_ns);
    lb_link_put(&shipper->link->last_delivery_ns, now_ns);
    lb_link_put(&shipper->link->sink_away, 0);
    if (verdict == LB_VERDICT_PARTLY)
        lb_answers_release_partly(shipper, &slot->body, answer);
    else
        lb_release_delivered(shipper, &slot->body);
    lb_slots_move(slot, LB_SLOT_FREE);
    if (was_away) {
        shipper->catch_up_pos = lb_ring_head(shipper->ring);
        lb_log(LB_LEVEL_NOTICE, "sink %s: delivering again", shipper->sink_config->name);
    }
}

/* ---- refused ---- */

/* The sink is alive, and there is something to do at once. */
static void note_alive(struct lb_shipper *shipper, const struct lb_answer *answer, uint64_t now_ns)
{
    shipper->stats.failures++;
    snprintf(shipper->stats.last_error, sizeof shipper->stats.last_error, "%s", reason_of(answer));
    lb_link_put(&shipper->link->last_answer_ns, now_ns);
}

static void suspect(struct lb_shipper *shipper, const struct lb_body *body, const struct lb_answer *answer,
                    uint64_t now_ns)
{
    struct lb_suspect *suspect = &shipper->suspect;
    bool is_part = lb_answers_suspect(shipper) && body->from >= suspect->from && body->to <= suspect->to;

    *suspect = (struct lb_suspect) { .from = body->from,
                                     .to = body->to,
                                     .lines = body->lines,
                                     .since_ns = is_part ? suspect->since_ns : now_ns,
                                     .is_alone = body->lines == 1 };
    snprintf(suspect->text, sizeof suspect->text, "%s", reason_of(answer));
    if (!is_part)
        lb_log(LB_LEVEL_WARNING, "sink %s: %s; looking for what it refuses among %llu records",
               shipper->sink_config->name, reason_of(answer), (unsigned long long)body->lines);
}

static void reject(struct lb_shipper *shipper)
{
    struct lb_suspect *suspect = &shipper->suspect;

    lb_log(LB_LEVEL_WARNING, "sink %s refuses one record for good: %s; it is rejected, and told in a receipt",
           shipper->sink_config->name, suspect->text);
    shipper->learnt.rejected_in_a_row++;
    lb_release_lost(shipper, suspect->from, suspect->to, LB_REASON_REJECTED);
    suspect->to = suspect->from;
    lb_pending_forget(shipper);
}

static void split(struct lb_shipper *shipper, const struct lb_body *body, const struct lb_answer *answer,
                  uint64_t now_ns)
{
    note_alive(shipper, answer, now_ns);
    if (body->lines > 1)
        lb_answers_learn_limits(shipper, body);
    else
        suspect(shipper, body, answer, now_ns);
}

/* At its first use zstd may be what is refused: the same once more in gzip tells. */
static bool try_gzip(struct lb_shipper *shipper, const struct lb_body *body)
{
    struct lb_learnt *learnt = &shipper->learnt;

    if (body->compression != LB_COMPRESSION_ZSTD || learnt->zstd_works || lb_answers_suspect(shipper))
        return false;
    learnt->is_gzip_on_trial = true;
    return true;
}

static void bisect(struct lb_shipper *shipper, const struct lb_body *body, const struct lb_answer *answer,
                   uint64_t now_ns)
{
    note_alive(shipper, answer, now_ns);
    if (try_gzip(shipper, body))
        return;
    shipper->learnt.is_gzip_on_trial = false;
    suspect(shipper, body, answer, now_ns);
}

static void recode(struct lb_shipper *shipper, const struct lb_slot *slot, const struct lb_answer *answer,
                   uint64_t now_ns)
{
    if (slot->body.compression != LB_COMPRESSION_ZSTD) {
        pause(shipper, answer, slot->sent_ns, now_ns);
        return;
    }
    note_alive(shipper, answer, now_ns);
    shipper->learnt.is_gzip_on_trial = true;
}

int lb_answers_recode(struct lb_shipper *shipper)
{
    const struct lb_learnt *learnt = &shipper->learnt;
    enum lb_compression want = shipper->sink_config->compression;

    /* While something is refused and zstd has not been taken yet: as plain as possible. */
    if (want == LB_COMPRESSION_ZSTD && (learnt->zstd_refused || learnt->is_gzip_on_trial ||
                                        (lb_answers_suspect(shipper) && !learnt->zstd_works)))
        want = LB_COMPRESSION_GZIP;
    return want == shipper->builder.compression ? 0 : lb_builder_recode(&shipper->builder, want);
}

/* ---- questions ---- */

/* An empty body, packed as the others are: one that the sink takes unpacked says nothing of an encoding. */
static long pack_question(struct lb_shipper *shipper, enum lb_question question)
{
    const char *empty = shipper->sink->probe;
    size_t len = lb_sink_probe_len(shipper->sink);

    shipper->question_compression =
        question == LB_ASK_TAKES ? shipper->builder.compression : LB_COMPRESSION_NONE;
    if (shipper->question_compression != LB_COMPRESSION_NONE)
        return lb_compress(shipper->builder.compressor, empty, len, shipper->question_body,
                           sizeof shipper->question_body);
    memcpy(shipper->question_body, empty, len);
    return (long)len;
}

static bool ask(struct lb_shipper *shipper, enum lb_question question, uint64_t now_ns)
{
    long len = pack_question(shipper, question);
    int rc = len < 0
                 ? (int)len
                 : shipper->transport.send(shipper->transport.self, LB_ASK_SLOT, shipper->question_body,
                                           (size_t)len, lb_compression_token(shipper->question_compression));

    if (rc < 0) {
        lb_answers_note_failure(shipper, strerror(-rc), now_ns);
        return true;
    }
    shipper->stats.requests++;
    shipper->question = question;
    shipper->asked_ns = now_ns;
    return true;
}

/* The record that was refused alone: is there proof that the sink takes something else? */
static bool settle_suspect(struct lb_shipper *shipper, uint64_t now_ns)
{
    if (shipper->stats.last_delivery_ns <= shipper->suspect.since_ns)
        return ask(shipper, LB_ASK_TAKES, now_ns);
    reject(shipper);
    return false;
}

bool lb_answers_ask_first(struct lb_shipper *shipper, uint64_t now_ns)
{
    if (shipper->question != LB_ASK_NOTHING)
        return true;
    if (lb_answers_suspect(shipper) && shipper->suspect.is_alone)
        return settle_suspect(shipper, now_ns);
    if (shipper->transport.tells_time && !shipper->has_asked_time &&
        lb_wall_trust(&shipper->wall, now_ns) == LB_CLOCK_UNKNOWN)
        return ask(shipper, LB_ASK_TIME, now_ns);
    return false;
}

/* Whether it takes anything. One that refuses even an empty body may refuse all, or just that. */
static void answer_takes(struct lb_shipper *shipper, enum lb_verdict verdict, const struct lb_answer *answer,
                         uint64_t now_ns)
{
    struct lb_answer refusal = { 0 };

    if (!lb_answers_suspect(shipper) || !shipper->suspect.is_alone)
        return;
    if (verdict != LB_VERDICT_DELIVERED && shipper->question_compression == LB_COMPRESSION_ZSTD) {
        shipper->learnt.zstd_works = false; /* it did, or was never taken: is it zstd? Gzip will tell */
        shipper->learnt.is_gzip_on_trial = true;
        shipper->suspect.to = shipper->suspect.from;
        return;
    }
    if (verdict == LB_VERDICT_DELIVERED ||
        (shipper->learnt.has_delivered && shipper->learnt.rejected_in_a_row < REJECTED_IN_A_ROW_MAX)) {
        reject(shipper);
        return;
    }
    snprintf(refusal.text, sizeof refusal.text, "it refuses everything: %.200s", reason_of(answer));
    pause(shipper, &refusal, shipper->asked_ns, now_ns);
    shipper->suspect.to = shipper->suspect.from;
}

static void answer_question(struct lb_shipper *shipper, const struct lb_answer *answer, uint64_t now_ns)
{
    enum lb_verdict verdict = lb_sink_judge_probe(shipper->sink, shipper->sink_config, answer);
    enum lb_question question = shipper->question;

    shipper->question = LB_ASK_NOTHING;
    shipper->stats.wire_bytes += answer->wire_bytes;
    lb_meter_charge(shipper, NULL, false, answer->link_bytes, now_ns);
    if (verdict == LB_VERDICT_RETRY) {
        try_again(shipper, answer, shipper->asked_ns, now_ns);
    } else if (verdict == LB_VERDICT_CLOCK) {
        wait_for_clock(shipper, answer, shipper->asked_ns, now_ns);
    } else {
        shipper->has_asked_time = shipper->has_asked_time || question == LB_ASK_TIME;
        if (verdict == LB_VERDICT_PAUSE) /* a key, an address: it says nothing of any record */
            pause(shipper, answer, shipper->asked_ns, now_ns);
        else if (question == LB_ASK_TAKES)
            answer_takes(shipper, verdict, answer, now_ns);
    }
}

static void answer_probe(struct lb_shipper *shipper, const struct lb_answer *answer)
{
    lb_probe_done done = shipper->probe_done;

    shipper->probe_done = NULL;
    if (done)
        done(shipper->probe_ctx, answer, lb_clock_boot_ns() - shipper->probe_sent_ns);
}

/* ---- the answer ---- */

/* It was not taken. The slot is free already, its body is read still. */
static void refused(struct lb_shipper *shipper, enum lb_verdict verdict, const struct lb_slot *slot,
                    const struct lb_answer *answer, uint64_t now_ns)
{
    switch (verdict) {
    case LB_VERDICT_CLOCK:
        wait_for_clock(shipper, answer, slot->sent_ns, now_ns);
        return;
    case LB_VERDICT_SPLIT:
        split(shipper, &slot->body, answer, now_ns);
        return;
    case LB_VERDICT_BISECT:
        bisect(shipper, &slot->body, answer, now_ns);
        return;
    case LB_VERDICT_RECODE:
        recode(shipper, slot, answer, now_ns);
        return;
    case LB_VERDICT_PAUSE:
        pause(shipper, answer, slot->sent_ns, now_ns);
        return;
    case LB_VERDICT_DELIVERED:
    case LB_VERDICT_PARTLY:
    case LB_VERDICT_RETRY:
    case LB_VERDICT_COUNT:
        break;
    }
    try_again(shipper, answer, slot->sent_ns, now_ns);
}

static void learn_date(struct lb_shipper *shipper, unsigned index, const struct lb_answer *answer,
                       uint64_t now_ns)
{
    uint64_t sent_ns = index == LB_ASK_SLOT     ? shipper->asked_ns
                       : index == LB_PROBE_SLOT ? shipper->probe_sent_ns
                                                : shipper->slot[index].sent_ns;

    if (answer->date_s && lb_wall_date(&shipper->wall, answer->date_s, sent_ns, now_ns))
        let_go_of_clock(shipper);
}

/* The answer, and in its text also what the sink's own words come to. */
static struct lb_answer explained(const struct lb_sink *sink, const struct lb_answer *answer)
{
    struct lb_answer told = *answer;
    char why[128] = "";

    if (sink->explain && answer->error == 0)
        sink->explain(answer, why, sizeof why);
    if (why[0])
        snprintf(told.text, sizeof told.text, "%.120s: %s", answer->text, why);
    return told;
}

void lb_shipper_answer_at(struct lb_shipper *shipper, unsigned index, const struct lb_answer *bare_answer,
                          uint64_t now_ns)
{
    const struct lb_answer told = explained(shipper->sink, bare_answer), *answer = &told;
    struct lb_slot *slot;
    enum lb_verdict verdict;
    bool is_taken;

    learn_date(shipper, index, answer, now_ns);
    if (index == LB_PROBE_SLOT) {
        answer_probe(shipper, answer);
        return;
    }
    if (index == LB_ASK_SLOT) {
        answer_question(shipper, answer, now_ns);
        return;
    }
    slot = &shipper->slot[index];
    shipper->stats.wire_bytes += answer->wire_bytes;
    verdict = lb_sink_judge(shipper->sink, shipper->sink_config, answer);
    is_taken = verdict == LB_VERDICT_DELIVERED || verdict == LB_VERDICT_PARTLY;
    lb_meter_charge(shipper, &slot->body, is_taken && slot->state == LB_SLOT_SENDING, answer->link_bytes,
                    now_ns);
    if (slot->state == LB_SLOT_LINGERING) { /* given up: its records were moved, or told as shed */
        lb_slots_move(slot, LB_SLOT_FREE);
        if (slot->is_moved && is_taken &&
            (verdict == LB_VERDICT_DELIVERED || lb_answers_tell_partly(shipper, &slot->body, answer)))
            lb_mover_taken(shipper->mover, slot);
        slot->is_moved = false;
        return;
    }
    if (is_taken) {
        delivered(shipper, slot, verdict, answer, now_ns);
        return;
    }
    lb_slots_give_back(shipper, slot);
    refused(shipper, verdict, slot, answer, now_ns);
}

void lb_shipper_answer(void *ctx, unsigned slot, const struct lb_answer *answer)
{
    lb_shipper_answer_at(ctx, slot, answer, lb_clock_boot_ns());
}
