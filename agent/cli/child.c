/* SPDX-License-Identifier: MIT */
/*
 * The command of `logboom run`. In: its arguments. Out: a process, or why there
 * is none; and, in the end, what wait4(2) says of it. Always true: the parent
 * knows which of the two it is, by a pipe that closes at exec or carries the
 * errno; the command's own status is not lost among those of other children.
 */
#include "agent/cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "common/read_file.h"

_Noreturn static void become(char *const *argv, const sigset_t *mask, int out_fd, int err_fd, int status_fd)
{
    int error;

    if (dup2(out_fd, STDOUT_FILENO) >= 0 && dup2(err_fd, STDERR_FILENO) >= 0 &&
        sigprocmask(SIG_SETMASK, mask, NULL) == 0)
        execvp(argv[0], argv);
    error = errno;
    (void)lb_cli_write_all(status_fd, (const char *)&error, sizeof error); /* unread: the parent is dead */
    _exit(LB_EXIT_NOT_EXECUTABLE);
}

/* What the status pipe says. 0 exec worked | -errno */
static int read_status(int fd)
{
    int error = 0;
    ssize_t n;

    do
        n = read(fd, &error, sizeof error);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof error ? -error : 0;
}

int lb_child_start(char *const *argv, const sigset_t *mask, int out_fd, int err_fd, pid_t *ret_pid)
{
    int status[2], error;
    pid_t pid;

    if (pipe2(status, O_CLOEXEC) != 0)
        return -errno;
    pid = fork();
    if (pid == 0)
        become(argv, mask, out_fd, err_fd, status[1]);
    error = pid < 0 ? -errno : 0;
    close(status[1]);
    if (error == 0) {
        error = read_status(status[0]);
        if (error == 0)
            *ret_pid = pid;
        else
            waitpid(pid, NULL, 0);
    }
    close(status[0]);
    return error;
}

bool lb_child_reap_others(pid_t command)
{
    for (;;) {
        siginfo_t info = { 0 };

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
            return false;
        if (info.si_pid == command)
            return true;
        waitpid(info.si_pid, NULL, 0);
    }
}

/* Take the name of a process that has ended, as long as it is in /proc. */
static void go_by_name_of(pid_t pid)
{
    char path[32], name[32];
    size_t len;

    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    if (lb_read_file(path, name, sizeof name - 1, &len) != 0 || len < 2)
        return;
    name[len - 1] = '\0'; /* LF */
    prctl(PR_SET_NAME, name);
}

int lb_child_reap(pid_t command, int *ret_status, struct rusage *ret_usage)
{
    pid_t pid;

    go_by_name_of(command);
    do
        pid = wait4(command, ret_status, 0, ret_usage);
    while (pid < 0 && errno == EINTR);
    return pid < 0 ? -errno : 0;
}
