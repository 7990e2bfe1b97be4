/* SPDX-License-Identifier: MIT */
/*
 * A fleet's run. In: a plan. Out: what the intake saw. The devices stand in a binary heap, the one whose
 * event is next at its top; each has exactly one event to come, so nothing is ever taken out of the heap or
 * put in. Requests are counted in tenths of a second, which any window is made of afterwards.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/fleet/fleet.h"

#define TICK_NS     (100 * FLEET_MS)
#define TICKS_PER_S 10u

struct run {
    const struct fleet_plan *plan;
    struct fleet_device *devices;
    struct fleet_device **heap;
    struct fleet_intake intake;
    uint32_t *ticks; /* requests by tenth of a second */
    uint64_t tick_count;
    unsigned cleared;
    struct fleet_result result;
};

static void sink_down(struct run *run, unsigned at)
{
    struct fleet_device *moving = run->heap[at];
    unsigned count = run->plan->devices, child;

    for (; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && run->heap[child + 1]->event_ns < run->heap[child]->event_ns)
            child++;
        if (run->heap[child]->event_ns >= moving->event_ns)
            break;
        run->heap[at] = run->heap[child];
    }
    run->heap[at] = moving;
}

static int open_run(struct run *run, const struct fleet_plan *plan)
{
    *run = (struct run) { .plan = plan, .tick_count = plan->last_end_ns / TICK_NS + 1 };
    run->devices = calloc(plan->devices, sizeof *run->devices);
    run->heap = calloc(plan->devices, sizeof(struct fleet_device *));
    run->ticks = calloc(run->tick_count, sizeof *run->ticks);
    if (!run->devices || !run->heap || !run->ticks)
        return -ENOMEM;
    fleet_intake_open(&run->intake, plan);
    for (unsigned i = 0; i < plan->devices; i++) {
        fleet_device_start(&run->devices[i], plan, i);
        run->heap[i] = &run->devices[i];
    }
    for (unsigned at = plan->devices / 2; at-- > 0;)
        sink_down(run, at);
    run->result.half_ns = run->result.all_ns = FLEET_NEVER;
    return 0;
}

static void close_run(struct run *run)
{
    free(run->devices);
    free(run->heap);
    free(run->ticks);
}

static void count_request(struct run *run, const struct fleet_device *device, uint64_t now_ns)
{
    run->ticks[now_ns / TICK_NS]++;
    if (now_ns < run->plan->mark_ns)
        return;
    run->result.requests++;
    run->result.refused += device->answer == FLEET_OVERLOADED;
}

/* Has it got rid of what it had logged before the mark? At least of one line. */
static void note_backlog(struct run *run, struct fleet_device *device, uint64_t now_ns)
{
    if (device->is_cleared || now_ns < run->plan->mark_ns)
        return;
    if (device->backlog_pos == 0) {
        device->backlog_pos = fleet_device_logged(device, run->plan, run->plan->mark_ns);
        device->backlog_pos += device->backlog_pos == 0;
    }
    if (device->tail < device->backlog_pos)
        return;
    device->is_cleared = true;
    run->cleared++;
    if (run->cleared == (run->plan->devices + 1) / 2)
        run->result.half_ns = now_ns - run->plan->mark_ns;
    if (run->cleared == run->plan->devices)
        run->result.all_ns = now_ns - run->plan->mark_ns;
}

static void run_to_the_end(struct run *run)
{
    const struct fleet_plan *plan = run->plan;
    struct fleet_device *device;

    while ((device = run->heap[0])->event_ns < plan->last_end_ns) {
        uint64_t now_ns = device->event_ns;

        if (now_ns >= plan->least_end_ns && run->cleared == plan->devices)
            return;
        if (fleet_device_step(device, plan, &run->intake, now_ns))
            count_request(run, device, now_ns);
        note_backlog(run, device, now_ns);
        sink_down(run, 0);
    }
}

/* The fullest stretch of so many ticks that lies between two times. */
static double fullest_per_s(const struct run *run, uint64_t from_ns, uint64_t to_ns, unsigned ticks)
{
    uint64_t from = from_ns / TICK_NS, to = to_ns / TICK_NS, sum = 0, most = 0;

    if (to > run->tick_count)
        to = run->tick_count;
    for (uint64_t at = from; at < to; at++) {
        sum += run->ticks[at];
        if (at >= from + ticks)
            sum -= run->ticks[at - ticks];
        most = sum > most ? sum : most;
    }
    return (double)most * TICKS_PER_S / ticks;
}

static void measure(struct run *run)
{
    const struct fleet_plan *plan = run->plan;
    struct fleet_result *result = &run->result;
    uint64_t steady = 0;

    for (uint64_t at = plan->steady_from_ns / TICK_NS; at < plan->steady_to_ns / TICK_NS; at++)
        steady += run->ticks[at];
    result->steady_per_s = (double)(steady * FLEET_S) / (double)(plan->steady_to_ns - plan->steady_from_ns);
    result->peak_1s = fullest_per_s(run, plan->mark_ns, plan->last_end_ns, TICKS_PER_S);
    result->peak_10s = fullest_per_s(run, plan->mark_ns, plan->last_end_ns, 10 * TICKS_PER_S);
    result->storm_1s = fullest_per_s(run, plan->outage_ns, plan->up_ns, TICKS_PER_S);
    for (unsigned i = 0; i < plan->devices; i++) {
        const struct fleet_device *device = &run->devices[i];

        result->lost_lines += device->lost;
        if (!device->is_cleared && device->backlog_pos > device->tail)
            result->left_lines += device->backlog_pos - device->tail;
    }
}

int fleet_run(const struct fleet_plan *plan, struct fleet_result *ret_result)
{
    struct run run;
    int rc = open_run(&run, plan);

    if (rc == 0) {
        run_to_the_end(&run);
        measure(&run);
        *ret_result = run.result;
    }
    close_run(&run);
    return rc;
}
