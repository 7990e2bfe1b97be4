/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_WEAR_H
#define TESTS_LIB_WEAR_H

#include "agent/wear/figures.h"
#include "agent/wear/history.h"
#include "agent/wear/view.h"

/*
 * What is known after looks of our making, without a machine to look at: say
 * what was written, then look. Time is passed in; it begins ten hours after
 * the start of the machine, and nobody has looked yet.
 */
struct wear {
    struct lb_wear_view view;
    struct lb_history history;
    struct lb_wear_books books;
    struct lb_wear_limits limits;
    uint32_t moved[LB_WEAR_PROGRAMS];
    uint64_t looked[LB_WEAR_DISKS];
    uint64_t history_s, now_ns;
};
extern struct wear wear;

#define WEAR_KIB     1024ull
#define WEAR_MIB     (1024 * WEAR_KIB)
#define WEAR_GIB     (1024 * WEAR_MIB)
#define WEAR_S       1000000000ull
#define WEAR_MINUTE  (60 * WEAR_S)
#define WEAR_HOUR    (60 * WEAR_MINUTE)
#define WEAR_NOBODY  LB_WEAR_NO_PROGRAM
#define WEAR_BEGAN_S 36000

/* Set-up of a test: a history of a day, no disks, no programs. */
int wear_begin(void **state);

/* One more of each; returns its index. A disk is an SD card of 32 GB that nothing was written to. */
uint32_t wear_disk(const char *name);
uint32_t wear_program(const char *name, const char *unit);
uint32_t wear_filesystem(const char *point, const char *device, uint32_t disk);

/* A program (WEAR_NOBODY: none that is known) has made a disk write. */
void wear_write(uint32_t program, uint32_t disk, uint64_t bytes);

/* A program is merged into the one at `into`: its bytes, and with the next look its past. */
void wear_merge(uint32_t program, uint32_t into);

/* Look, so many seconds after the last look. */
void wear_look(uint64_t seconds);

#endif
