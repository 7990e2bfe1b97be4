/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the reply of a sink that is taken at its word, _bulk's or a collector's. In: libFuzzer's
 * bytes, the first of them for the status. Out: nothing. Always true, or the run stops: nothing is read past
 * the reply; a verdict is one that the sink has; what is told as refused is told in rising order, and is told
 * exactly where that is the verdict; and a reply that was cut never says that all was taken unless it says so
 * of all.
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

static enum lb_verdict check_bulk(const struct lb_answer *answer)
{
    const struct lb_sink *sink = lb_sink_find("elasticsearch");
    enum lb_verdict verdict = sink->judge(answer);
    struct lb_partly partly;

    must(verdict < LB_VERDICT_COUNT && verdict != LB_VERDICT_CLOCK);
    must(sink->judge_probe(answer) < LB_VERDICT_COUNT);
    if (answer->status != 200)
        return verdict;
    memset(&partly, 0xff, sizeof partly);
    sink->partly(answer, &partly);
    must(partly.count <= LB_PARTLY_MAX && partly.unknown == 0 && partly.before_ns == 0 &&
         partly.from_ns == 0);
    for (unsigned i = 1; i < partly.count; i++)
        must(partly.index[i] > partly.index[i - 1]);
    for (unsigned i = 0; i < partly.count; i++)
        must(partly.index[i] < answer->reply_len);
    must(verdict != LB_VERDICT_PARTLY || partly.count > 0);
    must(verdict != LB_VERDICT_DELIVERED || partly.count == 0);
    return verdict;
}

static void check_words(const struct lb_sink *sink, const struct lb_answer *answer)
{
    char text[64];

    memset(text, 0xff, sizeof text);
    sink->explain(answer, text, sizeof text);
    must(memchr(text, '\0', sizeof text) != NULL);
    for (const char *at = text; *at; at++)
        must(*at >= ' ' && *at <= '~');
}

static enum lb_verdict check(const uint8_t *bytes, size_t len, long status)
{
    char *copy = malloc(len ? len : 1); /* its own block: a read past it is seen */
    struct lb_answer answer = { .status = status, .reply = copy, .reply_len = len };
    const struct lb_sink *splunk = lb_sink_find("splunk");
    enum lb_verdict verdict;

    must(copy != NULL);
    memcpy(copy, bytes, len);
    verdict = check_bulk(&answer);
    must(splunk->judge(&answer) < LB_VERDICT_COUNT && splunk->judge(&answer) != LB_VERDICT_PARTLY);
    must(splunk->judge_probe(&answer) < LB_VERDICT_COUNT);
    check_words(splunk, &answer);
    check_words(lb_sink_find("elasticsearch"), &answer);
    free(copy);
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long statuses[] = { 200, 200, 200, 400, 403, 503 };
    enum lb_verdict whole, cut;
    long status;

    if (size < 3 || size > 65539)
        return 0;
    status = statuses[data[0] % (sizeof statuses / sizeof statuses[0])];
    whole = check(data + 2, size - 2, status);
    cut = check(data + 2, (size - 2) * data[1] / 256, status);
    if (status == 200 && (cut == LB_VERDICT_DELIVERED || cut == LB_VERDICT_PARTLY))
        must(whole == cut);
    return 0;
}
