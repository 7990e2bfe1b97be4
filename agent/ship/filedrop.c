/* SPDX-License-Identifier: MIT */
/*
 * The file sink's transport. In: bodies. Out: bytes appended by the card side. Always true: the file ends with a whole
 * body; what a full or failing disk took of another is cut off again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/ship/transport.h"

struct drop {
    struct lb_card_job job;
    struct filedrop *filedrop;
    unsigned slot;
    const void *body;
    size_t len;
    int error; /* errno, 0: written */
};

struct filedrop {
    struct lb_card *card;
    char path[LB_SINK_URL_LEN];
    lb_transport_done done;
    void *ctx;
    struct drop drop[LB_TRANSPORT_SLOTS];
};

static int write_all(int fd, const char *from, size_t len)
{
    while (len > 0) {
        ssize_t wrote = write(fd, from, len);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return errno;
        from += wrote;
        len -= (size_t)wrote;
    }
    return 0;
}

static int append(const char *path, const void *body, size_t len)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    struct stat st;
    int error;

    if (fd < 0)
        return errno;
    if (fstat(fd, &st) != 0) {
        error = errno;
    } else {
        error = write_all(fd, body, len);
        if (error && S_ISREG(st.st_mode) && ftruncate(fd, st.st_size) != 0)
            error = errno;
    }
    if (close(fd) != 0 && error == 0)
        error = errno;
    return error;
}

static void work(struct lb_card_job *job)
{
    struct drop *drop = job->arg;

    drop->error = append(drop->filedrop->path, drop->body, drop->len);
}

static void finished(struct lb_card_job *job)
{
    struct drop *drop = job->arg;
    struct lb_answer answer = { .error = drop->error, .wire_bytes = drop->error ? 0 : drop->len };

    if (drop->error)
        snprintf(answer.text, sizeof answer.text, "cannot append: %s", strerror(drop->error));
    drop->filedrop->done(drop->filedrop->ctx, drop->slot, &answer);
}

static int send_body(void *self, unsigned slot, const void *body, size_t len, const char *encoding)
{
    struct filedrop *filedrop = self;
    struct drop *drop = &filedrop->drop[slot];

    (void)encoding;
    *drop = (struct drop){ .job = { work, finished, drop }, .filedrop = filedrop, .slot = slot, .body = body, .len = len };
    return lb_card_submit(filedrop->card, LB_CARD_SLOW, &drop->job);
}

static bool cancel(void *self, unsigned slot)
{
    (void)self;
    (void)slot;
    return false; /* the card side cannot be stopped in a write */
}

static void close_filedrop(void *self)
{
    free(self);
}

int lb_filedrop_open(struct lb_card *card, const struct lb_target *target, lb_transport_done done, void *ctx,
                     struct lb_transport *ret_transport)
{
    struct filedrop *filedrop = calloc(1, sizeof *filedrop);

    if (!filedrop)
        return -ENOMEM;
    filedrop->card = card;
    filedrop->done = done;
    filedrop->ctx = ctx;
    snprintf(filedrop->path, sizeof filedrop->path, "%s", target->url);
    *ret_transport = (struct lb_transport){ filedrop, send_body, cancel, close_filedrop };
    return 0;
}
