/* SPDX-License-Identifier: MIT */
/*
 * The stream transport by a unix socket, against a server that lives in the same test. The loop sleeps until
 * the connection is there; after that the test calls what would be due.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/ship/transport.h"
#include "common/clock.h"

static char dir[] = "/dev/shm/logboom-stream-XXXXXX";
static struct lb_loop loop;
static struct lb_transport transport;
static struct lb_target target = { .url = "http://localhost" };
static char none[] = "";
static int door, server;

static struct {
    unsigned count;
    struct lb_answer answer;
} heard;

static void on_done(void *ctx, unsigned slot, const struct lb_answer *answer)
{
    (void)ctx;
    (void)slot;
    heard.count++;
    heard.answer = *answer;
}

static int set_up(void **state)
{
    struct lb_sink_config settings = {
        .timeout_ms = 60000, .tls_ca = none, .tls_cert = none, .tls_key = none
    };
    struct sockaddr_un at = { .sun_family = AF_UNIX };

    (void)state;
    memset(&heard, 0, sizeof heard);
    snprintf(dir, sizeof dir, "/dev/shm/logboom-stream-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(target.unix_path, sizeof target.unix_path, "%s/sock", dir);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", target.unix_path);
    door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(door, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(door, 5), 0);
    assert_int_equal(lb_loop_init(&loop), 0);
    assert_int_equal(lb_stream_open(&loop, &settings, &target, 1, on_done, NULL, &transport), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    transport.close(transport.self);
    lb_loop_close(&loop);
    close(door);
    unlink(target.unix_path);
    rmdir(dir);
    return 0;
}

/* A body that lies in the server's queue. */
static void send_and_be_let_in(const char *body)
{
    char first;

    assert_int_equal(transport.send(transport.self, 0, body, strlen(body), ""), 0);
    for (ssize_t there = 0; there <= 0;) {
        assert_int_equal(lb_loop_turn(&loop, true), 0);
        if (server <= 0)
            server = accept4(door, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        there = recv(server, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    }
}

/* What is looked at when time has passed, before the loop has seen what else there is. */
static void look(void)
{
    for (struct lb_timer *timer = loop.timers; timer; timer = timer->next)
        timer->fire(timer->arg, lb_clock_boot_ns());
}

static void what_was_read_is_delivered(void **state)
{
    char text[16];

    (void)state;
    send_and_be_let_in("3 one");
    look();
    assert_int_equal(heard.count, 0);
    assert_int_equal(recv(server, text, sizeof text, 0), 5);
    look();
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.answer.error, 0);
    close(server);
    server = 0;
}

static void what_a_server_has_not_read_when_it_ends_is_not_delivered(void **state)
{
    (void)state;
    send_and_be_let_in("3 one");
    close(server); /* now nothing of ours is unread any more */
    server = 0;
    look();
    assert_int_equal(heard.count, 1);
    assert_int_not_equal(heard.answer.error, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_read_is_delivered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_server_has_not_read_when_it_ends_is_not_delivered, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
