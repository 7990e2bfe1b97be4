/* SPDX-License-Identifier: MIT */
/*
 * control.sock. In: one line from a client. Out: an answer, then the end of the connection. Always true:
 * nothing here waits; an answer that the socket does not take at once is sent on as it does.
 */
#include "agent/control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/control/request.h"
#include "common/clock.h"
#include "common/proto.h"
#include "common/units.h"

/* How long a flush waits for the fast side to read the pipes: a stall there is longer, and then what is in
 * the ring must do. */
#define FLUSH_READ_NS LB_NS_PER_S

static void hang_up(struct lb_control_client *client)
{
    struct lb_control *control = client->control;

    if (control->probing == client)
        control->probing = NULL;
    lb_loop_remove(control->loop, &client->watch);
    close(client->watch.fd);
    free(client->answer);
    memset(client, 0, sizeof *client);
    client->control = control;
    client->watch.fd = -1;
}

static void send_more(struct lb_control_client *client)
{
    while (client->answer_sent < client->answer_len) {
        ssize_t sent = send(client->watch.fd, client->answer + client->answer_sent,
                            client->answer_len - client->answer_sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN) {
            lb_loop_change(client->control->loop, &client->watch, EPOLLOUT);
            return;
        }
        if (sent <= 0)
            break;
        client->answer_sent += (size_t)sent;
    }
    hang_up(client);
}

/* Take over an answer made by open_memstream(). */
static void answer_with(struct lb_control_client *client, char *text, size_t len)
{
    client->answer = text;
    client->answer_len = text ? len : 0;
    send_more(client);
}

static void answer_text(struct lb_control_client *client, const char *text)
{
    char *copy = strdup(text);

    answer_with(client, copy, copy ? strlen(copy) : 0);
}

static void fail(struct lb_control_client *client, const char *why)
{
    char text[LB_CONTROL_LINE_MAX + 64];

    snprintf(text, sizeof text, "error %s\n", why);
    answer_text(client, text);
}

/* ---- verbs ---- */

static void on_status(struct lb_control_client *client, const char *form)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out) {
        fail(client, "out of memory");
        return;
    }
    fputs("ok\n", out);
    lb_request_status(&client->control->status, form, client->control->loop->now_ns, out);
    fclose(out);
    answer_with(client, text, len);
}

/* "json", "text" or "html". */
static void on_wear(struct lb_control_client *client, const char *form)
{
    struct lb_control *control = client->control;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    const char *why = "out of memory";

    if (out) {
        fputs("ok\n", out);
        why = lb_request_wear(&control->status, form, control->loop->now_ns, out);
        fclose(out);
    }
    if (!why) {
        answer_with(client, text, len);
        return;
    }
    free(text);
    fail(client, why);
}

/* Ask the fast side for what it holds of a service. false: it is told why not */
static bool ask_for_context(struct lb_control_client *client, const char *service)
{
    const char *why = lb_request_context(client->control->link, client->control->status.state, service);

    if (why)
        fail(client, why);
    return !why;
}

/* "MS", or "MS SERVICE": with what is held of that. */
static void on_flush(struct lb_control_client *client, char *argument)
{
    struct lb_link *link = client->control->link;
    char *service = strchr(argument, ' ');
    uint64_t wait_ms;

    if (service)
        *service++ = '\0';
    if (lb_units_number(argument, &wait_ms) < 0 || wait_ms > 86400000) {
        fail(client, "flush takes milliseconds");
        return;
    }
    if (service && !ask_for_context(client, service))
        return;
    client->deadline_ns = client->control->loop->now_ns + wait_ms * LB_NS_PER_MS;
    client->flush_ticket = lb_link_get(&link->flush_asked) + 1;
    client->flush_until_ns = client->control->loop->now_ns + FLUSH_READ_NS;
    lb_link_put(&link->flush_asked, client->flush_ticket);
    lb_link_knock(link->to_fast_fd);
    if (client->flush_until_ns < client->control->timer.due_ns)
        client->control->timer.due_ns = client->flush_until_ns;
}

/* The fast side has read what was written before the flush was asked for (or is stalled): it must be shipped.
 */
static void begin_flush(struct lb_control_client *client, uint64_t now_ns)
{
    struct lb_shipper *shipper = client->control->shipper;
    uint64_t until_ns =
        client->flush_until_ns < client->deadline_ns ? client->flush_until_ns : client->deadline_ns;

    if (lb_link_get(&client->control->link->flush_done) < client->flush_ticket && now_ns < until_ns)
        return;
    client->flush_ticket = 0;
    client->flush_pos = lb_shipper_flush(shipper);
    if (client->control->drain)
        client->flush_seq = lb_drain_flush(client->control->drain);
    lb_outlets_flush(client->control->outlets, now_ns, &client->flush_others);
    client->flush_ring = shipper->ring;
    client->flush_next_pos = shipper->next_ring ? lb_ring_head(shipper->next_ring) : 0;
    lb_link_knock(client->control->link->to_slow_fd); /* the shipper had its step of this turn already */
}

static void on_ping_done(void *ctx, const char *text)
{
    struct lb_control *control = ctx;
    struct lb_control_client *client = control->probing;

    control->probing = NULL;
    if (client) /* else it did not wait for us */
        answer_text(client, text);
}

static void on_ping(struct lb_control_client *client, const char *name)
{
    struct lb_control *control = client->control;
    struct lb_shipper *shipper = control->shipper;
    bool is_nowhere = shipper->sink->transport == LB_TRANSPORT_NONE;
    struct lb_outlet *outlet = name[0] || is_nowhere ? lb_outlets_find(control->outlets, name) : NULL;
    int rc;

    if (outlet)
        shipper = &outlet->shipper;
    if (name[0] && strcmp(name, shipper->sink_config->name) != 0) {
        fail(client, "there is no sink of this name");
        return;
    }
    control->probing = client;
    client->deadline_ns =
        control->loop->now_ns + 2 * shipper->sink_config->timeout_ms * LB_NS_PER_MS + LB_NS_PER_S;
    rc = lb_ping_start(&control->ping, shipper, on_ping_done, control);
    if (rc == 0)
        return;
    control->probing = NULL;
    fail(client, rc == -EBUSY ? "another ping is under way" : strerror(-rc));
}

static void on_ring(struct lb_control_client *client)
{
    struct lb_control *control = client->control;
    char buf[CMSG_SPACE(sizeof control->ring_fds)] = { 0 }, text[sizeof control->config_path + 16];
    struct iovec piece = { text,
                           (size_t)snprintf(text, sizeof text, "ok\nconfig %s\n", control->config_path) };
    struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = buf };
    size_t bytes = control->ring_fd_count * sizeof(int);
    struct cmsghdr *head;

    message.msg_controllen = CMSG_SPACE(bytes);
    head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(head), control->ring_fds, bytes);
    if (sendmsg(client->watch.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        fail(client, strerror(errno));
        return;
    }
    hang_up(client);
}

static void dispatch(struct lb_control_client *client, char *line)
{
    char *argument = strchr(line, ' ');

    if (argument)
        *argument++ = '\0';
    else
        argument = line + strlen(line);
    lb_loop_change(client->control->loop, &client->watch, EPOLLRDHUP);
    if (strcmp(line, "status") == 0)
        on_status(client, argument);
    else if (strcmp(line, "wear") == 0)
        on_wear(client, argument);
    else if (strcmp(line, "flush") == 0)
        on_flush(client, argument);
    else if (strcmp(line, "ping") == 0)
        on_ping(client, argument);
    else if (strcmp(line, "ring") == 0)
        on_ring(client);
    else
        fail(client, "unknown request: client and agent must be of one version");
}

/* ---- connections ---- */

static void on_client(void *arg, uint32_t events)
{
    struct lb_control_client *client = arg;
    char *end;
    ssize_t got;

    if (client->answer) {
        send_more(client);
        return;
    }
    if (client->request_len == sizeof client->request - 1 || (events & (EPOLLERR | EPOLLHUP))) {
        hang_up(client);
        return;
    }
    got = recv(client->watch.fd, client->request + client->request_len,
               sizeof client->request - 1 - client->request_len, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        hang_up(client);
        return;
    }
    client->request_len += (size_t)got;
    client->request[client->request_len] = '\0';
    end = strchr(client->request, '\n');
    if (!end)
        return;
    *end = '\0';
    dispatch(client, client->request);
}

static void on_listener(void *arg, uint32_t events)
{
    struct lb_control *control = arg;
    int fd = accept4(control->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    for (unsigned i = 0; fd >= 0 && i < LB_CONTROL_CLIENTS; i++) {
        struct lb_control_client *client = &control->client[i];

        if (client->watch.fd >= 0)
            continue;
        client->watch = (struct lb_watch) { fd, on_client, client };
        client->deadline_ns = control->loop->now_ns + LB_CONTROL_PATIENCE_NS;
        if (client->deadline_ns < control->timer.due_ns)
            control->timer.due_ns = client->deadline_ns;
        if (lb_loop_add(control->loop, &client->watch, EPOLLIN) == 0)
            return;
        client->watch.fd = -1;
        break;
    }
    if (fd >= 0)
        close(fd); /* all slots are taken: it may come again */
}

static void answer_flush(struct lb_control_client *client, uint64_t now_ns)
{
    struct lb_shipper *shipper = client->control->shipper;
    char text[sizeof shipper->stats.last_error + 64];

    if (client->flush_ring !=
        shipper->ring) { /* the one that was set aside is empty: now the one behind it */
        lb_outlets_flush(client->control->outlets, now_ns, &client->flush_others);
        client->flush_ring = shipper->ring;
        client->flush_pos = client->flush_next_pos;
    }
    if (!shipper->next_ring && lb_shipper_has_passed(shipper, client->flush_pos) &&
        (!client->control->drain || lb_drain_has_passed(client->control->drain, client->flush_seq)) &&
        lb_outlets_have_passed(client->control->outlets, &client->flush_others)) {
        answer_text(client, "ok\n");
        return;
    }
    if (client->deadline_ns > now_ns)
        return;
    snprintf(text, sizeof text, "error not all was delivered in time%s%s\n",
             shipper->stats.last_error[0] ? ": " : "", shipper->stats.last_error);
    answer_text(client, text);
}

void lb_control_step(struct lb_control *control, uint64_t now_ns)
{
    uint64_t next = LB_NEVER;

    for (unsigned i = 0; i < LB_CONTROL_CLIENTS; i++) {
        struct lb_control_client *client = &control->client[i];

        if (client->watch.fd >= 0 && client->flush_ticket > 0 && !client->answer)
            begin_flush(client, now_ns);
        if (client->watch.fd >= 0 && client->flush_ring && !client->answer)
            answer_flush(client, now_ns);
        if (client->watch.fd >= 0 && client->deadline_ns <= now_ns)
            hang_up(client);
        if (client->watch.fd >= 0 && client->deadline_ns < next)
            next = client->deadline_ns;
        if (client->flush_ticket > 0 && client->flush_until_ns < next)
            next = client->flush_until_ns;
    }
    control->timer.due_ns = next;
}

static void on_timer(void *arg, uint64_t now_ns)
{
    (void)arg; /* the step that follows each turn does the work */
    (void)now_ns;
}

int lb_control_start(struct lb_control *control, int dir_fd)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    for (unsigned i = 0; i < LB_CONTROL_CLIENTS; i++) {
        control->client[i].control = control;
        control->client[i].watch.fd = -1;
    }
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/control.sock", dir_fd);
    unlinkat(dir_fd, "control.sock", 0);
    control->listener = (struct lb_watch) { fd, on_listener, control };
    control->timer = (struct lb_timer) { LB_NEVER, on_timer, control, NULL };
    lb_loop_add_timer(control->loop, &control->timer);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        fchmodat(dir_fd, "control.sock", 0660, 0) != 0 || listen(fd, 16) != 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return lb_loop_add(control->loop, &control->listener, EPOLLIN);
}

void lb_control_stop(struct lb_control *control)
{
    for (unsigned i = 0; i < LB_CONTROL_CLIENTS; i++)
        if (control->client[i].watch.fd >= 0)
            hang_up(&control->client[i]);
    lb_loop_remove(control->loop, &control->listener);
    close(control->listener.fd);
}
