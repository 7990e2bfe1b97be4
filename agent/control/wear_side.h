/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_WEAR_SIDE_H
#define LB_CONTROL_WEAR_SIDE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/capture/capture.h"
#include "agent/store/card.h"
#include "agent/wear/last_words.h"
#include "agent/wear/sampler.h"

/*
 * Wear sampling, wired: a thread of its own beside the card side, since a look
 * may hang where a disk does, and then the spool must not. The fast side asks
 * for looks and turns what they find into records; the slow side shows them.
 *
 *   fast side ── every `sample` ──▶ the wear thread: a look ──▶ events ──▶ records of our own
 *                                          └─ a copy, under a lock that is held to copy ──▶ logboom wear
 */
#define LB_WEAR_HANGS_NS (10 * 1000000000ull)
#define LB_WEAR_WAITING  16 /* events that found no room in the ring */

struct lb_wear_side {
    struct lb_card thread; /* one owner only: the fast side */
    struct lb_card_job job;
    struct lb_timer timer;
    struct lb_capture *capture;
    const struct lb_backlog *backlog; /* published words are read, by any thread */
    struct lb_sampler *sampler;       /* the wear thread's */
    struct lb_wear_settings settings; /* whoever has the job */
    struct lb_wear_input input;
    struct lb_wear_event event[LB_ALERTS_AT_ONCE];
    unsigned events;
    struct lb_last_words words; /* whoever has the job */
    struct lb_wear_event waiting[LB_WEAR_WAITING];
    unsigned waiting_count;
    int dir_fd;
    size_t words_max;
    bool is_on; /* read by the slow side */
    bool is_out, is_told_to_hang;
    uint64_t out_since_ns; /* 0: no look is under way; read by the slow side */
    pthread_mutex_t lock;  /* held to copy a view, no longer */
    struct lb_wear_view *shown;
};

/*
 * Start the thread and the timer, unless [wear] sample is off. Where the thread
 * cannot be had that is logged, and all else works.
 *   dir_fd    the runtime directory, where what is read of the kernel's last words is remembered; kept
 *   calls     main thread, before the slow side starts
 */
void lb_wear_side_start(struct lb_wear_side *wear, struct lb_capture *capture,
                        const struct lb_backlog *backlog, int dir_fd);

/*
 * Another configuration: looks begin, end, or come at another pace.
 *   calls     fast side
 */
void lb_wear_side_reload(struct lb_wear_side *wear);

/*
 * What was seen last.
 *   returns   a copy, to be freed by the caller | NULL: out of memory, or sampling is off
 *   calls     any thread but the fast side's
 */
struct lb_wear_view *lb_wear_side_view(struct lb_wear_side *wear);

/*
 * Since when a look has not come back, if that is longer than LB_WEAR_HANGS_NS: 0 it has.
 *   calls     any thread
 */
uint64_t lb_wear_side_hangs_ns(const struct lb_wear_side *wear, uint64_t now_ns);

/*
 * End the thread.
 *   returns   false: it hangs, and its memory must stay
 *   calls     main thread, after the fast side's last turn
 */
bool lb_wear_side_stop(struct lb_wear_side *wear, uint64_t wait_ms);

#endif
