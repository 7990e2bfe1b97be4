/* SPDX-License-Identifier: MIT */
/*
 * A month under a quota, on a simulated clock. In: a configuration with [network] quota, a seed, how loud the
 * services are and when. Out: one line of JSON: what was spent, by day, and what became of the errors. Both
 * sides are the agent's own: the throttle (lib_sim.c), and the shipper with a transport that takes everything
 * a moment later and tells what an HTTP client would have sent.
 *
 *     month CONFIG SEED LINES_A_DAY even|quiet|late|storm
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/ship/meter.h"
#include "agent/ship/shipper.h"
#include "common/clock.h"
#include "common/log.h"
#include "tests/trace/lib_sim.h"

#define DAYS       31
#define DAY_NS     (86400 * LB_NS_PER_S)
#define WALL_MS    1803859200000ull /* 2027-03-01 */
#define ANSWER_NS  (80 * LB_NS_PER_MS)
#define HEAD_BYTES 560u
#define HOURS      (DAYS * 24)

static struct lb_shipper shipper;
static struct {
    bool is_out;
    size_t len;
    uint64_t at_ns;
} out[LB_TRANSPORT_SLOTS];
static uint64_t due_ns, looked_pos, most_wire, random_state;
static uint64_t errors_said[HOURS], errors_sent[HOURS], alerts, spent_by_day[DAYS];

/* ---- a transport that takes all ---- */

static int take(void *self, unsigned slot, const void *body, size_t len, const char *encoding)
{
    (void)self;
    (void)body;
    (void)encoding;
    out[slot].is_out = true;
    out[slot].len = len;
    out[slot].at_ns = sim.loop.now_ns + ANSWER_NS;
    return 0;
}

static bool cancel(void *self, unsigned slot)
{
    (void)self;
    out[slot].is_out = false;
    return true;
}

static void hang_up(void *self)
{
    (void)self;
}

static struct lb_wall_reading read_clocks(void *ctx)
{
    (void)ctx;
    return (struct lb_wall_reading) { sim.loop.now_ns,
                                      WALL_MS * LB_NS_PER_MS + (sim.loop.now_ns - SIM_START_NS), true };
}

static uint64_t spent(void)
{
    return lb_commit_get(&sim.files.state.slow, LB_SLOW_METER,
                         LB_METER_ALL * LB_METER_WORDS + LB_METER_MONTH_BYTES);
}

static void answer(unsigned slot)
{
    struct lb_answer taken = { .status = 202,
                               .wire_bytes = out[slot].len + HEAD_BYTES,
                               .link_bytes = out[slot].len + HEAD_BYTES };

    out[slot].is_out = false;
    sim.loop.now_ns = out[slot].at_ns > sim.loop.now_ns ? out[slot].at_ns : sim.loop.now_ns;
    lb_shipper_answer_at(&shipper, slot, &taken, sim.loop.now_ns);
    most_wire = spent() > most_wire ? spent() : most_wire;
}

/* ---- time ---- */

static uint64_t hour_of(uint64_t boot_ns)
{
    uint64_t hour = (boot_ns - SIM_START_NS) / (3600 * LB_NS_PER_S);

    return hour < HOURS ? hour : HOURS - 1;
}

/* What is new in the queue: errors are counted by the hour in which they were said. */
static void look_at_queue(void)
{
    uint64_t head = lb_ring_head(&sim.files.ring);
    const struct lb_record *record;

    for (; looked_pos < head && (record = lb_ring_at(&sim.files.ring, looked_pos, head));
         looked_pos += record->len) {
        if (record->kind == LB_KIND_LINE && record->severity <= LB_LEVEL_ERROR)
            errors_sent[hour_of(record->boot_ns)]++;
        alerts += record->kind == LB_KIND_ALERT;
    }
}

static void step(void)
{
    due_ns = lb_shipper_step(&shipper, sim.loop.now_ns);
}

static void on_records(void)
{
    uint64_t knocks;

    look_at_queue();
    if (read(sim.doors.to_slow_fd, &knocks, sizeof knocks) > 0)
        step();
}

static unsigned first_out(void)
{
    unsigned first = LB_TRANSPORT_SLOTS;

    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++)
        if (out[i].is_out && (first == LB_TRANSPORT_SLOTS || out[i].at_ns < out[first].at_ns))
            first = i;
    return first;
}

static void pass_until(uint64_t until_ns)
{
    for (;;) {
        unsigned slot = first_out();
        uint64_t answer_ns = slot < LB_TRANSPORT_SLOTS ? out[slot].at_ns : LB_NEVER;
        uint64_t next_ns = answer_ns < due_ns ? answer_ns : due_ns;

        if (next_ns > until_ns)
            break;
        sim_advance(next_ns);
        if (next_ns == answer_ns)
            answer(slot);
        step();
    }
    sim_advance(until_ns);
}

/* ---- what is said ---- */

static uint64_t roll(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

/* A line is front, a number, middle, a number. */
static const struct {
    const char *front, *middle;
} plain[] = {
    { "<6>read sensor ", " in ms: " },      { "<6>GET /item/", " 200 " },
    { "<6>connection from port ", " of " }, { "<7>entries of cache: ", " of " },
    { "<6>checkpoint ", " took ms: " },     { "<5>job ", " is done in s: " },
    { "<4>slow answer: ", " ms of " },      { "<6>upload ", " was tried again: " },
};
#define PLAIN (sizeof plain / sizeof plain[0])

/* How loud it is now: nights are quieter, and some months begin or end loud. */
static double loudness(const char *kind, uint64_t now_ns)
{
    double day = (double)(now_ns - SIM_START_NS) / (double)DAY_NS, hour = 24 * (day - (double)(uint64_t)day);
    double loud = 0.2 + 1.6 * (hour < 12 ? hour : 24 - hour) / 12;

    if (strcmp(kind, "late") == 0)
        return day < 15 ? loud * 0.02 : loud * 2;
    if (strcmp(kind, "quiet") == 0)
        return loud * 0.1;
    return loud;
}

static bool is_storm(const char *kind, uint64_t now_ns)
{
    double day = (double)(now_ns - SIM_START_NS) / (double)DAY_NS;

    return strcmp(kind, "storm") == 0 && day >= 10 && day < 11;
}

static size_t make_line(bool is_error, char *text, size_t size)
{
    unsigned long long a = roll(100000), b = roll(250);
    size_t kind = roll(PLAIN);

    if (is_error)
        return (size_t)snprintf(text, size, "<3>cannot write block %llu: error %llu", a, b % 9);
    if (roll(2000) == 0) /* something that was never said before */
        return (size_t)snprintf(text, size, "<6>a new thing %c%c%c happened", (char)('a' + a % 26),
                                (char)('a' + b % 26), (char)('a' + kind));
    return (size_t)snprintf(text, size, "%s%llu%s%llu", plain[kind].front, a, plain[kind].middle, b);
}

static void say_one(const char *kind)
{
    bool is_error = roll(is_storm(kind, sim.loop.now_ns) ? 2 : 400) == 0;
    char text[200];
    size_t len = make_line(is_error, text, sizeof text);

    if (is_error)
        errors_said[hour_of(sim.loop.now_ns)]++;
    sim_say(roll(3) ? "web" : "poller", text, len);
}

static void live(const char *kind, double lines_a_day)
{
    uint64_t end_ns = SIM_START_NS + DAYS * DAY_NS, now_ns = SIM_START_NS;
    unsigned day = 0;

    while (now_ns < end_ns) {
        double gap_s = 86400 / (lines_a_day * loudness(kind, now_ns)) * ((double)roll(2000) / 1000 + 0.001);

        if (is_storm(kind, now_ns))
            gap_s /= 20;
        now_ns += (uint64_t)(gap_s * (double)LB_NS_PER_S);
        while (day + 1 < DAYS && now_ns >= SIM_START_NS + (day + 1) * DAY_NS) {
            pass_until(SIM_START_NS + (day + 1) * DAY_NS - 1);
            spent_by_day[day++] = spent();
        }
        pass_until(now_ns < end_ns ? now_ns : end_ns - 1);
        if (now_ns < end_ns)
            say_one(kind);
    }
    spent_by_day[DAYS - 1] = spent();
}

static void start_shipper(uint64_t seed)
{
    shipper = (struct lb_shipper) {
        .ring = &sim.files.ring,
        .state = &sim.files.state,
        .link = &sim.doors,
        .config = sim.config,
        .transport = { NULL, take, cancel, hang_up, NULL, false },
        .read_clocks = read_clocks,
        .phase = seed,
    };
    lb_wall_init(&shipper.wall, 0);
    if (lb_shipper_start(&shipper, seed, sim.loop.now_ns) < 0)
        exit(1);
    step();
}

static void print_result(void)
{
    unsigned long long said = 0, sent = 0, starved = 0;

    for (unsigned i = 0; i < HOURS; i++) {
        said += errors_said[i];
        sent += errors_sent[i];
        starved += errors_said[i] > 0 && errors_sent[i] == 0;
    }
    printf("{\"limit\":%llu,\"spent\":%llu,\"errors_said\":%llu,\"errors_sent\":%llu,\"hours_starved\":%llu,"
           "\"alerts\":%llu,\"days\":[",
           (unsigned long long)sim.config->quota.bytes, (unsigned long long)most_wire, said, sent, starved,
           (unsigned long long)alerts);
    for (unsigned i = 0; i < DAYS; i++)
        printf("%s%llu", i ? "," : "", (unsigned long long)(spent_by_day[i] - (i ? spent_by_day[i - 1] : 0)));
    printf("]}\n");
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: month CONFIG SEED LINES_A_DAY even|quiet|late|storm\n");
        return 2;
    }
    lb_log_set_level(LB_LEVEL_EMERGENCY);
    random_state = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15u | 1;
    sim_open(argv[1], on_records);
    start_shipper(random_state);
    live(argv[4], strtod(argv[3], NULL));
    print_result();
    sim_close();
    return fflush(stdout) == 0 ? 0 : 1;
}
