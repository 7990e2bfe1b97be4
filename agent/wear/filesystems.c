/* SPDX-License-Identifier: MIT */
/*
 * File systems on the watched disks. In: mountinfo, and what ext4 and f2fs tell in /sys/fs. Out: one row for
 * each device that a file system lies on, and each disk's lifetime. Always true: a row's disk is a present
 * one; a row is of the device that takes the bytes, so an overlay adds a place to its upper directory's row.
 *
 * Whether it is read-only is asked of the file system (the options behind the dash in mountinfo), not of the
 * mount: a service sees /boot and /usr read-only by ProtectSystem= while all the others write there.
 */
#include "agent/wear/filesystems.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "common/ground.h"
#include "common/mounts.h"
#include "common/sysfs.h"

/* What is only needed during a look. */
struct look {
    const char *root;
    const struct lb_disks *disks;
    struct lb_filesystems *now;
    bool stops_at_errors[LB_WEAR_FILESYSTEMS];
};

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Cut between characters of UTF-8; a newline in a mount point must not make two lines of one. */
static void copy_point(char *to, size_t size, const char *point)
{
    size_t len = strlen(point);

    if (len >= size)
        len = size - 1;
    while (len > 0 && ((unsigned char)point[len] & 0xc0) == 0x80)
        len--;
    for (size_t i = 0; i < len; i++)
        to[i] = (unsigned char)point[i] < ' ' || point[i] == 0x7f ? '?' : point[i];
    to[len] = '\0';
}

/* ---- mounts ---- */

/* What is not on a block device, and images that are never written to (a snap is one each). */
static bool is_of_interest(const struct lb_mount *mount)
{
    static const char *const never_written[] = { "squashfs", "erofs", "iso9660", "udf", "cramfs", "romfs" };

    for (size_t i = 0; i < sizeof never_written / sizeof never_written[0]; i++)
        if (strcmp(mount->type, never_written[i]) == 0)
            return false;
    return mount->maj > 0 || strcmp(mount->type, "overlay") == 0 || begins_with(mount->source, "/dev/");
}

/*
 * The watched disk: the device itself where it was asked for by name (a loop, a dm), the disk that it is a
 * partition of, else the one below all layers.
 */
static int disk_of(const struct lb_disks *disks, const struct lb_ground_view *view)
{
    char whole[LB_GROUND_WORD];
    int disk = lb_disks_find(disks, view->device);
    size_t len = strlen(view->device), end = len;

    snprintf(whole, sizeof whole, "%s", view->device);
    while (end > 0 && strchr("0123456789", whole[end - 1]))
        end--;
    if (disk < 0 && end < len && end > 1 && whole[end - 1] == 'p') {
        whole[end - 1] = '\0';
        disk = lb_disks_find(disks, whole);
    }
    return disk >= 0 ? disk : lb_disks_find(disks, view->disk);
}

/* The row of a device, a new one if need be; LB_WEAR_FILESYSTEMS: there is no room. */
static uint32_t row_of(struct look *look, const char *device, uint32_t disk)
{
    struct lb_filesystems *now = look->now;
    uint32_t row = 0;

    while (row < now->count && strcmp(now->at[row].device, device) != 0)
        row++;
    if (row < now->count)
        return row;
    if (row == LB_WEAR_FILESYSTEMS) {
        now->left_out++;
        return row;
    }
    now->count++;
    now->at[row] =
        (struct lb_filesystem) { .disk = disk, .lifetime_bytes = LB_WEAR_UNKNOWN, .errors = LB_WEAR_UNKNOWN };
    snprintf(now->at[row].device, sizeof now->at[row].device, "%s", device);
    look->stops_at_errors[row] = false;
    return row;
}

static void note_own_mount(struct look *look, uint32_t row, const struct lb_mount *mount)
{
    struct lb_filesystem *at = &look->now->at[row];
    bool is_lazy = lb_mounts_has(mount->flags, "noatime") || lb_mounts_has(mount->flags, "relatime") ||
                   lb_mounts_has(mount->options, "lazytime");

    look->stops_at_errors[row] |= lb_mounts_has(mount->options, "errors=remount-ro");
    snprintf(at->type, sizeof at->type, "%.*s", LB_WEAR_NAME - 1, mount->type);
    at->is_read_only |= lb_mounts_has(mount->options, "ro");
    at->updates_atime |= !is_lazy && lb_mounts_has(mount->flags, "rw");
    at->is_sync |= lb_mounts_has(mount->flags, "sync") || lb_mounts_has(mount->options, "sync");
}

static void consider(struct look *look, const struct lb_mount *mount)
{
    struct lb_ground_view view;
    struct lb_filesystem *at;
    uint32_t row;
    int disk;

    lb_ground_of_dev(makedev(mount->maj, mount->min), mount->maj == 0 ? mount->point : "", look->root, &view);
    disk = disk_of(look->disks, &view);
    if (disk < 0 || view.device[0] == '\0')
        return;
    row = row_of(look, view.device, (uint32_t)disk);
    if (row == LB_WEAR_FILESYSTEMS)
        return;
    at = &look->now->at[row];
    if (at->point[0] == '\0' || strlen(mount->point) < strlen(at->point))
        copy_point(at->point, sizeof at->point, mount->point);
    if (strcmp(mount->type, "overlay") != 0)
        note_own_mount(look, row, mount);
    else if (at->type[0] == '\0')
        snprintf(at->type, sizeof at->type, "%.*s", LB_WEAR_NAME - 1, view.type);
}

static int read_mounts(struct look *look)
{
    struct lb_mount *mount = malloc(sizeof *mount);
    char *line = NULL, name[PATH_MAX];
    size_t size = 0;
    FILE *file = NULL;
    int rc = -ENOMEM;

    if (!mount)
        goto done;
    snprintf(name, sizeof name, "%s/proc/self/mountinfo", look->root);
    file = fopen(name, "re");
    rc = file ? 0 : -errno;
    if (!file)
        goto done;
    look->now->count = look->now->left_out = 0;
    while (getline(&line, &size, file) > 0)
        if (lb_mounts_parse(line, mount) && is_of_interest(mount))
            consider(look, mount);
    fclose(file);
done:
    free(line);
    free(mount);
    return rc;
}

/* ---- what the file systems tell of themselves ---- */

static void read_told(const char *root, struct lb_filesystem *at)
{
    static const char *const drivers[] = { "ext4", "f2fs" };
    uint64_t kib;

    for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++) {
        char dir[PATH_MAX];

        if ((size_t)snprintf(dir, sizeof dir, "%s/sys/fs/%s/%s", root, drivers[i], at->device) >= sizeof dir)
            continue;
        if (lb_sysfs_number(dir, "lifetime_write_kbytes", 10, &kib) && kib <= UINT64_MAX / 1024 - 1)
            at->lifetime_bytes = kib * 1024;
        lb_sysfs_number(dir, "errors_count", 10, &at->errors);
    }
}

/* Whether it was writable at the look before, or was marked as gone read-only then. */
static bool was_writable(const struct lb_filesystem *before, uint32_t count, const char *device)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(before[i].device, device) == 0)
            return !before[i].is_read_only || before[i].was_writable;
    return false;
}

/* A loop's bytes are in the lifetime of the file system that its file lies on. */
static void sum_lifetimes(const struct lb_filesystems *now, struct lb_disks *disks)
{
    for (uint32_t i = 0; i < disks->count; i++)
        if (disks->disk[i].is_present)
            disks->disk[i].lifetime_bytes = LB_WEAR_UNKNOWN;
    for (uint32_t i = 0; i < now->count; i++) {
        struct lb_disk *disk = &disks->disk[now->at[i].disk];
        uint64_t bytes = now->at[i].lifetime_bytes, sum;

        if (bytes == LB_WEAR_UNKNOWN ||
            (begins_with(now->at[i].device, "loop") && disk->kind != LB_DISK_LOOP))
            continue;
        if (disk->lifetime_bytes == LB_WEAR_UNKNOWN)
            disk->lifetime_bytes = bytes;
        else if (!__builtin_add_overflow(disk->lifetime_bytes, bytes, &sum))
            disk->lifetime_bytes = sum;
    }
}

int lb_filesystems_sample(struct lb_filesystems *filesystems, const char *root, struct lb_disks *disks)
{
    struct look look = { .root = root, .disks = disks, .now = filesystems };
    struct lb_filesystem before[LB_WEAR_FILESYSTEMS];
    uint32_t count_before = filesystems->count;
    int rc;

    memcpy(before, filesystems->at, sizeof before);
    rc = read_mounts(&look);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < filesystems->count; i++) {
        struct lb_filesystem *at = &filesystems->at[i];
        bool has_errors;

        read_told(root, at);
        has_errors = at->errors != LB_WEAR_UNKNOWN && at->errors > 0;
        at->was_writable = at->is_read_only && (was_writable(before, count_before, at->device) ||
                                                (has_errors && look.stops_at_errors[i]));
    }
    sum_lifetimes(filesystems, disks);
    return 0;
}
