/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_TOP_OPTIONS_H
#define LB_OFFLINE_TOP_OPTIONS_H

#include <stdint.h>

#include "agent/offline/top_keys.h"

/* The command line of `logboom top`. */
struct lb_top_options {
    uint64_t interval_ms;
    uint64_t count;          /* screens or snapshots; 0: as many as come on a terminal, one elsewhere */
    bool is_batch;           /* text, also on a terminal */
    bool is_utf8;            /* the locale says so */
    struct lb_top_keys keys; /* order and filter to begin with */
};

/*
 * Read it.
 *   argv     argv[0] is not looked at
 *   returns  0 | 2 wrong usage, told on stderr
 *   calls    main thread of an offline mode
 */
int lb_top_options_read(int argc, char **argv, struct lb_top_options *ret_options);

#endif
