/* SPDX-License-Identifier: MIT */
/*
 * What gives way when something runs short. In: how much was spent and when, how full the queue is; a
 * record's worth. Out: a step of a ladder; whether the record passes. Always true: a record is never held
 * that a record of less worth, in its place, would not be.
 */
#include "agent/shape/squeeze.h"

#include "common/level.h"

/* By step: how far ahead of the pace, as a share of what there is to spend. */
static const double ahead_of_pace[LB_QUOTA_STEP_NOTHING] = { 0, 0.01, 0.02, 0.04, 0.08, 0.20, 0.30 };
/* The pace leads to a little less than all: bodies on their way, and the steps' own width, take the rest. */
#define PACE        0.97
#define LEAST_WIDTH 0.1 /* of the steps, at the end of the window */
/* By step: so much spent of all, whatever the pace. The shipper itself stops at all of it. */
#define ERRORS_AT  0.980
#define SCARCE_AT  0.990
#define NOTHING_AT 0.996

/* An error that comes no more often than this passes at any step but the last: it is no storm. */
#define RARE_NS   600000000000ull
#define RAREST_NS 1800000000000ull /* at the step before nothing */

static const double fills[LB_PRESSURE_STEPS] = { 0, 0.70, 0.85, 0.95 };
#define FILL_SLACK 0.10
/* Per cent of the time in which some process waits for memory. */
static const double stalls[LB_PRESSURE_STEPS] = { 0, 10, 25, 50 };
#define STALL_SLACK 0.6 /* a step is left below this part of what led to it */

static unsigned by_share_of_all(const struct lb_budget *budget)
{
    double share = (double)budget->spent / (double)budget->limit;

    return share >= NOTHING_AT  ? LB_QUOTA_STEP_NOTHING
           : share >= SCARCE_AT ? LB_QUOTA_STEP_SCARCE
           : share >= ERRORS_AT ? LB_QUOTA_STEP_ERRORS
                                : 0;
}

unsigned lb_squeeze_quota_step(const struct lb_budget *budget, unsigned before)
{
    double all = (double)budget->limit * (1 - budget->from);
    double gone = budget->at > budget->from ? (budget->at - budget->from) / (1 - budget->from) : 0;
    double ahead = ((double)budget->spent - PACE * gone * all) / all;
    double width =
        1 - gone > LEAST_WIDTH ? 1 - gone : LEAST_WIDTH; /* what is ahead must be paid back by then */
    unsigned least = by_share_of_all(budget), step = 0;

    for (unsigned i = 1; i < LB_QUOTA_STEP_NOTHING; i++) {
        /* Errors are let through again as soon as there is something for them. */
        double leave = i >= LB_QUOTA_STEP_SCARCE ? 0.95 : 0.5;

        if (ahead >= ahead_of_pace[i] * width * (before >= i ? leave : 1))
            step = i;
    }
    return step > least ? step : least;
}

unsigned lb_squeeze_fill_step(double fill, unsigned before)
{
    unsigned step = 0;

    for (unsigned i = 1; i < LB_PRESSURE_STEPS; i++)
        if (fill >= fills[i] - (before >= i ? FILL_SLACK : 0))
            step = i;
    return step;
}

unsigned lb_squeeze_memory_step(double percent, unsigned before)
{
    unsigned step = 0;

    for (unsigned i = 1; i < LB_PRESSURE_STEPS; i++)
        if (percent >= stalls[i] * (before >= i ? STALL_SLACK : 1))
            step = i;
    return step;
}

static struct lb_squeeze_answer hold(enum lb_drop drop)
{
    return (struct lb_squeeze_answer) { .verdict = LB_SQUEEZE_HOLD, .drop = drop };
}

static struct lb_squeeze_answer share(enum lb_drop drop, uint64_t share)
{
    return (struct lb_squeeze_answer) { .verdict = LB_SQUEEZE_SHARE, .drop = drop, .share = share };
}

static struct lb_squeeze_answer by_pressure(unsigned step, int severity, bool is_kept)
{
    if (is_kept || severity < LB_LEVEL_INFO)
        return (struct lb_squeeze_answer) { 0 };
    if (step >= 3 || (step >= 1 && severity == LB_LEVEL_DEBUG))
        return hold(LB_DROP_PRESSURE);
    return step == 2 ? share(LB_DROP_PRESSURE, LB_SQUEEZE_NEW_ONLY) : (struct lb_squeeze_answer) { 0 };
}

static struct lb_squeeze_answer by_quota(unsigned step, int severity, int floor, bool is_kept, bool is_crash)
{
    static const uint64_t shares[] = { 0, 4, 16, LB_SQUEEZE_NEW_ONLY };
    bool is_error = is_kept || is_crash || severity <= LB_LEVEL_ERROR;
    struct lb_squeeze_answer rare;

    if (step == 0 || (step < LB_QUOTA_STEP_ERRORS && (is_error || severity <= floor)))
        return (struct lb_squeeze_answer) { 0 };
    if (step < LB_QUOTA_STEP_ERRORS)
        return share(LB_DROP_QUOTA, shares[step]);
    if (step >= LB_QUOTA_STEP_NOTHING || !is_error)
        return hold(LB_DROP_QUOTA);
    if (step == LB_QUOTA_STEP_ERRORS || is_crash)
        return (struct lb_squeeze_answer) { 0 };
    rare = share(LB_DROP_QUOTA, step == LB_QUOTA_STEP_SCARCE ? 16 : LB_SQUEEZE_NEW_ONLY);
    rare.quiet_ns = step == LB_QUOTA_STEP_SCARCE ? RARE_NS : RAREST_NS;
    return rare;
}

struct lb_squeeze_answer lb_squeeze_ask(const struct lb_squeeze *squeeze, int severity, int floor,
                                        bool is_kept, bool is_crash)
{
    struct lb_squeeze_answer pressure = by_pressure(squeeze->pressure, severity, is_kept || is_crash),
                             quota = by_quota(squeeze->quota, severity, floor, is_kept, is_crash);

    if (quota.verdict != pressure.verdict)
        return quota.verdict > pressure.verdict ? quota : pressure;
    return quota.share >= pressure.share ? quota : pressure;
}

const char *lb_squeeze_quota_text(unsigned step)
{
    static const char *const texts[LB_QUOTA_STEPS] = {
        "all is sent",
        "of known patterns one record in 4 is sent",
        "of known patterns one record in 16 is sent",
        "new patterns, warnings and errors are sent",
        "errors are sent, without their context",
        "crashes are sent, and of errors new patterns, rare ones, and one in 16",
        "crashes are sent, and of errors new patterns and one in half an hour",
        "nothing is sent",
    };

    return step < LB_QUOTA_STEPS ? texts[step] : "";
}

const char *lb_squeeze_pressure_text(unsigned step)
{
    static const char *const texts[LB_PRESSURE_STEPS] = {
        "all is queued",
        "debug is held",
        "debug and repeats of info are held",
        "debug and info are held",
    };

    return step < LB_PRESSURE_STEPS ? texts[step] : "";
}
