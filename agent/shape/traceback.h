/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_TRACEBACK_H
#define LB_SHAPE_TRACEBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A part of a text, by position. len 0: there is none. Where a program writes in colours it may hold some. */
struct lb_span {
    uint32_t at, len;
};

/* What a joined record says of an error. All spans lie in the text that was given. */
struct lb_traceback {
    struct lb_span kind; /* "KeyError", "subprocess.CalledProcessError", "Segmentation fault"; none where the
                            record was cut before the exception's line */
    struct lb_span message;  /* behind "kind: ", all its lines; may be empty */
    struct lb_span stack;    /* from the first "Traceback ..." (or what stands in its place) to its end */
    struct lb_span file;     /* of the innermost frame */
    struct lb_span function; /* of the innermost frame; none for a SyntaxError's */
    uint64_t fingerprint;    /* of type, and functions and files of the frames; never 0 */
    bool is_fatal;           /* a dump of faulthandler: critical, else at least error */
    bool is_warning;         /* a pair of warnings.warn: no error at all, kind is its category */
};

/*
 * Understand the traceback in a joined record: plain, chained (the last one
 * shown is the one that was raised), grouped (the group is what was raised),
 * without header (SyntaxError), faulthandler's, with or without a prefix on each
 * line, CPython 3.8 to 3.13. The fingerprint leaves out line numbers, addresses
 * and repeated frames: the same fault in the same code has the same one, whatever
 * its message says and however often a group has the same part.
 *   text     len bytes, any content, lines parted by LF
 *   returns  true and *ret filled | false there is no traceback in it
 *   calls    fast side, offline modes; a pure function
 */
bool lb_traceback_parse(const char *text, size_t len, struct lb_traceback *ret);

#endif
