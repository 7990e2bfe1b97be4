/* SPDX-License-Identifier: MIT */
#ifndef LB_CLI_INTAKE_LINK_H
#define LB_CLI_INTAKE_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/drain.h"
#include "common/proto.h"

/*
 * The client's end of intake.sock (common/proto.h), message by message. Knows
 * no order of messages, keeps no state, never blocks, never raises SIGPIPE.
 * All calls: the program's one thread. socket_fd stays the caller's.
 */

/* What the stream says of itself in HELLO. Lives as long as the stream; strings are borrowed. */
struct lb_intake_source {
    int pipe_fd; /* the read end; stays the caller's */
    enum lb_stream_kind kind;
    pid_t source_pid;    /* 0: see struct lb_proto_hello */
    const char *service; /* "": the agent derives it */
    const char *tags;    /* "k:v,k:v" or "" */
    bool is_quiet;       /* another stream of ours tells of the agent's coming and going */
};

/* One message of the agent, as far as the client cares. */
struct lb_intake_answer {
    enum lb_proto_type type;
    uint64_t taken_bytes;                 /* WELCOME, TAKEN */
    char reason[LB_PROTO_REASON_MAX + 1]; /* REFUSED: printable, ends in NUL */
};

/*
 * Connect to the agent.
 *   returns  a new descriptor, the caller's | -errno; -EAGAIN when the agent has no room for us now
 */
int lb_intake_link_connect(void);

/*
 * Send one message. A packet goes whole or not at all.
 *   returns  0 | -EAGAIN no room, poll for POLLOUT | -errno the link is of no more use
 */
int lb_intake_link_send_hello(int socket_fd, const struct lb_intake_source *source, uint64_t stream_id);
int lb_intake_link_send_data(int socket_fd, const struct lb_drain_piece *piece);
int lb_intake_link_send_pipe(int socket_fd, int pipe_fd);
int lb_intake_link_send_bye(int socket_fd);

/*
 * Receive one message.
 *   ret_answer  written only when there is one
 *   returns     0 | -EAGAIN none there | -ECONNRESET the agent is gone
 *               | -EBADMSG, -EPROTONOSUPPORT not a message of this protocol
 */
int lb_intake_link_receive(int socket_fd, struct lb_intake_answer *ret_answer);

#endif
