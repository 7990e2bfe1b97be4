/* SPDX-License-Identifier: MIT */
/* From the thin client to the agent's rooms. In: a mode and its arguments. Out: another program in our place.
 */
#include "agent/cli/offline_exec.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/cli.h"

#define DAEMON "logboomd"

static void exec_beside_ourselves(char **argv)
{
    char path[PATH_MAX + sizeof "/" DAEMON];
    ssize_t len = readlink("/proc/self/exe", path, PATH_MAX);
    char *slash;

    if (len <= 0 || len == PATH_MAX)
        return;
    path[len] = '\0';
    slash = strrchr(path, '/');
    if (!slash)
        return;
    strcpy(slash, "/" DAEMON);
    execv(path, argv);
}

int lb_offline_exec(const char *mode, char *const *args)
{
    static char name[] = DAEMON;
    size_t count = 0;
    char **argv;
    int error;

    while (args[count])
        count++;
    argv = calloc(count + 3, sizeof *argv);
    if (!argv || !(argv[1] = strdup(mode))) {
        lb_cli_say("out of memory");
        free(argv);
        return LB_EXIT_FAILED;
    }
    argv[0] = name;
    memcpy(argv + 2, args, count * sizeof *argv);
    exec_beside_ourselves(argv);
    execvp(DAEMON, argv);
    error = errno;
    execv("/usr/sbin/" DAEMON, argv);
    if (error == ENOENT)
        error = errno;
    lb_cli_say("cannot start " DAEMON ", which does this: %s", strerror(error));
    free(argv[1]);
    free(argv);
    return LB_EXIT_FAILED;
}
