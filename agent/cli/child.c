/* SPDX-License-Identifier: MIT */
/*
 * The command of `logboom run`. In: its arguments. Out: a process, or why there
 * is none. Always true: the parent knows which of the two, by a pipe that
 * closes at exec or carries the errno.
 */
#include "agent/cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/cli/cli.h"

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

bool lb_child_has_ended(pid_t pid, int *ret_code)
{
    siginfo_t info = { 0 };

    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != pid)
        return false;
    *ret_code = info.si_code == CLD_EXITED ? info.si_status : LB_EXIT_SIGNAL + info.si_status;
    return true;
}
