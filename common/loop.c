/* SPDX-License-Identifier: MIT */
/*
 * An event loop for one thread. In: descriptors and due times. Out: callbacks. Always true: a removed watch
 * is never called again, even when its event was fetched already.
 */
#include "common/loop.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

/* A time_t may have 32 bits (ARMv7): a timer that is further away is waited for in parts. */
#define WAIT_MAX_NS (3600 * LB_NS_PER_S)

int lb_loop_init(struct lb_loop *loop)
{
    memset(loop, 0, sizeof *loop);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return -errno;
    loop->now_ns = lb_clock_boot_ns();
    return 0;
}

void lb_loop_close(struct lb_loop *loop)
{
    close(loop->epoll_fd);
    loop->epoll_fd = -1;
}

static int control(struct lb_loop *loop, int verb, struct lb_watch *watch, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };

    return epoll_ctl(loop->epoll_fd, verb, watch->fd, &event) == 0 ? 0 : -errno;
}

int lb_loop_add(struct lb_loop *loop, struct lb_watch *watch, uint32_t events)
{
    return control(loop, EPOLL_CTL_ADD, watch, events);
}

int lb_loop_change(struct lb_loop *loop, struct lb_watch *watch, uint32_t events)
{
    return control(loop, EPOLL_CTL_MOD, watch, events);
}

void lb_loop_remove(struct lb_loop *loop, struct lb_watch *watch)
{
    control(loop, EPOLL_CTL_DEL, watch, 0);
    for (int i = loop->event_next; i < loop->event_count; i++)
        if (loop->event[i].data.ptr == watch)
            loop->event[i].data.ptr = NULL;
}

void lb_loop_add_timer(struct lb_loop *loop, struct lb_timer *timer)
{
    timer->next = loop->timers;
    loop->timers = timer;
}

void lb_loop_remove_timer(struct lb_loop *loop, struct lb_timer *timer)
{
    for (struct lb_timer **at = &loop->timers; *at; at = &(*at)->next) {
        if (*at != timer)
            continue;
        *at = timer->next;
        return;
    }
}

static uint64_t next_due(const struct lb_loop *loop)
{
    uint64_t due = LB_NEVER;

    for (const struct lb_timer *timer = loop->timers; timer; timer = timer->next)
        if (timer->due_ns < due)
            due = timer->due_ns;
    return due;
}

/* Returns how many events came, or negative errno. */
static int wait_for_events(struct lb_loop *loop, bool may_wait)
{
    uint64_t due = next_due(loop), now = may_wait && due != LB_NEVER ? lb_clock_boot_ns() : 0;
    uint64_t wait_ns = !may_wait || due <= now ? 0 : due - now < WAIT_MAX_NS ? due - now : WAIT_MAX_NS;
    struct timespec ts = { .tv_sec = (time_t)(wait_ns / LB_NS_PER_S),
                           .tv_nsec = (long)(wait_ns % LB_NS_PER_S) };
    bool is_forever = may_wait && due == LB_NEVER;
    int count = epoll_pwait2(loop->epoll_fd, loop->event, LB_LOOP_EVENTS, is_forever ? NULL : &ts, NULL);

    if (count < 0 && errno == ENOSYS) /* Linux before 5.11, emulators: whole milliseconds, not too early */
        count = epoll_wait(loop->epoll_fd, loop->event, LB_LOOP_EVENTS,
                           is_forever ? -1 : (int)((wait_ns + LB_NS_PER_MS - 1) / LB_NS_PER_MS));
    return count < 0 ? -errno : count;
}

static void fire_due(struct lb_loop *loop)
{
    for (struct lb_timer *timer = loop->timers; timer; timer = timer->next) {
        if (timer->due_ns > loop->now_ns)
            continue;
        timer->due_ns = LB_NEVER;
        timer->fire(timer->arg, loop->now_ns);
    }
}

static void call_watches(struct lb_loop *loop, int count)
{
    loop->event_count = count;
    for (loop->event_next = 0; loop->event_next < loop->event_count;) {
        struct epoll_event *event = &loop->event[loop->event_next++];
        struct lb_watch *watch = event->data.ptr;

        if (watch)
            watch->ready(watch->arg, event->events);
    }
    loop->event_count = 0;
}

int lb_loop_turn(struct lb_loop *loop, bool may_wait)
{
    int count = wait_for_events(loop, may_wait);

    __atomic_fetch_add(&loop->turns, 1, __ATOMIC_RELAXED);
    loop->now_ns = lb_clock_boot_ns();
    if (count < 0 && count != -EINTR)
        return count;
    call_watches(loop, count < 0 ? 0 : count);
    fire_due(loop);
    return 0;
}

int lb_loop_look(struct lb_loop *loop)
{
    int count = epoll_wait(loop->epoll_fd, loop->event, LB_LOOP_EVENTS, 0);

    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    call_watches(loop, count);
    return count;
}
