/* SPDX-License-Identifier: MIT */
/* Looks without a machine. In: what was written. Out: history and figures as the sampler would make them. */
#include "tests/unit/lib_wear.h"

#include <stdio.h>
#include <string.h>

struct wear wear;

static void stay(void)
{
    for (uint32_t i = 0; i < LB_WEAR_PROGRAMS; i++)
        wear.moved[i] = i < wear.view.programs ? i : LB_WEAR_NO_PROGRAM;
}

int wear_begin(void **state)
{
    (void)state;
    memset(&wear, 0, sizeof wear);
    wear.now_ns = WEAR_BEGAN_S * WEAR_S;
    wear.history_s = 86400;
    stay();
    return 0;
}

uint32_t wear_disk(const char *name)
{
    struct lb_disk *disk = &wear.view.disk[wear.view.disks];

    snprintf(disk->name, sizeof disk->name, "%s", name);
    disk->medium = wear.view.disks + 1;
    disk->kind = LB_DISK_SD;
    disk->is_flash = disk->is_present = true;
    disk->capacity_bytes = 32000000000;
    disk->lifetime_bytes = LB_WEAR_UNKNOWN;
    return wear.view.disks++;
}

uint32_t wear_program(const char *name, const char *unit)
{
    struct lb_program *program = &wear.view.program[wear.view.programs];

    snprintf(program->name, sizeof program->name, "%s", name);
    snprintf(program->unit, sizeof program->unit, "%s", unit);
    return wear.view.programs++;
}

uint32_t wear_filesystem(const char *point, const char *device, uint32_t disk)
{
    struct lb_filesystem *filesystem = &wear.view.filesystem[wear.view.filesystems];

    snprintf(filesystem->point, sizeof filesystem->point, "%s", point);
    snprintf(filesystem->type, sizeof filesystem->type, "ext4");
    snprintf(filesystem->device, sizeof filesystem->device, "%s", device);
    filesystem->disk = disk;
    filesystem->was_writable = true;
    filesystem->lifetime_bytes = LB_WEAR_UNKNOWN;
    return wear.view.filesystems++;
}

void wear_write(uint32_t program, uint32_t disk, uint64_t bytes)
{
    if (program != WEAR_NOBODY)
        wear.view.program[program].bytes[disk] += bytes;
    wear.view.disk[disk].delta_bytes += bytes;
    wear.view.disk[disk].written_bytes += bytes;
    wear.looked[disk] += bytes;
}

void wear_merge(uint32_t program, uint32_t into)
{
    for (uint32_t disk = 0; disk < LB_WEAR_DISKS; disk++) {
        wear.view.program[into].bytes[disk] += wear.view.program[program].bytes[disk];
        wear.view.program[program].bytes[disk] = 0;
    }
    wear.moved[program] = into;
}

void wear_look(uint64_t seconds)
{
    wear.now_ns += seconds * WEAR_S;
    wear.view.sampled_ns = wear.now_ns;
    wear.view.began_ns = wear.view.began_ns ? wear.view.began_ns : wear.now_ns;
    wear.view.uptime_s = wear.now_ns / WEAR_S;
    lb_history_note(&wear.history, &wear.view, wear.moved, &wear.books, wear.history_s, wear.now_ns);
    lb_history_show(&wear.history, &wear.view);
    lb_figures_make(&wear.view, &wear.history, &wear.limits, wear.looked);
    for (uint32_t disk = 0; disk < LB_WEAR_DISKS; disk++)
        wear.view.disk[disk].delta_bytes = 0;
    stay();
}
