/* SPDX-License-Identifier: MIT */
/*
 * A system to protect. In: files, as a test puts them. Out: findings, what was run. Always true: nothing is
 * run, and nothing outside the board's directory is written.
 */
#include "tests/unit/lib_protect.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct protect protect;

static struct lb_protect_plan plan;

static void mounts(const char *root_flags, const char *root_options)
{
    char text[1024];

    snprintf(text, sizeof text,
             "21 1 979:2 / / %s shared:1 - ext4 /dev/root %s\n"
             "23 21 0:20 / /proc rw,nosuid,relatime shared:3 - proc proc rw\n"
             "24 21 0:22 / /run rw,nosuid shared:4 - tmpfs tmpfs rw,size=92000k\n"
             "40 21 979:1 / /boot/firmware rw,relatime shared:9 - vfat /dev/mmcblk0p1 rw\n",
             root_flags, root_options);
    board_put("/proc/self/mountinfo", text);
}

static int run(void *arg, const char *const *argv)
{
    struct protect *to = arg;
    char line[256] = "";

    for (size_t i = 0; argv[i]; i++)
        lb_protect_say_more(line, sizeof line, "%s%s", i > 0 ? " " : "", argv[i]);
    snprintf(to->ran + strlen(to->ran), sizeof to->ran - strlen(to->ran), "%s\n", line);
    if (to->failing && strstr(line, to->failing))
        return 1;
    if (strcmp(line, "systemctl restart logboom-protect.service") == 0)
        mounts("rw,noatime", "rw,commit=60");
    if (strcmp(line, "mount -o remount,relatime,commit=5 /") == 0)
        mounts("rw,relatime", "rw");
    return 0;
}

static int before_write(void *arg)
{
    struct protect *to = arg;

    return ++to->writes == to->fails_at ? -EIO : 0;
}

int protect_begin(void **state)
{
    memset(&protect, 0, sizeof protect);
    return board_begin(state);
}

int protect_end(void **state)
{
    if (protect.tree.fd > 0)
        lb_protect_tree_close(&protect.tree);
    return board_end(state);
}

static void in_root(char *full, size_t size, const char *path)
{
    snprintf(full, size, "%s%s", board_root, path);
}

void protect_dir(const char *path)
{
    char full[512];

    snprintf(full, sizeof full, "%s/x", path);
    board_put(full, "");
    in_root(full, sizeof full, path);
    strcat(full, "/x");
    assert_int_equal(unlink(full), 0);
}

void protect_link(const char *path, const char *target)
{
    char full[512];

    in_root(full, sizeof full, path);
    unlink(full); /* or what was linked before would be written to */
    board_put(path, "");
    assert_int_equal(unlink(full), 0);
    assert_int_equal(symlink(target, full), 0);
}

void protect_pi(void)
{
    board_make(&pi3_sd);
    mounts("rw,relatime", "rw");
    board_put("/proc/sys/vm/swappiness", "60\n");
    board_put("/proc/vmstat", "pswpin 1\npswpout 256\n");
    board_put("/etc/fstab", "PARTUUID=1-02 / ext4 defaults 0 1\nproc /proc proc defaults 0 0\n");
    board_put("/etc/systemd/journald.conf", "[Journal]\n#Storage=auto\n");
    board_put("/usr/lib/systemd/system/systemd-journald.service", "[Service]\n");
    protect_dir("/var/log/journal");
    board_put("/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so", "");
    board_put("/usr/lib/systemd/system/systemd-timesyncd.service", "[Service]\n");
    protect_link("/etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service",
                 "/lib/systemd/system/systemd-timesyncd.service");
}

static void open_tree(void)
{
    if (protect.tree.fd == 0)
        assert_int_equal(lb_protect_tree_open(board_root, &protect.tree), 0);
    protect.tree.before_write = before_write;
    protect.tree.arg = &protect;
}

static void prepare(bool is_live)
{
    open_tree();
    assert_int_equal(lb_protect_manifest_read(&protect.tree, &protect.manifest), 0);
    protect.look = (struct lb_protect_look) { .tree = &protect.tree,
                                              .manifest = &protect.manifest,
                                              .kernel = board_root,
                                              .is_live = is_live,
                                              .now_s = PROTECT_NOW_S,
                                              .plan = &plan };
}

void protect_find(bool is_live)
{
    prepare(is_live);
    lb_protect_find(&protect.look);
}

const struct lb_protect_finding *protect_finding(const char *id, unsigned n)
{
    for (size_t i = 0; i < plan.count; i++)
        if (strcmp(plan.finding[i].id, id) == 0 && n-- == 0)
            return &plan.finding[i];
    return NULL;
}

static bool doing(bool is_live, bool (*deed)(struct lb_protect_look *, const struct lb_protect_hands *))
{
    bool is_done;

    memset(protect.out, 0, sizeof protect.out);
    memset(protect.err, 0, sizeof protect.err);
    protect.ran[0] = '\0';
    protect.hands = (struct lb_protect_hands) { .run = run,
                                                .arg = &protect,
                                                .has_systemd = is_live,
                                                .out = fmemopen(protect.out, sizeof protect.out - 1, "w"),
                                                .err = fmemopen(protect.err, sizeof protect.err - 1, "w") };
    is_done = deed(&protect.look, &protect.hands);
    fclose(protect.hands.out);
    fclose(protect.hands.err);
    return is_done;
}

bool protect_apply(bool is_live)
{
    protect_find(is_live);
    return doing(is_live, lb_protect_apply);
}

bool protect_undo(bool is_live)
{
    open_tree();
    protect.look = (struct lb_protect_look) { .tree = &protect.tree,
                                              .manifest = &protect.manifest,
                                              .kernel = board_root,
                                              .is_live = is_live,
                                              .now_s = PROTECT_NOW_S,
                                              .plan = &plan };
    return doing(is_live, lb_protect_undo);
}

char *protect_snapshot(void)
{
    char command[1024], *text = NULL;
    size_t size = 0, len = 0;
    FILE *pipe;

    snprintf(command, sizeof command,
             "cd '%s' && find etc var \\( -type d -printf '%%p %%m\\n' \\) -o -printf '%%p %%m %%T@ %%l\\n' "
             "| sort && "
             "find etc var -type f | sort | xargs -r cat",
             board_root);
    pipe = popen(command, "r"); // NOLINT(cert-env33-c): our own directory
    assert_non_null(pipe);
    for (;;) {
        text = realloc(text, size + 4096);
        assert_non_null(text);
        size += 4096;
        len += fread(text + len, 1, size - len - 1, pipe);
        if (len + 1 < size)
            break;
    }
    text[len] = '\0';
    pclose(pipe);
    return text;
}
