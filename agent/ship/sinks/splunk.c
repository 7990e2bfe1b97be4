/* SPDX-License-Identifier: MIT */
/*
 * Splunk's HTTP Event Collector, and what speaks like it (facts/sinks.md section 5): event objects, one after
 * the other. In: settings, records, answers. Out: a target, bodies, and what an answer means.
 *
 *     {"time":1700000000.005,"host":"box","source":"shop","sourcetype":"logboom","event":{"message":...}}
 *
 * Always true: a body is one whose every event has an "event", so an answer that misses one is to a question.
 *
 * There is no X-Splunk-Request-Channel: it is for tokens with acknowledgement, which need somebody to ask for
 * those afterwards. Splunk Cloud has none for us, and a body that was answered by 200 lies in Splunk's own
 * queue. A token that insists on a channel answers code 10, and the sink is paused with that in the log.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/ship/aim.h"
#include "agent/ship/encode.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/json_scan.h"

/* Splunk recommends bodies of 1 MB and takes many times that. */
#define BODY_BYTES_MAX   900000
#define BODY_LINES_MAX   1000
#define RECORD_BYTES_MAX 900000

/* The key table allows no more. */
#define HOSTNAME_MAX    255
#define SERVICE_MAX     255
#define INDEX_MAX       255
#define SOURCE_TYPE_MAX 128
/* An envelope is bounded as if it held far more than a record's can (encode.c): what is written around its
 * object beside LB_FORMAT_FRAME lies in that. */
_Static_assert(6 * (HOSTNAME_MAX + SERVICE_MAX + INDEX_MAX + SOURCE_TYPE_MAX) +
                       6 * (HOSTNAME_MAX + 512 + LB_NAME_MAX + 255 + 2 * LB_PROTO_TAGS_MAX +
                            LB_ENCODE_TAGS_MAX) +
                       1024 <
                   LB_ENCODE_ENVELOPE_MAX,
               "an event fits");

/* ---- where to ---- */

static int add_token(const char *key, struct lb_target *target)
{
    char value[LB_SINK_HEADER_LEN];
    int len = snprintf(value, sizeof value, "Splunk %s", key);
    int rc = len < 0 || (size_t)len >= sizeof value ? -E2BIG : lb_aim_header(target, "Authorization", value);

    explicit_bzero(value, sizeof value);
    return rc;
}

static int aim(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target)
{
    int rc = lb_aim_url(config, "/services/collector/event", "", ret_target);

    if (rc == 0)
        rc = lb_aim_header(ret_target, "Content-Type", "application/json");
    if (rc == 0)
        rc = add_token(key, ret_target);
    if (rc == 0)
        rc = lb_aim_headers(config, ret_target);
    return rc;
}

/* By the name that those who speak like Splunk know as well: /health/1.0 is Splunk's alone. */
static int aim_check(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target)
{
    int rc = lb_aim_other(config, "/services/collector/health", ret_target);

    return rc < 0 ? rc : add_token(key, ret_target);
}

/* ---- bodies ---- */

static char *begin(struct lb_composer *composer, char *to)
{
    (void)composer;
    return to;
}

static char *put_text(char *to, const char *name, const char *text, size_t len)
{
    to += sprintf(to, "\"%s\":\"", name);
    to = lb_json_escape(to, text, len);
    return LB_JSON_LITERAL(to, "\",");
}

/* The last event stays open, for the ranges. */
static char *add(struct lb_composer *composer, const struct lb_record *record, char *to)
{
    const struct lb_sink_config *config = composer->sink_config;
    struct lb_view view;

    lb_encode_view(composer->encoder, record, &view);
    if (composer->records > 0)
        to = LB_JSON_LITERAL(to, "}}\n");
    *to++ = '{';
    if (view.has_stamp)
        to += sprintf(to, "\"time\":%llu.%03u,", (unsigned long long)(view.wall_ns / LB_NS_PER_S),
                      (unsigned)(view.wall_ns / LB_NS_PER_MS % 1000));
    to = put_text(to, "host", view.hostname, strnlen(view.hostname, HOSTNAME_MAX));
    to = put_text(to, "source", view.service, view.service_len);
    to = put_text(to, "sourcetype", config->source_type, strnlen(config->source_type, SOURCE_TYPE_MAX));
    if (config->index[0])
        to = put_text(to, "index", config->index, strnlen(config->index, INDEX_MAX));
    to = LB_JSON_LITERAL(to, "\"event\":");
    return lb_encode_record(composer->encoder, record, 0, to) - 1;
}

static char *end(struct lb_composer *composer, const struct lb_body_ranges *ranges, char *to)
{
    (void)composer;
    if (ranges) {
        to = LB_JSON_LITERAL(to, ",\"logboom_body\":");
        to = lb_encode_ranges(ranges, to);
    }
    return LB_JSON_LITERAL(to, "}}\n");
}

static const struct lb_sink_format format = { begin, add, end };

/* ---- answers ---- */

#define CODE_NONE -1

/* {"text":"Incorrect index","code":7}. CODE_NONE: it has none that can be read. */
static int code_of(const struct lb_answer *answer)
{
    struct lb_json_scan scan;
    struct lb_json_member member;
    int code = 0;

    if (!answer->reply || !lb_json_scan_begin(&scan, answer->reply, answer->reply_len))
        return CODE_NONE;
    while (lb_json_scan_next(&scan, &member)) {
        if (member.kind != LB_JSON_WORD || member.key_len != 4 || memcmp(member.key, "code", 4) != 0)
            continue;
        if (member.value_len > 3)
            return CODE_NONE;
        for (size_t i = 0; i < member.value_len; i++) {
            if (member.value[i] < '0' || member.value[i] > '9')
                return CODE_NONE;
            code = code * 10 + member.value[i] - '0';
        }
        return code;
    }
    return CODE_NONE;
}

static const struct code {
    const char *text;
    enum lb_verdict verdict;
} codes[] = {
    [0] = { "success", LB_VERDICT_DELIVERED },
    [1] = { "token disabled", LB_VERDICT_PAUSE },
    [2] = { "token required", LB_VERDICT_PAUSE },
    [3] = { "invalid authorization", LB_VERDICT_PAUSE },
    [4] = { "invalid token", LB_VERDICT_PAUSE },
    [5] = { "no data", LB_VERDICT_BISECT },
    [6] = { "invalid data format", LB_VERDICT_BISECT },
    [7] = { "incorrect index", LB_VERDICT_PAUSE }, /* the same for all */
    [8] = { "internal server error", LB_VERDICT_RETRY },
    [9] = { "server is busy", LB_VERDICT_RETRY },
    [10] = { "data channel is missing", LB_VERDICT_PAUSE },
    [11] = { "invalid data channel", LB_VERDICT_PAUSE },
    [12] = { "event field is required", LB_VERDICT_BISECT },
    [13] = { "event field cannot be blank", LB_VERDICT_BISECT },
    [14] = { "acknowledgement is disabled", LB_VERDICT_PAUSE },
    [15] = { "error in handling indexed fields", LB_VERDICT_BISECT },
    [16] = { "query string authorization is not enabled", LB_VERDICT_PAUSE },
};
#define CODES (int)(sizeof codes / sizeof codes[0])

/*
 * By code, where the status leaves it open. 6 and its like name the first event that is bad, and those before
 * it are stored already, those behind it not: LB_VERDICT_PARTLY cannot say that, so the body is halved until
 * the bad one is alone, and some of the others arrive twice.
 */
static enum lb_verdict judge_code(int code, const struct lb_answer *answer)
{
    /* That all is well counts where the status says so, too: others may have a code 0 in their refusals. */
    if (code > 0 && code < CODES)
        return codes[code].verdict;
    if (code == 0 && answer->status >= 200 && answer->status <= 299)
        return LB_VERDICT_DELIVERED;
    return answer->status > 200 && answer->status <= 299 ? LB_VERDICT_PAUSE : lb_aim_judge(answer);
}

static void explain(const struct lb_answer *answer, char *to, size_t size)
{
    int code = code_of(answer);

    to[0] = '\0';
    if (code > 0)
        snprintf(to, size, "code %d%s%s", code, code < CODES ? ", " : "",
                 code < CODES ? codes[code].text : "");
}

static bool is_settled_by_status(long status)
{
    return status == 408 || status == 413 || status == 425 || status == 429 || status >= 500;
}

static enum lb_verdict judge(const struct lb_answer *answer)
{
    if (answer->error || answer->is_clock_fault || is_settled_by_status(answer->status))
        return lb_aim_judge(answer);
    return judge_code(code_of(answer), answer);
}

/* The question is an object that is no event: who says so has unpacked and read it, and knows the token. An
 * empty body would be code 5, which is what one that was lost on the way is, too. */
static enum lb_verdict judge_probe(const struct lb_answer *answer)
{
    int code = answer->error == 0 && answer->status == 400 ? code_of(answer) : CODE_NONE;

    return code == 12 || code == 13 ? LB_VERDICT_DELIVERED : judge(answer);
}

extern const struct lb_sink lb_sink_splunk;

const struct lb_sink lb_sink_splunk = {
    .type = "splunk",
    .transport = LB_TRANSPORT_HTTP,
    .reads_reply = true,
    .limits = { BODY_BYTES_MAX, BODY_LINES_MAX, RECORD_BYTES_MAX, false, 0 },
    .format = &format,
    .begin = "",
    .between = "",
    .end = "",
    .probe = "{}",
    .aim = aim,
    .aim_check = aim_check,
    .judge = judge,
    .judge_probe = judge_probe,
    .explain = explain,
};
