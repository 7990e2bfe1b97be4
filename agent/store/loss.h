/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_LOSS_H
#define LB_STORE_LOSS_H

#include "agent/store/state.h"

/*
 * Untold losses of the slow side. Each lost record is added to the open row of
 * its service and reason; rows that were open together form a group and share
 * one gapless range per lane. When the sink is back the rows are released: the
 * fast side writes a receipt for each and commits, in the same step, the
 * row's telling number as told; then the row is free. So a loss is told
 * exactly once across kills; a receipt that is itself shed comes back with
 * lb_loss_return() and is told again.
 *
 *   free ── add ──▶ open ── gap or release ──▶ closed ── release ──▶ telling ── told == tell ──▶ free
 *
 * When all rows are taken, the newest row of the same reason takes the rest
 * and loses its name: its receipt then speaks of several services. A row that
 * is being told does not change, or the fast side would tell a part twice or
 * never; so one row always stays behind, to take what is lost meanwhile.
 */
enum lb_loss_state { LB_LOSS_FREE = 0, LB_LOSS_OPEN, LB_LOSS_CLOSED, LB_LOSS_TELLING };

/*
 * Add what one service lost in one gapless stretch of numbers. The range is
 * that of the whole stretch, whichever services share it.
 *   lost      reason, sums and service name; copied
 *   calls     slow side only; needs room for LB_LOSS_SLOTS * LB_LOSS_WORDS words in the commit
 */
void lb_loss_add(struct lb_state *state, const struct lb_receipt *lost);

/*
 * A segment of the backlog was damaged in memory: a loss of nobody knows whose
 * lines, and their place in the books.
 *   lines, bytes  as its row had them, with what else is known of it
 *   calls     slow side, or recovery; room as lb_loss_add() and 2 words more
 */
void lb_loss_add_segment(struct lb_state *state, unsigned lane, uint64_t first_n, uint64_t last_n,
                         uint64_t lines, uint64_t bytes, uint64_t first_ns, uint64_t last_ns);

/*
 * A receipt was lost before the sink took it: it must be told again, as it was.
 *   calls     slow side only; room as lb_loss_add()
 */
void lb_loss_return(struct lb_state *state, const struct lb_receipt *told);

/*
 * The sink is back: hand all open and closed rows to the fast side with the
 * next publish (but one, when the table is full of them: call again).
 *   returns   how many rows now wait to be told, 0: none is left
 *   calls     slow side only
 */
unsigned lb_loss_release(struct lb_state *state);

/*
 * Free the rows whose receipts the fast side has committed.
 *   calls     slow side only, in each turn that ends with a publish
 */
void lb_loss_sweep(struct lb_state *state);

/*
 * The next row that waits to be told.
 *   row         where to go on looking; starts at 0
 *   ret_receipt filled
 *   returns     true and *row set to it, to be passed to lb_loss_told() | false none
 *   calls       fast side only
 */
bool lb_loss_next(const struct lb_state *state, unsigned *row, struct lb_receipt *ret_receipt);

/*
 * Mark a row as told with the fast side's next publish.
 *   calls     fast side only, in the same turn that puts the receipt into the ring
 */
void lb_loss_told(struct lb_state *state, unsigned row);

#endif
