/* SPDX-License-Identifier: MIT */
/*
 * What a disk is. In: its directory in /sys/block. Out: a name for people, a kind, sizes, what eMMC tells of
 * its life. Always true: each fact is checked by itself, and one that makes no sense is "not known"; texts
 * are printable.
 */
#include "agent/wear/disk_facts.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ground.h"
#include "common/sysfs.h"

#define SECTOR_BYTES 512          /* of every disk, as sysfs counts */
#define UNIT_MOST    (1ull << 30) /* no flash is erased in larger pieces */
#define LIFE_MOST    11
#define PRE_EOL_MOST 3
#define HASH_BEGIN   0xcbf29ce484222325ull /* FNV-1a */
#define HASH_TIMES   0x100000001b3ull
#define IS_HASH      (1ull << 63) /* no diskseq is that large */

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* ---- which are disks ---- */

/* "mmcblk0boot0", "mmcblk0rpmb", "mmcblk0gp1": anything behind the number. */
static bool is_hardware_partition(const char *name)
{
    return begins_with(name, "mmcblk") &&
           name[strlen("mmcblk") + strspn(name + strlen("mmcblk"), "0123456789")];
}

static bool is_made_of_others(const char *dir)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    bool has_any = false;
    DIR *parts;

    if ((size_t)snprintf(path, sizeof path, "%s/slaves", dir) >= sizeof path || !(parts = opendir(path)))
        return false;
    while (!has_any && (entry = readdir(parts)))
        has_any = entry->d_name[0] != '.';
    closedir(parts);
    return has_any;
}

bool lb_disk_is_whole(const char *dir, const char *name)
{
    static const char *const not_worn[] = { ".", "zram", "ram", "loop", "sr", "fd", "dm-", "md" };
    uint64_t number;

    for (size_t i = 0; i < sizeof not_worn / sizeof not_worn[0]; i++)
        if (begins_with(name, not_worn[i]))
            return false;
    if (strlen(name) >= LB_WEAR_NAME || is_hardware_partition(name) || is_made_of_others(dir))
        return false;
    /* Of a disk that is reached by several paths each is one, hidden. */
    return !lb_sysfs_number(dir, "hidden", 10, &number) || number != 1;
}

bool lb_disk_has_medium(const char *dir)
{
    char text[8];
    DIR *there = opendir(dir);

    if (!there)
        return false;
    closedir(there);
    lb_sysfs_text(dir, "size", text, sizeof text);
    return strcmp(text, "0") != 0;
}

static uint64_t add_text(uint64_t hash, const char *dir, const char *name)
{
    char text[256];

    lb_sysfs_text(dir, name, text, sizeof text);
    for (size_t i = 0; i <= strlen(text); i++) /* the NUL too: it parts one text from the next */
        hash = (hash ^ (unsigned char)text[i]) * HASH_TIMES;
    return hash;
}

uint64_t lb_disk_medium(const char *dir)
{
    static const char *const identity[] = { "device/cid", "device/serial", "serial", "device/wwid",
                                            "wwid",       "device/model",  "size" };
    uint64_t number, hash = HASH_BEGIN;

    if (lb_sysfs_number(dir, "diskseq", 10, &number) && number > 0 && number < IS_HASH)
        return number;
    for (size_t i = 0; i < sizeof identity / sizeof identity[0]; i++)
        hash = add_text(hash, dir, identity[i]);
    return hash | IS_HASH;
}

/* ---- what it is ---- */

/* A line, without blanks at its ends; what cannot be printed is a question mark. */
static void read_words(const char *dir, const char *name, char *buf, size_t size)
{
    size_t from, len;

    lb_sysfs_text(dir, name, buf, size);
    from = strspn(buf, " \t");
    len = strlen(buf + from);
    memmove(buf, buf + from, len + 1);
    while (len > 0 && strchr(" \t", buf[len - 1]))
        buf[--len] = '\0';
    for (size_t i = 0; i < len; i++)
        if (buf[i] < ' ' || buf[i] > '~')
            buf[i] = '?';
}

static void read_model(const char *dir, char *buf, size_t size)
{
    char name[48], vendor[32];
    uint64_t maker;

    read_words(dir, "device/name", name, sizeof name);
    if (name[0] != '\0' && lb_sysfs_number(dir, "device/manfid", 16, &maker)) {
        snprintf(buf, size, "%.40s (manfid 0x%02x)", name, (unsigned)maker);
        return;
    }
    read_words(dir, "device/model", name, sizeof name);
    read_words(dir, "device/vendor", vendor, sizeof vendor);
    /* SATA has ATA for a vendor, PCI and virtio a number. */
    if (vendor[0] == '\0' || strcmp(vendor, "ATA") == 0 || begins_with(vendor, "0x") ||
        begins_with(name, vendor))
        snprintf(buf, size, "%s", name);
    else
        snprintf(buf, size, "%.15s%s%s", vendor, name[0] ? " " : "", name);
}

/* "08/2021" */
static void read_made(const char *dir, char *buf, size_t size)
{
    uint64_t month, year;
    const char *rest;
    char text[32];

    buf[0] = '\0';
    lb_sysfs_text(dir, "device/date", text, sizeof text);
    if (lb_sysfs_parse(text, 10, &month, &rest) && rest[0] == '/' &&
        lb_sysfs_parse(rest + 1, 10, &year, &rest) && rest[0] == '\0' && month >= 1 && month <= 12 &&
        year >= 1990 && year <= 2200)
        snprintf(buf, size, "%02u/%u", (unsigned)month, (unsigned)year);
}

static enum lb_disk_kind kind_of(const char *dir, const char *name)
{
    static const struct {
        const char *start;
        enum lb_disk_kind kind;
    } by_name[] = { { "nvme", LB_DISK_NVME },    { "sd", LB_DISK_SATA },    { "mtdblock", LB_DISK_MTD },
                    { "ubiblock", LB_DISK_MTD }, { "vd", LB_DISK_VIRTUAL }, { "xvd", LB_DISK_VIRTUAL },
                    { "loop", LB_DISK_LOOP } };
    char type[16], real[PATH_MAX];

    if (begins_with(name, "mmcblk")) {
        lb_sysfs_text(dir, "device/type", type, sizeof type);
        return strcmp(type, "MMC") == 0 ? LB_DISK_EMMC : LB_DISK_SD;
    }
    if (realpath(dir, real) && strstr(real, "/usb"))
        return LB_DISK_USB;
    for (size_t i = 0; i < sizeof by_name / sizeof by_name[0]; i++)
        if (begins_with(name, by_name[i].start))
            return by_name[i].kind;
    return LB_DISK_OTHER;
}

static void read_life(struct lb_disk *disk, const char *dir)
{
    uint64_t a, b, pre_eol;
    const char *rest;
    char text[32];

    disk->life_a = disk->life_b = disk->pre_eol = 0;
    lb_sysfs_text(dir, "device/life_time", text, sizeof text);
    if (lb_sysfs_parse(text, 16, &a, &rest) && lb_sysfs_parse(rest, 16, &b, &rest)) {
        disk->life_a = a <= LIFE_MOST ? (unsigned)a : 0;
        disk->life_b = b <= LIFE_MOST ? (unsigned)b : 0;
    }
    if (lb_sysfs_number(dir, "device/pre_eol_info", 16, &pre_eol) && pre_eol <= PRE_EOL_MOST)
        disk->pre_eol = (unsigned)pre_eol;
}

void lb_disk_describe(struct lb_disk *disk, const char *root, const char *dir)
{
    struct lb_ground_view view;
    const char *why;
    uint64_t unit, sectors;

    disk->kind = kind_of(dir, disk->name);
    disk->is_flash = lb_ground_of_name(root, disk->name, &view, &why) == LB_GROUND_FLASH;
    /* Of a loop or a dm that was asked for by name, it is the disk below that is known. */
    snprintf(disk->why, sizeof disk->why, "%s%s",
             why[0] && strcmp(view.disk, disk->name) != 0 ? "below: " : "", why);
    read_model(dir, disk->model, sizeof disk->model);
    read_made(dir, disk->made, sizeof disk->made);
    disk->capacity_bytes = 0;
    if (lb_sysfs_number(dir, "size", 10, &sectors) && sectors <= UINT64_MAX / SECTOR_BYTES)
        disk->capacity_bytes = sectors * SECTOR_BYTES;
    disk->unit_bytes = 0;
    if ((lb_sysfs_number(dir, "device/preferred_erase_size", 10, &unit) ||
         lb_sysfs_number(dir, "device/erasesize", 10, &unit)) && /* MTD */
        unit <= UNIT_MOST)
        disk->unit_bytes = unit;
    read_life(disk, dir);
}
