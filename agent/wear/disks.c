/* SPDX-License-Identifier: MIT */
/*
 * Whole disks. In: /sys/block. Out: what each is and what was written to it, by index. Always true: a disk
 * that is watched keeps its index; what a driver says that makes no sense is "not known"; written_bytes only
 * goes back when the medium is another one, or was put in anew.
 *
 *   counter            same medium           written_bytes       delta_bytes
 *   first look         -                     counter             0
 *   grows              yes                   + growth            growth
 *   falls a long way   yes, was there        + growth over 2^32  the same      (a 32-bit kernel)
 *   falls              yes                   counter             counter       (was taken out and put in)
 *   any                no                    counter             0
 *
 * A reader's counter goes on from one card to the next, so that of a card that was put into one may hold what
 * went to the card before; nothing of it is told as written while we looked.
 */
#include "agent/wear/disks.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/wear/disk_facts.h"
#include "common/sysfs.h"

#define SECTOR_BYTES 512
#define SECTORS_MOST (UINT64_MAX / SECTOR_BYTES)
#define NO_COUNTER   UINT64_MAX /* it could not be read yet: the next look is a first one */
#define WRAP_SECTORS (1ull << 32)
#define WRAP_GROWTH  (1ull << 28) /* 128 GiB: more is not written between two looks, a wrap by less is one */
#define STAT_NUMBERS 17
#define FORGET_NS    (86400 * 1000000000ull)
#define WANTED_MOST  64 /* names in [wear] devices */

enum { STAT_WRITES = 4, STAT_SECTORS = 6, STAT_FLUSHES = 15, STAT_LEAST = 7 };

/* ---- what was written ---- */

struct counters {
    uint64_t sectors, writes, flushes;
};

/* A negative number, or one beyond 64 bits, ends it: what stands behind cannot be told apart any more. */
static bool read_counters(const char *dir, struct counters *ret_counters)
{
    char text[512];
    const char *at = text;
    uint64_t number[STAT_NUMBERS] = { 0 };
    unsigned count = 0;
    bool has_flushes;

    lb_sysfs_text(dir, "stat", text, sizeof text);
    while (count < STAT_NUMBERS && lb_sysfs_parse(at, 10, &number[count], &at))
        count++;
    if (count < STAT_LEAST || number[STAT_SECTORS] > SECTORS_MOST)
        return false;
    /* A bare flush counts as a write of nothing, too. */
    has_flushes = count > STAT_FLUSHES && number[STAT_FLUSHES] <= number[STAT_WRITES];
    ret_counters->sectors = number[STAT_SECTORS];
    ret_counters->writes = number[STAT_WRITES] - (has_flushes ? number[STAT_FLUSHES] : 0);
    ret_counters->flushes = has_flushes ? number[STAT_FLUSHES] : LB_WEAR_UNKNOWN;
    return true;
}

/* was_there: at the look before. A disk that was seen to be gone has not wrapped, it has begun anew. */
static void count(struct lb_disk *disk, uint64_t *last, const struct counters *now, bool was_there)
{
    uint64_t growth, over = now->sectors + WRAP_SECTORS - *last;
    bool is_anew = false;

    if (*last == NO_COUNTER) {
        growth = 0;
        is_anew = true;
    } else if (now->sectors >= *last) {
        growth = now->sectors - *last;
    } else if (was_there && *last < WRAP_SECTORS && over < WRAP_GROWTH) {
        growth = over;
    } else {
        growth = now->sectors;
        is_anew = true;
    }
    disk->delta_bytes = growth * SECTOR_BYTES;
    disk->written_bytes = (is_anew ? now->sectors * SECTOR_BYTES : disk->written_bytes + disk->delta_bytes);
    disk->writes = now->writes;
    disk->flushes = now->flushes;
    *last = now->sectors;
}

/* ---- places ---- */

static void begin(struct lb_disks *disks, uint32_t at, const char *name)
{
    disks->disk[at] = (struct lb_disk) { .flushes = LB_WEAR_UNKNOWN, .lifetime_bytes = LB_WEAR_UNKNOWN };
    snprintf(disks->disk[at].name, sizeof disks->disk[at].name, "%s", name);
    disks->last_sectors[at] = NO_COUNTER;
    disks->gone_ns[at] = 0;
}

/* The place of a disk, a new one, or that of one that is long gone; LB_WEAR_DISKS: there is none. */
static uint32_t place_of(struct lb_disks *disks, const char *name, uint64_t now_ns)
{
    uint32_t oldest = LB_WEAR_DISKS;

    for (uint32_t i = 0; i < disks->count; i++) {
        if (strcmp(disks->disk[i].name, name) == 0)
            return i;
        if (!disks->disk[i].is_present && now_ns >= disks->gone_ns[i] + FORGET_NS &&
            (oldest == LB_WEAR_DISKS || disks->gone_ns[i] < disks->gone_ns[oldest]))
            oldest = i;
    }
    if (disks->count < LB_WEAR_DISKS)
        oldest = disks->count++;
    if (oldest < LB_WEAR_DISKS)
        begin(disks, oldest, name);
    return oldest;
}

/* ---- one look ---- */

struct look {
    const char *root;
    uint64_t now_ns;
    bool is_seen[LB_WEAR_DISKS];
};

static void look_at(struct lb_disks *disks, struct look *look, const char *name)
{
    char dir[PATH_MAX];
    struct counters counters;
    uint64_t medium;
    bool was_there;
    uint32_t at;

    if ((size_t)snprintf(dir, sizeof dir, "%s/sys/block/%s", look->root, name) >= sizeof dir ||
        !lb_disk_has_medium(dir))
        return;
    at = place_of(disks, name, look->now_ns);
    if (at == LB_WEAR_DISKS) {
        disks->left_out++;
        return;
    }
    if (look->is_seen[at]) /* named twice */
        return;
    look->is_seen[at] = true;
    was_there = disks->disk[at].is_present;
    medium = lb_disk_medium(dir);
    if (medium != disks->disk[at].medium)
        begin(disks, at, name);
    disks->disk[at].medium = medium;
    disks->disk[at].is_present = true;
    disks->disk[at].delta_bytes = 0;
    lb_disk_describe(&disks->disk[at], look->root, dir);
    if (read_counters(dir, &counters))
        count(&disks->disk[at], &disks->last_sectors[at], &counters, was_there);
}

static void look_for_all(struct lb_disks *disks, struct look *look, const char *block)
{
    struct dirent **entries;
    int found = scandir(block, &entries, NULL, alphasort); /* sorted: the first look gives the indices */

    for (int i = 0; i < found; i++) {
        char dir[PATH_MAX];

        if ((size_t)snprintf(dir, sizeof dir, "%s/%s", block, entries[i]->d_name) < sizeof dir &&
            lb_disk_is_whole(dir, entries[i]->d_name))
            look_at(disks, look, entries[i]->d_name);
        free(entries[i]);
    }
    if (found >= 0)
        free(entries);
}

static void look_for_named(struct lb_disks *disks, struct look *look, const char *wanted)
{
    for (unsigned i = 0; *(wanted += strspn(wanted, " \t")) && i < WANTED_MOST; i++) {
        size_t len = strcspn(wanted, " \t");
        char name[LB_WEAR_NAME];

        snprintf(name, sizeof name, "%.*s", (int)len, wanted);
        if (len < sizeof name && name[0] != '.' && !strchr(name, '/'))
            look_at(disks, look, name);
        wanted += len;
    }
}

int lb_disks_sample(struct lb_disks *disks, const char *root, const char *wanted, uint64_t now_ns)
{
    struct look look = { .root = root, .now_ns = now_ns };
    char block[PATH_MAX];
    DIR *dir;

    if ((size_t)snprintf(block, sizeof block, "%s/sys/block", root) >= sizeof block ||
        !(dir = opendir(block)))
        return -ENOENT;
    closedir(dir);
    disks->left_out = 0;
    if (strcmp(wanted, "auto") == 0)
        look_for_all(disks, &look, block);
    else
        look_for_named(disks, &look, wanted);
    disks->are_all = strcmp(wanted, "auto") == 0 && disks->left_out == 0;
    for (uint32_t i = 0; i < disks->count; i++) {
        if (look.is_seen[i])
            continue;
        if (disks->disk[i].is_present)
            disks->gone_ns[i] = now_ns;
        disks->disk[i].is_present = false;
        disks->disk[i].delta_bytes = 0;
    }
    return 0;
}

int lb_disks_find(const struct lb_disks *disks, const char *name)
{
    for (uint32_t i = 0; i < disks->count; i++)
        if (disks->disk[i].is_present && strcmp(disks->disk[i].name, name) == 0)
            return (int)i;
    return -1;
}
