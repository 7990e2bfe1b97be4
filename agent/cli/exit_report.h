/* SPDX-License-Identifier: MIT */
#ifndef LB_CLI_EXIT_REPORT_H
#define LB_CLI_EXIT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/cli/ending.h"
#include "common/proto.h"

/*
 * Tell the agent how the command ended (EXIT in common/proto.h): one packet on
 * a connection of its own, sent again until an agent has answered it. Its id
 * stays the same, so an agent that stored it and died before it could say so
 * does not store it twice.
 *
 *          connect, EXIT            TAKEN
 *     AWAY -------------> SENT ---------------> TAKEN
 *      ^                   |  `---------------> REFUSED
 *      `-------------------'        REFUSED, or hung up on three times running
 *        no agent, the agent went
 *
 * An agent that does not know EXIT hangs up at once or refuses it; one that is
 * restarted is not reached for a moment, which tells the two apart.
 * All calls: the program's one thread; none blocks but lb_exit_report_wait().
 */
enum lb_exit_report_phase {
    LB_EXIT_REPORT_AWAY = 0,
    LB_EXIT_REPORT_SENT,
    LB_EXIT_REPORT_TAKEN,
    LB_EXIT_REPORT_REFUSED
};

/* What the agent is told of the command beside its ending. Strings are borrowed, and copied at once. */
struct lb_exit_report_source {
    pid_t pid;
    uint64_t stream_id[2]; /* of stdout and stderr */
    const char *service;   /* "": the agent derives it */
    const char *tags;      /* "k:v,k:v" or "" */
    const char *name;      /* of the program; cut to LB_PROTO_NAME_MAX */
};

struct lb_exit_report {
    enum lb_exit_report_phase phase;
    int socket_fd; /* SENT: the connection */
    int hang_ups;  /* without an answer, one after the other */
    uint64_t sent_ns;
    uint64_t retry_ns; /* AWAY: connect then */
    uint64_t backoff_ns;
    uint64_t random;  /* for the jitter */
    char reason[128]; /* why it is not taken (yet); "": it is, or the agent refused it, of which its own log
                         tells */
    size_t len;       /* of the packet */
    union {
        struct lb_proto_exit exit;
        char bytes[sizeof(struct lb_proto_exit) + LB_PROTO_SERVICE_MAX + LB_PROTO_TAGS_MAX +
                   LB_PROTO_NAME_MAX];
    } packet;
};

/*
 * Make the report ready. Does not connect yet.
 *   source   its service and tags are legal (common/proto.h)
 *   returns  0 | -errno of getrandom(2)
 */
int lb_exit_report_open(struct lb_exit_report *report, const struct lb_exit_report_source *source,
                        const struct lb_ending *ending, uint64_t now_ns);

/*
 * Hang up, answered or not.
 */
void lb_exit_report_close(struct lb_exit_report *report);

/*
 * Sleep until the report has something to do or a signal came, and do it.
 *   signal_fd  watched for input
 *   until_ns   wake then at the latest (CLOCK_BOOTTIME); if that is over, what can be done at once is done
 *   returns    true signal_fd can be read | false
 */
bool lb_exit_report_wait(struct lb_exit_report *report, int signal_fd, uint64_t until_ns);

#endif
