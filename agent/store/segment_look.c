/* SPDX-License-Identifier: MIT */
/*
 * Looking into segments, and unpacking them. In: bytes from tmpfs or from a card. Out: records. Always true:
 * whatever the bytes are, nothing outside of them is read and nothing outside of what was promised is
 * written.
 */
#include <errno.h>
#include <string.h>

#include "agent/store/ring.h"
#include "agent/store/segment_parts.h"

#define LEVELS 8u

int lb_segment_look_at_head(const uint8_t *bytes, size_t len, struct lb_segment_view *ret_view)
{
    const struct lb_segment_head *head = (const struct lb_segment_head *)(const void *)bytes;

    if (len < sizeof *head || head->magic != LB_SEGMENT_MAGIC)
        return -EBADMSG;
    if (head->format != LB_SEGMENT_FORMAT)
        return -EPROTO;
    if (head->len > len || head->len % 8 != 0 || head->len < sizeof *head ||
        head->sums_len > head->len - sizeof *head ||
        head->frame_len > head->len - sizeof *head - head->sums_len || head->raw_len > LB_SEGMENT_RAW_MAX ||
        head->records == 0 || head->records > LB_SEGMENT_RECORDS || head->lane >= LB_LANE_COUNT ||
        head->services > LB_SEGMENT_SERVICES + 1 || head->first_n == 0 ||
        head->last_n - head->first_n != head->records - 1 || head->unpacked_len % 8 != 0 ||
        head->unpacked_len < head->records * sizeof(struct lb_record) ||
        head->unpacked_len > LB_SEGMENT_UNPACKED_MAX)
        return -EBADMSG;
    ret_view->head = head;
    ret_view->sums = bytes + sizeof *head;
    ret_view->frame = ret_view->sums + head->sums_len;
    ret_view->frame_len = head->frame_len;
    return 0;
}

int lb_segment_look(const uint8_t *bytes, size_t len, struct lb_segment_view *ret_view)
{
    struct lb_segment_view view;
    int rc = lb_segment_look_at_head(bytes, len, &view);

    if (rc == 0 && lb_segment_check(view.head) != view.head->check)
        rc = -EBADMSG;
    if (rc == 0)
        *ret_view = view;
    return rc;
}

/* ---- numbers ---- */

/* What is read so far; at is NULL when something did not fit. */
struct scan {
    const uint8_t *at, *end;
};

static uint64_t get(struct scan *scan)
{
    uint64_t number = 0;

    for (unsigned shift = 0; scan->at && shift < 64; shift += 7) {
        if (scan->at >= scan->end)
            break;
        number |= (uint64_t)(*scan->at & 0x7f) << shift;
        if (!(*scan->at++ & 0x80))
            return number;
    }
    scan->at = NULL;
    return 0;
}

static int64_t get_signed(struct scan *scan)
{
    uint64_t number = get(scan);

    return (int64_t)(number >> 1 ^ (0 - (number & 1)));
}

static const uint8_t *get_bytes(struct scan *scan, uint64_t len)
{
    const uint8_t *bytes = scan->at;

    if (!scan->at || (uint64_t)(scan->end - scan->at) < len) {
        scan->at = NULL;
        return NULL;
    }
    scan->at += len;
    return bytes;
}

bool lb_segment_next_sum(const struct lb_segment_view *view, size_t *at, struct lb_segment_sum *ret_sum)
{
    struct scan scan = { view->sums + *at, view->sums + view->head->sums_len };
    struct lb_segment_sum sum = { 0 };
    const uint8_t *name;

    if (*at >= view->head->sums_len)
        return false;
    sum.name_len = *scan.at++;
    name = get_bytes(&scan, sum.name_len);
    if (!name || sum.name_len > sizeof sum.name)
        return false;
    memcpy(sum.name, name, sum.name_len);
    sum.lines = get(&scan);
    sum.bytes = get(&scan);
    for (unsigned level = 0; level < LEVELS; level++)
        sum.by_severity[level] = get(&scan);
    sum.own = get(&scan);
    sum.own_bytes = get(&scan);
    if (!scan.at)
        return false;
    *at = (size_t)(scan.at - view->sums);
    *ret_sum = sum;
    return true;
}

/* ---- records ---- */

/* One cursor for each column, for they are read side by side. Bodies are the last. */
enum { STREAM = 0, KIND, FLAGS, TIME, OFFSET, RAW, LINES, BODY_LEN, BODY, COLUMNS };

struct frame {
    struct scan column[COLUMNS];
    uint64_t ticks;
    bool has_line_end; /* the record's body that comes next */
};

static bool get_stream(struct scan *scan, struct lb_segment_stream *stream)
{
    uint64_t number[6];

    for (unsigned i = 0; i < 6; i++)
        number[i] = get(scan);
    if (number[4] > UINT8_MAX || number[5] > UINT16_MAX)
        return false;
    *stream = (struct lb_segment_stream) { .stream_id = number[0],
                                           .pid = (uint32_t)number[1],
                                           .uid = (uint32_t)number[2],
                                           .service_ix = (uint32_t)number[3],
                                           .service_len = (uint16_t)number[4],
                                           .tags_len = (uint16_t)number[5] };
    stream->names = get_bytes(scan, number[4] + number[5]);
    return stream->names != NULL;
}

/* Where each column begins: the ones before have to be walked over. */
static bool find_columns(struct lb_segment_packer *packer, size_t raw_len, uint32_t records,
                         struct frame *frame)
{
    struct scan scan = { packer->raw, packer->raw + raw_len };
    uint64_t streams = get(&scan);

    if (!scan.at || streams == 0 || streams > records)
        return false;
    packer->streams = (unsigned)streams;
    for (unsigned i = 0; i < packer->streams; i++)
        if (!get_stream(&scan, &packer->stream[i]))
            return false;
    for (unsigned column = 0; column < BODY; column++) {
        frame->column[column] = scan;
        if (column == KIND || column == FLAGS)
            get_bytes(&scan, records);
        for (uint32_t i = 0; column != KIND && column != FLAGS && i < records; i++)
            get(&scan);
        if (!scan.at)
            return false;
    }
    frame->column[BODY] = scan;
    return true;
}

static bool read_body_len(struct frame *frame, uint32_t *ret_len)
{
    const struct scan *body = &frame->column[BODY];
    uint64_t said = get(&frame->column[BODY_LEN]);
    const uint8_t *end;

    if (said == 0) {
        end = memchr(body->at, '\n', (size_t)(body->end - body->at));
        frame->has_line_end = end != NULL;
        *ret_len = end ? (uint32_t)(end - body->at) : 0;
        return end != NULL;
    }
    frame->has_line_end = false;
    *ret_len = (uint32_t)(said - 1);
    return said - 1 <= LB_RECORD_MAX;
}

/* What the columns say of the next record, but for its number and length. */
static bool read_head(struct lb_segment_packer *packer, struct frame *frame, struct lb_record *record,
                      const struct lb_segment_stream **ret_stream)
{
    struct scan *column = frame->column;
    uint64_t place = get(&column[STREAM]);
    uint8_t kind = *column[KIND].at++;
    struct lb_segment_stream *stream = &packer->stream[place < packer->streams ? place : 0];
    int64_t more;

    if (place >= packer->streams || kind >> 3 >= LB_KIND_COUNT || kind >> 3 == LB_KIND_HOLE)
        return false;
    record->severity = kind & 7;
    record->kind = kind >> 3;
    record->flags = *column[FLAGS].at++;
    record->service_len = (uint8_t)stream->service_len;
    record->tags_len = stream->tags_len;
    record->stream_id = stream->stream_id;
    record->pid = stream->pid;
    record->uid = stream->uid;
    record->service_ix = stream->service_ix;
    frame->ticks += (uint64_t)get_signed(&column[TIME]);
    record->boot_ns = frame->ticks * LB_SEGMENT_TICK_NS;
    record->stream_off = stream->next_off + (uint64_t)get_signed(&column[OFFSET]);
    more = get_signed(&column[RAW]);
    record->lines = (uint32_t)get(&column[LINES]);
    if (!read_body_len(frame, &record->body_len))
        return false;
    record->raw_len = (uint32_t)((int64_t)record->body_len + more);
    stream->next_off = record->stream_off + record->raw_len;
    *ret_stream = stream;
    return true;
}

static bool unpack_one(struct lb_segment_packer *packer, struct frame *frame, struct lb_record *record,
                       uint8_t *to, const uint8_t *end, size_t *ret_len)
{
    const struct lb_segment_stream *stream;
    const uint8_t *body;
    size_t names, size;

    if (!read_head(packer, frame, record, &stream))
        return false;
    names = (size_t)record->service_len + record->tags_len;
    size = lb_record_size(record->service_len, record->tags_len, record->body_len);
    body = get_bytes(&frame->column[BODY], record->body_len);
    if (frame->has_line_end)
        frame->column[BODY].at++;
    if (!body || size > (size_t)(end - to))
        return false;
    record->len = (uint32_t)size;
    memset(to + size - 8, 0, 8); /* the padding; the rest of it is written over */
    memcpy(to, record, sizeof *record);
    memcpy(to + sizeof *record, stream->names, names);
    if (record->body_len > 0)
        memcpy(to + sizeof *record + names, body, record->body_len);
    lb_record_seal((struct lb_record *)(void *)to);
    *ret_len = size;
    return true;
}

int lb_segment_unpack(struct lb_segment_packer *packer, const struct lb_segment_view *view, uint8_t *to)
{
    const struct lb_segment_head *head = view->head;
    const uint8_t *end = to + head->unpacked_len;
    struct frame frame = { .ticks = head->first_ns / LB_SEGMENT_TICK_NS };
    size_t got =
        ZSTD_decompressDCtx(packer->opener, packer->raw, LB_SEGMENT_RAW_MAX, view->frame, view->frame_len);

    if (ZSTD_isError(got) || got != head->raw_len || !find_columns(packer, got, head->records, &frame))
        return -EBADMSG;
    for (uint32_t i = 0; i < head->records; i++) {
        struct lb_record record = { .lane = head->lane, .n = head->first_n + i };
        size_t len;

        if (!unpack_one(packer, &frame, &record, to, end, &len))
            return -EBADMSG;
        to += len;
    }
    return to == end ? 0 : -EBADMSG;
}
