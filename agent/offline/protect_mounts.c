/* SPDX-License-Identifier: MIT */
/*
 * Mounts that write more than they need. In: mountinfo, or an image's fstab. Out: a finding for each file
 * system, and a service of our own that mounts them anew with noatime and commit=60. Always true: fstab is
 * never changed; what a mount had before our service is what the manifest says, once it does.
 *
 * commit= is how long ext3 and ext4 wait with their own journal, 5 s by default: what does not fsync may be
 * lost for as long in a power cut. Other file systems are only told not to note reads.
 */
#include "agent/offline/protect_find.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "common/mounts.h"
#include "common/sysfs.h"

#define RANK_STRICT  75
#define RANK_COMMIT  50
#define RANK_RELAX   15
#define COMMIT_S     60
#define COMMIT_DFLT  5
#define DEVICES_MOST 64
#define MOUNTS_MOST  16 /* that are told of */

struct mount {
    char point[LB_PROTECT_POINT], type[64];
    const char *atime; /* "noatime", "relatime", "strictatime" */
    uint64_t commit_s; /* 0: it has no such option */
    bool is_changed;   /* by us: atime and commit_s are what was before */
    bool is_quiet_now; /* as we want it */
};

static bool has_commit(const char *type)
{
    return strcmp(type, "ext4") == 0 || strcmp(type, "ext3") == 0;
}

static bool is_of_interest(const char *type)
{
    return has_commit(type) || strcmp(type, "ext2") == 0 || strcmp(type, "f2fs") == 0 ||
           strcmp(type, "btrfs") == 0 || strcmp(type, "xfs") == 0;
}

static void read_options(struct mount *mount, const char *flags, const char *options)
{
    char number[32];

    mount->atime = lb_mounts_has(flags, "noatime")    ? "noatime"
                   : lb_mounts_has(flags, "relatime") ? "relatime"
                                                      : "strictatime";
    mount->commit_s = 0;
    if (!has_commit(mount->type))
        return;
    if (!lb_mounts_value(options, "commit=", number, sizeof number) ||
        !lb_sysfs_parse(number, 10, &mount->commit_s, NULL) || mount->commit_s == 0)
        mount->commit_s = COMMIT_DFLT;
}

/* What our service changed is told by the manifest: what was before it. */
static void look_back(const struct lb_protect_look *look, struct mount *mount)
{
    mount->is_quiet_now =
        strcmp(mount->atime, "noatime") == 0 && (mount->commit_s == 0 || mount->commit_s >= COMMIT_S);
    for (size_t i = 0; i < look->manifest->befores; i++) {
        const struct lb_protect_remount *before = &look->manifest->before[i];

        if (strcmp(before->point, mount->point) != 0)
            continue;
        mount->is_changed = true;
        if (lb_mounts_has(before->before, "relatime"))
            mount->atime = "relatime";
        else if (lb_mounts_has(before->before, "strictatime"))
            mount->atime = "strictatime";
        if (strstr(before->before, "commit="))
            lb_sysfs_parse(strstr(before->before, "commit=") + strlen("commit="), 10, &mount->commit_s, NULL);
    }
}

/* A point that stands for itself on a command line of a unit. */
static bool is_plain(const char *point)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@,";

    return point[0] == '/' && point[strspn(point, good)] == '\0';
}

static void plan_remount(struct lb_protect_plan *plan, const struct mount *mount, bool wants_noatime,
                         bool wants_commit)
{
    struct lb_protect_remount *at = &plan->remount[plan->remounts++];

    *at = (struct lb_protect_remount) { .is_due = !mount->is_quiet_now };
    snprintf(at->point, sizeof at->point, "%s", mount->point);
    snprintf(at->options, sizeof at->options, "%s%s%s", wants_noatime ? "noatime" : "",
             wants_noatime && wants_commit ? "," : "", wants_commit ? "commit=60" : "");
    snprintf(at->before, sizeof at->before, "%s%s", wants_noatime ? mount->atime : "",
             wants_noatime && wants_commit ? "," : "");
    if (wants_commit)
        snprintf(at->before + strlen(at->before), sizeof at->before - strlen(at->before), "commit=%" PRIu64,
                 mount->commit_s);
}

static void say(const struct lb_protect_look *look, struct lb_protect_finding *finding,
                const struct mount *mount, bool wants_noatime, bool wants_commit, const char *options)
{
    const char *where = !look->is_live                             ? "in /etc/fstab"
                        : mount->is_changed && mount->is_quiet_now ? "was mounted"
                                                                   : "mounted";

    LB_PROTECT_SAY(finding->title, "%s (%s) %s%s%s", mount->point, mount->type,
                   !wants_noatime                             ? ""
                   : strcmp(mount->atime, "strictatime") == 0 ? "notes each read"
                                                              : "notes reads",
                   wants_noatime && wants_commit ? ", and " : "",
                   wants_commit ? "writes its journal every few seconds" : "");
    LB_PROTECT_SAY(finding->known, "%s with %s", where, wants_noatime ? mount->atime : "");
    if (wants_commit)
        LB_PROTECT_SAY_MORE(finding->known, "%scommit=%" PRIu64, wants_noatime ? ", " : "", mount->commit_s);
    if (wants_commit)
        LB_PROTECT_SAY(
            finding->cost,
            "typically a log of one line a second costs 25 times its bytes at commit=5, 10 times at "
            "60 (measured elsewhere: ext4)");
    if (finding->state == LB_PROTECT_BY_HAND)
        LB_PROTECT_SAY(finding->action, "add %s to its options in /etc/fstab", options);
    else
        LB_PROTECT_SAY(finding->action,
                       "%s mounts it with %s at each start%s; the same for good, by hand: %s in its line "
                       "of /etc/fstab",
                       LB_PROTECT_SERVICE, options,
                       wants_commit ? " (a power cut may then cost the last minute of what is not synced)"
                                    : "",
                       options);
}

static void consider(struct lb_protect_look *look, struct mount *mount)
{
    struct lb_protect_plan *plan = look->plan;
    bool wants_noatime, wants_commit, is_strict;
    struct lb_protect_finding *finding;
    const char *options;
    unsigned rank;

    look_back(look, mount);
    wants_noatime = strcmp(mount->atime, "noatime") != 0;
    wants_commit = mount->commit_s > 0 && mount->commit_s < COMMIT_S;
    if (!wants_noatime && !wants_commit)
        return;
    if (plan->count >= look->mounts_from + MOUNTS_MOST) {
        plan->left_out++;
        return;
    }
    is_strict = strcmp(mount->atime, "strictatime") == 0;
    rank = is_strict ? RANK_STRICT : wants_commit ? RANK_COMMIT : RANK_RELAX;
    if (is_plain(mount->point) && plan->remounts < LB_PROTECT_REMOUNTS) {
        plan_remount(plan, mount, wants_noatime, wants_commit);
        finding = lb_protect_add(plan, "mount", rank, LB_PROTECT_WOULD);
    } else {
        finding = lb_protect_add(plan, "mount", rank, LB_PROTECT_BY_HAND);
    }
    options = !wants_commit ? "noatime" : !wants_noatime ? "commit=60" : "noatime,commit=60";
    say(look, finding, mount, wants_noatime, wants_commit, options);
}

/* ---- what is mounted ---- */

struct devices {
    dev_t at[DEVICES_MOST];
    size_t count;
};

/* A device that is mounted again (bind mounts, snapshots) is looked at by its first mount. */
static bool is_new(struct devices *devices, dev_t dev)
{
    for (size_t i = 0; i < devices->count; i++)
        if (devices->at[i] == dev)
            return false;
    if (devices->count < DEVICES_MOST)
        devices->at[devices->count++] = dev;
    return true;
}

static void consider_line(struct lb_protect_look *look, const struct lb_mount *from, struct devices *devices)
{
    struct mount mount = { .atime = "" };
    struct lb_ground_view view;

    if (!is_of_interest(from->type) || !lb_mounts_has(from->flags, "rw") ||
        lb_mounts_has(from->options, "ro") || strlen(from->point) >= sizeof mount.point ||
        !is_new(devices, makedev(from->maj, from->min)))
        return;
    lb_ground_of_dev(makedev(from->maj, from->min), from->maj == 0 ? from->point : "", look->kernel, &view);
    /* A loop is most often an image that somebody works on, and gone tomorrow. */
    if (!lb_protect_is_flash(look, &view) || strncmp(view.device, "loop", strlen("loop")) == 0)
        return;
    snprintf(mount.point, sizeof mount.point, "%.*s", LB_PROTECT_POINT - 1, from->point);
    snprintf(mount.type, sizeof mount.type, "%s", from->type);
    read_options(&mount, from->flags, from->options);
    consider(look, &mount);
}

static void find_mounted(struct lb_protect_look *look)
{
    struct lb_mount *mount = malloc(sizeof *mount);
    struct devices devices = { .count = 0 };
    char path[PATH_MAX], *line = NULL;
    size_t size = 0;
    FILE *file;

    snprintf(path, sizeof path, "%s/proc/self/mountinfo", look->kernel);
    file = fopen(path, "re");
    while (mount && file && getline(&line, &size, file) > 0)
        if (lb_mounts_parse(line, mount))
            consider_line(look, mount, &devices);
    if (file)
        fclose(file);
    free(line);
    free(mount);
}

/* Of an image: the kernel's defaults are relatime and 5 s. */
static void find_in_fstab(struct lb_protect_look *look)
{
    for (size_t i = 0; i < look->fstab_lines; i++) {
        const struct lb_protect_fstab_line *line = &look->fstab[i];
        struct mount mount = { .atime = "" };
        bool is_default;

        if (!is_of_interest(line->type) || lb_mounts_has(line->options, "ro") || line->point[0] != '/')
            continue;
        snprintf(mount.point, sizeof mount.point, "%s", line->point);
        snprintf(mount.type, sizeof mount.type, "%s", line->type);
        is_default = !lb_mounts_has(line->options, "noatime") && !lb_mounts_has(line->options, "strictatime");
        read_options(&mount, is_default ? "relatime" : line->options, line->options);
        consider(look, &mount);
    }
}

/* ---- the service ---- */

static void print_unit(const struct lb_protect_plan *plan, char *text, size_t size)
{
    size_t len =
        (size_t)snprintf(text, size,
                         "# Written by `logboom protect --apply`; `logboom protect --undo` takes it back.\n"
                         "[Unit]\n"
                         "Description=logboom: file systems that write less\n"
                         "Documentation=man:logboom-protect(1)\n"
                         "After=local-fs.target\n\n"
                         "[Service]\n"
                         "Type=oneshot\n"
                         "RemainAfterExit=yes\n");

    for (size_t i = 0; i < plan->remounts && len < size; i++)
        len += (size_t)snprintf(text + len, size - len, "ExecStart=-/bin/mount -o remount,%s %s\n",
                                plan->remount[i].options, plan->remount[i].point);
    if (len < size)
        snprintf(text + len, size - len, "\n[Install]\nWantedBy=multi-user.target\n");
}

void lb_protect_find_mounts(struct lb_protect_look *look)
{
    struct lb_protect_plan *plan = look->plan;
    size_t first = look->mounts_from = plan->count;
    enum lb_protect_state unit, link;
    char text[LB_PROTECT_FILE_TEXT];

    if (look->is_live)
        find_mounted(look);
    else
        find_in_fstab(look);
    if (plan->remounts == 0)
        return;
    print_unit(plan, text, sizeof text);
    unit = lb_protect_want(look, LB_PROTECT_UNIT, text, LB_PROTECT_PENDING_MOUNTS);
    link = lb_protect_want(look, LB_PROTECT_UNIT_LINK, "../" LB_PROTECT_SERVICE, LB_PROTECT_PENDING_MOUNTS);
    for (size_t i = first, remount = 0; i < plan->count; i++) {
        struct lb_protect_finding *finding = &plan->finding[i];

        if (finding->state != LB_PROTECT_WOULD)
            continue;
        if (unit == LB_PROTECT_BLOCKED || link == LB_PROTECT_BLOCKED)
            finding->state = LB_PROTECT_BLOCKED;
        else if (unit == LB_PROTECT_DONE && link == LB_PROTECT_DONE &&
                 !(look->is_live && plan->remount[remount].is_due))
            finding->state = LB_PROTECT_DONE;
        if (finding->state == LB_PROTECT_BLOCKED)
            LB_PROTECT_SAY(
                finding->action, "%s is not as protect wrote it: it is left as it is",
                lb_protect_paths[unit == LB_PROTECT_BLOCKED ? LB_PROTECT_UNIT : LB_PROTECT_UNIT_LINK]);
        remount++;
    }
}
