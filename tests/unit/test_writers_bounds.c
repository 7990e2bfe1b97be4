/* SPDX-License-Identifier: MIT */
/*
 * What writers may hold.
 *
 * The story: a machine with more programs than places, and one with more processes than the table. Programs
 * keep their places while the small ones make room, their bytes go to the others and whoever keeps figures by
 * place is told; processes beyond the table are told as refused, and never counted from their beginning.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/wear/processes.h"
#include "agent/wear/programs.h"
#include "tests/unit/lib_proc.h"
#include "tests/unit/lib_writers.h"

#define MIB (1ull << 20)

enum { FIRST_PID = 100 };

/* Programs "p0", "p1", ...: number i has dirtied (i + 1) MiB. They have all but the place of the others. */
static void fill_all_places(void)
{
    char name[32];

    for (int i = 0; i < LB_PROGRAMS_OTHERS; i++) {
        snprintf(name, sizeof name, "p%d", i);
        proc_start(FIRST_PID + i, 1, 100, name);
    }
    look(0, 0);
    for (int i = 0; i < LB_PROGRAMS_OTHERS; i++)
        proc_io(FIRST_PID + i, (uint64_t)(i + 1) * MIB, 0);
    look(1 << 30, 0);
    assert_int_equal(looks.view.programs, LB_PROGRAMS_OTHERS);
}

static uint32_t place_of(const char *name)
{
    const struct lb_program *found = program(name, "");

    return found ? (uint32_t)(found - looks.view.program) : LB_WEAR_NO_PROGRAM;
}

static void a_program_keeps_its_place_and_new_ones_come_behind(void **state)
{
    uint32_t web;

    (void)state;
    proc_start(10, 1, 100, "web");
    look(0, 0);
    assert_int_equal(looks.moved[0], LB_WEAR_NO_PROGRAM);
    proc_io(10, MIB, 0);
    look(9 * MIB, 0);
    assert_int_equal(looks.moved[0], LB_WEAR_NO_PROGRAM); /* the view before had none */
    web = place_of("web");
    proc_start(9, 1, 400000, "before");
    proc_io(9, 50 * MIB, 0);
    look(9 * MIB, 0);
    assert_int_equal(looks.moved[web], web);
    assert_int_equal(looks.moved[web + 1], LB_WEAR_NO_PROGRAM);
    assert_int_equal(place_of("web"), web);
    proc_end(10);
    look(0, 0);
    assert_int_equal(place_of("web"), web);
}

static void the_least_goes_to_the_others_when_one_that_writes_more_comes(void **state)
{
    uint32_t least, next;

    (void)state;
    fill_all_places();
    least = place_of("p0");
    next = place_of("p1");
    proc_start(50, 1, 400000, "big");
    proc_io(50, 100 * MIB, 0);
    look(200 * MIB, 0);
    assert_int_equal(looks.view.programs, LB_WEAR_PROGRAMS);
    assert_int_equal(place_of("p0"), LB_WEAR_NO_PROGRAM);
    assert_int_equal(place_of("big"), least);
    assert_int_equal(looks.moved[least], LB_PROGRAMS_OTHERS);
    assert_int_equal(looks.moved[next], next);
    assert_int_equal(looks.moved[LB_PROGRAMS_OTHERS], LB_WEAR_NO_PROGRAM);
    assert_int_equal(given("others", CARD), MIB);
    assert_int_equal(given("big", CARD), 100 * MIB);
    look(0, 0);
    assert_int_equal(looks.moved[least], least);
    assert_int_equal(looks.moved[LB_PROGRAMS_OTHERS], LB_PROGRAMS_OTHERS);
}

static void one_that_writes_less_than_all_is_one_of_the_others_at_once(void **state)
{
    (void)state;
    fill_all_places();
    proc_start(50, 1, 400000, "small");
    proc_io(50, 4096, 0);
    look(200 * MIB, 0);
    assert_null(program("small", ""));
    assert_non_null(program("p0", ""));
    assert_int_equal(given("others", CARD), 4096);
    for (uint32_t i = 0; i < LB_PROGRAMS_OTHERS; i++)
        assert_int_equal(looks.moved[i], i);
}

static void a_program_that_is_called_others_is_not_them(void **state)
{
    (void)state;
    fill_all_places();
    proc_start(50, 1, 400000, "small");
    proc_io(50, 4096, 0);
    look(200 * MIB, 0);
    proc_start(51, 1, 400000, "others");
    proc_io(51, 100 * MIB, 0);
    look(200 * MIB, 0);
    proc_io(51, 200 * MIB, 0);
    look(200 * MIB, 0);
    assert_int_not_equal(place_of("others"), LB_PROGRAMS_OTHERS);
    assert_int_equal(given("others", CARD), 200 * MIB);
    assert_true(looks.view.program[LB_PROGRAMS_OTHERS].bytes[CARD] <= MIB + 4096);
}

static void what_waits_goes_along_to_the_others(void **state)
{
    (void)state;
    fill_all_places();
    proc_io(FIRST_PID, MIB + 4096, 0);
    look(0, 0);
    proc_start(50, 1, 400000, "big");
    proc_io(50, 100 * MIB, 0);
    look(200 * MIB, 0);
    assert_int_equal(given("others", CARD), MIB + 4096);
}

static void our_own_program_never_makes_room_and_always_finds_it(void **state)
{
    char name[32];

    (void)state;
    fill_all_places();
    proc_start(OWN_PID, 1, 400000, "logboomd");
    proc_io(OWN_PID, 4096, 0);
    look(4096, 0);
    assert_true(program("logboomd", "")->is_ours);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "big%d", i);
        proc_start(50 + i, 1, 400000, name);
        proc_io(50 + i, 100 * MIB, 0);
    }
    look(1 << 30, 0);
    assert_non_null(program("big2", ""));
    assert_int_equal(given("logboomd", CARD), 4096);
}

static void what_wrote_long_ago_makes_room_for_what_writes_now(void **state)
{
    (void)state;
    fill_all_places();
    for (int i = 0; i < LB_PROGRAMS_OTHERS; i++)
        if (i != 5)
            proc_io(FIRST_PID + i, (uint64_t)(i + 101) * MIB, 0);
    look(1 << 30, 0);
    for (int hour = 0; hour < 200; hour++) /* only the least of them goes on */
        look_after(3601, 0, 0);
    proc_io(FIRST_PID, 111 * MIB, 0);
    proc_start(50, 1, 400000, "new");
    proc_io(50, MIB, 0);
    look(1 << 30, 0);
    assert_non_null(program("new", ""));
    assert_null(program("p5", ""));
    assert_non_null(program("p0", ""));
}

static void processes_beyond_the_table_are_refused_and_not_counted_from_their_beginning(void **state)
{
    const int beyond = 40;

    (void)state;
    for (int i = 0; i < LB_PROCESSES_MAX + beyond; i++) {
        proc_start(FIRST_PID + i, 1, 100, "many");
        proc_io(FIRST_PID + i, 100 * MIB, 0);
    }
    assert_int_equal(look(0, 0), 0);
    assert_int_equal(looks.view.processes_seen, LB_PROCESSES_MAX + beyond);
    assert_int_equal(looks.view.processes_refused, beyond);
    for (int i = 0; i < 2 * beyond; i++)
        proc_end(FIRST_PID + i);
    assert_int_equal(look(1 << 30, 0), 0);
    assert_int_equal(looks.view.processes_seen, LB_PROCESSES_MAX - beyond);
    assert_int_equal(given("many", CARD), 0);
    assert_int_equal(look(1 << 30, 0), 0);
    assert_int_equal(looks.view.processes_refused, 0);
    assert_int_equal(given("many", CARD), 0);
    proc_start(50, 1, 9999999, "new");
    proc_io(50, MIB, 0);
    look(1 << 30, 0);
    assert_int_equal(given("new", CARD), MIB);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, looks_begin, looks_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_program_keeps_its_place_and_new_ones_come_behind),
        TEST(the_least_goes_to_the_others_when_one_that_writes_more_comes),
        TEST(one_that_writes_less_than_all_is_one_of_the_others_at_once),
        TEST(a_program_that_is_called_others_is_not_them),
        TEST(what_waits_goes_along_to_the_others),
        TEST(our_own_program_never_makes_room_and_always_finds_it),
        TEST(what_wrote_long_ago_makes_room_for_what_writes_now),
        TEST(processes_beyond_the_table_are_refused_and_not_counted_from_their_beginning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
