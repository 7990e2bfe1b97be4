/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_SHORTAGE_H
#define LB_CAPTURE_SHORTAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/shape/squeeze.h"
#include "agent/store/card.h"
#include "common/loop.h"
#include "common/quota.h"

/*
 * What runs short: the data plan (quotas), the queue (its fill), the machine's
 * memory (/proc/pressure/memory, read by the card side). Looked at when records
 * come, at most once a turn; each step of a ladder is told in one record.
 */
#define LB_SHORTAGE_MEMORY_EVERY_NS (2 * 1000000000ull)
#define LB_SHORTAGE_LOOK_EVERY_NS   1000000000ull /* while something is short, also when nothing comes */

struct lb_capture;
struct lb_throttle_config;

/* One span of the calendar, kept: to look it up takes a lock of the C library. */
struct lb_shortage_span {
    struct lb_quota_span span;
    uint64_t offset_ns; /* for which it was looked up */
};

struct lb_shortage {
    struct lb_capture *capture;
    struct lb_card *card; /* NULL: memory is not looked at */
    struct lb_card_job job;
    struct lb_timer timer;
    bool is_job_out;
    uint64_t memory_ns;      /* when it was asked for last */
    uint64_t memory_percent; /* times 100, written on the card side while the job is out */
    uint64_t looked_ns;
    unsigned fill_step, memory_step;
    struct lb_shortage_span span[LB_QUOTA_WINDOWS];
    uint32_t own_row; /* of the books: where the steps that concern all are told */
    uint64_t service_ns[LB_SERVICES_BOOKS];
    uint8_t service_step[LB_SERVICES_BOOKS], quota_step, pressure_step; /* told to other threads */
};

/*
 * Begin with the steps that the agent before us told.
 *   capture   its shortage.card is set by the caller, or NULL
 *   calls     main thread, before its first turn
 */
void lb_shortage_start(struct lb_capture *capture);

/*
 * Where a service is on the ladders. Steps that were reached since the last
 * look are told in this turn.
 *   row, settings  the service's
 *   now_ns    of the turn: the same time is looked at once
 *   calls     fast side, between records; needs room for a record of our own in the commit
 */
struct lb_squeeze lb_shortage_of(struct lb_capture *capture, uint32_t row,
                                 const struct lb_throttle_config *settings, uint64_t now_ns);

/* A quota as it stands, for status. */
struct lb_quota_view {
    bool is_on;
    struct lb_quota quota;
    uint64_t spent, left, ends_ms; /* ends_ms: so long from now; 0: the clock is not known */
    unsigned step;
};

/*
 * The same for status.
 *   row       of the books, or LB_METER_ALL for that of [network]
 *   calls     any thread
 */
void lb_shortage_view(const struct lb_capture *capture, uint32_t row, const struct lb_quota *quota,
                      uint64_t now_ns, struct lb_quota_view *ret_view);

/*
 * The step of the pressure ladder, for status.
 *   calls     any thread
 */
unsigned lb_shortage_pressure(const struct lb_capture *capture);

#endif
