/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_REST_H
#define LB_CAPTURE_REST_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When the fast side may leave the pipes alone for a while. A line now and
 * then is cheapest read when it comes; a firehose must be read at once; but
 * lines every few milliseconds are cheapest read together, and waking up is
 * most of what they cost. So after a look that found little, soon after
 * another one, the pipes rest.
 *
 *      look .. look            rest            look            rest
 *   ----|-------|==============================|===============================|--
 *       < LB_REST_NS                       a few lines
 *
 * Invariants: no pipe rests longer than LB_REST_NS, so that is what a write()
 * into a full one waits at most; a pipe that gave more than a quarter of what
 * it holds, or LB_REST_BYTES, within that time is not left alone for
 * LB_REST_BUSY_NS; where nothing comes there is no rest, and nobody wakes up.
 */
#define LB_REST_NS       32000000ull
#define LB_REST_BUSY_NS  100000000ull
#define LB_REST_BYTES    16384u
#define LB_REST_STALL_MS 25u /* the default of max_stall: where it is set lower, no pipe rests */

/* Of all pipes. All zero: nothing was read yet. */
struct lb_rest {
    uint64_t look_ns;       /* when a look last found something; 0: never */
    uint64_t busy_until_ns; /* some pipe is fast: no rest before this */
    bool is_resting;
};

/* Of one pipe: what it gave since. All zero for a new one. */
struct lb_pace {
    uint64_t since_ns;
    uint64_t bytes;
};

/*
 * A pipe gave bytes.
 *   pipe_bytes  what the pipe holds
 *   calls       fast side only; a pure function of what is passed in
 */
void lb_rest_took(struct lb_rest *rest, struct lb_pace *pace, uint64_t bytes, uint64_t pipe_bytes,
                  uint64_t now_ns);

/*
 * A look found something, and all of it was read: do the pipes rest now?
 *   returns     true: for LB_REST_NS, then look again | false: the next byte is to wake us
 *   calls       as above
 */
bool lb_rest_begins(struct lb_rest *rest, uint64_t now_ns);

/*
 * The rest is over, and nothing came or something else matters more.
 *   calls       as above
 */
void lb_rest_ends(struct lb_rest *rest);

#endif
