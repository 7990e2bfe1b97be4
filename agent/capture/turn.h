/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_TURN_H
#define LB_CAPTURE_TURN_H

#include "agent/capture/parts.h"
#include "agent/shape/pipeline.h"

/* Words that a record may touch in the commit: books, numbers, chunks, a row of the errors seen, what the
 * steps note, what is held, given up for it, or brought along, and what is told of what runs short. */
#define LB_TURN_COMMIT_WORDS (384 + LB_SHAPE_NOTE_WORDS + 64 + LB_HELD_CHUNKS_MAX)

/*
 * One stream's turn, as feed.c (bytes in) and records.c (records out) share it.
 * Fast side only; nobody else includes this.
 */
struct lb_turn {
    struct lb_capture *capture;
    struct lb_stream *stream;
    uint64_t now_ns;
    uint64_t carry_ns; /* stamp of what was staged before this turn; 0: none */
    uint64_t queued_lines, queued_bytes;
    uint64_t dropped_lines[LB_DROP_COUNT], dropped_bytes[LB_DROP_COUNT];
    uint32_t max_line;
    struct lb_record head;    /* of every line; what differs is filled in for each */
    uint8_t mask_state;       /* what redact remembers of the stream */
    struct lb_collapse *last; /* what its sender said last; NULL: as the stream has it */
    uint32_t squeezed; /* 1 + row of the service that `squeeze` is of, as long as this turn lasts; 0: none */
    struct lb_squeeze squeeze;
    bool has_urgent;
    bool has_kept;     /* a line joined the record that is open */
    bool wants_chunks; /* the pool is empty, somebody's line goes out early */
};

/*
 * Take all whole lines that are staged: into records, or kept as a part of one
 * that may go on.
 *   returns   true all taken | false the ring has no room and we wait
 */
bool lb_records_take(struct lb_turn *turn);

/*
 * Put one whole message of an input that has no lines (a datagram, a journal
 * entry) into the ring, or count why not.
 *   text      len bytes; may be changed in place
 *   level     that the input itself gives, -1: the text's own, else the stream's default
 *   syslog    what stands in front of the text, NULL: nothing does; its header stays the caller's
 *   returns   true dealt with | false the ring has no room: offer it again
 */
bool lb_records_message(struct lb_turn *turn, char *text, size_t len, int level,
                        const struct lb_extra *syslog);

/*
 * The same with a record that was joined already: for who plays the fast side (`logboom plan`).
 *   ret_out   what the steps made of it; its texts live until the next record
 */
bool lb_records_shaped(struct lb_turn *turn, const struct lb_shape *shape, char *text, size_t len,
                       const struct lb_extra *syslog, struct lb_shape_output *ret_out);

/*
 * Do with a record what its verdict says; the head of the turn is that record's.
 *   in, out   of lb_shape_record()
 *   returns   true dealt with | false the ring has no room and we wait: shape it again then
 */
bool lb_verdict_carry_out(struct lb_turn *turn, const struct lb_shape_input *in,
                          const struct lb_shape_output *out);

/*
 * Put what the turn has counted into the books.
 */
void lb_records_book(struct lb_turn *turn);

/*
 * The same, and publish.
 */
void lb_records_publish(struct lb_turn *turn);

/*
 * Count lines that were given up, by reason.
 */
void lb_records_drop(struct lb_turn *turn, enum lb_drop why, uint64_t lines, uint64_t bytes);

/*
 * A loss without a number, to be told in a receipt when there is room.
 */
void lb_records_untold(struct lb_turn *turn, enum lb_untold why, uint64_t lines, uint64_t bytes,
                       int severity);

#endif
