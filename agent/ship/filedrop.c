/* SPDX-License-Identifier: MIT */
/*
 * The file sink's transport. In: bodies. Out: bytes appended by the card side. Always true: the file ends
 * with a whole line.
 *
 * What a full or failing disk took of a body is cut off again at once. What an agent left that was killed in
 * a write is cut off by the next one before its first body: those records are in the ring still and come
 * again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/ship/transport.h"
#include "common/log.h"

#define TORN_BLOCK 4096
#define TORN_MAX   (8 << 20) /* a line of ours is shorter */

struct drop {
    struct lb_card_job job;
    struct filedrop *filedrop;
    unsigned slot;
    const void *body;
    size_t len;
    int error;   /* errno, 0: written */
    bool is_out; /* the card side has it */
};

struct filedrop {
    struct lb_card *card;
    char path[LB_SINK_URL_LEN];
    lb_transport_done done;
    void *ctx;
    struct drop drop[LB_TRANSPORT_SLOTS];
    bool is_mended; /* the card side's: what an earlier agent left is looked at */
};

static int write_all(int fd, const char *from, size_t len)
{
    while (len > 0) {
        ssize_t wrote = write(fd, from, len);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return wrote < 0 ? errno : EIO;
        from += wrote;
        len -= (size_t)wrote;
    }
    return 0;
}

/* Where a file's last line begins that has no end; its size: there is none such. */
static off_t torn_line(int fd, off_t size)
{
    char block[TORN_BLOCK];

    for (off_t end = size; end > 0 && size - end < TORN_MAX;) {
        size_t len = end < (off_t)sizeof block ? (size_t)end : sizeof block;
        const char *last;

        if (pread(fd, block, len, end - (off_t)len) != (ssize_t)len)
            return size;
        end -= (off_t)len;
        last = memrchr(block, '\n', len);
        if (last)
            return end + (last - block) + 1;
        if (end == 0)
            return 0;
    }
    return size;
}

/* Cut off what a killed agent has begun; what others have begun is ended. A file that cannot be read stays as
 * it is. */
static void mend(const char *path)
{
    int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char start[2] = "";
    struct stat st;
    off_t from;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (from = torn_line(fd, st.st_size)) < st.st_size) {
        bool is_ours = pread(fd, start, 2, from) == 2 && memcmp(start, "{\"", 2) == 0;

        if (is_ours && ftruncate(fd, from) == 0)
            lb_log(LB_LEVEL_NOTICE, "%s: cut off half a line that a killed agent has left", path);
        else
            write_all(fd, "\n", 1); /* if this fails, the body behind it does too, and is taken back */
    }
    close(fd);
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

    if (!drop->filedrop->is_mended)
        mend(drop->filedrop->path);
    drop->filedrop->is_mended = true;
    drop->error = append(drop->filedrop->path, drop->body, drop->len);
}

static void finished(struct lb_card_job *job)
{
    struct drop *drop = job->arg;
    struct lb_answer answer = { .error = drop->error, .wire_bytes = drop->error ? 0 : drop->len };

    drop->is_out = false;
    if (drop->error)
        snprintf(answer.text, sizeof answer.text, "cannot append: %s", strerror(drop->error));
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
    *ret_transport = (struct lb_transport) { filedrop, send_body, cancel, close_filedrop, NULL, false };
    return 0;
}
