/* SPDX-License-Identifier: MIT */
/*
 * Applying what protect plans, and taking it back.
 *
 * The story: a Raspberry Pi is quieted and then made what it was, byte by byte; with a failure at each step
 * in turn; with somebody's hand in between.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/lib_protect.h"

#define JOURNALD "/etc/systemd/journald.conf.d/60-logboom-protect.conf"
#define UNIT     "/etc/systemd/system/logboom-protect.service"
#define LINK     "/etc/systemd/system/multi-user.target.wants/logboom-protect.service"
#define MANIFEST "/etc/logboom/protect.manifest"

static bool has_path(const char *path)
{
    char full[512];
    struct stat st;

    snprintf(full, sizeof full, "%s%s", board_root, path);
    return lstat(full, &st) == 0;
}

static void assert_told(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no '%s' in '%s'", part, text);
}

static void assert_same(char *before, char *now)
{
    assert_string_equal(before, now);
    free(now);
}

static int swappiness(void)
{
    return lb_protect_swappiness(board_root);
}

static void apply_quiets_and_undo_restores_each_byte(void **state)
{
    char *before;

    (void)state;
    protect_pi();
    before = protect_snapshot();
    assert_true(protect_apply(true));
    assert_string_equal(protect.err, "");
    assert_string_equal(protect.ran, "systemctl daemon-reload\n"
                                     "systemctl restart logboom-protect.service\n"
                                     "systemctl restart systemd-journald.service\n"
                                     "systemctl try-restart systemd-timesyncd.service\n");
    assert_int_equal(swappiness(), 1);
    protect_find(true);
    assert_int_equal(protect_finding("journald", 0)->state, LB_PROTECT_DONE);
    assert_int_equal(protect_finding("swap", 0)->state, LB_PROTECT_DONE);
    assert_int_equal(protect_finding("mount", 0)->state, LB_PROTECT_DONE);
    assert_int_equal(protect_finding("timesyncd", 0)->state, LB_PROTECT_DONE);
    assert_true(protect_undo(true));
    assert_string_equal(protect.err, "");
    assert_told(protect.ran, "systemctl stop logboom-protect.service\n");
    assert_told(protect.ran, "mount -o remount,relatime,commit=5 /\n");
    assert_told(protect.ran, "systemctl restart systemd-journald.service\njournalctl --flush\n");
    assert_int_equal(swappiness(), 60);
    assert_same(before, protect_snapshot());
    assert_true(protect_undo(true));
    assert_told(protect.out, "nothing to undo");
    free(before);
}

static void a_second_apply_changes_nothing(void **state)
{
    char *before;

    (void)state;
    protect_pi();
    assert_true(protect_apply(true));
    before = protect_snapshot();
    protect.writes = 0;
    assert_true(protect_apply(true));
    assert_int_equal(protect.writes, 0);
    assert_string_equal(protect.ran, "");
    assert_same(before, protect_snapshot());
    free(before);
}

static void of_an_image_only_files_change(void **state)
{
    char *before;

    (void)state;
    protect_pi();
    board_remove("/proc");
    board_remove("/sys");
    before = protect_snapshot();
    assert_true(protect_apply(false));
    assert_string_equal(protect.ran, "");
    assert_true(has_path(JOURNALD) && has_path(UNIT) && has_path(LINK) && has_path(MANIFEST));
    assert_true(protect_apply(false));
    assert_true(protect_undo(false));
    assert_string_equal(protect.ran, "");
    assert_same(before, protect_snapshot());
    free(before);
}

/* An image that was quieted before it first ran: what was before is told by its fstab. */
static void what_was_applied_to_an_image_is_undone_on_the_machine(void **state)
{
    (void)state;
    protect_pi();
    assert_true(protect_apply(false));
    board_put("/proc/self/mountinfo", "21 1 979:2 / / rw,noatime - ext4 /dev/root rw,commit=60\n");
    assert_true(protect_undo(true));
    assert_told(protect.ran, "mount -o remount,relatime,commit=5 /\n");
}

static void a_failure_at_any_step_leaves_what_undo_takes_back(void **state)
{
    char *before;
    unsigned step = 1;
    bool is_done = false;

    (void)state;
    protect_pi();
    before = protect_snapshot();
    for (; !is_done; step++) {
        assert_true(step < 100);
        protect.writes = 0;
        protect.fails_at = step;
        is_done = protect_apply(true);
        if (!is_done)
            assert_told(protect.err, "Input/output error");
        protect.fails_at = 0;
        if (step % 2 == 0 && !is_done) { /* or it is gone on with, and then taken back */
            assert_true(protect_apply(true));
            assert_true(has_path(JOURNALD) && has_path(LINK));
        }
        assert_true(protect_undo(true));
        assert_string_equal(protect.err, "");
        /* Made before the manifest was: an empty directory may be left. */
        board_remove("/etc/logboom");
        assert_same(before, protect_snapshot());
    }
    assert_true(step > 10);
    free(before);
}

static void an_undo_that_fails_is_done_again(void **state)
{
    char *before;
    bool is_done = false;

    (void)state;
    protect_pi();
    before = protect_snapshot();
    for (unsigned step = 1; !is_done; step++) {
        assert_true(step < 100);
        assert_true(protect_apply(true));
        protect.writes = 0;
        protect.fails_at = step;
        is_done = protect_undo(true);
        protect.fails_at = 0;
        assert_true(protect_undo(true));
        board_remove("/etc/logboom");
        assert_same(before, protect_snapshot());
    }
    free(before);
}

static void what_an_interrupted_write_left_is_removed(void **state)
{
    char *before;

    (void)state;
    protect_pi();
    before = protect_snapshot();
    assert_true(protect_apply(true));
    board_remove(JOURNALD);
    board_put(JOURNALD ".new", "[Jour");
    assert_true(protect_undo(true));
    assert_same(before, protect_snapshot());
    free(before);
}

static void a_file_that_somebody_changed_is_kept_and_told_of(void **state)
{
    (void)state;
    protect_pi();
    assert_true(protect_apply(true));
    board_put(JOURNALD, "[Journal]\nStorage=volatile\nRuntimeMaxUse=64M\n");
    assert_false(protect_apply(true));
    assert_told(protect.err, JOURNALD);
    protect_find(true);
    assert_int_equal(protect_finding("journald", 0)->state, LB_PROTECT_BLOCKED);
    assert_false(protect_undo(true));
    assert_told(protect.err, JOURNALD ": it was changed since, so it is left");
    assert_true(has_path(JOURNALD) && has_path(MANIFEST));
    assert_false(has_path(UNIT) || has_path(LINK));
    assert_null(strstr(protect.ran, "systemd-journald"));
    assert_false(protect_undo(true));
    board_remove(JOURNALD);
    assert_true(protect_undo(true));
    assert_false(has_path(MANIFEST));
}

static void a_file_of_our_name_that_is_not_ours_is_never_touched(void **state)
{
    char *before;

    (void)state;
    protect_pi();
    board_put(UNIT, "[Service]\nExecStart=/bin/true\n");
    before = protect_snapshot();
    assert_false(protect_apply(true));
    assert_told(protect.err, UNIT);
    assert_false(has_path(LINK));
    assert_true(has_path(JOURNALD));
    assert_true(protect_undo(true));
    assert_null(strstr(protect.ran, "mount"));
    assert_same(before, protect_snapshot());
    free(before);
}

static void mounts_and_swappiness_that_somebody_set_since_stay(void **state)
{
    (void)state;
    protect_pi();
    assert_true(protect_apply(true));
    board_put("/proc/self/mountinfo", "21 1 979:2 / / rw,relatime - ext4 /dev/root rw,commit=600\n");
    board_put("/proc/sys/vm/swappiness", "30\n");
    assert_true(protect_undo(true));
    assert_null(strstr(protect.ran, "mount -o"));
    assert_int_equal(swappiness(), 30);
}

static void what_could_not_be_taken_up_is_tried_again(void **state)
{
    (void)state;
    protect_pi();
    protect.failing = "journald";
    assert_false(protect_apply(true));
    assert_told(protect.err, "systemctl restart systemd-journald.service: failed");
    protect_find(true);
    assert_int_equal(protect_finding("journald", 0)->state, LB_PROTECT_WOULD);
    protect.failing = NULL;
    assert_true(protect_apply(true));
    assert_string_equal(protect.ran, "systemctl restart systemd-journald.service\n");
    protect_find(true);
    assert_int_equal(protect_finding("journald", 0)->state, LB_PROTECT_DONE);
}

static void a_mount_that_does_not_come_about_is_told(void **state)
{
    (void)state;
    protect_pi();
    protect.failing = "restart logboom-protect.service";
    assert_false(protect_apply(true));
    protect.failing = "mount -o";
    board_put("/proc/self/mountinfo", "21 1 979:2 / / rw,noatime - ext4 /dev/root rw,commit=60\n");
    assert_false(protect_undo(true));
    assert_true(has_path(MANIFEST));
    protect.failing = NULL;
    assert_true(protect_undo(true));
    assert_told(protect.ran, "mount -o remount,relatime,commit=5 /\n");
}

static void a_newer_text_of_ours_replaces_the_older(void **state)
{
    struct lb_protect_manifest manifest;

    (void)state;
    protect_pi();
    assert_true(protect_apply(true));
    board_put("/etc/systemd/journald.conf", "[Journal]\nRuntimeMaxUse=8M\n");
    assert_true(protect_apply(true));
    assert_int_equal(lb_protect_manifest_read(&protect.tree, &manifest), 0);
    assert_int_equal(manifest.file[LB_PROTECT_JOURNALD].versions, 1);
    protect.writes = 0;
    board_put("/etc/systemd/journald.conf", "[Journal]\n");
    protect.fails_at = 4; /* the manifest has both, the file is still the older one */
    assert_false(protect_apply(true));
    protect.fails_at = 0;
    assert_int_equal(lb_protect_manifest_read(&protect.tree, &manifest), 0);
    assert_int_equal(manifest.file[LB_PROTECT_JOURNALD].versions, 2);
    assert_true(protect_undo(true));
    assert_false(has_path(JOURNALD));
}

static void a_damaged_manifest_does_nothing(void **state)
{
    static const char *const texts[] = { "",
                                         "logboom protect 2\n",
                                         "logboom protect 1\nfile 0123456789abcdef /etc/passwd\n",
                                         "logboom protect 1\ndir /etc\n",
                                         "logboom protect 1\ndir /etc/systemd/../../home\n",
                                         "logboom protect 1\nbefore relatime;reboot /\n",
                                         "logboom protect 1\nbefore relatime srv\n",
                                         "logboom protect 1\nswappiness 1000\n",
                                         "logboom protect 1\npending rm\n",
                                         "logboom protect 1\nword\n" };

    (void)state;
    protect_pi();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char *before;

        board_put(MANIFEST, texts[i]);
        before = protect_snapshot();
        assert_false(protect_undo(true));
        assert_told(protect.err, "damaged");
        assert_string_equal(protect.ran, "");
        assert_same(before, protect_snapshot());
        free(before);
    }
}

static void a_link_in_an_image_leads_no_write_out_of_it(void **state)
{
    char outside[] = "/tmp/logboom-outside.XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(outside));
    protect_pi();
    protect_link("/etc/logboom", outside);
    assert_false(protect_apply(false)); /* there is no such directory in the image */
    assert_int_equal(rmdir(outside), 0);
    board_remove("/etc/logboom");
    protect_link("/etc/systemd/journald.conf.d", "../../srv");
    protect_dir("/srv");
    assert_true(protect_apply(false));
    assert_true(has_path("/srv/60-logboom-protect.conf"));
}

#define WITH_SYSTEM(test) cmocka_unit_test_setup_teardown(test, protect_begin, protect_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SYSTEM(apply_quiets_and_undo_restores_each_byte),
        WITH_SYSTEM(a_second_apply_changes_nothing),
        WITH_SYSTEM(of_an_image_only_files_change),
        WITH_SYSTEM(what_was_applied_to_an_image_is_undone_on_the_machine),
        WITH_SYSTEM(a_failure_at_any_step_leaves_what_undo_takes_back),
        WITH_SYSTEM(an_undo_that_fails_is_done_again),
        WITH_SYSTEM(what_an_interrupted_write_left_is_removed),
        WITH_SYSTEM(a_file_that_somebody_changed_is_kept_and_told_of),
        WITH_SYSTEM(a_file_of_our_name_that_is_not_ours_is_never_touched),
        WITH_SYSTEM(mounts_and_swappiness_that_somebody_set_since_stay),
        WITH_SYSTEM(what_could_not_be_taken_up_is_tried_again),
        WITH_SYSTEM(a_mount_that_does_not_come_about_is_told),
        WITH_SYSTEM(a_newer_text_of_ours_replaces_the_older),
        WITH_SYSTEM(a_damaged_manifest_does_nothing),
        WITH_SYSTEM(a_link_in_an_image_leads_no_write_out_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
