/* SPDX-License-Identifier: MIT */
/* Settings of offline modes. In: the name of a file. Out: configuration and rules. Always true: each fault is
 * told once, by file and line. */
#include "agent/offline/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int load(const char *file, struct lb_config **ret_config, struct lb_rules **ret_rules)
{
    struct lb_config_faults faults = { 0 };
    int rc = lb_config_load(file, LB_CONFIG_CHECK, ret_config, &faults);

    if (rc == 0)
        rc = lb_rules_compile(*ret_config, &faults, ret_rules);
    for (size_t i = 0; i < faults.count; i++)
        fprintf(stderr, "%s\n", faults.text[i]);
    lb_config_faults_free(&faults);
    return rc == 0 ? 0 : rc == -EINVAL ? 2 : 1;
}

int lb_offline_settings(const char *who, const char *file, const char *sink, struct lb_config **ret_config,
                        struct lb_rules **ret_rules)
{
    size_t len = strlen(sink);
    char path[64];
    int fd, code = 1;

    if (file || access(LB_OFFLINE_FILE, F_OK) == 0 || errno != ENOENT)
        return load(file ? file : LB_OFFLINE_FILE, ret_config, ret_rules);
    if (who)
        fprintf(stderr, "%s: there is no " LB_OFFLINE_FILE ": the defaults are used\n", who);
    fd = memfd_create("defaults", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd >= 0 && write(fd, sink, len) == (ssize_t)len)
        code = load(path, ret_config, ret_rules);
    if (fd >= 0)
        close(fd);
    return code;
}
