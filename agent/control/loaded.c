/* SPDX-License-Identifier: MIT */
/* A configuration with what stands beside it. In: a file. Out: a snapshot, its rules, the sinks' secrets; or
 * faults in the log. */
#include "agent/control/loaded.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/read_file.h"
#include "common/sink_types.h"

static void log_faults(const struct lb_config_faults *faults)
{
    for (size_t i = 0; i < faults->warning_count; i++)
        lb_log(LB_LEVEL_WARNING, "%s", faults->warnings[i]);
    for (size_t i = 0; i < faults->count; i++)
        lb_log(LB_LEVEL_ERROR, "%s", faults->text[i]);
    if (faults->more)
        lb_log(LB_LEVEL_ERROR, "and %zu more", faults->more);
}

void lb_loaded_free(struct lb_loaded *loaded)
{
    if (!loaded)
        return;
    lb_rules_free(loaded->rules);
    lb_config_free(loaded->config);
    explicit_bzero(loaded, sizeof *loaded);
    free(loaded);
}

static int read_secrets(struct lb_loaded *loaded)
{
    const char *where = NULL;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < loaded->config->sink_count; i++) {
        const struct lb_sink_config *sink = &loaded->config->sinks[i];

        if (!lb_sink_needs_key(sink))
            continue;
        rc = lb_config_read_secret(sink, loaded->secret[i], sizeof loaded->secret[i], &where);
        loaded->has_secret[i] = rc == 0;
    }
    return rc;
}

/* ---- the first sink ---- */

#define PATH_BYTES 4200    /* the longest value of a key, and the name below */
#define FIRST_FILE "first" /* of the runtime directory: its name */

/* The name that was noted; "" none. */
static void read_first(const struct lb_config *config, char name[LB_NAME_MAX + 2])
{
    char path[PATH_BYTES];
    size_t len = 0;

    snprintf(path, sizeof path, "%s/" FIRST_FILE, config->runtime_dir);
    if (lb_read_file(path, name, LB_NAME_MAX + 1, &len) < 0)
        len = 0;
    name[len] = '\0';
    name[strcspn(name, "\n")] = '\0';
}

static uint64_t lines_in(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    uint64_t lines = fd < 0 ? 0 : lb_outlets_left(fd);

    if (fd >= 0)
        close(fd);
    return lines;
}

/*
 * Another one would be the first, which has had a queue of its own: in that lies what it has not got yet, and
 * in the ring what was for another, copies of which it has got. So none is the first until both are empty.
 */
static int spare(struct lb_config *config, const char *before)
{
    const char *name = config->sinks[0].name;
    char path[PATH_BYTES];
    uint64_t own, ring;

    snprintf(path, sizeof path, "%s/sinks/%s", config->runtime_dir, name);
    if (access(path, F_OK) != 0)
        return 0;
    own = lines_in(path);
    ring = lines_in(config->runtime_dir);
    if (own == 0 && ring == 0)
        return 0;
    lb_log(LB_LEVEL_WARNING,
           "sink %s keeps its queue, with %llu lines, and is not the first yet; %llu lines that wait for %s, "
           "which was, go nowhere",
           name, (unsigned long long)own, (unsigned long long)ring, before);
    return lb_config_put_none_first(config);
}

static int keep_first(struct lb_config *config, bool is_start)
{
    char name[LB_NAME_MAX + 2], other[LB_NAME_MAX + 1];
    int rc = 0;

    read_first(config, name);
    snprintf(other, sizeof other, "%s", config->sinks[0].name);
    if (name[0] == '\0' || strcmp(other, name) == 0)
        return 0;
    if (lb_config_keep_first(config, name))
        lb_log(LB_LEVEL_NOTICE, "sink %s stays the first, before %s: what lies in the ring is for it", name,
               other);
    else if (is_start && strcmp(other, LB_SINK_NONE) != 0)
        rc = spare(config, name);
    return rc == -ENOMEM ? rc
                         : 0; /* where there is no place for one of ours, what waits is given up, and told */
}

int lb_loaded_note_first(const struct lb_loaded *loaded, int dir_fd)
{
    const char *name = loaded->config->sinks[0].name;
    int fd = openat(dir_fd, FIRST_FILE ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644),
        rc = fd < 0 ? -errno : 0;

    if (rc == 0 && dprintf(fd, "%s\n", name) < 0)
        rc = -errno;
    if (fd >= 0)
        close(fd);
    if (rc == 0 && renameat(dir_fd, FIRST_FILE ".new", dir_fd, FIRST_FILE) != 0)
        rc = -errno;
    return rc;
}

bool lb_loaded_takes_over(const struct lb_loaded *old_loaded, const struct lb_loaded *fresh)
{
    const char *name = fresh->config->sinks[0].name;
    const struct lb_config *config = old_loaded->config;

    bool is_shared =
        strcmp(name, LB_SINK_NONE) == 0; /* none would take all: what waits for one that did is its */

    if (strcmp(config->sinks[0].name, name) == 0 || (!is_shared && !lb_config_sink_by_name(config, name)))
        return false;
    lb_log(LB_LEVEL_ERROR, "sink %s would be the first in the place of %s: that takes a restart", name,
           config->sinks[0].name);
    return true;
}

/* ---- all of it ---- */

struct lb_loaded *lb_loaded_read(const char *file, bool is_start)
{
    struct lb_loaded *loaded = calloc(1, sizeof *loaded);
    struct lb_config_faults faults = { 0 };
    int rc = loaded ? lb_config_load(file, LB_CONFIG_RUN, &loaded->config, &faults) : -ENOMEM;

    if (rc == 0)
        rc = lb_rules_compile(loaded->config, &faults, &loaded->rules);
    log_faults(&faults);
    lb_config_faults_free(&faults);
    if (rc == 0)
        rc = keep_first(loaded->config, is_start);
    if (rc == 0)
        rc = read_secrets(loaded);
    if (rc == 0)
        return loaded;
    lb_loaded_free(loaded);
    return NULL;
}
