/* SPDX-License-Identifier: MIT */
/*
 * Who comes in by intake.sock. In: connections. Out: peers, with a share of the streams and a time for their
 * handshake (intake.c). Always true: there are at most peer_max peers, and no uid but root and our own can
 * take the last stream.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/capture/parts.h"
#include "common/clock.h"

/* An orphan with nothing staged gives way to whoever needs its slot. */
static bool is_slot_taken(const struct lb_capture *capture, uint32_t slot)
{
    enum lb_stream_state state = capture->streams[slot].state;

    return state == LB_STREAM_OPEN || (state == LB_STREAM_ORPHAN && capture->staging->staged[slot].bytes > 0);
}

/*
 * A uid may hold as many streams as it leaves free; root and the agent's own user may have them all. A pipe
 * counts as long as it is read, also after its client has left; a connection without one counts as the stream
 * it may become.
 */
static bool has_share_left(const struct lb_capture *capture, uid_t uid)
{
    uint32_t used = 0, mine = 0, max = capture->staging->max_streams;

    for (uint32_t i = 0; i < capture->peer_count; i++) {
        used += capture->peers[i]->slot < 0;
        mine += capture->peers[i]->slot < 0 && capture->peers[i]->uid == uid;
    }
    for (uint32_t slot = 0; slot < max; slot++) {
        used += is_slot_taken(capture, slot);
        mine += is_slot_taken(capture, slot) && capture->streams[slot].uid == uid;
    }
    if (uid == 0 || uid == capture->own_uid)
        return used <= max;
    return used < max && mine <= max - used;
}

static void on_handshake_timer(void *arg, uint64_t now_ns)
{
    struct lb_capture *capture = arg;
    uint64_t next = LB_NEVER;

    for (uint32_t i = capture->peer_count; i-- > 0;) {
        struct lb_peer *peer = capture->peers[i];

        if (peer->deadline_ns == LB_NEVER)
            continue;
        if (peer->is_paused) /* it waits for us, not we for it */
            peer->deadline_ns = now_ns + LB_PROTO_HANDSHAKE_MS * LB_NS_PER_MS;
        if (peer->deadline_ns <= now_ns)
            lb_intake_refuse(capture, peer, "the handshake took too long");
        else if (peer->deadline_ns < next)
            next = peer->deadline_ns;
    }
    capture->handshake_timer.due_ns = next;
}

static void welcome(struct lb_capture *capture, int fd)
{
    struct lb_peer *peer = calloc(1, sizeof *peer);
    struct ucred who = { 0 };
    socklen_t len = sizeof who;

    if (!peer || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0) {
        free(peer);
        close(fd);
        return;
    }
    peer->capture = capture;
    peer->uid = who.uid;
    peer->pid = who.pid;
    peer->slot = -1;
    peer->deadline_ns = capture->loop->now_ns + LB_PROTO_HANDSHAKE_MS * LB_NS_PER_MS;
    peer->watch = (struct lb_watch) { fd, lb_intake_on_peer, peer };
    if (lb_loop_add(capture->loop, &peer->watch, EPOLLIN) < 0) {
        free(peer);
        close(fd);
        return;
    }
    capture->peers[capture->peer_count++] = peer;
    if (peer->deadline_ns < capture->handshake_timer.due_ns)
        capture->handshake_timer.due_ns = peer->deadline_ns;
    if (!has_share_left(capture, peer->uid))
        lb_intake_refuse(capture, peer, "this user has its share of streams (max_streams)");
}

static void on_listener(void *arg, uint32_t events)
{
    struct lb_capture *capture = arg;
    int fd;

    (void)events;
    for (unsigned i = 0; i < 16; i++) { /* then the streams have their turn */
        fd = accept4(capture->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        if (capture->peer_count == capture->peer_max || capture->is_stopping)
            close(fd);
        else
            welcome(capture, fd);
    }
}

int lb_intake_start(struct lb_capture *capture, int dir_fd)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    /* Through the directory's descriptor: its path may be longer than an address can hold. */
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/intake.sock", dir_fd);
    unlinkat(dir_fd, "intake.sock", 0);
    capture->listener = (struct lb_watch) { fd, on_listener, capture };
    capture->handshake_timer = (struct lb_timer) { LB_NEVER, on_handshake_timer, capture, NULL };
    lb_loop_add_timer(capture->loop, &capture->handshake_timer);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        fchmodat(dir_fd, "intake.sock", 0666, 0) != 0 || listen(fd, 128) != 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return lb_loop_add(capture->loop, &capture->listener, EPOLLIN);
}

void lb_intake_stop(struct lb_capture *capture)
{
    while (capture->peer_count > 0) {
        capture->peers[0]->said_bye = true;
        lb_intake_hang_up(capture, capture->peers[0]);
    }
    if (capture->listener.fd >= 0) {
        lb_loop_remove(capture->loop, &capture->listener);
        close(capture->listener.fd);
        capture->listener.fd = -1;
    }
}
