/* SPDX-License-Identifier: MIT */
/*
 * Records of our own in words. In: a record whose body is one of our structs. Out: a sentence, and members of
 * JSON. Always true: a body whose length is not that of its kind says nothing.
 */
#include "agent/ship/encode_own.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/ship/encode_remote.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/level.h"

static const char *const reasons[LB_REASON_COUNT] = { "shed",    "overload", "client",
                                                      "corrupt", "rejected", "expired" };
static const char *const reason_texts[LB_REASON_COUNT] = {
    "the sink was away and the ring was full",
    "there was no room in the ring",
    "the client's buffer overflowed while no agent ran",
    "found damaged in memory at start",
    "the sink refused them",
    "they were too old for the sink",
};
static const char *const stops[LB_STOP_COUNT] = { "unknown", "clean", "unclean" };
static const char *const stop_texts[LB_STOP_COUNT] = {
    "nothing is known of the time before",
    "the last stop was clean",
    "the last stop was unclean",
};
static const char *const lanes[LB_LANE_COUNT] = { "urgent", "routine" };

/* Bodies lie where they lie: copied before they are read. */
union own {
    struct lb_receipt receipt;
    struct lb_start start;
    struct lb_repeat repeat;
    struct lb_exit exit;
    struct lb_summary summary;
    struct lb_alert alert;
    struct lb_heartbeat heartbeat;
    struct lb_wear_alert wear;
    struct lb_remote_told remote;
};

const char *lb_reason_name(uint64_t reason)
{
    return reason < LB_REASON_COUNT ? reasons[reason] : "unknown";
}

/* A name in a body may be damaged: its length is that of its room at most, and it has an end. */
static size_t name_length(uint64_t len)
{
    return len < LB_OWN_NAME_BYTES ? (size_t)len : LB_OWN_NAME_BYTES;
}

/* "SIGSEGV", as kill -l names it. */
static const char *signal_name(uint64_t number, char buf[16])
{
    const char *name = number < 65 ? sigabbrev_np((int)number) : NULL;

    if (name)
        snprintf(buf, 16, "SIG%s", name);
    else
        snprintf(buf, 16, "SIG%llu", (unsigned long long)(number % 1000));
    return buf;
}

/* ---- for people ---- */

static int receipt_text(const union own *own, char *buf, size_t size)
{
    const struct lb_receipt *receipt = &own->receipt;
    uint64_t reason = receipt->reason < LB_REASON_COUNT ? receipt->reason : LB_REASON_CORRUPT;

    return snprintf(buf, size, "logboom: %llu line%s not sent: %s", (unsigned long long)receipt->lines,
                    receipt->lines == 1 ? " was" : "s were", reason_texts[reason]);
}

static int start_text(const union own *own, char *buf, size_t size)
{
    const struct lb_start *start = &own->start;

    return snprintf(buf, size, "logboom: started, version %.*s; %s", (int)sizeof start->version,
                    (const char *)start->version,
                    stop_texts[start->stop < LB_STOP_COUNT ? start->stop : LB_STOP_UNKNOWN]);
}

static int repeat_text(const union own *own, char *buf, size_t size)
{
    const struct lb_repeat *repeat = &own->repeat;
    uint64_t ms = (repeat->last_ns - repeat->first_ns) / LB_NS_PER_MS;

    return snprintf(buf, size, "logboom: %.*s came %llu more time%s within %llu.%llu s",
                    (int)name_length(repeat->kind_len), repeat->kind, (unsigned long long)repeat->count,
                    repeat->count == 1 ? "" : "s", (unsigned long long)(ms / 1000),
                    (unsigned long long)(ms % 1000 / 100));
}

static int exit_text(const union own *own, char *buf, size_t size)
{
    const struct lb_exit *end = &own->exit;
    int name_len = (int)name_length(end->name_len);
    char name[16], how[80];

    if (end->flags & LB_EXIT_LOST)
        return snprintf(buf, size, "logboom: who watched %.*s was killed: how it ends is not known", name_len,
                        end->name);
    if (end->signal)
        snprintf(how, sizeof how, "was killed by %s%s%s", signal_name(end->signal, name),
                 end->flags & LB_EXIT_CORE ? ", core dumped" : "",
                 end->flags & LB_EXIT_OOM ? ", out of memory" : "");
    else
        snprintf(how, sizeof how, "exited with code %llu", (unsigned long long)end->code);
    return snprintf(buf, size, "logboom: %.*s %s after %llu.%llu s", name_len, end->name, how,
                    (unsigned long long)(end->run_ms / 1000), (unsigned long long)(end->run_ms % 1000 / 100));
}

/* By reason, as status names them; what a summary never counts has no name. */
static const char *const suppressions[] = { "filter", NULL, "sample", "limit", NULL, "quota", "pressure" };

static int summary_text(const union own *own, char *buf, size_t size)
{
    const struct lb_summary *summary = &own->summary;
    uint64_t ms = (summary->last_ns - summary->first_ns) / LB_NS_PER_MS;
    int len;

    if (summary->lines == 0)
        return snprintf(buf, size,
                        "logboom: %llu lines that had not been sent were sent as the context of an error",
                        (unsigned long long)summary->promoted_lines);
    len = snprintf(buf, size, "logboom: %llu line%s not sent within %llu.%llu s",
                   (unsigned long long)summary->lines, summary->lines == 1 ? " was" : "s were",
                   (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000 / 100));
    if (summary->patterns > 0 && len > 0 && (size_t)len < size)
        len += snprintf(buf + len, size - (size_t)len, ", most of them like: %.*s",
                        (int)summary->pattern[0].template_len, summary->pattern[0].template);
    return len;
}

static int alert_text(const union own *own, char *buf, size_t size)
{
    return snprintf(buf, size, "logboom: %.*s", (int)sizeof own->alert.text, own->alert.text);
}

static int heartbeat_text(const union own *own, char *buf, size_t size)
{
    (void)own;
    return snprintf(buf, size, "alive");
}

/* ---- for programs ---- */

static char *add_u64(char *to, const char *key, uint64_t number)
{
    return to + sprintf(to, ",\"%s\":%llu", key, (unsigned long long)number);
}

static char *add_ms(char *to, const char *key, uint64_t boot_ns, uint64_t offset_ns)
{
    return add_u64(to, key, (boot_ns + offset_ns) / LB_NS_PER_MS);
}

static char *add_fingerprint(char *to, uint64_t fingerprint)
{
    return to + sprintf(to, ",\"fingerprint\":\"%016llx\"", (unsigned long long)fingerprint);
}

static char *add_name(char *to, const char *key, const char *name, uint64_t len)
{
    to += sprintf(to, ",\"%s\":\"", key);
    to = lb_json_escape(to, name, name_length(len));
    *to++ = '"';
    return to;
}

static char *start_members(const union own *own, uint64_t offset_ns, char *to)
{
    const struct lb_start *start = &own->start;

    (void)offset_ns;
    to += sprintf(to, ",\"stop\":\"%s\"", stops[start->stop < LB_STOP_COUNT ? start->stop : LB_STOP_UNKNOWN]);
    if (start->last_ring == 0)
        return to;
    return to + sprintf(to, ",\"last\":{\"id\":\"%016llx\",\"urgent\":%llu,\"routine\":%llu}",
                        (unsigned long long)start->last_ring, (unsigned long long)start->last[LB_LANE_URGENT],
                        (unsigned long long)start->last[LB_LANE_ROUTINE]);
}

static char *receipt_members(const union own *own, uint64_t offset_ns, char *to)
{
    const struct lb_receipt *receipt = &own->receipt;
    const char *before = "";

    to = add_u64(to, "count", receipt->lines);
    to = add_u64(to, "bytes", receipt->bytes);
    to = add_ms(to, "first_ms", receipt->first_ns, offset_ns);
    to = add_ms(to, "last_ms", receipt->last_ns, offset_ns);
    to += sprintf(to, ",\"reason\":\"%s\",\"by\":{", lb_reason_name(receipt->reason));
    for (unsigned level = 0; level < LB_LEVEL_COUNT; level++) {
        if (receipt->by_severity[level] == 0)
            continue;
        to += sprintf(to, "%s\"%s\":%llu", before, lb_level_name(level),
                      (unsigned long long)receipt->by_severity[level]);
        before = ",";
    }
    before = "";
    to += sprintf(to, "},\"range\":{");
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++) {
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

static char *repeat_members(const union own *own, uint64_t offset_ns, char *to)
{
    const struct lb_repeat *repeat = &own->repeat;

    to = add_u64(to, "count", repeat->count);
    to = add_u64(to, "bytes", repeat->bytes);
    to = add_ms(to, "first_ms", repeat->first_ns, offset_ns);
    to = add_ms(to, "last_ms", repeat->last_ns, offset_ns);
    if (!repeat->fingerprint) /* a record that said the same again */
        return add_name(to, "text", repeat->kind, repeat->kind_len);
    to = add_fingerprint(to, repeat->fingerprint);
    return add_name(to, "error_kind", repeat->kind, repeat->kind_len);
}

static char *exit_members(const union own *own, uint64_t offset_ns, char *to)
{
    const struct lb_exit *end = &own->exit;
    char name[16];

    (void)offset_ns;
    to = add_name(to, "program", end->name, end->name_len);
    to = add_u64(to, "restarts", end->restarts);
    if (end->fingerprint)
        to = add_fingerprint(to, end->fingerprint);
    if (end->flags & LB_EXIT_LOST)
        return to;
    if (end->signal)
        to += sprintf(to, ",\"signal\":\"%s\"", signal_name(end->signal, name));
    else
        to = add_u64(to, "code", end->code);
    if (end->flags & LB_EXIT_CORE)
        to = LB_JSON_LITERAL(to, ",\"core\":true");
    if (end->flags & LB_EXIT_OOM)
        to = LB_JSON_LITERAL(to, ",\"oom\":true");
    to = add_u64(to, "run_ms", end->run_ms);
    to = add_u64(to, "cpu_ms", end->cpu_ms);
    return add_u64(to, "peak_rss_bytes", end->peak_rss_bytes);
}

static char *add_pattern(char *to, const struct lb_summary_pattern *pattern, uint64_t offset_ns)
{
    size_t len =
        pattern->template_len < sizeof pattern->template ? pattern->template_len : sizeof pattern->template;

    to += sprintf(to, "{\"pattern\":\"%016llx\",\"template\":\"", (unsigned long long)pattern->id);
    to = lb_json_escape(to, pattern->template, len);
    *to++ = '"';
    to = add_u64(to, "count", pattern->lines);
    to = add_u64(to, "bytes", pattern->bytes);
    to = add_ms(to, "first_ms", pattern->first_ns, offset_ns);
    to = add_ms(to, "last_ms", pattern->last_ns, offset_ns);
    *to++ = '}';
    return to;
}

static char *summary_members(const union own *own, uint64_t offset_ns, char *to)
{
    const struct lb_summary *summary = &own->summary;
    const char *before = "";

    to = add_u64(to, "count", summary->lines);
    to = add_u64(to, "bytes", summary->bytes);
    to = add_ms(to, "first_ms", summary->first_ns, offset_ns);
    to = add_ms(to, "last_ms", summary->last_ns, offset_ns);
    to = LB_JSON_LITERAL(to, ",\"by\":{");
    for (unsigned i = 0; i < sizeof suppressions / sizeof suppressions[0]; i++) {
        if (!suppressions[i] || summary->by_reason[i] == 0)
            continue;
        to +=
            sprintf(to, "%s\"%s\":%llu", before, suppressions[i], (unsigned long long)summary->by_reason[i]);
        before = ",";
    }
    to = LB_JSON_LITERAL(to, "},\"patterns\":[");
    for (unsigned i = 0; i < summary->patterns; i++) {
        if (i > 0)
            *to++ = ',';
        to = add_pattern(to, &summary->pattern[i], offset_ns);
    }
    *to++ = ']';
    if (summary->rest_lines > 0)
        to += sprintf(to, ",\"rest\":{\"count\":%llu,\"bytes\":%llu}",
                      (unsigned long long)summary->rest_lines, (unsigned long long)summary->rest_bytes);
    if (summary->promoted_lines > 0)
        to +=
            sprintf(to, ",\"promoted\":{\"count\":%llu,\"bytes\":%llu}",
                    (unsigned long long)summary->promoted_lines, (unsigned long long)summary->promoted_bytes);
    return to;
}

static char *alert_members(const union own *own, uint64_t offset_ns, char *to)
{
    static const char *const whats[LB_ALERT_COUNT] = { "quota", "pressure" };
    const struct lb_alert *alert = &own->alert;

    (void)offset_ns;
    to += sprintf(to, ",\"alert\":\"%s\"", alert->what < LB_ALERT_COUNT ? whats[alert->what] : "unknown");
    to = add_u64(to, "step", alert->step);
    return add_u64(to, "before", alert->before);
}

static int wear_text(const union own *own, char *buf, size_t size)
{
    return snprintf(buf, size, "logboom: %.*s", (int)sizeof own->wear.text, own->wear.text);
}

/* A name from outside, which may be any bytes, or not be there. */
static char *add_padded(char *to, const char *key, const char *name, size_t size)
{
    return name[0] ? add_name(to, key, name, strnlen(name, size)) : to;
}

static char *wear_members(const union own *own, uint64_t offset_ns, char *to)
{
    const struct lb_wear_alert *wear = &own->wear;

    (void)offset_ns;
    to = add_padded(to, "alert", wear->alert, sizeof wear->alert);
    to = add_u64(to, "step", !wear->is_over);
    to = add_u64(to, "before", wear->is_over != 0);
    to = add_padded(to, "disk", wear->disk, sizeof wear->disk);
    to = add_padded(to, "program", wear->program, sizeof wear->program);
    to = add_padded(to, "unit", wear->unit, sizeof wear->unit);
    if (wear->limit_bytes == 0)
        return to;
    to = add_u64(to, "bytes", wear->bytes);
    return add_u64(to, "limit", wear->limit_bytes);
}

static int remote_text(const union own *own, char *buf, size_t size)
{
    return lb_encode_remote_text(&own->remote, buf, size);
}

static char *remote_members(const union own *own, uint64_t offset_ns, char *to)
{
    (void)offset_ns;
    return lb_encode_remote_members(&own->remote, to);
}

/* Short: it is sent all day long. What is not there is nought, or not known; the clock is told as in every
 * record. */
static char *heartbeat_members(const union own *own, uint64_t offset_ns, char *to)
{
    const struct lb_heartbeat *heart = &own->heartbeat;
    const struct {
        const char *key;
        uint64_t lines;
    } books[] = {
        { "in", heart->in }, /* what is queued is the rest of it */
        { "held", heart->held }, { "dropped", heart->dropped }, { "delivered", heart->delivered },
        { "lost", heart->lost },
    };

    (void)offset_ns;
    to += sprintf(to, ",\"version\":\"%s\",\"config\":\"%08x\",\"ring\":\"%016llx\"", LB_VERSION,
                  (unsigned)(heart->config & UINT32_MAX), (unsigned long long)heart->ring);
    to = add_u64(to, "up_s", heart->uptime_s);
    to += sprintf(to, ",\"fill\":%u.%u", (unsigned)(heart->fill / 10 % 1000), (unsigned)(heart->fill % 10));
    to = add_u64(to, "oldest_s", heart->oldest_ms / 1000);
    if (heart->delivery_s != UINT64_MAX)
        to = add_u64(to, "delivery_s", heart->delivery_s);
    for (unsigned i = 0; i < sizeof books / sizeof books[0]; i++)
        if (books[i].lines > 0)
            to = add_u64(to, books[i].key, books[i].lines);
    if (heart->celsius != LB_HEARTBEAT_UNKNOWN)
        to += sprintf(to, ",\"celsius\":%.1f", (double)(int64_t)heart->celsius / 1000);
    if (heart->throttled != LB_HEARTBEAT_UNKNOWN)
        to += sprintf(to, ",\"power\":\"%s\"", heart->throttled & 1 ? "low" : "ok");
    return to;
}

/* ---- both ---- */

static const struct {
    const char *name;
    size_t bytes; /* 0: not ours */
    int (*text)(const union own *own, char *buf, size_t size);
    char *(*members)(const union own *own, uint64_t offset_ns, char *to);
} kinds[LB_KIND_COUNT] = {
    [LB_KIND_RECEIPT] = { "receipt", sizeof(struct lb_receipt), receipt_text, receipt_members },
    [LB_KIND_START] = { "start", sizeof(struct lb_start), start_text, start_members },
    [LB_KIND_REPEAT] = { "repeat", sizeof(struct lb_repeat), repeat_text, repeat_members },
    [LB_KIND_EXIT] = { "exit", sizeof(struct lb_exit), exit_text, exit_members },
    [LB_KIND_SUMMARY] = { "summary", sizeof(struct lb_summary), summary_text, summary_members },
    [LB_KIND_ALERT] = { "alert", sizeof(struct lb_alert), alert_text, alert_members },
    [LB_KIND_HEARTBEAT] = { "heartbeat", sizeof(struct lb_heartbeat), heartbeat_text, heartbeat_members },
    [LB_KIND_WEAR] = { "alert", sizeof(struct lb_wear_alert), wear_text, wear_members },
    [LB_KIND_REMOTE] = { "alert", sizeof(struct lb_remote_told), remote_text, remote_members },
};

/* A summary is as long as its patterns are many. */
static bool read_summary(const struct lb_record *record, struct lb_summary *ret_summary)
{
    const size_t least = offsetof(struct lb_summary, pattern);

    if (record->body_len < least || record->body_len > sizeof *ret_summary)
        return false;
    memcpy(ret_summary, lb_record_body(record), record->body_len);
    if (ret_summary->patterns > LB_SUMMARY_PATTERNS ||
        record->body_len != least + ret_summary->patterns * sizeof ret_summary->pattern[0])
        return false;
    for (unsigned i = 0; i < ret_summary->patterns; i++)
        if (ret_summary->pattern[i].template_len > sizeof ret_summary->pattern[i].template)
            return false;
    return true;
}

static bool read_own(const struct lb_record *record, union own *ret_own)
{
    if (record->kind == LB_KIND_SUMMARY)
        return read_summary(record, &ret_own->summary);
    if (record->kind >= LB_KIND_COUNT || kinds[record->kind].bytes == 0 ||
        record->body_len != kinds[record->kind].bytes)
        return false;
    memcpy(ret_own, lb_record_body(record), record->body_len);
    return true;
}

size_t lb_own_text(const struct lb_record *record, char *buf, size_t size)
{
    union own own;
    int len;

    if (!read_own(record, &own))
        return 0;
    len = kinds[record->kind].text(&own, buf, size);
    return len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
}

char *lb_own_members(const struct lb_record *record, uint64_t offset_ns, char *to)
{
    union own own;

    if (record->kind == LB_KIND_WORDS) /* its text is its body */
        return to + sprintf(to, "\"kind\":\"alert\",\"alert\":\"kernel\"");
    if (!read_own(record, &own))
        return to;
    to += sprintf(to, "\"kind\":\"%s\"", kinds[record->kind].name);
    return kinds[record->kind].members(&own, offset_ns, to);
}
