/* SPDX-License-Identifier: MIT */
/*
 * Lines in staging. In: a stream's chain of chunks. Out: its lines one by one, as pieces that lie where they
 * lie. Always true: a byte is searched for a line end once, until something is consumed; a line that was kept
 * stays staged.
 */
#include <string.h>

#include "agent/capture/staging_map.h"

static uint64_t chunk_word(const struct lb_staging *staging, uint32_t chunk)
{
    return lb_commit_get(staging->commit, LB_FAST_CHUNKS, chunk);
}

/* Move the scan on to the next line end. Returns true when it stands on one. */
static bool scan(struct lb_staging *staging, struct lb_staged *staged, uint64_t limit)
{
    while (staged->kept + staged->searched < staged->bytes && staged->searched < limit) {
        uint64_t word = chunk_word(staging, staged->scan_chunk);
        uint32_t len = lb_chunk_len(word);
        const uint8_t *from = lb_chunk_bytes(staging, staged->scan_chunk) + staged->scan_pos;
        uint64_t left = len - staged->scan_pos;
        const uint8_t *hit;

        if (left == 0) {
            staged->scan_chunk = lb_chunk_next(word) - 1;
            staged->scan_pos = 0;
            continue;
        }
        if (left > limit - staged->searched)
            left = limit - staged->searched;
        hit = memchr(from, '\n', left);
        staged->searched += hit ? (uint64_t)(hit - from) : left;
        staged->scan_pos += hit ? (uint32_t)(hit - from) : (uint32_t)left;
        if (hit)
            return true;
    }
    return false;
}

/* The pieces of len staged bytes from a place on, or of as many as LB_LINE_PIECES hold: body_len says. */
static void gather(const struct lb_staging *staging, uint32_t chunk, uint32_t pos, uint64_t len,
                   struct lb_line *line)
{
    line->pieces = 0;
    line->body_len = 0;
    while (len > 0 && line->pieces < LB_LINE_PIECES) {
        uint64_t word = chunk_word(staging, chunk);
        uint64_t part = lb_chunk_len(word) - pos;

        if (part > len)
            part = len;
        if (part > 0)
            line->piece[line->pieces++] = (struct iovec) { lb_chunk_bytes(staging, chunk) + pos, part };
        len -= part;
        line->body_len += (uint32_t)part;
        chunk = lb_chunk_next(word) - 1;
        pos = 0;
    }
}

static uint8_t byte_from_end(const struct lb_line *line, uint32_t back)
{
    unsigned i = line->pieces;

    while (i > 0) {
        const struct iovec *piece = &line->piece[--i];

        if (back < piece->iov_len)
            return ((const uint8_t *)piece->iov_base)[piece->iov_len - 1 - back];
        back -= (uint32_t)piece->iov_len;
    }
    return 0;
}

static void shorten(struct lb_line *line, uint32_t by)
{
    line->body_len -= by;
    while (by > 0) {
        struct iovec *piece = &line->piece[line->pieces - 1];
        size_t part = by < piece->iov_len ? by : piece->iov_len;

        piece->iov_len -= part;
        by -= (uint32_t)part;
        if (piece->iov_len == 0)
            line->pieces--;
    }
}

/* How many bytes at the end belong to a character that is not complete there (RFC 3629 lead bytes). */
static uint32_t torn_character(const struct lb_line *line)
{
    for (uint32_t back = 0; back < 4 && back < line->body_len; back++) {
        uint8_t byte = byte_from_end(line, back);
        uint32_t need = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;

        if ((byte & 0xc0) == 0x80)
            continue;
        return need > back + 1 && back + 1 < line->body_len ? back + 1 : 0;
    }
    return 0;
}

/*
 * Nearly every line lies in one chunk and was not begun to be searched: then it is found without the walk
 * over pieces. When it is not found, the search has come as far as this chunk reaches.
 */
static bool next_in_first_chunk(const struct lb_staging *staging, struct lb_staged *staged, uint32_t max_line,
                                struct lb_line *line)
{
    char *from = (char *)lb_chunk_bytes(staging, staged->line_chunk) + staged->line_pos;
    uint32_t left = lb_chunk_len(chunk_word(staging, staged->line_chunk)) - staged->line_pos, len;
    const char *hit;

    if (left > max_line)
        left = max_line + 1;
    hit = memchr(from, '\n', left);
    len = hit ? (uint32_t)(hit - from) : left;
    staged->searched = len;
    staged->scan_pos += len;
    if (!hit)
        return false;
    line->has_end = true;
    line->raw_len = len + 1;
    if (len > 0 && from[len - 1] == '\r')
        len--;
    line->piece[0] = (struct iovec) { from, len };
    line->pieces = len > 0;
    line->body_len = len;
    return true;
}

bool lb_staging_next_line(struct lb_staging *staging, uint32_t slot, uint32_t max_line, bool at_end,
                          struct lb_line *line)
{
    struct lb_staged *staged = &staging->staged[slot];
    bool was_cut = lb_staging_get(staging, slot, LB_STREAM_INFO) & LB_STREAM_IN_CUT;
    bool has_end, is_too_long;

    if (staged->bytes == staged->kept)
        return false;
    line->is_cut = was_cut && staged->kept == 0;
    if (staged->searched == 0 && next_in_first_chunk(staging, staged, max_line, line))
        return true;
    has_end = scan(staging, staged, (uint64_t)max_line + 1);
    if (!has_end && staged->searched <= max_line &&
        !(at_end && staged->kept + staged->searched == staged->bytes))
        return false;
    is_too_long = !has_end && staged->searched > max_line;
    gather(staging, staged->line_chunk, staged->line_pos, is_too_long ? max_line : staged->searched, line);
    if (is_too_long || line->body_len < staged->searched) {
        shorten(line, torn_character(line));
        line->raw_len = line->body_len;
        line->is_cut = true;
        line->has_end = false;
        return true;
    }
    line->has_end = has_end;
    line->raw_len = line->body_len + (has_end ? 1 : 0);
    if (line->body_len > 0 && byte_from_end(line, 0) == '\r')
        shorten(line, 1);
    return true;
}

void lb_staging_look_again(struct lb_staging *staging, uint32_t slot)
{
    struct lb_staged *staged = &staging->staged[slot];

    staged->kept = staged->searched = 0;
    staged->line_chunk = staged->scan_chunk = staged->first;
    staged->line_pos = staged->scan_pos = staged->start;
}

void lb_staging_keep(struct lb_staging *staging, uint32_t slot, const struct lb_line *line)
{
    struct lb_staged *staged = &staging->staged[slot];
    uint32_t left = line->raw_len, part;

    staged->kept += left;
    for (;;) {
        uint64_t word = chunk_word(staging, staged->line_chunk);

        part = lb_chunk_len(word) - staged->line_pos;
        if (left < part || lb_chunk_next(word) == 0)
            break;
        left -= part;
        staged->line_chunk = lb_chunk_next(word) - 1;
        staged->line_pos = 0;
    }
    staged->line_pos += left;
    staged->searched = 0;
    staged->scan_chunk = staged->line_chunk;
    staged->scan_pos = staged->line_pos;
}

void lb_staging_front(const struct lb_staging *staging, uint32_t slot, uint64_t bytes, struct lb_line *line)
{
    const struct lb_staged *staged = &staging->staged[slot];

    line->is_cut = lb_staging_get(staging, slot, LB_STREAM_INFO) & LB_STREAM_IN_CUT;
    gather(staging, staged->first, staged->start, bytes, line);
    line->raw_len = line->body_len;
    line->has_end = line->body_len > 0 && byte_from_end(line, 0) == '\n';
    if (line->has_end)
        shorten(line, 1);
    if (line->body_len > 0 && byte_from_end(line, 0) == '\r')
        shorten(line, 1);
}
