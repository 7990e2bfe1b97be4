/* SPDX-License-Identifier: MIT */
/*
 * The HTTP transport, against a server that lives in the same loop: each answer, or the lack of one, comes
 * back by exactly one callback; a body that is given up comes back by none. But for one timeout of
 * 100 ms nothing here waits for a clock: the loop sleeps until the other end has done its part.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/ship/transport.h"

#define BODY_LEN (300 * 1024) /* more than socket buffers of a quiet server take */

static struct lb_loop loop;
static struct lb_transport transport;
static struct lb_sink_config settings;
static struct lb_target target;
static struct lb_watch door;

/* One connection of the server. It reads a request and then plays its part. */
static struct {
    struct lb_watch watch;
    char request[2 * BODY_LEN];
    size_t len;
    unsigned requests, connections;
    const char *reply;  /* "": hang up, NULL: say nothing */
    size_t reply_extra; /* bytes of body behind the reply */
    bool is_deaf;       /* does not even read */
} server;

static struct {
    unsigned count;
    unsigned slot;
    struct lb_answer answer;
} heard;

static void on_done(void *ctx, unsigned slot, const struct lb_answer *answer)
{
    (void)ctx;
    heard.count++;
    heard.slot = slot;
    heard.answer = *answer;
}

static void hang_up(void)
{
    lb_loop_remove(&loop, &server.watch);
    close(server.watch.fd);
    server.watch.fd = -1;
}

static bool is_request_whole(void)
{
    const char *end = memmem(server.request, server.len, "\r\n\r\n", 4);
    const char *length = memmem(server.request, server.len, "Content-Length: ", 16);

    return end && length && server.len >= (size_t)(end + 4 - server.request) + strtoul(length + 16, NULL, 10);
}

static void answer_request(void)
{
    char more[4096];

    server.requests++;
    if (!server.reply)
        return;
    if (write(server.watch.fd, server.reply, strlen(server.reply)) < 0)
        return;
    memset(more, 'x', sizeof more);
    for (size_t left = server.reply_extra; left > 0; left -= sizeof more)
        if (write(server.watch.fd, more, sizeof more) < 0)
            break;
    if (server.reply[0] == '\0')
        hang_up();
}

static void on_data(void *arg, uint32_t events)
{
    ssize_t got = recv(server.watch.fd, server.request + server.len, sizeof server.request - 1 - server.len,
                       MSG_DONTWAIT);

    (void)arg;
    (void)events;
    if (got <= 0) {
        hang_up();
        return;
    }
    server.len += (size_t)got;
    server.request[server.len] = '\0';
    if (is_request_whole())
        answer_request();
}

static void on_door(void *arg, uint32_t events)
{
    (void)arg;
    (void)events;
    server.connections++;
    server.len = 0;
    server.watch = (struct lb_watch) { accept4(door.fd, NULL, NULL, SOCK_CLOEXEC), on_data, NULL };
    if (!server.is_deaf)
        assert_int_equal(lb_loop_add(&loop, &server.watch, EPOLLIN), 0);
}

static int begin(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    memset(&server, 0, sizeof server);
    memset(&heard, 0, sizeof heard);
    server.watch.fd = -1;
    settings = (struct lb_sink_config) { .timeout_ms = 30000,
                                         .concurrency = 2,
                                         .tls_ca = (char *)(uintptr_t) "",
                                         .tls_cert = (char *)(uintptr_t) "",
                                         .tls_key = (char *)(uintptr_t) "",
                                         .proxy = (char *)(uintptr_t) "" };
    door = (struct lb_watch) { socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on_door, NULL };
    if (lb_loop_init(&loop) < 0 || bind(door.fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(door.fd, 8) < 0 || getsockname(door.fd, (struct sockaddr *)&address, &len) < 0)
        return -1;
    memset(&target, 0, sizeof target);
    snprintf(target.url, sizeof target.url, "http://127.0.0.1:%u/api/v2/logs", ntohs(address.sin_port));
    snprintf(target.header[0], LB_SINK_HEADER_LEN, "DD-API-KEY: k3y");
    snprintf(target.header[1], LB_SINK_HEADER_LEN, "Content-Type: application/json");
    target.headers = 2;
    if (lb_loop_add(&loop, &door, EPOLLIN) < 0)
        return -1;
    return lb_http_open(&loop, &settings, &target, NULL, 1, on_done, NULL, &transport);
}

static int end(void **state)
{
    (void)state;
    transport.close(transport.self);
    if (server.watch.fd >= 0)
        close(server.watch.fd);
    close(door.fd);
    lb_loop_close(&loop);
    return loop.timers ? -1 : 0;
}

static void send_body(unsigned slot, const char *body, const char *encoding)
{
    unsigned before = heard.count;

    server.len = 0;
    assert_int_equal(transport.send(transport.self, slot, body, strlen(body), encoding), 0);
    assert_int_equal(heard.count, before); /* never from within */
}

static void wait_for(unsigned count)
{
    while (heard.count < count)
        assert_int_equal(lb_loop_turn(&loop, true), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(lb_loop_turn(&loop, false), 0);
    assert_int_equal(heard.count, count);
}

static void a_body_is_posted_with_its_headers_and_nothing_surprising(void **state)
{
    (void)state;
    server.reply = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";
    send_body(1, "[{\"message\":\"x\"}]", "zstd");
    wait_for(1);
    assert_int_equal(heard.slot, 1);
    assert_int_equal(heard.answer.status, 202);
    assert_int_equal(heard.answer.error, 0);
    assert_string_equal(heard.answer.text, "HTTP status 202");
    assert_int_equal(heard.answer.wire_bytes, server.len);
    assert_int_equal(strncmp(server.request, "POST /api/v2/logs HTTP/1.1\r\n", 28), 0);
    assert_non_null(strstr(server.request, "\r\nDD-API-KEY: k3y\r\n"));
    assert_non_null(strstr(server.request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(server.request, "\r\nContent-Encoding: zstd\r\n"));
    assert_non_null(strstr(server.request, "\r\nUser-Agent: logboom/"));
    assert_null(strstr(server.request, "Expect"));
    assert_non_null(strstr(server.request, "\r\n\r\n[{\"message\":\"x\"}]"));
}

static void a_connection_serves_one_body_after_another(void **state)
{
    (void)state;
    server.reply = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
    send_body(0, "[1]", "zstd");
    wait_for(1);
    send_body(0, "[2]", "");
    wait_for(2);
    assert_null(strstr(server.request, "Content-Encoding"));
    send_body(LB_TRANSPORT_SLOTS - 1, "[]", "");
    wait_for(3);
    assert_int_equal(server.connections, 1);
    assert_int_equal(server.requests, 3);
}

static void a_refusal_is_told_by_its_status(void **state)
{
    (void)state;
    server.reply = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    send_body(0, "[1]", "");
    wait_for(1);
    assert_int_equal(heard.answer.status, 503);
    assert_int_equal(heard.answer.error, 0);
    assert_string_equal(heard.answer.text, "HTTP status 503");
}

static void a_redirect_is_not_followed_since_the_key_would_go_along(void **state)
{
    (void)state;
    server.reply = "HTTP/1.1 307 Elsewhere\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n";
    send_body(0, "[1]", "");
    wait_for(1);
    assert_int_equal(heard.answer.status, 307);
    assert_int_equal(server.requests, 1);
}

static void a_server_that_hangs_up_is_an_error(void **state)
{
    (void)state;
    server.reply = "";
    send_body(0, "[1]", "");
    wait_for(1);
    assert_true(heard.answer.error > 0);
    assert_true(heard.answer.text[0] != '\0');
    server.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"; /* and the transport is as good as new */
    send_body(0, "[1]", "");
    wait_for(2);
    assert_int_equal(heard.answer.status, 200);
}

static void nobody_at_the_door_is_an_error(void **state)
{
    (void)state;
    lb_loop_remove(&loop, &door);
    close(door.fd);
    send_body(0, "[1]", "");
    wait_for(1);
    assert_int_equal(heard.answer.error, CURLE_COULDNT_CONNECT);
    assert_null(strstr(heard.answer.text, "k3y"));
}

static void an_endless_reply_is_cut_off_and_its_status_counts(void **state)
{
    (void)state;
    server.reply = "HTTP/1.1 202 Accepted\r\nContent-Length: 999999999\r\n\r\n";
    server.reply_extra = 128 * 1024;
    send_body(0, "[1]", "");
    wait_for(1);
    assert_int_equal(heard.answer.status, 202);
    assert_int_equal(heard.answer.error, 0);
}

static void a_silent_server_is_given_up_after_the_timeout(void **state)
{
    (void)state;
    transport.close(transport.self);
    settings.timeout_ms = 100;
    assert_int_equal(lb_http_open(&loop, &settings, &target, NULL, 1, on_done, NULL, &transport), 0);
    send_body(0, "[1]", "");
    wait_for(1);
    assert_int_equal(heard.answer.error, CURLE_OPERATION_TIMEDOUT);
}

/* In the middle of a body that the server does not read: its memory is the caller's again at once. */
static void a_body_given_up_comes_back_by_no_callback_and_is_read_no_more(void **state)
{
    static const char small[] = "[2]";
    char *body = malloc(8 * BODY_LEN);

    (void)state;
    memset(body, 'b', 8 * BODY_LEN);
    server.is_deaf = true;
    assert_int_equal(transport.send(transport.self, 0, body, 8 * BODY_LEN, ""), 0);
    while (server.connections == 0)
        assert_int_equal(lb_loop_turn(&loop, true), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(lb_loop_turn(&loop, false), 0);
    assert_true(transport.cancel(transport.self, 0));
    free(body);
    close(server.watch.fd);
    server.is_deaf = false;
    server.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    send_body(0, small, "");
    wait_for(1);
    assert_int_equal(heard.answer.status, 200);
    assert_int_equal(server.connections, 2); /* the one with half a body in it is not used again */
    send_body(0, small, "");
    assert_true(transport.cancel(transport.self, 0)); /* before it went anywhere */
    assert_true(transport.cancel(transport.self, 0));
}

static void a_body_in_flight_at_the_end_is_let_go_of(void **state)
{
    (void)state;
    send_body(0, "[1]", "");
    send_body(1, "[1]", "");
    for (int i = 0; i < 3; i++)
        assert_int_equal(lb_loop_turn(&loop, false), 0);
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CLAIM(a_body_is_posted_with_its_headers_and_nothing_surprising),
        CLAIM(a_connection_serves_one_body_after_another),
        CLAIM(a_refusal_is_told_by_its_status),
        CLAIM(a_redirect_is_not_followed_since_the_key_would_go_along),
        CLAIM(a_server_that_hangs_up_is_an_error),
        CLAIM(nobody_at_the_door_is_an_error),
        CLAIM(an_endless_reply_is_cut_off_and_its_status_counts),
        CLAIM(a_silent_server_is_given_up_after_the_timeout),
        CLAIM(a_body_given_up_comes_back_by_no_callback_and_is_read_no_more),
        CLAIM(a_body_in_flight_at_the_end_is_let_go_of),
    };

    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    unsetenv("all_proxy");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
