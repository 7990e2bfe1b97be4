/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_METRICS_SERVER_H
#define LB_CONTROL_METRICS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/control/metrics_socket.h"
#include "agent/control/status.h"
#include "common/loop.h"

/*
 * GET /metrics over HTTP, on [metrics] listen. One request a connection, served
 * by the slow side; nothing here waits. All is bounded: connections, their
 * time, their requests, what is kept to be sent. Who connects and is silent, or
 * does not read, has a slot for LB_METRICS_PATIENCE_NS at most, and gives it to
 * the next one before that if it has asked for nothing yet.
 *
 *     accept ─▶ READING ─ a head, or what is none ─▶ SENDING ─ all is sent ─▶ LINGERING ─ it hangs up ─▶ free
 *
 * Lingering keeps what was sent from being thrown away with the bytes that the
 * client sent too much.
 */
#define LB_METRICS_CLIENTS     8
#define LB_METRICS_PATIENCE_NS (10 * 1000000000ull)
#define LB_METRICS_REQUEST_MAX 4096
#define LB_METRICS_BODY_MAX    (3 * 1024 * 1024u) /* of one answer: 256 services with 54 series each */
#define LB_METRICS_OUTPUT_MAX  (4 * 1024 * 1024u) /* of all that are not sent yet */
#define LB_METRICS_LINGER_MAX  (64 * 1024u)       /* bytes that a client may send too much */

struct lb_metrics_server;

struct lb_metrics_client {
    struct lb_watch watch; /* fd below 0: free */
    struct lb_metrics_server *server;
    enum { LB_METRICS_READING = 0, LB_METRICS_SENDING, LB_METRICS_LINGERING } state;
    uint64_t deadline_ns;
    char request[LB_METRICS_REQUEST_MAX];
    size_t request_len;
    char *answer;
    size_t answer_len, answer_sent, lingered;
};

struct lb_metrics_server {
    struct lb_loop *loop;
    const struct lb_status_source *status;
    char listen[256];         /* what it was told last; "" for nothing yet */
    struct lb_watch listener; /* fd below 0: it serves nowhere */
    struct lb_metrics_socket socket;
    struct lb_timer timer;
    bool is_full; /* no descriptor was left: nobody is let in until the timer fires */
    size_t output_bytes;
    struct lb_metrics_client client[LB_METRICS_CLIENTS];
};

/*
 * Prepare; nothing is served yet.
 *   server   loop and status are set, the rest is zero; must not move
 *   calls    slow side, or before its thread starts
 */
void lb_metrics_open(struct lb_metrics_server *server);

/*
 * Serve at an address from now on, and at no other; "off": nowhere. What
 * cannot be is said in the log, once for each call, and the agent lives. The
 * same address again changes nothing, unless it could not be had before.
 *   listen  as lb_listen_parse() takes it
 *   calls   slow side, or before its thread starts
 */
void lb_metrics_listen(struct lb_metrics_server *server, const char *listen);

/*
 * Hang up on all clients, and stop serving.
 *   calls    slow side, last
 */
void lb_metrics_close(struct lb_metrics_server *server);

#endif
