/* SPDX-License-Identifier: MIT */
/*
 * A sink that takes everything at once. In: bodies of a plan's shipper. Out: what they came to. Always true:
 * a body is answered in the step that sent it.
 */
#include "agent/offline/plan_sink.h"

#define ACCEPTED   202
#define TLS_RECORD 16384u

static int take(void *self, unsigned slot, const void *body, size_t len, const char *encoding)
{
    struct lb_plan_engine *engine = self;

    (void)body;
    (void)encoding;
    engine->out[slot].is_out = true;
    engine->out[slot].len = len;
    return 0;
}

static bool cancel(void *self, unsigned slot)
{
    struct lb_plan_engine *engine = self;

    engine->out[slot].is_out = false;
    return true;
}

static void hang_up(void *self)
{
    (void)self;
}

static void count_wire(struct lb_plan_engine *engine, const struct lb_body *body, uint64_t wire_bytes)
{
    struct lb_plan_sent *sent = &engine->sent;
    double all = 0;

    sent->wire_bytes += wire_bytes;
    sent->bodies++;
    if (body->sums > LB_BODY_SUMS)
        return; /* of more services than are told apart: in all only */
    for (unsigned i = 0; i < body->sums; i++)
        all += (double)(body->sum[i].bytes + body->sum[i].own_bytes);
    for (unsigned i = 0; all > 0 && i < body->sums; i++)
        sent->wire_by_row[body->sum[i].row % LB_SERVICES_BOOKS] +=
            (double)wire_bytes * (double)(body->sum[i].bytes + body->sum[i].own_bytes) / all;
}

static void answer(struct lb_plan_engine *engine, unsigned slot)
{
    size_t len = engine->out[slot].len;
    bool is_file = engine->shipper.sink->transport == LB_TRANSPORT_FILE;
    struct lb_answer taken = { .status = is_file ? 0 : ACCEPTED, .wire_bytes = len };

    if (!is_file) {
        taken.wire_bytes += LB_PLAN_HEAD_BYTES;
        taken.link_bytes = taken.wire_bytes + (taken.wire_bytes / TLS_RECORD + 1) * LB_PLAN_TLS_BYTES;
    }
    engine->out[slot].is_out = false;
    if (slot < LB_SHIPPER_SLOTS)
        count_wire(engine, &engine->shipper.slot[slot].body, is_file ? len : taken.link_bytes);
    lb_shipper_answer_at(&engine->shipper, slot, &taken, engine->loop.now_ns);
}

struct lb_transport lb_plan_sink(struct lb_plan_engine *engine)
{
    return (struct lb_transport) { engine, take, cancel, hang_up, NULL, false };
}

void lb_plan_sink_step(struct lb_plan_engine *engine)
{
    bool has_answered;

    do {
        engine->due_ns = lb_shipper_step(&engine->shipper, engine->loop.now_ns);
        has_answered = false;
        for (unsigned slot = 0; slot < LB_TRANSPORT_SLOTS; slot++)
            if (engine->out[slot].is_out) {
                answer(engine, slot);
                has_answered = true;
            }
    } while (has_answered);
}
