/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_PROCESS_DISKS_H
#define LB_WEAR_PROCESS_DISKS_H

#include <stdint.h>
#include <sys/types.h>

#include "agent/wear/disks.h"
#include "agent/wear/view.h"

/*
 * Which disks a process has files open for writing on.
 *
 *   fdinfo: flags, mnt_id ──▶ its mountinfo: MAJ:MIN ──▶ common/ground.h: a disk
 *            remembered for one look        remembered for ten minutes
 *
 * All is remembered with bounds; beyond them it is looked up again.
 */
#define LB_PROCESS_DISKS_ELSEWHERE (1u << 31) /* on a disk that is not watched */
#define LB_PROCESS_FDS_MAX         256        /* of a process that are looked at */
#define LB_PROCESS_MOUNTS_MAX      128        /* that are remembered; of one process, new ones in a look: */
#define LB_PROCESS_MOUNTS_NEW      32
#define LB_PROCESS_DEVICES_MAX     64

/* A device by its number: the disk it is or is a part of, and the one below all layers (dm, loop). */
struct lb_process_device {
    dev_t dev;
    char near[LB_WEAR_NAME], below[LB_WEAR_NAME]; /* "" none: RAM, the network */
};

struct lb_process_mount {
    uint64_t id; /* the kernel gives an id to one mount of all namespaces, and again when that is gone */
    uint32_t disks;
};

struct lb_process_disks {
    const char *root;
    const struct lb_disks *disks;
    uint64_t forgot_ns;
    uint32_t devices, mounts;
    struct lb_process_device device[LB_PROCESS_DEVICES_MAX];
    struct lb_process_mount mount[LB_PROCESS_MOUNTS_MAX];
};

/*
 * A look begins. Mounts are forgotten, and devices if that was not done for ten minutes.
 *   memory    all zero before the first
 *   root      what stands before /proc and /sys; stays the caller's as disks does, both until the look ends
 *   calls     the sampler's thread
 */
void lb_process_disks_begin(struct lb_process_disks *memory, const char *root, const struct lb_disks *disks,
                            uint64_t now_ns);

/*
 * Look at one process' files.
 *   dir       "/proc/PID"
 *   returns   a bit for each watched disk, by its index, and LB_PROCESS_DISKS_ELSEWHERE if it has files on
 *             others; 0 it has none open for writing on any disk, or they may not be seen
 *   calls     the sampler's thread: it resolves paths
 */
uint32_t lb_process_disks_look(struct lb_process_disks *memory, int dir);

#endif
