/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_SPOOL_LAST_H
#define LB_STORE_SPOOL_LAST_H

#include "agent/store/card.h"
#include "agent/store/record.h"
#include "agent/store/spool.h"

/*
 * After a reboot nothing is left in tmpfs; the spool, if it wrote in that boot,
 * knows which numbers had been given by then. The start record tells them, and
 * it is the first of its ring, so this is asked before anything else: on the
 * card side, and not waited for longer than LB_SPOOL_LAST_MS.
 */
#define LB_SPOOL_LAST_MS 500u

/*
 * What the spool knows of the ring before goes into the start record, if it
 * answers in time.
 *   path      of the spool
 *   start     its last_ring and last are set where they are known
 *   calls     main thread, before the other sides start; once
 */
void lb_spool_last(struct lb_card *card, const char *path, struct lb_start *start);

#endif
