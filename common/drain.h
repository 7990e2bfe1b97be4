/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_DRAIN_H
#define LB_COMMON_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"

/*
 * What a client read out of its pipe while the agent was away, until the agent
 * has committed it. A list of segments, each as it was read and small enough
 * for one DATA, oldest first:
 *
 *      taken | sent, not yet taken | not yet sent
 *     (freed)|   segments ...      | segments ...   <- lb_drain_add()
 *            ^ first_byte of the oldest that is kept
 *
 * Always true:
 *   - kept bytes have contiguous positions; lost bytes have none;
 *   - what was sent is never thrown away: the agent may have committed it, and
 *     only WELCOME tells. It is at most LB_PROTO_DATA_WINDOW bytes;
 *   - what is thrown away is counted, and told with the next bytes kept after it;
 *   - memory stays under the bound plus one segment, and is none when empty.
 *
 * One thread owns a drain; nothing here blocks or makes a system call.
 */
#define LB_DRAIN_BYTES (1u << 20) /* the bound that clients use: some 10000 lines */

struct lb_drain;

/* One DATA to send: the fields of struct lb_proto_data, and the payload. */
struct lb_drain_piece {
    const char *bytes; /* the drain's; good until the drain is next changed */
    size_t len;        /* 1..LB_PROTO_DATA_MAX */
    uint64_t first_byte;
    uint64_t boot_ns;
    uint64_t lost_lines; /* thrown away just before these bytes */
    uint64_t lost_bytes;
};

/* What the agent was not given, should the client end now. */
struct lb_drain_count {
    uint64_t lines; /* a last line without LF counts */
    uint64_t bytes;
};

/*
 * Make an empty drain.
 *   bound_bytes  payload and bookkeeping that may be kept; at least twice LB_PROTO_DATA_WINDOW
 *   ret_drain    the caller's, until lb_drain_close()
 *   returns      0 | -EINVAL bound too small | -ENOMEM
 */
int lb_drain_open(size_t bound_bytes, struct lb_drain **ret_drain);

/*
 * Free a drain and what it keeps.
 *   drain    may be NULL
 */
void lb_drain_close(struct lb_drain *drain);

/*
 * Keep bytes read from the pipe. Over the bound the oldest unsent lines are
 * thrown away and counted; a line that alone fills the buffer loses its begin.
 *   bytes    len (1..LB_PROTO_DATA_MAX) bytes, copied
 *   boot_ns  CLOCK_BOOTTIME when they were read
 *   returns  0 | -ENOMEM the bytes are lost, and counted as such
 */
int lb_drain_add(struct lb_drain *drain, const char *bytes, size_t len, uint64_t boot_ns);

/*
 * The agent said WELCOME: forget what it has committed, and send all else anew
 * with positions that go on from there. An agent that knows less than was taken
 * before has lost its memory; one that claims more than was sent is believed
 * only as far as that.
 *   taken_bytes  of WELCOME
 */
void lb_drain_welcome(struct lb_drain *drain, uint64_t taken_bytes);

/*
 * The agent said TAKEN: forget what it has committed.
 *   taken_bytes  of TAKEN; smaller than before, or more than was sent: ignored beyond that
 */
void lb_drain_taken(struct lb_drain *drain, uint64_t taken_bytes);

/*
 * The next piece to send, if the window has room for it.
 *   ret_piece  written only when there is one
 *   returns    true there is one | false all is sent, or TAKEN must come first
 */
bool lb_drain_next(const struct lb_drain *drain, struct lb_drain_piece *ret_piece);

/*
 * The piece that lb_drain_next() gave is on its way; the next call gives the one after it.
 */
void lb_drain_sent(struct lb_drain *drain);

/*
 * Has everything been sent (though perhaps not taken)?
 */
bool lb_drain_is_sent(const struct lb_drain *drain);

/*
 * Is nothing kept?
 */
bool lb_drain_is_empty(const struct lb_drain *drain);

/*
 * Count what is kept and what was thrown away without the agent having heard of it.
 *   ret_kept, ret_lost  written always
 */
void lb_drain_count(const struct lb_drain *drain, struct lb_drain_count *ret_kept,
                    struct lb_drain_count *ret_lost);

#endif
