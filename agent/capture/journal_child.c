/* SPDX-License-Identifier: MIT */
/*
 * journalctl as a child. In: its arguments. Out: a process and two pipes, or why there is none. Always true:
 * the parent knows which of the two, by a pipe that closes at exec or carries the errno; no child outlives
 * us.
 */
#include "agent/capture/journal_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NICE 5 /* behind the services whose entries it reads */

/* Between fork and exec, in a process that had threads: nothing here allocates or takes a lock. */
_Noreturn static void become(char *const *argv, pid_t parent, int out_fd, int err_fd, int status_fd)
{
    sigset_t none;
    int error = 0, null_fd = open("/dev/null", O_RDONLY);

    sigemptyset(&none);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) /* it may have died before that */
        _exit(1);
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    signal(SIGPIPE, SIG_DFL);
    if (null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 && dup2(out_fd, STDOUT_FILENO) >= 0 &&
        dup2(err_fd, STDERR_FILENO) >= 0 && sigprocmask(SIG_SETMASK, &none, NULL) == 0)
        execvp(argv[0], argv);
    error = errno;
    if (write(status_fd, &error, sizeof error) < 0)
        _exit(2);
    _exit(1);
}

static int read_status(int fd)
{
    int error = 0;
    ssize_t got;

    do
        got = read(fd, &error, sizeof error);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof error ? -error : 0;
}

static void close_pair(const int *pair)
{
    close(pair[0]);
    close(pair[1]);
}

static int start(char *const *argv, const int *out, const int *err, pid_t *ret_pid)
{
    int status[2], rc = 0;
    pid_t parent = getpid(), pid;

    if (pipe2(status, O_CLOEXEC) != 0)
        return -errno;
    pid = fork();
    if (pid == 0)
        become(argv, parent, out[1], err[1], status[1]);
    if (pid < 0)
        rc = -errno;
    close(status[1]);
    if (rc == 0)
        rc = read_status(status[0]);
    close(status[0]);
    if (rc < 0 && pid > 0)
        waitpid(pid, NULL, 0);
    *ret_pid = pid;
    return rc;
}

int lb_journal_child_start(char *const *argv, struct lb_journal_child *ret_child)
{
    int out[2], err[2], rc;
    pid_t pid = 0;

    if (pipe2(out, O_CLOEXEC) != 0)
        return -errno;
    if (pipe2(err, O_CLOEXEC) != 0) {
        rc = -errno;
        close_pair(out);
        return rc;
    }
    rc = start(argv, out, err, &pid);
    if (rc < 0) {
        close_pair(out);
        close_pair(err);
        return rc;
    }
    close(out[1]);
    close(err[1]);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    *ret_child = (struct lb_journal_child) { pid, out[0], err[0] };
    return 0;
}

void lb_journal_child_end(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
