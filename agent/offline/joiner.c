/* SPDX-License-Identifier: MIT */
/*
 * Records out of lines. In: lines of a file. Out: records, as the agent would join them. Always true: each
 * byte is in one record, or in a blank line.
 */
#include "agent/offline/joiner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

int lb_joiner_read(struct lb_joiner *joiner, FILE *in, const char *who,
                   void (*on_line)(void *arg, size_t len))
{
    char *text = NULL;
    size_t room = 0;
    ssize_t got;
    int code = 0;

    while (code == 0 && (got = getline(&text, &room, in)) > 0) {
        if (on_line)
            on_line(joiner->arg, (size_t)got);
        if (!lb_joiner_take(joiner, text, (size_t)got))
            code = 1;
    }
    free(text);
    if (code == 0)
        lb_joiner_finish(joiner);
    if (code != 0 || ferror(in)) {
        fprintf(stderr, "%s: %s\n", who, code ? "out of memory" : "cannot read standard input");
        return 1;
    }
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
}
