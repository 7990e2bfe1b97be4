/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_LOADED_H
#define LB_CONTROL_LOADED_H

#include "agent/control/slow_side.h"

/*
 * Read the configuration and the sinks' secrets beside it. The first sink is
 * the one that was noted as such, if it is there and takes all.
 *   is_start  nobody uses the runtime directory: where another one would be the first that has had a queue of
 *             its own, none is until that and the ring are empty
 *   returns   it | NULL: faults, all of them logged
 *   calls     start-up, card side: may block on the disk
 */
struct lb_loaded *lb_loaded_read(const char *file, bool is_start);

/*
 * Remember in the runtime directory which sink is the first, so that the ring
 * stays that one's in what is read from then on, whatever the order of the file.
 *   returns   0 | negative errno
 *   calls     start-up, when the directory is ours
 */
int lb_loaded_note_first(const struct lb_loaded *loaded, int dir_fd);

/*
 * Do new settings give the ring to a sink that has a queue of its own, or to none? Nobody
 * could tell apart then what each has been given. It is logged.
 *   calls     main thread
 */
bool lb_loaded_takes_over(const struct lb_loaded *old_loaded, const struct lb_loaded *fresh);

/*
 * Free it, and wipe the secrets; or do nothing with NULL.
 *   calls     whoever holds the last reference
 */
void lb_loaded_free(struct lb_loaded *loaded);

#endif
