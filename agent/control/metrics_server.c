/* SPDX-License-Identifier: MIT */
/* Serving numbers. In: requests of whoever connects. Out: answers. Always true: output_bytes is the sum of
 * what the clients' answers hold; a client that is free holds nothing. */
#include "agent/control/metrics_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/control/http_request.h"
#include "agent/control/metrics.h"
#include "agent/control/metrics_socket.h"
#include "common/clock.h"
#include "common/log.h"

#define HEAD_MAX     512
#define FULL_WAIT_NS LB_NS_PER_S

static void arm(struct lb_metrics_server *server, uint64_t due_ns)
{
    if (due_ns < server->timer.due_ns)
        server->timer.due_ns = due_ns;
}

static void free_answer(struct lb_metrics_client *client)
{
    client->server->output_bytes -= client->answer_len;
    free(client->answer);
    client->answer = NULL;
    client->answer_len = client->answer_sent = 0;
}

static void hang_up(struct lb_metrics_client *client)
{
    lb_loop_remove(client->server->loop, &client->watch);
    close(client->watch.fd);
    free_answer(client);
    client->request_len = client->lingered = 0;
    client->state = LB_METRICS_READING;
    client->watch.fd = -1;
}

/* ---- answers ---- */

/* All was sent: hear the client out, so that it hears us out. */
static void linger(struct lb_metrics_client *client)
{
    free_answer(client);
    client->state = LB_METRICS_LINGERING;
    if (shutdown(client->watch.fd, SHUT_WR) != 0 ||
        lb_loop_change(client->server->loop, &client->watch, EPOLLIN) < 0)
        hang_up(client);
}

static void send_more(struct lb_metrics_client *client)
{
    while (client->answer_sent < client->answer_len) {
        ssize_t sent = send(client->watch.fd, client->answer + client->answer_sent,
                            client->answer_len - client->answer_sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN) {
            lb_loop_change(client->server->loop, &client->watch, EPOLLOUT);
            return;
        }
        if (sent <= 0) {
            hang_up(client);
            return;
        }
        client->answer_sent += (size_t)sent;
    }
    linger(client);
}

/* Take over an answer: len bytes of malloc(). */
static void answer_with(struct lb_metrics_client *client, char *answer, size_t len)
{
    client->state = LB_METRICS_SENDING;
    client->answer = answer;
    client->answer_len = len;
    client->server->output_bytes += len;
    send_more(client);
}

/* An answer that is a line of text. */
static void answer_line(struct lb_metrics_client *client, const char *status, const char *more,
                        const char *text, bool has_body)
{
    char *answer = malloc(HEAD_MAX);
    int len;

    if (!answer) {
        hang_up(client);
        return;
    }
    len = snprintf(answer, HEAD_MAX,
                   "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n%s"
                   "Connection: close\r\n\r\n%s",
                   status, strlen(text), more, has_body ? text : "");
    answer_with(client, answer, (size_t)len);
}

/* The body behind room for a head. 0: it does not fit. */
static size_t print_body(const struct lb_metrics_server *server, char *body, size_t room)
{
    FILE *out = fmemopen(body, room, "w");
    long len;
    bool is_whole;

    if (!out)
        return 0;
    lb_metrics_print(server->status, server->loop->now_ns, out);
    is_whole = fflush(out) == 0 && !ferror(out);
    len = ftell(out);
    is_whole = fclose(out) == 0 && is_whole;
    return is_whole && len > 0 ? (size_t)len : 0;
}

static void answer_metrics(struct lb_metrics_client *client, bool has_body)
{
    struct lb_metrics_server *server = client->server;
    char *answer, *shrunk, head[HEAD_MAX];
    size_t body_len;
    int head_len;

    if (server->output_bytes + HEAD_MAX + LB_METRICS_BODY_MAX > LB_METRICS_OUTPUT_MAX) {
        answer_line(client, "503 Service Unavailable", "Retry-After: 10\r\n",
                    "too much is being sent already\n", has_body);
        return;
    }
    answer = malloc(HEAD_MAX + LB_METRICS_BODY_MAX);
    body_len = answer ? print_body(server, answer + HEAD_MAX, LB_METRICS_BODY_MAX) : 0;
    if (body_len == 0) {
        free(answer);
        answer_line(client, "500 Internal Server Error", "", "no room for the numbers\n", has_body);
        return;
    }
    head_len = snprintf(head, sizeof head,
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                        "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                        body_len);
    memmove(answer + head_len, answer + HEAD_MAX, has_body ? body_len : 0);
    memcpy(answer, head, (size_t)head_len);
    body_len = (size_t)head_len + (has_body ? body_len : 0);
    shrunk = realloc(answer, body_len);
    answer_with(client, shrunk ? shrunk : answer, body_len);
}

static void answer(struct lb_metrics_client *client, const struct lb_http_request *request)
{
    static const char page[] = "/metrics";
    bool has_body = request->method != LB_HTTP_HEAD;

    if (request->path_len != sizeof page - 1 || memcmp(request->path, page, sizeof page - 1) != 0)
        answer_line(client, "404 Not Found", "", "there is only /metrics\n", has_body);
    else if (request->method == LB_HTTP_OTHER)
        answer_line(client, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", "only GET and HEAD\n", true);
    else
        answer_metrics(client, has_body);
}

/* ---- connections ---- */

static void read_request(struct lb_metrics_client *client)
{
    ssize_t got = recv(client->watch.fd, client->request + client->request_len,
                       sizeof client->request - client->request_len, MSG_DONTWAIT);
    struct lb_http_request request;
    int rc;

    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        hang_up(client);
        return;
    }
    client->request_len += (size_t)got;
    rc = lb_http_request_read(client->request, client->request_len, &request);
    if (rc > 0)
        answer(client, &request);
    else if (rc < 0)
        answer_line(client, "400 Bad Request", "", "that is no request of HTTP/1.1\n", true);
    else if (client->request_len == sizeof client->request)
        answer_line(client, "400 Bad Request", "", "the request is too long\n", true);
}

static void hear_out(struct lb_metrics_client *client)
{
    char bytes[4096];
    ssize_t got = recv(client->watch.fd, bytes, sizeof bytes, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN)
        return;
    client->lingered += got > 0 ? (size_t)got : 0;
    if (got <= 0 || client->lingered > LB_METRICS_LINGER_MAX)
        hang_up(client);
}

static void on_client(void *arg, uint32_t events)
{
    struct lb_metrics_client *client = arg;

    if (events & EPOLLERR)
        hang_up(client);
    else if (client->state == LB_METRICS_READING)
        read_request(client);
    else if (client->state == LB_METRICS_SENDING)
        send_more(client);
    else
        hear_out(client);
}

/* One that is free, or that has been here longest without asking for anything. NULL: all are being answered
 */
static struct lb_metrics_client *slot(struct lb_metrics_server *server)
{
    struct lb_metrics_client *oldest = NULL;

    for (unsigned i = 0; i < LB_METRICS_CLIENTS; i++) {
        struct lb_metrics_client *client = &server->client[i];

        if (client->watch.fd < 0)
            return client;
        if (client->state != LB_METRICS_SENDING && (!oldest || client->deadline_ns < oldest->deadline_ns))
            oldest = client;
    }
    if (oldest)
        hang_up(oldest);
    return oldest;
}

static void welcome(struct lb_metrics_server *server, int fd)
{
    struct lb_metrics_client *client = slot(server);

    if (!client) {
        close(fd);
        return;
    }
    client->watch.fd = fd;
    client->deadline_ns = server->loop->now_ns + LB_METRICS_PATIENCE_NS;
    arm(server, client->deadline_ns);
    if (lb_loop_add(server->loop, &client->watch, EPOLLIN) == 0)
        return;
    close(fd);
    client->watch.fd = -1;
}

static void on_listener(void *arg, uint32_t events)
{
    struct lb_metrics_server *server = arg;
    int fd = accept4(server->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd >= 0) {
        welcome(server, fd);
        return;
    }
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
        return;
    /* It would be told again at once, over and over. */
    server->is_full = lb_loop_change(server->loop, &server->listener, 0) == 0;
    arm(server, server->loop->now_ns + FULL_WAIT_NS);
}

static void on_timer(void *arg, uint64_t now_ns)
{
    struct lb_metrics_server *server = arg;

    server->timer.due_ns = LB_NEVER;
    if (server->is_full && server->listener.fd >= 0)
        lb_loop_change(server->loop, &server->listener, EPOLLIN);
    server->is_full = false;
    for (unsigned i = 0; i < LB_METRICS_CLIENTS; i++) {
        struct lb_metrics_client *client = &server->client[i];

        if (client->watch.fd >= 0 && client->deadline_ns <= now_ns)
            hang_up(client);
        if (client->watch.fd >= 0)
            arm(server, client->deadline_ns);
    }
}

/* ---- where ---- */

void lb_metrics_open(struct lb_metrics_server *server)
{
    server->listener = (struct lb_watch) { -1, on_listener, server };
    server->timer = (struct lb_timer) { LB_NEVER, on_timer, server, NULL };
    lb_loop_add_timer(server->loop, &server->timer);
    for (unsigned i = 0; i < LB_METRICS_CLIENTS; i++) {
        server->client[i].server = server;
        server->client[i].watch = (struct lb_watch) { -1, on_client, &server->client[i] };
    }
}

static void stop_listening(struct lb_metrics_server *server)
{
    if (server->listener.fd < 0)
        return;
    lb_loop_remove(server->loop, &server->listener);
    lb_metrics_socket_close(&server->socket, server->listener.fd);
    server->listener.fd = -1;
}

void lb_metrics_listen(struct lb_metrics_server *server, const char *listen)
{
    bool is_off = strcmp(listen, "off") == 0;
    int fd;

    if (strcmp(server->listen, listen) == 0 && (is_off || server->listener.fd >= 0))
        return;
    stop_listening(server);
    snprintf(server->listen, sizeof server->listen, "%s", listen);
    if (is_off)
        return;
    fd = lb_metrics_socket_open(listen, &server->socket);
    server->listener.fd = fd;
    if (fd >= 0 && lb_loop_add(server->loop, &server->listener, EPOLLIN) == 0) {
        lb_log(LB_LEVEL_INFO, "metrics are served at %s", listen);
        return;
    }
    if (fd >= 0) {
        lb_metrics_socket_close(&server->socket, fd);
        fd = -ENOMEM;
    }
    server->listener.fd = -1;
    lb_log(LB_LEVEL_ERROR, "metrics are not served at %s: %s", listen,
           fd == -EEXIST ? "a file is there that is no socket" : strerror(-fd));
}

void lb_metrics_close(struct lb_metrics_server *server)
{
    for (unsigned i = 0; i < LB_METRICS_CLIENTS; i++)
        if (server->client[i].watch.fd >= 0)
            hang_up(&server->client[i]);
    stop_listening(server);
}
