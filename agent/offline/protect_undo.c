/* SPDX-License-Identifier: MIT */
/*
 * logboom protect --undo. In: the manifest. Out: a system without anything of ours. Always true: what
 * somebody changed is left, and stays in the manifest; the manifest goes last, so an undo that was
 * interrupted is simply done again.
 */
#include <errno.h>
#include <string.h>

#include "agent/offline/protect_apply.h"
#include "common/mounts.h"

struct undo {
    const struct lb_protect_look *look;
    const struct lb_protect_hands *hands;
    struct lb_protect_manifest manifest;
    unsigned gone; /* bits of enum lb_protect_file: was there, and was removed or is to be */
    bool has_failed;
};

#define RUN(undo, ...) lb_protect_run((undo)->hands, (const char *const[]) { __VA_ARGS__, NULL })

static bool is_gone(const struct undo *undo, enum lb_protect_file file)
{
    return undo->gone >> file & 1;
}

/* ---- files ---- */

static void remove_file(struct undo *undo, enum lb_protect_file file)
{
    const char *path = lb_protect_paths[file];
    enum lb_protect_is is = lb_protect_file_is(undo->look->tree, &undo->manifest, file);
    int rc;

    if (undo->manifest.file[file].versions == 0)
        return;
    if (is == LB_PROTECT_IS_FOREIGN) {
        fprintf(undo->hands->err,
                "logboom protect: %s: it was changed since, so it is left: remove it by hand\n", path);
        undo->has_failed = true;
        return;
    }
    rc = lb_protect_unlink(undo->look->tree, path); /* and what an interrupted write left */
    if (rc != 0) {
        lb_protect_fault(undo->hands, "cannot remove", path, rc);
        undo->has_failed = true;
        return;
    }
    if (is == LB_PROTECT_IS_OURS)
        lb_protect_step(undo->hands, "removed %s", path);
    undo->gone |= 1u << file;
    undo->manifest.file[file].versions = 0;
}

/* Those that somebody put something into since are his now; unless it is a file of ours that is still there.
 */
static void remove_dirs(struct undo *undo)
{
    int last = 0;

    while (lb_protect_dirs[last])
        last++;
    for (int i = last - 1; i > 0; i--) { /* not /etc/logboom yet */
        int rc;

        if (!(undo->manifest.dirs >> i & 1))
            continue;
        rc = lb_protect_rmdir(undo->look->tree, lb_protect_dirs[i]);
        if (rc == 0)
            lb_protect_step(undo->hands, "removed %s", lb_protect_dirs[i]);
        if (rc == 0 || (rc == -ENOTEMPTY && !undo->has_failed))
            undo->manifest.dirs &= ~(1u << i);
        if (rc == 0 || rc == -ENOTEMPTY)
            continue;
        lb_protect_fault(undo->hands, "cannot remove", lb_protect_dirs[i], rc);
        undo->has_failed = true;
    }
}

/* ---- what runs ---- */

static void unit_stops(struct undo *undo)
{
    enum lb_protect_is is = lb_protect_file_is(undo->look->tree, &undo->manifest, LB_PROTECT_UNIT);

    /* Stopping it changes no mount; but a unit whose file is gone would stay listed as active. */
    if (undo->look->is_live && undo->hands->has_systemd && is == LB_PROTECT_IS_OURS)
        RUN(undo, "systemctl", "stop", LB_PROTECT_SERVICE);
}

static void runs_take_it_up(struct undo *undo)
{
    const struct lb_protect_hands *hands = undo->hands;

    if (!undo->look->is_live || !hands->has_systemd)
        return;
    if ((is_gone(undo, LB_PROTECT_UNIT) || is_gone(undo, LB_PROTECT_UNIT_LINK)) &&
        !RUN(undo, "systemctl", "daemon-reload"))
        undo->has_failed = true;
    /* Where the journal is kept on the disk again, what is in RAM goes there, as it would have. */
    if (is_gone(undo, LB_PROTECT_JOURNALD) &&
        !(RUN(undo, "systemctl", "restart", "systemd-journald.service") &&
          RUN(undo, "journalctl", "--flush")))
        undo->has_failed = true;
    if (is_gone(undo, LB_PROTECT_TIMESYNCD) &&
        !RUN(undo, "systemctl", "try-restart", "systemd-timesyncd.service"))
        undo->has_failed = true;
}

/* Only what is still as our service made it goes back. true: nothing is left to be done */
static bool remount(struct undo *undo, const struct lb_protect_remount *before)
{
    char options[LB_PROTECT_OPTIONS + sizeof "remount"] = "remount", commit[32];
    bool is_noatime = false;
    uint64_t commit_s = 0;

    if (!lb_protect_mounted(undo->look->kernel, before->point, &is_noatime, &commit_s))
        return true;
    if (is_noatime && lb_mounts_has(before->before, "relatime"))
        LB_PROTECT_SAY_MORE(options, ",relatime");
    else if (is_noatime && lb_mounts_has(before->before, "strictatime"))
        LB_PROTECT_SAY_MORE(options, ",strictatime");
    if (commit_s == 60 && lb_mounts_value(before->before, "commit=", commit, sizeof commit))
        LB_PROTECT_SAY_MORE(options, ",commit=%s", commit);
    if (strcmp(options, "remount") == 0)
        return true;
    return RUN(undo, "mount", "-o", options, before->point);
}

static void remount_all(struct undo *undo)
{
    struct lb_protect_manifest *manifest = &undo->manifest;
    size_t left = 0;

    if (manifest->file[LB_PROTECT_UNIT].versions > 0) /* it is not ours any more, and mounts as it likes */
        return;
    for (size_t i = 0; i < manifest->befores; i++)
        if (undo->look->is_live && !remount(undo, &manifest->before[i]))
            manifest->before[left++] = manifest->before[i];
    manifest->befores = left;
    undo->has_failed |= left > 0;
}

static void set_swappiness(struct undo *undo)
{
    struct lb_protect_manifest *manifest = &undo->manifest;
    int rc = 0;

    if (manifest->swappiness < 0 || manifest->file[LB_PROTECT_SYSCTL].versions > 0)
        return;
    if (undo->look->is_live && lb_protect_swappiness(undo->look->kernel) == 1) {
        rc = lb_protect_set_swappiness(undo->look->kernel, manifest->swappiness);
        if (rc == 0)
            lb_protect_step(undo->hands, "set vm.swappiness back to %d", manifest->swappiness);
        else
            lb_protect_fault(undo->hands, "cannot set", "vm.swappiness", rc);
    }
    if (rc == 0)
        manifest->swappiness = -1;
    undo->has_failed |= rc != 0;
}

/* ---- all of it ---- */

static void remove_manifest(struct undo *undo)
{
    const struct lb_protect_tree *tree = undo->look->tree;
    bool is_ours = undo->manifest.dirs & 1; /* /etc/logboom */
    int rc = lb_protect_unlink(tree, LB_PROTECT_MANIFEST);

    if (rc != 0) {
        lb_protect_fault(undo->hands, "cannot remove", LB_PROTECT_MANIFEST, rc);
        undo->has_failed = true;
        return;
    }
    lb_protect_step(undo->hands, "removed %s", LB_PROTECT_MANIFEST);
    rc = is_ours ? lb_protect_rmdir(tree, lb_protect_dirs[0]) : 0;
    if (is_ours && rc == 0)
        lb_protect_step(undo->hands, "removed %s", lb_protect_dirs[0]);
    else if (rc != 0 && rc != -ENOTEMPTY) {
        lb_protect_fault(undo->hands, "cannot remove", lb_protect_dirs[0], rc);
        undo->has_failed = true;
    }
}

bool lb_protect_undo(struct lb_protect_look *look, const struct lb_protect_hands *hands)
{
    struct undo undo = { .look = look, .hands = hands };
    int rc = lb_protect_manifest_read(look->tree, &undo.manifest);

    if (rc != 0) {
        fprintf(hands->err, "logboom protect: %s: %s; nothing was done\n", LB_PROTECT_MANIFEST,
                rc == -EINVAL ? "it is damaged" : strerror(-rc));
        return false;
    }
    if (!undo.manifest.is_there) {
        lb_protect_unlink(look->tree,
                          LB_PROTECT_MANIFEST); /* an apply may have been killed over its first write */
        lb_protect_step(hands, "nothing to undo");
        return true;
    }
    unit_stops(&undo);
    for (int file = LB_PROTECT_FILES - 1; file >= 0; file--)
        remove_file(&undo, (enum lb_protect_file)file);
    remove_dirs(&undo);
    runs_take_it_up(&undo);
    remount_all(&undo);
    set_swappiness(&undo);
    undo.manifest.pending = 0;
    if (!undo.has_failed) {
        remove_manifest(&undo);
    } else {
        rc = lb_protect_manifest_write(look->tree, &undo.manifest);
        if (rc != 0)
            lb_protect_fault(hands, "cannot write", LB_PROTECT_MANIFEST, rc);
    }
    return !undo.has_failed;
}
