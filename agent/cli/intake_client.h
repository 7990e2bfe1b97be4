/* SPDX-License-Identifier: MIT */
#ifndef LB_CLI_INTAKE_CLIENT_H
#define LB_CLI_INTAKE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/cli/intake_link.h"

/*
 * One stream on its way to the agent: hands the pipe over, and stands in for
 * the agent while there is none (design.md 2, capture).
 *
 *          connect          WELCOME          all sent        READING
 *     AWAY -------> GREETING -----> SENDING -------> HANDING -----> READING
 *      ^               |               |                |              |   END
 *      +---------------+---------------+----------------+--------------+-------> ENDED
 *        no agent, no answer, REFUSED           the agent's end closes
 *
 * Always true: the pipe stays open until lb_intake_close(), so its writer gets
 * no SIGPIPE from us; from HANDING to the close of the agent's end we do not
 * read it; in AWAY and GREETING we do as soon as it is a quarter full, so its
 * writer never waits longer than one look. No call blocks. One thread.
 */
struct lb_intake;

enum lb_intake_phase {
    LB_INTAKE_AWAY = 0, /* no agent: trying again, draining */
    LB_INTAKE_GREETING, /* HELLO is sent: still draining */
    LB_INTAKE_SENDING,  /* welcome: the buffer goes out, the pipe waits */
    LB_INTAKE_HANDING,  /* PIPE is sent: no more reading */
    LB_INTAKE_READING,  /* the agent reads; we sleep */
    LB_INTAKE_ENDED,    /* the pipe ended and all of it is with the agent */
    LB_INTAKE_PHASE_COUNT
};

/*
 * Begin a stream, with a stream id of its own. Does not connect yet.
 *   source      copied; its strings and descriptor must outlive the stream
 *   now_ns      CLOCK_BOOTTIME
 *   ret_intake  the caller's, until lb_intake_close()
 *   returns     0 | -ENOMEM | -errno of getrandom(2)
 */
int lb_intake_open(const struct lb_intake_source *source, uint64_t now_ns, struct lb_intake **ret_intake);

/*
 * Forget a stream: closes the connection, not the pipe.
 *   intake   may be NULL
 */
void lb_intake_close(struct lb_intake *intake);

/*
 * Sleep until a stream has something to do or a signal came, and do it.
 *   intakes    count (1 or 2) streams, none of them NULL
 *   signal_fd  watched for input
 *   until_ns   wake then at the latest (CLOCK_BOOTTIME); LB_NEVER_NS: no such time
 *   returns    true signal_fd can be read | false
 *   blocks     while all agents read and no signal comes: for good, without waking up
 */
bool lb_intake_wait(struct lb_intake *const *intakes, size_t count, int signal_fd, uint64_t until_ns);

/* Where the stream is. */
enum lb_intake_phase lb_intake_phase(const struct lb_intake *intake);

/* By which number the agent knows it: random, never 0. */
uint64_t lb_intake_stream_id(const struct lb_intake *intake);

/*
 * Have all writers of the pipe closed it? (What they wrote may still be in it.)
 */
bool lb_intake_has_hung_up(const struct lb_intake *intake);

/*
 * Tell a reading agent that we leave on purpose, and the pipe is its own now.
 */
void lb_intake_leave(struct lb_intake *intake);

/*
 * Give the stream up: read what is in the pipe and count what no agent got.
 * Only while the agent does not read it (not in HANDING, READING or ENDED).
 *   returns  lines lost
 */
uint64_t lb_intake_give_up(struct lb_intake *intake, uint64_t now_ns);

#endif
