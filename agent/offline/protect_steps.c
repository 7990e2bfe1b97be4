/* SPDX-License-Identifier: MIT */
/*
 * Single steps on the machine that runs. In: what is to be. Out: programs run, a file of /proc written, a
 * line for each. Always true: what a program did is believed by its exit code alone, and its output goes to
 * stderr.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/offline/protect_apply.h"
#include "common/mounts.h"
#include "common/sysfs.h"

#define ARGS_MOST 15

void lb_protect_step(const struct lb_protect_hands *hands, const char *format, ...)
{
    char text[LB_PROTECT_TEXT];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(hands->out, "%s\n", text);
}

void lb_protect_fault(const struct lb_protect_hands *hands, const char *what, const char *path, int error)
{
    fprintf(hands->err, "logboom protect: %s %s: %s\n", what, path, strerror(-error));
}

int lb_protect_lock(const struct lb_protect_tree *tree)
{
    int fd = lb_protect_open(tree, "/etc", O_RDONLY | O_DIRECTORY);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = -errno;

        close(fd);
        return error;
    }
    return fd;
}

/* What a program says is for stderr: stdout has a line for each step. */
static _Noreturn void become(const char *const *argv)
{
    char *copy[ARGS_MOST + 1] = { NULL };

    for (size_t i = 0; argv[i] && i < ARGS_MOST; i++)
        copy[i] = strdup(argv[i]);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    if (copy[0])
        execvp(copy[0], copy);
    _exit(127);
}

int lb_protect_run_program(void *arg, const char *const *argv)
{
    pid_t child = fork();
    int status;

    (void)arg;
    if (child < 0)
        return -1;
    if (child == 0)
        become(argv);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool lb_protect_run(const struct lb_protect_hands *hands, const char *const *argv)
{
    char line[LB_PROTECT_TEXT] = "";
    int code;

    for (size_t i = 0; argv[i]; i++)
        lb_protect_say_more(line, sizeof line, "%s%s", i > 0 ? " " : "", argv[i]);
    fflush(hands->out);
    code = hands->run(hands->arg, argv);
    if (code == 0)
        lb_protect_step(hands, "ran %s", line);
    else
        fprintf(hands->err, "logboom protect: %s: failed (%d)\n", line, code);
    return code == 0;
}

#define RUN(hands, ...) lb_protect_run((hands), (const char *const[]) { __VA_ARGS__, NULL })

unsigned lb_protect_take_up(const struct lb_protect_hands *hands, unsigned pending)
{
    unsigned left = 0;

    if (!hands->has_systemd) {
        if (pending)
            lb_protect_step(hands, "systemd does not run: it takes effect with the next start");
        return 0;
    }
    if (pending & LB_PROTECT_PENDING_MOUNTS &&
        !(RUN(hands, "systemctl", "daemon-reload") && RUN(hands, "systemctl", "restart", LB_PROTECT_SERVICE)))
        left |= LB_PROTECT_PENDING_MOUNTS;
    if (pending & LB_PROTECT_PENDING_JOURNALD &&
        !RUN(hands, "systemctl", "restart", "systemd-journald.service"))
        left |= LB_PROTECT_PENDING_JOURNALD;
    if (pending & LB_PROTECT_PENDING_TIMESYNCD &&
        !RUN(hands, "systemctl", "try-restart", "systemd-timesyncd.service"))
        left |= LB_PROTECT_PENDING_TIMESYNCD;
    return left;
}

bool lb_protect_mounted(const char *kernel, const char *point, bool *ret_is_noatime, uint64_t *ret_commit_s)
{
    struct lb_mount *mount = malloc(sizeof *mount);
    char path[PATH_MAX], number[32], *line = NULL;
    bool is_found = false;
    size_t size = 0;
    FILE *file;

    snprintf(path, sizeof path, "%s/proc/self/mountinfo", kernel);
    file = fopen(path, "re");
    while (mount && file && getline(&line, &size, file) > 0) {
        if (!lb_mounts_parse(line, mount) || strcmp(mount->point, point) != 0)
            continue;
        is_found = true; /* the last one covers those before */
        *ret_is_noatime = lb_mounts_has(mount->flags, "noatime");
        *ret_commit_s = 0;
        if (lb_mounts_value(mount->options, "commit=", number, sizeof number))
            lb_sysfs_parse(number, 10, ret_commit_s, NULL);
    }
    if (file)
        fclose(file);
    free(line);
    free(mount);
    return is_found;
}

int lb_protect_swappiness(const char *kernel)
{
    char dir[PATH_MAX];
    uint64_t number;

    snprintf(dir, sizeof dir, "%s/proc/sys/vm", kernel);
    return lb_sysfs_number(dir, "swappiness", 10, &number) && number <= 200 ? (int)number : -1;
}

int lb_protect_set_swappiness(const char *kernel, int swappiness)
{
    char path[PATH_MAX], text[16];
    int fd, rc = 0, len = snprintf(text, sizeof text, "%d\n", swappiness);

    snprintf(path, sizeof path, "%s/proc/sys/vm/swappiness", kernel);
    fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (write(fd, text, (size_t)len) != len)
        rc = -errno;
    close(fd);
    return rc;
}
