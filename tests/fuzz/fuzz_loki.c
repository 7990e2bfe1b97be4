/* SPDX-License-Identifier: MIT */
/*
 * What Loki answers to a push, by whoever stands in its place: up to 64 KiB of any bytes without an end. The
 * claim: they are read to their end and no further; what they refuse is by a time or by a number, never
 * nothing; and the same bytes say the same again.
 *
 * The first byte chooses the status; the rest is the reply.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ship/sinks/sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int is_true)
{
    if (!is_true)
        abort();
}

static void look(const struct lb_sink *sink, const struct lb_answer *answer)
{
    struct lb_partly partly, again;
    enum lb_verdict verdict = sink->judge(answer);

    must(verdict < LB_VERDICT_COUNT);
    must(verdict == sink->judge(answer));
    must(verdict != LB_VERDICT_PARTLY || answer->status == 400);
    must(sink->judge_probe(answer) == verdict || answer->status == 422);
    memset(&partly, 0xaa, sizeof partly);
    memset(&again, 0x55, sizeof again);
    sink->partly(answer, &partly);
    sink->partly(answer, &again);
    must(partly.count == 0 && again.count == 0);
    must(partly.before_ns == again.before_ns && partly.from_ns == again.from_ns &&
         partly.unknown == again.unknown);
    must((partly.before_ns > 0 || partly.from_ns > 0) == (partly.unknown == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long statuses[] = { 400, 204, 260, 401, 422, 429, 500, 200 };
    struct lb_answer answer = { 0 };
    char *reply;

    if (size < 1 || size > 65536)
        return 0;
    answer.reply_len = size - 1;
    reply = malloc(size - 1 + (size == 1)); /* its own block: a read past it is seen */
    must(reply != NULL);
    memcpy(reply, data + 1, size - 1);
    answer.reply = reply;
    answer.status = statuses[data[0] % (sizeof statuses / sizeof statuses[0])];
    look(lb_sink_find("loki"), &answer);
    free(reply);
    return 0;
}
