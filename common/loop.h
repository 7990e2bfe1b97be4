/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_LOOP_H
#define LB_COMMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/*
 * One thread's event loop: epoll, and timers on the boot clock. Watches and
 * timers are the caller's memory; the loop only links to them. A watch may be
 * removed from within any callback: events that wait for it are forgotten.
 */
#define LB_LOOP_EVENTS 64
#define LB_NEVER       UINT64_MAX

struct lb_watch {
    int fd;
    void (*ready)(void *arg, uint32_t events); /* EPOLLIN and so on */
    void *arg;
};

struct lb_timer {
    uint64_t due_ns; /* LB_NEVER: not armed */
    void (*fire)(void *arg, uint64_t now_ns);
    void *arg;
    struct lb_timer *next;
};

struct lb_loop {
    int epoll_fd;
    struct lb_timer *timers;
    struct epoll_event event[LB_LOOP_EVENTS];
    int event_count, event_next;
    uint64_t now_ns; /* read once a turn, before the first callback */
    uint64_t turns;  /* grows with each turn: shows that the thread lives */
};

/*
 * Start a loop.
 *   returns  0 | negative errno
 *   calls    the thread that will run it, or before that thread starts
 */
int lb_loop_init(struct lb_loop *loop);

/*
 * Close the epoll descriptor. Watches and timers stay the caller's.
 *   calls    the loop's thread
 */
void lb_loop_close(struct lb_loop *loop);

/*
 * Watch a descriptor.
 *   watch    filled in by the caller, must not move while watched
 *   events   EPOLLIN, EPOLLOUT, EPOLLET ...
 *   returns  0 | negative errno of epoll_ctl
 *   calls    the loop's thread
 */
int lb_loop_add(struct lb_loop *loop, struct lb_watch *watch, uint32_t events);

/*
 * Change what is waited for.
 *   returns  0 | negative errno of epoll_ctl
 *   calls    the loop's thread
 */
int lb_loop_change(struct lb_loop *loop, struct lb_watch *watch, uint32_t events);

/*
 * Stop watching; the descriptor stays open and the caller's.
 *   calls    the loop's thread
 */
void lb_loop_remove(struct lb_loop *loop, struct lb_watch *watch);

/*
 * Link a timer, armed or not. Arm and disarm by storing due_ns.
 *   calls    the loop's thread
 */
void lb_loop_add_timer(struct lb_loop *loop, struct lb_timer *timer);

/*
 * Unlink a timer, before its memory goes.
 *   calls    the loop's thread, not from within a timer's callback
 */
void lb_loop_remove_timer(struct lb_loop *loop, struct lb_timer *timer);

/*
 * One turn: wait for events or the next timer, then call what is due.
 *   may_wait  false: only look
 *   returns   0 | negative errno of epoll_pwait2 (-EINTR is no error)
 *   calls     the loop's thread
 */
int lb_loop_turn(struct lb_loop *loop, bool may_wait);

/*
 * Call the watches that have events now, for a loop whose epoll_fd is watched
 * in another one. Fires no timers, reads no clock, never waits.
 *   returns   how many events there were; LB_LOOP_EVENTS: there may be more, look again
 *             | negative errno of epoll_wait (-EINTR is no error, and no event)
 *   calls     the loop's thread, not from within a callback of this loop
 */
int lb_loop_look(struct lb_loop *loop);

#endif
