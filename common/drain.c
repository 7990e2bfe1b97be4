/* SPDX-License-Identifier: MIT */
/*
 * The client's bounded buffer of what it drained while the agent was away.
 *
 * In: bytes from the pipe with the time they were read; WELCOME and TAKEN from
 * the agent. Out: pieces for DATA, with positions and with the loss before each.
 *
 * A position is never stored: it is the position of the oldest kept byte plus
 * what lies between. So throwing away bytes that were never sent renumbers what
 * follows by itself, and nothing else may be thrown away (see drain.h).
 */
#include "common/drain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct segment {
    struct segment *next;
    uint64_t boot_ns;
    uint64_t lost_lines;
    uint64_t lost_bytes;
    size_t start; /* bytes of the front that are gone */
    size_t end;
    char bytes[];
};

struct lb_drain {
    size_t bound_bytes;
    size_t held_bytes; /* of the segments, bookkeeping included */
    struct segment *oldest;
    struct segment *newest;
    struct segment *last_sent; /* NULL: nothing is under way */
    uint64_t first_byte;       /* position of the oldest kept byte */
    uint64_t sent_bytes;       /* kept bytes up to and including last_sent */
    uint64_t owed_lines;       /* loss that waits for a segment to be told with */
    uint64_t owed_bytes;
};

int lb_drain_open(size_t bound_bytes, struct lb_drain **ret_drain)
{
    struct lb_drain *drain;

    if (bound_bytes < 2u * LB_PROTO_DATA_WINDOW)
        return -EINVAL;
    drain = calloc(1, sizeof *drain);
    if (!drain)
        return -ENOMEM;
    drain->bound_bytes = bound_bytes;
    *ret_drain = drain;
    return 0;
}

static size_t segment_footprint(const struct segment *segment)
{
    return sizeof *segment + segment->end;
}

static void free_segment(struct lb_drain *drain, struct segment *segment)
{
    drain->held_bytes -= segment_footprint(segment);
    free(segment);
}

void lb_drain_close(struct lb_drain *drain)
{
    if (!drain)
        return;
    for (struct segment *segment = drain->oldest, *next; segment; segment = next) {
        next = segment->next;
        free_segment(drain, segment);
    }
    free(drain);
}

static uint64_t count_lf(const char *bytes, size_t len)
{
    uint64_t lines = 0;

    for (const char *at = bytes, *end = bytes + len; (at = memchr(at, '\n', (size_t)(end - at))) != NULL;
         at++)
        lines++;
    return lines;
}

static struct segment *first_unsent(const struct lb_drain *drain)
{
    return drain->last_sent ? drain->last_sent->next : drain->oldest;
}

/* Throw away the front of the oldest unsent segment; the loss stays with what is left of it. */
static void trim_unsent(struct lb_drain *drain, size_t len)
{
    struct segment *segment = first_unsent(drain);

    segment->lost_lines += count_lf(segment->bytes + segment->start, len);
    segment->lost_bytes += len;
    segment->start += len;
}

/* Throw away the oldest unsent segment, which is not the newest; the loss goes to the one after it. */
static void drop_unsent(struct lb_drain *drain)
{
    struct segment *segment = first_unsent(drain), *next = segment->next;

    trim_unsent(drain, segment->end - segment->start);
    next->lost_lines += segment->lost_lines;
    next->lost_bytes += segment->lost_bytes;
    if (drain->last_sent)
        drain->last_sent->next = next;
    else
        drain->oldest = next;
    free_segment(drain, segment);
}

/* Make room: one segment goes, and of the next what ends its last line, so that whole lines are left. */
static void drop_oldest_lines(struct lb_drain *drain)
{
    bool is_line_open = true;

    while (is_line_open && first_unsent(drain) != drain->newest) {
        const struct segment *segment = first_unsent(drain);
        const char *lf;
        size_t rest;

        is_line_open = segment->bytes[segment->end - 1] != '\n';
        drop_unsent(drain);
        segment = first_unsent(drain);
        rest = segment->end - segment->start;
        lf = is_line_open ? memchr(segment->bytes + segment->start, '\n', rest) : NULL;
        if (!lf)
            continue;
        is_line_open = false;
        if ((size_t)(lf + 1 - (segment->bytes + segment->start)) < rest)
            trim_unsent(drain, (size_t)(lf + 1 - (segment->bytes + segment->start)));
        else if (segment != drain->newest)
            drop_unsent(drain);
    }
}

int lb_drain_add(struct lb_drain *drain, const char *bytes, size_t len, uint64_t boot_ns)
{
    struct segment *segment = malloc(sizeof *segment + len);

    if (!segment) {
        drain->owed_lines += count_lf(bytes, len);
        drain->owed_bytes += len;
        return -ENOMEM;
    }
    *segment = (struct segment) {
        .boot_ns = boot_ns,
        .lost_lines = drain->owed_lines,
        .lost_bytes = drain->owed_bytes,
        .end = len,
    };
    memcpy(segment->bytes, bytes, len);
    drain->owed_lines = drain->owed_bytes = 0;
    drain->held_bytes += segment_footprint(segment);
    if (drain->newest)
        drain->newest->next = segment;
    else
        drain->oldest = segment;
    drain->newest = segment;
    while (drain->held_bytes > drain->bound_bytes && first_unsent(drain) != drain->newest)
        drop_oldest_lines(drain);
    return 0;
}

/* Forget the oldest bytes, all of which were sent. A loss told with a segment is known once a byte of it is
 * taken. */
static void forget(struct lb_drain *drain, uint64_t bytes)
{
    drain->first_byte += bytes;
    drain->sent_bytes -= bytes;
    while (bytes > 0) {
        struct segment *segment = drain->oldest;
        size_t len = segment->end - segment->start;

        if (bytes < len) {
            segment->start += bytes;
            segment->lost_lines = segment->lost_bytes = 0;
            return;
        }
        bytes -= len;
        drain->oldest = segment->next;
        if (drain->last_sent == segment)
            drain->last_sent = NULL;
        if (drain->newest == segment)
            drain->newest = NULL;
        free_segment(drain, segment);
    }
}

void lb_drain_taken(struct lb_drain *drain, uint64_t taken_bytes)
{
    uint64_t fresh_bytes;

    if (taken_bytes <= drain->first_byte)
        return;
    fresh_bytes = taken_bytes - drain->first_byte;
    forget(drain, fresh_bytes < drain->sent_bytes ? fresh_bytes : drain->sent_bytes);
}

void lb_drain_welcome(struct lb_drain *drain, uint64_t taken_bytes)
{
    lb_drain_taken(drain, taken_bytes);
    drain->first_byte = taken_bytes;
    drain->last_sent = NULL;
    drain->sent_bytes = 0;
}

bool lb_drain_next(const struct lb_drain *drain, struct lb_drain_piece *ret_piece)
{
    const struct segment *segment = first_unsent(drain);

    if (!segment || drain->sent_bytes + (segment->end - segment->start) > LB_PROTO_DATA_WINDOW)
        return false;
    *ret_piece = (struct lb_drain_piece) {
        .bytes = segment->bytes + segment->start,
        .len = segment->end - segment->start,
        .first_byte = drain->first_byte + drain->sent_bytes,
        .boot_ns = segment->boot_ns,
        .lost_lines = segment->lost_lines,
        .lost_bytes = segment->lost_bytes,
    };
    return true;
}

void lb_drain_sent(struct lb_drain *drain)
{
    drain->last_sent = first_unsent(drain);
    drain->sent_bytes += drain->last_sent->end - drain->last_sent->start;
}

bool lb_drain_is_sent(const struct lb_drain *drain)
{
    return first_unsent(drain) == NULL;
}

bool lb_drain_is_empty(const struct lb_drain *drain)
{
    return drain->oldest == NULL;
}

void lb_drain_count(const struct lb_drain *drain, struct lb_drain_count *ret_kept,
                    struct lb_drain_count *ret_lost)
{
    *ret_kept = (struct lb_drain_count) { 0 };
    *ret_lost = (struct lb_drain_count) { .lines = drain->owed_lines, .bytes = drain->owed_bytes };
    for (const struct segment *segment = drain->oldest; segment; segment = segment->next) {
        ret_kept->lines += count_lf(segment->bytes + segment->start, segment->end - segment->start);
        ret_kept->bytes += segment->end - segment->start;
        ret_lost->lines += segment->lost_lines;
        ret_lost->bytes += segment->lost_bytes;
    }
    if (drain->newest && drain->newest->bytes[drain->newest->end - 1] != '\n')
        ret_kept->lines++;
}
