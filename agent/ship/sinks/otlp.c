/* SPDX-License-Identifier: MIT */
/*
 * Whatever takes OTLP over HTTP, in protobuf (facts/sinks.md section 3): an OpenTelemetry Collector above
 * all. In: settings and answers. Out: a target, and what an answer means. How bodies are written:
 * encode_otlp.c.
 *
 * An answer that says 200 is final, whatever else it says: what was rejected in it would be rejected again,
 * and the rest would be stored twice.
 */
#include <string.h>

#include "agent/ship/aim.h"
#include "agent/ship/encode_otlp.h"
#include "agent/ship/protobuf.h"
#include "common/json_scan.h"

/* Receivers take 20 MiB (Collector) and more; a body is built in RAM, and one record may be as large as
 * anywhere. */
#define BODY_BYTES_MAX   2000000
#define BODY_LINES_MAX   1000
#define RECORD_BYTES_MAX 900000

enum { RESPONSE_PARTIAL_SUCCESS = 1, PARTIAL_REJECTED = 1 };

static int aim(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target)
{
    int rc = lb_aim_url(config, "/v1/logs", "", ret_target);

    if (rc == 0)
        rc = lb_aim_header(ret_target, "Content-Type", "application/x-protobuf");
    if (rc == 0)
        rc = lb_aim_auth(config, key, ret_target);
    if (rc == 0)
        rc = lb_aim_headers(config, ret_target);
    return rc;
}

/* ---- what a 200 says ---- */

/* As with all of protobuf's fields the last one counts. An int64: below 0 it makes no sense. */
static uint64_t rejected_by_protobuf(const char *text, size_t len)
{
    struct lb_protobuf_reader response = { .at = text, .end = text + len };
    struct lb_protobuf_field outer, inner;
    uint64_t rejected = 0;

    while (lb_protobuf_next(&response, &outer)) {
        struct lb_protobuf_reader partial;

        if (outer.number != RESPONSE_PARTIAL_SUCCESS || outer.form != LB_PROTOBUF_BYTES)
            continue;
        partial = (struct lb_protobuf_reader) { .at = outer.bytes, .end = outer.bytes + outer.len };
        while (lb_protobuf_next(&partial, &inner))
            if (inner.number == PARTIAL_REJECTED && inner.form == LB_PROTOBUF_VARINT)
                rejected = inner.value;
    }
    return rejected <= INT64_MAX ? rejected : 0;
}

static bool is_member(const struct lb_json_member *member, const char *name)
{
    return member->key_len == strlen(name) && memcmp(member->key, name, member->key_len) == 0;
}

/* A number, or the same in quotes, as JSON has 64 bits. Anything else is none. */
static uint64_t number_of(const struct lb_json_member *member)
{
    uint64_t number = 0;

    if ((member->kind != LB_JSON_WORD && member->kind != LB_JSON_STRING) || member->value_len > 18)
        return 0;
    for (size_t i = 0; i < member->value_len; i++) {
        if (member->value[i] < '0' || member->value[i] > '9')
            return 0;
        number = number * 10 + (uint64_t)(member->value[i] - '0');
    }
    return number;
}

/* Some answer in JSON whatever they were asked in. */
static uint64_t rejected_by_json(const char *text, size_t len)
{
    struct lb_json_scan scan;
    struct lb_json_member member;
    uint64_t rejected = 0;
    bool is_within = false;

    if (!lb_json_scan_begin(&scan, text, len))
        return 0;
    for (;;) {
        if (!lb_json_scan_next(&scan, &member)) {
            if (!is_within || scan.is_broken)
                return rejected;
            is_within = false;
        } else if (!is_within && is_member(&member, "partialSuccess") && member.kind == LB_JSON_OBJECT) {
            lb_json_scan_open(&scan);
            is_within = true;
        } else if (is_within && is_member(&member, "rejectedLogRecords")) {
            rejected = number_of(&member);
        }
    }
}

static uint64_t rejected_of(const struct lb_answer *answer)
{
    if (!answer->reply || answer->reply_len == 0)
        return 0;
    return answer->reply[0] == '{' ? rejected_by_json(answer->reply, answer->reply_len)
                                   : rejected_by_protobuf(answer->reply, answer->reply_len);
}

static void partly(const struct lb_answer *answer, struct lb_partly *ret_partly)
{
    ret_partly->unknown = rejected_of(answer);
}

/*
 * The specification's table: four statuses are to be tried again, and no other. What is not in it, 500 too,
 * would be answered in the same way again: the sink pauses, and nothing is given up for it.
 */
static enum lb_verdict judge(const struct lb_answer *answer)
{
    if (answer->is_clock_fault)
        return LB_VERDICT_CLOCK;
    if (answer->error)
        return LB_VERDICT_RETRY;
    switch (answer->status) {
    case 200:
        return rejected_of(answer) > 0 ? LB_VERDICT_PARTLY : LB_VERDICT_DELIVERED;
    case 429:
    case 502:
    case 503:
    case 504:
        return LB_VERDICT_RETRY;
    case 400:
        return LB_VERDICT_BISECT;
    case 413:
        return LB_VERDICT_SPLIT;
    case 415:
        return LB_VERDICT_RECODE;
    default:
        return LB_VERDICT_PAUSE;
    }
}

extern const struct lb_sink lb_sink_otlp;

const struct lb_sink lb_sink_otlp = {
    .type = "otlp",
    .transport = LB_TRANSPORT_HTTP,
    .reads_reply = true,
    .limits = { BODY_BYTES_MAX, BODY_LINES_MAX, RECORD_BYTES_MAX, false, 0 },
    .format = &lb_encode_otlp,
    .probe = "", /* no ResourceLogs: no bytes */
    .aim = aim,
    .judge = judge,
    .partly = partly,
};
