/* SPDX-License-Identifier: MIT */
/* A configuration with what stands beside it. In: a file. Out: a snapshot, its rules, the secret; or faults
 * in the log. */
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

/* Read the configuration and the secret beside it. NULL: faults, all logged. May block on the disk. */
struct lb_loaded *lb_loaded_read(const char *file)
{
    struct lb_loaded *loaded = calloc(1, sizeof *loaded);
    struct lb_config_faults faults = { 0 };
    const char *where = NULL;
    int rc = loaded ? lb_config_load(file, LB_CONFIG_RUN, &loaded->config, &faults) : -ENOMEM;

    if (rc == 0)
        rc = lb_rules_compile(loaded->config, &faults, &loaded->rules);
    log_faults(&faults);
    lb_config_faults_free(&faults);
    if (rc == 0 && lb_sink_needs_key(&loaded->config->sinks[0])) {
        rc = lb_config_read_secret(&loaded->config->sinks[0], loaded->secret, sizeof loaded->secret, &where);
        loaded->has_secret = rc == 0;
    }
    if (rc == 0)
        return loaded;
    lb_loaded_free(loaded);
    return NULL;
}
