/* SPDX-License-Identifier: MIT */
/*
 * One device. In: the time, the intake's answers. Out: requests. Its lines are numbers: it has logged those
 * below fleet_device_logged(), those below `tail` are final, and between the two lies its ring. Always true:
 * one event is to come, the next body's time or the answer to the one on its way.
 *
 * The rules are those of shipper.c, pending.c, slots.c, shed.c and answers.c, each named where it is
 * followed. Left out: urgent records, bytes (a body is full by its lines), the second body that is built
 * while one of the same service is on its way, and shedding of the body that is on its way.
 */
#include <assert.h>

#include "tests/fleet/fleet.h"

#define PROBE_LINES   100u    /* shipper.h, LB_SMALL_LINES */
#define CLOCK_POLL_NS FLEET_S /* pending.c: nobody tells when the clock is right */
#define WAY_LEAST_NS  (50 * FLEET_MS)
#define WAY_MORE_NS   (100 * FLEET_MS)
#define DOUBLINGS_MAX 40u

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t fleet_hash(uint64_t a, uint64_t b)
{
    uint64_t x = a * 0x9e3779b97f4a7c15ull + b + 1;

    x = (x ^ x >> 32) * 0xd6e8feb86659fd93ull;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93ull;
    return x ^ x >> 32;
}

static uint64_t below(uint64_t random, uint64_t bound)
{
    return bound ? random % bound : 0;
}

uint64_t fleet_device_logged(const struct fleet_device *device, const struct fleet_plan *plan,
                             uint64_t now_ns)
{
    if (now_ns < device->first_ns)
        return 0;
    return ((now_ns - device->first_ns) / plan->interval_ns + 1) * plan->burst_lines;
}

static uint64_t logged_at_ns(const struct fleet_device *device, const struct fleet_plan *plan, uint64_t line)
{
    return device->first_ns + line / plan->burst_lines * plan->interval_ns;
}

/* pending.c, first_due_ns(): a body's time by the age of its first line. */
static uint64_t due_by_age_ns(const struct fleet_device *device, const struct fleet_plan *plan,
                              uint64_t seen_ns)
{
    if (plan->is_plain)
        return seen_ns + plan->wait_ns;
    return lb_retry_due_ns(seen_ns, plan->wait_ns, device->phase, device->splay_until_ns);
}

/* pending.c, waits_for_clock() and the second in which it looks again: when it has waited enough. */
static uint64_t after_clock_ns(const struct fleet_device *device, const struct fleet_plan *plan,
                               uint64_t due_ns)
{
    uint64_t limit_ns =
        lb_retry_ahead_ns(plan->clock_wait_ns, plan->is_plain ? 0 : 2 * plan->wait_ns, device->phase);
    uint64_t until_ns = device->start_ns + earlier(plan->clock_known_ns, limit_ns);

    if (due_ns >= until_ns)
        return due_ns;
    return due_ns + (until_ns - due_ns + CLOCK_POLL_NS - 1) / CLOCK_POLL_NS * CLOCK_POLL_NS;
}

/* pending.c, lb_pending_due_ns(), and the breaker. */
static uint64_t next_send_ns(const struct fleet_device *device, const struct fleet_plan *plan,
                             uint64_t now_ns)
{
    uint64_t due_ns =
        earlier(device->wait_due_ns, logged_at_ns(device, plan, device->tail + plan->body_lines - 1));

    due_ns = after_clock_ns(device, plan, later(due_ns, now_ns));
    if (device->tail < device->force_pos)
        due_ns = now_ns;
    return later(due_ns, device->retry.until_ns);
}

/* shed.c: over the high-water mark the oldest go, down to the low one. */
static void shed(struct fleet_device *device, const struct fleet_plan *plan, uint64_t now_ns)
{
    uint64_t high = plan->ring_lines / 4 * 3, low = plan->ring_lines / 8 * 5;
    uint64_t logged = fleet_device_logged(device, plan, now_ns), before = device->tail;

    if (!device->is_away)
        return;
    while (logged - device->tail > high)
        device->tail += high + 1 - low;
    device->lost += device->tail - before;
}

void fleet_device_start(struct fleet_device *device, const struct fleet_plan *plan, uint64_t id)
{
    uint64_t own = fleet_hash(plan->seed, id);

    *device = (struct fleet_device) { .phase = fleet_hash(own, 1) };
    device->start_ns = below(fleet_hash(own, 2), plan->start_within_ns);
    device->first_ns = (device->start_ns + plan->interval_ns - 1) / plan->interval_ns * plan->interval_ns +
                       below(fleet_hash(own, 3), plan->log_within_ns);
    lb_retry_init(&device->retry, plan->retry_min_ms, plan->retry_max_ms, 2, fleet_hash(own, 4));
    if (!plan->is_plain)
        device->splay_until_ns =
            device->start_ns + lb_retry_random(&device->retry, plan->wait_ns / FLEET_MS + 1) * FLEET_MS;
    device->wait_due_ns = due_by_age_ns(device, plan, device->first_ns);
    device->link_ns = FLEET_NEVER;
    if (plan->links_return)
        device->link_ns = plan->up_ns + below(fleet_hash(own, 5), plan->link_within_ns);
    device->event_ns = earlier(device->link_ns, next_send_ns(device, plan, device->start_ns));
}

/* pending.c, lb_pending_move_on(): what was seen and did not fit keeps its time. */
static void move_on(struct fleet_device *device, const struct fleet_plan *plan, uint64_t logged,
                    uint64_t now_ns)
{
    uint64_t next = device->tail + device->sending;

    if (logged > next)
        device->wait_due_ns = earlier(device->wait_due_ns, due_by_age_ns(device, plan, now_ns));
    else
        device->wait_due_ns = due_by_age_ns(device, plan, logged_at_ns(device, plan, next));
}

static void send(struct fleet_device *device, const struct fleet_plan *plan, struct fleet_intake *intake,
                 uint64_t now_ns)
{
    uint64_t logged = fleet_device_logged(device, plan, now_ns), late_ns;
    uint64_t most = device->retry.is_open ? earlier(PROBE_LINES, plan->body_lines) : plan->body_lines;

    assert(lb_retry_may_send(&device->retry, 0, now_ns) && logged > device->tail);
    device->sending = earlier(logged - device->tail, most);
    /* answers.c, lb_answers_ask_first(): while nobody vouches for the clock the intake's Date is asked for.
     */
    if (now_ns < device->start_ns + plan->clock_known_ns && !device->has_asked)
        device->sending = 0;
    else
        move_on(device, plan, logged, now_ns);
    device->is_sending = true;
    device->answer = fleet_intake_ask(intake, now_ns, &late_ns);
    device->answer_ns =
        now_ns + late_ns + WAY_LEAST_NS + below(fleet_hash(device->phase, now_ns), WAY_MORE_NS);
}

/*
 * The same without jitter, and without another retry.c: what lb_retry_failed() drew is replaced by the most
 * that it may draw, told from the failures before it; what the intake asked for is kept to the millisecond.
 */
static void take_jitter_away(struct fleet_device *device, const struct fleet_plan *plan, uint32_t doublings,
                             uint64_t asked_ms, uint64_t now_ns)
{
    uint64_t longest_ms = plan->retry_min_ms;

    for (uint32_t i = 0; i < earlier(doublings, DOUBLINGS_MAX) && longest_ms < plan->retry_max_ms; i++)
        longest_ms *= 2;
    longest_ms = earlier(longest_ms, plan->retry_max_ms);
    device->retry.until_ns = now_ns + later(longest_ms, earlier(asked_ms, plan->retry_max_ms)) * FLEET_MS;
}

/* answers.c, fail(), and slots.c, take_back(). */
static void fail(struct fleet_device *device, const struct fleet_plan *plan, uint64_t now_ns)
{
    bool is_answer = device->answer == FLEET_OVERLOADED;
    uint64_t asked_ms = is_answer ? plan->retry_after_ms : 0;
    uint32_t failures = device->retry.failures;

    lb_retry_failed(&device->retry, is_answer ? LB_FAILURE_ANSWER : LB_FAILURE_NETWORK, asked_ms, now_ns);
    if (plan->is_plain)
        take_jitter_away(device, plan, failures + (is_answer ? LB_RETRY_ANSWER_MORE : 0), asked_ms, now_ns);
    device->is_away = true;
    device->force_pos = later(device->force_pos, device->tail + device->sending);
    device->wait_due_ns = due_by_age_ns(device, plan, now_ns);
}

static void take_answer(struct fleet_device *device, const struct fleet_plan *plan, uint64_t now_ns)
{
    device->is_sending = false;
    if (device->answer == FLEET_TAKEN) {
        lb_retry_succeeded(&device->retry);
        device->has_asked = device->has_asked || device->sending == 0;
        device->is_away = false;
        device->tail += device->sending;
    } else {
        fail(device, plan, now_ns);
    }
    device->sending = 0;
}

/* shipper.c, lb_shipper_hurry(). */
static void take_link(struct fleet_device *device, const struct fleet_plan *plan, uint64_t now_ns)
{
    device->link_ns = FLEET_NEVER;
    if (lb_retry_hurry(&device->retry, now_ns) && plan->is_plain)
        device->retry.until_ns = now_ns + LB_RETRY_SETTLE_MS * FLEET_MS;
}

bool fleet_device_step(struct fleet_device *device, const struct fleet_plan *plan,
                       struct fleet_intake *intake, uint64_t now_ns)
{
    bool has_sent = false;

    if (now_ns >= device->link_ns)
        take_link(device, plan, now_ns);
    if (device->is_sending && now_ns >= device->answer_ns)
        take_answer(device, plan, now_ns);
    if (!device->is_sending) {
        shed(device, plan, now_ns);
        has_sent = next_send_ns(device, plan, now_ns) <= now_ns;
    }
    if (has_sent)
        send(device, plan, intake, now_ns);
    device->event_ns =
        earlier(device->link_ns, device->is_sending ? device->answer_ns : next_send_ns(device, plan, now_ns));
    return has_sent;
}
