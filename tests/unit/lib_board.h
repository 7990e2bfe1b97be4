/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_BOARD_H
#define TESTS_LIB_BOARD_H

#include <stddef.h>
#include <stdint.h>

/*
 * A board: /sys and /proc of a machine, laid out in a directory as its kernel
 * shows them. For one test at a time; each function fails the test when the
 * directory cannot be written.
 *
 * Device numbers are such as no kernel gives (mmc 979 instead of 179), so that
 * a file of the machine that runs the test is never taken for one of the board.
 */
struct board_disk {
    const char *name;  /* "mmcblk0" */
    const char *where; /* below /sys/devices: "platform/soc/mmc0/mmc0:aaaa" */
    unsigned maj, min; /* of the disk; its partitions follow */
    unsigned parts;
    const char *facts; /* "FILE=TEXT;..." below its directory */
};

#define BOARD_DISKS 5

struct board {
    struct board_disk disk[BOARD_DISKS]; /* until the first without a name */
    const char *mountinfo;               /* @R: the directory's path; NULL: there is none */
    const char *swaps;                   /* NULL: there is none */
    const char *more;                    /* "PATH=TEXT;..." from the top */
};

extern const struct board pi3_sd, pi4_sd, pi5_sd_nvme, cm4_emmc, cm5_emmc_worn, pi4_usb_ssds, pc_sata_nvme,
    pi4_overlay_on_ram, pi4_overlay_on_card, pc_lvm, pi5_zram, pi5_zram_file;

extern char board_root[64];

/*
 * Set-up and tear-down for cmocka: the directory, nothing in it yet.
 */
int board_begin(void **state);
int board_end(void **state);

/*
 * Lay out all that a board has.
 */
void board_make(const struct board *board);

/*
 * A disk is plugged in or out.
 */
void board_plug(const struct board_disk *disk);
void board_unplug(const struct board_disk *disk);

/*
 * A disk's counters: write I/Os (with bare flushes), sectors, flushes.
 */
void board_wrote(const char *disk, uint64_t ios, uint64_t sectors, uint64_t flushes);

/*
 * A file with a text (@R is the directory's path), with any bytes, or none any more.
 *   path     from the top: "/sys/block/mmcblk0/size"
 */
void board_put(const char *path, const char *text);
void board_put_bytes(const char *path, const void *bytes, size_t len);
void board_remove(const char *path);

#endif
