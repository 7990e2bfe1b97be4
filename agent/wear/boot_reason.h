/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_BOOT_REASON_H
#define LB_WEAR_BOOT_REASON_H

#include <stddef.h>

/*
 * Why the machine started, where the board tells: the reset status that a
 * Raspberry Pi's bootloader hands over in the device tree (facts/storage.md 4,
 * "Reset reason"), and what a watchdog says of the last boot (WDIOC_GETBOOTSTATUS
 * by sysfs). Neither tells a reboot that was asked for from one that a watchdog
 * made on a Pi, and the text does not either.
 *   root      what stands before /proc and /sys
 *   buf       "" where nothing is told
 *   calls     the sampler's thread
 */
void lb_boot_reason(const char *root, char *buf, size_t size);

#endif
