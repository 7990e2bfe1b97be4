/* SPDX-License-Identifier: MIT */
/*
 * What time it is. A board is switched on with a clock that is right, stale, or at 1970; somebody
 * synchronises it, a server tells its time, a hand sets it, the board sleeps. All times here are given as
 * they truly are: the board was switched on at SWITCHED_ON, `boot` counts from there, and a system's clock is
 * "ahead" by so many seconds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/ship/wall.h"
#include "common/clock.h"

#define SECOND      LB_NS_PER_S
#define MINUTE      (60 * SECOND)
#define HOUR        (3600 * SECOND)
#define SWITCHED_ON (1790000000 * SECOND) /* September 2026 */
#define MADE        (1780000000 * SECOND) /* the program, four months before */
#define FREE        false                 /* nobody disciplines the clock */
#define SYNCED      true

static struct lb_wall wall_of(uint64_t earliest_wall_ns)
{
    struct lb_wall wall;

    lb_wall_init(&wall, earliest_wall_ns);
    return wall;
}

static bool look(struct lb_wall *wall, uint64_t boot_ns, int64_t ahead_ns, bool is_synced)
{
    struct lb_wall_reading reading = { .boot_ns = boot_ns,
                                       .wall_ns = SWITCHED_ON + boot_ns + (uint64_t)ahead_ns,
                                       .is_synced = is_synced };

    return lb_wall_look(wall, &reading);
}

/* A server that knows the time tells it; the answer took travel_ns, half of it on the way back. */
static bool date(struct lb_wall *wall, uint64_t boot_ns, uint64_t travel_ns)
{
    return lb_wall_date(wall, (SWITCHED_ON + boot_ns - travel_ns / 2) / SECOND, boot_ns - travel_ns, boot_ns);
}

/* How far what we hold to be the time is ahead of the truth. */
static int64_t ahead_ns(const struct lb_wall *wall)
{
    return (int64_t)(lb_wall_offset_ns(wall) - SWITCHED_ON);
}

static void assert_near(int64_t value, int64_t wanted, int64_t within)
{
    if (value < wanted - within || value > wanted + within)
        fail_msg("%lld is not within %lld of %lld", (long long)value, (long long)within, (long long)wanted);
}

/* ---- never synchronised ---- */

static void without_any_word_the_system_s_clock_counts_and_is_called_unknown(void **state)
{
    struct lb_wall wall = wall_of(MADE);

    (void)state;
    assert_int_equal(lb_wall_offset_ns(&wall), 0);
    assert_int_equal(lb_wall_trust(&wall, 0), LB_CLOCK_UNKNOWN);
    assert_true(look(&wall, 10 * SECOND, -HOUR, FREE)); /* the first look */
    assert_int_equal(ahead_ns(&wall), -(int64_t)HOUR);
    assert_int_equal(lb_wall_trust(&wall, 5 * SECOND), LB_CLOCK_UNKNOWN);
    assert_int_equal(lb_wall_trust(&wall, 15 * SECOND), LB_CLOCK_UNKNOWN);
    assert_false(look(&wall, 20 * SECOND, -HOUR, FREE));
}

static void before_anybody_vouched_for_it_every_step_is_followed_and_told(void **state)
{
    static const int64_t steps[] = { HOUR, -HOUR, 0, -2 * (int64_t)SECOND, SECOND };
    struct lb_wall wall = wall_of(MADE);

    (void)state;
    look(&wall, SECOND, 0, FREE);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_true(look(&wall, (2 + i) * SECOND, steps[i], FREE));
        assert_int_equal(ahead_ns(&wall), steps[i]);
        assert_int_equal(lb_wall_trust(&wall, 0), LB_CLOCK_UNKNOWN);
    }
}

static void a_change_of_a_second_is_a_slew_and_more_is_a_step(void **state)
{
    struct lb_wall wall = wall_of(MADE);

    (void)state;
    look(&wall, SECOND, 0, FREE);
    assert_false(look(&wall, 2 * SECOND, LB_WALL_STEP_NS, FREE));
    assert_int_equal(ahead_ns(&wall), LB_WALL_STEP_NS); /* not told, but followed */
    assert_false(look(&wall, 3 * SECOND, 0, FREE));
    assert_true(look(&wall, 4 * SECOND, LB_WALL_STEP_NS + 1, FREE));
    assert_true(look(&wall, 5 * SECOND, 0, FREE));
}

/* ---- synchronised ---- */

static void who_is_synchronised_at_the_first_look_was_so_before(void **state)
{
    struct lb_wall wall = wall_of(MADE);

    (void)state;
    assert_true(look(&wall, HOUR, 0, SYNCED));
    assert_int_equal(ahead_ns(&wall), 0);
    assert_int_equal(lb_wall_trust(&wall, 0), LB_CLOCK_EXACT);
    assert_int_equal(lb_wall_trust(&wall, 2 * HOUR), LB_CLOCK_EXACT);
    assert_false(look(&wall, 2 * HOUR, 0, SYNCED));
    wall = wall_of(MADE);
    look(&wall, SECOND, 0, FREE);
    assert_true(look(&wall, 2 * SECOND, 0, SYNCED)); /* later, and without a step: told too */
}

/* fake-hwclock gives back the hour of the last shutdown: nothing tells that it is stale. */
static void a_stale_clock_that_is_synchronised_later_repairs_what_was_stamped_before(void **state)
{
    struct lb_wall wall = wall_of(MADE);

    (void)state;
    look(&wall, 5 * SECOND, -9 * (int64_t)HOUR, FREE);
    assert_true(lb_wall_is_plausible(&wall, 5 * SECOND));
    assert_int_equal(lb_wall_trust(&wall, 5 * SECOND), LB_CLOCK_UNKNOWN);
    assert_true(look(&wall, 40 * SECOND, 0, SYNCED));
    assert_int_equal(ahead_ns(&wall), 0);
    assert_int_equal(lb_wall_trust(&wall, 5 * SECOND), LB_CLOCK_REPAIRED);
    assert_int_equal(lb_wall_trust(&wall, 40 * SECOND - 1), LB_CLOCK_REPAIRED);
    assert_int_equal(lb_wall_trust(&wall, 40 * SECOND), LB_CLOCK_EXACT);
    assert_false(look(&wall, 50 * SECOND, 0, SYNCED));
    assert_int_equal(lb_wall_trust(&wall, 39 * SECOND), LB_CLOCK_REPAIRED);
}

static void a_step_while_the_kernel_calls_it_synchronised_is_followed(void **state)
{
    struct lb_wall wall = wall_of(MADE);

    (void)state;
    look(&wall, SECOND, 0, SYNCED);
    assert_true(look(&wall, 2 * SECOND, 3 * (int64_t)HOUR, SYNCED));
    assert_int_equal(ahead_ns(&wall), 3 * HOUR);
    assert_true(look(&wall, 3 * SECOND, -3 * (int64_t)HOUR, SYNCED));
    assert_int_equal(ahead_ns(&wall), -3 * (int64_t)HOUR);
    assert_int_equal(lb_wall_trust(&wall, 2 * SECOND), LB_CLOCK_EXACT);
}

static void when_synchronisation_is_lost_nothing_changes(void **state)
{
    struct lb_wall wall = wall_of(MADE);

    (void)state;
    look(&wall, SECOND, 0, SYNCED);
    assert_false(look(&wall, HOUR, 0, FREE));
    assert_false(wall.is_synced);
    assert_int_equal(ahead_ns(&wall), 0);
    assert_int_equal(lb_wall_trust(&wall, HOUR), LB_CLOCK_EXACT);
    assert_false(look(&wall, 2 * HOUR, 0, SYNCED));
    assert_true(wall.is_synced);
}

static void a_hand_that_sets_a_clock_once_synchronised_is_not_followed(void **state)
{
    static const int64_t steps[] = { HOUR, -HOUR, 2 * (int64_t)SECOND, -2 * (int64_t)SECOND };

    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct lb_wall wall = wall_of(MADE);

        look(&wall, SECOND, 0, SYNCED);
        look(&wall, 2 * SECOND, 300 + LB_WALL_STEP_NS, SYNCED);
        look(&wall, 2 * SECOND, 300, FREE); /* a slew, just not a step: the newest good one counts */
        assert_false(look(&wall, 3 * SECOND, steps[i], FREE));
        assert_int_equal(ahead_ns(&wall), 300);
        assert_false(look(&wall, 4 * SECOND, steps[i] + (int64_t)SECOND / 2, FREE)); /* slewing from there */
        assert_int_equal(ahead_ns(&wall), 300);
        assert_int_equal(lb_wall_trust(&wall, 4 * SECOND), LB_CLOCK_EXACT);
        assert_false(look(&wall, 4 * SECOND, 200, FREE)); /* taken back */
        assert_int_equal(ahead_ns(&wall), 200);
        look(&wall, 4 * SECOND, steps[i], FREE);
        assert_true(look(&wall, 5 * SECOND, steps[i], SYNCED)); /* somebody vouches for it now */
        assert_int_equal(ahead_ns(&wall), steps[i]);
    }
}

static void a_slew_is_followed_however_far_it_goes_in_the_end(void **state)
{
    struct lb_wall wall = wall_of(MADE);
    int64_t ahead = 0;

    (void)state;
    look(&wall, SECOND, 0, SYNCED);
    for (uint64_t i = 1; i <= 100; i++) {
        ahead += 100 * (int64_t)LB_NS_PER_MS;
        assert_false(look(&wall, SECOND + i * MINUTE, ahead, FREE));
        assert_int_equal(ahead_ns(&wall), ahead);
    }
    assert_false(look(&wall, 2 * HOUR, ahead + (int64_t)HOUR, FREE)); /* and a step is still one */
    assert_int_equal(ahead_ns(&wall), ahead);
}

/* ---- a server told its time ---- */

static void a_date_that_agrees_confirms_the_system_s_clock_to_the_nanosecond(void **state)
{
    struct lb_wall wall = wall_of(MADE);

    (void)state;
    look(&wall, 10 * SECOND, 123456789, FREE);
    assert_true(date(&wall, 20 * SECOND + 1, SECOND / 10));
    assert_int_equal(ahead_ns(&wall), 123456789);
    assert_int_equal(lb_wall_trust(&wall, 0), LB_CLOCK_BOUNDED);
    assert_int_equal(lb_wall_trust(&wall, 30 * SECOND), LB_CLOCK_BOUNDED);
}

static void a_date_that_disagrees_is_believed_to_half_a_second(void **state)
{
    static const int64_t wrong[] = { -HOUR, HOUR, -4 * (int64_t)SECOND, 4 * (int64_t)SECOND };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        for (uint64_t part = 0; part < SECOND; part += SECOND / 8) {
            struct lb_wall wall = wall_of(MADE);

            look(&wall, 10 * SECOND, wrong[i], FREE); /* a stale hour: nothing speaks against it, yet */
            assert_true(lb_wall_is_plausible(&wall, 10 * SECOND));
            assert_int_equal(lb_wall_trust(&wall, 0), LB_CLOCK_UNKNOWN);
            assert_true(date(&wall, 20 * SECOND + part, SECOND / 10));
            assert_near(ahead_ns(&wall), 0, SECOND / 2);
            assert_int_equal(lb_wall_trust(&wall, 0), LB_CLOCK_BOUNDED);
        }
}

static void agreeing_means_within_two_seconds(void **state)
{
    static const int64_t edge = LB_WALL_AGREES_NS;

    (void)state;
    for (int sign = -1; sign <= 1; sign += 2) {
        struct lb_wall wall = wall_of(MADE);
        int64_t date_ahead;

        assert_true(date(&wall, 20 * SECOND, 0)); /* before the first look: the only word there is */
        date_ahead = ahead_ns(&wall);
        assert_near(date_ahead, 0, SECOND / 2);
        look(&wall, 21 * SECOND, date_ahead + sign * edge, FREE);
        assert_int_equal(ahead_ns(&wall), date_ahead + sign * edge);
        look(&wall, 22 * SECOND, date_ahead + sign * (edge + 1), FREE);
        assert_int_equal(ahead_ns(&wall), date_ahead);
    }
}

static void a_clock_that_is_set_right_by_hand_replaces_the_date(void **state)
{
    struct lb_wall wall = wall_of(MADE);

    (void)state;
    look(&wall, 10 * SECOND, -9 * (int64_t)HOUR, FREE);
    date(&wall, 20 * SECOND, 0);
    assert_false(look(&wall, 30 * SECOND, 7, FREE)); /* a better word for the same time: no step */
    assert_int_equal(ahead_ns(&wall), 7);
    assert_int_equal(lb_wall_trust(&wall, 0), LB_CLOCK_BOUNDED);
}

static void a_step_of_a_clock_that_the_date_rules_changes_nothing(void **state)
{
    struct lb_wall wall = wall_of(MADE);

    (void)state;
    look(&wall, 10 * SECOND, -HOUR, FREE);
    date(&wall, 20 * SECOND, 0);
    assert_false(look(&wall, 30 * SECOND, HOUR, FREE));
    assert_near(ahead_ns(&wall), 0, SECOND / 2);
}

static void a_newer_date_that_contradicts_replaces_the_older(void **state)
{
    struct lb_wall wall = wall_of(MADE);
    uint64_t date_s = (SWITCHED_ON + 20 * SECOND) / SECOND;

    (void)state;
    look(&wall, 10 * SECOND, -HOUR, FREE);
    assert_true(lb_wall_date(&wall, date_s - 30, 20 * SECOND, 20 * SECOND)); /* this server is late */
    assert_near(ahead_ns(&wall), -30 * (int64_t)SECOND, SECOND / 2);
    assert_true(date(&wall, 25 * SECOND, 0));
    assert_near(ahead_ns(&wall), 0, SECOND / 2);
    assert_true(lb_wall_date(&wall, date_s + 40, 30 * SECOND, 30 * SECOND)); /* in the other direction */
    assert_near(ahead_ns(&wall), 30 * (int64_t)SECOND, SECOND / 2);
}

/* Else the times of two bodies might overlap by the second that a Date cuts off. */
static void a_newer_date_that_confirms_moves_nothing(void **state)
{
    struct lb_wall wall = wall_of(MADE);
    int64_t ahead;

    (void)state;
    look(&wall, 10 * SECOND, -HOUR, FREE);
    assert_true(date(&wall, 20 * SECOND, 0));
    ahead = ahead_ns(&wall);
    for (uint64_t i = 1; i < 1000; i++) {
        assert_false(date(&wall, 20 * SECOND + i * 1037 * LB_NS_PER_MS, i % 7 * SECOND / 10));
        assert_int_equal(ahead_ns(&wall), ahead);
    }
}

static void a_date_that_travelled_less_replaces_one_that_left_much_open(void **state)
{
    struct lb_wall wall = wall_of(MADE);

    (void)state;
    look(&wall, 10 * SECOND, 12 * (int64_t)SECOND, FREE);
    assert_true(
        date(&wall, 60 * SECOND, 40 * SECOND)); /* twenty seconds to and fro: this clock may be right */
    assert_int_equal(ahead_ns(&wall), 12 * SECOND);
    assert_true(date(&wall, 70 * SECOND, SECOND)); /* it is not */
    assert_near(ahead_ns(&wall), 0, SECOND);
    assert_false(date(&wall, 120 * SECOND, 40 * SECOND));
    assert_near(ahead_ns(&wall), 0, SECOND);
}

static void the_truth_lies_between_request_and_answer_however_the_way_was(void **state)
{
    (void)state;
    for (uint64_t there = 0; there <= 50 * SECOND;
         there += 5 * SECOND) { /* of fifty seconds; the rest is back */
        struct lb_wall wall = wall_of(MADE);

        look(&wall, 10 * SECOND, 0, FREE); /* the system's clock is right, and nobody knows */
        lb_wall_date(&wall, (SWITCHED_ON + 20 * SECOND + there) / SECOND, 20 * SECOND, 70 * SECOND);
        assert_int_equal(ahead_ns(&wall), 0);
        assert_int_equal(lb_wall_trust(&wall, 0), LB_CLOCK_BOUNDED);
    }
}

static void what_took_longer_than_a_minute_or_cannot_be_teaches_nothing(void **state)
{
    const uint64_t now = 100 * SECOND, date_s = (SWITCHED_ON + now) / SECOND;
    struct lb_wall wall = wall_of(MADE);

    (void)state;
    look(&wall, 10 * SECOND, -HOUR, FREE);
    assert_false(lb_wall_date(&wall, date_s, now - LB_WALL_TRAVEL_NS - 1, now));
    assert_false(lb_wall_date(&wall, date_s, now, now - 1));          /* an answer before its request */
    assert_false(lb_wall_date(&wall, MADE / SECOND - 1, now, now));   /* before this program was made */
    assert_false(lb_wall_date(&wall, 0, now, now));                   /* 1970 */
    assert_false(lb_wall_date(&wall, UINT64_MAX, now, now));          /* beyond what can be counted */
    assert_false(lb_wall_date(&wall, UINT64_MAX / SECOND, now, now)); /* 2554 */
    assert_false(lb_wall_date(&wall, UINT64_MAX / SECOND + 1 + date_s, now, now)); /* wraps to about now */
    assert_false(wall.has_date);
    assert_int_equal(ahead_ns(&wall), -(int64_t)HOUR);
    assert_int_equal(lb_wall_trust(&wall, 0), LB_CLOCK_UNKNOWN);
    assert_true(lb_wall_date(&wall, date_s, now - LB_WALL_TRAVEL_NS, now));
    assert_true(lb_wall_date(&wall, MADE / SECOND, now, now)); /* long ago, but not too long */
}

static void synchronisation_beats_a_date_whichever_comes_first(void **state)
{
    struct lb_wall late = wall_of(MADE), early = wall_of(MADE);

    (void)state;
    look(&late, 10 * SECOND, -HOUR, FREE);
    date(&late, 20 * SECOND, 0);
    assert_true(look(&late, 30 * SECOND, 5, SYNCED));
    assert_int_equal(ahead_ns(&late), 5);
    assert_int_equal(lb_wall_trust(&late, 25 * SECOND), LB_CLOCK_REPAIRED);
    assert_int_equal(lb_wall_trust(&late, 30 * SECOND), LB_CLOCK_EXACT);
    look(&early, 10 * SECOND, 5, SYNCED);
    assert_false(lb_wall_date(&early, SWITCHED_ON / SECOND - 9000, 20 * SECOND, 20 * SECOND));
    assert_int_equal(ahead_ns(&early), 5);
    assert_int_equal(lb_wall_trust(&early, 20 * SECOND), LB_CLOCK_EXACT);
}

/* ---- boards ---- */

/* No battery, no fake-hwclock: the clock begins with the seconds since it was switched on. */
static void a_board_at_1970_is_not_plausible_until_somebody_tells(void **state)
{
    struct lb_wall wall = wall_of(MADE);
    struct lb_wall_reading reading = { .boot_ns = 8 * SECOND, .wall_ns = 8 * SECOND };

    (void)state;
    assert_false(lb_wall_is_plausible(&wall, 8 * SECOND));
    assert_true(lb_wall_look(&wall, &reading)); /* the first one, though it moves nothing */
    assert_int_equal(lb_wall_offset_ns(&wall), 0);
    assert_false(lb_wall_is_plausible(&wall, 8 * SECOND));
    assert_true(date(&wall, 20 * SECOND, SECOND / 10));
    assert_true(lb_wall_is_plausible(&wall, 20 * SECOND));
    assert_near(ahead_ns(&wall), 0, SECOND / 2);
    assert_true(look(&wall, 30 * SECOND, 0, SYNCED));
    assert_int_equal(ahead_ns(&wall), 0);
    assert_int_equal(lb_wall_trust(&wall, 8 * SECOND), LB_CLOCK_REPAIRED);
}

static void plausible_begins_when_the_program_was_made(void **state)
{
    struct lb_wall wall = wall_of(SWITCHED_ON + HOUR), any = wall_of(0);

    (void)state;
    look(&wall, SECOND, 0, FREE);
    assert_false(lb_wall_is_plausible(&wall, HOUR - 1));
    assert_true(lb_wall_is_plausible(&wall, HOUR));
    assert_true(lb_wall_is_plausible(&any, 0)); /* not known: nothing can be said against it */
}

/* Boot time counts what the board slept, as its wall clock does. */
static void a_night_of_suspend_is_no_step(void **state)
{
    struct lb_wall free = wall_of(MADE), synced = wall_of(MADE), told = wall_of(MADE);

    (void)state;
    look(&free, SECOND, -HOUR, FREE);
    look(&synced, SECOND, 0, SYNCED);
    look(&told, SECOND, -HOUR, FREE);
    date(&told, 2 * SECOND, SECOND / 10);
    assert_false(look(&free, 9 * HOUR, -HOUR, FREE));
    assert_false(look(&synced, 9 * HOUR, 0, FREE));
    assert_false(look(&told, 9 * HOUR, -HOUR, FREE));
    assert_int_equal(ahead_ns(&free), -(int64_t)HOUR);
    assert_int_equal(ahead_ns(&synced), 0);
    assert_near(ahead_ns(&told), 0, SECOND);
    assert_int_equal(lb_wall_trust(&synced, 9 * HOUR), LB_CLOCK_EXACT);
    assert_int_equal(lb_wall_trust(&told, 9 * HOUR), LB_CLOCK_BOUNDED);
}

/* A clock that was set to less than the board is up: the offset is below zero, that is, just below 2^64. */
static void offsets_below_zero_are_as_good_as_others(void **state)
{
    struct lb_wall wall = wall_of(0);
    struct lb_wall_reading before = { .boot_ns = 100 * SECOND, .wall_ns = 5 * SECOND, .is_synced = true };
    struct lb_wall_reading slewed = { .boot_ns = 200 * SECOND, .wall_ns = 105 * SECOND + 1 };
    struct lb_wall_reading across = { .boot_ns = 300 * SECOND, .wall_ns = 300 * SECOND + 1 };

    (void)state;
    lb_wall_look(&wall, &before);
    assert_int_equal(lb_wall_offset_ns(&wall), -95 * SECOND);
    assert_int_equal(100 * SECOND + lb_wall_offset_ns(&wall), 5 * SECOND);
    assert_false(lb_wall_look(&wall, &slewed));
    assert_int_equal(lb_wall_offset_ns(&wall), 1 - 95 * SECOND);
    lb_wall_look(&wall, &across); /* a step of 95 s over zero, by hand */
    assert_int_equal(lb_wall_offset_ns(&wall), 1 - 95 * SECOND);
    across.is_synced = true;
    assert_true(lb_wall_look(&wall, &across));
    assert_int_equal(lb_wall_offset_ns(&wall), 1);
    slewed = (struct lb_wall_reading) { .boot_ns = 400 * SECOND, .wall_ns = 400 * SECOND - 1 };
    assert_false(lb_wall_look(&wall, &slewed)); /* two nanoseconds, not 2^64 less two */
    assert_int_equal(lb_wall_offset_ns(&wall), UINT64_MAX);
}

static void each_trust_has_a_name_and_what_is_none_is_unknown(void **state)
{
    (void)state;
    assert_string_equal(lb_clock_trust_name(LB_CLOCK_EXACT), "exact");
    assert_string_equal(lb_clock_trust_name(LB_CLOCK_REPAIRED), "repaired");
    assert_string_equal(lb_clock_trust_name(LB_CLOCK_BOUNDED), "bounded");
    assert_string_equal(lb_clock_trust_name(LB_CLOCK_UNKNOWN), "unknown");
    assert_string_equal(lb_clock_trust_name(LB_CLOCK_TRUST_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_any_word_the_system_s_clock_counts_and_is_called_unknown),
        cmocka_unit_test(before_anybody_vouched_for_it_every_step_is_followed_and_told),
        cmocka_unit_test(a_change_of_a_second_is_a_slew_and_more_is_a_step),
        cmocka_unit_test(who_is_synchronised_at_the_first_look_was_so_before),
        cmocka_unit_test(a_stale_clock_that_is_synchronised_later_repairs_what_was_stamped_before),
        cmocka_unit_test(a_step_while_the_kernel_calls_it_synchronised_is_followed),
        cmocka_unit_test(when_synchronisation_is_lost_nothing_changes),
        cmocka_unit_test(a_hand_that_sets_a_clock_once_synchronised_is_not_followed),
        cmocka_unit_test(a_slew_is_followed_however_far_it_goes_in_the_end),
        cmocka_unit_test(a_date_that_agrees_confirms_the_system_s_clock_to_the_nanosecond),
        cmocka_unit_test(a_date_that_disagrees_is_believed_to_half_a_second),
        cmocka_unit_test(agreeing_means_within_two_seconds),
        cmocka_unit_test(a_clock_that_is_set_right_by_hand_replaces_the_date),
        cmocka_unit_test(a_step_of_a_clock_that_the_date_rules_changes_nothing),
        cmocka_unit_test(a_newer_date_that_contradicts_replaces_the_older),
        cmocka_unit_test(a_newer_date_that_confirms_moves_nothing),
        cmocka_unit_test(a_date_that_travelled_less_replaces_one_that_left_much_open),
        cmocka_unit_test(the_truth_lies_between_request_and_answer_however_the_way_was),
        cmocka_unit_test(what_took_longer_than_a_minute_or_cannot_be_teaches_nothing),
        cmocka_unit_test(synchronisation_beats_a_date_whichever_comes_first),
        cmocka_unit_test(a_board_at_1970_is_not_plausible_until_somebody_tells),
        cmocka_unit_test(plausible_begins_when_the_program_was_made),
        cmocka_unit_test(a_night_of_suspend_is_no_step),
        cmocka_unit_test(offsets_below_zero_are_as_good_as_others),
        cmocka_unit_test(each_trust_has_a_name_and_what_is_none_is_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
