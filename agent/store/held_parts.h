/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_HELD_PARTS_H
#define LB_STORE_HELD_PARTS_H

#include "agent/store/held.h"

/*
 * What held.c and held_open.c call of each other. Fast side only, or before the
 * threads start.
 */

/*
 * A word of a chunk, as the turn sees it.
 */
uint64_t lb_held_word(const struct lb_held *held, uint32_t chunk, unsigned word);

/*
 * The record at a place of a chunk.
 *   returns   a record that lies within the chunk's fill | NULL: there is none, or none that can be
 */
const struct lb_record *lb_held_record_at(const struct lb_held *held, uint32_t chunk, uint32_t at);

/*
 * Why a record is held, as a place in the books' held: 0 is LB_DROP_FILTER.
 */
unsigned lb_held_reason(const struct lb_record *record);

/*
 * Put a chunk at the end of a service's queue.
 */
void lb_held_append_chunk(struct lb_held *held, uint32_t row, uint32_t chunk);

#endif
