/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_CARD_H
#define LB_STORE_CARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"

/*
 * The card side: one thread for all that touches the card or may sleep in the
 * kernel. Others hand it jobs and go on; each owner's results come back to its
 * own loop. Nobody waits for it: a queue that is full refuses.
 *
 * Between an owner and the card side lie two rings of pointers, one each way,
 * each with one writer and one reader, and an eventfd as a bell.
 */
#define LB_CARD_QUEUE 16

enum lb_card_owner { LB_CARD_FAST = 0, LB_CARD_SLOW, LB_CARD_OWNERS };

struct lb_card_job {
    void (*work)(struct lb_card_job *job); /* on the card side; may block */
    void (*done)(struct lb_card_job *job); /* on the owner's side */
    void *arg;
};

struct lb_card_ring {
    struct lb_card_job *slot[LB_CARD_QUEUE];
    uint32_t head, tail; /* head: its writer's, tail: its reader's */
};

struct lb_card_desk { /* one for each owner */
    struct lb_card_ring jobs, results;
    int bell_fd;
    struct lb_watch watch;
    uint32_t out; /* jobs whose results are not back; owner's */
};

struct lb_card {
    pthread_t thread;
    bool is_running;
    int bell_fd;
    uint32_t must_end;
    struct lb_card_desk desk[LB_CARD_OWNERS];
};

/*
 * Start the thread.
 *   returns  0 | negative errno
 *   calls    main thread, before the other sides start
 */
int lb_card_start(struct lb_card *card);

/*
 * Hear an owner's results in its loop.
 *   returns  0 | negative errno of epoll_ctl
 *   calls    the owner's thread
 */
int lb_card_listen(struct lb_card *card, enum lb_card_owner owner, struct lb_loop *loop);

/*
 * Hand over a job. It belongs to the card side until done() is called.
 *   returns  0 | -EBUSY LB_CARD_QUEUE jobs of this owner are out
 *   calls    the owner's thread; never blocks
 */
int lb_card_submit(struct lb_card *card, enum lb_card_owner owner, struct lb_card_job *job);

/*
 * End the thread, if it answers.
 *   wait_ms  how long to wait for a job that hangs; then the thread is left behind
 *   returns  true: it ended | false: it hangs, and its jobs' memory must not be freed
 *   calls    main thread, after the other sides have stopped
 */
bool lb_card_stop(struct lb_card *card, uint64_t wait_ms);

#endif
