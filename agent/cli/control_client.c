/* SPDX-License-Identifier: MIT */
/*
 * One question to the agent, one answer. In: a request line. Out: the answer's
 * body on stdout or in a file, its verdict as exit code. Always true: nothing
 * here outlasts the time-out, except a stdout that nobody reads.
 */
#include "agent/cli/control_client.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "common/clock.h"
#include "common/proto.h"

#define CONNECT_RETRY_MS 20  /* the agent's queue of connections is full: look again after this */
#define VERDICT_MAX      512 /* bytes of the answer's first line that are kept */

struct question {
    int socket_fd;
    int out_fd, out_error; /* where the body goes, and what became of that */
    uint64_t until_ns;
    bool has_verdict; /* the first line is complete */
    size_t verdict_len;
    char verdict[VERDICT_MAX];
};

/* Milliseconds left, rounded up; 0 when the time is over. */
static int left_ms(const struct question *question)
{
    uint64_t now_ns = lb_clock_boot_ns();

    if (now_ns >= question->until_ns)
        return 0;
    return (int)((question->until_ns - now_ns + LB_NS_PER_MS - 1) / LB_NS_PER_MS);
}

/* 0 | -errno */
static int connect_in_time(struct question *question, const struct sockaddr_un *address)
{
    int error;

    question->socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (question->socket_fd < 0)
        return -errno;
    while (connect(question->socket_fd, (const struct sockaddr *)address, sizeof *address) != 0) {
        error = -errno;
        if (error != -EAGAIN || left_ms(question) == 0)
            return error;
        poll(NULL, 0, CONNECT_RETRY_MS);
    }
    return 0;
}

/* 0 | -errno; -ETIMEDOUT */
static int wait_for(const struct question *question, short events)
{
    struct pollfd ready = { .fd = question->socket_fd, .events = events };
    int n = poll(&ready, 1, left_ms(question));

    if (n < 0 && errno != EINTR)
        return -errno;
    return n == 0 ? -ETIMEDOUT : 0;
}

/* 0 | -errno */
static int send_request(const struct question *question, const char *request)
{
    char line[LB_CONTROL_LINE_MAX + 1];
    size_t len = (size_t)snprintf(line, sizeof line, "%s\n", request);

    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(question->socket_fd, line + sent, len - sent, MSG_NOSIGNAL);
        int error = n < 0 ? -errno : 0;

        if (error == -EAGAIN)
            error = wait_for(question, POLLOUT);
        if (error != 0)
            return error;
        sent += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Part the first line from the body, which goes out; that of an error is not there. 0 | -EIO it cannot be
 * written */
static int take_answer(struct question *question, const char *bytes, size_t len)
{
    if (!question->has_verdict) {
        const char *lf = memchr(bytes, '\n', len);
        size_t line = lf ? (size_t)(lf - bytes) : len;
        size_t room = VERDICT_MAX - 1 - question->verdict_len;
        size_t kept = line < room ? line : room;

        memcpy(question->verdict + question->verdict_len, bytes, kept);
        question->verdict_len += kept;
        question->has_verdict = lf != NULL;
        bytes += line + (lf ? 1 : 0);
        len -= line + (lf ? 1 : 0);
    }
    question->out_error = lb_cli_write_all(question->out_fd, bytes, len);
    return question->out_error == 0 ? 0 : -EIO;
}

/* Read to the answer's end. 0 | -errno; -EIO it cannot be written */
static int read_answer(struct question *question)
{
    char bytes[4096];

    for (;;) {
        ssize_t n = recv(question->socket_fd, bytes, sizeof bytes, 0);
        int error = n < 0 ? -errno : 0;

        if (n == 0)
            return question->verdict_len > 0 ? 0 : -ECONNRESET;
        if (n > 0)
            error = take_answer(question, bytes, (size_t)n);
        else if (error == -EAGAIN)
            error = wait_for(question, POLLIN);
        else if (error == -EINTR)
            error = 0;
        if (error != 0)
            return error;
    }
}

static int judge(const struct question *question)
{
    const char *text = question->verdict;

    if (strcmp(text, "ok") == 0)
        return LB_EXIT_DONE;
    if (strncmp(text, "error ", 6) == 0)
        text += 6;
    lb_cli_say("%s", text);
    return LB_EXIT_FAILED;
}

int lb_control_ask(const char *request, uint64_t timeout_ms)
{
    int error;

    return lb_control_ask_to(request, timeout_ms, STDOUT_FILENO, &error);
}

int lb_control_ask_to(const char *request, uint64_t timeout_ms, int out_fd, int *ret_error)
{
    struct question question = { .socket_fd = -1,
                                 .out_fd = out_fd,
                                 .until_ns = lb_clock_boot_ns() + timeout_ms * LB_NS_PER_MS };
    struct sockaddr_un address;
    int code, error;

    signal(SIGPIPE, SIG_IGN); /* a closed stdout is an exit code, not a death */
    error = lb_cli_socket_address("control.sock", &address);
    if (error == 0)
        error = connect_in_time(&question, &address);
    if (error == 0)
        error = send_request(&question, request);
    if (error == 0)
        error = read_answer(&question);
    code = LB_EXIT_NO_AGENT;
    if (error == 0)
        code = judge(&question);
    else if (error == -EIO)
        code = LB_EXIT_FAILED;
    else if (error == -ETIMEDOUT)
        lb_cli_say("the agent at %s did not answer in time", address.sun_path);
    else
        lb_cli_say("cannot reach the agent at %s: %s%s", address.sun_path, strerror(-error),
                   lb_cli_reach_hint(error));
    if (question.socket_fd >= 0)
        close(question.socket_fd);
    *ret_error = question.out_error;
    return code;
}
