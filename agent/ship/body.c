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

#include "agent/store/extra.h"
#include "common/json.h"

#define PREFIX_ROOM (LB_ENCODE_MEMBERS_MAX + 512)
#define FRAME_MAX \
    160 /* of begin, ranges and end: what a body holds beside its records, the first one's members apart */

int lb_builder_init(struct lb_builder *builder, const struct lb_sink *sink, const struct lb_config *config,
                    const struct lb_sink_config *sink_config, uint64_t ring_id)
{
    builder->raw = NULL;
    builder->raw_room = 0;
    builder->sink = sink;
    builder->composer = (struct lb_composer) { .config = config, .sink_config = sink_config };
    builder->compression = sink_config->compression;
    builder->max_bytes =
        sink_config->body_bytes < sink->limits.body_bytes ? sink_config->body_bytes : sink->limits.body_bytes;
    builder->max_lines =
        sink_config->body_lines < sink->limits.body_lines ? sink_config->body_lines : sink->limits.body_lines;
    lb_encoder_init(&builder->encoder, config, sink_config->sequence, ring_id);
    builder->level = sink_config->level;
    builder->compressor = lb_compressor_new(builder->compression, builder->level);
    return builder->compressor ? 0 : -ENOMEM;
}

int lb_builder_recode(struct lb_builder *builder, enum lb_compression compression)
{
    struct lb_compressor *fresh = lb_compressor_new(compression, builder->level);

    if (!fresh)
        return -ENOMEM;
    lb_compressor_free(builder->compressor);
    builder->compressor = fresh;
    builder->compression = compression;
    return 0;
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
    size_t need = PREFIX_ROOM + builder->max_bytes + lb_encode_bound_of(lb_ring_record_max(ring), true) +
                  2 * LB_FORMAT_FRAME;

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

/* Count a record for the books. */
static void add_up(struct lb_body *body, const struct lb_state *state, const struct lb_record *record)
{
    uint32_t row =
        lb_state_find_service(state, lb_record_service(record), record->service_len, record->service_ix);
    unsigned i = 0;
    struct lb_body_sum *sum;

    while (i < body->sums && i < LB_BODY_SUMS && body->sum[i].row != row)
        i++;
    if (i == LB_BODY_SUMS) {
        body->sums = LB_BODY_SUMS + 1;
        return;
    }
    sum = &body->sum[i];
    if (i == body->sums) {
        body->sums++;
        *sum = (struct lb_body_sum) { .row = row };
    }
    if (record->kind == LB_KIND_LINE) {
        sum->lines += record->lines;
        sum->bytes += lb_record_text_len(record);
    } else {
        sum->own_lines++;
        sum->own_bytes += record->body_len;
    }
}

/* The numbers that come next behind a record that is passed, shipped or not. */
static void pass(struct lb_body *body, const struct lb_record *record)
{
    for (unsigned lane = 0; record->kind == LB_KIND_HOLE && lane < LB_LANE_COUNT; lane++)
        if (lb_hole_count(record, lane) > 0)
            body->next_after[lane] = lb_hole_first(record, lane) + lb_hole_count(record, lane);
    if (record->kind != LB_KIND_HOLE)
        body->next_after[record->lane] = record->n + 1;
    body->to += record->len;
}

/* The text so far, and the members of the first record's logboom object. */
struct text {
    char *start, *to;
    char first_members[LB_ENCODE_MEMBERS_MAX];
    size_t members_len;
};

static void take_in(struct lb_body *body, const struct lb_record *record)
{
    if (body->lines == 0) {
        body->from = body->to;
        memcpy(body->next_before, body->next_after, sizeof body->next_before);
    }
    body->lines++;
    note_number(body, record);
}

/* The same by a sink's own format. */
static bool compose_record(struct lb_builder *builder, const struct lb_body_plan *plan,
                           const struct lb_record *record, struct lb_body *body, struct text *text)
{
    struct lb_composer before = builder->composer;
    char *end = builder->sink->format->add(&builder->composer, record, text->to);

    if (body->lines > 0 && (size_t)(end - text->start) + LB_FORMAT_FRAME > plan->max_bytes) {
        builder->composer = before;
        return false;
    }
    builder->composer.records++;
    text->to = end;
    take_in(body, record);
    return true;
}

/* Encode one record behind what is there. false: it does not fit any more. */
static bool add_record(struct lb_builder *builder, const struct lb_body_plan *plan,
                       const struct lb_record *record, struct lb_body *body, struct text *text)
{
    bool is_ranged = builder->encoder.sequence == LB_SEQUENCE_BATCH, is_first = body->lines == 0;
    char *end =
        is_first ? text->to : lb_json_raw(text->to, builder->sink->between, strlen(builder->sink->between));

    end = lb_encode_record(&builder->encoder, record, is_ranged && is_first, end);
    if (!is_first && (size_t)(end - text->start) + text->members_len + FRAME_MAX > plan->max_bytes)
        return false;
    if (is_first) {
        text->members_len = builder->encoder.members_len;
        memcpy(text->first_members, builder->encoder.members, text->members_len);
    }
    text->to = end;
    take_in(body, record);
    return true;
}

/*
 * Walk and encode. A record is tried only while there is room left in the body, so the text is never longer
 * than max_bytes and one record.
 */
static void fill(struct lb_builder *builder, struct lb_ring *ring, const struct lb_state *state,
                 const struct lb_body_plan *plan, struct lb_body *body, struct text *text)
{
    while (body->to < plan->head && body->lines < plan->max_lines &&
           (size_t)(text->to - text->start) < plan->max_bytes) {
        const struct lb_record *record = sound_record(ring, body->to, plan->head);

        if (!record) { /* nothing behind it can be found without a search, which start-up does */
            body->is_damaged = true;
            break;
        }
        if (record->kind != LB_KIND_HOLE && record->state < LB_STATE_DELIVERED) {
            if (plan->drops_expired && lb_stamps_are_off(&plan->stamps, record->boot_ns)) {
                body->is_expired = body->lines == 0;
                break;
            }
            if (leaves_gap(body, record))
                break;
            if (!(builder->sink->format ? compose_record : add_record)(builder, plan, record, body, text))
                break;
            add_up(body, state, record);
        }
        pass(body, record);
    }
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
    body->compression = builder->compression;
    body->raw_bytes = len;
    return 1;
}

static void begin(struct lb_body *body, const struct lb_body_plan *plan)
{
    body->is_damaged = body->is_expired = false;
    body->lines = body->raw_bytes = body->payload_len = 0;
    body->sums = 0;
    body->from = body->to = plan->from;
    body->stamps = plan->stamps;
    memset(body->range, 0, sizeof body->range);
    memcpy(body->next_before, plan->next, sizeof body->next_before);
    memcpy(body->next_after, plan->next, sizeof body->next_after);
}

static char *begin_composing(struct lb_builder *builder, const struct lb_body_plan *plan, char *to)
{
    struct lb_composer *composer = &builder->composer;

    composer->encoder = &builder->encoder; /* a builder may be moved, as a reload does */
    composer->is_replay = plan->is_replay;
    composer->records = 0;
    composer->group[0] = composer->group[1] = NULL;
    composer->group_key = 0;
    return builder->sink->format->begin(composer, to);
}

static char *end_composing(struct lb_builder *builder, const struct lb_body *body, char *to)
{
    struct lb_body_ranges ranges = { .ring_id = builder->encoder.ring_id };

    memcpy(ranges.range, body->range, sizeof ranges.range);
    return builder->sink->format->end(&builder->composer,
                                      builder->encoder.sequence == LB_SEQUENCE_BATCH ? &ranges : NULL, to);
}

int lb_builder_make(struct lb_builder *builder, struct lb_ring *ring, const struct lb_state *state,
                    const struct lb_body_plan *plan, struct lb_body *body)
{
    struct text text = { 0 };
    char *raw;
    int rc = make_room(builder, ring);

    begin(body, plan);
    if (rc < 0)
        return rc;
    builder->encoder.stamps = plan->stamps;
    text.start = text.to = builder->raw + PREFIX_ROOM;
    if (builder->sink->format)
        text.to = begin_composing(builder, plan, text.to);
    fill(builder, ring, state, plan, body, &text);
    if (body->lines == 0)
        return 0;
    if (builder->sink->format)
        return squeeze(builder, text.start, (size_t)(end_composing(builder, body, text.to) - text.start),
                       body);
    text.to = lb_json_raw(text.to, builder->sink->end, strlen(builder->sink->end));
    raw = write_prefix(builder, body, text.first_members, text.members_len);
    return squeeze(builder, raw, (size_t)(text.to - raw), body);
}
