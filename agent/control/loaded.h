/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_LOADED_H
#define LB_CONTROL_LOADED_H

#include "agent/control/slow_side.h"

/*
 * Read the configuration and the sinks' secrets beside it.
 *   returns   it | NULL: faults, all of them logged
 *   calls     start-up, card side: may block on the disk
 */
struct lb_loaded *lb_loaded_read(const char *file);

/*
 * Free it, and wipe the secrets; or do nothing with NULL.
 *   calls     whoever holds the last reference
 */
void lb_loaded_free(struct lb_loaded *loaded);

#endif
