/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_UNTOLD_H
#define LB_STORE_UNTOLD_H

#include <stdbool.h>

#include "agent/store/state.h"

/*
 * Losses that have no number, as the books have them until a receipt tells
 * them (LB_BOOK_UNTOLD): by service and why. Each fast commit has one owner,
 * who adds, tells and clears.
 */

/*
 * What is untold of one service and kind, as its receipt will say it.
 *   row         of the books
 *   returns     true: ret_receipt is filled | false: there is nothing
 *   calls       the owner of the fast commit
 */
bool lb_untold_read(const struct lb_state *state, uint32_t row, enum lb_untold why,
                    struct lb_receipt *ret_receipt);

/*
 * It is told, with the fast commit's next publish.
 *   row         as lb_untold_read()
 *   calls       the owner of the fast commit, in the turn that puts the receipt into the ring
 */
void lb_untold_clear(struct lb_state *state, uint32_t row, enum lb_untold why);

/*
 * Where its words begin in LB_FAST_BOOKS.
 *   calls       any thread
 */
static inline uint32_t lb_untold_at(uint32_t row, enum lb_untold why)
{
    return row * LB_BOOK_FAST_WORDS + LB_BOOK_UNTOLD + (uint32_t)why * LB_UNTOLD_WORDS;
}

#endif
