/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what a server says. In: libFuzzer's bytes. Out: nothing. Always true, or the run stops: a body
 * that was sent and not given up comes back by one callback, never from within, whatever the server says, and
 * without waiting for a timeout where it hung up; one that was given up comes back by none; an answer is
 * whole; and when the transport is closed no descriptor and no timer is left.
 *
 * The server lives in the loop of the transport, on a loopback port: it reads a request, says its bytes in
 * two parts, and hangs up. The first byte says how the run goes, the second where the parts meet; the rest is
 * what it says. Each run opens a transport and up to four connections, at half a millisecond of CPU for all:
 * some two thousand runs in a second of a core. The same bytes then go to what keeps a reply, line by line,
 * as if libcurl had let them pass.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/ship/http_reply.h"
#include "agent/ship/transport.h"
#include "common/log.h"

#define CONNECTIONS 16  /* libcurl tries a connection that it kept, and a fresh one then */
#define TURNS_MAX   500 /* of the loop, for two bodies; a dozen are usual */
#define KEPT_TURNS  20  /* of these, with a server that does not hang up by itself */
#define TIMEOUT_MS  20000

enum { HOW_HEAD_IS_RIGHT = 1, HOW_TWO_BODIES = 2, HOW_GIVE_UP = 4, HOW_SIDE_BY_SIDE = 8, HOW_KEEP = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct connection {
    struct lb_watch watch;
    bool is_answered;
};

static struct lb_loop loop;
static struct lb_watch door;
static struct lb_transport transport;
static struct lb_target target;
static struct connection connection[CONNECTIONS];
static unsigned connections;
static const uint8_t *words; /* what the server says */
static size_t words_len, first_len;
static bool keeps_connection;
static unsigned sent[2], heard[2];
static bool is_within;

static void must(int is_true)
{
    if (!is_true)
        abort();
}

/* ---- the server ---- */

static void say(int fd, const uint8_t *bytes, size_t len)
{
    if (len > 0)
        (void)!send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void on_request(void *arg, uint32_t events)
{
    struct connection *conn = arg;
    char request[4096];
    ssize_t got = recv(conn->watch.fd, request, sizeof request, MSG_DONTWAIT);

    (void)events;
    if (got <= 0 || (conn->is_answered && !keeps_connection)) {
        lb_loop_remove(&loop, &conn->watch);
        return;
    }
    say(conn->watch.fd, words, first_len);
    say(conn->watch.fd, words + first_len, words_len - first_len);
    conn->is_answered = true;
    if (!keeps_connection)
        shutdown(conn->watch.fd, SHUT_WR);
}

static void on_door(void *arg, uint32_t events)
{
    struct connection *conn = &connection[connections];

    (void)arg;
    (void)events;
    must(connections < CONNECTIONS);
    connections++;
    *conn = (struct connection) { { accept4(door.fd, NULL, NULL, SOCK_CLOEXEC), on_request, conn }, false };
    must(conn->watch.fd >= 0 && lb_loop_add(&loop, &conn->watch, EPOLLIN) == 0);
}

/* By a reset, which leaves no port behind in TIME_WAIT: there are not enough of them for a minute of this. */
static void hang_up(void)
{
    struct linger at_once = { 1, 0 };

    for (unsigned i = 0; i < connections; i++) {
        setsockopt(connection[i].watch.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        lb_loop_remove(&loop, &connection[i].watch);
        close(connection[i].watch.fd);
    }
    connections = 0;
}

static void set_up(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;

    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    lb_log_set_level(LB_LEVEL_EMERGENCY);
    door = (struct lb_watch) { socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on_door, NULL };
    must(lb_loop_init(&loop) == 0);
    must(bind(door.fd, (struct sockaddr *)&address, sizeof address) == 0);
    must(listen(door.fd, CONNECTIONS) == 0);
    must(getsockname(door.fd, (struct sockaddr *)&address, &len) == 0);
    must(lb_loop_add(&loop, &door, EPOLLIN) == 0);
    snprintf(target.url, sizeof target.url, "http://127.0.0.1:%u/api/v2/logs", ntohs(address.sin_port));
}

/* ---- the agent ---- */

static void on_done(void *ctx, unsigned slot, const struct lb_answer *answer)
{
    must(ctx == &sent && slot < 2 && !is_within);
    heard[slot]++;
    must(heard[slot] <= sent[slot]);
    must(answer->error >= 0 && answer->error != CURLE_OPERATION_TIMEDOUT);
    must(answer->error != 0 || answer->status > 0);
    must(answer->date_s == 0 && !answer->is_clock_fault); /* nobody vouches for this server */
    must(answer->text[0] != '\0' && memchr(answer->text, '\0', sizeof answer->text) != NULL);
}

static void post(unsigned slot)
{
    static const char body[] = "[{\"message\":\"x\"}]";

    is_within = true;
    must(transport.send(transport.self, slot, body, sizeof body - 1, "") == 0);
    is_within = false;
    sent[slot]++;
}

static void wait_for_answers(void)
{
    for (unsigned turn = 0; heard[0] < sent[0] || heard[1] < sent[1]; turn++) {
        /* On a connection that the server keeps, more than was said may be waited for: nobody says it. */
        if (keeps_connection && turn > KEPT_TURNS)
            hang_up();
        must(turn < TURNS_MAX);
        must(lb_loop_turn(&loop, !keeps_connection || turn > KEPT_TURNS) == 0);
    }
}

static void give_up(unsigned slot)
{
    for (int turn = 0; turn < 3 && heard[slot] < sent[slot]; turn++)
        must(lb_loop_turn(&loop, false) == 0);
    is_within = true;
    must(transport.cancel(transport.self, slot));
    is_within = false;
    sent[slot] = heard[slot];
}

static void play(uint8_t how)
{
    struct lb_sink_config settings = { .timeout_ms = TIMEOUT_MS,
                                       .concurrency = 2,
                                       .tls_ca = (char *)(uintptr_t) "",
                                       .tls_cert = (char *)(uintptr_t) "",
                                       .tls_key = (char *)(uintptr_t) "",
                                       .proxy = (char *)(uintptr_t) "off" };
    int free_fd = dup(door.fd), fd;

    close(free_fd);
    sent[0] = sent[1] = heard[0] = heard[1] = 0;
    must(lb_http_open(&loop, &settings, &target, NULL, 1, on_done, &sent, &transport) == 0);
    post(0);
    if (how & HOW_SIDE_BY_SIDE)
        post(1);
    if (how & HOW_GIVE_UP)
        give_up(0);
    wait_for_answers();
    if (how & HOW_TWO_BODIES) {
        post(0);
        wait_for_answers();
    }
    must(lb_loop_turn(&loop, false) == 0);
    must(heard[0] == sent[0] && heard[1] == sent[1]);
    hang_up();
    transport.close(transport.self);
    must(loop.timers == NULL);
    fd = dup(door.fd);
    must(fd == free_fd);
    close(fd);
}

/* ---- what is kept of a reply ---- */

static void keep(const uint8_t *bytes, size_t len)
{
    struct lb_http_reply reply = { .is_secure = true };
    bool goes_on = true;
    uint64_t asked_ms;

    while (goes_on && len > 0) {
        const uint8_t *end = memchr(bytes, '\n', len);
        size_t line = end ? (size_t)(end + 1 - bytes) : len;
        char *copy = malloc(line); /* its own block: a read past it is seen */

        must(copy != NULL);
        memcpy(copy, bytes, line);
        goes_on = lb_http_reply_header(&reply, copy, line);
        free(copy);
        bytes += line;
        len -= line;
        must(memchr(reply.date, '\0', sizeof reply.date) != NULL);
        must(memchr(reply.retry_after, '\0', sizeof reply.retry_after) != NULL);
    }
    must(goes_on || reply.head_bytes > 65536);
    asked_ms = lb_http_reply_retry_after_ms(&reply);
    must(asked_ms % 1000 == 0 && asked_ms / 1000 < INT64_MAX / 1000);
    must(reply.retry_after[0] != '\0' || asked_ms == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char head[] = "HTTP/1.1 202 Accepted\r\n";
    uint8_t how, *copy;
    size_t head_len;

    if (door.ready == NULL)
        set_up();
    if (size < 2 || size > 100000)
        return 0;
    how = data[0];
    head_len = how & HOW_HEAD_IS_RIGHT ? sizeof head - 1 : 0;
    words_len = head_len + size - 2;
    copy = malloc(words_len + 1);
    must(copy != NULL);
    memcpy(copy, head, head_len);
    memcpy(copy + head_len, data + 2, size - 2);
    words = copy;
    first_len = words_len * data[1] / 256;
    keeps_connection = how & HOW_KEEP;
    play(how);
    keep(words, words_len);
    free(copy);
    return 0;
}
