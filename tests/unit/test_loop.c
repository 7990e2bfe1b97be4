/* SPDX-License-Identifier: MIT */
/*
 * A thread's loop: who is called, and who is not any more. Events are made with eventfds and timers that are
 * due already, so nothing here waits. And the words to the service manager, on a socket of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/notify.h"

#define WATCHES (2 * LB_LOOP_EVENTS)

static struct lb_loop loop;

struct ear {
    struct lb_watch watch;
    unsigned calls;
    struct ear *removes; /* what it stops watching when it is called; NULL: nothing */
    uint32_t events;
};

static void hear(void *arg, uint32_t events)
{
    struct ear *ear = arg;

    ear->calls++;
    ear->events = events;
    if (ear->removes)
        lb_loop_remove(&loop, &ear->removes->watch);
}

static void open_ear(struct ear *ear, uint64_t knocks)
{
    memset(ear, 0, sizeof *ear);
    ear->watch = (struct lb_watch) { eventfd((unsigned)knocks, EFD_NONBLOCK | EFD_CLOEXEC), hear, ear };
    assert_true(ear->watch.fd >= 0);
    assert_int_equal(lb_loop_add(&loop, &ear->watch, EPOLLIN), 0);
}

static void add_one(const struct ear *ear)
{
    assert_int_equal(eventfd_write(ear->watch.fd, 1), 0);
}

static int begin(void **state)
{
    (void)state;
    return lb_loop_init(&loop);
}

static int end(void **state)
{
    (void)state;
    lb_loop_close(&loop);
    return 0;
}

static void turn(void)
{
    assert_int_equal(lb_loop_turn(&loop, false), 0);
}

static void a_watch_is_called_while_its_descriptor_has_something(void **state)
{
    struct ear ear;

    (void)state;
    open_ear(&ear, 1);
    turn();
    turn();
    assert_int_equal(ear.calls, 2); /* level-triggered */
    assert_int_equal(ear.events, EPOLLIN);
    assert_int_equal(lb_loop_change(&loop, &ear.watch, EPOLLOUT), 0);
    turn();
    assert_int_equal(ear.events, EPOLLOUT);
    lb_loop_remove(&loop, &ear.watch);
    turn();
    assert_int_equal(ear.calls, 3);
    close(ear.watch.fd);
    assert_true(lb_loop_add(&loop, &ear.watch, EPOLLIN) < 0);
}

/* Two that remove each other: whoever is first, the other is not called, though its event was fetched. */
static void a_watch_removed_by_another_is_never_called(void **state)
{
    struct ear a, b;

    (void)state;
    open_ear(&a, 1);
    open_ear(&b, 1);
    a.removes = &b;
    b.removes = &a;
    turn();
    assert_int_equal(a.calls + b.calls, 1);
    close(a.watch.fd);
    close(b.watch.fd);
}

static void a_watch_may_remove_itself(void **state)
{
    struct ear a;

    (void)state;
    open_ear(&a, 1);
    a.removes = &a;
    turn();
    turn();
    assert_int_equal(a.calls, 1);
    close(a.watch.fd);
}

/* A loop in a loop: its watches are called by a look, and the outer one may leave it alone meanwhile. */
static void a_loop_watched_in_another_is_looked_at_on_demand(void **state)
{
    static struct lb_loop inner;
    struct ear outer, ears[2];

    (void)state;
    assert_int_equal(lb_loop_init(&inner), 0);
    for (int i = 0; i < 2; i++) {
        memset(&ears[i], 0, sizeof ears[i]);
        ears[i].watch = (struct lb_watch) { eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), hear, &ears[i] };
        assert_int_equal(lb_loop_add(&inner, &ears[i].watch, EPOLLIN | EPOLLET), 0);
    }
    memset(&outer, 0, sizeof outer);
    outer.watch = (struct lb_watch) { inner.epoll_fd, hear, &outer };
    assert_int_equal(lb_loop_add(&loop, &outer.watch, EPOLLIN), 0);

    assert_int_equal(lb_loop_look(&inner), 0);
    add_one(&ears[1]);
    turn();
    assert_int_equal(outer.calls, 1); /* it is told that there is something */
    assert_int_equal(ears[1].calls, 0);
    assert_int_equal(lb_loop_look(&inner), 1);
    assert_int_equal(ears[0].calls, 0);
    assert_int_equal(ears[1].calls, 1);
    turn();
    assert_int_equal(outer.calls, 1); /* and not again once it has looked */

    assert_int_equal(lb_loop_change(&loop, &outer.watch, 0), 0);
    add_one(&ears[0]);
    turn();
    assert_int_equal(outer.calls, 1); /* left alone */
    assert_int_equal(lb_loop_change(&loop, &outer.watch, EPOLLIN), 0);
    turn();
    assert_int_equal(outer.calls, 2); /* what came meanwhile is told now */
    lb_loop_remove(&loop, &outer.watch);
    lb_loop_close(&inner);
    close(ears[0].watch.fd);
    close(ears[1].watch.fd);
}

static void more_events_than_one_turn_takes_are_not_lost(void **state)
{
    static struct ear ears[WATCHES];
    unsigned called = 0;

    (void)state;
    for (unsigned i = 0; i < WATCHES; i++)
        open_ear(&ears[i], 1);
    for (unsigned i = 0; i < 4; i++)
        turn();
    for (unsigned i = 0; i < WATCHES; i++) {
        called += ears[i].calls > 0;
        close(ears[i].watch.fd);
    }
    assert_int_equal(called, WATCHES);
}

struct bell {
    struct lb_timer timer;
    unsigned rings;
    uint64_t again_ns; /* what it arms itself with; 0: it does not */
};

static void ring(void *arg, uint64_t now_ns)
{
    struct bell *bell = arg;

    assert_true(now_ns == loop.now_ns);
    bell->rings++;
    if (bell->again_ns)
        bell->timer.due_ns = bell->again_ns;
}

static void hang_bell(struct bell *bell, uint64_t due_ns)
{
    memset(bell, 0, sizeof *bell);
    bell->timer = (struct lb_timer) { due_ns, ring, bell, NULL };
    lb_loop_add_timer(&loop, &bell->timer);
}

static void a_timer_fires_once_when_it_is_due(void **state)
{
    struct bell due, later, never;

    (void)state;
    hang_bell(&due, 0);
    hang_bell(&later, lb_clock_boot_ns() + 3600 * LB_NS_PER_S);
    hang_bell(&never, LB_NEVER);
    turn();
    turn();
    assert_int_equal(due.rings, 1);
    assert_int_equal(later.rings + never.rings, 0);
    assert_true(due.timer.due_ns == LB_NEVER);
}

static void a_timer_armed_in_its_own_call_fires_in_the_next_turn(void **state)
{
    struct bell bell;

    (void)state;
    hang_bell(&bell, 0);
    bell.again_ns = 1;
    turn();
    assert_int_equal(bell.rings, 1);
    turn();
    assert_int_equal(bell.rings, 2);
    assert_int_equal(bell.timer.due_ns, 1);
}

static void a_timer_that_was_removed_does_not_fire(void **state)
{
    struct bell bells[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        hang_bell(&bells[i], 0);
    lb_loop_remove_timer(&loop, &bells[1].timer);
    lb_loop_remove_timer(&loop, &bells[1].timer); /* no harm in it */
    turn();
    assert_int_equal(bells[0].rings + bells[2].rings, 2);
    assert_int_equal(bells[1].rings, 0);
}

static void a_due_timer_lets_no_turn_wait(void **state)
{
    struct bell bell;

    (void)state;
    hang_bell(&bell, lb_clock_boot_ns());
    assert_int_equal(lb_loop_turn(&loop, true), 0); /* or the test hangs */
    assert_int_equal(bell.rings, 1);
}

static void turns_are_counted_for_the_watchdog(void **state)
{
    uint64_t turns = loop.turns;

    (void)state;
    turn();
    turn();
    assert_int_equal(loop.turns, turns + 2);
    assert_true(loop.now_ns > 0);
}

static void an_error_of_epoll_is_told(void **state)
{
    struct lb_loop broken = loop;

    (void)state;
    broken.epoll_fd = -1;
    assert_true(lb_loop_turn(&broken, false) < 0);
}

static void the_manager_hears_what_it_asked_for(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char name[64], got[64] = { 0 };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int len = snprintf(name, sizeof name, "@logboom-test-notify-%d", (int)getpid());

    (void)state;
    memcpy(address.sun_path, name, (size_t)len);
    address.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
    lb_notify("READY=1\nSTATUS=x");
    assert_int_equal(recv(fd, got, sizeof got - 1, 0), 16);
    assert_string_equal(got, "READY=1\nSTATUS=x");
    unsetenv("NOTIFY_SOCKET");
    lb_notify("READY=1");
    setenv("NOTIFY_SOCKET", "relative", 1);
    lb_notify("READY=1");
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    lb_notify("READY=1");
    assert_true(recv(fd, got, sizeof got - 1, 0) < 0);
    unsetenv("NOTIFY_SOCKET");
    close(fd);
}

static void the_watchdog_is_fed_in_half_its_time(void **state)
{
    char pid[16];

    (void)state;
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    assert_int_equal(lb_notify_watchdog_ns(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(lb_notify_watchdog_ns(), 15 * LB_NS_PER_S);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(lb_notify_watchdog_ns(), 15 * LB_NS_PER_S);
    setenv("WATCHDOG_PID", "1", 1); /* meant for another process */
    assert_int_equal(lb_notify_watchdog_ns(), 0);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CLAIM(a_watch_is_called_while_its_descriptor_has_something),
        CLAIM(a_watch_removed_by_another_is_never_called),
        CLAIM(a_watch_may_remove_itself),
        CLAIM(a_loop_watched_in_another_is_looked_at_on_demand),
        CLAIM(more_events_than_one_turn_takes_are_not_lost),
        CLAIM(a_timer_fires_once_when_it_is_due),
        CLAIM(a_timer_armed_in_its_own_call_fires_in_the_next_turn),
        CLAIM(a_timer_that_was_removed_does_not_fire),
        CLAIM(a_due_timer_lets_no_turn_wait),
        CLAIM(turns_are_counted_for_the_watchdog),
        CLAIM(an_error_of_epoll_is_told),
        CLAIM(the_manager_hears_what_it_asked_for),
        CLAIM(the_watchdog_is_fed_in_half_its_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
