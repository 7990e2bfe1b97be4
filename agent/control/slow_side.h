/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_SLOW_SIDE_H
#define LB_CONTROL_SLOW_SIDE_H

#include <pthread.h>
#include <stdbool.h>

#include "agent/capture/capture.h"
#include "agent/control/bar.h"
#include "agent/control/control.h"
#include "agent/control/metrics_server.h"
#include "agent/control/outlets.h"
#include "agent/control/pulse.h"
#include "agent/control/remote.h"
#include "agent/ship/drain.h"
#include "agent/ship/netwatch.h"
#include "agent/ship/shipper.h"
#include "agent/ship/spooler.h"
#include "agent/store/card.h"
#include "agent/store/files.h"

/*
 * The slow side's thread: a loop with the shipper, its transport and the
 * control socket in it. It may wait for nothing but the network, and that
 * without blocking.
 */
#define LB_SECRET_MAX 256

/* A configuration with what was read beside it. */
struct lb_loaded {
    struct lb_config *config;
    struct lb_rules *rules;                   /* compiled, for the fast side */
    char secret[LB_SINKS_MAX][LB_SECRET_MAX]; /* of each of config->sinks; "" when it needs none */
    bool has_secret[LB_SINKS_MAX];
};

struct lb_slow_side {
    pthread_t thread;
    struct lb_loop loop;
    struct lb_watch door; /* link->to_slow_fd */
    struct lb_timer step_timer;
    struct lb_shipper shipper;
    struct lb_mover *mover; /* NULL: there is no backlog */
    struct lb_drain drain;  /* of it */
    struct lb_spooler spooler;
    bool has_spooler;
    struct lb_outlook outlook;
    struct lb_control control;
    struct lb_outlets *outlets; /* of the sinks beside the first; set by the caller before the start */
    struct lb_wear_side *wear;  /* shown by control; set by the caller before the start, or NULL */
    struct lb_metrics_server metrics;
    struct lb_netwatch netwatch;
    struct lb_bar bar;       /* of a metered link */
    struct lb_remote remote; /* commands, by the broker of an MQTT sink */
    struct lb_pulse pulse;   /* heartbeats, there too */
    uint64_t seed;
    struct lb_files *files;
    struct lb_link *link;
    struct lb_card *card;
    struct lb_loaded *next;  /* handed over by the fast side; NULL: nothing new */
    struct lb_loaded *taken; /* and taken: the fast side may free what came before */
    bool has_started;
};

/*
 * Wire and start the thread.
 *   loaded    outlives the thread or the next lb_slow_side_reload()
 *   capture   for status; its counters are read at any time
 *   returns   0 | negative errno (it was logged)
 *   calls     main thread
 */
int lb_slow_side_start(struct lb_slow_side *slow, struct lb_files *files, struct lb_link *link,
                       struct lb_card *card, struct lb_loaded *loaded, const struct lb_capture *capture);

/*
 * Hand a new configuration over. Before it is taken, another one is refused.
 *   returns   0 | -EBUSY the last one is not taken yet
 *   calls     fast side; never blocks
 */
int lb_slow_side_reload(struct lb_slow_side *slow, struct lb_loaded *loaded);

/*
 * The configuration that the slow side uses now.
 *   calls     fast side
 */
struct lb_loaded *lb_slow_side_loaded(const struct lb_slow_side *slow);

/*
 * Wait for the thread's end, after link->stopping was set.
 *   wait_ms   at most so long
 *   returns   true: it ended | false: it is stuck in a library, and its memory must stay
 *   calls     main thread
 */
bool lb_slow_side_join(struct lb_slow_side *slow, uint64_t wait_ms);

/*
 * Free what the card side had in hand.
 *   calls     main thread, after both have stopped
 */
void lb_slow_side_free(struct lb_slow_side *slow);

#endif
