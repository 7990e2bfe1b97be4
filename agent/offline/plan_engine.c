/* SPDX-License-Identifier: MIT */
/*
 * An agent on a virtual clock. In: records and their times. Out: what was sent, in the engine's counts and
 * books. Always true: whatever is due before a record happens before it, at its own time; what decides is the
 * agent's own code.
 */
#include "agent/offline/plan_engine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/capture/parts.h"
#include "agent/offline/plan_sink.h"
#include "agent/shape/repeat.h"
#include "common/clock.h"

#define START_NS     (1000 * LB_NS_PER_S)
#define TURN_RECORDS 64
#define TRIES        16 /* to find room in the ring, by shipping what is there */
#define SEED         1
#define DAY_NS       (86400 * LB_NS_PER_S)
#define PAUSE_DAYS   3 /* of a long pause that are passed in earnest */

/* ---- time ---- */

static struct lb_wall_reading read_clocks(void *ctx)
{
    const struct lb_plan_engine *engine = ctx;

    return (struct lb_wall_reading) { engine->loop.now_ns, engine->loop.now_ns + engine->offset_ns, true };
}

/* Was the slow side knocked for? */
static void hear_knock(struct lb_plan_engine *engine)
{
    uint64_t knocks;

    if (lb_link_get(&engine->doors.slow_wake_pos) == UINT64_MAX &&
        read(engine->doors.to_slow_fd, &knocks, sizeof knocks) > 0)
        lb_plan_sink_step(engine);
}

/* What the turn has done is there to be sent. Where the slow side was asleep it may begin now. */
static void end_turn(struct lb_plan_engine *engine)
{
    if (engine->turn_records == 0)
        return;
    engine->turn_records = 0;
    lb_records_publish(&engine->turn);
    hear_knock(engine);
}

static void pass_until(struct lb_plan_engine *engine, uint64_t until_ns)
{
    struct lb_capture *capture = &engine->capture;
    struct lb_timer *timers[] = { &capture->collapse_timer, &capture->summary_timer,  &capture->repeat_timer,
                                  &capture->tell_timer,     &capture->shortage.timer, &capture->heart.timer };

    for (;;) {
        struct lb_timer *first = timers[0];
        uint64_t due_ns;

        for (size_t i = 1; i < sizeof timers / sizeof timers[0]; i++)
            if (timers[i]->due_ns < first->due_ns)
                first = timers[i];
        due_ns = first->due_ns < engine->due_ns ? first->due_ns : engine->due_ns;
        if (due_ns > until_ns)
            break;
        if (engine->turn_records > 0) { /* it may make something due */
            end_turn(engine);
            continue;
        }
        if (due_ns > engine->loop.now_ns)
            engine->loop.now_ns = due_ns;
        if (due_ns == first->due_ns) {
            first->due_ns = LB_NEVER;
            first->fire(first->arg, engine->loop.now_ns);
            hear_knock(engine);
        } else {
            lb_plan_sink_step(engine);
        }
    }
    if (until_ns > engine->loop.now_ns)
        engine->loop.now_ns = until_ns;
}

/* ---- records ---- */

static struct lb_stream *stream_of(struct lb_plan_engine *engine, const char *service, size_t len)
{
    uint32_t row = lb_state_service(&engine->files.state, service, len);
    struct lb_stream *stream = &engine->stream[row];
    struct lb_stream_name *name = &engine->name[row];

    if (stream->name)
        return stream;
    name->service_len = (uint16_t)(len < sizeof name->service ? len : sizeof name->service);
    memcpy(name->service, service, name->service_len);
    *stream = (struct lb_stream) { .capture = &engine->capture, .name = name, .service_ix = row };
    lb_streams_settle(&engine->capture, stream);
    if (engine->is_unthrottled) {
        stream->shape_settings.rules = NULL;
        stream->shape_settings.throttle = NULL;
    }
    return stream;
}

/*
 * The turn that a record is part of: as in the agent, one of many records where the slow side need not know
 * of them before it ends.
 */
static struct lb_turn *turn_of(struct lb_plan_engine *engine, struct lb_stream *stream, bool is_cut)
{
    struct lb_turn *turn = &engine->turn;

    if (engine->turn_records > 0 && turn->stream != stream)
        end_turn(engine);
    if (engine->turn_records == 0)
        *turn = (struct lb_turn) { .capture = &engine->capture, .stream = stream };
    turn->now_ns = engine->loop.now_ns;
    turn->head = (struct lb_record) { .kind = LB_KIND_LINE,
                                      .flags = is_cut ? LB_RECORD_CUT : 0,
                                      .stream_id = 1 + stream->service_ix,
                                      .service_ix = stream->service_ix };
    return turn;
}

/* A record was dealt with: does the turn end with it? Where something runs short each is looked at anew. */
static void note_record(struct lb_plan_engine *engine)
{
    const struct lb_turn *turn = &engine->turn;
    const struct lb_ring *ring = &engine->files.ring;

    engine->turn_records++;
    if (lb_commit_get(ring->fast, ring->fast_region, LB_RING_HEAD) >=
            lb_link_get(&engine->doors.slow_wake_pos) ||
        (turn->has_urgent && lb_link_get(&engine->doors.slow_wants_urgent)) ||
        engine->turn_records == TURN_RECORDS || turn->squeeze.quota + turn->squeeze.pressure > 0 ||
        !lb_commit_has_room(&engine->files.state.fast, LB_TURN_COMMIT_WORDS))
        end_turn(engine);
}

/* A ring that is full is shipped: no sink of the plan is slow. */
static bool make_room(struct lb_plan_engine *engine)
{
    uint64_t tail = lb_ring_tail(&engine->files.ring);

    end_turn(engine);
    lb_shipper_flush(&engine->shipper);
    lb_plan_sink_step(engine);
    if (lb_ring_tail(&engine->files.ring) != tail)
        return true;
    pass_until(engine, engine->loop.now_ns + LB_NS_PER_S); /* a rate, or a quota, holds it up */
    return lb_ring_tail(&engine->files.ring) != tail;
}

/*
 * A long pause is days that are all alike: heartbeats, and what they cost. The first ones are passed, with
 * what was pending, and the last of these counts for those that are left out. The wall clock alone passes
 * them, by whole days, so that the time of day, and with it what a quota's day has left, stays what it is.
 */
static void skip_days(struct lb_plan_engine *engine, uint64_t until_ns)
{
    uint64_t days = (until_ns - engine->loop.now_ns) / DAY_NS - PAUSE_DAYS;
    struct lb_plan_sent before, *sent = &engine->sent;

    end_turn(engine);
    pass_until(engine, engine->loop.now_ns + (PAUSE_DAYS - 1) * DAY_NS);
    before = *sent;
    pass_until(engine, engine->loop.now_ns + DAY_NS);
    sent->wire_bytes += days * (sent->wire_bytes - before.wire_bytes);
    sent->bodies += days * (sent->bodies - before.bodies);
    for (unsigned i = 0; i < LB_SERVICES_BOOKS; i++)
        sent->wire_by_row[i] += (double)days * (sent->wire_by_row[i] - before.wire_by_row[i]);
    engine->offset_ns += days * DAY_NS;
}

static void pass_to(struct lb_plan_engine *engine, uint64_t wall_ms)
{
    uint64_t wall_ns = wall_ms * LB_NS_PER_MS;
    uint64_t until_ns = wall_ns > engine->offset_ns ? wall_ns - engine->offset_ns : 0;

    if (until_ns > engine->loop.now_ns + (PAUSE_DAYS + 1) * DAY_NS) {
        skip_days(engine, until_ns);
        until_ns = wall_ns - engine->offset_ns;
    }
    pass_until(engine, until_ns);
}

void lb_plan_engine_begin_anew(struct lb_plan_engine *engine, uint64_t wall_ms)
{
    pass_to(engine, wall_ms);
    end_turn(engine);
    lb_shipper_flush(&engine->shipper);
    lb_plan_sink_step(engine);
    engine->sent = (struct lb_plan_sent) { 0 };
}

/* As an app would that finds no room for long: it is dropped, and told. */
static void give_up(struct lb_turn *turn, size_t len, int severity)
{
    lb_records_drop(turn, LB_DROP_OVERLOAD, turn->head.lines, len);
    lb_records_untold(turn, LB_UNTOLD_OVERLOAD, turn->head.lines, len, severity);
}

bool lb_plan_engine_put(struct lb_plan_engine *engine, const char *service, size_t service_len,
                        const struct lb_shape *shape, char *text, size_t len, bool is_cut, uint64_t wall_ms)
{
    struct lb_stream *stream = stream_of(engine, service, service_len);
    struct lb_shape_output *out = &engine->shaped;
    struct lb_turn *turn;
    bool is_done = false;

    pass_to(engine, wall_ms);
    turn = turn_of(engine, stream, is_cut);
    for (unsigned i = 0; i < TRIES && !is_done; i++) {
        is_done = lb_records_shaped(turn, shape, text, len, NULL, out);
        if (!is_done && !make_room(engine))
            break;
    }
    engine->has_given_way |= !is_done || (out->verdict != LB_SHAPE_QUEUE && out->verdict != LB_SHAPE_REPEAT);
    if (!is_done) {
        give_up(turn, len, (int)out->severity);
    } else if (!lb_plan_tally_count(&engine->tally, stream->service_ix, out, shape->lines)) {
        fprintf(stderr, "logboom plan: out of memory\n");
        return false;
    }
    note_record(engine);
    return true;
}

/* What becomes of it where nothing throttles: an error that was sent of late is counted, as capture does. */
static void decide_again(const struct lb_turn *turn, struct lb_shape_output *out)
{
    uint64_t window_ns = turn->stream->settings->capture.repeat_window_ms * LB_NS_PER_MS;
    enum lb_repeat_verdict verdict = LB_REPEAT_AGAIN;

    if (out->extra.has_error && window_ns > 0)
        verdict = lb_repeat_look(&turn->capture->state->fast, turn->stream->service_ix,
                                 out->extra.error.fingerprint, window_ns, turn->now_ns);
    out->verdict = verdict == LB_REPEAT_FOLD ? LB_SHAPE_REPEAT : LB_SHAPE_QUEUE;
    out->is_new = out->extra.has_error && verdict == LB_REPEAT_NEW;
    out->is_trigger = false;
}

bool lb_plan_engine_put_again(struct lb_plan_engine *engine, const char *service, size_t service_len,
                              const struct lb_shape_output *shaped, uint32_t lines, bool is_cut,
                              uint64_t wall_ms)
{
    struct lb_stream *stream = stream_of(engine, service, service_len);
    struct lb_shape_input in = { .last = &stream->last, .service_ix = stream->service_ix, .key = 1 };
    struct lb_shape_output out = *shaped;
    struct lb_turn *turn;
    bool is_done = false;

    pass_to(engine, wall_ms);
    turn = turn_of(engine, stream, is_cut);
    turn->head.lines = lines;
    turn->head.raw_len = (uint32_t)out.len;
    turn->head.boot_ns = turn->now_ns;
    decide_again(turn, &out);
    for (unsigned i = 0; i < TRIES && !is_done; i++) {
        is_done = lb_verdict_carry_out(turn, &in, &out);
        if (!is_done && !make_room(engine))
            break;
    }
    if (!is_done)
        give_up(turn, out.len, (int)out.severity);
    note_record(engine);
    return true;
}

void lb_plan_engine_blank(struct lb_plan_engine *engine, const char *service, size_t service_len)
{
    struct lb_turn *turn = turn_of(engine, stream_of(engine, service, service_len), false);

    lb_records_drop(turn, LB_DROP_BLANK, 1, 0);
    note_record(engine);
}

/* ---- begin and end ---- */

/* Their names are needed no more once they are mapped: gone now, they are gone however the process ends. */
static void unlink_files(struct lb_plan_engine *engine)
{
    static const char *const names[] = { "lock", "state", "ring", "held" };

    for (size_t i = 0; engine->files.dir_fd >= 0 && i < sizeof names / sizeof names[0]; i++)
        unlinkat(engine->files.dir_fd, names[i], 0);
    rmdir(engine->dir_path);
}

static int make_files(struct lb_plan_engine *engine)
{
    int other, rc;

    snprintf(engine->dir_path, sizeof engine->dir_path, "/dev/shm/logboom-plan.XXXXXX");
    if (!mkdtemp(engine->dir_path))
        return -errno;
    engine->files.held_bytes = engine->config->held_bytes;
    rc = lb_files_lock(&engine->files, engine->dir_path, &other);
    if (rc == 0)
        rc = lb_files_open(&engine->files, engine->config->ring_bytes, false);
    engine->has_files = rc == 0;
    unlink_files(engine);
    return rc;
}

/* No signal ends it between making them and taking their names away. */
static int open_files(struct lb_plan_engine *engine)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = make_files(engine);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        lb_files_recover(&engine->files);
    return rc;
}

static int start_fast_side(struct lb_plan_engine *engine)
{
    int rc = lb_loop_init(&engine->loop);

    if (rc == 0)
        rc = lb_link_init(&engine->doors);
    if (rc < 0)
        return rc;
    engine->has_doors = true;
    lb_limit_open(&engine->limit, &engine->files.state.fast);
    engine->loop.now_ns = START_NS;
    engine->capture = (struct lb_capture) { .loop = &engine->loop,
                                            .staging = &engine->staging,
                                            .ring = &engine->files.ring,
                                            .state = &engine->files.state,
                                            .link = &engine->doors,
                                            .config = engine->config,
                                            .rules = engine->rules,
                                            .held = &engine->files.held,
                                            .limit = &engine->limit,
                                            .memo = &engine->memo,
                                            .room = malloc(LB_CAPTURE_ROOM),
                                            .mask_room = malloc(LB_CAPTURE_ROOM) };
    if (!engine->capture.room || !engine->capture.mask_room)
        return -ENOMEM;
    return lb_turns_start(&engine->capture);
}

/* Does what is decided hang on how many bytes went over the link? */
static bool is_on_a_budget(const struct lb_config *config)
{
    bool has = config->quota.bytes != LB_OFF || config->link_bytes_per_day != LB_OFF ||
               config->default_service.throttle.quota.bytes != LB_OFF;

    for (size_t i = 0; i < config->service_count; i++)
        has |= config->services[i].throttle.quota.bytes != LB_OFF;
    return has;
}

double lb_plan_engine_measured(const struct lb_plan_engine *engine)
{
    return lb_compressor_measured(engine->shipper.builder.compressor);
}

static int start_slow_side(struct lb_plan_engine *engine)
{
    int rc;

    engine->shipper = (struct lb_shipper) {
        .ring = &engine->files.ring,
        .state = &engine->files.state,
        .link = &engine->doors,
        .config = engine->config,
        .transport = lb_plan_sink(engine),
        .read_clocks = read_clocks,
        .clocks_ctx = engine,
        .phase = SEED,
    };
    lb_wall_init(&engine->shipper.wall, 0);
    rc = lb_shipper_start(&engine->shipper, SEED, engine->loop.now_ns);
    engine->has_budget = is_on_a_budget(engine->config);
    if (rc == 0 && !engine->has_budget)
        rc = lb_compressor_guess(engine->shipper.builder.compressor, LB_PLAN_ONE_IN);
    if (rc == 0)
        lb_plan_sink_step(engine);
    return rc;
}

struct lb_plan_engine *lb_plan_engine_new(struct lb_config *config, struct lb_rules *rules,
                                          bool is_unthrottled, uint64_t wall_ms)
{
    struct lb_plan_engine *engine = calloc(1, sizeof *engine);
    int rc = engine ? 0 : -ENOMEM;

    if (rc == 0) {
        engine->config = config;
        engine->rules = rules;
        engine->is_unthrottled = is_unthrottled;
        engine->offset_ns = wall_ms * LB_NS_PER_MS - START_NS;
        engine->files.dir_fd = -1;
        if (is_unthrottled)
            config->quota.bytes = config->link_bytes_per_day = LB_OFF;
        rc = open_files(engine);
    }
    if (rc == 0)
        rc = start_fast_side(engine);
    if (rc == 0)
        rc = start_slow_side(engine);
    if (rc == 0)
        return engine;
    fprintf(stderr, "logboom plan: cannot work in /dev/shm: %s\n", strerror(-rc));
    lb_plan_engine_free(engine);
    return NULL;
}

void lb_plan_engine_finish(struct lb_plan_engine *engine)
{
    end_turn(engine);
    engine->capture.is_stopping = true;
    lb_own_stop(&engine->capture);
    lb_own_tell(&engine->capture, engine->loop.now_ns);
    lb_shipper_flush(&engine->shipper);
    lb_plan_sink_step(engine);
}

void lb_plan_engine_free(struct lb_plan_engine *engine)
{
    if (!engine)
        return;
    if (engine->shipper.sink)
        lb_shipper_stop(&engine->shipper);
    if (engine->has_files)
        lb_files_close(&engine->files);
    if (engine->has_doors) {
        lb_link_close(&engine->doors);
        lb_loop_close(&engine->loop);
    }
    lb_plan_tally_free(&engine->tally);
    free(engine->capture.room);
    free(engine->capture.mask_room);
    lb_rules_free(engine->rules);
    lb_config_free(engine->config);
    free(engine);
}
