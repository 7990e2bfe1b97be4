/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_LINK_H
#define LB_STORE_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/store/hand.h"

/*
 * What the fast and the slow side tell each other beside the ring: two doors
 * to knock on (eventfds) and a few flags, each with one writer. No locks; a
 * flag that is seen late costs a turn, never a line.
 */
struct lb_link {
    int to_slow_fd;
    int to_fast_fd;
    uint64_t slow_wake_pos;     /* slow: knock when the ring's head reaches this; UINT64_MAX: do not */
    uint64_t slow_wants_urgent; /* slow: knock at the first urgent record */
    uint64_t fast_wants_room;   /* fast: knock when the tail moved */
    uint64_t last_answer_ns;    /* slow: boot time of the last answer that shows the sink is alive */
    uint64_t last_delivery_ns;  /* slow: boot time of the last body that the sink took; 0: none */
    uint64_t sink_away;         /* slow: 1 while the sink is away (design.md, backlog) */
    uint64_t backlog_size;      /* slow: of the backlog, in bytes; 0: there is none */
    uint64_t backlog_used;      /* slow: of it */
    uint64_t backlog_first_ns;  /* slow: boot time of the oldest record in it; 0: it is empty */
    uint64_t losses_wait;       /* slow: rows of the loss table wait to be told */
    uint64_t flush_asked;       /* slow: number of the last flush that somebody wants */
    uint64_t flush_done;        /* fast: number of the last one for which all is in the ring */
    uint64_t context_asked;     /* slow: number of the last wish for what is held of context_service */
    uint64_t context_done;      /* fast: number of the last one that was carried out */
    uint64_t context_lines;     /* fast: how many lines that brought, stored before */
    char context_service[129];  /* slow: written only while nothing is asked for */
    struct lb_hand hand;        /* what is asked from afar */
    uint64_t quota_step; /* fast: of a quota's ladder, the highest of all: bodies wait longer, pack better */
    uint64_t stopping;   /* fast: inputs are drained, ship what is there and end; 2: end at once */
    uint64_t down_by_ns; /* fast, before stopping: the system goes down; until then it may be shipped, then
                            what is left goes to the card. 0: only we stop */
    uint64_t slow_done;  /* slow: it has ended its work, the thread is about to return */
    uint64_t slow_turns; /* slow: grows while it lives */
};

/*
 * Make the eventfds.
 *   returns  0 | negative errno
 *   calls    before the threads start
 */
int lb_link_init(struct lb_link *link);

/*
 * Close the eventfds.
 *   calls    after the threads have ended
 */
void lb_link_close(struct lb_link *link);

/*
 * Knock at a door, or answer it: after lb_link_answer() the next knock is
 * heard anew. Neither blocks.
 *   calls    any thread knocks; the owner of the door answers
 */
void lb_link_knock(int fd);
void lb_link_answer(int fd);

/*
 * Flags are read and stored through these.
 *   calls    any thread reads; the flag's writer stores
 */
static inline uint64_t lb_link_get(const uint64_t *flag)
{
    return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static inline void lb_link_put(uint64_t *flag, uint64_t value)
{
    __atomic_store_n(flag, value, __ATOMIC_SEQ_CST);
}

#endif
