/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what a taker of OTLP answers, and as protobuf. In: libFuzzer's bytes, the first one for the
 * status. Out: nothing. Always true, or the run stops: what is read of them lies within them; a status that
 * is not 200 means the same whatever they say; a 200 is final, and PARTLY exactly where it tells of more than
 * none.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ship/protobuf.h"
#include "agent/ship/sinks/sink.h"

#define DEPTH_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

/* All fields, and what is in them; each read moves on, so that it ends. */
static void read_all(const char *bytes, size_t len, unsigned depth)
{
    struct lb_protobuf_reader reader = { .at = bytes, .end = bytes + len };
    struct lb_protobuf_field field;
    const char *before = bytes;

    while (lb_protobuf_next(&reader, &field)) {
        must(reader.at > before && reader.at <= reader.end && field.number > 0);
        before = reader.at;
        if (field.form != LB_PROTOBUF_BYTES)
            continue;
        must(field.bytes >= bytes && field.bytes + field.len == reader.at);
        if (depth < DEPTH_MAX)
            read_all(field.bytes, field.len, depth + 1);
    }
    must(reader.is_broken || reader.at == reader.end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long statuses[] = { 200, 200, 200, 202, 400, 413, 429, 500, 503 };
    const struct lb_sink *sink = lb_sink_find("otlp");
    struct lb_answer answer = { 0 }, silent;
    struct lb_partly partly = { 0 };
    enum lb_verdict verdict;
    char *copy;

    if (size == 0)
        return 0;
    copy = malloc(size); /* its own block: a read past it is seen */
    must(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    answer.status = statuses[data[0] % (sizeof statuses / sizeof statuses[0])];
    silent = answer;
    answer.reply = copy;
    answer.reply_len = size - 1;
    verdict = sink->judge(&answer);
    sink->partly(&answer, &partly);
    must(partly.count == 0 && partly.unknown <= INT64_MAX);
    if (answer.status == 200)
        must(verdict == (partly.unknown > 0 ? LB_VERDICT_PARTLY : LB_VERDICT_DELIVERED));
    else
        must(verdict == sink->judge(&silent));
    read_all(copy, size - 1, 0);
    free(copy);
    return 0;
}
