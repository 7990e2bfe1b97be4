/* SPDX-License-Identifier: MIT */
/*
 * The program's own log. In: a level and a message. Out: one line on stderr,
 * or a count of lines that found no room. Always true: nobody waits here, and
 * a message is one line, whatever bytes it was made of.
 *
 * Not to wait takes a different way for each kind of stderr, since O_NONBLOCK
 * belongs to the open file, which stderr shares with the shell and the app:
 *   socket (journald)  send() with MSG_DONTWAIT
 *   pipe, tty          opened anew through /proc/self/fd, non-blocking, for us alone; where that
 *                      is not allowed (a tty of another user), asked by poll() before each write
 *   file               written as it is
 * Writes to pipes are below PIPE_BUF, thus whole or not at all. The program
 * ignores SIGPIPE.
 */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log_limit.h"

#define LINE_MAX_BYTES 2048 /* a longer message is cut */

_Static_assert(LINE_MAX_BYTES + 256 <= PIPE_BUF,
               "a line and the one on held lines go out in one atomic write");

enum way { WAY_POLL = 0, WAY_OWN, WAY_SOCKET, WAY_FILE };

static struct {
    const char *program;
    _Atomic int level;
    bool is_journal;
    enum way way;
    int fd; /* WAY_OWN */
    struct lb_log_limit limit;
} this_log = { .program = "logboom", .level = LB_LEVEL_INFO, .fd = -1 };

/* systemd names the device and inode of the socket it gave; a service that has redirected stderr since has
 * another. */
static bool is_journal(const struct stat *st)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    char *end;

    if (!stream)
        return false;
    device = strtoull(stream, &end, 10);
    if (end == stream || *end != ':')
        return false;
    stream = end + 1;
    inode = strtoull(stream, &end, 10);
    return end != stream && *end == '\0' && device == st->st_dev && inode == st->st_ino;
}

static enum way find_way(const struct stat *st, int *ret_fd)
{
    if (S_ISSOCK(st->st_mode))
        return WAY_SOCKET;
    if (S_ISREG(st->st_mode))
        return WAY_FILE;
    *ret_fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return *ret_fd >= 0 ? WAY_OWN : WAY_POLL;
}

void lb_log_open(const char *program, enum lb_level level)
{
    struct stat st;

    if (this_log.fd >= 0)
        close(this_log.fd);
    this_log.fd = -1;
    this_log.program = program;
    this_log.way = WAY_POLL;
    this_log.is_journal = false;
    atomic_store(&this_log.level, level);
    if (fstat(STDERR_FILENO, &st) != 0)
        return;
    this_log.is_journal = is_journal(&st);
    this_log.way = find_way(&st, &this_log.fd);
}

void lb_log_set_level(enum lb_level level)
{
    atomic_store(&this_log.level, level);
}

static ssize_t write_now(const char *text, size_t len)
{
    struct pollfd stderr_room = { .fd = STDERR_FILENO, .events = POLLOUT };

    switch (this_log.way) {
    case WAY_SOCKET:
        return send(STDERR_FILENO, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    case WAY_OWN:
        return write(this_log.fd, text, len);
    case WAY_POLL:
        if (poll(&stderr_room, 1, 0) != 1 || !(stderr_room.revents & POLLOUT))
            return -1;
        return write(STDERR_FILENO, text, len);
    case WAY_FILE:
        return write(STDERR_FILENO, text, len);
    }
    return -1;
}

/* Append one line: prefix, text, newline; what would break the line becomes '?'. Gives the new length. */
__attribute__((format(printf, 5, 0))) static size_t add_line(char *buf, size_t used, size_t size,
                                                             enum lb_level level, const char *format,
                                                             va_list args)
{
    size_t start;

    if (this_log.is_journal)
        used += (size_t)snprintf(buf + used, size - used, "<%d>", level);
    else
        used +=
            (size_t)snprintf(buf + used, size - used, "%.64s: %s: ", this_log.program, lb_level_name(level));
    start = used;
    vsnprintf(buf + used, size - used - 1, format, args);
    used += strlen(buf + used);
    for (size_t i = start; i < used; i++)
        if (((unsigned char)buf[i] < ' ' && buf[i] != '\t') || buf[i] == 0x7f)
            buf[i] = '?';
    buf[used++] = '\n';
    return used;
}

__attribute__((format(printf, 5, 6))) static size_t add_text(char *buf, size_t used, size_t size,
                                                             enum lb_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    used = add_line(buf, used, size, level, format, args);
    va_end(args);
    return used;
}

void lb_log(enum lb_level level, const char *format, ...)
{
    char buf[LINE_MAX_BYTES + 256];
    int saved_errno = errno; /* the caller may still want to look at it */
    uint64_t held = 0;
    size_t used = 0;
    va_list args;

    if ((int)level > atomic_load(&this_log.level) ||
        !lb_log_limit_admit(&this_log.limit, level, lb_clock_boot_ns() / LB_NS_PER_MS, &held))
        return;
    if (held > 0)
        used = add_text(buf, 0, 256, LB_LEVEL_WARNING, "%" PRIu64 " messages were held back", held);
    errno = saved_errno; /* for %m */
    va_start(args, format);
    used = add_line(buf, used, used + LINE_MAX_BYTES, level, format, args);
    va_end(args);
    if (write_now(buf, used) < 0)
        lb_log_limit_hold(&this_log.limit, held + 1);
    errno = saved_errno;
}
