/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_MULTILINE_H
#define LB_SHAPE_MULTILINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Which lines of a stream belong together (design.md, shape). A state machine
 * over whole lines: no allocation, no clock, no regex; the same lines give the
 * same groups. The bytes stay where they are: this only says where a record ends.
 *
 * The caller holds the lines of the record so far. Each further line is shown
 * once, in order, and the answer says what becomes of it. A line that ends the
 * record has begun the next one by that, so that the stream of ordinary lines
 * costs one step each. A group that is closed for another reason (a bound, a
 * timeout, the stream's end) begins anew with lb_multiline_reset(), and so does
 * one that ends with lines on hold: the first of these begins the next record,
 * and each of them is shown once more.
 */
enum lb_multiline_mode { LB_MULTILINE_OFF = 0, LB_MULTILINE_INDENT, LB_MULTILINE_PYTHON };

enum lb_multiline_step {
    LB_MULTILINE_JOIN = 0, /* the line, and those on hold before it, belong to the record */
    LB_MULTILINE_HOLD,     /* only a later line can tell (a blank line, "During handling of ...") */
    LB_MULTILINE_NEW, /* the record ended with the last line that was joined. Nothing is on hold: this line
                         has begun the next one. Else the first one on hold does: reset, and show it and those
                         behind it again */
};

#define LB_MULTILINE_HEAD_BYTES 116
#define LB_MULTILINE_HOLD_MAX   16 /* lines; one more, and they are not part of the record */

/* Zeroed, or reset: no record is begun, and the next line is joined whatever it is. Opaque in use; held by
 * value. */
struct lb_multiline {
    uint8_t phase;        /* what was read last, and so what may come */
    uint8_t why;          /* the most telling reason so far */
    uint8_t on_hold;      /* lines */
    int8_t level;         /* of the first line; -1: it states none */
    uint8_t flags;        /* see multiline.c */
    uint8_t head_len;     /* 0: no line's beginning is kept */
    uint8_t prefix_len;   /* of head: what stands in front of every line of this record; 0: nothing does */
    uint8_t after_prefix; /* phase to go on in when it has been seen that the next line bears the prefix */
    uint16_t indent;      /* blanks in front of the first line: a continuation has more */
    uint16_t margin;      /* column of a group's outermost margin */
    char head[LB_MULTILINE_HEAD_BYTES]; /* beginning of the first line, where a later one may ask for it */
};

/*
 * Begin anew, whatever was read before.
 *   calls      fast side, offline modes
 */
static inline void lb_multiline_reset(struct lb_multiline *state)
{
    memset(state, 0, offsetof(struct lb_multiline, head)); /* which counts up to head_len only */
}

/*
 * Show the next line.
 *   text, len  the whole line without its end, ANSI colours and all; may be empty
 *   level      what the line itself states (lb_severity), -1: nothing
 *   returns    see the enum; the first line of a record is always LB_MULTILINE_JOIN
 *   calls      fast side, offline modes
 */
enum lb_multiline_step lb_multiline_step(struct lb_multiline *state, enum lb_multiline_mode mode,
                                         const char *text, size_t len, int level);

/*
 * Is the record begun one that more lines are likely to follow, so that it is
 * worth waiting for them (join_timeout) although nothing more has been read?
 * No: it may go out now. An ordinary line of level info must not wait; one that
 * states error or worse, and any that is inside of a traceback, a hook's header
 * and the like, does.
 */
bool lb_multiline_waits(const struct lb_multiline *state);

/*
 * Why the lines were joined, for `logboom explain`: a static text such as
 * "traceback", "chained traceback", "exception group", "faulthandler", "warning",
 * "logging error", "stack", "indented"; "" where the record is one line.
 */
const char *lb_multiline_why(const struct lb_multiline *state);

#endif
