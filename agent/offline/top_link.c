/* SPDX-License-Identifier: MIT */
/* Questions to an agent. In: an answer as it comes. Out: it whole, or why there is none. Always true: each
 * question ends in one call of done(), and nothing waits. */
#include "agent/offline/top_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/offline/ring_reader.h"

#define ANSWER_FIRST (64 * 1024u)

static const char request[] = "status json\n";
static const char verdict[] = "ok\n";

static void end(struct lb_top_link *link, int error)
{
    size_t head = sizeof verdict - 1;

    if (link->watch.fd >= 0) {
        lb_loop_remove(link->loop, &link->watch);
        close(link->watch.fd);
        link->watch.fd = -1;
    }
    link->timer.due_ns = LB_NEVER;
    if (error == 0 && (link->len < head || memcmp(link->answer, verdict, head) != 0))
        error = link->len == 0 ? -ECONNRESET : -EPROTO;
    if (error != 0)
        link->done(link->ctx, error, NULL, 0);
    else
        link->done(link->ctx, 0, link->answer + head, link->len - head);
}

/* 0 | -ENOMEM | -EPROTO longer than any answer */
static int make_room(struct lb_top_link *link)
{
    size_t room = link->room ? 2 * link->room : ANSWER_FIRST;
    char *grown;

    if (link->len < link->room)
        return 0;
    if (room > LB_TOP_ANSWER_MAX)
        return -EPROTO;
    grown = realloc(link->answer, room);
    if (!grown)
        return -ENOMEM;
    link->answer = grown;
    link->room = room;
    return 0;
}

static void on_answer(void *arg, uint32_t events)
{
    struct lb_top_link *link = arg;
    ssize_t got = 1;
    int rc = 0;

    (void)events;
    while (rc == 0 && got > 0) {
        rc = make_room(link);
        if (rc < 0)
            break;
        got = recv(link->watch.fd, link->answer + link->len, link->room - link->len, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            return;
        rc = got < 0 ? -errno : 0;
        link->len += got > 0 ? (size_t)got : 0;
    }
    end(link, rc);
}

static void on_timer(void *arg, uint64_t now_ns)
{
    (void)now_ns;
    end(arg, -ETIMEDOUT);
}

void lb_top_link_open(struct lb_top_link *link)
{
    link->watch = (struct lb_watch) { -1, on_answer, link };
    link->timer = (struct lb_timer) { LB_NEVER, on_timer, link, NULL };
    lb_loop_add_timer(link->loop, &link->timer);
}

void lb_top_link_ask(struct lb_top_link *link, uint64_t now_ns)
{
    int rc;

    if (link->watch.fd >= 0)
        return;
    link->len = 0;
    rc = lb_agent_connect(request, 0);
    if (rc >= 0) {
        link->watch.fd = rc;
        rc = lb_loop_add(link->loop, &link->watch, EPOLLIN);
        if (rc == 0) {
            link->timer.due_ns = now_ns + LB_TOP_PATIENCE_NS;
            return;
        }
        close(link->watch.fd);
        link->watch.fd = -1;
    }
    end(link, rc);
}

void lb_top_link_close(struct lb_top_link *link)
{
    if (link->watch.fd >= 0) {
        lb_loop_remove(link->loop, &link->watch);
        close(link->watch.fd);
    }
    lb_loop_remove_timer(link->loop, &link->timer);
    free(link->answer);
}
