/* SPDX-License-Identifier: MIT */
/*
 * Records out of lines. In: lines of a file. Out: records, as the agent would join them. Always true: each
 * byte is in one record, or in a blank line.
 */
#include "agent/offline/joiner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 65536

/* The text of the first `count` lines, joined. */
size_t lb_joiner_text(struct lb_joiner *joiner, size_t count)
{
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            joiner->room[len++] = '\n';
        memcpy(joiner->room + len, joiner->text + joiner->line[i].at, joiner->line[i].len);
        len += joiner->line[i].len;
    }
    return len;
}

static void forget(struct lb_joiner *joiner, size_t count)
{
    size_t from = count < joiner->lines ? joiner->line[count].at : joiner->text_len;

    if (joiner->text_len > from) /* there may be no memory yet: a file may begin with a blank line */
        memmove(joiner->text, joiner->text + from, joiner->text_len - from);
    memmove(joiner->line, joiner->line + count, (joiner->lines - count) * sizeof *joiner->line);
    joiner->text_len -= from;
    joiner->lines -= count;
    for (size_t i = 0; i < joiner->lines; i++)
        joiner->line[i].at -= from;
    joiner->first_number += count;
    joiner->shown = 0;
}

static void tell(struct lb_joiner *joiner, const struct lb_shape *shape, size_t count, bool is_cut)
{
    joiner->on_record(joiner->arg, shape, count, is_cut);
    forget(joiner, count);
}

static void blank(struct lb_joiner *joiner)
{
    joiner->on_blank(joiner->arg);
    forget(joiner, 1);
}

static void close_record(struct lb_joiner *joiner)
{
    struct lb_shape *shape = &joiner->shape;
    bool is_cut = shape->is_full || shape->is_continued;

    if (shape->lines > 0)
        tell(joiner, shape, shape->lines, is_cut);
    lb_shape_closed(shape);
    joiner->shown = 0;
}

static void tell_alone(struct lb_joiner *joiner, const struct lb_joiner_line *line)
{
    struct lb_shape alone;

    if (joiner->shape.lines + joiner->shape.held > 0) {
        close_record(joiner);
        return;
    }
    if (line->len == 0) {
        blank(joiner);
        return;
    }
    lb_shape_message(&alone, joiner->text + line->at, line->len, -1);
    tell(joiner, &alone, 1, line->is_cut);
}

/* Show the lines that were not shown yet, until they are all part of the record that is open, or gone. */
static void go_on(struct lb_joiner *joiner)
{
    while (joiner->shown < joiner->lines) {
        const struct lb_joiner_line *line = &joiner->line[joiner->shown];

        if (line->is_cut || joiner->settings->multiline == LB_JOIN_OFF) {
            tell_alone(joiner, line);
            continue;
        }
        switch (lb_shape_line(&joiner->shape, joiner->settings, joiner->text + line->at, line->len,
                              line->raw_len)) {
        case LB_SHAPE_BLANK:
            blank(joiner);
            break;
        case LB_SHAPE_KEEP:
            joiner->shown++;
            break;
        case LB_SHAPE_CLOSE:
            close_record(joiner);
            break;
        }
    }
}

void lb_joiner_finish(struct lb_joiner *joiner)
{
    do {
        close_record(joiner);
        go_on(joiner);
    } while (joiner->lines > 0);
}

static bool grow(void **memory, size_t *room, size_t need, size_t size)
{
    size_t wanted = *room * 2 > need ? *room * 2 : need + 64;
    void *more;

    if (need <= *room)
        return true;
    more = realloc(*memory, wanted * size);
    if (!more)
        return false;
    *memory = more;
    *room = wanted;
    return true;
}

/* Add one line, or a piece of one. false: out of memory */
static bool add(struct lb_joiner *joiner, const char *text, size_t len, size_t raw_len, bool is_cut)
{
    if (!grow((void **)&joiner->line, &joiner->line_room, joiner->lines + 1, sizeof *joiner->line) ||
        !grow((void **)&joiner->text, &joiner->text_room, joiner->text_len + len, 1))
        return false;
    joiner->line[joiner->lines++] = (struct lb_joiner_line) {
        .at = joiner->text_len, .len = len, .raw_len = (uint32_t)raw_len, .is_cut = is_cut
    };
    if (len > 0)
        memcpy(joiner->text + joiner->text_len, text, len);
    joiner->text_len += len;
    return true;
}

bool lb_joiner_take(struct lb_joiner *joiner, const char *text, size_t raw_len)
{
    size_t most = joiner->settings->max_line_bytes, len = raw_len;
    bool is_long;

    if (len > 0 && text[len - 1] == '\n')
        len--;
    if (len > 0 && text[len - 1] == '\r')
        len--;
    is_long = len > most;
    do {
        size_t part = len < most ? len : most;

        if (!add(joiner, text, part, is_long ? part : raw_len, is_long))
            return false;
        text += part;
        len -= part;
        go_on(joiner);
    } while (len > 0);
    return true;
}

/* ---- a line in parts ---- */

/* One that is longer than max_line for sure: its first pieces. */
static bool tell_pieces(struct lb_joiner *joiner, size_t keep)
{
    size_t most = joiner->settings->max_line_bytes, at = 0;

    while (joiner->part_len - at > keep) {
        size_t left = joiner->part_len - at, piece = left < most ? left : most;

        if (!add(joiner, joiner->part + at, piece, piece, true))
            return false;
        go_on(joiner);
        at += piece;
    }
    memmove(joiner->part, joiner->part + at, joiner->part_len - at);
    joiner->part_len -= at;
    joiner->is_in_long |= at > 0;
    return true;
}

/* Its end has come: what is left of it, or all. */
static bool end_parts(struct lb_joiner *joiner)
{
    size_t len = joiner->part_len;
    bool is_in_long = joiner->is_in_long;

    joiner->is_in_long = false;
    if (!is_in_long) {
        joiner->part_len = 0;
        return lb_joiner_take(joiner, joiner->part, len);
    }
    len -= len > 0 && joiner->part[len - 1] == '\n';
    len -= len > 0 && joiner->part[len - 1] == '\r';
    joiner->part_len = len;
    if (!tell_pieces(joiner, 0))
        return false;
    joiner->is_in_long = false;
    return true;
}

bool lb_joiner_take_part(struct lb_joiner *joiner, const char *text, size_t len, bool is_end)
{
    size_t most =
        joiner->settings->max_line_bytes + 2; /* and a line end: it may be no longer than max_line */

    if (is_end && joiner->part_len == 0 && !joiner->is_in_long)
        return lb_joiner_take(joiner, text, len);
    if (!joiner->part)
        joiner->part = malloc(most);
    if (!joiner->part)
        return false;
    while (len > 0) {
        size_t room = most - joiner->part_len, part = len < room ? len : room;

        memcpy(joiner->part + joiner->part_len, text, part);
        joiner->part_len += part;
        text += part;
        len -= part;
        if (joiner->part_len == most && (len > 0 || !is_end) && !tell_pieces(joiner, most - 1))
            return false;
    }
    return !is_end || end_parts(joiner);
}

/* ---- a file ---- */

struct reader {
    struct lb_joiner *const *joiners;
    unsigned count;
    const char *who;
    bool (*on_part)(void *arg, size_t len, bool is_end);
    void *arg;
};

static bool hand_out(const struct reader *reader, const char *text, size_t len, bool is_end)
{
    if (reader->on_part && !reader->on_part(reader->arg, len, is_end))
        return false;
    for (unsigned i = 0; i < reader->count; i++)
        if (!lb_joiner_take_part(reader->joiners[i], text, len, is_end)) {
            fprintf(stderr, "%s: out of memory\n", reader->who);
            return false;
        }
    return true;
}

/* What was read at once. ret_is_open: the last line of it goes on */
static bool hand_out_lines(const struct reader *reader, const char *text, size_t len, bool *ret_is_open)
{
    const char *end;

    for (; (end = len > 0 ? memchr(text, '\n', len) : NULL); text = end + 1) {
        if (!hand_out(reader, text, (size_t)(end + 1 - text), true))
            return false;
        len -= (size_t)(end + 1 - text);
        *ret_is_open = false;
    }
    *ret_is_open |= len > 0;
    return len == 0 || hand_out(reader, text, len, false);
}

int lb_joiner_read(struct lb_joiner *const *joiners, unsigned count, int fd, const char *who,
                   bool (*on_part)(void *arg, size_t len, bool is_end), void *arg)
{
    const struct reader reader = { joiners, count, who, on_part, arg };
    static char text[READ_BYTES];
    bool is_open = false;
    ssize_t got;

    while ((got = read(fd, text, sizeof text)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            fprintf(stderr, "%s: cannot read standard input: %s\n", who, strerror(errno));
            return 1;
        }
        if (!hand_out_lines(&reader, text, (size_t)got, &is_open))
            return 1;
    }
    if (is_open && !hand_out(&reader, "", 0, true))
        return 1;
    for (unsigned i = 0; i < count; i++)
        lb_joiner_finish(joiners[i]);
    return 0;
}

size_t lb_joiner_longest(const struct lb_joiner *joiner)
{
    return joiner->settings->join_bytes + joiner->settings->max_line_bytes;
}

int lb_joiner_begin(struct lb_joiner *joiner)
{
    joiner->first_number = 1;
    joiner->room = malloc(lb_joiner_longest(joiner) + 1);
    return joiner->room ? 0 : -ENOMEM;
}

void lb_joiner_end(struct lb_joiner *joiner)
{
    free(joiner->room);
    free(joiner->line);
    free(joiner->text);
    free(joiner->part);
}
