/* SPDX-License-Identifier: MIT */
/* `logboomd -t`. In: a configuration file. Out: what is wrong with it, or what it will cost in memory. */
#include "agent/offline/check.h"

#include <errno.h>

#include "agent/shape/pipeline_rules.h"
#include "common/config.h"
#include "common/units.h"

#define EXIT_OK     0
#define EXIT_FAILED 1
#define EXIT_CONFIG 2

static void print_ceiling(const struct lb_config *config, FILE *out)
{
    struct lb_memory_part parts[LB_MEMORY_PARTS];
    uint64_t sum = lb_config_memory_ceiling(config, parts);
    char text[32];

    fprintf(out, "memory ceiling: %s\n", lb_units_print_human(sum, text, sizeof text));
    for (size_t i = 0; i < LB_MEMORY_PARTS; i++)
        if (parts[i].bytes > 0)
            fprintf(out, "  %-18s %10s\n", parts[i].name,
                    lb_units_print_human(parts[i].bytes, text, sizeof text));
    for (size_t i = 1; i < config->sink_count; i++)
        fprintf(out, "memory of [sink %s]: %s\n", config->sinks[i].name,
                lb_units_print_human(lb_config_sink_memory(config, i), text, sizeof text));
}

int lb_offline_check(const char *file, FILE *out, FILE *err)
{
    struct lb_config *config = NULL;
    struct lb_config_faults faults;
    struct lb_rules *rules = NULL;
    int rc = lb_config_load(file, LB_CONFIG_CHECK, &config, &faults);

    if (rc == 0)
        rc = lb_rules_compile(config, &faults, &rules);
    for (size_t i = 0; i < faults.count; i++)
        fprintf(err, "%s\n", faults.text[i]);
    if (faults.more > 0)
        fprintf(err, "and %zu more\n", faults.more);
    for (size_t i = 0; i < faults.warning_count; i++)
        fprintf(err, "%s\n", faults.warnings[i]);
    lb_config_faults_free(&faults);
    lb_rules_free(rules);
    if (rc != 0) {
        if (rc != -EINVAL)
            fprintf(err, "out of memory\n");
        lb_config_free(config);
        return rc == -EINVAL ? EXIT_CONFIG : EXIT_FAILED;
    }
    fprintf(out, "%s: ok\n", config->file);
    print_ceiling(config, out);
    lb_config_free(config);
    return EXIT_OK;
}
