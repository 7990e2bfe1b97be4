/* SPDX-License-Identifier: MIT */
/*
 * What a log costs without a throttle. In: records. Out: bytes on the wire, and bodies. Always true: each
 * byte of text is in one cycle, and stands for what that cycle's window measured.
 */
#include "agent/offline/plan_twin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB           (1u << 20)
#define WHOLE_BODIES  256 /* measured whole: most logs that somebody tries out are no longer */
#define WINDOW_BODIES 8
#define FEWEST_BODIES 4 /* where they are large: of so many less than ... */
#define WHOLE_BYTES   (8 * MIB)
#define WINDOW_BYTES  MIB
#define SHORTEST_MS   1000 /* a window is taken to last: stamps are often of seconds */
#define SKIP_SPREAD   5    /* around LB_PLAN_ONE_IN - 1, for what happens at regular times */

/* ---- cycles ---- */

static void end_cycle(struct lb_plan_twin *twin)
{
    const struct lb_plan_sent *sent = &twin->engine->sent;
    bool is_scaled = twin->phase != LB_TWIN_WHOLE && sent->text_bytes > 0;
    double scale = is_scaled ? (double)twin->text_bytes / (double)sent->text_bytes : 1;

    twin->wire_bytes += (double)sent->wire_bytes * scale;
    twin->bodies += (double)sent->bodies * scale;
    twin->measured_text_bytes += sent->text_bytes;
}

static void begin_window(struct lb_plan_twin *twin, uint64_t wall_ms)
{
    uint64_t mixed = ++twin->cycles * 0x9e3779b97f4a7c15u;

    twin->phase = LB_TWIN_MEASURED;
    twin->begin_ms = wall_ms;
    twin->skip = LB_PLAN_ONE_IN - 1 - SKIP_SPREAD / 2 + (mixed >> 40) % SKIP_SPREAD;
}

/* What waits in the ring goes on into the first window: nothing was left out yet. */
static void end_whole(struct lb_plan_twin *twin, uint64_t wall_ms)
{
    end_cycle(twin);
    twin->text_bytes -= twin->engine->sent.text_bytes;
    twin->engine->sent = (struct lb_plan_sent) { 0 };
    begin_window(twin, wall_ms);
}

static bool has_measured(const struct lb_plan_twin *twin, uint64_t bodies, uint64_t bytes)
{
    const struct lb_plan_sent *sent = &twin->engine->sent;

    return sent->text_bytes > 0 && sent->bodies >= (sent->text_bytes < bytes ? bodies : FEWEST_BODIES);
}

static bool has_left_out(const struct lb_plan_twin *twin, uint64_t wall_ms)
{
    uint64_t took_ms = twin->took_ms > SHORTEST_MS ? twin->took_ms : SHORTEST_MS;

    return twin->text_bytes >= twin->engine->sent.text_bytes * (1 + twin->skip) ||
           wall_ms >= twin->begin_ms + took_ms * (1 + twin->skip);
}

static void move_on(struct lb_plan_twin *twin, uint64_t wall_ms)
{
    switch (twin->phase) {
    case LB_TWIN_WHOLE:
        lb_plan_engine_pass(twin->engine, wall_ms);
        if (!twin->is_all_measured && has_measured(twin, WHOLE_BODIES, WHOLE_BYTES))
            end_whole(twin, wall_ms);
        break;
    case LB_TWIN_MEASURED:
        lb_plan_engine_pass(twin->engine, wall_ms);
        if (!has_measured(twin, WINDOW_BODIES, WINDOW_BYTES))
            break;
        twin->phase = LB_TWIN_LEFT_OUT;
        twin->took_ms = wall_ms > twin->begin_ms ? wall_ms - twin->begin_ms : 0;
        break;
    case LB_TWIN_LEFT_OUT:
        if (!has_left_out(twin, wall_ms))
            break;
        end_cycle(twin);
        twin->text_bytes = 0;
        lb_plan_engine_begin_anew(twin->engine, wall_ms);
        begin_window(twin, wall_ms);
        break;
    }
}

/* ---- records ---- */

bool lb_plan_twin_put(struct lb_plan_twin *twin, const char *service, size_t service_len,
                      const struct lb_shape *shape, const char *text, size_t len, bool is_cut,
                      uint64_t wall_ms)
{
    struct lb_shape masked = *shape;

    move_on(twin, wall_ms);
    twin->text_bytes += len;
    twin->all_text_bytes += len;
    if (twin->phase == LB_TWIN_LEFT_OUT)
        return true;
    if (!twin->copy)
        twin->copy = malloc(twin->text_room);
    if (!twin->copy) {
        fprintf(stderr, "logboom plan: out of memory\n");
        return false;
    }
    len = len < twin->text_room ? len : twin->text_room;
    memcpy(twin->copy, text, len);
    masked.first.skip = 0; /* what is not of the text has left it */
    return lb_plan_engine_put(twin->engine, service, service_len, &masked, twin->copy, len, is_cut, wall_ms);
}

void lb_plan_twin_finish(struct lb_plan_twin *twin)
{
    if (twin->phase != LB_TWIN_LEFT_OUT)
        lb_plan_engine_finish(twin->engine);
    end_cycle(twin);
}

double lb_plan_twin_measured(const struct lb_plan_twin *twin)
{
    double share = twin->all_text_bytes > 0 && twin->cycles > 0
                       ? (double)twin->measured_text_bytes / (double)twin->all_text_bytes
                       : 1;

    return share < 1 ? share : 1;
}

void lb_plan_twin_free(struct lb_plan_twin *twin)
{
    free(twin->copy);
}
