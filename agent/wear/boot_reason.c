/* SPDX-License-Identifier: MIT */
/* Why the machine started. In: the device tree, watchdogs. Out: words. Always true: what the board does not
 * tell is not made up. */
#include "agent/wear/boot_reason.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/watchdog.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bits of a Pi's PM_RSTS. */
#define RSTS_POWER_ON      0x1000u
#define RSTS_WATCHDOG_FULL 0x20u

static long read_bytes(const char *root, const char *name, void *buf, size_t size)
{
    char path[PATH_MAX];
    long got;
    int fd;

    if ((size_t)snprintf(path, sizeof path, "%s%s", root, name) >= sizeof path)
        return -1;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    got = read(fd, buf, size);
    close(fd);
    return got;
}

static bool by_bootloader(const char *root, char *buf, size_t size)
{
    uint8_t cell[4];
    uint32_t status;

    if (read_bytes(root, "/proc/device-tree/chosen/bootloader/rsts", cell, sizeof cell) != (long)sizeof cell)
        return false;
    status = (uint32_t)cell[0] << 24 | (uint32_t)cell[1] << 16 | (uint32_t)cell[2] << 8 | cell[3];
    snprintf(buf, size, "%s (reset status 0x%x)",
             status & RSTS_POWER_ON        ? "power was switched on"
             : status & RSTS_WATCHDOG_FULL ? "a reboot, or the watchdog"
                                           : "not told",
             status);
    return true;
}

static bool by_watchdog(const char *root, char *buf, size_t size)
{
    char text[32] = "";
    unsigned long status;

    if (read_bytes(root, "/sys/class/watchdog/watchdog0/bootstatus", text, sizeof text - 1) <= 0)
        return false;
    if (!isdigit((unsigned char)text[0])) /* strtoul() would make much of a sign */
        return false;
    status = strtoul(text, NULL, 0);
    if (status & WDIOF_CARDRESET)
        snprintf(buf, size, "the watchdog");
    else if (status & WDIOF_POWERUNDER)
        snprintf(buf, size, "power was too low");
    else if (status & WDIOF_OVERHEAT)
        snprintf(buf, size, "it was too hot");
    else
        return false;
    return true;
}

void lb_boot_reason(const char *root, char *buf, size_t size)
{
    buf[0] = '\0';
    if (!by_watchdog(root, buf, size))
        by_bootloader(root, buf, size);
}
