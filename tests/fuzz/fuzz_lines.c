/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what a Python program prints. In: libFuzzer's bytes, as lines. Out: nothing. Always true, or
 * the run stops: whatever the lines are, the records hold every line once and in order, no more lines are on
 * hold than may be, and every span that the reader of tracebacks gives lies in its text. The first byte says
 * the mode and what levels the lines state.
 *
 * Each line lies in a block of its own, so that a read past it is seen, and so does each record.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shape/multiline.h"
#include "agent/shape/traceback.h"

#define LINES_MAX 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *line[LINES_MAX];
static size_t length[LINES_MAX];
static unsigned lines;
static uint8_t how;

static void must(int is_true)
{
    if (!is_true)
        abort();
}

static void take_apart(const uint8_t *data, size_t size)
{
    lines = 0;
    while (size > 0 && lines < LINES_MAX) {
        const uint8_t *eol = memchr(data, '\n', size);
        size_t len = eol ? (size_t)(eol - data) : size;

        line[lines] = data;
        length[lines++] = len;
        len += eol != NULL;
        data += len;
        size -= len;
    }
}

static enum lb_multiline_step show(struct lb_multiline *state, unsigned i)
{
    static const int levels[] = { -1, 3, 6, 4 };
    char *copy = malloc(length[i] ? length[i] : 1);
    enum lb_multiline_step answer;

    must(copy != NULL);
    memcpy(copy, line[i], length[i]);
    answer = lb_multiline_step(state, (enum lb_multiline_mode)(how % 3), copy, length[i],
                               levels[(how >> 2) + i * (how >> 5) & 3]);
    free(copy);
    (void)lb_multiline_waits(state);
    must(lb_multiline_why(state) != NULL);
    return answer;
}

static void inside(struct lb_span span, size_t len)
{
    must(span.at <= len && span.len <= len - span.at);
}

static void read_record(unsigned first, unsigned behind)
{
    size_t len = (size_t)(line[behind - 1] + length[behind - 1] - line[first]);
    char *copy = malloc(len ? len : 1);
    struct lb_traceback traceback;

    must(copy != NULL);
    memcpy(copy, line[first], len);
    if (lb_traceback_parse(copy, len, &traceback)) {
        inside(traceback.kind, len);
        inside(traceback.message, len);
        inside(traceback.stack, len);
        inside(traceback.file, len);
        inside(traceback.function, len);
        must(traceback.fingerprint != 0);
        must(!traceback.is_fatal || !traceback.is_warning);
    }
    free(copy);
}

/* Returns the line behind the record. */
static unsigned join(unsigned first)
{
    struct lb_multiline state = { 0 };
    unsigned behind = first;

    for (unsigned i = first; i < lines; i++) {
        enum lb_multiline_step answer = show(&state, i);

        must(i > first || answer == LB_MULTILINE_JOIN);
        if (answer == LB_MULTILINE_NEW)
            break;
        if (answer == LB_MULTILINE_JOIN)
            behind = i + 1;
        must(i + 1 - behind <= LB_MULTILINE_HOLD_MAX);
    }
    return behind;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 65536)
        return 0;
    how = data[0];
    take_apart(data + 1, size - 1);
    for (unsigned at = 0; at < lines;) {
        unsigned next = join(at);

        must(next > at);
        read_record(at, next);
        at = next;
    }
    if (lines > 0)
        read_record(0, lines);
    return 0;
}
