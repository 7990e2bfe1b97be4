/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a line that may bear a time. In: libFuzzer's bytes, as they are, and as a member of an object
 * in JSON. Out: nothing. Always true, or the run stops: a time is one that four digits of a year, and a zone,
 * can say; what stands in front of a line is found again behind a blank; what a stamp may mean lies about
 * now.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/line_time.h"

#define LATEST_MS 253402387200000ull /* the end of 9999, and the widest zone */
#define NOW_MS    1795780800000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct lb_line_time read_behind(const char *front, const uint8_t *data, size_t size)
{
    size_t len = strlen(front);
    char *line = malloc(len + size + 1); /* of its own, so that a look behind its end is seen */
    struct lb_line_time time;

    if (!line)
        abort();
    memcpy(line, front, len);
    if (size > 0)
        memcpy(line + len, data, size);
    line = realloc(line, len + size + (len + size == 0));
    time = lb_line_time_of(line, len + size);
    free(line);
    return time;
}

static void check(struct lb_line_time time)
{
    uint64_t ms = lb_line_time_near(time, NOW_MS);
    uint64_t period_ms = time.kind == LB_LINE_TIME_YEARLESS ? LB_LINE_TIME_YEAR_MS + 2 * LB_LINE_TIME_DAY_MS
                                                            : LB_LINE_TIME_DAY_MS;

    if (time.kind >= LB_LINE_TIME_KINDS || time.ms > LATEST_MS || (!time.kind && time.ms != 0))
        abort();
    if ((time.kind == LB_LINE_TIME_YEARLESS || time.kind == LB_LINE_TIME_OF_DAY) &&
        (ms + period_ms / 4 < NOW_MS || ms > NOW_MS + period_ms))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lb_line_time plain = read_behind("", data, size), moved = read_behind(" ", data, size);

    check(plain);
    check(moved);
    if (size < LB_LINE_TIME_LOOK && (moved.kind != plain.kind || moved.ms != plain.ms))
        abort();
    check(read_behind("{\"n\":1,\"time\":\"", data, size));
    check(read_behind("level=info ts=", data, size));
    check(read_behind("{", data, size));
    return 0;
}
