/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_TOP_LINK_H
#define LB_OFFLINE_TOP_LINK_H

#include "common/loop.h"

/*
 * Asking an agent for its status over and over, without waiting for it: one
 * question at a time, each with a bound on its time and on its answer.
 */
#define LB_TOP_ANSWER_MAX  (4 * 1024 * 1024u)
#define LB_TOP_PATIENCE_NS (10 * 1000000000ull) /* as of the other commands */

struct lb_top_link {
    struct lb_loop *loop;
    /*
     * The question has ended, within lb_top_link_ask() or later.
     *   error  0: text is the answer's body, the link's, len bytes | negative errno of why there is none;
     *          -EPROTO it said something else
     */
    void (*done)(void *ctx, int error, const char *text, size_t len);
    void *ctx;
    struct lb_watch watch; /* fd below 0: no question is out */
    struct lb_timer timer;
    char *answer;
    size_t len, room;
};

/*
 * Begin.
 *   link     loop done ctx are set, the rest is zero; must not move
 *   calls    the loop's thread, as all here
 */
void lb_top_link_open(struct lb_top_link *link);

/*
 * Ask, if no question is out.
 *   now_ns   boot time
 */
void lb_top_link_ask(struct lb_top_link *link, uint64_t now_ns);

/*
 * Hang up and free.
 */
void lb_top_link_close(struct lb_top_link *link);

#endif
