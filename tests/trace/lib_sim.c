/* SPDX-License-Identifier: MIT */
/*
 * The fast side on a simulated clock. In: lines, and when they are said. Out: records in a ring. Always true:
 * timers fire at their time, in its order.
 */
#include "tests/trace/lib_sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/shape/pattern.h"
#include "common/clock.h"

struct sim sim;

static struct lb_staging staging; /* none of it is used */
static struct lb_limit limit;
static struct lb_pattern_memo memo;
static struct lb_stream streams[LB_SERVICES_BOOKS];
static struct lb_stream_name names[LB_SERVICES_BOOKS];
static char dir_path[] = "/dev/shm/logboom-sim.XXXXXX";

static void must(int rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "sim: %s: %s\n", what, strerror(-rc));
    exit(1);
}

/* ---- begin and end ---- */

static void load(const char *path)
{
    struct lb_config_faults faults;
    int rc = lb_config_load(path, LB_CONFIG_CHECK, &sim.config, &faults);

    if (rc == 0)
        rc = lb_rules_compile(sim.config, &faults, &sim.rules);
    for (size_t i = 0; i < faults.count; i++)
        fprintf(stderr, "%s\n", faults.text[i]);
    lb_config_faults_free(&faults);
    if (rc != 0)
        exit(2);
}

static void open_files(void)
{
    int other;

    must(mkdtemp(dir_path) ? 0 : -errno, dir_path);
    sim.files.held_bytes = sim.config->held_bytes;
    must(lb_files_lock(&sim.files, dir_path, &other), "lock");
    must(lb_files_open(&sim.files, sim.config->ring_bytes, false), "open");
    lb_files_recover(&sim.files);
    lb_limit_open(&limit, &sim.files.state.fast);
}

void sim_open(const char *ini_path, void (*on_records)(void))
{
    load(ini_path);
    sim.on_records = on_records;
    open_files();
    must(lb_loop_init(&sim.loop), "loop");
    must(lb_link_init(&sim.doors), "link");
    sim.loop.now_ns = SIM_START_NS;
    sim.capture = (struct lb_capture) { .loop = &sim.loop,
                                        .staging = &staging,
                                        .ring = &sim.files.ring,
                                        .state = &sim.files.state,
                                        .link = &sim.doors,
                                        .config = sim.config,
                                        .rules = sim.rules,
                                        .held = &sim.files.held,
                                        .limit = &limit,
                                        .memo = &memo,
                                        .room = malloc(LB_CAPTURE_ROOM),
                                        .mask_room = malloc(LB_CAPTURE_ROOM) };
    must(sim.capture.room && sim.capture.mask_room ? 0 : -ENOMEM, "room");
    must(lb_turns_start(&sim.capture), "turns");
}

void sim_close(void)
{
    static const char *const left[] = { "lock", "state", "ring", "held" };

    sim.capture.is_stopping = true;
    lb_own_stop(&sim.capture);
    sim.on_records();
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++)
        unlinkat(sim.files.dir_fd, left[i], 0);
    rmdir(dir_path);
}

/* ---- time ---- */

static void fire(struct lb_timer *timer, uint64_t until_ns)
{
    while (timer->due_ns <= until_ns) {
        uint64_t due_ns = timer->due_ns;

        sim.loop.now_ns = due_ns > sim.loop.now_ns ? due_ns : sim.loop.now_ns;
        timer->due_ns = LB_NEVER;
        timer->fire(timer->arg, sim.loop.now_ns);
        sim.on_records();
    }
}

/* Not the heartbeat: its beat is the device's own, and differs from machine to machine. */
void sim_advance(uint64_t now_ns)
{
    struct lb_capture *capture = &sim.capture;
    struct lb_timer *timers[] = { &capture->collapse_timer, &capture->summary_timer, &capture->repeat_timer,
                                  &capture->tell_timer, &capture->shortage.timer };

    for (;;) {
        struct lb_timer *next = timers[0];

        for (size_t i = 1; i < sizeof timers / sizeof timers[0]; i++)
            if (timers[i]->due_ns < next->due_ns)
                next = timers[i];
        if (next->due_ns > now_ns)
            break;
        fire(next, next->due_ns);
    }
    sim.loop.now_ns = now_ns > sim.loop.now_ns ? now_ns : sim.loop.now_ns;
}

/* ---- what goes in ---- */

static struct lb_stream *stream_of(const char *service)
{
    uint32_t row = lb_state_service(&sim.files.state, service, strlen(service));
    struct lb_stream *stream = &streams[row];

    if (!stream->name) {
        names[row].service_len = (uint16_t)strlen(service);
        memcpy(names[row].service, service, names[row].service_len);
        *stream = (struct lb_stream) { .capture = &sim.capture, .name = &names[row], .service_ix = row };
        lb_streams_settle(&sim.capture, stream);
    }
    return stream;
}

void sim_say(const char *service, char *text, size_t len)
{
    struct lb_stream *stream = stream_of(service);
    struct lb_turn turn = { .capture = &sim.capture, .stream = stream, .now_ns = sim.loop.now_ns };

    turn.head = (struct lb_record) { .kind = LB_KIND_LINE,
                                     .stream_id = 1 + stream->service_ix,
                                     .service_ix = stream->service_ix };
    if (!lb_records_message(&turn, text, len, -1, NULL)) {
        fprintf(stderr, "sim: the ring is full\n");
        exit(1);
    }
    lb_records_publish(&turn);
    sim.on_records();
}
