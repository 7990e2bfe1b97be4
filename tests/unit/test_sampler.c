/* SPDX-License-Identifier: MIT */
/*
 * All looks together.
 *
 * The story: the agent starts on a board, looks each minute, and services write. What is on the board is in
 * the view from the first look on; what is written counts from then on, is shared out among programs, and is
 * told when it is too much. Cards are changed, file systems break, and where there is nothing to see nothing
 * is told.
 */
#include "agent/wear/sampler.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/lib_board.h"
#include "tests/unit/lib_proc.h"

#define MIB       (1ull << 20)
#define SECTORS   (MIB / 512)
#define SECOND_NS 1000000000ull
#define OWN_PID   7
#define ROOT      21 /* mount id of / on the boards */
#define VIEW      (lb_sampler_view(sampler))

static struct lb_sampler *sampler;
static struct lb_wear_settings settings;
static struct lb_wear_input input;
static struct lb_wear_event events[LB_ALERTS_AT_ONCE];
static uint64_t sectors; /* that the card was written by now */

static int begin(void **state)
{
    int rc = board_begin(state);

    strcpy(proc_root, board_root);
    settings = (struct lb_wear_settings) { .devices = "auto",
                                           .history_s = 86400,
                                           .limits = { 10 * MIB, LB_WEAR_UNKNOWN, 0, false } };
    input = (struct lb_wear_input) { .now_ns = 7200 * SECOND_NS, .wall_offset_ns = 99 };
    sectors = 2048; /* as the boards' card begins */
    sampler = NULL;
    return rc;
}

static int end(void **state)
{
    lb_sampler_free(sampler);
    return board_end(state);
}

static void start_on(const struct board *board)
{
    if (board)
        board_make(board);
    sampler = lb_sampler_new(board_root, OWN_PID);
    assert_non_null(sampler);
}

static unsigned look(void)
{
    input.now_ns += 60 * SECOND_NS;
    return lb_sampler_look(sampler, &settings, &input, events);
}

static void card_writes(uint64_t bytes)
{
    sectors += bytes / 512;
    board_wrote("mmcblk0", 2000 + sectors / 8, sectors, 600);
}

static const struct lb_program *program(const char *name)
{
    for (uint32_t i = 0; i < VIEW->programs; i++)
        if (strcmp(VIEW->program[i].name, name) == 0)
            return &VIEW->program[i];
    fail_msg("no program %s", name);
    return NULL;
}

static void adds_up(void)
{
    for (uint32_t disk = 0; disk < VIEW->disks; disk++) {
        uint64_t sum = VIEW->figures[disk].unattributed_bytes;

        for (uint32_t i = 0; i < VIEW->programs; i++)
            sum += VIEW->program[i].bytes[disk];
        assert_int_equal(sum, VIEW->figures[disk].looked_bytes);
    }
}

/* ---- what is there ---- */

static void the_first_look_shows_what_is_on_a_board(void **state)
{
    (void)state;
    start_on(&pi3_sd);
    assert_int_equal(VIEW->sampled_ns, 0);
    assert_int_equal(look(), 0);
    assert_int_equal(VIEW->sampled_ns, input.now_ns);
    assert_int_equal(VIEW->began_ns, input.now_ns);
    assert_int_equal(VIEW->uptime_s, 7260);
    assert_int_equal(VIEW->wall_offset_ns, 99);
    assert_int_equal(VIEW->disks, 1);
    assert_string_equal(VIEW->disk[0].name, "mmcblk0");
    assert_int_equal(VIEW->disk[0].kind, LB_DISK_SD);
    assert_int_equal(VIEW->disk[0].written_bytes, MIB);
    assert_int_equal(VIEW->disk[0].lifetime_bytes, 1ull << 30);
    assert_int_equal(VIEW->filesystems, 2);
    assert_int_equal(VIEW->findings, 1);
    assert_non_null(strstr(VIEW->finding[0].what, "swap on mmcblk0"));
    assert_int_equal(VIEW->figures[0].looked_bytes, 0);
    assert_int_equal(VIEW->buckets, 1);
    assert_string_equal(VIEW->missing, "");
    assert_string_equal(VIEW->boot_reason, "");
}

static void when_the_looks_began_stays_and_what_is_set_counts(void **state)
{
    (void)state;
    start_on(&pi4_sd);
    look();
    settings.endurance_bytes = 30000000000000;
    look();
    assert_int_equal(VIEW->began_ns, input.now_ns - 60 * SECOND_NS);
    assert_int_equal(VIEW->figures[0].endurance_bytes, 30000000000000);
    assert_true(VIEW->figures[0].is_endurance_told);
    assert_int_equal(VIEW->bucket[VIEW->buckets - 1].covered_s, 60);
}

static void disks_of_two_kinds_are_two(void **state)
{
    (void)state;
    start_on(&pi5_sd_nvme);
    look();
    assert_int_equal(VIEW->disks, 2);
    assert_int_equal(VIEW->disk[0].kind, LB_DISK_SD);
    assert_int_equal(VIEW->disk[1].kind, LB_DISK_NVME);
    assert_int_equal(VIEW->disk[1].lifetime_bytes, 4096 * 1024);
    assert_int_equal(VIEW->filesystems, 3);
}

static void an_emmc_that_nears_its_end_is_told_at_the_first_look(void **state)
{
    (void)state;
    start_on(&cm5_emmc_worn);
    assert_int_equal(look(), 1);
    assert_int_equal(events[0].what, LB_WEAR_EOL);
    assert_string_equal(events[0].text, "mmcblk0 says that 80 % of its spare blocks are used");
    assert_true(VIEW->findings > 0);
    assert_int_equal(look(), 0);
}

static void an_emmc_that_is_well_is_not(void **state)
{
    (void)state;
    start_on(&cm4_emmc);
    assert_int_equal(look(), 0);
    assert_int_equal(VIEW->disks, 1); /* its boot partitions are no disks */
    assert_int_equal(VIEW->disk[0].life_b, 2);
}

static void an_overlay_in_ram_lies_on_no_disk_and_one_on_the_card_does(void **state)
{
    (void)state;
    start_on(&pi4_overlay_on_card);
    look();
    for (uint32_t i = 0; i < VIEW->filesystems; i++)
        assert_int_equal(VIEW->filesystem[i].disk, 0);
    assert_int_equal(VIEW->filesystems, 2);
    board_make(&pi4_overlay_on_ram);
    look();
    assert_int_equal(VIEW->filesystems, 1);
    assert_true(VIEW->filesystem[0].is_read_only);
}

static void only_disks_that_are_wanted_are_watched(void **state)
{
    (void)state;
    strcpy(settings.devices, "nvme0n1");
    start_on(&pi5_sd_nvme);
    look();
    assert_int_equal(VIEW->disks, 1);
    assert_string_equal(VIEW->disk[0].name, "nvme0n1");
}

static void why_the_machine_started_is_read_once(void **state)
{
    (void)state;
    board_put_bytes("/proc/device-tree/chosen/bootloader/rsts", "\0\0\x10\0", 4);
    start_on(&pi4_sd);
    board_remove("/proc/device-tree");
    look();
    assert_string_equal(VIEW->boot_reason, "power was switched on (reset status 0x1000)");
}

static void who_may_not_be_looked_at_is_told_to_be_missing(void **state)
{
    (void)state;
    start_on(&pi4_sd);
    proc_start(10, 1, 100, "web");
    proc_start(11, 1, 100, "secret");
    board_remove("/proc/11/io");
    board_put("/proc/11/io/x", "a directory"); /* so root is refused as well */
    look();
    assert_int_equal(VIEW->processes_seen, 2);
    assert_int_equal(VIEW->processes_refused, 1);
    assert_non_null(strstr(VIEW->missing, "wear-full.conf"));
    proc_end(11);
    look();
    assert_string_equal(VIEW->missing, "");
}

/* ---- what is written ---- */

static void what_is_written_counts_and_is_shared_out(void **state)
{
    (void)state;
    start_on(&pi4_sd);
    proc_start(OWN_PID, 1, 100, "logboomd");
    proc_start(10, 1, 100, "web");
    proc_open(10, 3, O_WRONLY, ROOT);
    look();
    proc_io(10, 2 * MIB, 0);
    card_writes(3 * MIB);
    assert_int_equal(look(), 0);
    assert_int_equal(VIEW->disk[0].delta_bytes, 3 * MIB);
    assert_int_equal(VIEW->disk[0].written_bytes, 4 * MIB);
    assert_int_equal(VIEW->figures[0].looked_bytes, 3 * MIB);
    assert_int_equal(VIEW->figures[0].hour_bytes, 3 * MIB);
    assert_int_equal(program("web")->bytes[0], 2 * MIB);
    assert_int_equal(VIEW->figures[0].unattributed_bytes, MIB);
    assert_int_equal(VIEW->bucket[VIEW->buckets - 1].disk_bytes[0], 3 * MIB);
    adds_up();
    look();
    assert_int_equal(VIEW->disk[0].delta_bytes, 0);
    assert_int_equal(VIEW->figures[0].looked_bytes, 3 * MIB);
    adds_up();
}

static void too_much_is_told_with_who_did_it(void **state)
{
    (void)state;
    settings.limits.program_bytes_per_hour = 10 * MIB;
    start_on(&pi4_sd);
    proc_start(10, 1, 100, "web");
    proc_print("/proc/10/cgroup", "0::/system.slice/web.service\n");
    proc_open(10, 3, O_WRONLY, ROOT);
    look();
    proc_io(10, 15 * MIB, 0);
    card_writes(20 * MIB);
    assert_int_equal(look(), 2);
    assert_string_equal(events[0].text, "mmcblk0 was written 20.0 MiB in the last hour, [wear] alert is 10.0 "
                                        "MiB/h; 75 % of it by web (web.service)");
    assert_int_equal(events[1].what, LB_WEAR_PROGRAM);
    assert_string_equal(events[1].unit, "web.service");
    for (unsigned minute = 0; minute < 59; minute++)
        assert_int_equal(look(), 0);
    assert_int_equal(look(), 2);
    assert_true(events[0].is_over && events[1].is_over);
    assert_int_equal(VIEW->figures[0].hour_bytes, 0);
}

static void many_programs_over_many_looks_add_up(void **state)
{
    char name[16];

    (void)state;
    start_on(&pi4_sd);
    look();
    for (int round = 0; round < 120; round++) { /* more than there is room for: some are merged */
        int pid = 100 + round;

        snprintf(name, sizeof name, "job%d", round);
        proc_start(pid, 1, (uint64_t)(800000 + round), name);
        proc_open(pid, 3, O_WRONLY, ROOT);
        proc_io(pid, (uint64_t)(round + 1) * 4096, 0);
        card_writes((uint64_t)(round % 3) * 65536);
        look();
        adds_up();
        proc_end(pid);
    }
    assert_int_equal(VIEW->programs, LB_WEAR_PROGRAMS);
}

static void another_card_in_the_slot_begins_at_nothing(void **state)
{
    struct board_disk card = pi4_sd.disk[0];

    (void)state;
    start_on(&pi4_sd);
    proc_start(10, 1, 100, "web");
    proc_open(10, 3, O_WRONLY, ROOT);
    look();
    proc_io(10, 8 * MIB, 0);
    card_writes(8 * MIB);
    look();
    board_unplug(&card);
    look();
    assert_false(VIEW->disk[0].is_present);
    assert_int_equal(VIEW->figures[0].looked_bytes, 8 * MIB); /* what was counted is still shown */
    board_plug(&card);
    board_put("/sys/block/mmcblk0/diskseq", "9\n");
    look();
    assert_true(VIEW->disk[0].is_present);
    assert_int_equal(VIEW->figures[0].looked_bytes, 0);
    assert_int_equal(VIEW->figures[0].hour_bytes, 0);
    assert_int_equal(program("web")->bytes[0], 0);
    sectors = 2048;
    proc_io(10, 9 * MIB, 0);
    card_writes(MIB);
    look();
    assert_int_equal(VIEW->figures[0].looked_bytes, MIB);
    assert_int_equal(VIEW->figures[0].hour_bytes, MIB);
    assert_int_equal(VIEW->bucket[VIEW->buckets - 1].program_kib[0][0], 1024);
    adds_up();
}

/* ---- what breaks ---- */

static void a_root_that_goes_read_only_is_told(void **state)
{
    (void)state;
    start_on(&pi4_sd);
    look();
    board_put("/proc/self/mountinfo", "21 1 979:2 / / ro,noatime - ext4 /dev/root ro\n");
    board_put("/sys/fs/ext4/mmcblk0p2/errors_count", "4\n");
    assert_int_equal(look(), 2);
    assert_string_equal(events[0].text,
                        "/ (ext4 on mmcblk0p2) has gone read-only: what is written there is lost");
    assert_non_null(strstr(events[1].text, "has counted 4 errors, 4 of them new"));
    assert_int_equal(look(), 0);
}

static void a_machine_without_anything_to_see_does_no_harm(void **state)
{
    (void)state;
    start_on(NULL);
    assert_int_equal(look(), 0);
    assert_int_equal(VIEW->sampled_ns, 0);
    assert_int_equal(VIEW->disks, 0);
    board_put("/sys/block/x", "no disk");
    assert_int_equal(look(), 0);
    assert_int_equal(VIEW->sampled_ns, input.now_ns);
    assert_int_equal(VIEW->disks, 0);
    board_make(&pi4_sd); /* and what comes later is seen */
    look();
    assert_int_equal(VIEW->disks, 1);
}

static void a_look_that_finds_nothing_leaves_the_counts_as_they_were(void **state)
{
    (void)state;
    start_on(&pi4_sd);
    look();
    card_writes(3 * MIB);
    look();
    board_remove("/sys");
    assert_int_equal(look(), 0);
    assert_int_equal(VIEW->figures[0].looked_bytes, 3 * MIB);
    assert_int_equal(VIEW->sampled_ns, input.now_ns - 60 * SECOND_NS);
}

static void it_knows_what_memory_it_takes(void **state)
{
    (void)state;
    assert_in_range(lb_sampler_bytes(), sizeof(struct lb_wear_view) * 3, 4 * MIB);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(the_first_look_shows_what_is_on_a_board),
        CLAIM(when_the_looks_began_stays_and_what_is_set_counts),
        CLAIM(disks_of_two_kinds_are_two),
        CLAIM(an_emmc_that_nears_its_end_is_told_at_the_first_look),
        CLAIM(an_emmc_that_is_well_is_not),
        CLAIM(an_overlay_in_ram_lies_on_no_disk_and_one_on_the_card_does),
        CLAIM(only_disks_that_are_wanted_are_watched),
        CLAIM(why_the_machine_started_is_read_once),
        CLAIM(who_may_not_be_looked_at_is_told_to_be_missing),
        CLAIM(what_is_written_counts_and_is_shared_out),
        CLAIM(too_much_is_told_with_who_did_it),
        CLAIM(many_programs_over_many_looks_add_up),
        CLAIM(another_card_in_the_slot_begins_at_nothing),
        CLAIM(a_root_that_goes_read_only_is_told),
        CLAIM(a_machine_without_anything_to_see_does_no_harm),
        CLAIM(a_look_that_finds_nothing_leaves_the_counts_as_they_were),
        CLAIM(it_knows_what_memory_it_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
