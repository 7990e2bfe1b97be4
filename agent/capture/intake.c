/* SPDX-License-Identifier: MIT */
/*
 * intake.sock: the hand-over of pipes. In: packets of peers that listen.c let in (common/proto.h). Out:
 * streams. Always true: a peer costs only itself; one pipe is read by one stream; what a client may forget is
 * committed.
 *
 *   greeting ── HELLO ──▶ draining ── PIPE ──▶ reading ── END, or it hangs up
 *
 * Happy path. A client greets with its stream id, hears how much of what it drained is committed (nothing, at
 * first), hands over the read end, and sleeps. From then on the agent alone reads the pipe. When it ends and
 * all of it is committed, the client hears END.
 *
 * The agent goes away. The client still holds the pipe, so the app is not killed; if the pipe fills it drains
 * it into a buffer of its own. To the next agent it comes back under the same id: WELCOME says what it may
 * forget, DATA brings the rest in order, each packet is looked at first and taken from the socket only when
 * it is committed, TAKEN lets the client forget it. Then the pipe again. While a stream drains it is marked
 * so, because bytes that came by DATA must not be searched for behind a chunk's stored length (staging.c):
 * the client has them still.
 *
 * The client goes away. Its pipe is read on until it ends; without a BYE that is told in the log. Another
 * client on the same pipe, of the same user and service, goes on with the stream (streams.c).
 *
 * Crash story. Killed before a commit: the packet counts for nothing, its client offers it again. Killed
 * between commit and TAKEN: the next WELCOME tells it. Killed between PIPE and the first splice: the client
 * holds the pipe and hands it over anew. What was half-read waits in staging for its id or its pipe. Both
 * killed at once: what the client had drained and not delivered is gone, the one stated exception.
 *
 * Failure modes. A handshake has LB_PROTO_HANDSHAKE_MS; a packet that is malformed, too long or out of turn
 * ends its connection; descriptors that nobody asked for are closed; when ring or staging have no room a DATA
 * packet stays in its socket and is not read before they have.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/capture/parts.h"
#include "common/clock.h"
#include "common/log.h"

#define LOST_BYTES_MAX (1ull << 40)

/* Room for the largest packet; one thread, one packet at a time. */
union packet {
    struct lb_proto_head head;
    struct lb_proto_hello hello;
    struct lb_proto_data data;
    struct lb_proto_exit exit;
    unsigned char bytes[sizeof(struct lb_proto_data) + LB_PROTO_DATA_MAX];
};

void lb_intake_hang_up(struct lb_capture *capture, struct lb_peer *peer)
{
    if (peer->slot >= 0)
        lb_streams_untie(capture, &capture->streams[peer->slot], peer->said_bye);
    lb_loop_remove(capture->loop, &peer->watch);
    close(peer->watch.fd);
    for (uint32_t i = 0; i < capture->peer_count; i++) {
        if (capture->peers[i] != peer)
            continue;
        capture->peers[i] = capture->peers[--capture->peer_count];
        break;
    }
    free(peer);
}

/* A packet is small and the buffer of a fresh socket large: what cannot be sent at once is a peer that does
 * not read. */
static bool send_packet(const struct lb_peer *peer, const void *packet, size_t len)
{
    return send(peer->watch.fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

static bool send_head(const struct lb_peer *peer, enum lb_proto_type type)
{
    struct lb_proto_head head;

    lb_proto_head_init(&head, type, sizeof head);
    return send_packet(peer, &head, sizeof head);
}

static bool send_taken(struct lb_capture *capture, const struct lb_peer *peer, enum lb_proto_type type)
{
    struct lb_proto_taken taken = { .taken_bytes = 0 };

    lb_proto_head_init(&taken.head, type, sizeof taken);
    if (peer->slot >= 0)
        taken.taken_bytes = lb_staging_get(capture->staging, (uint32_t)peer->slot, LB_STREAM_TAKEN);
    return send_packet(peer, &taken, sizeof taken);
}

void lb_intake_refuse(struct lb_capture *capture, struct lb_peer *peer, const char *reason)
{
    struct {
        struct lb_proto_head head;
        char text[LB_PROTO_REASON_MAX];
    } packet;
    size_t len = strnlen(reason, sizeof packet.text);

    lb_proto_head_init(&packet.head, LB_PROTO_REFUSED, sizeof packet.head + len);
    memcpy(packet.text, reason, len);
    send_packet(peer, &packet, packet.head.length);
    __atomic_fetch_add(&capture->refused, 1, __ATOMIC_RELAXED);
    lb_log(LB_LEVEL_NOTICE, "refused pid %d (uid %u): %s", (int)peer->pid, peer->uid, reason);
    peer->said_bye = true; /* it was us */
    lb_intake_hang_up(capture, peer);
}

/* ---- HELLO ---- */

const char *lb_intake_name(const struct lb_peer *peer, uint32_t source_pid, const char *service,
                           uint16_t service_len, const char *tags, uint16_t tags_len,
                           struct lb_stream_name *ret_name)
{
    pid_t speaker = lb_peer_speaker(peer->pid, peer->uid, source_pid);

    if (service_len > 0 && !lb_service_name_is_legal(service, service_len))
        return "illegal service name: 1 to 128 of A-Z a-z 0-9 . _ / @ : - are allowed";
    if (!lb_tags_are_legal(tags, tags_len))
        return "illegal tags: k:v, parted by commas, 256 bytes at most";
    ret_name->pid = (uint32_t)speaker;
    ret_name->service_len = service_len;
    memcpy(ret_name->service, service, service_len);
    ret_name->tags_len = tags_len;
    memcpy(ret_name->tags, tags, tags_len);
    if (service_len == 0) {
        char buf[LB_PROTO_SERVICE_MAX + 1];

        ret_name->service_len = (uint16_t)lb_peer_service(speaker, buf, sizeof buf);
        memcpy(ret_name->service, buf, ret_name->service_len);
    } else if (!lb_peer_may_name(peer->pid, peer->uid, service, service_len)) {
        return "this service name belongs to a systemd unit: only that unit, its user or root may use it";
    }
    return NULL;
}

static const char *read_hello(struct lb_peer *peer, const struct lb_proto_hello *hello, size_t len)
{
    const char *service = (const char *)(hello + 1), *tags = service + hello->service_len;

    if (len < sizeof *hello || len != sizeof *hello + hello->service_len + hello->tags_len)
        return "malformed greeting";
    if (hello->stream_id == 0 || hello->kind >= LB_STREAM_KIND_COUNT)
        return "malformed greeting: no stream id, or no such kind";
    peer->stream_id = hello->stream_id;
    peer->kind = (enum lb_stream_kind)hello->kind;
    return lb_intake_name(peer, hello->source_pid, service, hello->service_len, tags, hello->tags_len,
                          &peer->name);
}

void lb_intake_take_exit(struct lb_capture *capture, struct lb_peer *peer)
{
    struct lb_proto_taken taken = { .taken_bytes = 1 };

    lb_proto_head_init(&taken.head, LB_PROTO_TAKEN, sizeof taken);
    send_packet(peer, &taken, sizeof taken);
    peer->said_bye = true;
    lb_intake_hang_up(capture, peer);
}

/* pipe_fd: -1, or the peer's pipe, to be looked at. */
static void on_hello(struct lb_capture *capture, struct lb_peer *peer, const struct lb_proto_hello *hello,
                     size_t len, int pipe_fd)
{
    const char *fault = read_hello(peer, hello, len);
    int64_t slot;

    if (fault) {
        lb_intake_refuse(capture, peer, fault);
        return;
    }
    slot = lb_streams_find(capture, peer->stream_id, peer->uid);
    if (slot >= 0 &&
        capture->streams[slot].peer) { /* the same client on a new connection: the old one is over */
        capture->streams[slot].peer->said_bye = true;
        lb_intake_hang_up(capture, capture->streams[slot].peer);
    }
    if (slot >= 0)
        lb_streams_tie(capture, peer, (uint32_t)slot);
    else if (pipe_fd >= 0)
        lb_streams_reclaim(capture, peer, pipe_fd);
    peer->state = LB_PEER_DRAINING;
    if (!send_taken(capture, peer, LB_PROTO_WELCOME))
        lb_intake_hang_up(capture, peer);
}

/* ---- DATA ---- */

static void pause_peer(struct lb_capture *capture, struct lb_peer *peer, bool is_paused)
{
    peer->is_paused = is_paused;
    lb_loop_change(capture->loop, &peer->watch, is_paused ? 0 : EPOLLIN);
}

static bool begin_draining(struct lb_capture *capture, struct lb_peer *peer, const struct lb_proto_data *data)
{
    uint64_t info;
    uint32_t slot;

    if (peer->slot < 0) {
        if (lb_streams_new(capture, peer) < 0)
            return false;
        /* We know nothing of this stream: it was forgotten, or an agent before us lost its memory. Start
         * where it is. */
        lb_staging_set(capture->staging, (uint32_t)peer->slot, LB_STREAM_TAKEN, data->first_byte);
    }
    slot = (uint32_t)peer->slot;
    info = lb_staging_get(capture->staging, slot, LB_STREAM_INFO);
    if (!(info & LB_STREAM_DRAINING)) {
        lb_staging_set(capture->staging, slot, LB_STREAM_INFO, info | LB_STREAM_DRAINING);
        lb_turns_publish(capture, false); /* from here recovery must not look for spliced bytes */
    }
    return true;
}

/* Returns false when the packet must be offered again. */
static bool on_data(struct lb_capture *capture, struct lb_peer *peer, const union packet *packet, size_t len)
{
    struct lb_stream *stream;

    /* A lost line is a byte at least; and no client has thrown away a TiB. */
    if (len < sizeof packet->data || len - sizeof packet->data > LB_PROTO_DATA_MAX ||
        packet->data.lost_lines > packet->data.lost_bytes || packet->data.lost_bytes > LOST_BYTES_MAX) {
        lb_intake_refuse(capture, peer, "malformed data packet");
        return true;
    }
    if (!begin_draining(capture, peer, &packet->data)) {
        lb_intake_refuse(capture, peer, "no free stream (max_streams)");
        return true;
    }
    stream = &capture->streams[peer->slot];
    if (stream->watch.fd >= 0) {
        lb_intake_refuse(capture, peer, "data for a stream whose pipe is being read");
        return true;
    }
    if (packet->data.first_byte > lb_staging_get(capture->staging, stream->slot, LB_STREAM_TAKEN)) {
        lb_intake_refuse(capture, peer, "data packets leave a gap");
        return true;
    }
    if (lb_feed_packet(capture, stream, &packet->data, packet->bytes + sizeof packet->data,
                       len - sizeof packet->data) < 0)
        return false;
    peer->deadline_ns = capture->loop->now_ns + LB_PROTO_HANDSHAKE_MS * LB_NS_PER_MS;
    if (!send_taken(capture, peer, LB_PROTO_TAKEN))
        lb_intake_hang_up(capture, peer);
    return true;
}

/* ---- PIPE ---- */

static void on_pipe(struct lb_capture *capture, struct lb_peer *peer, int fd)
{
    char reason[LB_PROTO_REASON_MAX];
    int rc = fd < 0 ? -EBADF : lb_streams_attach(capture, peer, fd);

    if (rc == 0) {
        peer->state = LB_PEER_READING;
        peer->deadline_ns = LB_NEVER;
        if (!send_head(peer, LB_PROTO_READING))
            lb_intake_hang_up(capture, peer);
        return;
    }
    if (fd >= 0)
        close(fd);
    if (rc == -EEXIST)
        snprintf(reason, sizeof reason, "this pipe is being read already");
    else if (rc == -EINVAL || rc == -EBADF)
        snprintf(reason, sizeof reason, "not the read end of a pipe");
    else if (rc == -ENOSPC)
        snprintf(reason, sizeof reason, "no free stream (max_streams = %u)", capture->staging->max_streams);
    else
        snprintf(reason, sizeof reason, "cannot read this pipe: %s", strerror(-rc));
    lb_intake_refuse(capture, peer, reason);
}

/* ---- packets ---- */

/* Receive one packet and at most one descriptor; whatever else came along is closed. No packet, no
 * descriptor. */
static ssize_t receive(struct lb_peer *peer, union packet *packet, bool may_peek, int *ret_fd)
{
    char control[CMSG_SPACE(sizeof(int) * 8)];
    struct iovec piece = { packet->bytes, sizeof packet->bytes };
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    ssize_t got =
        recvmsg(peer->watch.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | (may_peek ? MSG_PEEK : 0));

    *ret_fd = -1;
    if (got < 0)
        return -errno;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        size_t count = c->cmsg_type == SCM_RIGHTS ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (*ret_fd < 0)
                *ret_fd = fd;
            else
                close(fd);
        }
    }
    if (message.msg_flags & MSG_TRUNC)
        got = -EMSGSIZE;
    if (got <= 0 && *ret_fd >= 0) {
        close(*ret_fd);
        *ret_fd = -1;
    }
    return got;
}

static void dispatch(struct lb_capture *capture, struct lb_peer *peer, union packet *packet, size_t len,
                     int fd)
{
    int type = lb_proto_check(packet, len);

    if (type == LB_PROTO_PIPE && peer->state == LB_PEER_DRAINING) {
        on_pipe(capture, peer, fd); /* which keeps the descriptor */
        return;
    }
    if (type == LB_PROTO_HELLO && peer->state == LB_PEER_GREETING)
        on_hello(capture, peer, &packet->hello, len, fd);
    else if (type == LB_PROTO_EXIT && peer->state == LB_PEER_GREETING)
        lb_exits_on_packet(capture, peer, &packet->exit, len);
    else if (type == LB_PROTO_BYE) {
        peer->said_bye = true;
        lb_intake_hang_up(capture, peer);
    } else
        lb_intake_refuse(capture, peer,
                         type == -EPROTONOSUPPORT
                             ? "another version of the protocol: client and agent must match"
                             : "unexpected or malformed packet");
    if (fd >= 0)
        close(fd);
}

void lb_intake_on_peer(void *arg, uint32_t events)
{
    static union packet packet; /* fast side only */
    struct lb_peer *peer = arg;
    struct lb_capture *capture = peer->capture;
    bool may_be_data = peer->state == LB_PEER_DRAINING;
    ssize_t got;
    int fd;

    (void)events;
    /* A DATA packet is looked at first and taken from the socket only when it is committed. */
    got = receive(peer, &packet, may_be_data, &fd);
    if (got == -EAGAIN || got == -EINTR)
        return;
    if (got <= 0) {
        lb_intake_hang_up(capture, peer);
        return;
    }
    if (!may_be_data) {
        dispatch(capture, peer, &packet, (size_t)got, fd);
        return;
    }
    if (fd >= 0)
        close(fd); /* a second copy that the look gave us */
    if (lb_proto_check(&packet, (size_t)got) == LB_PROTO_DATA) {
        unsigned char drop[8];

        if (recv(peer->watch.fd, drop, 0, MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC) != got)
            return;
        if (!on_data(capture, peer, &packet, (size_t)got)) {
            pause_peer(capture, peer, true);
            return;
        }
        for (uint32_t i = 0; i < capture->peer_count; i++)
            if (capture->peers[i] == peer && recv(peer->watch.fd, drop, sizeof drop, MSG_DONTWAIT) < 0)
                lb_intake_hang_up(capture, peer);
        return;
    }
    got = receive(peer, &packet, false, &fd);
    if (got <= 0)
        lb_intake_hang_up(capture, peer);
    else
        dispatch(capture, peer, &packet, (size_t)got, fd);
}

void lb_intake_resume(struct lb_capture *capture)
{
    for (uint32_t i = 0; i < capture->peer_count; i++)
        if (capture->peers[i]->is_paused)
            pause_peer(capture, capture->peers[i], false);
}

void lb_intake_end(struct lb_capture *capture, struct lb_peer *peer)
{
    send_head(peer, LB_PROTO_END);
    peer->said_bye = true;
    lb_intake_hang_up(capture, peer);
}
