/* SPDX-License-Identifier: MIT */
/*
 * logboom protect --apply. In: a plan. Out: files of our own, a manifest that tells of them, and what runs
 * told to take them up. Always true: whatever is made stands in the manifest before it is made.
 *
 *   manifest: all that may come to be ─▶ directories ─▶ files ─▶ manifest: what is, and what is pending
 *        ─▶ what runs takes it up ─▶ manifest: nothing is pending
 *
 * A kill at any point leaves a manifest whose files are missing, whole, or, of one that was being replaced,
 * either of two versions: an undo knows both. Where the text of the manifest does not change it is not
 * written, so that an apply with nothing to do writes nothing.
 */
#include "agent/offline/protect_apply.h"

#include <errno.h>
#include <string.h>

#define CHANGED "it is not as protect wrote it"

struct apply {
    struct lb_protect_look *look;
    const struct lb_protect_hands *hands;
    struct lb_protect_manifest manifest;
    bool is_due[LB_PROTECT_FILES]; /* to be written */
    bool has_failed;
};

static const unsigned pending_of[LB_PROTECT_FILES] = {
    [LB_PROTECT_JOURNALD] = LB_PROTECT_PENDING_JOURNALD,
    [LB_PROTECT_TIMESYNCD] = LB_PROTECT_PENDING_TIMESYNCD,
    [LB_PROTECT_SYSCTL] = LB_PROTECT_PENDING_SYSCTL,
    [LB_PROTECT_UNIT] = LB_PROTECT_PENDING_MOUNTS,
    [LB_PROTECT_UNIT_LINK] = LB_PROTECT_PENDING_MOUNTS,
};

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    return strncmp(path, dir, len) == 0 && path[len] == '/';
}

/* ---- what is to be ---- */

static void note_dirs(struct apply *apply, const char *path)
{
    for (unsigned i = 0; lb_protect_dirs[i]; i++)
        if (is_below(path, lb_protect_dirs[i]) && !lb_protect_exists(apply->look->tree, lb_protect_dirs[i]))
            apply->manifest.dirs |= 1u << i;
}

/* The file may be what it is now, or what it will be. */
static void note_versions(struct apply *apply, enum lb_protect_file file, bool is_there)
{
    const char *text = apply->look->plan->file[file].text;
    uint64_t next = lb_protect_hash(text, strlen(text)), now = 0;
    char path_text[LB_PROTECT_FILE_TEXT + 1];
    size_t len = 0;

    if (is_there && file != LB_PROTECT_UNIT_LINK &&
        lb_protect_read(apply->look->tree, lb_protect_paths[file], path_text, sizeof path_text, &len) == 0)
        now = lb_protect_hash(path_text, len);
    apply->manifest.file[file].versions = 1;
    apply->manifest.file[file].hash[0] = next;
    if (len > 0 && now != next) {
        apply->manifest.file[file].versions = 2;
        apply->manifest.file[file].hash[1] = now;
    }
}

static void consider(struct apply *apply, enum lb_protect_file file)
{
    const struct lb_protect_look *look = apply->look;
    enum lb_protect_is is = lb_protect_file_is(look->tree, &apply->manifest, file);

    if (is == LB_PROTECT_IS_FOREIGN) {
        fprintf(apply->hands->err, "logboom protect: %s: " CHANGED ", so it is left\n",
                lb_protect_paths[file]);
        apply->has_failed = true;
        return;
    }
    if (is == LB_PROTECT_IS_OURS && lb_protect_file_has(look->tree, file, look->plan->file[file].text))
        return;
    if (file == LB_PROTECT_UNIT_LINK && apply->has_failed &&
        lb_protect_file_is(look->tree, &apply->manifest, LB_PROTECT_UNIT) == LB_PROTECT_IS_FOREIGN)
        return; /* what would be started is not ours */
    apply->is_due[file] = true;
    note_dirs(apply, lb_protect_paths[file]);
    note_versions(apply, file, is == LB_PROTECT_IS_OURS);
    if (look->is_live)
        apply->manifest.pending |= pending_of[file];
}

/* How things are before the first apply stays what an undo goes back to. */
static void note_before(struct apply *apply)
{
    const struct lb_protect_plan *plan = apply->look->plan;
    struct lb_protect_manifest *manifest = &apply->manifest;

    for (size_t i = 0; i < plan->remounts && manifest->file[LB_PROTECT_UNIT].versions > 0; i++) {
        size_t at = 0;

        while (at < manifest->befores && strcmp(manifest->before[at].point, plan->remount[i].point) != 0)
            at++;
        if (at == manifest->befores && at < LB_PROTECT_REMOUNTS)
            manifest->before[manifest->befores++] = plan->remount[i];
        if (apply->look->is_live && plan->remount[i].is_due)
            manifest->pending |= LB_PROTECT_PENDING_MOUNTS;
    }
    if (manifest->swappiness < 0 && plan->file[LB_PROTECT_SYSCTL].is_wanted)
        manifest->swappiness = plan->swappiness;
}

/* ---- doing it ---- */

static bool write_manifest(struct apply *apply)
{
    int rc = lb_protect_manifest_write(apply->look->tree, &apply->manifest);

    if (rc != 0)
        lb_protect_fault(apply->hands, "cannot write", LB_PROTECT_MANIFEST, rc);
    return rc == 0;
}

static int make_dirs(struct apply *apply, const char *path)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && lb_protect_dirs[i]; i++)
        if (is_below(path, lb_protect_dirs[i]) && !lb_protect_exists(apply->look->tree, lb_protect_dirs[i]))
            rc = lb_protect_mkdir(apply->look->tree, lb_protect_dirs[i]);
    return rc;
}

static bool write_file(struct apply *apply, enum lb_protect_file file)
{
    const char *path = lb_protect_paths[file], *text = apply->look->plan->file[file].text;
    int rc = make_dirs(apply, path);

    if (rc == 0 && file == LB_PROTECT_UNIT_LINK)
        rc = lb_protect_write_link(apply->look->tree, path, text);
    else if (rc == 0)
        rc = lb_protect_write(apply->look->tree, path, text, strlen(text), 0644);
    if (rc != 0) {
        lb_protect_fault(apply->hands, "cannot write", path, rc);
        return false;
    }
    lb_protect_step(apply->hands, "wrote %s", path);
    apply->manifest.file[file].versions = 1; /* the first is the new one */
    return true;
}

/* ---- what runs ---- */

static unsigned set_swappiness(struct apply *apply)
{
    int rc = lb_protect_set_swappiness(apply->look->kernel, 1);

    if (rc != 0) {
        lb_protect_fault(apply->hands, "cannot set", "vm.swappiness", rc);
        return LB_PROTECT_PENDING_SYSCTL;
    }
    lb_protect_step(apply->hands, "set vm.swappiness to 1, from %d", apply->manifest.swappiness);
    return 0;
}

/* The unit's own word is not enough: it goes on where one file system cannot be mounted anew. */
static unsigned look_at_mounts(struct apply *apply)
{
    const struct lb_protect_plan *plan = apply->look->plan;
    unsigned left = 0;

    for (size_t i = 0; i < plan->remounts; i++) {
        const struct lb_protect_remount *remount = &plan->remount[i];
        bool is_noatime = false;
        uint64_t commit_s = 0;

        if (lb_protect_mounted(apply->look->kernel, remount->point, &is_noatime, &commit_s) &&
            (is_noatime || !strstr(remount->options, "noatime")) &&
            (commit_s >= 60 || !strstr(remount->options, "commit=")))
            continue;
        fprintf(apply->hands->err, "logboom protect: %s is not mounted with %s; see systemctl status %s\n",
                remount->point, remount->options, LB_PROTECT_SERVICE);
        left = LB_PROTECT_PENDING_MOUNTS;
    }
    return left;
}

static bool take_up(struct apply *apply)
{
    struct lb_protect_manifest *manifest = &apply->manifest;
    unsigned pending = manifest->pending, left;

    if (pending == 0)
        return true;
    left = lb_protect_take_up(apply->hands, pending & ~(unsigned)LB_PROTECT_PENDING_SYSCTL);
    if (pending & ~left & LB_PROTECT_PENDING_MOUNTS && apply->hands->has_systemd)
        left |= look_at_mounts(apply);
    if (pending & LB_PROTECT_PENDING_SYSCTL)
        left |= set_swappiness(apply);
    manifest->pending = left;
    return write_manifest(apply) && left == 0;
}

bool lb_protect_apply(struct lb_protect_look *look, const struct lb_protect_hands *hands)
{
    struct apply apply = { .look = look, .hands = hands, .manifest = *look->manifest };
    bool is_wanted = false, is_due = false, can_go_on = true;
    int rc;

    for (int file = 0; file < LB_PROTECT_FILES; file++) {
        is_wanted |= look->plan->file[file].is_wanted;
        if (look->plan->file[file].is_wanted)
            consider(&apply, (enum lb_protect_file)file);
    }
    if (!is_wanted && apply.manifest.pending == 0) {
        lb_protect_step(hands, "nothing to apply");
        return true;
    }
    note_before(&apply);
    for (int file = 0; file < LB_PROTECT_FILES; file++)
        is_due |= apply.is_due[file];
    if (!is_due && apply.manifest.pending == 0 && !apply.has_failed)
        lb_protect_step(hands, "all of it is applied already");
    note_dirs(&apply, LB_PROTECT_MANIFEST);
    rc = make_dirs(&apply, LB_PROTECT_MANIFEST);
    if (rc != 0) {
        lb_protect_fault(hands, "cannot make the directory of", LB_PROTECT_MANIFEST, rc);
        return false;
    }
    if (!write_manifest(&apply))
        return false;
    for (int file = 0; file < LB_PROTECT_FILES && can_go_on; file++)
        if (apply.is_due[file])
            can_go_on = write_file(&apply, (enum lb_protect_file)file);
    if (!can_go_on || !write_manifest(&apply)) {
        fprintf(hands->err, "logboom protect: what is done so far can be taken back by --undo\n");
        return false;
    }
    return take_up(&apply) && !apply.has_failed;
}
