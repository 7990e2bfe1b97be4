/* SPDX-License-Identifier: MIT */
/*
 * One JSON object a line, appended to a file of mode 0600, or packed bodies of them. In: settings and
 * answers. Out: a target, and what an answer means. The card side does the writing (dropfile.h).
 */
#include <errno.h>
#include <stdio.h>

#include "agent/ship/sinks/sink.h"

static int aim(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target)
{
    int len = snprintf(ret_target->url, sizeof ret_target->url, "%s", config->path);

    (void)key;
    ret_target->headers = 0;
    return len < 0 || (size_t)len >= sizeof ret_target->url ? -E2BIG : 0;
}

static enum lb_verdict judge(const struct lb_answer *answer)
{
    return answer->error == 0         ? LB_VERDICT_DELIVERED
           : answer->error == ENOTSUP ? LB_VERDICT_PAUSE /* it would lie on flash */
                                      : LB_VERDICT_RETRY;
}

extern const struct lb_sink lb_sink_file;

const struct lb_sink lb_sink_file = {
    .type = "file",
    .transport = LB_TRANSPORT_FILE,
    .limits = { 4250000, 1000, 900000, false, 0 },
    .begin = "",
    .between = "\n",
    .end = "\n",
    .probe = "",
    .aim = aim,
    .judge = judge,
};
