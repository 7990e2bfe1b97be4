/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_DEAR_H
#define LB_SHIP_DEAR_H

#include "agent/store/record.h"
#include "common/config.h"

/*
 * Is this record one that a power cut is not to take: of the level of [spool]
 * persist or worse, or a service's bad end?
 *   calls     any thread; a pure function
 */
bool lb_record_is_dear(const struct lb_record *record, const struct lb_config *config);

#endif
