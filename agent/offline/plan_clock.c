/* SPDX-License-Identifier: MIT */
/*
 * When records happened. In: the stamps of a log's records, in their order. Out: a time for each. Always
 * true: what is given out never goes back.
 *
 *     stamp ─▶ its place on the clock ─┬▶ at most a minute ahead ─▶ the clock goes there
 *              (kind, year, day)       ├▶ further ahead ─▶ waits: eight that agree, or the log's end
 *                                      └▶ behind ─▶ now; many of them in a row ─▶ the clock goes on from
 * there
 *
 * Where a log goes back for good (another one was appended, a clock was set back) time goes on from now, and
 * shift_ms is what the clock is ahead of the log since. Each stamp has two places then; the nearer one
 * counts, so the log's own time is back as soon as the log is.
 */
#include "agent/offline/plan_clock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS  60000ll
#define QUARTER_MS (15 * MINUTE_MS)
#define HOUR_MS    (60 * MINUTE_MS)
#define DAY_MS     ((int64_t)LB_LINE_TIME_DAY_MS)
#define WEEK_MS    (7 * DAY_MS)
#define YEAR_MS    ((int64_t)LB_LINE_TIME_YEAR_MS)
#define ZONE_MS    (15 * HOUR_MS) /* no two zones are further apart that one log may have */

#define NEAR_MS       MINUTE_MS
#define CONSOLE_MS    5000
#define AGREE         8    /* stamps that lead far ahead, before they are followed */
#define BACK_NEAR     64   /* stamps in a row behind the clock: less may be a buffer that was late */
#define BACK_FAR      8    /* the same more than an hour behind */
#define UNTIMED       1024 /* records in a row without a stamp: what comes after them comes at the rate */
#define EARLIEST_MS   946684800000ll  /* 2000 */
#define LATEST_MS     4102444800000ll /* 2100 */
#define FIRST_1980_MS 315532800000ll

/* ---- what a stamp may be ---- */

/* Nobody has set a clock that is still in the year it begins with: it tells what passed, as the kernel does.
 */
static struct lb_line_time believable(struct lb_line_time said)
{
    static const int64_t begin_ms[] = { 0, FIRST_1980_MS, EARLIEST_MS };
    int64_t ms = (int64_t)said.ms;

    if (said.kind != LB_LINE_TIME_ZONED && said.kind != LB_LINE_TIME_LOCAL)
        return said;
    for (size_t i = 0; i < sizeof begin_ms / sizeof begin_ms[0]; i++)
        if (ms >= begin_ms[i] && ms < begin_ms[i] + YEAR_MS)
            return (struct lb_line_time) { LB_LINE_TIME_OF_BOOT, (uint64_t)(ms - begin_ms[i]) };
    if (ms < EARLIEST_MS || ms > LATEST_MS)
        said.kind = LB_LINE_TIME_NONE;
    return said;
}

static bool has_date(struct lb_line_time said)
{
    return said.kind == LB_LINE_TIME_ZONED || said.kind == LB_LINE_TIME_LOCAL ||
           said.kind == LB_LINE_TIME_YEARLESS;
}

static int64_t near(struct lb_line_time said, int64_t about_ms)
{
    return (int64_t)lb_line_time_near(said, about_ms > 0 ? (uint64_t)about_ms : 0);
}

/* ---- records that wait ---- */

static struct lb_plan_clock_wait *push(struct lb_plan_clock *clock, struct lb_line_time said)
{
    struct lb_plan_clock_wait *wait = &clock->wait[clock->waits++];

    *wait = (struct lb_plan_clock_wait) { .said = said };
    return wait;
}

/* The first ones, as many as that, happened now at the latest. */
static void know(struct lb_plan_clock *clock, unsigned count)
{
    for (; clock->known < count; clock->known++) {
        clock->wait[clock->known].ms = clock->now_ms;
        clock->wait[clock->known].is_ahead = false;
    }
}

/* Nothing ahead is believed: all that wait happened now. */
static void doubt_all(struct lb_plan_clock *clock)
{
    clock->aheads = 0;
    know(clock, clock->waits);
}

bool lb_plan_clock_take(struct lb_plan_clock *clock, uint64_t *ret_ms)
{
    if (clock->known == 0)
        return false;
    *ret_ms = (uint64_t)clock->wait[0].ms;
    clock->known--;
    clock->waits--;
    memmove(clock->wait, clock->wait + 1, clock->waits * sizeof *clock->wait);
    return true;
}

/* ---- a stamp's place on the clock ---- */

/* How far stamps of a kind are from the clock, when the first one comes: whole quarters, less is time passed.
 */
static void align(struct lb_plan_clock *clock, struct lb_line_time said, int64_t raw_ms)
{
    int64_t ahead_ms = clock->now_ms - clock->shift_ms - raw_ms;

    if (said.kind == LB_LINE_TIME_OF_BOOT) {
        clock->offset_ms[said.kind] = ahead_ms;
    } else if (llabs(ahead_ms) < ZONE_MS) {
        int64_t quarters = (ahead_ms + ZONE_MS + QUARTER_MS / 2) / QUARTER_MS;

        clock->offset_ms[said.kind] = quarters * QUARTER_MS - ZONE_MS;
    } else {
        return; /* another day: nothing is learnt of its zone */
    }
    clock->is_known[said.kind] = true;
}

/* What a stamp without a year or a date is about: the last one of its kind that waits, or now. */
static int64_t about(const struct lb_plan_clock *clock, enum lb_line_time_kind kind)
{
    for (unsigned i = clock->waits; clock->aheads > 0 && i > clock->known; i--)
        if (clock->wait[i - 1].is_ahead && clock->wait[i - 1].said.kind == kind)
            return clock->wait[i - 1].ms;
    return clock->now_ms;
}

/* A machine's seconds begin anew. A console is in disorder for less than that. */
static bool has_started_again(const struct lb_plan_clock *clock, int64_t raw_ms, int64_t ms)
{
    return ms < clock->now_ms - (raw_ms < MINUTE_MS ? CONSOLE_MS : NEAR_MS);
}

static int64_t place(struct lb_plan_clock *clock, struct lb_line_time said, bool *ret_is_own)
{
    int64_t offset_ms = clock->offset_ms[said.kind], about_ms = about(clock, said.kind), raw_ms, own_ms,
            shifted_ms;

    raw_ms = near(said, about_ms - offset_ms - clock->shift_ms);
    if (!clock->is_known[said.kind])
        align(clock, said, raw_ms);
    offset_ms = clock->offset_ms[said.kind];
    shifted_ms = raw_ms + offset_ms + clock->shift_ms;
    *ret_is_own = false;
    if (said.kind == LB_LINE_TIME_OF_BOOT && has_started_again(clock, raw_ms, shifted_ms)) {
        align(clock, said, raw_ms);
        return clock->now_ms;
    }
    if (clock->shift_ms == 0 || said.kind == LB_LINE_TIME_OF_BOOT)
        return shifted_ms;
    own_ms = near(said, about_ms - offset_ms) + offset_ms;
    *ret_is_own = llabs(own_ms - clock->now_ms) < llabs(shifted_ms - clock->now_ms);
    return *ret_is_own ? own_ms : shifted_ms;
}

/* The log's own time is back. */
static void unshift(struct lb_plan_clock *clock)
{
    for (unsigned i = clock->known; i < clock->waits; i++)
        if (clock->wait[i].is_ahead && !clock->wait[i].is_own)
            clock->wait[i].ms -= clock->shift_ms;
    clock->offset_ms[LB_LINE_TIME_OF_BOOT] += clock->shift_ms; /* it has no date that could be back */
    clock->shift_ms = 0;
}

/* ---- ahead, behind ---- */

static void go_to(struct lb_plan_clock *clock, int64_t ms, bool is_own)
{
    if (ms > clock->now_ms)
        clock->now_ms = ms;
    if (is_own && clock->shift_ms != 0)
        unshift(clock);
    clock->back.count = 0;
    clock->timed++;
}

/* Follow those ahead that enough others agree with. is_last: nothing more comes, so what comes is enough. */
static void settle(struct lb_plan_clock *clock, bool is_last)
{
    unsigned i = clock->known;

    while (clock->aheads > 0) {
        struct lb_plan_clock_wait *wait;
        int64_t ahead_ms;
        bool is_believed;

        while (!clock->wait[i].is_ahead)
            i++;
        wait = &clock->wait[i];
        ahead_ms = wait->ms - clock->now_ms;
        is_believed = ahead_ms <= NEAR_MS || clock->aheads >= AGREE ||
                      (is_last && (clock->aheads > 1 || ahead_ms <= WEEK_MS));
        if (!is_believed && !is_last)
            break;
        clock->aheads--;
        wait->is_ahead = false;
        if (is_believed) {
            know(clock, i);
            go_to(clock, wait->ms, wait->is_own);
            know(clock, i + 1);
        }
    }
    if (clock->aheads == 0)
        know(clock, clock->waits);
}

/* A stamp far ahead: those that lie further ahead yet, and came before it, were no times of this log. */
static void ahead(struct lb_plan_clock *clock, struct lb_line_time said, int64_t ms, bool is_own)
{
    struct lb_plan_clock_wait *wait;

    for (unsigned i = clock->known; i < clock->waits; i++)
        if (clock->wait[i].is_ahead && clock->wait[i].ms > ms + NEAR_MS) {
            clock->wait[i].is_ahead = false;
            clock->aheads--;
        }
    wait = push(clock, said);
    wait->ms = ms;
    wait->is_ahead = true;
    wait->is_own = is_own;
    clock->aheads++;
    settle(clock, false);
}

/* Does the log go on back there? */
static bool goes_back(struct lb_plan_clock *clock, int64_t ms)
{
    bool is_far = ms < clock->now_ms - HOUR_MS;

    if (clock->back.count == 0 || ms < clock->back.last_ms - NEAR_MS || ms > clock->back.last_ms + WEEK_MS) {
        clock->back.count = 0;
        clock->back.first_ms = clock->back.last_ms = ms;
    }
    if (ms > clock->back.last_ms)
        clock->back.last_ms = ms;
    clock->back.count++;
    if (!is_far)
        clock->timed++;
    if (clock->back.count < (is_far ? BACK_FAR : BACK_NEAR))
        return false;
    if (is_far)
        clock->timed += clock->back.count;
    return true;
}

static void behind(struct lb_plan_clock *clock, struct lb_line_time said, int64_t ms, bool is_own)
{
    if (goes_back(clock, ms)) {
        settle(clock, true);                                         /* what came before it is over */
        clock->now_ms += clock->back.last_ms - clock->back.first_ms; /* while it was not clear yet */
        clock->shift_ms = (is_own ? 0 : clock->shift_ms) + clock->now_ms - clock->back.last_ms;
        clock->back.count = 0;
    }
    push(clock, said);
    if (clock->aheads == 0)
        know(clock, clock->waits);
}

/* ---- records ---- */

static void pass_gap(struct lb_plan_clock *clock)
{
    int64_t whole_ms;

    clock->gap_rest += clock->gap_ms;
    whole_ms = (int64_t)clock->gap_rest;
    clock->now_ms += whole_ms;
    clock->gap_rest -= (double)whole_ms;
}

static void without_stamp(struct lb_plan_clock *clock)
{
    clock->untimed++;
    if (clock->aheads == 0 && (clock->is_timeless || clock->untimed > UNTIMED))
        pass_gap(clock);
    push(clock, (struct lb_line_time) { LB_LINE_TIME_NONE, 0 });
    if (clock->aheads == 0)
        know(clock, clock->waits);
}

static void judge(struct lb_plan_clock *clock, struct lb_line_time said)
{
    int64_t ms;
    bool is_own;

    if (!said.kind) {
        without_stamp(clock);
        return;
    }
    clock->untimed = 0;
    if (clock->is_timeless) { /* the first stamp, and it comes late: time goes on from now */
        clock->is_timeless = false;
        clock->is_known[said.kind] = true;
        clock->shift_ms = clock->now_ms - near(said, clock->now_ms);
    }
    ms = place(clock, said, &is_own);
    if (ms > clock->now_ms + NEAR_MS) {
        ahead(clock, said, ms, is_own);
        return;
    }
    if (clock->aheads > 0 && ms >= clock->now_ms - NEAR_MS)
        doubt_all(clock); /* the log has not left yet */
    if (ms < clock->now_ms) {
        behind(clock, said, ms, is_own);
        return;
    }
    push(clock, said);
    go_to(clock, ms, is_own);
    know(clock, clock->waits);
}

/* ---- the begin of a log ---- */

/* A stamp of the log's first records; without a year or a date it is the last one that has passed. */
static int64_t first_place(const struct lb_plan_clock *clock, struct lb_line_time said)
{
    if (said.kind == LB_LINE_TIME_YEARLESS)
        return near(said, clock->start_ms + DAY_MS - YEAR_MS * 3 / 4);
    if (said.kind == LB_LINE_TIME_OF_DAY)
        return near(said, clock->start_ms - DAY_MS * 3 / 4);
    return said.kind == LB_LINE_TIME_OF_BOOT ? clock->start_ms : near(said, clock->start_ms);
}

/* Is it the time of this log, if a later record says that? */
static bool agrees(const struct lb_plan_clock *clock, struct lb_line_time first, struct lb_line_time later)
{
    int64_t first_ms = first_place(clock, first), later_ms = first_place(clock, later), back_ms = HOUR_MS;

    if (first.kind == later.kind)
        later_ms = near(later, first_ms);
    else
        back_ms = ZONE_MS;
    return later_ms >= first_ms - back_ms && later_ms <= first_ms + WEEK_MS;
}

/* The log begins with the index-th of the records that wait: those before it happened no later, and those
 * behind it are judged. */
static void begin_with(struct lb_plan_clock *clock, unsigned index)
{
    struct lb_line_time first = clock->wait[index].said, rest[LB_PLAN_CLOCK_WAITS];
    unsigned count = clock->waits - index - 1;

    for (unsigned i = 0; i < count; i++)
        rest[i] = clock->wait[index + 1 + i].said;
    clock->has_begun = true;
    clock->now_ms = first_place(clock, first);
    clock->is_known[first.kind] = true;
    if (first.kind == LB_LINE_TIME_OF_BOOT)
        clock->offset_ms[first.kind] = clock->now_ms - (int64_t)first.ms;
    clock->timed = 1;
    clock->waits = index + 1;
    know(clock, clock->waits);
    for (unsigned i = 0; i < count; i++)
        judge(clock, rest[i]);
}

static void begin_without_stamps(struct lb_plan_clock *clock)
{
    clock->has_begun = clock->is_timeless = true;
    clock->now_ms = clock->start_ms;
    for (unsigned i = 1; i <= clock->waits; i++) {
        know(clock, i);
        if (i < clock->waits)
            pass_gap(clock);
    }
}

/* The first stamp of a kind, or none: LB_PLAN_CLOCK_WAITS. */
static unsigned find_first(const struct lb_plan_clock *clock, bool with_date)
{
    for (unsigned i = 0; i < clock->waits; i++)
        if (clock->wait[i].said.kind && (!with_date || has_date(clock->wait[i].said)))
            return i;
    return LB_PLAN_CLOCK_WAITS;
}

static void begin(struct lb_plan_clock *clock)
{
    unsigned first = find_first(clock, true);

    if (first == LB_PLAN_CLOCK_WAITS)
        first = find_first(clock, false);
    if (first < LB_PLAN_CLOCK_WAITS)
        begin_with(clock, first);
    else
        begin_without_stamps(clock);
}

/* With the first stamp that a later one agrees with, so that a date in some message is not taken for now. */
static void await_begin(struct lb_plan_clock *clock, struct lb_line_time said)
{
    unsigned dates = 0;

    push(clock, said);
    for (unsigned i = 0; has_date(said) && i + 1 < clock->waits; i++) {
        if (!has_date(clock->wait[i].said))
            continue;
        if (agrees(clock, clock->wait[i].said, said)) {
            begin_with(clock, i);
            return;
        }
        dates++;
    }
    if (dates + 1 >= AGREE)
        begin(clock);
}

void lb_plan_clock_begin(struct lb_plan_clock *clock, uint64_t wall_ms, double gap_ms)
{
    *clock = (struct lb_plan_clock) { .start_ms = (int64_t)wall_ms, .gap_ms = gap_ms };
}

void lb_plan_clock_add(struct lb_plan_clock *clock, struct lb_line_time said)
{
    assert(clock->known == 0 && clock->waits < LB_PLAN_CLOCK_WAITS);
    if (clock->has_begun)
        judge(clock, believable(said));
    else
        await_begin(clock, believable(said));
    if (clock->waits == LB_PLAN_CLOCK_WAITS && clock->known == 0)
        lb_plan_clock_decide(clock);
}

void lb_plan_clock_decide(struct lb_plan_clock *clock)
{
    if (!clock->has_begun && clock->waits > 0)
        begin(clock);
    settle(clock, true);
}

uint64_t lb_plan_clock_timed(const struct lb_plan_clock *clock)
{
    return clock->timed;
}
