/* SPDX-License-Identifier: MIT */
/*
 * Building bodies. In: a stretch of the ring. Out: framed, encoded, compressed bytes. Always true: a body is
 * at most one gapless range per lane, and no larger than the sink takes.
 *
 * The first record carries the ranges of the whole body, which are known only when it is full. So its logboom
 * object comes first in it, and room for that is left before the text:
 *
 *     | ... [{"logboom":{"id":..,"urgent":[a,b],"routine":[c,d]}, | "message":...}, {...}, {...} ]
 *     |<------------- PREFIX_ROOM, written last ----------------->|
 */
#include "agent/ship/body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

#define PREFIX_ROOM (LB_ENCODE_MEMBERS_MAX + 512)
#define FRAME_MAX \
    160 /* of begin, ranges and end: what a body holds beside its records, the first one's members apart */

int lb_builder_init(struct lb_builder *builder, const struct lb_sink *sink, const struct lb_config *config,
                    const struct lb_sink_config *sink_config, uint64_t ring_id)
{
    memset(builder, 0, sizeof *builder);
    builder->sink = sink;
    builder->compression =
        sink->transport == LB_TRANSPORT_FILE ? LB_COMPRESSION_NONE : sink_config->compression;
    builder->max_bytes =
        sink_config->body_bytes < sink->limits.body_bytes ? sink_config->body_bytes : sink->limits.body_bytes;
    builder->max_lines =
        sink_config->body_lines < sink->limits.body_lines ? sink_config->body_lines : sink->limits.body_lines;
    lb_encoder_init(&builder->encoder, config, sink_config->sequence, ring_id);
    builder->compressor = lb_compressor_new(builder->compression, sink_config->level);
    return builder->compressor ? 0 : -ENOMEM;
}

void lb_builder_close(struct lb_builder *builder)
{
    lb_compressor_free(builder->compressor);
    free(builder->raw);
    builder->compressor = NULL;
    builder->raw = NULL;
}

size_t lb_builder_payload_bound(const struct lb_builder *builder)
{
    return lb_compress_bound(builder->compression, builder->raw_room);
}

/* Room for a body and one record more, the one that turns out not to fit. Touched only as far as bodies
 * reach. */
static int make_room(struct lb_builder *builder, const struct lb_ring *ring)
{
    size_t record =
        lb_json_bound(lb_ring_record_max(ring)) + LB_ENCODE_ENVELOPE_MAX + LB_ENCODE_MEMBERS_MAX + 256;
    size_t need = PREFIX_ROOM + builder->max_bytes + record + 16;

    if (builder->raw_room >= need)
        return 0;
    free(builder->raw);
    builder->raw = malloc(need);
    builder->raw_room = builder->raw ? need : 0;
    return builder->raw ? 0 : -ENOMEM;
}

static void note_number(struct lb_body *body, const struct lb_record *record)
{
    uint64_t *range = body->range[record->lane];

    if (range[0] == 0)
        range[0] = record->n;
    range[1] = record->n;
}

/* Would this number leave a hole in the lane's range? Then it belongs to the next body. */
static int leaves_gap(const struct lb_body *body, const struct lb_record *record)
{
    const uint64_t *range = body->range[record->lane];

    return range[0] != 0 && record->n != range[1] + 1;
}

/* Damage that came while we ran: the parts must lie within the record, or the encoder would read beyond it.
 */
static const struct lb_record *sound_record(const struct lb_ring *ring, uint64_t pos, uint64_t head)
{
    const struct lb_record *record = lb_ring_at(ring, pos, head);

    if (!record || record->kind == LB_KIND_HOLE)
        return record;
    return record->kind < LB_KIND_COUNT && record->lane < LB_LANE_COUNT &&
                   record->len <= lb_ring_record_max(ring) &&
                   lb_record_size(record->service_len, record->tags_len, record->body_len) == record->len
               ? record
               : NULL;
}

/*
 * Walk and encode. Returns the end of the text. A record is tried only while there is room left in the body,
 * so the text is never longer than max_bytes and one record.
 */
static char *fill(struct lb_builder *builder, struct lb_ring *ring, uint64_t from, uint64_t head,
                  struct lb_body *body, char *first_members, size_t *ret_members_len)
{
    bool is_ranged = builder->encoder.sequence == LB_SEQUENCE_BATCH;
    char *start = builder->raw + PREFIX_ROOM, *to = start;
    size_t between = strlen(builder->sink->between);

    body->from = body->to = from;
    while (body->to < head && body->lines < builder->max_lines && (size_t)(to - start) < builder->max_bytes) {
        const struct lb_record *record = sound_record(ring, body->to, head);
        char *end;

        if (!record) { /* nothing behind it can be found without a search, which start-up does */
            body->is_damaged = true;
            break;
        }
        if (record->kind != LB_KIND_HOLE && record->state < LB_STATE_DELIVERED) {
            if (leaves_gap(body, record))
                break;
            end = body->lines > 0 ? lb_json_raw(to, builder->sink->between, between) : to;
            end = lb_encode_record(&builder->encoder, record, is_ranged && body->lines == 0, end);
            if (body->lines > 0 && (size_t)(end - start) + *ret_members_len + FRAME_MAX > builder->max_bytes)
                break;
            if (body->lines == 0) {
                body->from = body->to;
                *ret_members_len = builder->encoder.members_len;
                memcpy(first_members, builder->encoder.members, builder->encoder.members_len);
            }
            to = end;
            body->lines++;
            note_number(body, record);
            lb_ring_set_state(ring, body->to, LB_STATE_IN_FLIGHT);
        }
        body->to += record->len;
    }
    return to;
}

static char *write_prefix(const struct lb_builder *builder, const struct lb_body *body, const char *members,
                          size_t members_len)
{
    char prefix[PREFIX_ROOM], *to = prefix;

    to = lb_json_raw(to, builder->sink->begin, strlen(builder->sink->begin));
    if (builder->encoder.sequence == LB_SEQUENCE_BATCH) {
        to += sprintf(to, "{\"logboom\":{\"id\":\"%016llx\"", (unsigned long long)builder->encoder.ring_id);
        if (body->range[LB_LANE_URGENT][0])
            to += sprintf(to, ",\"urgent\":[%llu,%llu]", (unsigned long long)body->range[LB_LANE_URGENT][0],
                          (unsigned long long)body->range[LB_LANE_URGENT][1]);
        if (body->range[LB_LANE_ROUTINE][0])
            to += sprintf(to, ",\"routine\":[%llu,%llu]", (unsigned long long)body->range[LB_LANE_ROUTINE][0],
                          (unsigned long long)body->range[LB_LANE_ROUTINE][1]);
        if (members_len > 0) {
            *to++ = ',';
            to = lb_json_raw(to, members, members_len);
        }
        to = LB_JSON_LITERAL(to, "},");
    }
    memcpy(builder->raw + PREFIX_ROOM - (to - prefix), prefix, (size_t)(to - prefix));
    return builder->raw + PREFIX_ROOM - (to - prefix);
}

static int squeeze(struct lb_builder *builder, const char *raw, size_t len, struct lb_body *body)
{
    size_t need = lb_compress_bound(builder->compression, len);
    long got;

    if (body->room < need) {
        free(body->payload);
        body->payload = malloc(need);
        body->room = body->payload ? need : 0;
        if (!body->payload)
            return -ENOMEM;
    }
    got = lb_compress(builder->compressor, raw, len, body->payload, body->room);
    if (got < 0)
        return (int)got;
    body->payload_len = (size_t)got;
    body->raw_bytes = len;
    return 1;
}

void lb_builder_give_back(struct lb_ring *ring, const struct lb_body *body)
{
    uint64_t head = lb_ring_head(ring);

    for (uint64_t pos = body->from; pos < body->to;) {
        const struct lb_record *record = lb_ring_at(ring, pos, head);

        if (!record)
            return;
        if (record->state == LB_STATE_IN_FLIGHT)
            lb_ring_set_state(ring, pos, LB_STATE_PENDING);
        pos += record->len;
    }
}

int lb_builder_make(struct lb_builder *builder, struct lb_ring *ring, uint64_t from, uint64_t head,
                    uint64_t wall_minus_boot_ns, struct lb_body *body)
{
    char members[LB_ENCODE_MEMBERS_MAX], *raw, *to;
    size_t members_len = 0;
    int rc = make_room(builder, ring);

    body->is_damaged = false;
    if (rc < 0)
        return rc;
    builder->encoder.wall_minus_boot_ns = wall_minus_boot_ns;
    body->lines = body->raw_bytes = body->payload_len = 0;
    memset(body->range, 0, sizeof body->range);
    to = fill(builder, ring, from, head, body, members, &members_len);
    if (body->lines == 0)
        return 0;
    to = lb_json_raw(to, builder->sink->end, strlen(builder->sink->end));
    raw = write_prefix(builder, body, members, members_len);
    rc = squeeze(builder, raw, (size_t)(to - raw), body);
    if (rc < 0)
        lb_builder_give_back(ring, body);
    return rc;
}
