/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_MOVER_H
#define LB_SHIP_MOVER_H

#include "agent/ship/shipper.h"

/*
 * From the ring to the backlog, while the sink is away (design.md, backlog).
 *
 *   ring ── oldest records, by lane ──▶ pieces, packed ──▶ room is made ──▶ rows ─┬─ one publish
 *     `──────────────────────────────── state: moved, tail ───────────────────────┘
 *
 * Room is made before anything is stored: the oldest routine segment goes
 * first, urgent ones last, what somebody waits for (overload = wait) never. What
 * goes is told in receipts, as all that is shed.
 *
 * Invariant: a record is in the ring or in the backlog, whatever instant the
 * process is killed at.
 */
struct lb_mover_stats {
    uint64_t moved_lines, moved_segments; /* since the start */
    uint64_t moved_bytes, packed_bytes;   /* of the ring, and what they take in the backlog */
    uint64_t shed_segments;
};

/*
 * Make a mover.
 *   shipper   the one whose ring it empties; outlives it
 *   backlog   is there
 *   returns   it | NULL out of memory
 *   calls     before the slow side starts, after recovery
 */
struct lb_mover *lb_mover_new(struct lb_shipper *shipper, struct lb_backlog *backlog);
void lb_mover_free(struct lb_mover *mover);

/*
 * Move the records of a stretch of the ring. Where the last segment of a lane is
 * small and they go on where it ends, they are packed anew together with it.
 *   to        no body begins or ends within [from, to)
 *   is_body   they are a body's that may still be answered: its segments hold nothing else
 *   returns   up to where all is final now: less than `to` where one step did not reach it; from: there is no
 *             room, and nothing that may be given up for it
 *   calls     slow side
 */
uint64_t lb_mover_move(struct lb_mover *mover, uint64_t from, uint64_t to, bool is_body);

/*
 * A body whose records were moved while it was on its way was taken after all:
 * its segments are delivered.
 *   calls     slow side
 */
void lb_mover_taken(struct lb_mover *mover, const struct lb_slot *slot);

/*
 * A segment that cannot be used is lost: books, and a row of the loss table.
 *   calls     slow side
 */
void lb_mover_lose(struct lb_mover *mover, uint32_t row);

/*
 * May a segment be shipped, or given up, now? Not while a body with its records
 * may still be answered.
 *   calls     slow side
 */
bool lb_mover_is_free(const struct lb_mover *mover, uint32_t row);

/*
 * Who else has segments in hand, that may not be given up meanwhile. Two at
 * most.
 *   holds     says so of a row
 *   calls     before the slow side starts
 */
void lb_mover_spare(struct lb_mover *mover, bool (*holds)(const void *ctx, uint32_t row), const void *ctx);

/*
 * What packs and unpacks, made when it is first needed.
 *   returns   NULL: out of memory
 *   calls     slow side
 */
struct lb_segment_packer *lb_mover_packer(struct lb_mover *mover);

/*
 * There is nothing in the backlog and the sink is not away: free what was made
 * for it.
 *   calls     slow side
 */
void lb_mover_rest(struct lb_mover *mover);

/*
 * The backlog, and what was done with it.
 *   returns  never NULL
 *   calls    slow side
 */
struct lb_backlog *lb_mover_backlog(const struct lb_mover *mover);
const struct lb_mover_stats *lb_mover_stats(const struct lb_mover *mover);

#endif
