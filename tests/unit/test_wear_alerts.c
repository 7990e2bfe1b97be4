/* SPDX-License-Identifier: MIT */
/*
 * When to speak up about wear: what of.
 *
 * The story: a program goes wild and writes to the card as fast as it can; a card nears its end; a file
 * system goes read-only. Each is told once, with the name of who is to blame, and once more when it is over.
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

/* ---- a disk ---- */

static void a_disk_that_is_written_too_much_is_told_once_with_who_is_to_blame(void **state)
{
    (void)state;
    alert_limits.disk_bytes_per_hour = 500 * MIB;
    wear_write(WEB, SD, 500 * MIB);
    assert_int_equal(watch(60), 0);
    wear_write(WEAR_NOBODY, SD, 500 * MIB);
    watch(60);
    is_told(LB_WEAR_DISK, "mmcblk0 was written 1000.0 MiB in the last hour, [wear] alert is 500.0 MiB/h; "
                          "50 % of it by python3 (telemetry.service)");
    assert_string_equal(events[0].disk, "mmcblk0");
    assert_string_equal(events[0].program, "python3");
    assert_string_equal(events[0].unit, "telemetry.service");
    assert_int_equal(events[0].bytes, 1000 * MIB);
    assert_int_equal(events[0].limit_bytes, 500 * MIB);
    assert_false(events[0].is_grave);
    wear_write(WEB, SD, 5000 * MIB);
    assert_int_equal(watch_for(50), 0);
}

static void where_nobody_is_known_the_kernel_is_told(void **state)
{
    (void)state;
    alert_limits.disk_bytes_per_hour = MIB;
    wear_write(WEAR_NOBODY, SD, 2 * MIB);
    watch(60);
    is_told(LB_WEAR_DISK, "mmcblk0 was written 2.0 MiB in the last hour, [wear] alert is 1.0 MiB/h; "
                          "written by the kernel, or by programs that may not be looked at");
    assert_string_equal(events[0].program, "");
}

static void it_is_over_below_four_fifths_and_told_once(void **state)
{
    (void)state;
    alert_limits.disk_bytes_per_hour = 100 * MIB;
    wear_write(WEAR_NOBODY, SD, 60 * MIB);
    assert_int_equal(watch(60), 0);
    assert_int_equal(watch_for(30), 0);
    wear_write(WEAR_NOBODY, SD, 50 * MIB);
    assert_int_equal(watch(60), 1);
    assert_int_equal(watch_for(20), 0);
    wear_write(WEAR_NOBODY, SD, 41 * MIB);
    assert_int_equal(watch(60), 0);
    assert_int_equal(watch_for(20), 0); /* the 60 MiB are past: 91 are below the limit, and not well below */
    assert_int_equal(wear.view.figures[SD].hour_bytes, 91 * MIB);
    assert_int_equal(watch_for(20), 1);
    assert_int_equal(watch_for(120), 0);
}

static void what_is_over_is_told_without_blame(void **state)
{
    (void)state;
    alert_limits.disk_bytes_per_hour = 100 * MIB;
    wear_write(WEB, SD, 110 * MIB);
    assert_int_equal(watch(60), 1);
    watch(3600);
    is_told_to_be_over(LB_WEAR_DISK,
                       "mmcblk0 was written 0 B in the last hour: well below [wear] alert again");
    assert_string_equal(events[0].disk, "mmcblk0");
    assert_string_equal(events[0].program, "");
    assert_int_equal(watch_for(120), 0);
}

static void what_was_below_the_limit_all_the_time_takes_no_place(void **state)
{
    (void)state;
    alert_limits.disk_bytes_per_hour = alert_limits.program_bytes_per_hour = 100 * MIB;
    wear_write(WEB, SD, 90 * MIB);
    assert_int_equal(watch_for(70), 0);
    for (unsigned i = 0; i < LB_ALERTS_SUBJECTS; i++) /* but what counts errors, so that it knows a new one */
        assert_true(!alerts.subject[i].is_used || alerts.subject[i].what == LB_WEAR_ERRORS);
}

static void what_comes_and_goes_is_told_anew_after_an_hour_and_not_before(void **state)
{
    unsigned told = 0, over = 0;

    (void)state;
    CARD->pre_eol = 2; /* this one comes and goes at once */
    watch(60);
    is_told(LB_WEAR_EOL, "mmcblk0 says that 80 % of its spare blocks are used");
    for (unsigned minute = 1; minute < 60; minute++) {
        CARD->pre_eol = minute % 2 ? 1 : 2;
        watch(60);
        for (unsigned i = 0; i < event_count; i++) {
            told += !events[i].is_over;
            over += events[i].is_over;
        }
    }
    assert_int_equal(told, 0);
    assert_int_equal(over, 1);
    CARD->pre_eol = 2;
    watch(60);
    is_told(LB_WEAR_EOL, "mmcblk0 says that 80 % of its spare blocks are used");
}

static void others_that_come_meanwhile_do_not_make_it_forgotten(void **state)
{
    (void)state;
    CARD->pre_eol = 2;
    assert_int_equal(watch(60), 1);
    CARD->pre_eol = 1;
    assert_int_equal(watch(60), 1);
    alert_limits.program_bytes_per_hour = MIB;
    wear_write(WEB, SD, 2 * MIB);
    assert_int_equal(watch(60), 1); /* another subject finds a place */
    CARD->pre_eol = 2;
    assert_int_equal(watch_for(56), 0);
    assert_true(watch_for(2) > 0);
}

static void a_limit_that_is_switched_off_is_told_to_be_so(void **state)
{
    (void)state;
    alert_limits = (struct lb_wear_limit_settings) { MIB, MIB, FOREVER, false };
    wear_write(WEB, SD, 2 * MIB);
    assert_int_equal(watch(60), 3);
    alert_limits = (struct lb_wear_limit_settings) { OFF, OFF, 0, false };
    assert_int_equal(watch(60), 3);
    assert_string_equal(events[0].text, "mmcblk0: [wear] life_warn is off");
    assert_string_equal(events[1].text, "mmcblk0 was written 2.0 MiB in the last hour, [wear] alert is off");
    assert_int_equal(events[1].limit_bytes, 0);
    assert_string_equal(
        events[2].text,
        "python3 (telemetry.service) wrote 2.0 MiB to flash in the last hour, [wear] program_alert is off");
    assert_int_equal(watch_for(90), 0);
}

static void in_the_first_hour_of_a_machine_all_is_told_too(void **state)
{
    (void)state;
    wear.now_ns = WEAR_S;
    watch_anew();
    CARD->pre_eol = 2;
    assert_int_equal(watch(60), 1);
}

/* ---- a program ---- */

static void a_program_that_writes_too_much_is_told_over_all_flash(void **state)
{
    uint32_t stick = wear_disk("sda"), turns = wear_disk("sdb");

    (void)state;
    wear.view.disk[turns].is_flash = false;
    alert_limits.program_bytes_per_hour = 10 * MIB;
    wear_write(WEB, SD, 4 * MIB);
    wear_write(WEB, turns, 900 * MIB);
    assert_int_equal(watch(60), 0);
    wear_write(WEB, stick, 8 * MIB);
    watch(60);
    is_told(LB_WEAR_PROGRAM, "python3 (telemetry.service) wrote 12.0 MiB to flash in the last hour, [wear] "
                             "program_alert is 10.0 MiB/h");
    assert_string_equal(events[0].disk, "sda"); /* where it writes most */
    assert_string_equal(events[0].program, "python3");
    assert_int_equal(events[0].bytes, 12 * MIB);
    watch(4000);
    is_told_to_be_over(LB_WEAR_PROGRAM,
                       "python3 (telemetry.service) wrote 0 B to flash in the last hour: well "
                       "below [wear] program_alert again");
}

static void a_program_in_no_unit_is_told_without(void **state)
{
    (void)state;
    alert_limits.program_bytes_per_hour = MIB;
    wear_write(wear_program("dd", ""), SD, 2 * MIB);
    watch(60);
    is_told(LB_WEAR_PROGRAM, "dd wrote 2.0 MiB to flash in the last hour, [wear] program_alert is 1.0 MiB/h");
}

static void a_program_without_a_name_is_told_once_too(void **state)
{
    (void)state;
    alert_limits.program_bytes_per_hour = MIB;
    wear_write(wear_program("", ""), SD, 2 * MIB);
    assert_int_equal(watch(60), 1);
    assert_int_equal(watch_for(30), 0);
}

static void names_that_look_alike_are_programs_of_their_own(void **state)
{
    (void)state;
    wear_program("a", "b");
    wear_program("a b", "");
    wear_program("a", "");
    alert_limits.program_bytes_per_hour = MIB;
    wear_write(1, SD, 2 * MIB);
    assert_int_equal(watch(60), 1);
    assert_int_equal(watch(60), 0);
    wear_write(2, SD, 2 * MIB);
    assert_int_equal(watch(60), 1);
    wear_write(3, SD, 2 * MIB);
    assert_int_equal(watch(60), 1);
    assert_int_equal(watch_for(50), 0);
}

static void a_program_that_is_merged_is_over_by_its_name(void **state)
{
    (void)state;
    alert_limits.program_bytes_per_hour = 100 * MIB;
    wear_write(WEB, SD, 200 * MIB);
    assert_int_equal(watch(60), 1);
    wear_program("others", "");
    wear_merge(WEB, 1);
    strcpy(wear.view.program[WEB].name, "dd"); /* another has its place */
    wear.view.program[WEB].unit[0] = '\0';
    assert_int_equal(watch(60), 2);
    assert_string_equal(events[0].program, "others"); /* who has its past now */
    assert_true(events[1].is_over);
    assert_string_equal(events[1].program, "python3");
    assert_string_equal(events[1].unit, "telemetry.service");
    assert_string_equal(events[1].disk, "mmcblk0");
    assert_string_equal(events[1].text,
                        "python3 (telemetry.service) is not one of those that write most any more");
    assert_int_equal(watch_for(30), 0);
}

/* ---- life ---- */

static void a_disk_that_will_not_last_is_told(void **state)
{
    (void)state;
    wear.limits.endurance_bytes = 1000 * WEAR_GIB;
    alert_limits.life_warn_s = 365 * DAY_S;
    wear_write(WEB, SD, 10 * WEAR_GIB / 24); /* 10 GiB a day */
    watch(3600);
    is_told(LB_WEAR_LIFE,
            "mmcblk0 has 99 days left at 10.0 GiB a day, [wear] life_warn is 365 days; 100 % of "
            "the last hour's bytes by python3 (telemetry.service)");
    assert_false(events[0].is_grave);
    wear.limits.endurance_bytes = 3660 * WEAR_GIB; /* just beyond, and not yet well beyond */
    wear_write(WEB, SD, 10 * WEAR_GIB / 24);
    assert_int_equal(watch(3600), 0);
    wear.limits.endurance_bytes = 9000 * WEAR_GIB;
    wear_write(WEB, SD, 10 * WEAR_GIB / 24);
    watch(3600);
    is_told_to_be_over(LB_WEAR_LIFE, "mmcblk0 is no longer said to end before [wear] life_warn");
}

static void what_becomes_grave_is_told_anew(void **state)
{
    (void)state;
    wear.limits.endurance_bytes = 1000 * WEAR_GIB;
    alert_limits.life_warn_s = 365 * DAY_S;
    wear_write(WEB, SD, 10 * WEAR_GIB / 24);
    watch(3600);
    assert_int_equal(event_count, 1);
    assert_false(events[0].is_grave);
    wear.limits.endurance_bytes = WEAR_GIB / 4;
    wear_write(WEB, SD, 10 * WEAR_GIB / 24);
    assert_int_equal(watch(1800), 0); /* not within the hour */
    watch(1800);
    assert_int_equal(event_count, 1);
    assert_true(events[0].is_grave);
    assert_non_null(strstr(events[0].text, "mmcblk0 has no life left at "));
    assert_int_equal(watch_for(100), 0);
}

static void a_disk_that_says_so_itself_is_told_by_steps(void **state)
{
    static const struct {
        unsigned life, eol;
        int is_grave;
        const char *text;
    } cases[] = {
        { 10, 1, 0, "mmcblk0 says that more than nine tenths of its life is used" },
        { 11, 1, 1, "mmcblk0 says that more than all of its life is used" },
        { 11, 2, 1, "mmcblk0 says that more than all of its life is used" },
        { 0, 2, 0, "mmcblk0 says that 80 % of its spare blocks are used" },
        { 10, 2, 0, "mmcblk0 says that 80 % of its spare blocks are used" },
        { 1, 3, 1, "mmcblk0 says that 90 % of its spare blocks are used" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        alerts_begin(state);
        CARD->life_a = 1;
        CARD->life_b = cases[i].life;
        CARD->pre_eol = cases[i].eol;
        watch(60); /* nothing was written, so nobody is to blame */
        is_told(LB_WEAR_EOL, cases[i].text);
        assert_int_equal(events[0].is_grave, cases[i].is_grave);
    }
    alerts_begin(state);
    CARD->life_a = 9;
    CARD->pre_eol = 1;
    assert_int_equal(watch(60), 0);
}

static void spare_blocks_that_run_out_further_are_told_anew(void **state)
{
    (void)state;
    CARD->pre_eol = 2;
    assert_int_equal(watch(60), 1);
    CARD->pre_eol = 3;
    assert_int_equal(watch_for(59), 0);
    watch(60);
    is_told(LB_WEAR_EOL, "mmcblk0 says that 90 % of its spare blocks are used");
    assert_true(events[0].is_grave);
}

/* ---- file systems ---- */

static void a_file_system_that_goes_read_only_is_grave(void **state)
{
    uint32_t root = wear_filesystem("/", "mmcblk0p2", SD);
    struct lb_filesystem *at = &wear.view.filesystem[root];

    (void)state;
    assert_int_equal(watch(60), 0);
    at->is_read_only = true;
    watch(60);
    is_told(LB_WEAR_READ_ONLY, "/ (ext4 on mmcblk0p2) has gone read-only: what is written there is lost");
    assert_true(events[0].is_grave);
    assert_string_equal(events[0].disk, "mmcblk0");
    assert_int_equal(watch_for(90), 0);
    at->is_read_only = false;
    watch(60);
    is_told_to_be_over(LB_WEAR_READ_ONLY, "/ (ext4 on mmcblk0p2) can be written to again");
    at->is_read_only = true;
    at->was_writable = false; /* one that is meant to be so */
    assert_int_equal(watch_for(90), 0);
}

static void errors_are_told_each_time_that_there_are_more_and_once_an_hour(void **state)
{
    struct lb_filesystem *at = &wear.view.filesystem[wear_filesystem("/", "mmcblk0p2", SD)];

    (void)state;
    assert_int_equal(watch(60), 0);
    at->errors = 2;
    watch(60);
    is_told(LB_WEAR_ERRORS, "/ (ext4 on mmcblk0p2) has counted 2 errors, 2 of them new: the disk or its "
                            "contacts fail, or power was cut");
    assert_true(events[0].is_grave);
    at->errors = 5;
    assert_int_equal(watch_for(30), 0);
    at->errors = 9;
    assert_int_equal(watch_for(29), 0);
    watch(60);
    is_told(LB_WEAR_ERRORS, "/ (ext4 on mmcblk0p2) has counted 9 errors, 7 of them new: the disk or its "
                            "contacts fail, or power was cut");
    assert_int_equal(watch_for(200), 0);
}

static void errors_that_the_kernels_log_tells_of_are_told_in_its_words(void **state)
{
    struct lb_disk *at = &wear.view.disk[SD];

    (void)state;
    assert_int_equal(watch(60), 0);
    at->io_errors = 2;
    snprintf(at->io_error, sizeof at->io_error, "I/O error, dev mmcblk0, sector 8");
    watch(60);
    is_told(LB_WEAR_ERRORS,
            "mmcblk0: the kernel tells of 2 errors, 2 of them new: I/O error, dev mmcblk0, sector 8");
    assert_true(events[0].is_grave);
    assert_string_equal(events[0].disk, "mmcblk0");
    assert_int_equal(watch_for(200), 0);
}

static void errors_that_a_file_system_brings_with_it_are_not_new(void **state)
{
    struct lb_filesystem *at;

    (void)state;
    at = &wear.view.filesystem[wear_filesystem("/", "mmcblk0p2", SD)];
    at->errors = 17;
    watch(60);
    is_told(LB_WEAR_ERRORS,
            "/ (ext4 on mmcblk0p2) has counted 17 errors: the disk or its contacts fail, or power was cut");
    at = &wear.view.filesystem[wear_filesystem("/media", "sda1", SD)]; /* plugged in later */
    at->errors = 3;
    watch(60);
    is_told(LB_WEAR_ERRORS,
            "/media (ext4 on sda1) has counted 3 errors: the disk or its contacts fail, or power was cut");
    at->errors = 4;
    watch(3600);
    is_told(LB_WEAR_ERRORS, "/media (ext4 on sda1) has counted 4 errors, 1 of them new: the disk or its "
                            "contacts fail, or power was cut");
}

static void after_a_repair_errors_are_counted_from_nothing(void **state)
{
    struct lb_filesystem *at = &wear.view.filesystem[wear_filesystem("/", "mmcblk0p2", SD)];

    (void)state;
    at->errors = 17;
    assert_int_equal(watch(60), 1);
    at->errors = 0;
    assert_int_equal(watch(3600), 0);
    at->errors = 2;
    watch(60);
    assert_int_equal(event_count, 1);
    assert_non_null(strstr(events[0].text, "has counted 2 errors, 2 of them new"));
}

static void a_file_system_that_tells_no_errors_has_none(void **state)
{
    (void)state;
    wear.view.filesystem[wear_filesystem("/boot", "mmcblk0p1", SD)].errors = LB_WEAR_UNKNOWN;
    assert_int_equal(watch_for(10), 0);
}

static void one_that_comes_and_goes_with_its_errors_is_told_once(void **state)
{
    unsigned told = 0;

    (void)state;
    wear.view.filesystem[wear_filesystem("/media", "sda1", SD)].errors = 3;
    for (unsigned i = 0; i < 50; i++) {
        told += watch(60);
        wear.view.filesystems = i % 2;
    }
    assert_int_equal(told, 1);
}

#define CLAIM(name) cmocka_unit_test_setup(name, alerts_begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_disk_that_is_written_too_much_is_told_once_with_who_is_to_blame),
        CLAIM(where_nobody_is_known_the_kernel_is_told),
        CLAIM(it_is_over_below_four_fifths_and_told_once),
        CLAIM(what_is_over_is_told_without_blame),
        CLAIM(what_was_below_the_limit_all_the_time_takes_no_place),
        CLAIM(what_comes_and_goes_is_told_anew_after_an_hour_and_not_before),
        CLAIM(others_that_come_meanwhile_do_not_make_it_forgotten),
        CLAIM(in_the_first_hour_of_a_machine_all_is_told_too),
        CLAIM(a_limit_that_is_switched_off_is_told_to_be_so),
        CLAIM(a_program_that_writes_too_much_is_told_over_all_flash),
        CLAIM(a_program_in_no_unit_is_told_without),
        CLAIM(a_program_without_a_name_is_told_once_too),
        CLAIM(names_that_look_alike_are_programs_of_their_own),
        CLAIM(a_program_that_is_merged_is_over_by_its_name),
        CLAIM(a_disk_that_will_not_last_is_told),
        CLAIM(what_becomes_grave_is_told_anew),
        CLAIM(a_disk_that_says_so_itself_is_told_by_steps),
        CLAIM(spare_blocks_that_run_out_further_are_told_anew),
        CLAIM(a_file_system_that_goes_read_only_is_grave),
        CLAIM(errors_are_told_each_time_that_there_are_more_and_once_an_hour),
        CLAIM(errors_that_the_kernels_log_tells_of_are_told_in_its_words),
        CLAIM(errors_that_a_file_system_brings_with_it_are_not_new),
        CLAIM(after_a_repair_errors_are_counted_from_nothing),
        CLAIM(a_file_system_that_tells_no_errors_has_none),
        CLAIM(one_that_comes_and_goes_with_its_errors_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
