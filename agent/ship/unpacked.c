/* SPDX-License-Identifier: MIT */
/*
 * Segments unpacked. In: rows of the backlog. Out: a ring of records, and rows that know how many of them are
 * final. Always true: a row is passed in the publish that books its records.
 */
#include "agent/ship/unpacked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/extra.h"
#include "agent/store/killpoint.h"
#include "agent/store/state.h"

int lb_unpacked_init(struct lb_unpacked *unpacked, struct lb_backlog *backlog, unsigned region)
{
    memset(unpacked, 0, sizeof *unpacked);
    unpacked->backlog = backlog;
    unpacked->ring.header = &unpacked->header;
    unpacked->ring.map.fd = -1;
    unpacked->ring.size = LB_MAP_ALIGN; /* positions are divided by it; there is nothing at any of them */
    backlog->unpacked_ring[region - LB_SLOW_DRAIN] = &unpacked->ring;
    return lb_ring_attach(&unpacked->ring, NULL, 0, backlog->slow, region);
}

static void place_at(struct lb_unpacked *unpacked, uint64_t pos)
{
    unpacked->header.fast[LB_RING_HEAD] = unpacked->header.slow[LB_RING_TAIL] = pos;
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        unpacked->header.fast[LB_RING_NEXT_URGENT + lane] = unpacked->header.slow[LB_RING_TAIL_NEXT + lane] =
            0;
    lb_commit_reload(unpacked->ring.slow, unpacked->ring.slow_region);
    unpacked->parts = 0;
    unpacked->told_pos = pos;
}

void lb_unpacked_free(struct lb_unpacked *unpacked)
{
    place_at(unpacked, lb_ring_head(&unpacked->ring));
    free(unpacked->room);
    free(unpacked->packed);
    unpacked->room = unpacked->packed = NULL;
    unpacked->packed_room = 0;
    unpacked->ring.map.data = NULL;
}

int lb_unpacked_begin(struct lb_unpacked *unpacked, uint64_t ring_id, uint64_t bytes)
{
    uint64_t size = lb_mapfile_round(bytes), before = lb_ring_head(&unpacked->ring);

    if (!unpacked->room || unpacked->ring.size < size) {
        lb_unpacked_free(unpacked);
        unpacked->room = aligned_alloc(8, size);
        if (!unpacked->room)
            return -ENOMEM;
        unpacked->ring.size = size;
        unpacked->ring.map.data = unpacked->room;
    }
    unpacked->ring.id = ring_id;
    /* Positions grow for ever, and begin at the begin of the room: nothing in it wraps. */
    unpacked->base = (before / unpacked->ring.size + 1) * unpacked->ring.size;
    place_at(unpacked, unpacked->base);
    return 0;
}

static int look(struct lb_unpacked *unpacked, uint32_t row, struct lb_segment_view *ret_view)
{
    uint64_t len = lb_backlog_word(unpacked->backlog, row, LB_ROW_LEN);

    if (unpacked->packed_room < len) {
        free(unpacked->packed);
        unpacked->packed = aligned_alloc(8, (len + 7) & ~7ull);
        unpacked->packed_room = unpacked->packed ? len : 0;
    }
    if (!unpacked->packed)
        return -ENOMEM;
    lb_backlog_copy(unpacked->backlog, row, unpacked->packed);
    return lb_segment_look(unpacked->packed, len, ret_view) == 0 ? 0 : -EBADMSG;
}

uint64_t lb_unpacked_size(const struct lb_unpacked *unpacked, uint32_t row)
{
    _Alignas(8) uint8_t begin[LB_BACKLOG_BLOCK];
    uint64_t extent = lb_backlog_word(unpacked->backlog, row, LB_ROW_EXTENT);
    const struct lb_segment_head *head = (const struct lb_segment_head *)(const void *)begin;

    memcpy(begin, unpacked->backlog->map.data + (extent >> 32) * LB_BACKLOG_BLOCK, sizeof begin);
    return head->unpacked_len <= LB_SEGMENT_UNPACKED_MAX ? head->unpacked_len : 0;
}

/* What was final before the process that unpacks it is passed; it is at the begin. */
static uint64_t pass_done(struct lb_unpacked *unpacked, uint32_t row, uint64_t pos, uint64_t end)
{
    uint64_t done_n = lb_backlog_word(unpacked->backlog, row, LB_ROW_DONE_N);
    const struct lb_record *record;

    for (; (record = lb_ring_at(&unpacked->ring, pos, end)) && record->n < done_n; pos += record->len)
        lb_ring_set_state(&unpacked->ring, pos, LB_STATE_DELIVERED);
    return pos;
}

int lb_unpacked_add(struct lb_unpacked *unpacked, struct lb_segment_packer *packer, uint32_t row)
{
    uint64_t pos = lb_ring_head(&unpacked->ring), from;
    bool is_first = unpacked->parts == 0;
    struct lb_segment_view view;
    int rc;

    if (unpacked->parts == LB_UNPACKED_PARTS)
        return -ENOBUFS;
    if (lb_backlog_word(unpacked->backlog, row, LB_ROW_RING) != unpacked->ring.id)
        return -EXDEV;
    if (is_first) {
        unpacked->wall_ns = lb_backlog_word(unpacked->backlog, row, LB_ROW_WALL_NS);
        unpacked->trust = (unsigned)lb_backlog_word(unpacked->backlog, row, LB_ROW_TRUST);
    } else if (unpacked->wall_ns != lb_backlog_word(unpacked->backlog, row, LB_ROW_WALL_NS)) {
        return -EXDEV;
    }
    rc = look(unpacked, row, &view);
    if (rc == 0 && unpacked->base + unpacked->ring.size - pos < view.head->unpacked_len)
        rc = -ENOBUFS;
    if (rc == 0)
        rc = lb_segment_unpack(packer, &view, unpacked->room + (pos - unpacked->base));
    if (rc < 0)
        return rc;
    unpacked->part[unpacked->parts++] = (struct lb_unpacked_part) { row, pos, pos + view.head->unpacked_len };
    lb_store(&unpacked->header.fast[LB_RING_HEAD], pos + view.head->unpacked_len);
    unpacked->header.fast[LB_RING_NEXT_URGENT + view.head->lane] = view.head->last_n + 1;
    from = pass_done(unpacked, row, pos, pos + view.head->unpacked_len);
    if (is_first) {
        unpacked->header.slow[LB_RING_TAIL] = unpacked->told_pos = from;
        unpacked->header.slow[LB_RING_TAIL_NEXT + view.head->lane] =
            lb_backlog_word(unpacked->backlog, row, LB_ROW_DONE_N);
        lb_commit_reload(unpacked->ring.slow, unpacked->ring.slow_region);
    }
    return 0;
}

/* From told_pos to the tail: all of it is final. */
static void tell_part(struct lb_unpacked *unpacked, const struct lb_unpacked_part *part, uint64_t tail)
{
    uint64_t pos = unpacked->told_pos > part->from ? unpacked->told_pos : part->from;
    uint64_t to = tail < part->to ? tail : part->to, lines = 0, bytes = 0, next_n = 0;
    const struct lb_record *record;

    for (; pos < to && (record = lb_ring_at(&unpacked->ring, pos, part->to)); pos += record->len) {
        next_n = record->n + 1;
        if (record->kind != LB_KIND_LINE)
            continue;
        lines += record->lines;
        bytes += lb_record_text_len(record);
    }
    if (next_n > 0)
        lb_backlog_pass(unpacked->backlog, part->row, next_n, lines, bytes);
}

void lb_unpacked_tell(struct lb_unpacked *unpacked)
{
    uint64_t tail = lb_commit_get(unpacked->ring.slow, unpacked->ring.slow_region, LB_RING_TAIL);

    if (tail <= unpacked->told_pos)
        return;
    for (unsigned i = 0; i < unpacked->parts; i++)
        if (unpacked->part[i].from < tail && unpacked->part[i].to > unpacked->told_pos)
            tell_part(unpacked, &unpacked->part[i], tail);
    unpacked->told_pos = tail;
}

bool lb_unpacked_holds(const struct lb_unpacked *unpacked, uint32_t row)
{
    for (unsigned i = 0; i < unpacked->parts; i++)
        if (unpacked->part[i].row == row && unpacked->part[i].to > unpacked->told_pos)
            return true;
    return false;
}

bool lb_unpacked_is_empty(const struct lb_unpacked *unpacked)
{
    return lb_ring_tail(&unpacked->ring) == lb_ring_head(&unpacked->ring);
}
