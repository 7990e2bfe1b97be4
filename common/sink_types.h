/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_SINK_TYPES_H
#define LB_COMMON_SINK_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"

/*
 * What the configuration has to know of a sink's type. How it works is in
 * agent/ship/sinks, one file each (facts/sinks.md).
 */
enum lb_sink_key { LB_SINK_KEY_NEVER = 0, LB_SINK_KEY_BY_AUTH, LB_SINK_KEY_BY_USER, LB_SINK_KEY_ALWAYS };

struct lb_sink_type {
    const char *name;
    bool is_network;
    bool needs_url;
    enum lb_sink_key key;
    bool may_pack[LB_COMPRESSION_ZSTD + 1];
    enum lb_compression compression; /* unless set */
    enum lb_sequence sequence;       /* unless set */
    uint64_t max_age_ms;             /* unless set; 0: as the key table has it */
};

/*
 * The row of a type.
 *   returns   static | NULL: there is none
 *   calls     any thread
 */
const struct lb_sink_type *lb_sink_type(const char *name);

/*
 * Does a sink with these settings show a secret?
 *   calls     any thread
 */
bool lb_sink_needs_key(const struct lb_sink_config *config);

#endif
