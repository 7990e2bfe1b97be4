/* SPDX-License-Identifier: MIT */
/* Who is at the other end of a pipe? In: its read end. Out: a pid. Reads /proc only; a process that goes
 * meanwhile is none. */
#include "agent/cli/writer.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool writes(long pid, const struct stat *pipe)
{
    char path[64];
    struct stat output;

    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
        snprintf(path, sizeof path, "/proc/%ld/fd/%d", pid, fd);
        if (stat(path, &output) == 0 && output.st_dev == pipe->st_dev && output.st_ino == pipe->st_ino)
            return true;
    }
    return false;
}

pid_t lb_writer_of(int pipe_fd)
{
    const struct dirent *entry;
    struct stat pipe;
    long found = 0;
    DIR *proc;

    if (fstat(pipe_fd, &pipe) != 0 || !S_ISFIFO(pipe.st_mode))
        return 0;
    proc = opendir("/proc");
    while (proc && (entry = readdir(proc))) {
        long pid = strtol(entry->d_name, NULL, 10);

        if (pid > 0 && pid != (long)getpid() && (found == 0 || pid < found) && writes(pid, &pipe))
            found = pid;
    }
    if (proc)
        closedir(proc);
    return (pid_t)found;
}
