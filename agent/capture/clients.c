/* SPDX-License-Identifier: MIT */
/* What clients must know before they connect. In: the configuration. Out: a file in the runtime directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/capture/parts.h"

static const char *const names[] = { "unbuffered", "line", "keep" }; /* enum lb_python_stdout */

int lb_clients_tell(int dir_fd, const struct lb_config *config)
{
    int fd = openat(dir_fd, "clients.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    int rc = out ? 0 : -errno;

    if (!out) {
        if (fd >= 0)
            close(fd);
        return rc;
    }
    fchmod(fd, 0644); /* whatever our umask is: every user's client reads it */
    fprintf(out, "python_stdout %s\n", names[config->capture.python_stdout]);
    for (size_t i = 0; i < config->service_count; i++)
        fprintf(out, "python_stdout %s %s\n", names[config->services[i].capture.python_stdout],
                config->services[i].name);
    if (ferror(out) || fflush(out) != 0)
        rc = -EIO;
    if (fclose(out) != 0 && rc == 0)
        rc = -errno;
    if (rc == 0 && renameat(dir_fd, "clients.new", dir_fd, "clients") != 0)
        rc = -errno;
    return rc;
}
