/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_HEARTBEAT_H
#define LB_CAPTURE_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/store/card.h"
#include "agent/store/record.h"
#include "common/loop.h"

/*
 * A sign of life every [heartbeat] interval, on a beat of the device's own. It
 * rides with what is queued next, so it costs no request; only after a silence
 * of a fifth of the interval (a minute at most) does it go alone.
 *
 *   beat ─▶ DUE ── a record is queued ──▶ told
 *            └──── silence ─────────────▶ told, alone
 */
struct lb_capture;

struct lb_heartbeat_books {
    uint64_t in, queued, dropped, delivered, lost; /* lines */
};

struct lb_heart {
    struct lb_capture *capture;
    struct lb_timer timer;
    struct lb_card_job job;
    uint64_t phase;
    uint64_t celsius, throttled; /* of the board: written by the card side */
    bool is_due, is_job_out;
    struct lb_heartbeat_books told; /* the books at the last one */
};

/*
 * Begin to beat.
 *   capture   its shortage.card is what looks at the board, NULL: nobody does
 *   calls     main thread, before its first turn
 */
void lb_heart_start(struct lb_capture *capture);

/*
 * A new configuration: the interval may be another.
 *   calls     fast side
 */
void lb_heart_reload(struct lb_capture *capture);

/*
 * Something was queued and is about to be published: a heartbeat that is due
 * goes with it.
 *   calls     fast side; needs room for a record of our own in the commit
 */
void lb_heart_ride(struct lb_capture *capture, uint64_t now_ns);

#endif
