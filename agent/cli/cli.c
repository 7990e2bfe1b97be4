/* SPDX-License-Identifier: MIT */
/* Common to the subcommands. In: texts and errors. Out: lines on stderr, addresses. Keeps no state. */
#include "agent/cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/level.h"

#define DEFAULT_RUNTIME_DIR "/run/logboom"
#define SAY_MAX             512 /* bytes of one message: below PIPE_BUF, so that a ready pipe takes it whole */

__attribute__((format(printf, 1, 0))) static void say(const char *format, va_list args)
{
    char line[SAY_MAX];
    struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };
    size_t len;
    int n;

    n = getenv("JOURNAL_STREAM") ? snprintf(line, sizeof line, "<%d>logboom: ", LB_LEVEL_WARNING)
                                 : snprintf(line, sizeof line, "logboom: ");
    len = (size_t)n;
    n = vsnprintf(line + len, sizeof line - len - 1, format, args);
    if (n < 0)
        return;
    len += (size_t)n;
    if (len > sizeof line - 2)
        len = sizeof line - 2; /* cut: vsnprintf tells what it would have liked to write */
    line[len++] = '\n';
    if (poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) && write(STDERR_FILENO, line, len) < 0)
        return; /* there is nobody left to tell */
}

void lb_cli_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
}

int lb_cli_usage_error(const char *command, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
    lb_cli_say("'%s --help' tells how to use it", command);
    return LB_EXIT_USAGE;
}

int lb_cli_help_or_usage(int option, const char *command, const char *help)
{
    if (option == 'h')
        return lb_cli_write_all(STDOUT_FILENO, help, strlen(help)) == 0 ? LB_EXIT_DONE : LB_EXIT_FAILED;
    lb_cli_say("'%s --help' tells how to use it", command);
    return LB_EXIT_USAGE;
}

int lb_cli_socket_address(const char *name, struct sockaddr_un *ret_address)
{
    const char *dir = getenv("LOGBOOM_RUNTIME_DIR");
    int n;

    if (!dir || dir[0] == '\0')
        dir = DEFAULT_RUNTIME_DIR;
    *ret_address = (struct sockaddr_un) { .sun_family = AF_UNIX };
    n = snprintf(ret_address->sun_path, sizeof ret_address->sun_path, "%s/%s", dir, name);
    return n < 0 || (size_t)n >= sizeof ret_address->sun_path ? -ENAMETOOLONG : 0;
}

const char *lb_cli_reach_hint(int error)
{
    switch (-error) {
    case ENOENT:
    case ECONNREFUSED:
        return "; is logboomd running? LOGBOOM_RUNTIME_DIR names the directory where it is looked for";
    case EACCES:
    case EPERM:
        return "; be root, or in the group that the socket belongs to";
    case ENAMETOOLONG:
        return "; LOGBOOM_RUNTIME_DIR must name a shorter path";
    default:
        return "";
    }
}

int lb_cli_signal_fd(const int *signals, sigset_t *ret_before)
{
    sigset_t mask;
    int fd;

    sigemptyset(&mask);
    for (; *signals != 0; signals++)
        sigaddset(&mask, *signals);
    if (sigprocmask(SIG_BLOCK, &mask, ret_before) != 0)
        return -errno;
    fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int lb_cli_write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EAGAIN) { /* not our doing: the description is somebody else's too */
            struct pollfd ready = { .fd = fd, .events = POLLOUT };

            poll(&ready, 1, -1);
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}
