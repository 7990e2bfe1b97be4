/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_BOOKS_H
#define LB_CONTROL_BOOKS_H

#include "agent/control/status.h"

struct lb_sum {
    uint64_t lines, bytes;
};

/* One service's books, or the sum of all (design.md, the books). */
struct lb_book {
    /* expired is a part of shed */
    struct lb_sum in, open, queued, held, dropped, pending, delivered, shed, rejected, own, expired;
    struct lb_sum dropped_by[LB_DROP_COUNT];
    struct lb_sum held_by[LB_HELD_REASONS]; /* by reason, LB_DROP_FILTER first */
};

/*
 * Read the books of all services at one instant of the fast side.
 *   ret_books  LB_SERVICES_BOOKS rows; those without a name stay zero
 *   ret_all    their sum
 *   calls      slow side
 */
void lb_books_read(const struct lb_status_source *source, struct lb_book *ret_books, struct lb_book *ret_all);

#endif
