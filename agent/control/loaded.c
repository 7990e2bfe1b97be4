/* SPDX-License-Identifier: MIT */
/* A configuration with what stands beside it. In: a file. Out: a snapshot, its rules, the sinks' secrets; or
 * faults in the log. */
#include "agent/control/loaded.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
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

struct lb_loaded *lb_loaded_read(const char *file)
{
    struct lb_loaded *loaded = calloc(1, sizeof *loaded);
    struct lb_config_faults faults = { 0 };
    int rc = loaded ? lb_config_load(file, LB_CONFIG_RUN, &loaded->config, &faults) : -ENOMEM;

    if (rc == 0)
        rc = lb_rules_compile(loaded->config, &faults, &loaded->rules);
    log_faults(&faults);
    lb_config_faults_free(&faults);
    if (rc == 0)
        rc = read_secrets(loaded);
    if (rc == 0)
        return loaded;
    lb_loaded_free(loaded);
    return NULL;
}
