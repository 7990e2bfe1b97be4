/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_NETWATCH_H
#define LB_SHIP_NETWATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"

/*
 * Hears of changes of this machine's addresses and routes (rtnetlink(7)): a
 * network that just came up is worth a try at once. Only what can open a way
 * counts, and a burst of messages is one call.
 *
 *   counts            a new address, once it is usable; a new unicast route in the main table, or an IPv4
 *                     route there that takes another's place (the kernel is silent where both are the same)
 *   does not count    what goes away; loopback; an address that is still tentative or turned out to be a
 *                     duplicate; an IPv6 link-local address and its route, which come with every interface of
 *                     every container; cached and cloned routes; what a router advertisement or a lease
 *                     only refreshes: an address older than LB_NETWATCH_NEW_CS, an IPv6 route put
 *                     in its own place
 */
#define LB_NETWATCH_NEW_CS 500 /* 1/100 s; to find out that an address is no duplicate takes two seconds */

struct lb_netwatch {
    struct lb_watch watch;
    struct lb_loop *loop;
    void (*changed)(void *ctx);
    void *ctx;
    uint64_t heard; /* messages that counted, and losses of some that may have, for status */
};

/*
 * Begin to listen. Where netlink is not allowed the agent does without. Only
 * what the kernel sends is heard; where it could not keep up with us and
 * dropped messages, that counts as one. A socket that fails is logged and
 * closed, as by lb_netwatch_close().
 *   changed   called on the loop's thread, at most once a turn
 *   returns   0 | negative errno: nothing is watched, nothing to close
 *   calls     slow side, or before its thread starts
 */
int lb_netwatch_open(struct lb_netwatch *watch, struct lb_loop *loop, void (*changed)(void *ctx), void *ctx);

/*
 * Does this batch of messages hold one that counts? Pure; the fuzzer feeds it.
 *   buf       len bytes as recv() gave them, aligned for struct nlmsghdr
 *   returns   how many count; a message that is cut, or longer than the rest, ends the look
 *   calls     any thread
 */
unsigned lb_netwatch_count(const void *buf, unsigned len);

/*
 * Stop listening; nothing happens where open failed or was never called on
 * zeroed memory, nor the second time.
 *   calls     slow side
 */
void lb_netwatch_close(struct lb_netwatch *watch);

#endif
