/* SPDX-License-Identifier: MIT */
/*
 * What many devices do to one intake: `make fleet` prints it, `make check` holds us to it.
 *
 *   fleet [-n DEVICES] [-s SEED] [-l LINES/S] [-w WAIT_S] [-m RETRY_MIN_S] [-r RETRY_MAX_S]
 *         [-c CAPACITY] [-a RETRY_AFTER_S] [-o OUTAGE_S] [-R RING_LINES] [check | sweep]
 *
 * CAPACITY is a multiple of what the fleet needs in its steady state. Without a word every scenario runs as
 * it is and once more without jitter, and a table is printed; check prints it too and ends with 1 when a
 * claim does not hold; sweep prints the outage for several waits and longest pauses. The time is virtual, and
 * the same arguments print the same figures.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fleet/fleet.h"

#define MINUTE_NS    (60 * FLEET_S)
#define STEADY_NS    (5 * MINUTE_NS) /* the fleet has found its beat */
#define OUTAGE_AT_NS (10 * MINUTE_NS)
#define LAST_NS      (240 * MINUTE_NS) /* after the mark, nobody looks any longer */
#define PEAK_MAX     3.0               /* the promise: no more than so many times the steady state */
#define LINKS_MAX    4.5 /* all ask within seconds, and the intake takes a second's worth at once */
#define CRON_MAX     3.5 /* all ship in the second half of the wait, and what is refused comes again */
#define WORSE_LEAST  1.5 /* the peak without jitter is higher by this at least */

struct options {
    double devices, seed, lines_per_s, wait_s, retry_min_s, retry_max_s, capacity, retry_after_s, outage_s,
        ring_lines;
    const char *word;
};

/* ---- scenarios ---- */

/*
 * What an intake has to be built for, in requests per second: one body a wait from every device. A fleet that
 * logs seldom needs less, but all of it may log in the same wait.
 */
static double need_per_s(const struct fleet_plan *plan)
{
    return (double)plan->devices * (double)FLEET_S / (double)plan->wait_ns;
}

/* A fleet in the middle of its life: it was started one by one, logs all the time, and nothing goes wrong. */
static struct fleet_plan everyday(const struct options *options)
{
    struct fleet_plan plan = {
        .devices = (unsigned)options->devices,
        .seed = (uint64_t)options->seed,
        .burst_lines = 1,
        .interval_ns = (uint64_t)((double)FLEET_S / options->lines_per_s),
        .start_within_ns = 3 * MINUTE_NS,
        .wait_ns = (uint64_t)(options->wait_s * (double)FLEET_S),
        .retry_min_ms = (uint64_t)(options->retry_min_s * 1000),
        .retry_max_ms = (uint64_t)(options->retry_max_s * 1000),
        .timeout_ns = 30 * FLEET_S,
        .clock_wait_ns = 60 * FLEET_S,
        .body_lines = 1000,
        .ring_lines = (uint64_t)options->ring_lines,
        .steady_from_ns = STEADY_NS,
        .steady_to_ns = OUTAGE_AT_NS,
    };

    plan.log_within_ns = plan.interval_ns;
    plan.capacity_per_s = options->capacity * need_per_s(&plan);
    return plan;
}

static void end_after(struct fleet_plan *plan, uint64_t mark_ns)
{
    plan->mark_ns = mark_ns;
    plan->least_end_ns = mark_ns + OUTAGE_AT_NS;
    plan->last_end_ns = mark_ns + LAST_NS;
}

static struct fleet_plan outage(const struct options *options)
{
    struct fleet_plan plan = everyday(options);

    plan.outage_ns = OUTAGE_AT_NS;
    plan.up_ns = OUTAGE_AT_NS + (uint64_t)(options->outage_s * (double)FLEET_S);
    end_after(&plan, plan.up_ns);
    return plan;
}

static struct fleet_plan outage_that_hangs(const struct options *options)
{
    struct fleet_plan plan = outage(options);

    plan.outage = FLEET_HANGS;
    return plan;
}

static struct fleet_plan outage_with_429(const struct options *options)
{
    struct fleet_plan plan = outage(options);

    plan.outage = FLEET_PUTS_OFF;
    plan.retry_after_ms = (uint64_t)(options->retry_after_s * 1000);
    return plan;
}

static struct fleet_plan links_return(const struct options *options)
{
    struct fleet_plan plan = outage(options);

    plan.links_return = true;
    return plan;
}

static struct fleet_plan links_return_in_a_minute(const struct options *options)
{
    struct fleet_plan plan = links_return(options);

    plan.link_within_ns = MINUTE_NS;
    return plan;
}

static struct fleet_plan power_returns(const struct options *options)
{
    struct fleet_plan plan = everyday(options);

    plan.start_within_ns = 0;
    end_after(&plan, 0);
    return plan;
}

static struct fleet_plan power_returns_no_clock(const struct options *options)
{
    struct fleet_plan plan = power_returns(options);

    plan.clock_known_ns = LAST_NS;
    return plan;
}

static struct fleet_plan cron(const struct options *options)
{
    struct fleet_plan plan = everyday(options);

    plan.burst_lines = (uint64_t)(60 * options->lines_per_s + 0.5);
    plan.interval_ns = MINUTE_NS;
    plan.log_within_ns = FLEET_S;
    end_after(&plan, OUTAGE_AT_NS);
    return plan;
}

static const struct scenario {
    const char *name;
    struct fleet_plan (*plan)(const struct options *options);
    double peak_max;     /* the fullest second, in times the need */
    bool is_worse_plain; /* without jitter it is clearly worse, or the scenario tests nothing */
} scenarios[] = {
    { "outage, refused", outage, PEAK_MAX, true },
    { "outage, hangs", outage_that_hangs, PEAK_MAX, true },
    { "outage, 429 and a time", outage_with_429, PEAK_MAX, true },
    { "links return at once", links_return, LINKS_MAX, true },
    { "links return in 1 min", links_return_in_a_minute, PEAK_MAX, false },
    { "power returns", power_returns, PEAK_MAX, true },
    { "power returns, no clock", power_returns_no_clock, PEAK_MAX, true },
    { "cron, once a minute", cron, CRON_MAX, true },
};
#define SCENARIOS (sizeof scenarios / sizeof scenarios[0])

/* ---- tables ---- */

static void print_head(const char *first)
{
    printf("%-26s %-9s %8s %8s %8s %9s %9s %8s %8s %9s %9s\n", first, "", "steady/s", "peak 1s", "peak 10s",
           "storm 1s", "refused", "half", "all", "lost", "left");
}

static void print_time(uint64_t took_ns)
{
    if (took_ns == FLEET_NEVER)
        printf(" %8s", "never");
    else
        printf(" %6.0f s", (double)took_ns / (double)FLEET_S);
}

static void print_row(const char *name, const struct fleet_plan *plan, const struct fleet_result *result)
{
    double need = need_per_s(plan);

    printf("%-26s %-9s %8.1f %7.2fx %7.2fx %8.2fx %9llu", name, plan->is_plain ? "no jitter" : "as it is",
           result->steady_per_s, result->peak_1s / need, result->peak_10s / need, result->storm_1s / need,
           (unsigned long long)result->refused);
    print_time(result->half_ns);
    print_time(result->all_ns);
    printf(" %9llu %9llu\n", (unsigned long long)result->lost_lines, (unsigned long long)result->left_lines);
}

static void run_or_exit(const struct fleet_plan *plan, struct fleet_result *ret_result)
{
    int rc = fleet_run(plan, ret_result);

    if (rc == 0)
        return;
    fprintf(stderr, "fleet: %s\n", strerror(-rc));
    exit(1);
}

/* ---- claims ---- */

/* Tells a claim and whether it holds; returns how many do not. */
static unsigned claim(bool holds, const char *name, const char *text)
{
    printf("%s: %s: %s\n", holds ? "held" : "FAILED", name, text);
    return !holds;
}

static unsigned check_scenario(const struct scenario *scenario, const struct fleet_plan *plan,
                               const struct fleet_result *real, const struct fleet_result *plain)
{
    double need = need_per_s(plan);
    unsigned bad = 0;

    bad += claim(real->peak_1s <= scenario->peak_max * need, scenario->name, "the peak is below its ceiling");
    bad += claim(real->all_ns != FLEET_NEVER && real->lost_lines == 0, scenario->name,
                 "all is delivered in the end");
    if (!scenario->is_worse_plain)
        return bad;
    bad += claim(plain->peak_1s >= WORSE_LEAST * real->peak_1s, scenario->name,
                 "without jitter the peak is higher by half");
    bad += claim(plain->refused > 2 * real->refused, scenario->name,
                 "without jitter more than twice as much is refused");
    bad += claim(real->all_ns < plain->all_ns / 2, scenario->name,
                 "without jitter clearing takes more than twice as long");
    return bad;
}

/* ---- what is asked ---- */

/* Every scenario, as it is and without jitter; with claims returns how many of them do not hold. */
static unsigned run_scenarios(const struct options *options, bool has_claims)
{
    unsigned bad = 0;

    print_head("");
    for (size_t i = 0; i < SCENARIOS; i++) {
        struct fleet_plan plan = scenarios[i].plan(options);
        struct fleet_result real, plain;

        run_or_exit(&plan, &real);
        print_row(scenarios[i].name, &plan, &real);
        plan.is_plain = true;
        run_or_exit(&plan, &plain);
        print_row(scenarios[i].name, &plan, &plain);
        if (has_claims)
            bad += check_scenario(&scenarios[i], &plan, &real, &plain);
    }
    return bad;
}

/* The outage for several settings. */
static void run_sweep(const struct options *options)
{
    static const double waits_s[] = { 5, 15, 60 }, longest_s[] = { 60, 300, 900 };

    print_head("wait, retry_max");
    for (size_t w = 0; w < sizeof waits_s / sizeof waits_s[0]; w++)
        for (size_t r = 0; r < sizeof longest_s / sizeof longest_s[0]; r++) {
            struct options now = *options;
            struct fleet_plan plan;
            struct fleet_result result;
            char name[32];

            now.wait_s = waits_s[w];
            now.retry_max_s = longest_s[r];
            plan = outage(&now);
            snprintf(name, sizeof name, "%.0f s, %.0f min", waits_s[w], longest_s[r] / 60);
            for (int is_plain = 0; is_plain < 2; is_plain++) {
                plan.is_plain = is_plain;
                run_or_exit(&plan, &result);
                print_row(name, &plan, &result);
            }
        }
}

/* ---- the command line ---- */

static _Noreturn void misused(const char *what)
{
    fprintf(stderr, "fleet: %s: see the top of tests/fleet/fleet.c\n", what);
    exit(2);
}

static double number(const char *text, double least, double most)
{
    char *end;
    double value;

    errno = 0;
    value = strtod(text, &end);
    if (errno || end == text || *end || !(value >= least && value <= most))
        misused(text);
    return value;
}

static struct options read_options(int argc, char **argv)
{
    struct options options = { .devices = 10000,
                               .seed = 1,
                               .lines_per_s = 2,
                               .wait_s = 15,
                               .retry_min_s = 1,
                               .retry_max_s = 300,
                               .capacity = 1.5,
                               .retry_after_s = 60,
                               .outage_s = 3600,
                               .ring_lines = 16384,
                               .word = "" };
    struct {
        char option;
        double *value, least, most;
    } all[] = {
        { 'n', &options.devices, 10, 1e6 },       { 's', &options.seed, 0, 1e15 },
        { 'l', &options.lines_per_s, 0.1, 1e3 },  { 'w', &options.wait_s, 1, 240 },
        { 'm', &options.retry_min_s, 0.1, 60 },   { 'r', &options.retry_max_s, 60, 3600 },
        { 'c', &options.capacity, 0.1, 1000 },    { 'o', &options.outage_s, 60, 86400 },
        { 'a', &options.retry_after_s, 1, 3600 }, { 'R', &options.ring_lines, 1024, 1e8 },
    };
    int option;

    while ((option = getopt(argc, argv, "n:s:l:w:m:r:c:a:o:R:")) != -1) {
        size_t i = 0;

        while (i < sizeof all / sizeof all[0] && all[i].option != option)
            i++;
        if (i == sizeof all / sizeof all[0])
            misused("no such option");
        *all[i].value = number(optarg, all[i].least, all[i].most);
    }
    if (argc - optind > 1)
        misused(argv[optind + 1]);
    if (argc > optind)
        options.word = argv[optind];
    return options;
}

int main(int argc, char **argv)
{
    struct options options = read_options(argc, argv);
    bool has_claims = strcmp(options.word, "check") == 0;

    if (strcmp(options.word, "sweep") == 0) {
        run_sweep(&options);
        return 0;
    }
    if (options.word[0] && !has_claims)
        misused(options.word);
    printf("%.0f devices, intake for %.1f times their need; peak, storm: times the need\n", options.devices,
           options.capacity);
    return run_scenarios(&options, has_claims) ? 1 : 0;
}
