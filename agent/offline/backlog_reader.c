/* SPDX-License-Identifier: MIT */
/* Reading an agent's backlog from outside. In: its file. Out: copies of records. Always true: what is shown
 * was a whole segment when it was copied. */
#include "agent/offline/backlog_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/killpoint.h"
#include "agent/store/ring.h"

#define SEGMENT_MAX (4u * 1024 * 1024) /* longer than any */

static uint64_t word_of(const struct lb_backlog_reader *reader, uint32_t row, unsigned word)
{
    return lb_load(&reader->word[(size_t)row * LB_ROW_WORDS + word]);
}

/* ---- open ---- */

static int by_lane_and_age(const void *a, const void *b)
{
    const struct lb_backlog_row *one = a, *other = b;

    if (one->lane != other->lane)
        return one->lane < other->lane ? -1 : 1;
    if (one->first_ns != other->first_ns)
        return one->first_ns < other->first_ns ? -1 : 1;
    return one->seq < other->seq ? -1 : one->seq > other->seq;
}

static int list_rows(struct lb_backlog_reader *reader)
{
    reader->row = calloc(reader->rows, sizeof *reader->row);
    if (!reader->row)
        return -ENOMEM;
    for (uint32_t row = 0; row < reader->rows; row++) {
        uint64_t state = word_of(reader, row, LB_ROW_STATE);
        unsigned lane = state >> LB_ROW_LANE_SHIFT & 0xff;

        if (state == 0 || lane >= LB_LANE_COUNT)
            continue;
        reader->row[reader->count++] =
            (struct lb_backlog_row) { .ring_id = word_of(reader, row, LB_ROW_RING),
                                      .first_n = word_of(reader, row, LB_ROW_FIRST_N),
                                      .last_n = word_of(reader, row, LB_ROW_LAST_N),
                                      .first_ns = word_of(reader, row, LB_ROW_FIRST_NS),
                                      .seq = word_of(reader, row, LB_ROW_SEQ),
                                      .row = row,
                                      .lane = (uint8_t)lane };
    }
    qsort(reader->row, reader->count, sizeof *reader->row, by_lane_and_age);
    for (uint32_t i = 0; i < reader->count; i++) {
        struct lb_backlog_cursor *cursor = &reader->lane[reader->row[i].lane];

        if (cursor->end == 0)
            cursor->at = i;
        cursor->end = i + 1;
    }
    return 0;
}

int lb_backlog_reader_open(struct lb_backlog_reader *reader, int fd, const struct lb_backlog_wish *wish)
{
    struct lb_backlog_header header;
    uint64_t header_bytes;
    off_t end = lseek(fd, 0, SEEK_END);
    int rc;

    memset(reader, 0, sizeof *reader);
    reader->map.fd = -1;
    if (end < (off_t)LB_MAP_ALIGN || pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header ||
        lb_backlog_check_identity(&header, (size_t)end) < 0)
        return -EPROTO;
    header_bytes = (uint64_t)end - header.blocks * LB_BACKLOG_BLOCK;
    rc = lb_mapfile_open_readonly(fd, header_bytes, 0, &reader->map);
    if (rc < 0)
        return rc;
    reader->word = (const uint64_t *)(const void *)(reader->map.header + sizeof header);
    reader->rows = (uint32_t)header.rows;
    reader->blocks = (uint32_t)header.blocks;
    reader->wish = *wish;
    reader->packer = lb_segment_packer_new(1);
    reader->packed = aligned_alloc(8, SEGMENT_MAX);
    rc = reader->packer && reader->packed ? list_rows(reader) : -ENOMEM;
    if (rc < 0) {
        reader->map.fd = -1; /* stays the caller's */
        lb_backlog_reader_close(reader);
    }
    return rc;
}

void lb_backlog_reader_close(struct lb_backlog_reader *reader)
{
    if (reader->word)
        lb_mapfile_close(&reader->map);
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        free(reader->lane[lane].records);
    lb_segment_packer_free(reader->packer);
    free(reader->packed);
    free(reader->row);
    memset(reader, 0, sizeof *reader);
    reader->map.fd = -1;
}

/* ---- segments ---- */

static uint64_t copy_out(const struct lb_backlog_reader *reader, uint32_t row, uint64_t most)
{
    uint64_t len = word_of(reader, row, LB_ROW_LEN), left, copied = 0;

    left = len < most ? len : most;
    for (unsigned i = 0; left > 0 && i < LB_BACKLOG_EXTENTS; i++) {
        uint64_t extent = word_of(reader, row, LB_ROW_EXTENT + i);
        uint64_t at = extent >> 32, part = (extent & UINT32_MAX) * LB_BACKLOG_BLOCK;

        if (at + (extent & UINT32_MAX) > reader->blocks)
            return 0; /* it changes while we read */
        part = part < left ? part : left;
        memcpy(reader->packed + copied, reader->map.data + at * LB_BACKLOG_BLOCK, part);
        copied += part;
        left -= part;
    }
    return left == 0 ? copied : 0;
}

static bool may_hold(const struct lb_backlog_reader *reader, const struct lb_segment_view *view)
{
    const struct lb_backlog_wish *wish = &reader->wish;
    struct lb_segment_sum sum;
    bool has_service = !wish->service;

    if (view->head->last_ns < wish->since_ns)
        return false;
    if (wish->level >= 0 && !(view->head->severities & ((2u << wish->level) - 1)))
        return false;
    for (size_t at = 0; !has_service && lb_segment_next_sum(view, &at, &sum);)
        has_service = sum.name_len == 0 || (strlen(wish->service) == sum.name_len &&
                                            memcmp(wish->service, sum.name, sum.name_len) == 0);
    return has_service;
}

static bool unpack(struct lb_backlog_reader *reader, struct lb_backlog_cursor *cursor,
                   const struct lb_backlog_row *row, const struct lb_segment_view *view)
{
    free(cursor->records);
    cursor->records = aligned_alloc(8, view->head->unpacked_len);
    if (!cursor->records || lb_segment_unpack(reader->packer, view, cursor->records) < 0)
        return false;
    cursor->ring_id = row->ring_id;
    cursor->len = view->head->unpacked_len;
    cursor->pos = 0;
    cursor->done_n = word_of(reader, row->row, LB_ROW_DONE_N);
    return true;
}

/* The next segment of a lane that may hold what is wanted. false: there is none. */
static bool load(struct lb_backlog_reader *reader, struct lb_backlog_cursor *cursor)
{
    cursor->pos = cursor->len = 0;
    while (cursor->at < cursor->end) {
        struct lb_backlog_row *row = &reader->row[cursor->at++];
        uint64_t len = copy_out(reader, row->row, SEGMENT_MAX);
        struct lb_segment_view view;
        bool is_it = len > 0 && word_of(reader, row->row, LB_ROW_SEQ) == row->seq &&
                     word_of(reader, row->row, LB_ROW_STATE) != 0 &&
                     lb_segment_look_at_head(reader->packed, len, &view) == 0;

        if (is_it && !may_hold(reader, &view)) {
            reader->passed_segments++;
            continue;
        }
        if (is_it && lb_segment_look(reader->packed, len, &view) == 0 && view.head->first_n == row->first_n &&
            unpack(reader, cursor, row, &view)) {
            reader->read_segments++;
            return true;
        }
        row->is_gone = true; /* shipped, or given up, since we looked */
    }
    return false;
}

/* ---- records ---- */

static const struct lb_record *at_cursor(struct lb_backlog_reader *reader, struct lb_backlog_cursor *cursor)
{
    for (;;) {
        const struct lb_record *record;

        if (cursor->pos >= cursor->len && !load(reader, cursor))
            return NULL;
        record = (const struct lb_record *)(const void *)(cursor->records + cursor->pos);
        if (record->n >= cursor->done_n)
            return record;
        cursor->pos += record->len;
    }
}

static struct lb_backlog_cursor *oldest(struct lb_backlog_reader *reader, const struct lb_record **ret_record)
{
    struct lb_backlog_cursor *found = NULL;

    *ret_record = NULL;
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++) {
        const struct lb_record *record = at_cursor(reader, &reader->lane[lane]);

        if (record && (!*ret_record || record->boot_ns < (*ret_record)->boot_ns)) {
            *ret_record = record;
            found = &reader->lane[lane];
        }
    }
    return found;
}

const struct lb_record *lb_backlog_reader_peek(struct lb_backlog_reader *reader, uint64_t *ret_ring_id)
{
    const struct lb_record *record;
    const struct lb_backlog_cursor *cursor = oldest(reader, &record);

    if (cursor)
        *ret_ring_id = cursor->ring_id;
    return record;
}

void lb_backlog_reader_take(struct lb_backlog_reader *reader)
{
    const struct lb_record *record;
    struct lb_backlog_cursor *cursor = oldest(reader, &record);

    if (cursor)
        cursor->pos += record->len;
}

bool lb_backlog_reader_has(const struct lb_backlog_reader *reader, uint64_t ring_id,
                           const struct lb_record *record)
{
    for (uint32_t i = 0; i < reader->count; i++) {
        const struct lb_backlog_row *row = &reader->row[i];

        if (!row->is_gone && row->lane == record->lane && row->ring_id == ring_id &&
            row->first_n <= record->n && record->n <= row->last_n)
            return true;
    }
    return false;
}
