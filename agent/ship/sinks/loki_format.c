/* SPDX-License-Identifier: MIT */
/*
 * Bodies for Loki's push API (facts/sinks.md section 2). In: records. Out: JSON. Always true: neighbours of
 * the same labels share a stream object, and a text is legal JSON whichever record is taken back.
 *
 *     {"streams":[{"stream":{"service":..,"level":..,"host":..},"values":[["ns","line",{"k":"v"}],..]},..]}
 *                            ^ group[0]: what a record must have in common to go on here
 *
 * A record is left with its metadata open, since the last one of a body gets the ranges: whoever comes next
 * closes it, add() or end(). So a record that is taken back leaves nothing behind.
 */
#include "agent/ship/sinks/loki_parts.h"

#include <stdio.h>
#include <string.h>

#include "agent/ship/encode.h"
#include "agent/ship/encode_extra.h"
#include "common/json.h"
#include "common/level.h"

#define LABELS_MAX      1024 /* bytes of [sink] labels, expanded */
#define LABEL_NAMES_MAX 11   /* of them: Loki takes 15, and four are our own */
#define NAME_BYTES_MAX  64   /* bytes of a name; what is longer is cut */
#define REST_MAX        2048 /* all that is fixed text */
#define FACILITIES      24

/* A body of printable text, whose record has no extra parts, is the tightest; theirs have room of their own.
 */
_Static_assert(6 * (255 + 255 + 512 + 2 * LB_PROTO_TAGS_MAX + LB_ENCODE_TAGS_MAX + LABELS_MAX +
                    LB_OWN_TEXT_MAX) +
                       2 * LB_ENCODE_MEMBERS_MAX + REST_MAX <
                   LB_ENCODE_ENVELOPE_MAX + LB_ENCODE_MEMBERS_MAX,
               "a record fits what lb_encode_bound() says");

/* An object of texts that is being written. */
struct object {
    char *start, *to; /* from its brace; one past what is there */
    unsigned entries;
    unsigned max;      /* how many it may have … */
    unsigned left_out; /* … and how many more there were */
};

static struct object open_object(char *to, unsigned max)
{
    *to = '{';
    return (struct object) { .start = to, .to = to + 1, .max = max };
}

/* A legal name of these bytes: [a-zA-Z_][a-zA-Z0-9_]*. Returns its length. */
static size_t make_name(char *to, const char *text, size_t len)
{
    size_t at = 0;

    if (len == 0 || (*text >= '0' && *text <= '9'))
        to[at++] = '_';
    for (size_t i = 0; i < len && at < NAME_BYTES_MAX; i++) {
        char c = text[i];
        bool is_legal = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        to[at++] = is_legal ? c : '_';
    }
    return at;
}

/* Inside of a text a quote has a backslash before it, so one behind a comma or the brace begins a name. */
static bool has_name(const struct object *object, const char *name, size_t len)
{
    char want[NAME_BYTES_MAX + 32], *end = LB_JSON_LITERAL(want, ",\"");
    size_t room = (size_t)(object->to - object->start), want_len;

    end = LB_JSON_LITERAL(lb_json_raw(end, name, len), "\":\"");
    want_len = (size_t)(end - want);
    return memmem(object->start, room, want, want_len) ||
           (room >= want_len && memcmp(object->start + 1, want + 1, want_len - 1) == 0);
}

static void add_named(struct object *object, const char *name, size_t name_len, const char *text, size_t len)
{
    if (object->entries == object->max) {
        object->left_out++;
        return;
    }
    object->entries++;
    if (object->to[-1] != '{')
        *object->to++ = ',';
    *object->to++ = '"';
    object->to = lb_json_raw(object->to, name, name_len);
    object->to = LB_JSON_LITERAL(object->to, "\":\"");
    object->to = lb_json_escape(object->to, text, len);
    *object->to++ = '"';
}

static void add_text(struct object *object, const char *name, const char *text, size_t len)
{
    if (len > 0)
        add_named(object, name, strlen(name), text, len);
}

/* ---- labels ---- */

static bool is_for_replay(const struct lb_composer *composer, const struct lb_record *record)
{
    const struct lb_stamps *stamps = &composer->encoder->stamps;

    /* What has the time of sending for a stamp would put all that is older out of the stream's window. */
    return composer->is_replay && !stamps->is_implausible && !lb_stamps_are_off(stamps, record->boot_ns) &&
           record->boot_ns < stamps->now_ns && stamps->now_ns - record->boot_ns > LB_LOKI_REPLAY_AGE_NS;
}

/* The labels that may change from record to record, without a brace. Returns one past the last byte. */
static char *write_own_labels(char *to, const struct lb_view *view, bool is_replay)
{
    const char *level = lb_level_name(view->severity);

    to = LB_JSON_LITERAL(to, "\"service\":\"");
    to = lb_json_escape(to, view->service, view->service_len);
    to = LB_JSON_LITERAL(to, "\",\"level\":\"");
    to = lb_json_raw(to, level, strlen(level));
    to = is_replay ? LB_JSON_LITERAL(to, "\",\"replay\":\"1\"") : LB_JSON_LITERAL(to, "\"");
    return to;
}

static bool is_own_label(const char *name, size_t len)
{
    static const char *const own[] = { "service", "level", "host", "replay" };

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strlen(own[i]) == len && memcmp(own[i], name, len) == 0)
            return true;
    return false;
}

/* Those of the settings. One without a value is none, and of two with the same name the first counts. */
static char *write_set_labels(const struct lb_composer *composer, char *start, char *to)
{
    const char *text = composer->sink_config->labels, *key, *value;
    struct object labels = { .start = start, .to = to, .max = LABEL_NAMES_MAX };
    size_t len = strnlen(text, LABELS_MAX), key_len, value_len;

    while (lb_encode_next_tag(&text, &len, &key, &key_len, &value, &value_len)) {
        char name[NAME_BYTES_MAX + 1];
        size_t name_len = make_name(name, key, key_len);

        if (value_len > 0 && !is_own_label(name, name_len) && !has_name(&labels, name, name_len))
            add_named(&labels, name, name_len, value, value_len);
    }
    return labels.to;
}

/*
 * Go on in the stream that is open, or begin another: what is written is all up to the record's own bracket.
 * The labels are tried where they would stand, behind all that must come before them.
 */
static char *write_stream(struct lb_composer *composer, const struct lb_record *record,
                          const struct lb_view *view, char *to)
{
    static const char next[] = "}]]},{\"stream\":{", first[] = "{\"stream\":{";
    const char *head = composer->group[0] ? next : first;
    char *labels = to + strlen(head), *end = write_own_labels(labels, view, is_for_replay(composer, record));
    size_t len = (size_t)(end - labels);

    if (composer->group[0] && composer->group_key == len && memcmp(composer->group[0], labels, len) == 0)
        return LB_JSON_LITERAL(to, "}],");
    lb_json_raw(to, head, strlen(head));
    composer->group[0] = labels;
    composer->group_key = len;
    end = LB_JSON_LITERAL(end, ",\"host\":\"");
    end = lb_json_escape(end, view->hostname, strlen(view->hostname));
    *end++ = '"';
    end = write_set_labels(composer, labels - 1, end);
    return LB_JSON_LITERAL(end, "},\"values\":[");
}

/* ---- metadata ---- */

/* Each tag by its key. A key that comes again, as tags may, gets a number: a_2, a_3. */
static void add_tags(struct object *object, const char *text, size_t len)
{
    const char *key, *value;
    size_t key_len, value_len;

    while (lb_encode_next_tag(&text, &len, &key, &key_len, &value, &value_len)) {
        char name[NAME_BYTES_MAX + 16];
        size_t name_len = make_name(name, key, key_len), base = name_len;
        bool is_ours = name_len > 8 && memcmp(name, "logboom_", 8) == 0; /* some come only at the end */

        for (unsigned n = 2; object->entries < object->max && (is_ours || has_name(object, name, name_len));
             n++) {
            name_len = base + (size_t)snprintf(name + base, sizeof name - base, "_%u", n);
            is_ours = false;
        }
        add_named(object, name, name_len, value, value_len);
    }
}

static void add_syslog(struct object *object, const struct lb_extra *extra)
{
    static const char *const names[LB_SYSLOG_FIELDS] = { "syslog_hostname", "syslog_appname", "syslog_procid",
                                                         "syslog_msgid", "syslog_structured_data" };
    char number[24];

    for (unsigned i = 0; i < LB_SYSLOG_FIELDS; i++)
        add_text(object, names[i], extra->header + extra->syslog.field[i].at, extra->syslog.field[i].len);
    if (extra->syslog.facility < FACILITIES)
        add_text(object, "syslog_facility", number,
                 (size_t)snprintf(number, sizeof number, "%u", (unsigned)extra->syslog.facility));
}

static size_t cut(size_t len, size_t max)
{
    return len < max ? len : max;
}

static void add_extra(struct object *object, const struct lb_view *view)
{
    const struct lb_extra *extra = &view->extra;
    const struct lb_extra_error *error = &extra->error;
    const struct lb_extra_trace *trace = &extra->trace;
    char hex[17];

    if (extra->has_error) {
        snprintf(hex, sizeof hex, "%016llx", (unsigned long long)error->fingerprint);
        add_text(object, "error_kind", view->text + error->kind.at, cut(error->kind.len, LB_ENCODE_KIND_MAX));
        add_text(object, "error_message", view->text + error->message.at,
                 cut(error->message.len, LB_ENCODE_ERROR_MAX));
        add_text(object, "error_fingerprint", hex, 16);
    }
    if (extra->has_trace && trace->trace_id.len <= LB_ENCODE_TRACE_MAX) {
        add_text(object, "trace_id", view->text + trace->trace_id.at, trace->trace_id.len);
        add_text(object, "span_id", view->text + trace->span_id.at,
                 trace->span_id.len <= LB_ENCODE_TRACE_MAX ? trace->span_id.len : 0);
    }
    if (extra->has_syslog)
        add_syslog(object, extra);
}

/* Members of the logboom object, in braces, as the text that metadata must be: no byte of JSON takes more
 * than two in it. */
static void add_members(struct object *object, const char *members, size_t len)
{
    if (len == 0)
        return;
    add_named(object, "logboom", 7, "{", 1);
    object->to = lb_json_escape(object->to - 1, members, len);
    object->to = LB_JSON_LITERAL(object->to, "}\"");
}

/*
 * The metadata of a record, left open. What proves delivery comes first, and tags last, which are what may be
 * too many; names and texts of all that can be in it are below Loki's 64 KiB by their own limits.
 */
static char *write_metadata(const struct lb_view *view, size_t line_left_out, char *to)
{
    struct object object =
        open_object(to, LB_LOKI_METADATA_MAX - 3); /* two of what is told below, and the ranges */
    char number[24];

    add_members(&object, view->members, view->members_len);
    add_text(&object, "source", view->source, strlen(view->source));
    if (view->has_extra)
        add_extra(&object, view);
    for (unsigned i = 0; i < 3; i++)
        add_tags(&object, view->tags[i].text, view->tags[i].len);
    object.max = LB_LOKI_METADATA_MAX;
    if (object.left_out > 0)
        add_text(&object, "logboom_tags_left_out", number,
                 (size_t)snprintf(number, sizeof number, "%u", object.left_out));
    if (line_left_out > 0)
        add_text(&object, "logboom_bytes_left_out", number,
                 (size_t)snprintf(number, sizeof number, "%zu", line_left_out));
    return object.to;
}

/* ---- one record ---- */

/* What a text of JSON stands for, in bytes. */
static size_t plain_len(const char *text, const char *end)
{
    size_t len = 0;

    for (; text < end; len++)
        text += *text != '\\' ? 1 : text[1] == 'u' ? 6 : 2;
    return len;
}

/* As much of a line as Loki takes: bytes that are no UTF-8 become three each. Rare, so the cut is not a close
 * one. */
static char *write_line(const struct lb_view *view, char *to, size_t *ret_left_out)
{
    char *end = lb_json_escape(to, view->text, view->text_len);
    size_t len = LB_LOKI_LINE_MAX / 3;

    *ret_left_out = 0;
    if (view->text_len <= len || plain_len(to, end) <= LB_LOKI_LINE_MAX)
        return end;
    while (len > 0 && ((uint8_t)view->text[len] & 0xc0) == 0x80 && len + 3 > LB_LOKI_LINE_MAX / 3)
        len--; /* not within a character, where it is one */
    *ret_left_out = view->text_len - len;
    return lb_json_escape(to, view->text, len);
}

/* Loki tells entries apart by stamp, line and metadata, and shows those of one stamp in any order: no two
 * have the same, not even where the clock cannot be right, and there is only the time of sending to give. */
static uint64_t stamp_of(const struct lb_composer *composer, const struct lb_record *record,
                         const struct lb_view *view)
{
    const struct lb_stamps *stamps = &composer->encoder->stamps;

    if (view->has_stamp)
        return view->unique_ns;
    return lb_encode_unique_ns(stamps->now_ns + stamps->offset_ns, record);
}

static char *begin(struct lb_composer *composer, char *to)
{
    (void)composer;
    return LB_JSON_LITERAL(to, "{\"streams\":[");
}

static char *add(struct lb_composer *composer, const struct lb_record *record, char *to)
{
    struct lb_view view;
    size_t left_out;

    lb_encode_view(composer->encoder, record, &view);
    to = write_stream(composer, record, &view, to);
    to = LB_JSON_LITERAL(to, "[\"");
    to = lb_json_u64(to, stamp_of(composer, record, &view));
    to = LB_JSON_LITERAL(to, "\",\"");
    to = write_line(&view, to, &left_out);
    to = LB_JSON_LITERAL(to, "\",");
    return write_metadata(&view, left_out, to);
}

static char *end(struct lb_composer *composer, const struct lb_body_ranges *ranges, char *to)
{
    struct object object = { .to = to, .max = LB_LOKI_METADATA_MAX };
    char text[160];

    (void)composer;
    if (ranges)
        add_text(&object, "logboom_body", text, (size_t)(lb_encode_ranges(ranges, text) - text));
    return LB_JSON_LITERAL(object.to, "}]]}]}");
}

const struct lb_sink_format lb_loki_format = { begin, add, end };
