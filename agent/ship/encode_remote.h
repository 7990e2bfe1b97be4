/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_ENCODE_REMOTE_H
#define LB_SHIP_ENCODE_REMOTE_H

#include <stddef.h>

#include "agent/store/record.h"

/*
 * A command from afar in words: who asked for what, and what became of it.
 *   told      copied out of its record
 *   buf       size bytes, cut if too small
 *   returns   as snprintf()
 *   calls     any thread; a pure function, as is the next
 */
int lb_encode_remote_text(const struct lb_remote_told *told, char *buf, size_t size);

/*
 * The same as members of the logboom object, each with a comma in front.
 *   to        room for 4 KiB
 *   returns   one past the last byte written
 */
char *lb_encode_remote_members(const struct lb_remote_told *told, char *to);

#endif
