/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_DEVICE_H
#define LB_COMMON_DEVICE_H

#include <stdint.h>

/*
 * A number of this device's own, by which its beat differs from others': made
 * of /etc/machine-id.
 *   returns  0 without one
 *   calls    at start; reads a file
 */
uint64_t lb_device_phase(void);

#endif
