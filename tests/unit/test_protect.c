/* SPDX-License-Identifier: MIT */
/*
 * What protect finds.
 *
 * The story: a Raspberry Pi as its distribution made it, then one thing after another is set otherwise, by
 * somebody or by protect itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <cmocka.h>

#include "tests/unit/lib_protect.h"

#define OURS "/etc/systemd/journald.conf.d/60-logboom-protect.conf"

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no '%s' in '%s'", part, text);
}

static const struct lb_protect_finding *found(const char *id)
{
    const struct lb_protect_finding *finding = protect_finding(id, 0);

    if (!finding)
        fail_msg("no finding '%s'", id);
    return finding;
}

static void is_silent_of(const char *id)
{
    assert_null(protect_finding(id, 0));
}

/* ---- settings ---- */

static struct lb_protect_setting setting[] = { { .section = "Journal", .key = "Storage" }, { 0 } };

static const char *storage(void)
{
    setting[0].is_set = false;
    lb_protect_conf_read(&protect.tree, LB_PROTECT_SYSTEMD, "journald.conf", NULL, lb_protect_conf_take,
                         setting);
    return setting[0].is_set ? setting[0].value : "none";
}

static void parse(const char *text)
{
    setting[0].is_set = false;
    lb_protect_conf_parse(text, strlen(text), "f", lb_protect_conf_take, setting);
}

static void a_text_is_read_as_systemd_reads_it(void **state)
{
    (void)state;
    parse("Storage=none\n[Other]\nStorage=none\n[Journal]\n  # Storage=none\n; x\n\tStorage =\tauto \r\n");
    assert_true(setting[0].is_set);
    assert_string_equal(setting[0].value, "auto");
    parse("[Journal]\nStorage=vol\\\n# a comment between\natile\n");
    assert_string_equal(setting[0].value, "vol atile");
    parse("[Journal]\nStorage=auto\nStorage=\n");
    assert_false(setting[0].is_set);
    parse("\xef\xbb\xbf[Journal]\nStorage=auto");
    assert_string_equal(setting[0].value, "auto");
    parse("[\n]\n[]\n=\n=x\n\\\n\\");
    assert_false(setting[0].is_set);
}

static void the_file_comes_first_then_drop_ins_by_name_and_a_name_in_etc_hides_the_same_elsewhere(
    void **state)
{
    (void)state;
    protect_pi();
    protect_find(true);
    assert_string_equal(storage(), "none");
    board_put("/usr/lib/systemd/journald.conf.d/40-rpi.conf", "[Journal]\nStorage=volatile\n");
    assert_string_equal(storage(), "volatile");
    board_put("/etc/systemd/journald.conf", "[Journal]\nStorage=persistent\n");
    assert_string_equal(storage(), "volatile");
    board_put("/run/systemd/journald.conf.d/30-early.conf", "[Journal]\nStorage=none\n");
    assert_string_equal(storage(), "volatile");
    board_put("/usr/local/lib/systemd/journald.conf.d/90-late.conf", "[Journal]\nStorage=auto\n");
    assert_string_equal(storage(), "auto");
    assert_string_equal(setting[0].file, "/usr/local/lib/systemd/journald.conf.d/90-late.conf");
    protect_link("/etc/systemd/journald.conf.d/90-late.conf", "/dev/null");
    protect_link("/run/systemd/journald.conf.d/40-rpi.conf", "/dev/null");
    assert_string_equal(storage(), "none");
    board_put("/etc/systemd/journald.conf.d/99-not-a-drop-in", "[Journal]\nStorage=auto\n");
    assert_string_equal(storage(), "none");
}

static void links_do_not_lead_out_of_an_image(void **state)
{
    (void)state;
    protect_pi();
    board_put("/srv/j.conf", "[Journal]\nStorage=none\n");
    protect_find(false);
    protect_link("/etc/systemd/journald.conf.d/10-a.conf", "/srv/j.conf");
    assert_string_equal(storage(), "none");
    protect_link("/etc/systemd/journald.conf.d/10-a.conf", "../../../../../../../../../srv/j.conf");
    assert_string_equal(storage(), "none");
}

static void what_cannot_be_read_is_counted_and_does_no_harm(void **state)
{
    char *large = calloc(1, LB_PROTECT_FILE_MOST + 1);

    (void)state;
    protect_pi();
    board_put_bytes("/etc/systemd/journald.conf.d/10-large.conf", large, LB_PROTECT_FILE_MOST + 1);
    memset(large, '\\', LB_PROTECT_FILE_MOST - 1);
    board_put_bytes("/etc/systemd/journald.conf.d/20-odd.conf", large, LB_PROTECT_FILE_MOST - 1);
    memset(large, 0, LB_PROTECT_FILE_MOST - 1);
    board_put_bytes("/etc/fstab", large, LB_PROTECT_FILE_MOST - 1);
    protect_dir("/etc/systemd/journald.conf.d/30-dir.conf");
    protect_find(true);
    assert_int_equal(protect.look.plan->unreadable, 2);
    assert_int_equal(found("journald")->state, LB_PROTECT_WOULD);
    free(large);
}

/* ---- the journal ---- */

static void a_journal_on_the_card_is_found_by_default_and_by_word(void **state)
{
    (void)state;
    protect_pi();
    protect_find(true);
    assert_int_equal(found("journald")->state, LB_PROTECT_WOULD);
    assert_ptr_equal(found("journald"), &protect.look.plan->finding[0]);
    assert_has(found("journald")->known, "Storage=auto by default");
    assert_has(protect.look.plan->file[LB_PROTECT_JOURNALD].text, "Storage=volatile\nRuntimeMaxUse=16M\n");
    board_remove("/var/log/journal");
    protect_find(true);
    is_silent_of("journald");
    board_put("/etc/systemd/journald.conf", "[Journal]\nStorage=persistent\nRuntimeMaxUse=8M\n");
    protect_find(true);
    assert_has(found("journald")->known, "Storage=persistent in /etc/systemd/journald.conf");
    assert_null(strstr(protect.look.plan->file[LB_PROTECT_JOURNALD].text, "RuntimeMaxUse"));
}

static void a_volatile_journal_or_one_in_memory_is_none(void **state)
{
    (void)state;
    protect_pi();
    board_put("/usr/lib/systemd/journald.conf.d/40-rpi.conf", "[Journal]\nStorage=volatile\n");
    protect_find(true);
    is_silent_of("journald");
    board_remove("/usr/lib/systemd/journald.conf.d");
    board_put("/proc/self/mountinfo", "21 1 979:2 / / rw,noatime - ext4 /dev/root rw,commit=60\n"
                                      "22 21 0:30 / /var/log rw - tmpfs log2ram rw\n");
    protect_find(true);
    is_silent_of("journald");
    is_silent_of("mount");
}

static void a_later_drop_in_of_somebody_else_blocks_ours(void **state)
{
    (void)state;
    protect_pi();
    board_put("/etc/systemd/journald.conf.d/70-mine.conf", "[Journal]\nStorage=persistent\n");
    protect_find(true);
    assert_int_equal(found("journald")->state, LB_PROTECT_BLOCKED);
    assert_has(found("journald")->action, "70-mine.conf");
    assert_false(protect.look.plan->file[LB_PROTECT_JOURNALD].is_wanted);
}

static void what_the_journal_holds_is_told_by_its_own_headers(void **state)
{
    uint64_t header[32] = { 0 };

    (void)state;
    protect_pi();
    memcpy(header, "LPKSHHRH", 8);
    header[152 / 8] = 4800;
    header[184 / 8] = (PROTECT_NOW_S - 86400 - 60) * 1000000;
    header[192 / 8] = (PROTECT_NOW_S - 60) * 1000000;
    board_put_bytes("/var/log/journal/0123/system.journal", header, sizeof header);
    header[152 / 8] = UINT64_MAX; /* damaged ones are not believed */
    board_put_bytes("/var/log/journal/0123/damaged.journal", header, sizeof header);
    board_put("/var/log/journal/0123/short.journal", "LPKSHHRH");
    protect_find(true);
    assert_has(found("journald")->known, "4800 entries a day over the last 24 h");
}

/* ---- the others ---- */

static void rsyslog_is_told_of_and_left(void **state)
{
    struct timeval times[2] = { { PROTECT_NOW_S - 300, 0 }, { PROTECT_NOW_S - 300, 0 } };
    char path[512];

    (void)state;
    protect_pi();
    board_put("/usr/lib/systemd/system/rsyslog.service", "[Service]\n");
    board_put("/etc/rsyslog.conf", "# /var/log/not\n*.* -/var/log/syslog\nauth.* /var/log/auth.log\n");
    protect_find(true);
    is_silent_of("rsyslog"); /* not enabled */
    protect_link("/etc/systemd/system/multi-user.target.wants/rsyslog.service",
                 "/lib/systemd/system/rsyslog.service");
    board_put("/var/log/syslog", "x");
    snprintf(path, sizeof path, "%s/var/log/syslog", board_root);
    assert_int_equal(utimes(path, times), 0);
    protect_find(true);
    assert_int_equal(found("rsyslog")->state, LB_PROTECT_BY_HAND);
    assert_has(found("rsyslog")->known, "2 lines");
    assert_has(found("rsyslog")->known, "5 min ago");
}

static void swap_on_the_card_is_made_rarer_unless_somebody_chose_or_zram_is_there(void **state)
{
    (void)state;
    protect_pi();
    protect_find(true);
    assert_int_equal(found("swap")->state, LB_PROTECT_WOULD);
    assert_has(found("swap")->known, "/var/swap (100.0 MiB, 12.0 MiB used) on mmcblk0");
    assert_has(found("swap")->known, "1.0 MiB swapped out");
    assert_int_equal(protect.look.plan->swappiness, 60);
    board_put("/etc/sysctl.d/10-mine.conf", "# x\n-vm/swappiness = 20\n");
    protect_find(true);
    assert_int_equal(found("swap")->state, LB_PROTECT_BY_HAND);
    board_remove("/etc/sysctl.d/10-mine.conf");
    board_put("/proc/swaps", "Filename Type Size Used Priority\n/var/swap file 102396 0 -2\n"
                             "/dev/zram0 partition 102396 0 100\n");
    protect_find(true);
    assert_int_equal(found("swap")->state, LB_PROTECT_BY_HAND);
    board_put("/proc/swaps", "Filename Type Size Used Priority\n/dev/zram0 partition 102396 0 100\n");
    protect_find(true);
    is_silent_of("swap");
}

static void zram_that_writes_out_is_told_of(void **state)
{
    (void)state;
    board_make(&pi5_zram_file);
    board_put("/etc/fstab", "");
    protect_find(true);
    assert_int_equal(found("swap")->state, LB_PROTECT_BY_HAND);
    assert_has(found("swap")->known, "zram0 writes out to");
    assert_has(found("swap")->known, "12 MiB so far");
}

static void mounts_are_told_with_what_would_change(void **state)
{
    (void)state;
    protect_pi();
    protect_find(true);
    assert_has(found("mount")->known, "mounted with relatime, commit=5");
    assert_has(protect.look.plan->file[LB_PROTECT_UNIT].text,
               "ExecStart=-/bin/mount -o remount,noatime,commit=60 /\n");
    assert_string_equal(protect.look.plan->remount[0].before, "relatime,commit=5");
    assert_null(protect_finding("mount", 1)); /* /boot/firmware is FAT, and idle */
    board_put("/proc/self/mountinfo", "21 1 979:2 / / rw - ext4 /dev/root rw,commit=30\n"
                                      "22 1 979:1 / /my\\040srv rw,noatime - ext4 /dev/mmcblk0p1 rw\n"
                                      "23 1 979:2 / /again rw,relatime - ext4 /dev/root rw\n");
    protect_find(true);
    assert_has(protect_finding("mount", 0)->title, "notes each read");
    assert_int_equal(protect_finding("mount", 1)->state, LB_PROTECT_BY_HAND); /* its name has a blank */
    assert_null(protect_finding("mount", 2));
    assert_string_equal(protect.look.plan->remount[0].before, "strictatime,commit=30");
}

static void timesyncd_is_told_to_keep_the_time_less_often_where_it_can(void **state)
{
    (void)state;
    protect_pi();
    protect_find(true);
    assert_int_equal(found("timesyncd")->state, LB_PROTECT_WOULD);
    board_remove("/usr/lib/x86_64-linux-gnu");
    board_put("/usr/lib/systemd/libsystemd-shared-247.so", "");
    protect_find(true);
    assert_int_equal(found("timesyncd")->state, LB_PROTECT_BY_HAND);
    board_put("/etc/systemd/timesyncd.conf", "[Time]\nSaveIntervalSec=5min\n");
    protect_find(true);
    is_silent_of("timesyncd");
}

static void fake_hwclock_and_timers_are_told_of(void **state)
{
    (void)state;
    protect_pi();
    board_put("/usr/lib/systemd/system/man-db.timer", "[Timer]\n");
    board_put("/usr/lib/systemd/system/apt-daily.timer", "[Timer]\n");
    board_put("/usr/lib/systemd/system/fake-hwclock-save.timer", "[Timer]\n");
    protect_find(true);
    is_silent_of("timers");
    is_silent_of("fake-hwclock");
    protect_link("/etc/systemd/system/timers.target.wants/man-db.timer", "/lib/systemd/system/man-db.timer");
    protect_link("/etc/systemd/system/timers.target.wants/apt-daily.timer",
                 "/lib/systemd/system/apt-daily.timer");
    protect_link("/etc/systemd/system/apt-daily.timer", "/dev/null"); /* masked */
    protect_link("/etc/systemd/system/timers.target.wants/fake-hwclock-save.timer", "/lib/systemd/system/x");
    protect_find(true);
    assert_string_equal(found("timers")->known, "man-db.timer");
    assert_int_equal(found("fake-hwclock")->state, LB_PROTECT_BY_HAND);
}

static void services_that_log_to_files_are_told_of_once_and_with_their_drop_ins(void **state)
{
    (void)state;
    protect_pi();
    board_put("/etc/systemd/system/shop.service", "[Service]\nStandardOutput=append:/var/log/shop.log\n"
                                                  "StandardError=append:/var/log/shop.log\n");
    board_put("/usr/lib/systemd/system/shop.service", "[Service]\nStandardOutput=file:/var/log/old.log\n");
    board_put("/usr/lib/systemd/system/calm.service", "[Service]\nStandardOutput=file:/run/calm.log\n");
    board_put("/usr/lib/systemd/system/late.service", "[Service]\nStandardOutput=journal\n");
    board_put("/etc/systemd/system/late.service.d/a.conf",
              "[Service]\nStandardError=truncate:/srv/late.log\n");
    board_put("/usr/lib/systemd/system/healed.service", "[Service]\nStandardOutput=file:/var/log/h.log\n");
    board_put("/run/systemd/system/healed.service.d/a.conf", "[Service]\nStandardOutput=journal\n");
    protect_find(true);
    assert_has(protect_finding("service", 0)->title, "late.service");
    assert_has(protect_finding("service", 1)->title, "shop.service");
    assert_has(protect_finding("service", 1)->known, "append:/var/log/shop.log");
    assert_null(protect_finding("service", 2));
}

static void docker_is_told_of_unless_its_driver_writes_no_files(void **state)
{
    (void)state;
    protect_pi();
    protect_find(true);
    is_silent_of("docker");
    board_put("/usr/lib/systemd/system/docker.service", "[Service]\n");
    protect_find(true);
    assert_has(found("docker")->known, "json-file by default");
    board_put("/etc/docker/daemon.json", "{\"x\": {\"log-driver\": \"syslog\"}, \"log-driver\": \"local\"}");
    protect_find(true);
    assert_has(found("docker")->known, "log-driver local");
    board_put("/etc/docker/daemon.json", "{\"log-driver\": \"syslog\"}");
    protect_find(true);
    is_silent_of("docker");
    board_put("/etc/docker/daemon.json", "\xff{");
    protect_find(true);
    found("docker");
}

static void log_files_that_grow_are_listed_the_largest_first(void **state)
{
    static char bytes[300 * 1024];
    char path[64], full[512];

    (void)state;
    protect_pi();
    for (unsigned i = 1; i <= 7; i++) {
        struct timeval times[2] = { { PROTECT_NOW_S, 0 }, { PROTECT_NOW_S - (i == 7 ? 90000 : 60 * i), 0 } };

        snprintf(path, sizeof path, "/var/log/app/%u\x1b.log", i);
        board_put_bytes(path, bytes, 40 * 1024 * i);
        snprintf(full, sizeof full, "%s%s", board_root, path);
        assert_int_equal(utimes(full, times), 0);
    }
    protect_find(true);
    assert_has(found("files")->known, "5 of 64 KiB or more written within a day");
    assert_true(strstr(found("files")->known, "/6?.log") < strstr(found("files")->known, "/2?.log"));
    assert_null(strchr(found("files")->known, '\x1b'));
}

static void an_image_is_taken_by_its_files(void **state)
{
    (void)state;
    protect_pi();
    board_put("/etc/rpi/swap.conf", "[Main]\n#Mechanism=auto\n");
    board_remove("/proc");
    board_remove("/sys");
    protect_find(false);
    assert_int_equal(found("journald")->state, LB_PROTECT_WOULD);
    assert_has(found("mount")->known, "in /etc/fstab with relatime, commit=5");
    assert_has(found("swap")->known, "rpi-swap with Mechanism=auto");
    board_put("/etc/fstab", "UUID=1 / ext4 noatime,commit=60 0 1\ntmpfs /var/log tmpfs size=16M 0 0\n");
    protect_find(false);
    is_silent_of("journald");
    is_silent_of("mount");
}

static void nothing_is_found_where_nothing_is_flash(void **state)
{
    (void)state;
    board_make(&(struct board) {
        .disk = { { "vda", "pci0000:00/virtio0", 954, 0, 1, "removable=0;queue/rotational=1;size=100" } },
        .mountinfo = "21 1 954:1 / / rw,relatime - ext4 /dev/vda1 rw\n" });
    board_put("/usr/lib/systemd/system/systemd-journald.service", "[Service]\n");
    protect_dir("/var/log/journal");
    protect_dir("/etc");
    protect_find(true);
    assert_int_equal(protect.look.plan->count, 0);
    assert_has(protect.look.plan->ground, "(--flash takes it)");
    protect.look.is_unknown_flash = true;
    lb_protect_find(&protect.look);
    found("journald");
    found("mount");
}

#define WITH_SYSTEM(test) cmocka_unit_test_setup_teardown(test, protect_begin, protect_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_read_as_systemd_reads_it),
        WITH_SYSTEM(the_file_comes_first_then_drop_ins_by_name_and_a_name_in_etc_hides_the_same_elsewhere),
        WITH_SYSTEM(links_do_not_lead_out_of_an_image),
        WITH_SYSTEM(what_cannot_be_read_is_counted_and_does_no_harm),
        WITH_SYSTEM(a_journal_on_the_card_is_found_by_default_and_by_word),
        WITH_SYSTEM(a_volatile_journal_or_one_in_memory_is_none),
        WITH_SYSTEM(a_later_drop_in_of_somebody_else_blocks_ours),
        WITH_SYSTEM(what_the_journal_holds_is_told_by_its_own_headers),
        WITH_SYSTEM(rsyslog_is_told_of_and_left),
        WITH_SYSTEM(swap_on_the_card_is_made_rarer_unless_somebody_chose_or_zram_is_there),
        WITH_SYSTEM(zram_that_writes_out_is_told_of),
        WITH_SYSTEM(mounts_are_told_with_what_would_change),
        WITH_SYSTEM(timesyncd_is_told_to_keep_the_time_less_often_where_it_can),
        WITH_SYSTEM(fake_hwclock_and_timers_are_told_of),
        WITH_SYSTEM(services_that_log_to_files_are_told_of_once_and_with_their_drop_ins),
        WITH_SYSTEM(docker_is_told_of_unless_its_driver_writes_no_files),
        WITH_SYSTEM(log_files_that_grow_are_listed_the_largest_first),
        WITH_SYSTEM(an_image_is_taken_by_its_files),
        WITH_SYSTEM(nothing_is_found_where_nothing_is_flash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
