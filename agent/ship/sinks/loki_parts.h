/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_SINKS_LOKI_PARTS_H
#define LB_SHIP_SINKS_LOKI_PARTS_H

#include "agent/ship/sinks/sink.h"

/* How bodies for Loki are written. */
extern const struct lb_sink_format lb_loki_format;

/*
 * A body from the backlog tells what is older than this in streams of its own
 * (replay="1"): Loki takes nothing for a stream that is an hour older than the
 * newest it has, and the live stream has gone on meanwhile. What is left of the
 * hour is for the way.
 */
#define LB_LOKI_REPLAY_AGE_NS (50 * 60 * 1000000000ull)

#define LB_LOKI_METADATA_MAX 128    /* of one record; Loki's limit */
#define LB_LOKI_LINE_MAX     230000 /* bytes of a line; Loki takes 256 KB */

#endif
