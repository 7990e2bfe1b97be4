/* SPDX-License-Identifier: MIT */
/*
 * Datadog's logs intake, version 2 (facts/sinks.md section 1): POST of a JSON array, key in a header, bodies
 * in zstd, gzip or plain. In: settings and answers. Out: a target, and what an answer means.
 */
#include <errno.h>
#include <stdio.h>

#include "agent/ship/aim.h"

/*
 * The intake takes 5,000,000 bytes a body, 1,000 entries and 1,000,000 bytes an entry (facts 1.3). Bodies
 * stay 15 % under the first, as Vector's do; an entry stays well under the last, since a longer one is cut
 * there silently.
 */
#define BODY_BYTES_MAX   4250000
#define BODY_LINES_MAX   1000
#define RECORD_BYTES_MAX 900000
#define FUTURE_MS        (2 * 3600 * 1000ull) /* and 18 h into the past: facts 1.3 */

static int aim(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target)
{
    int len = config->url[0] ? snprintf(ret_target->url, sizeof ret_target->url, "%s", config->url)
                             : snprintf(ret_target->url, sizeof ret_target->url,
                                        "https://http-intake.logs.%s/api/v2/logs", config->site);

    ret_target->headers = 0;
    if (len < 0 || (size_t)len >= sizeof ret_target->url || lb_aim_header(ret_target, "DD-API-KEY", key) < 0)
        return -E2BIG;
    lb_aim_header(ret_target, "Content-Type", "application/json");
    lb_aim_header(ret_target, "DD-EVP-ORIGIN", "logboom");
    lb_aim_header(ret_target, "DD-EVP-ORIGIN-VERSION", LB_VERSION);
    return 0;
}

/* The key check answers on another host, and only of a real site (facts 1.8). */
static int aim_check(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target)
{
    int len;

    if (config->url[0])
        return -ENOENT;
    len = snprintf(ret_target->url, sizeof ret_target->url, "https://api.%s/api/v1/validate", config->site);
    ret_target->headers = 0;
    return len < 0 || (size_t)len >= sizeof ret_target->url ? -E2BIG
                                                            : lb_aim_header(ret_target, "DD-API-KEY", key);
}

/*
 * The response table (facts 1.4 and 11). The intake's own answer is 202; 200 to 205 is what proxies in its
 * place give. Any other 2xx comes from something else, and what is behind it is not known to have the lines.
 * What is not in the table is held to be a fault of the configuration, which waiting does not mend: nothing
 * is given up for it.
 */
static enum lb_verdict judge(const struct lb_answer *answer)
{
    if (!answer->error && answer->status > 205 && answer->status <= 299)
        return LB_VERDICT_PAUSE;
    return lb_aim_judge(answer);
}

extern const struct lb_sink lb_sink_datadog;

const struct lb_sink lb_sink_datadog = {
    .type = "datadog",
    .transport = LB_TRANSPORT_HTTP,
    .limits = { BODY_BYTES_MAX, BODY_LINES_MAX, RECORD_BYTES_MAX, true, FUTURE_MS },
    .begin = "[",
    .between = ",",
    .end = "]",
    .probe = "[]",
    .aim = aim,
    .aim_check = aim_check,
    .judge = judge,
};
