/* SPDX-License-Identifier: MIT */
/*
 * The slow side put together. In: knocks, answers, requests, a new configuration. Out: bodies on their way.
 * Always true: after each turn of the loop the shipper has had its step, so nothing that is due waits for
 * another event.
 */
#include "agent/control/slow_side.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "agent/control/loaded.h"
#include "agent/control/sink_transport.h"
#include "common/clock.h"
#include "common/device.h"
#include "common/log.h"

static struct lb_wall_reading read_clocks(void *ctx)
{
    struct lb_wall_reading reading = { .is_synced = lb_clock_is_synced() };

    (void)ctx;
    /* Both at one instant: who was held up between the two reads them again. */
    for (int i = 0; i < 10; i++) {
        reading.boot_ns = lb_clock_boot_ns();
        reading.wall_ns = lb_clock_wall_ns();
        if (lb_clock_boot_ns() - reading.boot_ns < LB_NS_PER_MS)
            break;
    }
    return reading;
}

static void on_network_change(void *ctx)
{
    struct lb_slow_side *slow = ctx;

    lb_shipper_hurry(&slow->shipper, slow->loop.now_ns);
    lb_outlets_hurry(slow->outlets, slow->loop.now_ns);
    slow->bar.due_ns = 0;
    lb_remote_hurry(&slow->remote, slow->loop.now_ns);
}

/* Live bodies and those of the backlog go by one transport. */
static void on_answer(void *ctx, unsigned slot, const struct lb_answer *answer)
{
    struct lb_slow_side *slow = ctx;

    if (slow->mover)
        lb_drain_answer(&slow->drain, slot, answer);
    else
        lb_shipper_answer(&slow->shipper, slot, answer);
}

static int open_transport(struct lb_slow_side *slow, const struct lb_loaded *loaded,
                          struct lb_transport *ret_transport)
{
    return lb_sink_transport_open(&slow->loop, slow->card, loaded, 0, slow->seed, on_answer, slow,
                                  ret_transport);
}

/* ---- reload ---- */

/* The transport of the first sink that is an MQTT broker (lb_config_remote_sink()); NULL: there is none. */
static const struct lb_transport *broker(const struct lb_slow_side *slow)
{
    if (slow->shipper.sink->transport == LB_TRANSPORT_MQTT)
        return &slow->shipper.transport;
    for (unsigned i = 0; i < slow->outlets->router.outlets; i++) {
        const struct lb_outlet *outlet = slow->outlets->router.outlet[i];

        if (!outlet->is_detached && outlet->shipper.sink->transport == LB_TRANSPORT_MQTT)
            return &outlet->shipper.transport;
    }
    return NULL;
}

/* All sinks change over, or none does. */
static int change_over(struct lb_slow_side *slow, struct lb_loaded *next)
{
    struct lb_transport transport;
    int rc = open_transport(slow, next, &transport);

    if (rc < 0)
        return rc;
    rc = lb_outlets_reload_open(slow->outlets, &slow->loop, slow->card, next, slow->seed);
    if (rc == 0)
        rc = lb_outlets_reload(slow->outlets, next->config);
    if (rc == 0 && slow->mover)
        rc = lb_drain_reload(&slow->drain, next->config, 0);
    if (rc == 0)
        rc = lb_shipper_reload(&slow->shipper, next->config, 0);
    if (rc < 0) {
        lb_outlets_reload_undo(slow->outlets);
        transport.close(transport.self);
        return rc;
    }
    slow->shipper.transport.close(slow->shipper.transport.self);
    slow->shipper.transport = transport;
    return 0;
}

/* One sink alone waits for its answers; of several, one that hangs would hold up all. */
static void take_back(struct lb_slow_side *slow)
{
    uint64_t now_ns = slow->loop.now_ns;

    if (slow->outlets->router.outlets == 0)
        return;
    lb_outlets_take_back(slow->outlets, now_ns);
    if (slow->mover)
        lb_shipper_take_back(&slow->drain.shipper, now_ns);
    lb_shipper_take_back(&slow->shipper, now_ns);
}

/* Take a new configuration over when nothing is on its way by the old transports; until then nothing new is
 * sent. */
static void take_over(struct lb_slow_side *slow)
{
    struct lb_loaded *next = __atomic_load_n(&slow->next, __ATOMIC_ACQUIRE);
    bool is_busy;
    int rc;

    if (!next)
        return;
    slow->shipper.is_held = true;
    take_back(slow);
    is_busy = lb_outlets_hold(slow->outlets, true);
    if (is_busy || lb_shipper_is_busy(&slow->shipper) || (slow->mover && lb_drain_is_busy(&slow->drain)))
        return;
    rc = change_over(slow, next);
    slow->shipper.is_held = false;
    lb_outlets_hold(slow->outlets, false);
    if (rc < 0) { /* out of memory: the old settings work on, and each turn tries again */
        lb_log(LB_LEVEL_ERROR, "the sinks' new settings cannot be used yet: %s", strerror(-rc));
        return;
    }
    slow->bar.due_ns = 0;
    slow->control.status.config = next->config;
    slow->pulse.transport = broker(slow);
    lb_remote_open(&slow->remote, next->config, broker(slow), slow->seed, slow->loop.now_ns);
    lb_pulse_reload(&slow->pulse, slow->loop.now_ns);
    lb_metrics_listen(&slow->metrics, next->config->metrics_listen);
    __atomic_store_n(&slow->taken, next, __ATOMIC_RELEASE);
    __atomic_store_n(&slow->next, NULL, __ATOMIC_RELEASE);
}

int lb_slow_side_reload(struct lb_slow_side *slow, struct lb_loaded *loaded)
{
    if (__atomic_load_n(&slow->next, __ATOMIC_ACQUIRE))
        return -EBUSY;
    __atomic_store_n(&slow->next, loaded, __ATOMIC_RELEASE);
    lb_link_knock(slow->link->to_slow_fd);
    return 0;
}

struct lb_loaded *lb_slow_side_loaded(const struct lb_slow_side *slow)
{
    return __atomic_load_n(&slow->taken, __ATOMIC_ACQUIRE);
}

/* ---- the thread ---- */

static void on_door(void *arg, uint32_t events)
{
    struct lb_slow_side *slow = arg;

    (void)events;
    lb_link_answer(slow->link->to_slow_fd);
}

static void on_step_timer(void *arg, uint64_t now_ns)
{
    (void)arg; /* the step after each turn does the work */
    (void)now_ns;
}

/* Is there nothing more that this run can do? What a sink too slow for it has not been given yet stays in the
 * ring, and with it what the first one has. */
static bool is_done(const struct lb_slow_side *slow)
{
    return lb_shipper_is_done(&slow->shipper) && lb_outlets_are_done(slow->outlets);
}

/* The system goes down: what could not be shipped in time, or cannot be at all, is put on the card. */
static bool is_down(struct lb_slow_side *slow)
{
    uint64_t by_ns = lb_link_get(&slow->link->down_by_ns), now_ns = lb_clock_boot_ns();
    bool is_shipped = is_done(slow) && slow->files->backlog.sum.segments == 0;

    if (is_shipped && !slow->shipper.failed_since_delivery)
        return true;
    if (now_ns < by_ns && !lb_shipper_is_away(&slow->shipper, now_ns)) {
        slow->step_timer.due_ns = by_ns < slow->step_timer.due_ns ? by_ns : slow->step_timer.due_ns;
        return false;
    }
    lb_spooler_go_down(&slow->spooler, now_ns);
    slow->step_timer.due_ns = 0;
    return lb_spooler_is_down(&slow->spooler);
}

/* true: the thread is to end */
static bool is_over(struct lb_slow_side *slow)
{
    uint64_t stopping = lb_link_get(&slow->link->stopping);

    if (stopping == 1 && !slow->shipper.is_stopping) {
        lb_shipper_stop_soon(&slow->shipper);
        lb_outlets_stop_soon(slow->outlets);
        slow->step_timer.due_ns = 0;
        return false;
    }
    if (stopping == 1 && slow->has_spooler && lb_link_get(&slow->link->down_by_ns))
        return is_down(slow);
    return stopping == 2 || (stopping == 1 && is_done(slow));
}

static uint64_t step_first(struct lb_slow_side *slow)
{
    uint64_t due_ns, drain_ns, spool_ns;
    const struct lb_backlog *backlog = &slow->files->backlog;

    lb_outlets_feed(slow->outlets, slow->loop.now_ns);
    due_ns = lb_shipper_step(&slow->shipper, slow->loop.now_ns);

    lb_outlook_note(&slow->outlook, lb_ring_head(&slow->files->ring), slow->loop.now_ns);
    if (!slow->mover)
        return due_ns;
    drain_ns = lb_drain_step(&slow->drain, slow->loop.now_ns);
    if (slow->has_spooler) {
        spool_ns = lb_spooler_step(&slow->spooler, slow->loop.now_ns);
        drain_ns = spool_ns < drain_ns ? spool_ns : drain_ns;
    }
    lb_link_put(&slow->link->backlog_size, (uint64_t)backlog->blocks * LB_BACKLOG_BLOCK);
    lb_link_put(&slow->link->backlog_used,
                (uint64_t)backlog->blocks * LB_BACKLOG_BLOCK - lb_backlog_room(backlog));
    lb_link_put(&slow->link->backlog_first_ns, backlog->sum.first_ns);
    return drain_ns < due_ns ? drain_ns : due_ns;
}

static uint64_t step(struct lb_slow_side *slow)
{
    uint64_t look_ns = lb_bar_step(&slow->bar, &slow->shipper, slow->outlets, slow->loop.now_ns),
             due_ns = step_first(slow), outlets_ns = lb_outlets_step(slow->outlets, slow->loop.now_ns);

    due_ns = outlets_ns < due_ns ? outlets_ns : due_ns;
    return look_ns < due_ns ? look_ns : due_ns;
}

static void *run(void *arg)
{
    struct lb_slow_side *slow = arg;

    while (!is_over(slow)) {
        if (lb_loop_turn(&slow->loop, true) < 0)
            break;
        take_over(slow);
        slow->step_timer.due_ns = step(slow);
        lb_control_step(&slow->control, slow->loop.now_ns);
        lb_remote_step(&slow->remote, slow->loop.now_ns);
        lb_link_put(&slow->link->slow_turns, slow->link->slow_turns + 1);
    }
    lb_link_put(&slow->link->slow_done, 1);
    lb_link_knock(slow->link->to_fast_fd);
    lb_control_stop(&slow->control);
    lb_metrics_close(&slow->metrics);
    lb_netwatch_close(&slow->netwatch);
    if (slow->mover)
        lb_drain_stop(&slow->drain);
    lb_outlets_stop(slow->outlets);
    lb_shipper_stop(&slow->shipper); /* may wait for a resolver of libcurl's: nobody waits for us any more */
    lb_mover_free(slow->mover);
    lb_loop_close(&slow->loop);
    return NULL;
}

static void old_ring_is_done(void *ctx)
{
    lb_files_drop_old_ring(ctx);
    lb_log(LB_LEVEL_NOTICE, "the ring that was set aside is drained and removed");
}

static void open_for_reading(struct lb_slow_side *slow, const char *name)
{
    int fd = openat(slow->files->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd >= 0)
        slow->control.ring_fds[slow->control.ring_fd_count++] = fd;
}

static void wire_shipper(struct lb_slow_side *slow, const struct lb_loaded *loaded)
{
    struct lb_shipper *shipper = &slow->shipper;

    shipper->ring = slow->files->has_old_ring ? &slow->files->old_ring : &slow->files->ring;
    shipper->next_ring = slow->files->has_old_ring ? &slow->files->ring : NULL;
    shipper->old_ring_done = old_ring_is_done;
    shipper->old_ring_ctx = slow->files;
    shipper->state = &slow->files->state;
    shipper->link = slow->link;
    shipper->config = loaded->config;
    shipper->read_clocks = read_clocks;
    shipper->phase = lb_device_phase();
    if (shipper->phase == 0) /* no machine-id: any beat will do, as long as it is not everybody's */
        shipper->phase = slow->seed;
    lb_wall_init(&shipper->wall, LB_WALL_EARLIEST_S * LB_NS_PER_S);
}

static void wire_control(struct lb_slow_side *slow, const struct lb_loaded *loaded,
                         const struct lb_capture *capture)
{
    slow->control.loop = &slow->loop;
    slow->control.shipper = &slow->shipper;
    slow->control.outlets = slow->outlets;
    slow->control.link = slow->link;
    slow->control.status = (struct lb_status_source) {
        .config = loaded->config,
        .capture = capture,
        .shipper = &slow->shipper,
        .outlets = slow->outlets,
        .outlook = &slow->outlook,
        .wear = slow->wear,
        .state = &slow->files->state,
        .ring = &slow->files->ring,
        .repair = &slow->files->repair,
        .started_ns = lb_clock_boot_ns(),
        .is_tmpfs = slow->files->is_tmpfs,
        .uses_jit = lb_rules_use_jit(loaded->rules),
    };
    if (!realpath(loaded->config->file, slow->control.config_path))
        slow->control.config_path[0] = '\0';
    open_for_reading(slow, "ring");
    open_for_reading(slow, "ring.old");
    open_for_reading(slow, "held");
    open_for_reading(slow, "backlog");
}

/* Where no sink takes all any more, what waits for one that did is nobody's. */
static void say_what_is_nobodys(const struct lb_slow_side *slow)
{
    uint64_t lines = slow->files->backlog.sum.lines;

    if (slow->shipper.sink->transport == LB_TRANSPORT_NONE && lines > 0)
        lb_log(LB_LEVEL_WARNING, "no sink takes all any more: %llu lines that wait in the backlog go nowhere",
               (unsigned long long)lines);
}

/* Without a backlog, what the ring has no room for is shed. */
static int start_backlog(struct lb_slow_side *slow)
{
    int rc;

    if (!lb_backlog_is_there(&slow->files->backlog))
        return 0;
    say_what_is_nobodys(slow);
    slow->mover = lb_mover_new(&slow->shipper, &slow->files->backlog);
    slow->shipper.mover = slow->mover;
    slow->control.status.drain = slow->mover ? &slow->drain : NULL;
    slow->control.drain = slow->control.status.drain ? &slow->drain : NULL;
    if (!slow->mover)
        return -ENOMEM;
    rc = lb_drain_start(&slow->drain, &slow->shipper, slow->mover, slow->seed, lb_clock_boot_ns());
    if (rc < 0 || !slow->shipper.config->has_spool ||
        slow->shipper.config->spool_wear_budget_bytes_per_day == 0)
        return rc;
    slow->has_spooler = true;
    slow->control.status.spooler = &slow->spooler;
    return lb_spooler_start(&slow->spooler, &slow->shipper, slow->mover, &slow->drain, slow->card,
                            lb_clock_boot_ns());
}

static void watch_network(struct lb_slow_side *slow)
{
    int rc = lb_netwatch_open(&slow->netwatch, &slow->loop, on_network_change, slow);

    if (rc < 0) /* a pause then takes its time */
        lb_log(LB_LEVEL_INFO, "changes of the network are not heard of: %s", strerror(-rc));
}

static void serve_metrics(struct lb_slow_side *slow, const struct lb_loaded *loaded)
{
    slow->metrics.loop = &slow->loop;
    slow->metrics.status = &slow->control.status;
    lb_metrics_open(&slow->metrics);
    lb_metrics_listen(&slow->metrics, loaded->config->metrics_listen);
}

static void open_remote(struct lb_slow_side *slow, const struct lb_loaded *loaded)
{
    slow->control.status.remote = &slow->remote;
    slow->remote.link = slow->link;
    slow->remote.status = &slow->control.status;
    slow->remote.wall = &slow->shipper.wall;
    lb_remote_open(&slow->remote, loaded->config, broker(slow), slow->seed, lb_clock_boot_ns());
    slow->pulse.status = &slow->control.status;
    slow->pulse.transport = broker(slow);
    lb_pulse_start(&slow->pulse, &slow->loop);
}

int lb_slow_side_start(struct lb_slow_side *slow, struct lb_files *files, struct lb_link *link,
                       struct lb_card *card, struct lb_loaded *loaded, const struct lb_capture *capture)
{
    int rc = lb_loop_init(&slow->loop);

    if (rc < 0)
        return rc;
    slow->files = files;
    slow->link = link;
    slow->card = card;
    slow->taken = loaded;
    slow->door = (struct lb_watch) { link->to_slow_fd, on_door, slow };
    slow->step_timer = (struct lb_timer) { 0, on_step_timer, slow, NULL };
    lb_loop_add_timer(&slow->loop, &slow->step_timer);
    if (getrandom(&slow->seed, sizeof slow->seed, 0) < 0)
        slow->seed = lb_clock_boot_ns() ^ lb_device_phase();
    wire_shipper(slow, loaded);
    wire_control(slow, loaded, capture);
    watch_network(slow);
    rc = lb_loaded_note_first(loaded, files->dir_fd);
    if (rc == 0)
        rc = open_transport(slow, loaded, &slow->shipper.transport);
    if (rc == 0)
        rc = lb_shipper_start(&slow->shipper, slow->seed, lb_clock_boot_ns());
    if (rc == 0)
        rc = lb_loop_add(&slow->loop, &slow->door, EPOLLIN);
    if (rc == 0)
        rc = lb_card_listen(card, LB_CARD_SLOW, &slow->loop);
    if (rc == 0)
        rc = start_backlog(slow);
    if (rc == 0)
        rc = lb_outlets_start(slow->outlets, &slow->loop, card, loaded, &slow->shipper, slow->seed);
    if (rc == 0)
        rc = lb_control_start(&slow->control, files->dir_fd);
    if (rc == 0)
        serve_metrics(slow, loaded);
    if (rc == 0)
        open_remote(slow, loaded);
    if (rc == 0)
        rc = -pthread_create(&slow->thread, NULL, run, slow);
    if (rc < 0) {
        lb_log(LB_LEVEL_ERROR, "the slow side cannot start: %s", strerror(-rc));
        return rc;
    }
    pthread_setname_np(slow->thread, "slow");
    slow->has_started = true;
    return 0;
}

bool lb_slow_side_join(struct lb_slow_side *slow, uint64_t wait_ms)
{
    struct timespec until;

    if (!slow->has_started)
        return true;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return pthread_timedjoin_np(slow->thread, NULL, &until) == 0;
}

void lb_slow_side_free(struct lb_slow_side *slow)
{
    if (slow->has_spooler)
        lb_spooler_stop(&slow->spooler);
}
