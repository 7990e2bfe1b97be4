/* SPDX-License-Identifier: MIT */
/* A transport to nowhere. In: bodies. Out: an answer for each, that it is taken. */
#include <errno.h>
#include <stdlib.h>

#include "agent/ship/transport.h"
#include "common/clock.h"

struct nowhere {
    struct lb_loop *loop;
    struct lb_timer timer;
    lb_transport_done done;
    void *ctx;
    bool is_waiting[LB_TRANSPORT_SLOTS];
};

static int send_body(void *self, unsigned slot, const void *body, size_t len, const char *encoding)
{
    struct nowhere *nowhere = self;

    (void)body;
    (void)len;
    (void)encoding;
    nowhere->is_waiting[slot] = true;
    nowhere->timer.due_ns = 0;
    return 0;
}

static bool cancel(void *self, unsigned slot)
{
    ((struct nowhere *)self)->is_waiting[slot] = false;
    return true;
}

static void on_timer(void *arg, uint64_t now_ns)
{
    struct nowhere *nowhere = arg;
    bool was_waiting[LB_TRANSPORT_SLOTS];
    struct lb_answer taken = { 0 };

    (void)now_ns;
    nowhere->timer.due_ns = LB_NEVER;
    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++)
        was_waiting[i] = nowhere->is_waiting[i]; /* what is sent from within waits for the next turn */
    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++) {
        if (!was_waiting[i] || !nowhere->is_waiting[i])
            continue;
        nowhere->is_waiting[i] = false;
        nowhere->done(nowhere->ctx, i, &taken);
    }
}

static void close_nowhere(void *self)
{
    struct nowhere *nowhere = self;

    lb_loop_remove_timer(nowhere->loop, &nowhere->timer);
    free(nowhere);
}

int lb_nowhere_open(struct lb_loop *loop, lb_transport_done done, void *ctx,
                    struct lb_transport *ret_transport)
{
    struct nowhere *nowhere = calloc(1, sizeof *nowhere);

    if (!nowhere)
        return -ENOMEM;
    nowhere->loop = loop;
    nowhere->done = done;
    nowhere->ctx = ctx;
    nowhere->timer = (struct lb_timer) { LB_NEVER, on_timer, nowhere, NULL };
    lb_loop_add_timer(loop, &nowhere->timer);
    *ret_transport = (struct lb_transport) { nowhere, send_body, cancel, close_nowhere, NULL, false };
    return 0;
}
