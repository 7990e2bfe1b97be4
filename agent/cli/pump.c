/* SPDX-License-Identifier: MIT */
/*
 * The pump of `logboom pipe`. In: standard input, whatever it is. Out: the same
 * bytes in a pipe, and on standard output when asked for. Always true: the log
 * comes first; a reader of the copy who leaves takes nothing from it.
 *
 *     app --> stdin --> pump --> our pipe --> agent
 *                        `-----> stdout             (--tee)
 */
#include "agent/cli/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/cli/cli.h"

#define PUMP_BYTES 65536 /* a pipe's usual size: one turn empties or fills one */

static void pump(int out_fd, bool wants_copy)
{
    char bytes[PUMP_BYTES];
    bool wants_log = true;

    while (wants_log || wants_copy) {
        ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);

        if (n < 0 && errno == EAGAIN) {
            struct pollfd ready = { .fd = STDIN_FILENO, .events = POLLIN };

            poll(&ready, 1, -1);
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        wants_log = wants_log && lb_cli_write_all(out_fd, bytes, (size_t)n) == 0;
        wants_copy = wants_copy && lb_cli_write_all(STDOUT_FILENO, bytes, (size_t)n) == 0;
    }
}

static void set_signals(void)
{
    struct stat input;

    signal(SIGPIPE, SIG_IGN); /* whoever leaves, the other reader goes on */
    if (fstat(STDIN_FILENO, &input) != 0 || !S_ISFIFO(input.st_mode))
        return;
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
}

/* 0 | -errno */
static int leave_to_pump(bool wants_copy)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int error = 0;

    if (fd < 0 || dup2(fd, STDIN_FILENO) < 0 || (wants_copy && dup2(fd, STDOUT_FILENO) < 0))
        error = -errno;
    if (fd >= 0)
        close(fd);
    return error;
}

int lb_pump_start(bool wants_copy, int *ret_pipe_fd, pid_t *ret_pid)
{
    int ends[2], error;
    sigset_t asked, before;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    sigemptyset(&asked);
    sigaddset(&asked, SIGINT);
    sigaddset(&asked, SIGHUP);
    sigaddset(&asked, SIGTERM);
    sigprocmask(SIG_BLOCK, &asked, &before); /* until the pump has said what it heeds */
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        set_signals();
        sigprocmask(SIG_SETMASK, &before, NULL);
        pump(ends[1], wants_copy);
        _exit(0);
    }
    error = pid < 0 ? -errno : leave_to_pump(wants_copy);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    if (error != 0) {
        close(ends[0]);
        return error;
    }
    *ret_pipe_fd = ends[0];
    *ret_pid = pid;
    return 0;
}
