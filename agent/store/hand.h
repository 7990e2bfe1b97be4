/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_HAND_H
#define LB_STORE_HAND_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/store/record.h"
#include "agent/store/state.h"

/*
 * What the slow side wants of the fast one because somebody asked from afar:
 * other levels for a while, and records that tell who asked. One writer, one
 * reader, no locks, and nothing of it outlives the agent.
 *
 * A level is one word, so that it is never seen half changed: when it is over,
 * in ms of boot time, and the level + 1 in the lowest byte; 0: nobody asks.
 */
#define LB_HAND_TOLD 8 /* records that wait for room in the ring */

struct lb_hand {
    uint64_t level[LB_SERVICES_BOOKS]; /* slow: by row of the books */
    uint64_t told_count;               /* slow: records put here */
    uint64_t taken_count;              /* fast: of them, that are in the ring */
    struct lb_remote_told told[LB_HAND_TOLD];
};

/*
 * Ask for a level of a service until then; what was asked before is over.
 *   row        of the books; what is none is left alone
 *   level      0..7
 *   until_ms   boot time; 0 takes it back
 *   calls      slow side
 */
void lb_hand_set_level(struct lb_hand *hand, uint32_t row, int level, uint64_t until_ms);

/*
 * The level that is asked for now.
 *   row        of the books
 *   now_ns     boot time
 *   returns    level + 1 | 0 nobody asks, or it is over
 *   calls      any thread
 */
unsigned lb_hand_level(const struct lb_hand *hand, uint32_t row, uint64_t now_ns);

/*
 * Until when that is asked for.
 *   returns    boot time in ms | 0 nobody asked
 *   calls      any thread
 */
uint64_t lb_hand_level_until_ms(const struct lb_hand *hand, uint32_t row);

/*
 * Is there room for a record that tells of a command? Only who has seen it may
 * put one.
 *   calls      slow side
 */
bool lb_hand_has_room(const struct lb_hand *hand);

/*
 * Hand a record over; who does so then knocks at the fast side's door.
 *   told       copied
 *   calls      slow side, after lb_hand_has_room()
 */
void lb_hand_put(struct lb_hand *hand, const struct lb_remote_told *told);

/*
 * The oldest that is not taken, and take it.
 *   returns    it stays until it is taken | NULL there is none
 *   calls      fast side
 */
const struct lb_remote_told *lb_hand_first(const struct lb_hand *hand);
void lb_hand_take(struct lb_hand *hand);

#endif
