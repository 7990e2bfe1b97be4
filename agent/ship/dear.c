/* SPDX-License-Identifier: MIT */
/* What is worth a write to the card. In: a record, the settings. Out: yes or no. */
#include "agent/ship/dear.h"

#include <string.h>

bool lb_record_is_dear(const struct lb_record *record, const struct lb_config *config)
{
    struct lb_exit end;

    if (!config->has_spool || config->spool_persist < 0 || config->spool_persist >= LB_LEVEL_COUNT)
        return false; /* off */
    if (record->severity <= (unsigned)config->spool_persist)
        return true;
    if (record->kind != LB_KIND_EXIT || record->body_len != sizeof end)
        return false;
    memcpy(&end, lb_record_body(record), sizeof end);
    return end.code != 0 || end.signal != 0 || end.flags != 0;
}
