/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_RESOLVE_H
#define LB_SHIP_RESOLVE_H

#include "common/loop.h"

/*
 * Addresses of a name, looked up beside the loop: without a network a lookup
 * lasts many seconds. It has a thread of its own, which ends with it; one that
 * nobody waits for any more is left to itself.
 */
#define LB_RESOLVE_ADDRESSES 6
#define LB_RESOLVE_MAX       4 /* lookups at a time, those left to themselves among them */

struct lb_resolve;

/* address: as text, in the order in which they are to be tried; count 0: there is none, and why tells it. */
typedef void (*lb_resolve_done)(void *ctx, char address[][64], unsigned count, const char *why);

/*
 * Begin a lookup. done() is called once, from the loop, later; the lookup is
 * then over and its memory gone.
 *   host      copied
 *   returns   0 | -EBUSY LB_RESOLVE_MAX are out | -ENOMEM | another negative errno
 *   calls     the loop's thread
 */
int lb_resolve_start(struct lb_loop *loop, const char *host, lb_resolve_done done, void *ctx,
                     struct lb_resolve **ret_resolve);

/*
 * Wait for it no more: done() is not called. Never blocks.
 *   calls     the loop's thread
 */
void lb_resolve_cancel(struct lb_resolve *resolve);

#endif
