/* SPDX-License-Identifier: MIT */
/* Records to JSON. In: a record, a clock offset, settings. Out: text. Always true: the text is valid JSON in
 * UTF-8. */
#include "agent/ship/encode.h"

#include <stdio.h>
#include <string.h>

#include "agent/ship/encode_extra.h"
#include "agent/ship/encode_own.h"
#include "common/clock.h"
#include "common/json.h"

static const char *const lanes[LB_LANE_COUNT] = { "urgent", "routine" };

/* The key table allows no more; see LB_ENCODE_ENVELOPE_MAX. */
#define HOSTNAME_MAX 255
#define SOURCE_MAX   512
_Static_assert(
    6 * (HOSTNAME_MAX + SOURCE_MAX + LB_NAME_MAX + 255 + 2 * LB_PROTO_TAGS_MAX + LB_ENCODE_TAGS_MAX) + 1024 <
        LB_ENCODE_ENVELOPE_MAX,
    "an envelope fits");

void lb_encoder_init(struct lb_encoder *encoder, const struct lb_config *config, enum lb_sequence sequence,
                     uint64_t ring_id)
{
    encoder->config = config;
    encoder->sequence = sequence;
    encoder->ring_id = ring_id;
    encoder->envelope_len = 0;
    encoder->is_reusable = false;
}

size_t lb_encode_bound_of(size_t body_len, bool has_extra)
{
    return lb_json_bound(body_len) + (has_extra ? lb_encode_extra_bound(body_len) : 0) +
           LB_ENCODE_ENVELOPE_MAX + LB_ENCODE_MEMBERS_MAX + 256;
}

size_t lb_encode_bound(const struct lb_record *record)
{
    return lb_encode_bound_of(record->body_len, record->flags & LB_RECORD_EXTRA);
}

static char *add_tags(char *to, const char *tags, size_t len, int *has_any)
{
    if (len == 0)
        return to;
    if (*has_any)
        *to++ = ',';
    *has_any = 1;
    return lb_json_escape(to, tags, len);
}

/* ,"hostname":..,"service":..,"ddsource":..,"ddtags":..: the same for all records of a service */
static void make_envelope(struct lb_encoder *encoder, const struct lb_record *record)
{
    const struct lb_config *config = encoder->config;
    const char *service = lb_record_service(record), *tags = lb_record_tags(record);
    size_t tags_len = record->tags_len < LB_ENCODE_TAGS_MAX ? record->tags_len : LB_ENCODE_TAGS_MAX;
    const struct lb_service_config *settings = lb_config_service(config, service, record->service_len);
    char *to = encoder->envelope;
    int has_tags = 0;

    to = LB_JSON_LITERAL(to, ",\"hostname\":\"");
    to = lb_json_escape(to, config->hostname, strnlen(config->hostname, HOSTNAME_MAX));
    to = LB_JSON_LITERAL(to, "\",\"service\":\"");
    to = lb_json_escape(to, service, record->service_len);
    to = LB_JSON_LITERAL(to, "\",\"ddsource\":\"");
    to = lb_json_escape(to, settings->source, strnlen(settings->source, SOURCE_MAX));
    *to++ = '"';
    if (config->tags[0] || settings->tags[0] || tags_len) {
        to = LB_JSON_LITERAL(to, ",\"ddtags\":\"");
        to = add_tags(to, config->tags, strnlen(config->tags, LB_PROTO_TAGS_MAX), &has_tags);
        to = add_tags(to, settings->tags, strnlen(settings->tags, LB_PROTO_TAGS_MAX), &has_tags);
        to = add_tags(to, tags, tags_len, &has_tags);
        *to++ = '"';
    }
    encoder->envelope_len = (size_t)(to - encoder->envelope);
    encoder->is_reusable =
        record->service_len <= sizeof encoder->service && record->tags_len <= sizeof encoder->tags;
    if (!encoder->is_reusable)
        return;
    encoder->service_len = record->service_len;
    memcpy(encoder->service, service, encoder->service_len);
    encoder->tags_len = record->tags_len;
    memcpy(encoder->tags, tags, encoder->tags_len);
}

static int has_envelope_for(const struct lb_encoder *encoder, const struct lb_record *record)
{
    return encoder->is_reusable && encoder->service_len == record->service_len &&
           encoder->tags_len == record->tags_len &&
           memcmp(encoder->service, lb_record_service(record), record->service_len) == 0 &&
           memcmp(encoder->tags, lb_record_tags(record), record->tags_len) == 0;
}

static char *add_key(struct lb_encoder *encoder, char *to, const char *key)
{
    if (to > encoder->members)
        *to++ = ',';
    *to++ = '"';
    to = lb_json_raw(to, key, strlen(key));
    return LB_JSON_LITERAL(to, "\":");
}

static char *add_number(struct lb_encoder *encoder, char *to, const char *key, uint64_t number)
{
    return lb_json_u64(add_key(encoder, to, key), number);
}

static char *add_hex(struct lb_encoder *encoder, char *to, const char *key, uint64_t number)
{
    to = add_key(encoder, to, key);
    return to + sprintf(to, "\"%016llx\"", (unsigned long long)number);
}

struct lb_stamps lb_stamps_of(const struct lb_wall *wall, uint64_t now_boot_ns)
{
    return (struct lb_stamps) {
        .offset_ns = lb_wall_offset_ns(wall),
        .exact_since_ns = wall->was_synced ? wall->synced_since_ns : 0,
        .trust = { lb_wall_trust(wall, 0), lb_wall_trust(wall, now_boot_ns) },
        .is_implausible = !lb_wall_is_plausible(wall, now_boot_ns),
        .now_ns = now_boot_ns,
    };
}

bool lb_stamps_are_off(const struct lb_stamps *stamps, uint64_t boot_ns)
{
    if (!stamps->has_window)
        return false;
    if (boot_ns > stamps->now_ns)
        return boot_ns - stamps->now_ns > stamps->max_ahead_ns;
    return stamps->now_ns - boot_ns > stamps->max_age_ns;
}

static uint64_t wall_ms(const struct lb_encoder *encoder, uint64_t boot_ns)
{
    return (boot_ns + encoder->stamps.offset_ns) / LB_NS_PER_MS;
}

/* Has this record no stamp, because the clock cannot be right and the sink is better off with its own? */
static bool is_unstamped(const struct lb_encoder *encoder)
{
    return encoder->stamps.has_window && encoder->stamps.is_implausible;
}

static char *add_time(struct lb_encoder *encoder, char *to, const struct lb_record *record)
{
    const struct lb_stamps *stamps = &encoder->stamps;
    enum lb_clock_trust trust = stamps->trust[record->boot_ns >= stamps->exact_since_ns];

    if (encoder->sequence == LB_SEQUENCE_ALL || trust != LB_CLOCK_EXACT) {
        const char *name = lb_clock_trust_name(trust);

        to = add_key(encoder, to, "clock");
        *to++ = '"';
        to = lb_json_raw(to, name, strlen(name));
        *to++ = '"';
    }
    if (is_unstamped(encoder) && stamps->now_ns >= record->boot_ns)
        to = add_number(encoder, to, "age_ms", (stamps->now_ns - record->boot_ns) / LB_NS_PER_MS);
    if (lb_stamps_are_off(stamps, record->boot_ns))
        to = add_number(encoder, to, "original_ms", wall_ms(encoder, record->boot_ns));
    return to;
}

static void make_members(struct lb_encoder *encoder, const struct lb_record *record)
{
    char *to = encoder->members;

    if (encoder->sequence == LB_SEQUENCE_ALL) {
        to = add_hex(encoder, to, "id", encoder->ring_id);
        to = add_key(encoder, to, "lane");
        to += sprintf(to, "\"%s\"", lanes[record->lane]);
        to = add_number(encoder, to, "n", record->n);
        if (record->stream_id)
            to = add_hex(encoder, to, "stream", record->stream_id);
        if (record->pid)
            to = add_number(encoder, to, "pid", record->pid);
        to = add_number(encoder, to, "uid", record->uid);
        if (lb_record_pattern(record))
            to = add_hex(encoder, to, "pattern", lb_record_pattern(record));
    }
    if (record->lines > 1)
        to = add_number(encoder, to, "lines", record->lines);
    if (record->flags & LB_RECORD_CUT) {
        to = add_key(encoder, to, "cut");
        to = LB_JSON_LITERAL(to, "true");
    }
    if (record->flags & LB_RECORD_CONTEXT) {
        to = add_key(encoder, to, "context");
        to = LB_JSON_LITERAL(to, "true");
    }
    if (record->flags & LB_RECORD_NEW) {
        to = add_key(encoder, to, "new");
        to = LB_JSON_LITERAL(to, "true");
    }
    to = add_time(encoder, to, record);
    if (record->kind != LB_KIND_LINE) {
        if (to > encoder->members)
            *to++ = ',';
        to = lb_own_members(record, encoder->stamps.offset_ns, to);
    }
    encoder->members_len = (size_t)(to - encoder->members);
}

static char *add_message(const struct lb_record *record, char *to)
{
    char own[LB_OWN_TEXT_MAX];
    size_t own_len = record->kind == LB_KIND_LINE ? 0 : lb_own_text(record, own, sizeof own);
    uint32_t len;
    const char *text = lb_record_text(record, &len);

    return own_len > 0 ? lb_json_escape(to, own, own_len) : lb_json_escape(to, text, len);
}

static char *add_timestamp(const struct lb_encoder *encoder, const struct lb_record *record, char *to)
{
    if (is_unstamped(encoder))
        return to;
    to = LB_JSON_LITERAL(to, ",\"timestamp\":");
    return lb_json_u64(to, wall_ms(encoder, lb_stamps_are_off(&encoder->stamps, record->boot_ns)
                                                ? encoder->stamps.now_ns
                                                : record->boot_ns));
}

static char *add_status(char *to, unsigned severity)
{
    const char *level = lb_level_name(severity);

    to = LB_JSON_LITERAL(to, "\",\"status\":\"");
    to = lb_json_raw(to, level, strlen(level));
    *to++ = '"';
    return to;
}

char *lb_encode_record(struct lb_encoder *encoder, const struct lb_record *record, int without_logboom,
                       char *to)
{
    if (!has_envelope_for(encoder, record))
        make_envelope(encoder, record);
    make_members(encoder, record);
    if (!without_logboom)
        *to++ = '{';
    to = LB_JSON_LITERAL(to, "\"message\":\"");
    to = add_message(record, to);
    to = add_status(to, record->severity);
    to = add_timestamp(encoder, record, to);
    to = lb_json_raw(to, encoder->envelope, encoder->envelope_len);
    if (record->flags & LB_RECORD_EXTRA)
        to = lb_encode_extra(record, to);
    if (!without_logboom && encoder->members_len > 0) {
        to = LB_JSON_LITERAL(to, ",\"logboom\":{");
        to = lb_json_raw(to, encoder->members, encoder->members_len);
        *to++ = '}';
    }
    *to++ = '}';
    return to;
}

uint64_t lb_encode_unique_ns(uint64_t wall_ns, const struct lb_record *record)
{
    return wall_ns / LB_UNIQUE_NS * LB_UNIQUE_NS + (record->n * LB_LANE_COUNT + record->lane) % LB_UNIQUE_NS;
}

void lb_encode_view(struct lb_encoder *encoder, const struct lb_record *record, struct lb_view *ret_view)
{
    const struct lb_config *config = encoder->config;
    const struct lb_service_config *settings =
        lb_config_service(config, lb_record_service(record), record->service_len);
    size_t tags_len = record->tags_len < LB_ENCODE_TAGS_MAX ? record->tags_len : LB_ENCODE_TAGS_MAX;
    const struct lb_stamps *stamps = &encoder->stamps;
    uint64_t boot_ns = lb_stamps_are_off(stamps, record->boot_ns) ? stamps->now_ns : record->boot_ns;
    uint32_t text_len;
    struct lb_view *view = ret_view;

    make_members(encoder, record);
    view->text = lb_record_text(record, &text_len);
    view->text_len = text_len;
    if (record->kind != LB_KIND_LINE) {
        size_t own_len = lb_own_text(record, view->own, sizeof view->own);

        view->text = own_len > 0 ? view->own : view->text;
        view->text_len = own_len > 0 ? own_len : view->text_len;
    }
    view->service = lb_record_service(record);
    view->service_len = record->service_len;
    view->hostname = config->hostname;
    view->source = settings->source;
    view->tags[0].text = config->tags;
    view->tags[0].len = strnlen(config->tags, LB_PROTO_TAGS_MAX);
    view->tags[1].text = settings->tags;
    view->tags[1].len = strnlen(settings->tags, LB_PROTO_TAGS_MAX);
    view->tags[2].text = lb_record_tags(record);
    view->tags[2].len = tags_len;
    view->severity = record->severity;
    view->has_stamp = !is_unstamped(encoder);
    view->wall_ns = boot_ns + stamps->offset_ns;
    view->unique_ns = lb_encode_unique_ns(view->wall_ns, record);
    view->members = encoder->members;
    view->members_len = encoder->members_len;
    view->has_extra = record->flags & LB_RECORD_EXTRA && view->text != view->own;
    if (view->has_extra)
        lb_extra_read(record, &view->extra);
}

bool lb_encode_next_tag(const char **text, size_t *len, const char **ret_key, size_t *ret_key_len,
                        const char **ret_value, size_t *ret_value_len)
{
    const char *comma, *colon;
    size_t tag_len;

    while (*len > 0 && **text == ',') {
        ++*text;
        --*len;
    }
    if (*len == 0)
        return false;
    comma = memchr(*text, ',', *len);
    tag_len = comma ? (size_t)(comma - *text) : *len;
    colon = memchr(*text, ':', tag_len);
    *ret_key = *text;
    *ret_key_len = colon ? (size_t)(colon - *text) : tag_len;
    *ret_value = colon ? colon + 1 : *text + tag_len;
    *ret_value_len = colon ? tag_len - *ret_key_len - 1 : 0;
    *text += tag_len;
    *len -= tag_len;
    return true;
}

char *lb_encode_ranges(const struct lb_body_ranges *ranges, char *to)
{
    to += sprintf(to, "{\"id\":\"%016llx\"", (unsigned long long)ranges->ring_id);
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        if (ranges->range[lane][0])
            to += sprintf(to, ",\"%s\":[%llu,%llu]", lanes[lane], (unsigned long long)ranges->range[lane][0],
                          (unsigned long long)ranges->range[lane][1]);
    *to++ = '}';
    return to;
}
