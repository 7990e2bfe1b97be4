/* SPDX-License-Identifier: MIT */
/*
 * Nowhere. Where no sink takes all, each has a part in a queue of its own; this one stands first, and lets go
 * of what has come to those queues. In: records. Out: a byte for each, that goes nowhere.
 */
#include "agent/ship/sinks/sink.h"

static int aim(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target)
{
    (void)config;
    (void)key;
    ret_target->headers = 0;
    return 0;
}

static enum lb_verdict judge(const struct lb_answer *answer)
{
    (void)answer;
    return LB_VERDICT_DELIVERED;
}

static char *begin(struct lb_composer *composer, char *to)
{
    (void)composer;
    return to;
}

static char *add(struct lb_composer *composer, const struct lb_record *record, char *to)
{
    (void)composer;
    (void)record;
    *to = '.';
    return to + 1;
}

static char *end(struct lb_composer *composer, const struct lb_body_ranges *ranges, char *to)
{
    (void)composer;
    (void)ranges;
    return to;
}

static const struct lb_sink_format format = { begin, add, end };

extern const struct lb_sink lb_sink_none;

const struct lb_sink lb_sink_none = {
    .type = "none",
    .transport = LB_TRANSPORT_NONE,
    .limits = { 262144, 1000, 262144, false, 0 },
    .format = &format,
    .probe = "",
    .aim = aim,
    .judge = judge,
};
