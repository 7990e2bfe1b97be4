/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_SINK_TRANSPORT_H
#define LB_CONTROL_SINK_TRANSPORT_H

#include "agent/control/slow_side.h"

/*
 * Open the transport of one sink, as its type has it.
 *   sink_ix   of the configuration's sinks, whose secret loaded has
 *   seed      for the connections' age
 *   done      called on the loop's thread with ctx
 *   returns   0 | -ENOMEM | -EIO as those of transport.h | -E2BIG, -EINVAL as the sink's aim()
 *   calls     slow side, or before its thread starts
 */
int lb_sink_transport_open(struct lb_loop *loop, struct lb_card *card, const struct lb_loaded *loaded,
                           unsigned sink_ix, uint64_t seed, lb_transport_done done, void *ctx,
                           struct lb_transport *ret_transport);

#endif
