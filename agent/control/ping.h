/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_PING_H
#define LB_CONTROL_PING_H

#include "agent/ship/shipper.h"

/*
 * `logboom ping`: reach for the sink by a connection of its own, and tell each
 * step with its time; then ask about the key, where the sink has a question
 * for that, or let the answer to an empty body tell it.
 */
struct lb_ping {
    struct lb_shipper *shipper;
    void (*done)(void *ctx, const char *text);
    void *ctx;
    char steps[1024]; /* the lines so far */
};

/*
 * Begin.
 *   done      called once, later: "ok\n" or "error WHY\n", then a line for each step
 *   returns   0 | -EBUSY a ping is under way | negative errno of the transport
 *   calls     slow side
 */
int lb_ping_start(struct lb_ping *ping, struct lb_shipper *shipper, void (*done)(void *ctx, const char *text),
                  void *ctx);

#endif
