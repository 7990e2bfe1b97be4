/* SPDX-License-Identifier: MIT */
/*
 * Records as OpenTelemetry has them. In: records, a composer. Out: a body in protobuf. Always true: strings
 * are UTF-8, no two attributes of one thing have the same key, and a body is whole after end(), whatever was
 * taken back before.
 *
 *     ExportLogsServiceRequest
 *       1 ResourceLogs ....................... group[0] is its length
 *           1 Resource { attributes: host.name, service.name, tags }
 *           2 ScopeLogs ...................... its length is found behind the Resource, whose length is known
 *               1 InstrumentationScope { logboom }
 *               2 LogRecord, 2 LogRecord ..... group[1] is the length of the last one
 *
 * Lengths are filled in when they are known, and again when something is added: to the ResourceLogs and the
 * ScopeLogs when the next group begins or the body ends, to the last record by the ranges of the body. So a
 * record that is taken back leaves nothing behind that is not written again.
 */
#include "agent/ship/encode_otlp.h"

#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "agent/ship/encode.h"
#include "agent/ship/encode_otlp_record.h"
#include "agent/ship/protobuf.h"
#include "common/config.h"

enum { REQUEST_RESOURCE_LOGS = 1 };
enum { RESOURCE_LOGS_RESOURCE = 1, RESOURCE_LOGS_SCOPE_LOGS = 2 };
enum { RESOURCE_ATTRIBUTES = 1, RESOURCE_DROPPED = 2 };
enum { SCOPE_LOGS_SCOPE = 1, SCOPE_LOGS_RECORDS = 2 };
enum { SCOPE_NAME = 1, SCOPE_VERSION = 2 };

struct attribute {
    const char *key, *value;
    size_t key_len, value_len;
};

struct attributes {
    struct attribute list[LB_OTLP_ATTRIBUTES_MAX];
    unsigned count, dropped;
};

/*
 * A resource at its longest, every byte of it replaced by three: it stands for the envelope in
 * lb_encode_bound(). Tags of the settings end at LB_PROTO_TAGS_MAX, and env is written twice.
 */
#define HOSTNAME_MAX 255
_Static_assert(3 * (HOSTNAME_MAX + 255 + 2 * LB_PROTO_TAGS_MAX + 2 * LB_ENCODE_TAGS_MAX) +
                       LB_OTLP_ATTRIBUTES_MAX * 4 * LB_PROTOBUF_FRAME_MAX + 4096 <
                   LB_ENCODE_ENVELOPE_MAX,
               "a resource fits");

/* ---- the resource ---- */

static void add(struct attributes *all, const char *key, size_t key_len, const char *value, size_t value_len)
{
    if (all->count == LB_OTLP_ATTRIBUTES_MAX) {
        all->dropped++;
        return;
    }
    all->list[all->count++] = (struct attribute) { key, value, key_len, value_len };
}

static bool is_key(const struct attribute *one, const char *key, size_t key_len)
{
    return one->key_len == key_len && memcmp(one->key, key, key_len) == 0;
}

static bool has_key(const struct attributes *all, const char *key)
{
    for (unsigned i = 0; i < all->count; i++)
        if (is_key(&all->list[i], key, strlen(key)))
            return true;
    return false;
}

/* A tag that would name the host or the service anew is none; nor is one whose key is empty or no UTF-8: two
 * of those might be the same when they are clean. */
static bool is_tag(const char *key, size_t key_len)
{
    struct attribute tag = { .key = key, .key_len = key_len };

    return key_len > 0 && lb_encode_otlp_is_clean(key, key_len) && !is_key(&tag, "host.name", 9) &&
           !is_key(&tag, "service.name", 12);
}

static void collect(struct attributes *all, const struct lb_view *view)
{
    static const char environment[] = "deployment.environment.name";

    all->count = all->dropped = 0;
    add(all, "host.name", 9, view->hostname, strnlen(view->hostname, HOSTNAME_MAX));
    add(all, "service.name", 12, view->service, view->service_len);
    for (unsigned set = 0; set < 3; set++) {
        const char *text = view->tags[set].text, *key, *value;
        size_t len = view->tags[set].len, key_len, value_len;

        while (lb_encode_next_tag(&text, &len, &key, &key_len, &value, &value_len)) {
            if (is_tag(key, key_len))
                add(all, key, key_len, value, value_len);
            else
                all->dropped++;
        }
    }
    for (unsigned i = 2; i < all->count && !has_key(all, environment); i++)
        if (is_key(&all->list[i], "env", 3))
            add(all, environment, sizeof environment - 1, all->list[i].value, all->list[i].value_len);
}

/* Those of one key from the i-th on, as one attribute: a text, or an array of them. */
static char *put_attribute(char *to, const struct attributes *all, unsigned i)
{
    const struct attribute *first = &all->list[i];
    char *pair, *any, *array, *element;
    unsigned same = 0;

    for (unsigned k = i; k < all->count; k++)
        same += is_key(&all->list[k], first->key, first->key_len);
    if (same == 1)
        return lb_encode_otlp_text(to, RESOURCE_ATTRIBUTES, first->key, first->key_len, first->value,
                                   first->value_len);
    to = lb_protobuf_open(to, RESOURCE_ATTRIBUTES, &pair);
    to = lb_protobuf_text(to, LB_OTLP_KEY_VALUE_KEY, first->key, first->key_len);
    to = lb_protobuf_open(to, LB_OTLP_KEY_VALUE_VALUE, &any);
    to = lb_protobuf_open(to, LB_OTLP_ANY_ARRAY, &array);
    for (unsigned k = i; k < all->count; k++) {
        if (!is_key(&all->list[k], first->key, first->key_len))
            continue;
        to = lb_protobuf_open(to, LB_OTLP_ARRAY_VALUES, &element);
        to = lb_protobuf_text(to, LB_OTLP_ANY_STRING, all->list[k].value, all->list[k].value_len);
        lb_protobuf_close(element, to);
    }
    lb_protobuf_close(array, to);
    lb_protobuf_close(any, to);
    lb_protobuf_close(pair, to);
    return to;
}

static char *put_resource(char *to, const struct lb_view *view)
{
    struct attributes all;
    char *resource;

    collect(&all, view);
    to = lb_protobuf_open(to, RESOURCE_LOGS_RESOURCE, &resource);
    for (unsigned i = 0; i < all.count; i++) {
        bool is_first = true;

        for (unsigned k = 0; k < i && is_first; k++)
            is_first = !is_key(&all.list[k], all.list[i].key, all.list[i].key_len);
        if (is_first)
            to = put_attribute(to, &all, i);
    }
    if (all.dropped > 0)
        to = lb_protobuf_number(to, RESOURCE_DROPPED, all.dropped);
    lb_protobuf_close(resource, to);
    return to;
}

/* ---- groups ---- */

/* What records of a group have in common; settings are the same for all of a body. Never 0. */
static uint64_t key_of(const struct lb_composer *composer, const struct lb_view *view)
{
    uint64_t seed = composer->encoder->ring_id;
    uint64_t tags = XXH3_64bits_withSeed(view->tags[2].text, view->tags[2].len, seed);

    return XXH3_64bits_withSeed(view->service, view->service_len, tags) | 1;
}

/* The length of the ScopeLogs in a ResourceLogs: behind its tag, behind the Resource. */
static char *scope_logs_of(char *resource_logs)
{
    char *resource = resource_logs + LB_PROTOBUF_LENGTH + 1;

    return resource + LB_PROTOBUF_LENGTH + lb_protobuf_closed_len(resource) + 1;
}

static void close_group(const struct lb_composer *composer, const char *to)
{
    if (!composer->group[0])
        return;
    lb_protobuf_close(scope_logs_of(composer->group[0]), to);
    lb_protobuf_close(composer->group[0], to);
}

static char *open_group(struct lb_composer *composer, const struct lb_view *view, char *to)
{
    char *scope_logs, *scope;

    close_group(composer, to);
    to = lb_protobuf_open(to, REQUEST_RESOURCE_LOGS, &composer->group[0]);
    to = put_resource(to, view);
    to = lb_protobuf_open(to, RESOURCE_LOGS_SCOPE_LOGS, &scope_logs);
    to = lb_protobuf_open(to, SCOPE_LOGS_SCOPE, &scope);
    to = lb_protobuf_text(to, SCOPE_NAME, "logboom", 7);
    to = lb_protobuf_text(to, SCOPE_VERSION, LB_VERSION, strlen(LB_VERSION));
    lb_protobuf_close(scope, to);
    return to;
}

/* ---- the format ---- */

static char *begin(struct lb_composer *composer, char *to)
{
    (void)composer;
    return to;
}

static char *add_record(struct lb_composer *composer, const struct lb_record *record, char *to)
{
    struct lb_view view;
    uint64_t key;

    lb_encode_view(composer->encoder, record, &view);
    key = key_of(composer, &view);
    if (!composer->group[0] || composer->group_key != key)
        to = open_group(composer, &view, to);
    composer->group_key = key;
    to = lb_protobuf_open(to, SCOPE_LOGS_RECORDS, &composer->group[1]);
    to = lb_encode_otlp_record(&composer->encoder->stamps, &view, to);
    lb_protobuf_close(composer->group[1], to);
    return to;
}

static char *end(struct lb_composer *composer, const struct lb_body_ranges *ranges, char *to)
{
    char text[160];

    if (ranges) {
        size_t len = (size_t)(lb_encode_ranges(ranges, text) - text);

        to = lb_encode_otlp_text(to, LB_OTLP_RECORD_ATTRIBUTES, "logboom.body", 12, text, len);
    }
    lb_protobuf_close(composer->group[1], to);
    close_group(composer, to);
    return to;
}

const struct lb_sink_format lb_encode_otlp = { begin, add_record, end };
