/* SPDX-License-Identifier: MIT */
/*
 * syslog.sock. In: datagrams of whoever logs by syslog(3), SysLogHandler, Docker's driver or journald. Out:
 * one record each (several, all marked cut, where one is longer than max_line). Always true: a datagram is in
 * the kernel's queue, in the landing, or in committed records; the queue is drained before any stream has its
 * turn, because a sender that finds it full waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/capture/turn.h"
#include "agent/shape/syslog.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/unit_name.h"

#define DATAGRAMS_A_TURN  128     /* then descriptors are looked at again */
#define QUEUE_WANTED      512     /* what systemd sets as well (facts/sinks.md 8.2) */
#define RECEIVE_BYTES     8388608 /* of socket buffer, as journald's */
#define FIRST_PASSED_FD   3       /* sd_listen_fds(3) */
#define QUEUE_LENGTH_FILE "/proc/sys/net/unix/max_dgram_qlen"

/* ---- one datagram ---- */

static struct lb_extra_span to_extra(struct lb_syslog_span span)
{
    return (struct lb_extra_span) { span.at, span.len };
}

/* Where the message is a part of the datagram, what stands before it is kept as the header. */
static void describe(const struct lb_syslog *parsed, const char *text, struct lb_extra *extra)
{
    memset(extra, 0, sizeof *extra);
    extra->has_syslog = parsed->form != LB_SYSLOG_TEXT;
    extra->syslog.facility = parsed->facility >= 0 ? (uint64_t)parsed->facility : 255;
    extra->syslog.field[LB_SYSLOG_HOSTNAME] = to_extra(parsed->hostname);
    extra->syslog.field[LB_SYSLOG_APPNAME] = to_extra(parsed->appname);
    extra->syslog.field[LB_SYSLOG_PROCID] = to_extra(parsed->procid);
    extra->syslog.field[LB_SYSLOG_MSGID] = to_extra(parsed->msgid);
    extra->syslog.field[LB_SYSLOG_SD] = to_extra(parsed->structured_data);
    extra->header = text;
    extra->header_len = parsed->message.at;
}

/* The service: what the sender calls itself, else what the kernel knows of it. */
static void name_sender(struct lb_datagrams *datagrams, const struct lb_syslog *parsed, const char *text)
{
    const struct lb_landing_header *header = datagrams->landing.header;
    struct lb_stream_name *name = &datagrams->name;
    char buf[LB_PROTO_SERVICE_MAX + 1];

    name->pid = (uint32_t)header->pid;
    if (parsed->appname.len > 0) {
        size_t len = parsed->appname.len < LB_PROTO_SERVICE_MAX ? parsed->appname.len : LB_PROTO_SERVICE_MAX;

        memcpy(name->service, text + parsed->appname.at, len);
        name->service_len = (uint16_t)lb_service_name_make_legal(name->service, len);
        return;
    }
    name->service_len = (uint16_t)lb_peer_service((pid_t)header->pid, buf, sizeof buf);
    memcpy(name->service, buf, name->service_len);
}

static void begin(struct lb_capture *capture, struct lb_turn *turn)
{
    struct lb_datagrams *datagrams = &capture->datagrams;
    struct lb_stream *stream = &datagrams->stream;

    lb_streams_settle(capture, stream);
    stream->service_ix =
        lb_state_service(capture->state, datagrams->name.service, datagrams->name.service_len);
    memset(turn, 0, sizeof *turn);
    turn->capture = capture;
    turn->stream = stream;
    turn->last = &capture->said[stream->service_ix]; /* one socket has many senders */
    turn->now_ns = datagrams->landing.header->boot_ns;
    turn->head = (struct lb_record) {
        .kind = LB_KIND_LINE,
        .stream_id = datagrams->stream_id,
        .stream_off = datagrams->stream_off,
        .pid = datagrams->name.pid,
        .uid = (uint32_t)datagrams->landing.header->uid,
        .service_ix = stream->service_ix,
    };
}

/* The longest text that one record may have. */
static size_t longest(const struct lb_turn *turn)
{
    const struct lb_capture_config *settings = &turn->stream->settings->capture;
    size_t fits = lb_ring_record_max(turn->capture->ring) - sizeof(struct lb_record) - LB_PROTO_SERVICE_MAX -
                  LB_PROTO_TAGS_MAX - LB_EXTRA_MAX - 8;
    size_t wanted =
        settings->join_bytes > settings->max_line_bytes ? settings->join_bytes : settings->max_line_bytes;

    return wanted < fits ? wanted : fits;
}

/* So many bytes of a longer text, or up to three fewer, so that no character is cut in two. */
static size_t whole_characters(const char *text, size_t len)
{
    for (size_t back = 0; back < 4 && back < len; back++)
        if (((unsigned char)text[len - back] & 0xc0) != 0x80)
            return len - back;
    return len;
}

/* Put what is here into the ring. false: there is no room, and it waits */
static bool take(struct lb_capture *capture)
{
    struct lb_datagrams *datagrams = &capture->datagrams;
    struct lb_landing *landing = &datagrams->landing;
    size_t len = lb_landing_length(landing), most, at;
    struct lb_syslog parsed;
    struct lb_extra extra;
    struct lb_turn turn;

    lb_syslog_parse(landing->text, len, &parsed);
    describe(&parsed, landing->text, &extra);
    name_sender(datagrams, &parsed, landing->text);
    begin(capture, &turn);
    most = longest(&turn);
    do {
        size_t done = lb_landing_done(landing), left = parsed.message.len - done;
        bool is_last = left <= most;
        size_t part;

        at = parsed.message.at + done;
        part = is_last ? left : whole_characters(landing->text + at, most);
        turn.head.flags = !is_last || done > 0 || landing->header->was_cut ? LB_RECORD_CUT : 0;
        memcpy(datagrams->copy, landing->text + at,
               part); /* the steps may change it, and it may come again */
        if (!lb_records_message(&turn, datagrams->copy, part, parsed.severity,
                                extra.has_syslog ? &extra : NULL))
            return false;
        lb_landing_take(landing, part, is_last);
        lb_records_publish(&turn);
    } while (lb_landing_is_live(landing));
    datagrams->stream_off += len;
    lb_landing_clear(landing);
    __atomic_fetch_add(&datagrams->taken, 1, __ATOMIC_RELAXED);
    return true;
}

/* ---- the queue ---- */

static void listen_to(struct lb_capture *capture, bool is_wanted)
{
    struct lb_datagrams *datagrams = &capture->datagrams;

    if (datagrams->is_waiting != is_wanted)
        return;
    datagrams->is_waiting = !is_wanted;
    for (unsigned i = 0; i < datagrams->count; i++)
        lb_loop_change(capture->loop, &datagrams->watch[i], is_wanted ? EPOLLIN : 0);
}

/* Take what is queued at one socket. Returns when it is empty, has had its turn, or the ring has no room. */
static void drain(struct lb_capture *capture, int fd)
{
    struct lb_datagrams *datagrams = &capture->datagrams;

    for (unsigned i = 0; i < DATAGRAMS_A_TURN; i++) {
        int rc = lb_landing_is_live(&datagrams->landing)
                     ? 0
                     : lb_landing_receive(&datagrams->landing, fd, capture->loop->now_ns);

        if (rc == -EINTR)
            continue;
        if (rc < 0) {
            if (rc != -EAGAIN)
                lb_log(LB_LEVEL_WARNING, "cannot receive on syslog.sock: %s", strerror(-rc));
            return;
        }
        if (!take(capture)) {
            listen_to(capture, false);
            return;
        }
    }
}

static void on_datagram(void *arg, uint32_t events)
{
    struct lb_datagram_watch *watch = arg;

    (void)events;
    drain(watch->capture, watch->fd);
}

void lb_datagrams_resume(struct lb_capture *capture)
{
    struct lb_datagrams *datagrams = &capture->datagrams;

    if (datagrams->count == 0 || !datagrams->is_waiting)
        return;
    if (datagrams->stream.is_stalled) {
        datagrams->stream.is_stalled = false;
        capture->stalled_count--;
    }
    if (lb_landing_is_live(&datagrams->landing) && !take(capture))
        return;
    listen_to(capture, true);
}

void lb_datagrams_drain(struct lb_capture *capture)
{
    struct lb_datagrams *datagrams = &capture->datagrams;

    for (unsigned i = 0; i < datagrams->count && !datagrams->is_waiting; i++)
        drain(capture, datagrams->watch[i].fd);
}

/* ---- sockets ---- */

/* How many datagrams a socket holds is decided when it is made: ten are few where a sender waits at the
 * eleventh. */
static void raise_queue_length(struct lb_datagrams *datagrams)
{
    char text[32] = "";
    int fd = open(QUEUE_LENGTH_FILE, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    datagrams->queue_length = got > 0 ? strtoull(text, NULL, 10) : 0;
    if (got <= 0 || datagrams->queue_length >= QUEUE_WANTED)
        return;
    fd = open(QUEUE_LENGTH_FILE, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && dprintf(fd, "%d\n", QUEUE_WANTED) > 0)
        datagrams->queue_length = QUEUE_WANTED;
    else
        lb_log(LB_LEVEL_WARNING,
               "syslog.sock: only %llu datagrams can queue, then senders wait; raise net.unix.max_dgram_qlen",
               (unsigned long long)datagrams->queue_length);
    if (fd >= 0)
        close(fd);
}

static int watch_socket(struct lb_capture *capture, int fd)
{
    struct lb_datagrams *datagrams = &capture->datagrams;
    unsigned i = datagrams->count;
    int one = 1, bytes = RECEIVE_BYTES, rc;

    if (i == LB_DATAGRAM_SOCKETS)
        return -ENOSPC;
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof one) != 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes); /* as far as it may; the queue counts */
    datagrams->arg[i] = (struct lb_datagram_watch) { capture, fd };
    datagrams->watch[i] = (struct lb_watch) { fd, on_datagram, &datagrams->arg[i] };
    rc = lb_loop_add(capture->loop, &datagrams->watch[i], EPOLLIN);
    if (rc == 0)
        datagrams->count++;
    return rc;
}

static int bind_own(struct lb_capture *capture, int dir_fd)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

    if (fd < 0)
        return -errno;
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/syslog.sock", dir_fd);
    unlinkat(dir_fd, "syslog.sock", 0);
    rc = bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
                 fchmodat(dir_fd, "syslog.sock", 0666, 0) != 0
             ? -errno
             : watch_socket(capture, fd);
    if (rc < 0)
        close(fd);
    return rc;
}

static bool is_datagram_socket(int fd)
{
    int type = 0, domain = 0;
    socklen_t len = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_DGRAM &&
           getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

/* What systemd passes, as logboom-syslog.socket has it: what waits in its queue survives us. */
static void take_passed(struct lb_capture *capture)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    long count = fds ? strtol(fds, NULL, 10) : 0;

    if (!pid || strtol(pid, NULL, 10) != getpid())
        return;
    for (int fd = FIRST_PASSED_FD; fd < FIRST_PASSED_FD + count && count <= LB_DATAGRAM_SOCKETS; fd++) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (is_datagram_socket(fd) && watch_socket(capture, fd) == 0)
            capture->datagrams.passed++;
        else
            lb_log(LB_LEVEL_WARNING, "descriptor %d was passed and is no unix datagram socket: not used", fd);
    }
}

void lb_capture_datagrams(const struct lb_capture *capture, struct lb_datagram_view *ret_view)
{
    const struct lb_datagrams *datagrams = &capture->datagrams;

    /* All but what is read like this stands still once the threads run. */
    *ret_view = (struct lb_datagram_view) { __atomic_load_n(&datagrams->count, __ATOMIC_RELAXED),
                                            datagrams->passed, datagrams->queue_length,
                                            __atomic_load_n(&datagrams->taken, __ATOMIC_RELAXED) };
}

int lb_datagrams_start(struct lb_capture *capture, int dir_fd)
{
    struct lb_datagrams *datagrams = &capture->datagrams;
    int rc;

    datagrams->count = 0;
    if (!capture->config->has_syslog) {
        unlinkat(dir_fd, "syslog.sock", 0);
        return 0;
    }
    datagrams->copy = malloc(LB_LANDING_BYTES); /* touched only as far as texts reach */
    if (!datagrams->copy)
        return -ENOMEM;
    rc = lb_landing_open(dir_fd, capture->config->ring_lock, &capture->state->fast, &datagrams->landing);
    if (rc < 0)
        return rc;
    datagrams->stream = (struct lb_stream) { .capture = capture, .name = &datagrams->name, .watch.fd = -1 };
    if (getrandom(&datagrams->stream_id, sizeof datagrams->stream_id, GRND_NONBLOCK) < 0)
        datagrams->stream_id = lb_clock_boot_ns();
    raise_queue_length(datagrams);
    rc = bind_own(capture, dir_fd);
    if (rc < 0)
        return rc;
    take_passed(capture);
    if (lb_landing_recover(&datagrams->landing) && !take(capture))
        listen_to(capture, false);
    return 0;
}

void lb_datagrams_stop(struct lb_capture *capture)
{
    struct lb_datagrams *datagrams = &capture->datagrams;

    for (unsigned i = 0; i < datagrams->count; i++) {
        lb_loop_remove(capture->loop, &datagrams->watch[i]);
        close(datagrams->watch[i].fd);
    }
    __atomic_store_n(&datagrams->count, 0, __ATOMIC_RELAXED);
    if (datagrams->landing.header)
        lb_landing_close(&datagrams->landing);
    free(datagrams->copy);
    datagrams->copy = NULL;
}
