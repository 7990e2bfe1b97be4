/* SPDX-License-Identifier: MIT */
/*
 * One stream on its way to the agent (states: intake_client.h).
 *
 * In: the app's pipe, the agent's messages, the time. Out: the pipe itself, in
 * the agent's hands; what was drained meanwhile, exactly once.
 *
 * Always true: see the header. Exactly once comes from two rules. A drained
 * byte is kept until the agent says that it is committed (common/drain.c). And
 * there is one reader at a time: we hang up only before PIPE is sent, after
 * that only the agent's end decides.
 */
#include "agent/cli/intake_client.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "common/clock.h"

#define BACKOFF_MIN_NS (20 * LB_NS_PER_MS)
#define BACKOFF_MAX_NS (250 * LB_NS_PER_MS) /* an agent that comes and goes must be met while it is there */
#define LOOK_NS        (50 * LB_NS_PER_MS) /* how full is the pipe? Asked this often while there is no agent */
#define LOOK_BUSY_NS   (5 * LB_NS_PER_MS)  /* its writer is fast: it was half full at the last look */
#define TELL_AFTER_NS \
    (1 * LB_NS_PER_S) /* a restart of the agent is shorter than this, and not worth a message */

struct lb_intake {
    struct lb_intake_source source;
    uint64_t stream_id;
    struct lb_drain *drain;
    enum lb_intake_phase phase;
    int socket_fd;
    bool is_out_of_room; /* the last send found the socket full */
    bool has_hung_up;
    bool is_absence_told;
    int last_error;                            /* why the agent was not reached */
    char last_reason[LB_PROTO_REASON_MAX + 1]; /* of the last REFUSED that was told */
    uint64_t backoff_ns;
    uint64_t retry_ns;    /* AWAY: connect then */
    uint64_t look_ns;     /* AWAY, GREETING: look at the pipe then */
    uint64_t deadline_ns; /* GREETING, SENDING: hang up then */
    uint64_t away_ns;     /* since when there is no agent */
};

int lb_intake_open(const struct lb_intake_source *source, uint64_t now_ns, struct lb_intake **ret_intake)
{
    struct lb_intake *intake = calloc(1, sizeof *intake);
    int rc = -ENOMEM;

    if (!intake)
        return rc;
    intake->source = *source;
    intake->socket_fd = -1;
    intake->backoff_ns = BACKOFF_MIN_NS;
    intake->retry_ns = intake->away_ns = now_ns;
    intake->look_ns = now_ns + LOOK_NS; /* an agent that is there answers before we touch the pipe */
    while (intake->stream_id == 0)
        if (getrandom(&intake->stream_id, sizeof intake->stream_id, 0) < 0 && errno != EINTR) {
            rc = -errno;
            goto free_intake;
        }
    rc = lb_drain_open(LB_DRAIN_BYTES, &intake->drain);
    if (rc != 0)
        goto free_intake;
    *ret_intake = intake;
    return 0;
free_intake:
    free(intake);
    return rc;
}

void lb_intake_close(struct lb_intake *intake)
{
    if (!intake)
        return;
    if (intake->socket_fd >= 0)
        close(intake->socket_fd);
    lb_drain_close(intake->drain);
    free(intake);
}

enum lb_intake_phase lb_intake_phase(const struct lb_intake *intake)
{
    return intake->phase;
}

uint64_t lb_intake_stream_id(const struct lb_intake *intake)
{
    return intake->stream_id;
}

bool lb_intake_has_hung_up(const struct lb_intake *intake)
{
    struct pollfd pipe = { .fd = intake->source.pipe_fd };

    return poll(&pipe, 1, 0) == 1 && (pipe.revents & POLLHUP);
}

/* ---- the pipe, while there is no agent ---- */

/*
 * Move what is in the pipe now, and no more, into the drain. By way of a pipe
 * of our own, because splice(2) is what cannot block on the app's pipe, whoever
 * else reads it and whatever flags its description has.
 */
static void drain_pipe(struct lb_intake *intake, size_t bytes, uint64_t now_ns)
{
    char piece[LB_PROTO_DATA_MAX];
    int own[2];

    if (pipe2(own, O_CLOEXEC | O_NONBLOCK) != 0)
        return; /* out of descriptors or memory: at the next look, perhaps */
    while (bytes > 0) {
        ssize_t moved = splice(intake->source.pipe_fd, NULL, own[1], NULL,
                               bytes < sizeof piece ? bytes : sizeof piece, SPLICE_F_NONBLOCK);
        ssize_t n = moved > 0 ? read(own[0], piece, sizeof piece) : 0;

        if (n <= 0)
            break;
        (void)lb_drain_add(intake->drain, piece, (size_t)n,
                           now_ns); /* no memory: counted there, and the app lives */
        bytes -= (size_t)n < bytes ? (size_t)n : bytes;
    }
    close(own[0]);
    close(own[1]);
}

/* Bytes in the pipe now. */
static size_t pipe_fill(const struct lb_intake *intake)
{
    int bytes = 0;

    return ioctl(intake->source.pipe_fd, FIONREAD, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

/* Keep the app from waiting: a pipe a quarter full is drained. What nobody writes any more can stay in it. */
static void look_at_pipe(struct lb_intake *intake, uint64_t now_ns)
{
    int size_bytes = fcntl(intake->source.pipe_fd, F_GETPIPE_SZ);
    size_t fill = pipe_fill(intake);

    intake->look_ns = now_ns + LOOK_NS;
    intake->has_hung_up = lb_intake_has_hung_up(intake);
    if (intake->has_hung_up)
        intake->look_ns = LB_NEVER_NS;
    else if (size_bytes > 0 && fill * 4 >= (size_t)size_bytes)
        drain_pipe(intake, fill, now_ns);
    if (!intake->has_hung_up && fill * 2 >= (size_t)size_bytes)
        intake->look_ns = now_ns + LOOK_BUSY_NS;
}

uint64_t lb_intake_give_up(struct lb_intake *intake, uint64_t now_ns)
{
    struct lb_drain_count kept, lost;

    drain_pipe(intake, pipe_fill(intake), now_ns);
    lb_drain_count(intake->drain, &kept, &lost);
    return kept.lines + lost.lines;
}

/* ---- coming and going of the agent ---- */

/* Somewhere in the upper half of the backoff, so that a thousand clients do not come in step. */
static uint64_t jittered(uint64_t backoff_ns)
{
    uint32_t random = 0;

    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = UINT32_MAX / 2;
    return backoff_ns / 2 + backoff_ns / 2 * random / UINT32_MAX;
}

/* There is no agent (any more): wait for the next one. */
static void go_away(struct lb_intake *intake, int error, uint64_t now_ns)
{
    if (intake->socket_fd >= 0)
        close(intake->socket_fd);
    intake->socket_fd = -1;
    if (intake->phase >= LB_INTAKE_HANDING) {
        intake->away_ns = now_ns;
        intake->look_ns = now_ns;
    } else if (intake->phase == LB_INTAKE_SENDING) {
        intake->look_ns = now_ns;
    }
    intake->phase = LB_INTAKE_AWAY;
    intake->is_out_of_room = false;
    intake->last_error = error;
    intake->retry_ns = now_ns + jittered(intake->backoff_ns);
    intake->backoff_ns = intake->backoff_ns * 2 < BACKOFF_MAX_NS ? intake->backoff_ns * 2 : BACKOFF_MAX_NS;
}

static void tell_absence(struct lb_intake *intake, uint64_t now_ns)
{
    struct sockaddr_un address;

    if (intake->is_absence_told || now_ns - intake->away_ns < TELL_AFTER_NS)
        return;
    intake->is_absence_told = true;
    if (intake->last_reason[0] != '\0')
        return;                                           /* refused, which was told */
    (void)lb_cli_socket_address("intake.sock", &address); /* when too long, its beginning is told */
    lb_cli_say("no agent at %s: %s%s; keeping the newest lines and trying again", address.sun_path,
               strerror(-intake->last_error), lb_cli_reach_hint(intake->last_error));
}

static void greet(struct lb_intake *intake, uint64_t now_ns)
{
    int error;

    intake->socket_fd = lb_intake_link_connect();
    if (intake->socket_fd < 0) {
        go_away(intake, intake->socket_fd, now_ns);
        return;
    }
    error = lb_intake_link_send_hello(intake->socket_fd, &intake->source, intake->stream_id);
    if (error != 0) {
        go_away(intake, error, now_ns);
        return;
    }
    intake->phase = LB_INTAKE_GREETING;
    intake->deadline_ns = now_ns + LB_PROTO_HANDSHAKE_MS * LB_NS_PER_MS;
}

/* Send as much of the buffer as the window and the socket take; then the pipe. */
static void send_on(struct lb_intake *intake, uint64_t now_ns)
{
    struct lb_drain_piece piece;
    int error = 0;

    while (error == 0 && lb_drain_next(intake->drain, &piece)) {
        error = lb_intake_link_send_data(intake->socket_fd, &piece);
        if (error == 0)
            lb_drain_sent(intake->drain);
    }
    if (error == 0 && lb_drain_is_sent(intake->drain)) {
        error = lb_intake_link_send_pipe(intake->socket_fd, intake->source.pipe_fd);
        if (error == 0)
            intake->phase = LB_INTAKE_HANDING;
    }
    intake->is_out_of_room = error == -EAGAIN;
    if (error != 0 && error != -EAGAIN)
        go_away(intake, error, now_ns);
}

/* ---- messages ---- */

static void on_welcome(struct lb_intake *intake, const struct lb_intake_answer *answer, uint64_t now_ns)
{
    lb_drain_welcome(intake->drain, answer->taken_bytes);
    intake->phase = LB_INTAKE_SENDING;
    intake->deadline_ns = now_ns + LB_PROTO_HANDSHAKE_MS * LB_NS_PER_MS;
    send_on(intake, now_ns);
}

static void on_taken(struct lb_intake *intake, const struct lb_intake_answer *answer, uint64_t now_ns)
{
    lb_drain_taken(intake->drain, answer->taken_bytes);
#ifdef __GLIBC__ /* others give back what is freed by themselves */
    if (lb_drain_is_empty(intake->drain))
        malloc_trim(0); /* back to the size of a client that never drained */
#endif
    if (intake->phase != LB_INTAKE_SENDING)
        return;
    intake->deadline_ns = now_ns + LB_PROTO_HANDSHAKE_MS * LB_NS_PER_MS;
    send_on(intake, now_ns);
}

static void on_reading(struct lb_intake *intake, const struct lb_intake_answer *answer, uint64_t now_ns)
{
    (void)answer;
    (void)now_ns;
    if (intake->is_absence_told && !intake->source.is_quiet)
        lb_cli_say("the agent reads the pipe");
    intake->is_absence_told = false;
    intake->last_reason[0] = '\0';
    intake->backoff_ns = BACKOFF_MIN_NS;
    intake->phase = LB_INTAKE_READING;
}

static void on_end(struct lb_intake *intake, const struct lb_intake_answer *answer, uint64_t now_ns)
{
    (void)answer;
    (void)now_ns;
    intake->phase = LB_INTAKE_ENDED;
}

/* Perhaps it refuses only now (too many streams, the pipe is being read): no less, and no more, than no
 * agent. */
static void on_refused(struct lb_intake *intake, const struct lb_intake_answer *answer, uint64_t now_ns)
{
    if (strcmp(intake->last_reason, answer->reason) != 0)
        lb_cli_say("the agent refuses the stream: %s; trying again", answer->reason);
    memcpy(intake->last_reason, answer->reason, sizeof intake->last_reason);
    intake->is_absence_told = true;
    go_away(intake, -ECONNREFUSED, now_ns);
}

/*
 * What a message does in a phase. An empty cell is a message out of order:
 * before PIPE we hang up on such an agent; after it we must not, it reads.
 */
static void (*const handlers[LB_INTAKE_PHASE_COUNT][LB_PROTO_EXIT + 1])(struct lb_intake *,
                                                                        const struct lb_intake_answer *,
                                                                        uint64_t) = {
    [LB_INTAKE_GREETING] = { [LB_PROTO_WELCOME] = on_welcome, [LB_PROTO_REFUSED] = on_refused },
    [LB_INTAKE_SENDING] = { [LB_PROTO_TAKEN] = on_taken, [LB_PROTO_REFUSED] = on_refused },
    [LB_INTAKE_HANDING] = { [LB_PROTO_TAKEN] = on_taken,
                            [LB_PROTO_READING] = on_reading,
                            [LB_PROTO_END] = on_end,
                            [LB_PROTO_REFUSED] = on_refused },
    [LB_INTAKE_READING] = { [LB_PROTO_TAKEN] = on_taken,
                            [LB_PROTO_END] = on_end,
                            [LB_PROTO_REFUSED] = on_refused },
};

static void receive_all(struct lb_intake *intake, uint64_t now_ns)
{
    while (intake->phase > LB_INTAKE_AWAY && intake->phase < LB_INTAKE_ENDED) {
        struct lb_intake_answer answer;
        int error = lb_intake_link_receive(intake->socket_fd, &answer);

        if (error == -EAGAIN)
            return;
        if (error == -ECONNRESET)
            go_away(intake, error, now_ns);
        else if (error == 0 && handlers[intake->phase][answer.type])
            handlers[intake->phase][answer.type](intake, &answer, now_ns);
        else if (intake->phase < LB_INTAKE_HANDING)
            go_away(intake, error != 0 ? error : -EPROTO, now_ns);
    }
}

/* ---- turns ---- */

static void turn(struct lb_intake *intake, uint64_t now_ns)
{
    receive_all(intake, now_ns);
    if (intake->phase == LB_INTAKE_SENDING && intake->is_out_of_room)
        send_on(intake, now_ns);
    if (intake->phase == LB_INTAKE_GREETING || intake->phase == LB_INTAKE_SENDING)
        if (now_ns >= intake->deadline_ns)
            go_away(intake, -ETIMEDOUT, now_ns);
    if (intake->phase == LB_INTAKE_AWAY && now_ns >= intake->retry_ns)
        greet(intake, now_ns);
    if (intake->phase <= LB_INTAKE_GREETING && now_ns >= intake->look_ns)
        look_at_pipe(intake, now_ns);
    if (intake->phase == LB_INTAKE_AWAY)
        tell_absence(intake, now_ns);
}

/* What to poll for. Returns when to wake at the latest. */
static uint64_t watch(const struct lb_intake *intake, struct pollfd *socket, struct pollfd *pipe)
{
    bool has_deadline = intake->phase == LB_INTAKE_GREETING || intake->phase == LB_INTAKE_SENDING;
    uint64_t wake_ns = has_deadline ? intake->deadline_ns : LB_NEVER_NS;

    *socket = (struct pollfd) { .fd = intake->phase == LB_INTAKE_ENDED ? -1 : intake->socket_fd,
                                .events = POLLIN | (intake->is_out_of_room ? POLLOUT : 0) };
    *pipe = (struct pollfd) { .fd = -1 }; /* its end is what wakes us; poll tells it unasked */
    if (intake->phase <= LB_INTAKE_GREETING && !intake->has_hung_up)
        pipe->fd = intake->source.pipe_fd;
    if (intake->phase == LB_INTAKE_AWAY && intake->retry_ns < wake_ns)
        wake_ns = intake->retry_ns;
    if (intake->phase <= LB_INTAKE_GREETING && intake->look_ns < wake_ns)
        wake_ns = intake->look_ns;
    return wake_ns;
}

/* Rounded up, so that it is time when poll comes back; far off is cut, which costs a wake-up in three weeks.
 */
static int ms_until(uint64_t until_ns, uint64_t now_ns)
{
    uint64_t ms = until_ns <= now_ns ? 0 : (until_ns - now_ns + LB_NS_PER_MS - 1) / LB_NS_PER_MS;

    return ms < INT_MAX ? (int)ms : INT_MAX;
}

bool lb_intake_wait(struct lb_intake *const *intakes, size_t count, int signal_fd, uint64_t until_ns)
{
    struct pollfd fds[1 + 2 * 2] = { { .fd = signal_fd, .events = POLLIN } };
    uint64_t now_ns = lb_clock_boot_ns();
    int timeout_ms = -1;

    for (size_t i = 0; i < count; i++) {
        uint64_t wake_ns = watch(intakes[i], &fds[1 + 2 * i], &fds[2 + 2 * i]);

        until_ns = wake_ns < until_ns ? wake_ns : until_ns;
    }
    if (until_ns != LB_NEVER_NS)
        timeout_ms = ms_until(until_ns, now_ns);
    if (poll(fds, (nfds_t)(1 + 2 * count), timeout_ms) < 0)
        return false;
    now_ns = lb_clock_boot_ns();
    for (size_t i = 0; i < count; i++) {
        if (fds[2 + 2 * i].revents & POLLHUP)
            intakes[i]->look_ns = now_ns;
        turn(intakes[i], now_ns);
    }
    return fds[0].revents & POLLIN;
}

void lb_intake_leave(struct lb_intake *intake)
{
    struct lb_intake_answer unread;

    if (intake->phase != LB_INTAKE_READING)
        return;
    (void)lb_intake_link_send_bye(intake->socket_fd); /* gone already: nobody to say it to */
    while (lb_intake_link_receive(intake->socket_fd, &unread) == 0)
        ; /* a close with unread messages would be a reset, and could overtake BYE */
}
