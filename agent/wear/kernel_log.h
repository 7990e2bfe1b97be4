/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_KERNEL_LOG_H
#define LB_WEAR_KERNEL_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/wear/disks.h"

/*
 * What the kernel says of disks that fail: I/O errors of the block layer,
 * errors and timeouts of mmc hosts, errors of file systems. Read by syslog(2),
 * so no device node is needed, but CAP_SYSLOG where dmesg_restrict is set.
 */
#define LB_KERNEL_LOG_BYTES 65536 /* of the newest that a look reads; more between two looks is not seen */

struct lb_kernel_log {
    uint64_t seen_us; /* stamp of the newest line that was looked at */
    int error;        /* negative errno of the last look; 0 */
    uint64_t count[LB_WEAR_DISKS];
    uint64_t medium[LB_WEAR_DISKS]; /* whose errors those are */
    char last[LB_WEAR_DISKS][96];
    char text[LB_KERNEL_LOG_BYTES];
};

/*
 * Read what is new, and put what is known by now into disks->disk[].io_errors
 * and io_error.
 *   calls     the sampler's thread
 */
void lb_kernel_log_look(struct lb_kernel_log *log, struct lb_disks *disks);

/*
 * The same of a text: lines like "<3>[ 12.345678] I/O error, dev mmcblk0,
 * sector 8 op 0x1:(WRITE)". What is not newer than what was seen before is
 * passed over.
 *   text   len bytes, any content
 *   calls  any thread; pure but for log and disks
 */
void lb_kernel_log_take(struct lb_kernel_log *log, const char *text, size_t len, struct lb_disks *disks);

#endif
