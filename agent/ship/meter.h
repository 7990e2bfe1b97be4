/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_METER_H
#define LB_SHIP_METER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/ship/shipper.h"

/*
 * What the link carries: bytes by day and month, in all and by service, in the
 * slow side's tables; and when it may carry more. Quotas are kept by the fast
 * side, which throttles (agent/shape/squeeze.h); what is here is the last word:
 * nothing is sent that would pass all of [network] quota. `rate` is a bucket
 * that is paid after the fact: a body may go when the one before it is paid
 * for, and is small enough to be paid for in LB_METER_BODY_MS.
 *
 * A file sink touches no network: it is not counted, nor limited.
 */
#define LB_METER_BODY_MS   250
#define LB_METER_LEAST     2048u               /* bytes of a body before compression: less is all head */
#define LB_METER_HEAD      700u                /* of a request, before its answer tells: its head, and TLS */
#define LB_METER_LATE_TEXT (4u * 1024 * 1024)  /* bytes of text by which the cost of late is told */
#define LB_METER_SLEW_NS   (2 * 1000000000ull) /* what wall time moves by before it is written down */

/*
 * Note what time it is; another day or month begins its counts anew. What was
 * counted before the clock was known belongs to the window in which it became
 * known.
 *   calls     slow side, in each step
 */
void lb_meter_look(struct lb_shipper *shipper, uint64_t now_ns);

/*
 * A request has ended, well or not.
 *   body      what it carried, NULL: a question
 *   was_taken the sink took it: it tells what a byte of text costs
 *   link_bytes  with heads and TLS
 *   calls     slow side; true with the next publish, which it leaves to the caller where was_taken
 */
void lb_meter_charge(struct lb_shipper *shipper, const struct lb_body *body, bool was_taken,
                     uint64_t link_bytes, uint64_t now_ns);

/*
 * A body goes out: the link is taken for as long as it needs at [network] rate.
 *   calls     slow side
 */
void lb_meter_sent(struct lb_shipper *shipper, uint64_t payload_bytes, uint64_t now_ns);

/*
 * What bodies that are on their way take, with their heads.
 *   calls     slow side
 */
uint64_t lb_meter_on_the_way(const struct lb_shipper *shipper);

/*
 * When the link may carry the next body.
 *   payload_bytes  of it, as far as it is known
 *   returns   boot time: what has gone by means at once | LB_NEVER: not before something changes
 *   calls     slow side
 */
uint64_t lb_meter_free_ns(const struct lb_shipper *shipper, uint64_t payload_bytes);

/*
 * The largest body, before compression, that suits [network] rate, and what is left of its quota.
 *   returns   SIZE_MAX without either
 *   calls     slow side
 */
size_t lb_meter_max_bytes(const struct lb_shipper *shipper);

#define LB_METER_KEPT 5

/*
 * What is counted, to ride on a transaction of the spool; and what rode on the
 * last one of an earlier boot, taken over: of the same day and month as it is
 * now, or, while nobody knows the time, as it was then. A window then begins
 * where counting began at first, so that what has gone by is not taken for spent.
 *   words     LB_METER_KEPT of them; all 0: nothing is known
 *   calls     slow side; true with the next publish
 */
void lb_meter_keep(const struct lb_shipper *shipper, uint64_t words[LB_METER_KEPT]);
void lb_meter_adopt(struct lb_shipper *shipper, const uint64_t words[LB_METER_KEPT]);

/*
 * Bytes sent in the day that it is, for status.
 *   returns   false: nobody knows the time, or the sink is on no network
 *   calls     slow side
 */
bool lb_meter_today(const struct lb_shipper *shipper, uint64_t now_ns, uint64_t *ret_bytes);

#endif
