/* SPDX-License-Identifier: MIT */
/*
 * What wears a card and could be otherwise. In: file systems and disks as looked at, /proc/swaps, zram. Out:
 * a line that says what is, and a line that says what to do. Always true: the worst comes first, since room
 * ends at LB_WEAR_FINDINGS; what cannot be seen is not found (ProcSubset=pid hides /proc/swaps); nothing here
 * changes anything.
 */
#include "agent/wear/filesystems.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ground.h"
#include "common/mounts.h"
#include "common/sysfs.h"

#define LAST_TENTH  10 /* of life_a and life_b */
#define SPARES_LOW  2  /* of pre_eol */
#define ZRAM_UNIT   4096
#define SWAPS_MOST  32 /* areas; the kernel has fewer */
#define NO_DISK     UINT32_MAX
#define PLACE_BYTES 48 /* of a path in a line for people */

struct findings {
    struct lb_finding *at;
    uint32_t count;
    struct lb_finding no_room; /* takes what is beyond */
};

/* A new finding with its first line; advise() gives the second. */
__attribute__((format(printf, 3, 4))) static struct lb_finding *add(struct findings *findings, uint32_t disk,
                                                                    const char *what, ...)
{
    bool has_room = findings->count < LB_WEAR_FINDINGS;
    struct lb_finding *finding = has_room ? &findings->at[findings->count++] : &findings->no_room;
    va_list args;

    *finding = (struct lb_finding) { .disk = disk };
    va_start(args, what);
    vsnprintf(finding->what, sizeof finding->what, what, args);
    va_end(args);
    return finding;
}

__attribute__((format(printf, 2, 3))) static void advise(struct lb_finding *finding, const char *advice, ...)
{
    va_list args;

    va_start(args, advice);
    vsnprintf(finding->advice, sizeof finding->advice, advice, args);
    va_end(args);
}

/* A path as far as there is room for it, cut between characters of UTF-8. */
static const char *shown(const char *path, char buf[PLACE_BYTES])
{
    size_t len = strlen(path);

    if (len >= PLACE_BYTES)
        len = PLACE_BYTES - 1;
    while (len > 0 && ((unsigned char)path[len] & 0xc0) == 0x80)
        len--;
    memcpy(buf, path, len);
    buf[len] = '\0';
    return buf;
}

/* ---- file systems that fail, disks that end ---- */

static void find_failing(struct findings *findings, const struct lb_filesystem *at)
{
    bool has_errors = at->errors != LB_WEAR_UNKNOWN && at->errors > 0;
    char point[PLACE_BYTES], errors[40] = "no error";

    if (has_errors)
        snprintf(errors, sizeof errors, "%" PRIu64 " error%s", at->errors, at->errors == 1 ? "" : "s");
    if (at->is_read_only && at->was_writable)
        advise(add(findings, at->disk, "%s (%s) went read-only, %s counted", shown(at->point, point),
                   at->device, errors),
               "unless that was you, copy what matters off it now: a disk that does this is often at its "
               "end; see dmesg");
    else if (has_errors)
        advise(add(findings, at->disk, "%s (%s): %s counted by %s", shown(at->point, point), at->device,
                   errors, at->type),
               "back it up, then have it checked at boot: fsck.mode=force on the kernel's command line");
}

static void find_ending(struct findings *findings, const struct lb_disk *disk, uint32_t index)
{
    static const char advice[] = "plan to replace it: back it up, and move what writes most to another disk";
    unsigned life = disk->life_a > disk->life_b ? disk->life_a : disk->life_b;

    if (life > LAST_TENTH)
        advise(add(findings, index, "%s is past its life, as it says itself", disk->name), advice);
    else if (life == LAST_TENTH)
        advise(add(findings, index, "%s has used 90 to 100 %% of its life, as it says itself", disk->name),
               advice);
    if (disk->pre_eol >= SPARES_LOW)
        advise(add(findings, index, "%s has used %s of its spare blocks, as it says itself", disk->name,
                   disk->pre_eol == SPARES_LOW ? "80 %" : "90 %"),
               advice);
}

/* ---- swap ---- */

/* "100M": swap is made in such sizes, less a page. */
static const char *print_size(uint64_t bytes, char *buf, size_t size)
{
    bool is_large = bytes >= 1 << 20;
    uint64_t unit = is_large ? 1 << 20 : 1 << 10, rounded = bytes / unit + (bytes % unit >= unit / 2);

    snprintf(buf, size, "%" PRIu64 "%s", rounded, rounded == 0 ? "" : is_large ? "M" : "K");
    return buf;
}

/* The disk to show: the one below all layers if it is watched. */
static uint32_t index_of(const struct lb_disks *disks, const struct lb_ground_view *view)
{
    int index = lb_disks_find(disks, view->disk);

    return index >= 0 ? (uint32_t)index : NO_DISK;
}

/* One line of /proc/swaps: "NAME TYPE SIZE USED PRIORITY", sizes in KiB. */
static void find_swap(struct findings *findings, const char *root, const struct lb_disks *disks,
                      const char *line)
{
    char name[PATH_MAX], type[16], size[32], used[32], place[PLACE_BYTES];
    struct lb_ground_view view;
    const char *rest, *why;
    uint64_t size_kib, used_kib;
    bool is_file;
    int at = 0;

    if (sscanf(line, "%4095s %15s %n", name, type, &at) != 2 || at == 0 || name[0] != '/' ||
        !lb_sysfs_parse(line + at, 10, &size_kib, &rest) || !lb_sysfs_parse(rest, 10, &used_kib, NULL) ||
        size_kib > UINT64_MAX / 1024 || used_kib > UINT64_MAX / 1024)
        return;
    lb_mounts_unescape(name);
    is_file = strcmp(type, "file") == 0;
    if (is_file)
        lb_ground_of_dev(0, name, root,
                         &view); /* by its mount: under ProtectHome= the file may be out of sight */
    else
        lb_ground_of_name(root, strrchr(name, '/') + 1, &view, &why);
    if (view.ground != LB_GROUND_FLASH)
        return;
    advise(
        add(findings, index_of(disks, &view), "swap on %s: %s, %s, %s used", view.disk, shown(name, place),
            print_size(size_kib * 1024, size, sizeof size), print_size(used_kib * 1024, used, sizeof used)),
        is_file
            ? "zram instead: apt install zram-tools, systemctl disable --now dphys-swapfile; with rpi-swap "
              "Mechanism=zram in swap.conf"
            : "zram instead: apt install zram-tools; then swapoff it and take it out of /etc/fstab");
}

static void find_swaps(struct findings *findings, const char *root, const struct lb_disks *disks)
{
    char path[PATH_MAX], *line = NULL;
    size_t size = 0;
    FILE *file;

    if ((size_t)snprintf(path, sizeof path, "%s/proc/swaps", root) >= sizeof path ||
        !(file = fopen(path, "re")))
        return;
    for (unsigned i = 0; i < SWAPS_MOST && getline(&line, &size, file) > 0; i++)
        find_swap(findings, root, disks, line);
    free(line);
    fclose(file);
}

/* zram that writes out what is idle: to a partition, or to a file through a loop (Raspberry Pi OS:
 * "zram+file"). */
static void find_zram(struct findings *findings, const char *root, const struct lb_disks *disks,
                      const char *name)
{
    char dir[PATH_MAX], backing[PATH_MAX], stat[128], written[32] = "", place[PLACE_BYTES];
    struct lb_ground_view view;
    const char *at = stat, *why;
    uint64_t units = 0;

    if ((size_t)snprintf(dir, sizeof dir, "%s/sys/block/%s", root, name) >= sizeof dir)
        return;
    lb_sysfs_text(dir, "backing_dev", backing, sizeof backing);
    if (backing[0] != '/' ||
        lb_ground_of_name(root, strrchr(backing, '/') + 1, &view, &why) != LB_GROUND_FLASH)
        return;
    lb_sysfs_text(dir, "bd_stat", stat, sizeof stat); /* pages there now, read, written */
    for (int i = 0; i < 3; i++)
        if (!lb_sysfs_parse(at, 10, &units, &at))
            units = UINT64_MAX;
    if (units <= UINT64_MAX / ZRAM_UNIT)
        print_size(units * ZRAM_UNIT, written, sizeof written);
    advise(add(findings, index_of(disks, &view), "swap on %s: %s writes out to %s%s%s%s", view.disk, name,
               shown(backing, place), written[0] ? ", " : "", written, written[0] ? " so far" : ""),
           "keep it in RAM: Mechanism=zram in rpi-swap's swap.conf(5) and reboot; elsewhere zram without a "
           "backing_dev");
}

static void find_zrams(struct findings *findings, const char *root, const struct lb_disks *disks)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    DIR *dir;

    if ((size_t)snprintf(path, sizeof path, "%s/sys/block", root) >= sizeof path || !(dir = opendir(path)))
        return;
    while ((entry = readdir(dir)))
        if (strncmp(entry->d_name, "zram", strlen("zram")) == 0)
            find_zram(findings, root, disks, entry->d_name);
    closedir(dir);
}

/* ---- mount options ---- */

static void find_options(struct findings *findings, const struct lb_filesystem *at)
{
    char point[PLACE_BYTES];

    if (at->is_read_only)
        return;
    if (at->is_sync)
        advise(add(findings, at->disk, "%s (%s) waits for each write (sync)", shown(at->point, point),
                   at->device),
               "take sync out of its line in /etc/fstab: programs that need it ask for it themselves");
    if (at->updates_atime)
        advise(add(findings, at->disk, "%s (%s) writes at each read (strictatime)", shown(at->point, point),
                   at->device),
               "put noatime among its options in /etc/fstab, and mount -o remount,noatime it now");
}

uint32_t lb_filesystems_find(const struct lb_filesystems *filesystems, const char *root,
                             const struct lb_disks *disks, struct lb_finding *at)
{
    struct findings findings = { .at = at };

    for (uint32_t i = 0; i < filesystems->count; i++)
        find_failing(&findings, &filesystems->at[i]);
    for (uint32_t i = 0; i < disks->count; i++)
        if (disks->disk[i].is_present)
            find_ending(&findings, &disks->disk[i], i);
    find_swaps(&findings, root, disks);
    find_zrams(&findings, root, disks);
    for (uint32_t i = 0; i < filesystems->count; i++)
        if (disks->disk[filesystems->at[i].disk].is_flash)
            find_options(&findings, &filesystems->at[i]);
    return findings.count;
}
