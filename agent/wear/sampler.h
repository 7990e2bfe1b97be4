/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_SAMPLER_H
#define LB_WEAR_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/wear/alerts.h"
#include "agent/wear/history.h"
#include "agent/wear/view.h"

/*
 * All looks together:
 *
 *   disks ─▶ file systems ─▶ writers ─▶ history ─▶ figures ─▶ alerts
 *
 * It reads /proc and /sys and writes nothing. It may hang where the kernel does
 * (a process that hangs in exec on a dead disk), so it has a thread of its own,
 * for which nobody waits.
 */
struct lb_sampler;

struct lb_wear_settings {
    char devices[256];        /* "auto", or names parted by blanks */
    uint64_t endurance_bytes; /* 0: estimated */
    uint64_t history_s;
    struct lb_wear_limit_settings limits;
};

/* What a look is told from outside. */
struct lb_wear_input {
    uint64_t now_ns;         /* boot clock */
    uint64_t wall_offset_ns; /* 0: the clock is not known */
    struct lb_wear_books books;
};

/*
 * Begin.
 *   root      what stands before /proc and /sys: "" on a device; copied
 *   own_pid   whose program is marked as ours
 *   returns   NULL: out of memory. The caller frees with lb_sampler_free()
 *   calls     any thread
 */
struct lb_sampler *lb_sampler_new(const char *root, int own_pid);
void lb_sampler_free(struct lb_sampler *sampler);

/*
 * Look once.
 *   ret_events  room for LB_ALERTS_AT_ONCE
 *   returns     how many events there are
 *   calls       the sampler's thread; may wait for the kernel
 */
unsigned lb_sampler_look(struct lb_sampler *sampler, const struct lb_wear_settings *settings,
                         const struct lb_wear_input *input, struct lb_wear_event *ret_events);

/*
 * What the last look found; what is put in by who shows it is nought.
 *   returns     the sampler's, until the next look
 *   calls       the sampler's thread
 */
const struct lb_wear_view *lb_sampler_view(const struct lb_sampler *sampler);

/*
 * Memory that it takes, for the ceiling: with the copy that is shown.
 *   calls       any thread
 */
uint64_t lb_sampler_bytes(void);

#endif
