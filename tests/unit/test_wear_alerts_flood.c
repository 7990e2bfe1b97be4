/* SPDX-License-Identifier: MIT */
/*
 * When to speak up about wear: how often.
 *
 * The story: disks are plugged in and out, programs come and go, and all that can be wrong is wrong at once.
 * The log is not flooded, what still holds is told in time, what was told is told to be over, and no name is
 * so long that it hides who is to blame.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_alerts.h"

#define MIB WEAR_MIB

/* ---- what goes ---- */

static void a_disk_that_is_taken_out_is_over_once(void **state)
{
    (void)state;
    alert_limits.disk_bytes_per_hour = MIB;
    wear_write(WEB, SD, 2 * MIB);
    assert_int_equal(watch(60), 1);
    CARD->is_present = false;
    watch(60);
    is_told_to_be_over(LB_WEAR_DISK, "mmcblk0 is not there any more");
    assert_string_equal(events[0].disk, "mmcblk0");
    assert_int_equal(watch_for(10), 0);
    CARD->is_present = true; /* a loose contact does not flood the log */
    assert_int_equal(watch_for(20), 0);
}

static void a_file_system_that_is_not_mounted_any_more_is_over(void **state)
{
    wear.view.filesystem[wear_filesystem("/data", "sda1", SD)].is_read_only = true;
    (void)state;
    assert_int_equal(watch(60), 1);
    wear.view.filesystems = 0;
    watch(60);
    is_told_to_be_over(LB_WEAR_READ_ONLY, "sda1 is not there any more");
    assert_string_equal(events[0].disk, "mmcblk0");
}

static void what_went_before_it_was_told_is_forgotten(void **state)
{
    (void)state;
    alert_limits.disk_bytes_per_hour = 100 * MIB;
    alerts.left = LB_ALERTS_HOUR; /* there is no room to speak */
    for (unsigned i = 0; i < LB_ALERTS_HOUR; i++)
        alerts.left_ns[i] = wear.now_ns;
    wear_write(WEB, SD, 110 * MIB);
    assert_int_equal(watch(60), 0);
    CARD->is_present = false;
    assert_int_equal(watch(60), 0);
    CARD->is_present = true;
    memset(alerts.left_ns, 0, sizeof alerts.left_ns);
    alert_limits.disk_bytes_per_hour = 120 * MIB; /* 110 MiB neither pass this nor are well below */
    assert_int_equal(watch(60), 0);
}

/* ---- floods ---- */

/* As many programs as there can be, each over the limit. */
static void all_go_wild(void)
{
    char name[16];

    alert_limits.program_bytes_per_hour = MIB;
    while (wear.view.programs < LB_WEAR_PROGRAMS) {
        snprintf(name, sizeof name, "wild%u", wear.view.programs);
        wear_program(name, "");
    }
    for (uint32_t i = 0; i < LB_WEAR_PROGRAMS; i++)
        wear_write(i, SD, 10 * MIB);
}

/* So many minutes of it: each program is told once, and no more than LB_ALERTS_HOUR leave in any hour. */
static unsigned flood(unsigned minutes, unsigned told[LB_WEAR_PROGRAMS])
{
    uint64_t left_ns[600];
    unsigned left = 0;

    for (unsigned minute = 0; minute < minutes; minute++) {
        for (uint32_t i = 0; i < LB_WEAR_PROGRAMS; i++)
            wear_write(i, SD, MIB);
        watch(60);
        for (unsigned i = 0; i < event_count; i++) {
            for (uint32_t who = 0; who < LB_WEAR_PROGRAMS; who++)
                told[who] += strcmp(events[i].program, wear.view.program[who].name) == 0;
            if (left >= LB_ALERTS_HOUR)
                assert_true(wear.now_ns - left_ns[left - LB_ALERTS_HOUR] >= WEAR_HOUR);
            left_ns[left++] = wear.now_ns;
        }
    }
    return left;
}

static void of_a_flood_a_few_are_told_and_the_rest_comes_later_each_once(void **state)
{
    unsigned told[LB_WEAR_PROGRAMS] = { 0 };

    (void)state;
    all_go_wild();
    assert_int_equal(flood(1, told), LB_ALERTS_AT_ONCE);
    assert_int_equal(flood(59, told), LB_ALERTS_HOUR - LB_ALERTS_AT_ONCE);
    flood(4 * 60, told);
    for (uint32_t i = 0; i < LB_WEAR_PROGRAMS; i++)
        assert_int_equal(told[i], 1);
    assert_int_equal(flood(60, told), 0);
}

static void what_is_grave_goes_before_programs(void **state)
{
    unsigned told[LB_WEAR_PROGRAMS] = { 0 };

    (void)state;
    wear_filesystem("/", "mmcblk0p2", SD);
    all_go_wild();
    flood(30, told);
    wear.view.filesystem[0].is_read_only = true;
    CARD->pre_eol = 3;
    flood(30, told);
    for (uint32_t i = 0; i < LB_WEAR_PROGRAMS; i++)
        wear_write(i, SD, MIB);
    watch(60);
    assert_true(event_count > 2);
    assert_int_equal(events[0].what, LB_WEAR_READ_ONLY);
    assert_int_equal(events[1].what, LB_WEAR_EOL);
}

static void what_is_over_before_its_turn_is_not_told(void **state)
{
    unsigned told[LB_WEAR_PROGRAMS] = { 0 };

    (void)state;
    all_go_wild();
    flood(30, told);
    watch(3660); /* nobody writes any more */
    for (unsigned i = 0; i < 300; i++) {
        for (unsigned at = 0; at < event_count; at++)
            assert_true(events[at].is_over);
        told[0] += event_count;
        watch(60);
    }
    /* Each of those that were told, and no other. */
    assert_int_equal(told[0] - 1, LB_ALERTS_HOUR);
}

static void all_that_a_view_can_hold_finds_a_place(void **state)
{
    char name[16];

    (void)state;
    alert_limits = (struct lb_wear_limit_settings) { MIB, MIB, FOREVER, false };
    for (uint32_t disk = 1; disk < LB_WEAR_DISKS; disk++) {
        snprintf(name, sizeof name, "sd%c", (int)('a' + disk));
        wear_disk(name);
    }
    for (uint32_t i = 0; i < LB_WEAR_FILESYSTEMS; i++) {
        snprintf(name, sizeof name, "fs%u", i);
        wear_filesystem("/", name, i % LB_WEAR_DISKS);
        wear.view.filesystem[i].is_read_only = true;
        wear.view.filesystem[i].errors = 1;
    }
    for (uint32_t disk = 0; disk < LB_WEAR_DISKS; disk++) {
        wear.view.disk[disk].life_a = 11;
        wear_write(WEAR_NOBODY, disk, 10 * MIB);
    }
    watch_anew();
    all_go_wild();
    watch(60);
    for (unsigned i = 0; i < LB_ALERTS_SUBJECTS; i++)
        assert_true(alerts.subject[i].is_used);
    assert_int_equal(event_count, LB_ALERTS_AT_ONCE);
}

/* Programs come, are told, and go, for days: places are given back. */
static void more_names_than_places_are_all_told_in_time(void **state)
{
    unsigned told = 0, over = 0, named = 0;

    (void)state;
    alert_limits.program_bytes_per_hour = MIB;
    for (; named < 3 * LB_ALERTS_SUBJECTS; named++) {
        snprintf(wear.view.program[WEB].name, sizeof wear.view.program[WEB].name, "job%u", named);
        wear_write(WEB, SD, 2 * MIB);
        watch(900);
        for (unsigned i = 0; i < event_count; i++) {
            told += !events[i].is_over;
            over += events[i].is_over;
        }
    }
    assert_int_equal(told, named);
    assert_int_equal(over, named - 1);
}

/* ---- names ---- */

static void fill(char *text, size_t size, const char *with)
{
    memset(text, 0, size);
    for (size_t i = 0; i + 1 < size; i++)
        text[i] = with[i % strlen(with)];
}

static void names_of_any_length_and_bytes_leave_room_for_who_is_to_blame(void **state)
{
    static const char *const bytes[] = { "x", "%s%n%d", "\x1b[31m\xff\xc0\n\"\\", "\xe2\x82\xac" };

    (void)state;
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        struct lb_program *program = &wear.view.program[WEB];
        struct lb_filesystem *filesystem;
        char who[LB_WEAR_NAME + LB_WEAR_UNIT + 4];

        alerts_begin(state);
        filesystem = &wear.view.filesystem[wear_filesystem("", "", SD)];
        fill(CARD->name, sizeof CARD->name, bytes[i]);
        fill(program->name, sizeof program->name, bytes[i]);
        fill(program->unit, sizeof program->unit, bytes[i]);
        fill(filesystem->point, sizeof filesystem->point, bytes[i]);
        fill(filesystem->type, sizeof filesystem->type, bytes[i]);
        fill(filesystem->device, sizeof filesystem->device, bytes[i]);
        snprintf(who, sizeof who, "%s (%s)", program->name, program->unit);
        alert_limits = (struct lb_wear_limit_settings) { MIB, MIB, FOREVER, false };
        filesystem->is_read_only = true;
        filesystem->errors = LB_WEAR_UNKNOWN - 1;
        CARD->pre_eol = 3;
        watch_anew();
        wear_write(WEB, SD, 1ull << 41);
        assert_int_equal(watch(60), 6); /* watch() checks that no text fills its room */
        for (unsigned at = 2; at < event_count; at++) {
            assert_string_equal(events[at].program, program->name);
            assert_string_equal(events[at].unit, program->unit);
            assert_non_null(strstr(events[at].text, who));
        }
        wear.view.programs = wear.view.filesystems = 0;
        CARD->is_present = false;
        assert_int_equal(watch(60), 5); /* errors are not over */
        assert_true(strlen(events[1].text) > 0);
    }
}

static void each_kind_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(lb_wear_what_name(LB_WEAR_DISK), "disk");
    assert_string_equal(lb_wear_what_name(LB_WEAR_ERRORS), "errors");
    assert_string_equal(lb_wear_what_name(LB_WEAR_WHATS), "unknown");
}

#define CLAIM(name) cmocka_unit_test_setup(name, alerts_begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_disk_that_is_taken_out_is_over_once),
        CLAIM(a_file_system_that_is_not_mounted_any_more_is_over),
        CLAIM(what_went_before_it_was_told_is_forgotten),
        CLAIM(of_a_flood_a_few_are_told_and_the_rest_comes_later_each_once),
        CLAIM(what_is_grave_goes_before_programs),
        CLAIM(what_is_over_before_its_turn_is_not_told),
        CLAIM(all_that_a_view_can_hold_finds_a_place),
        CLAIM(more_names_than_places_are_all_told_in_time),
        CLAIM(names_of_any_length_and_bytes_leave_room_for_who_is_to_blame),
        CLAIM(each_kind_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
