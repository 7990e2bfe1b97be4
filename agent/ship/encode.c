/* SPDX-License-Identifier: MIT */
/* Records to JSON. In: a record, a clock offset, settings. Out: text. Always true: the text is valid JSON in
 * UTF-8. */
#include "agent/ship/encode.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"

static const char *const reasons[LB_REASON_COUNT] = { "shed", "overload", "client", "corrupt", "rejected" };
static const char *const reason_texts[LB_REASON_COUNT] = {
    "the sink was away and the ring was full",
    "there was no room in the ring",
    "the client's buffer overflowed while no agent ran",
    "found damaged in memory at start",
    "the sink refused them",
};
static const char *const lanes[LB_LANE_COUNT] = { "urgent", "routine" };

/* The key table allows no more; see LB_ENCODE_ENVELOPE_MAX. */
#define HOSTNAME_MAX 255
#define SOURCE_MAX   512
_Static_assert(
    6 * (HOSTNAME_MAX + SOURCE_MAX + LB_NAME_MAX + 255 + 2 * LB_PROTO_TAGS_MAX + LB_ENCODE_TAGS_MAX) + 1024 <
        LB_ENCODE_ENVELOPE_MAX,
    "an envelope fits");

const char *lb_reason_name(uint64_t reason)
{
    return reason < LB_REASON_COUNT ? reasons[reason] : "unknown";
}

void lb_encoder_init(struct lb_encoder *encoder, const struct lb_config *config, enum lb_sequence sequence,
                     uint64_t ring_id)
{
    encoder->config = config;
    encoder->sequence = sequence;
    encoder->ring_id = ring_id;
    encoder->envelope_len = 0;
    encoder->is_reusable = false;
}

size_t lb_encode_bound(const struct lb_record *record)
{
    return lb_json_bound(record->body_len) + LB_ENCODE_ENVELOPE_MAX + LB_ENCODE_MEMBERS_MAX + 256;
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

static uint64_t wall_ms(const struct lb_encoder *encoder, uint64_t boot_ns)
{
    return (boot_ns + encoder->wall_minus_boot_ns) / LB_NS_PER_MS;
}

static char *add_receipt(struct lb_encoder *encoder, char *to, const struct lb_receipt *receipt)
{
    const char *before = "";

    to = add_key(encoder, to, "kind");
    to = LB_JSON_LITERAL(to, "\"receipt\"");
    to = add_number(encoder, to, "count", receipt->lines);
    to = add_number(encoder, to, "bytes", receipt->bytes);
    to = add_number(encoder, to, "first_ms", wall_ms(encoder, receipt->first_ns));
    to = add_number(encoder, to, "last_ms", wall_ms(encoder, receipt->last_ns));
    to = add_key(encoder, to, "reason");
    to += sprintf(to, "\"%s\"", lb_reason_name(receipt->reason));
    to = add_key(encoder, to, "by");
    *to++ = '{';
    for (int level = 0; level < LB_LEVEL_COUNT; level++) {
        if (receipt->by_severity[level] == 0)
            continue;
        to += sprintf(to, "%s\"%s\":%llu", before, lb_level_name(level),
                      (unsigned long long)receipt->by_severity[level]);
        before = ",";
    }
    *to++ = '}';
    before = "";
    to = add_key(encoder, to, "range");
    *to++ = '{';
    for (int lane = 0; lane < LB_LANE_COUNT; lane++) {
        if (receipt->range[lane][0] == 0)
            continue;
        to +=
            sprintf(to, "%s\"%s\":[%llu,%llu]", before, lanes[lane],
                    (unsigned long long)receipt->range[lane][0], (unsigned long long)receipt->range[lane][1]);
        before = ",";
    }
    *to++ = '}';
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
    }
    if (record->lines > 1)
        to = add_number(encoder, to, "lines", record->lines);
    if (record->flags & LB_RECORD_CUT) {
        to = add_key(encoder, to, "cut");
        to = LB_JSON_LITERAL(to, "true");
    }
    if (record->kind == LB_KIND_RECEIPT && record->body_len == sizeof(struct lb_receipt)) {
        struct lb_receipt receipt;

        memcpy(&receipt, lb_record_body(record), sizeof receipt);
        to = add_receipt(encoder, to, &receipt);
    }
    encoder->members_len = (size_t)(to - encoder->members);
}

size_t lb_encode_receipt_text(const struct lb_receipt *receipt, char *buf, size_t size)
{
    uint64_t reason = receipt->reason < LB_REASON_COUNT ? receipt->reason : LB_REASON_CORRUPT;
    int len = snprintf(buf, size, "logboom: %llu line%s not sent: %s", (unsigned long long)receipt->lines,
                       receipt->lines == 1 ? " was" : "s were", reason_texts[reason]);

    return len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
}

static char *add_message(const struct lb_record *record, char *to)
{
    struct lb_receipt receipt;
    char text[256];

    if (record->kind != LB_KIND_RECEIPT || record->body_len != sizeof receipt)
        return lb_json_escape(to, lb_record_body(record), record->body_len);
    memcpy(&receipt, lb_record_body(record), sizeof receipt);
    return lb_json_escape(to, text, lb_encode_receipt_text(&receipt, text, sizeof text));
}

char *lb_encode_record(struct lb_encoder *encoder, const struct lb_record *record, int without_logboom,
                       char *to)
{
    const char *level = lb_level_name(record->severity);

    if (!has_envelope_for(encoder, record))
        make_envelope(encoder, record);
    make_members(encoder, record);
    if (!without_logboom)
        *to++ = '{';
    to = LB_JSON_LITERAL(to, "\"message\":\"");
    to = add_message(record, to);
    to = LB_JSON_LITERAL(to, "\",\"status\":\"");
    to = lb_json_raw(to, level, strlen(level));
    to = LB_JSON_LITERAL(to, "\",\"timestamp\":");
    to = lb_json_u64(to, wall_ms(encoder, record->boot_ns));
    to = lb_json_raw(to, encoder->envelope, encoder->envelope_len);
    if (!without_logboom && encoder->members_len > 0) {
        to = LB_JSON_LITERAL(to, ",\"logboom\":{");
        to = lb_json_raw(to, encoder->members, encoder->members_len);
        *to++ = '}';
    }
    *to++ = '}';
    return to;
}
