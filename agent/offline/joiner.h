/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_JOINER_H
#define LB_OFFLINE_JOINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/shape/pipeline.h"

/*
 * Records out of lines that are read from a file, as the agent makes them out of
 * a pipe (agent/capture/records.c): the same step decides (lb_shape_line()). No
 * more of the input is held than one record and the lines behind it.
 */
struct lb_joiner_line {
    size_t at, len; /* in the text */
    uint32_t raw_len;
    bool is_cut;
};

struct lb_joiner {
    /* the caller's, before the first line: */
    const struct lb_capture_config *settings;
    void *arg;
    /* The first `count` lines are a record: lb_joiner_text() has its text. */
    void (*on_record)(void *arg, const struct lb_shape *shape, size_t count, bool is_cut);
    void (*on_blank)(void *arg);

    uint64_t first_number; /* of line[0], from 1 */
    struct lb_shape shape;
    struct lb_joiner_line *line;
    size_t lines, line_room, shown; /* those before `shown` were shown to the steps */
    char *text;
    size_t text_len, text_room;
    char *room; /* for a record's text */
    char *part; /* of a line that goes on: at most max_line, and what may be its end */
    size_t part_len;
    bool is_in_long; /* pieces of that line are records already */
};

/*
 * Begin. Zero but for what is the caller's.
 *   returns   0 | -ENOMEM
 *   calls     offline modes, as all of this
 */
int lb_joiner_begin(struct lb_joiner *joiner);

/*
 * A line as it was read, its end included: in pieces where it is longer than max_line.
 *   returns   false: out of memory
 */
bool lb_joiner_take(struct lb_joiner *joiner, const char *text, size_t raw_len);

/*
 * A part of a line, as far as it was read: the same, and no more of it is held than max_line.
 *   is_end    the line ends with it, with its end or with the input
 *   returns   false: out of memory
 */
bool lb_joiner_take_part(struct lb_joiner *joiner, const char *text, size_t len, bool is_end);

/*
 * No more lines come: what is open is a record.
 */
void lb_joiner_finish(struct lb_joiner *joiner);

/*
 * Read all of a file that way, as it comes, for one joiner or several.
 *   who      names the mode in messages on stderr
 *   on_part  called with each part of a line before it is taken; false: it has told why to stop.
 *            NULL: nobody
 *   returns  0 | 1 it was told
 *   calls    may block on the file
 */
int lb_joiner_read(struct lb_joiner *const *joiners, unsigned count, int fd, const char *who,
                   bool (*on_part)(void *arg, size_t len, bool is_end), void *arg);

/*
 * The text of the record that on_record() is called for: in joiner->room, to be changed at will.
 *   returns   its length
 */
size_t lb_joiner_text(struct lb_joiner *joiner, size_t count);

/*
 * The longest text there can be.
 */
size_t lb_joiner_longest(const struct lb_joiner *joiner);

/*
 * Free all.
 */
void lb_joiner_end(struct lb_joiner *joiner);

#endif
