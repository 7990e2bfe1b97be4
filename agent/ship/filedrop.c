/* SPDX-License-Identifier: MIT */
/* The file sink's transport. In: bodies. Out: answers, when the card side has appended them (dropfile.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ship/dropfile.h"
#include "agent/ship/transport.h"

struct drop {
    struct lb_card_job job;
    struct filedrop *filedrop;
    unsigned slot;
    const void *body;
    size_t len;
    int error; /* errno, 0: written */
    char why[200];
    bool is_out; /* the card side has it */
};

struct filedrop {
    struct lb_card *card;
    struct lb_dropfile file; /* the card side's */
    lb_transport_done done;
    void *ctx;
    struct drop drop[LB_TRANSPORT_SLOTS];
};

static void work(struct lb_card_job *job)
{
    struct drop *drop = job->arg;

    drop->error =
        lb_dropfile_append(&drop->filedrop->file, drop->body, drop->len, drop->why, sizeof drop->why);
}

static void finished(struct lb_card_job *job)
{
    struct drop *drop = job->arg;
    struct lb_answer answer = { .error = drop->error, .wire_bytes = drop->error ? 0 : drop->len };

    drop->is_out = false;
    if (drop->error)
        snprintf(answer.text, sizeof answer.text, "%s", drop->why);
    drop->filedrop->done(drop->filedrop->ctx, drop->slot, &answer);
}

static int send_body(void *self, unsigned slot, const void *body, size_t len, const char *encoding)
{
    struct filedrop *filedrop = self;
    struct drop *drop = &filedrop->drop[slot];
    int rc;

    (void)encoding;
    *drop = (struct drop) {
        .job = { work, finished, drop }, .filedrop = filedrop, .slot = slot, .body = body, .len = len
    };
    rc = lb_card_submit(filedrop->card, LB_CARD_SLOW, &drop->job);
    drop->is_out = rc == 0;
    return rc;
}

static bool cancel(void *self, unsigned slot)
{
    (void)self;
    (void)slot;
    return false; /* the card side cannot be stopped in a write */
}

/* What the card side has stays: it is about to end, or hangs. */
static void close_filedrop(void *self)
{
    struct filedrop *filedrop = self;

    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++)
        if (filedrop->drop[i].is_out)
            return;
    free(filedrop);
}

int lb_filedrop_open(struct lb_card *card, const struct lb_sink_config *config,
                     const struct lb_target *target, lb_transport_done done, void *ctx,
                     struct lb_transport *ret_transport)
{
    struct filedrop *filedrop = calloc(1, sizeof *filedrop);

    if (!filedrop)
        return -ENOMEM;
    filedrop->card = card;
    filedrop->done = done;
    filedrop->ctx = ctx;
    snprintf(filedrop->file.path, sizeof filedrop->file.path, "%s", target->url);
    filedrop->file.rotate_bytes = config->rotate_bytes;
    filedrop->file.keep = (unsigned)config->keep;
    filedrop->file.allow_flash = config->allow_flash;
    filedrop->file.root = "";
    *ret_transport = (struct lb_transport) { filedrop, send_body, cancel, close_filedrop, NULL, false };
    return 0;
}
