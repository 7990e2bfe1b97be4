/* SPDX-License-Identifier: MIT */
/*
 * Any address that takes JSON over HTTP: one object a line, or an array (facts/sinks.md section 6). In:
 * settings and answers. Out: a target, and what an answer means.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ship/aim.h"

/* As small as the smallest of those in the facts that take any (New Relic: 1,000,000 bytes). */
#define BODY_BYTES_MAX   900000
#define BODY_LINES_MAX   1000
#define RECORD_BYTES_MAX 900000

static int aim(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target)
{
    bool is_array = config->format == LB_FORMAT_ARRAY;
    int rc = lb_aim_url(config, "", "", ret_target);

    if (rc == 0)
        rc =
            lb_aim_header(ret_target, "Content-Type", is_array ? "application/json" : "application/x-ndjson");
    if (rc == 0)
        rc = lb_aim_auth(config, key, ret_target);
    if (rc == 0)
        rc = lb_aim_headers(config, ret_target);
    return rc;
}

/* Is a status in "200,202" or "200-299"? What is no number in it is passed over. */
static bool is_ok(const char *list, long status)
{
    while (*list) {
        char *end;
        long from = strtol(list, &end, 10), to = from;

        if (end == list) {
            list++;
            continue;
        }
        if (*end == '-')
            to = strtol(end + 1, &end, 10);
        if (status >= from && status <= to)
            return true;
        list = end;
    }
    return false;
}

static enum lb_verdict judge_by(const struct lb_sink_config *config, const struct lb_answer *answer)
{
    enum lb_verdict verdict = lb_aim_judge(answer);

    if (answer->error == 0 && answer->status > 0 && is_ok(config->ok, answer->status))
        return LB_VERDICT_DELIVERED;
    return verdict == LB_VERDICT_DELIVERED ? LB_VERDICT_PAUSE : verdict;
}

extern const struct lb_sink lb_sink_http, lb_sink_http_array;

const struct lb_sink lb_sink_http = {
    .type = "http",
    .transport = LB_TRANSPORT_HTTP,
    .limits = { BODY_BYTES_MAX, BODY_LINES_MAX, RECORD_BYTES_MAX, false, 0 },
    .begin = "",
    .between = "\n",
    .end = "\n",
    .probe = "",
    .aim = aim,
    .judge_by = judge_by,
};

const struct lb_sink lb_sink_http_array = {
    .type = "http array",
    .transport = LB_TRANSPORT_HTTP,
    .limits = { BODY_BYTES_MAX, BODY_LINES_MAX, RECORD_BYTES_MAX, false, 0 },
    .begin = "[",
    .between = ",",
    .end = "]",
    .probe = "[]",
    .aim = aim,
    .judge_by = judge_by,
};
