/* SPDX-License-Identifier: MIT */
/*
 * Messages to a unix datagram socket. In: bodies of messages, each with its length in front (RFC
 * 6587, 3.4.1). Out: one datagram for each message, answers. Always true: nothing here waits within a call.
 *
 * Nobody answers. A datagram that send() took lies in the receiver's queue, and goes with it when it ends. So
 * a body counts as delivered only when its receiver has read all of it: no byte of ours is unread (SIOCOUTQ
 * is 0), and then that receiver is still the one at the path: an end empties its queue, too.
 *
 *   a full queue (EAGAIN, ENOBUFS)   is waited for, as long as timeout lasts without anything being read
 *   nobody there, or another one     the body has failed: it is sent again as a whole, so what was read comes
 * twice a message too long (EMSGSIZE)    is passed over, and the answer tells which (sinks/syslog.c)
 */
#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/ship/parcels.h"
#include "agent/ship/transport.h"
#include "common/clock.h"

#define LOOK_MIN_NS     (2 * LB_NS_PER_MS)   /* how often it is looked what was read: doubles … */
#define LOOK_MAX_NS     (100 * LB_NS_PER_MS) /* … while nothing was */
#define SEND_BUFFER     (256 * 1024) /* room for the longest message, whatever the system's default is */
#define LENGTH_DIGITS   8
#define TOO_LONG_ROOM   8192 /* numbers of all messages of a body, should all be too long */
#define TOO_LONG_NUMBER 12

/* Which socket a path led to: another one has another inode, or, where its number is used again, another
 * time. */
struct place {
    dev_t dev;
    ino_t ino;
    struct timespec changed;
};

struct datagram {
    struct lb_loop *loop;
    struct sockaddr_un to;
    uint64_t timeout_ns;
    struct lb_parcels parcels;
    struct lb_watch watch; /* fd -1: no socket; in the loop while waits_for_room */
    bool waits_for_room;
    struct place place;
    struct lb_timer timer;
    uint64_t look_ns; /* the pause until the next look */
    /* Of the body whose turn it is. */
    uint64_t due_ns; /* given up then */
    int unread;      /* bytes at the last look */
    size_t wire_bytes;
    unsigned message; /* the number of the next one, from 0 */
    unsigned too_long;
    char too_long_text[TOO_LONG_ROOM]; /* their numbers, each with a blank behind it */
    size_t too_long_len;
};

/* ---- the socket ---- */

static void wait_for_room(struct datagram *datagram, bool is_wanted)
{
    if (is_wanted == datagram->waits_for_room)
        return;
    if (is_wanted && lb_loop_add(datagram->loop, &datagram->watch, EPOLLOUT) < 0)
        return; /* the timer looks as well */
    if (!is_wanted)
        lb_loop_remove(datagram->loop, &datagram->watch);
    datagram->waits_for_room = is_wanted;
}

static void close_socket(struct datagram *datagram)
{
    if (datagram->watch.fd < 0)
        return;
    wait_for_room(datagram, false);
    close(datagram->watch.fd);
    datagram->watch.fd = -1;
}

static int find_place(const struct datagram *datagram, struct place *ret_place)
{
    struct stat st;

    if (stat(datagram->to.sun_path, &st) < 0)
        return -errno;
    *ret_place = (struct place) { st.st_dev, st.st_ino, st.st_ctim };
    return 0;
}

/* Turn the socket to whoever is at the path now: 0 | negative errno, of stat() and connect(). */
static int turn_to_path(struct datagram *datagram, struct place *ret_place)
{
    if (connect(datagram->watch.fd, (const struct sockaddr *)&datagram->to, sizeof datagram->to) < 0)
        return -errno;
    return find_place(datagram, ret_place);
}

static bool is_same(const struct place *a, const struct place *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

static int open_socket(struct datagram *datagram)
{
    static const int room = SEND_BUFFER;
    struct place before = { 0 };
    int rc = find_place(datagram, &before);

    if (rc < 0)
        return rc;
    datagram->watch.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (datagram->watch.fd < 0)
        return -errno;
    setsockopt(datagram->watch.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    rc = turn_to_path(datagram, &datagram->place);
    if (rc == 0 && !is_same(&before, &datagram->place))
        rc = -ECONNREFUSED; /* it changed meanwhile: whom the socket is turned to cannot be told */
    if (rc < 0)
        close_socket(datagram);
    return rc;
}

/* Is the one at the path the one that the socket was turned to, and alive? */
static bool is_still_there(struct datagram *datagram)
{
    struct place now = { 0 };

    return turn_to_path(datagram, &now) == 0 && is_same(&now, &datagram->place);
}

static int unread_bytes(const struct datagram *datagram)
{
    int left = 0;

    return ioctl(datagram->watch.fd, SIOCOUTQ, &left) == 0 ? left : 0;
}

/* ---- answers ---- */

static void fail(struct datagram *datagram, enum lb_answer_step step, int error, const char *why)
{
    struct lb_answer said = { .error = error, .broken = step };

    snprintf(said.text, sizeof said.text, "%s: %s", datagram->to.sun_path, why);
    close_socket(datagram);
    datagram->timer.due_ns = LB_NEVER;
    lb_parcels_answer_all(&datagram->parcels, &said);
}

static void delivered(struct datagram *datagram, struct lb_parcel *parcel)
{
    struct lb_answer said = { .wire_bytes = datagram->wire_bytes };

    if (datagram->too_long > 0) {
        said.reply = datagram->too_long_text;
        said.reply_len = datagram->too_long_len;
        snprintf(said.text, sizeof said.text, "%u longer than a datagram to %.108s can be",
                 datagram->too_long, datagram->to.sun_path);
    }
    lb_parcels_answer(&datagram->parcels, parcel, &said);
}

/* ---- one body ---- */

/* The message at the front of what is left. */
static const char *next_message(const struct lb_parcel *parcel, size_t *ret_len, const char **ret_next)
{
    const char *at = parcel->body + parcel->sent, *end = parcel->body + parcel->len;
    size_t len = 0;

    for (unsigned i = 0; i < LENGTH_DIGITS && at < end && *at >= '0' && *at <= '9'; i++)
        len = len * 10 + (size_t)(*at++ - '0');
    assert(at < end && *at == ' ' && len < (size_t)(end - at));
    *ret_len = len;
    *ret_next = at + 1 + len;
    return at + 1;
}

static void note_too_long(struct datagram *datagram)
{
    char *to = datagram->too_long_text + datagram->too_long_len;

    assert(datagram->too_long_len + TOO_LONG_NUMBER < sizeof datagram->too_long_text);
    datagram->too_long_len += (size_t)sprintf(to, "%u ", datagram->message);
    datagram->too_long++;
}

/* Send what finds room: 0 all | -EAGAIN, -ENOBUFS, -ENOMEM there is none now | another negative errno. */
static int send_some(struct datagram *datagram, struct lb_parcel *parcel)
{
    while (parcel->sent < parcel->len) {
        const char *next;
        size_t len;
        const char *message = next_message(parcel, &len, &next);

        if (send(datagram->watch.fd, message, len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            datagram->wire_bytes += len;
        else if (errno == EMSGSIZE)
            note_too_long(datagram);
        else if (errno != EINTR)
            return -errno;
        else
            continue;
        parcel->sent = (size_t)(next - parcel->body);
        datagram->message++;
    }
    return 0;
}

static int begin(struct datagram *datagram, struct lb_parcel *parcel, uint64_t now_ns)
{
    if (datagram->watch.fd >= 0 && !is_still_there(datagram))
        close_socket(datagram);
    if (datagram->watch.fd < 0) {
        int rc = open_socket(datagram);

        if (rc < 0)
            return rc;
    }
    parcel->has_begun = true;
    datagram->due_ns = now_ns + datagram->timeout_ns;
    datagram->look_ns = LOOK_MIN_NS;
    datagram->unread = 0;
    datagram->wire_bytes = datagram->too_long_len = 0;
    datagram->message = datagram->too_long = 0;
    return 0;
}

static bool is_want_of_room(int rc)
{
    return rc == -EAGAIN || rc == -ENOBUFS || rc == -ENOMEM;
}

/* Not all is read yet: look again later, or give it up. */
static void wait_on(struct datagram *datagram, bool has_moved, int unread, int rc, uint64_t now_ns)
{
    if (has_moved || unread < datagram->unread) {
        datagram->due_ns = now_ns + datagram->timeout_ns;
        datagram->look_ns = LOOK_MIN_NS;
    }
    datagram->unread = unread;
    if (now_ns >= datagram->due_ns) {
        fail(datagram, LB_STEP_ANSWER, ETIMEDOUT, "the receiver reads nothing: timed out");
        return;
    }
    wait_for_room(datagram, rc == -EAGAIN);
    datagram->timer.due_ns = now_ns + datagram->look_ns;
    datagram->look_ns = datagram->look_ns * 2 < LOOK_MAX_NS ? datagram->look_ns * 2 : LOOK_MAX_NS;
}

/* Send what can be sent of one, and see what was read. Returns true when it is delivered. */
static bool advance(struct datagram *datagram, struct lb_parcel *parcel, uint64_t now_ns)
{
    size_t sent_before = parcel->sent;
    int rc = send_some(datagram, parcel), unread;

    if (rc < 0 && !is_want_of_room(rc)) {
        fail(datagram, LB_STEP_CONNECT, -rc, strerror(-rc));
        return false;
    }
    unread = unread_bytes(datagram);
    if (rc < 0 || unread > 0) {
        wait_on(datagram, parcel->sent > sent_before, unread, rc, now_ns);
        return false;
    }
    if (!is_still_there(datagram)) { /* after the look: an end empties the queue as well */
        fail(datagram, LB_STEP_CONNECT, ECONNREFUSED, "the receiver has gone, perhaps before it read all");
        return false;
    }
    delivered(datagram, parcel);
    return true;
}

/* After a failure nothing goes on in this turn: what is sent anew from within arms the timer. */
static void go_on(struct datagram *datagram, uint64_t now_ns)
{
    struct lb_parcel *parcel;

    datagram->timer.due_ns = LB_NEVER;
    wait_for_room(datagram, false);
    while ((parcel = lb_parcels_first(&datagram->parcels))) {
        int rc = parcel->has_begun ? 0 : begin(datagram, parcel, now_ns);

        if (rc < 0)
            fail(datagram, LB_STEP_CONNECT, -rc, strerror(-rc));
        if (rc < 0 || !advance(datagram, parcel, now_ns))
            return;
    }
}

static void on_ready(void *arg, uint32_t events)
{
    struct datagram *datagram = arg;

    (void)events;
    go_on(datagram, datagram->loop->now_ns);
}

static void on_timer(void *arg, uint64_t now_ns)
{
    go_on(arg, now_ns);
}

/* ---- the transport ---- */

static int send_body(void *self, unsigned slot, const void *body, size_t len, const char *encoding)
{
    struct datagram *datagram = self;

    (void)encoding;
    lb_parcels_put(&datagram->parcels, slot, body, len, LB_NEVER);
    datagram->timer.due_ns = datagram->loop->now_ns; /* no callback comes from within: in the next turn */
    return 0;
}

/* What is out of it stays out: each message is whole. */
static bool cancel(void *self, unsigned slot)
{
    struct datagram *datagram = self;

    datagram->parcels.parcel[slot].is_waiting = false;
    return true;
}

static void close_datagram(void *self)
{
    struct datagram *datagram = self;

    close_socket(datagram);
    lb_loop_remove_timer(datagram->loop, &datagram->timer);
    free(datagram);
}

int lb_datagram_open(struct lb_loop *loop, const struct lb_sink_config *config,
                     const struct lb_target *target, lb_transport_done done, void *ctx,
                     struct lb_transport *ret_transport)
{
    struct datagram *datagram = calloc(1, sizeof *datagram);

    if (!datagram)
        return -ENOMEM;
    datagram->loop = loop;
    datagram->to.sun_family = AF_UNIX;
    snprintf(datagram->to.sun_path, sizeof datagram->to.sun_path, "%s", target->unix_path);
    datagram->timeout_ns = config->timeout_ms * LB_NS_PER_MS;
    datagram->parcels.done = done;
    datagram->parcels.ctx = ctx;
    datagram->watch = (struct lb_watch) { -1, on_ready, datagram };
    datagram->timer = (struct lb_timer) { LB_NEVER, on_timer, datagram, NULL };
    lb_loop_add_timer(loop, &datagram->timer);
    *ret_transport = (struct lb_transport) { datagram, send_body, cancel, close_datagram, NULL, false };
    return 0;
}
