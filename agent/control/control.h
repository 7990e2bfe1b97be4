/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_CONTROL_H
#define LB_CONTROL_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "agent/control/outlets.h"
#include "agent/control/ping.h"
#include "agent/control/status.h"
#include "common/loop.h"
#include "common/proto.h"

/*
 * control.sock: one request a connection, as told at the end of
 * common/proto.h. Served by the slow side, which may be asked anything that
 * does not wait; a peer that does not read or write costs a slot for
 * LB_CONTROL_PATIENCE_NS and nothing else.
 */
#define LB_CONTROL_CLIENTS     16
#define LB_CONTROL_PATIENCE_NS (10 * 1000000000ull)

struct lb_control;

struct lb_control_client {
    struct lb_watch watch; /* fd -1: free */
    struct lb_control *control;
    char request[LB_CONTROL_LINE_MAX];
    size_t request_len;
    char *answer;
    size_t answer_len, answer_sent;
    uint64_t deadline_ns;
    uint64_t flush_ticket;   /* what the fast side must have done first; 0: it has, or no flush waits */
    uint64_t flush_until_ns; /* not waited for longer: it may be stalled, with what is staged */
    uint64_t flush_pos;
    uint64_t flush_seq; /* of the backlog */
    struct lb_outlets_mark flush_others;
    uint64_t flush_next_pos; /* the same as flush_pos in the ring behind one that was set aside */
    const void *flush_ring;  /* the ring that flush_pos speaks of; NULL: no flush waits */
};

struct lb_control {
    struct lb_loop *loop;
    struct lb_shipper *shipper;
    struct lb_outlets *outlets;
    struct lb_drain *drain; /* NULL: there is no backlog */
    struct lb_link *link;
    struct lb_status_source status;
    int ring_fds[LB_CONTROL_FDS_MAX]; /* read-only, newest first */
    unsigned ring_fd_count;
    char config_path[4096]; /* absolute; told to offline readers, who print as the sink would */
    struct lb_watch listener;
    struct lb_timer timer;
    struct lb_control_client client[LB_CONTROL_CLIENTS];
    struct lb_control_client *probing; /* who waits for the ping; NULL: nobody any more */
    struct lb_ping ping;
};

/*
 * Bind control.sock (mode 0660) and start to listen.
 *   control  loop shipper link status ring_fds ring_fd_count config_path are set by the caller, the
 *            rest is zero
 *   returns  0 | negative errno of socket, bind, listen
 *   calls    slow side, or before its thread starts
 */
int lb_control_start(struct lb_control *control, int dir_fd);

/*
 * Answer flushes that are done by now.
 *   calls     slow side, after each step of the shipper
 */
void lb_control_step(struct lb_control *control, uint64_t now_ns);

/*
 * Hang up on all clients.
 *   calls     slow side, last
 */
void lb_control_stop(struct lb_control *control);

#endif
