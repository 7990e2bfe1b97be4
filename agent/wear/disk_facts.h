/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_DISK_FACTS_H
#define LB_WEAR_DISK_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/wear/view.h"

/*
 * What one disk is, by its directory in /sys/block. Only disks.c asks: it holds
 * the places and the counts.
 */

/*
 * Is a disk worn by itself? Not: RAM, loop, optical, floppy; what is made of others (dm, md, bcache); the
 * hardware partitions of eMMC (boot0, rpmb, gp0), whose wear is the eMMC's; one path of several to a disk.
 *   dir      of it
 *   name     as in /sys/block
 *   calls    any thread
 */
bool lb_disk_is_whole(const char *dir, const char *name);

/*
 * Is there something in it? A card reader without a card is a disk of size 0, nbd and loop that nothing is
 * tied to are as well.
 *   calls    any thread
 */
bool lb_disk_has_medium(const char *dir);

/*
 * What tells this medium from the next in the same slot: the kernel's own number of it (diskseq, Linux 5.15),
 * else a hash over the serial number and the size.
 *   returns  never 0
 *   calls    any thread
 */
uint64_t lb_disk_medium(const char *dir);

/*
 * Fill in model, made, kind, is_flash, why, sizes, and what eMMC tells of its life. disk->name is set by the
 * caller; counts are left alone.
 *   root     as of lb_disks_sample()
 *   dir      of it
 *   calls    the sampler's thread
 */
void lb_disk_describe(struct lb_disk *disk, const char *root, const char *dir);

#endif
