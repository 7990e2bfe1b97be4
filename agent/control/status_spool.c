/* SPDX-License-Identifier: MIT */
/* The spool in status. In: what the spooler knows of it. Out: JSON, or a line for a person. */
#include "agent/control/status_spool.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/units.h"

static const char *state_of(const struct lb_spooler *spooler)
{
    static const char *const names[] = { "opening", "on", "off", "refused" };

    return spooler->hangs ? "hangs" : names[spooler->state];
}

/* Lines that lie on the card and are not final; those that lie in RAM as well among them. */
static uint64_t waiting(const struct lb_spooler *spooler)
{
    uint64_t lines = 0;

    for (unsigned i = 0; i < spooler->known_count; i++)
        for (unsigned part = 0; part < spooler->known[i].count; part++)
            lines += spooler->known[i].done >> part & 1 ? 0 : spooler->known[i].part[part].meta.lines;
    return lines;
}

static uint64_t earlier(const struct lb_status_source *source, unsigned word)
{
    uint64_t sum = 0;

    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++)
        sum += lb_commit_get(&source->state->slow, LB_SLOW_MORE, row * LB_MORE_WORDS + word);
    return sum;
}

void lb_status_print_spool(const struct lb_status_source *source, FILE *out)
{
    const struct lb_spooler *spooler = source->spooler;
    char *escaped;

    if (!spooler) {
        fputs("\"spool\":null", out);
        return;
    }
    fprintf(out,
            "\"spool\":{\"state\":\"%s\",\"rows\":%u,\"lines\":%llu,\"bytes_used\":%llu,\"bytes_disk\":%llu,",
            state_of(spooler), spooler->known_count, (unsigned long long)waiting(spooler),
            (unsigned long long)spooler->view.bytes_used, (unsigned long long)spooler->view.bytes_disk);
    fprintf(out,
            "\"written_rows\":%llu,\"written_bytes\":%llu,\"copied_rows\":%llu,\"dropped_rows\":%llu,"
            "\"brought_back\":%llu,\"commits\":%llu,\"failures\":%llu,\"damaged\":%llu,",
            (unsigned long long)spooler->stats.written_rows, (unsigned long long)spooler->stats.written_bytes,
            (unsigned long long)spooler->stats.copied_rows, (unsigned long long)spooler->stats.dropped_rows,
            (unsigned long long)spooler->stats.brought_back, (unsigned long long)spooler->view.commits,
            (unsigned long long)spooler->stats.failures, (unsigned long long)spooler->view.damaged);
    fprintf(out, "\"budget\":{\"rate\":%llu,\"left\":%llu,\"spent\":%llu},",
            (unsigned long long)spooler->budget_rate, (unsigned long long)spooler->budget_left,
            (unsigned long long)spooler->budget_spent);
    fprintf(out, "\"earlier\":{\"delivered\":%llu,\"lost\":%llu},",
            (unsigned long long)earlier(source, LB_MORE_EARLIER_DELIVERED),
            (unsigned long long)earlier(source, LB_MORE_EARLIER_LOST));
    escaped = malloc(lb_json_bound(strlen(spooler->why)));
    if (escaped)
        fprintf(out, "\"why\":\"%.*s\"}",
                (int)(lb_json_escape(escaped, spooler->why, strlen(spooler->why)) - escaped), escaped);
    else
        fputs("\"why\":\"\"}", out);
    free(escaped);
}

void lb_status_print_spool_text(const struct lb_status_source *source, FILE *out)
{
    const struct lb_spooler *spooler = source->spooler;
    char disk[32];

    if (!spooler)
        return;
    fprintf(out, "spool %s, %s on the card", state_of(spooler),
            lb_units_print_human(spooler->view.bytes_disk, disk, sizeof disk));
    if (spooler->known_count > 0)
        fprintf(out, ": %llu lines wait there", (unsigned long long)waiting(spooler));
    fprintf(out, "%s%s\n", spooler->why[0] ? "\n  " : "", spooler->why);
}
