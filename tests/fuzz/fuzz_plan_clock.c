/* SPDX-License-Identifier: MIT */
/*
 * Any stamps in any order. In: libFuzzer's bytes, two or nine for each record: a kind and a step from the
 * last stamp, or a stamp itself; some records are decided for. Out: nothing. Always true, or the run stops:
 * each record gets one time, none goes back, and no more wait than there is room for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/offline/plan_clock.h"

#define NOW_MS  1795780800000ull
#define LATEST  253402387200000ull /* what a line can say at most */
#define STEPS   32
#define DECIDES 0x80
#define IS_NEW  0x40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Forward or back, from milliseconds to centuries. */
static uint64_t step_from(uint64_t ms, uint8_t how)
{
    uint64_t step_ms = 1ull << (how % STEPS + (how % STEPS > 16 ? 8 : 0));

    if (how & DECIDES)
        return ms > step_ms ? ms - step_ms : 0;
    return ms + step_ms < LATEST ? ms + step_ms : LATEST;
}

static unsigned take_all(struct lb_plan_clock *clock, uint64_t *last_ms)
{
    unsigned taken = 0;
    uint64_t ms;

    for (; lb_plan_clock_take(clock, &ms); taken++, *last_ms = ms)
        if (ms < *last_ms)
            abort();
    return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lb_plan_clock clock;
    uint64_t said_ms = NOW_MS, last_ms = 0, added = 0, taken = 0;

    lb_plan_clock_begin(&clock, NOW_MS, 0.3);
    while (size >= 2) {
        size_t used = 2;
        struct lb_line_time said = { data[0] % LB_LINE_TIME_KINDS, 0 };

        said_ms = step_from(said_ms, data[1]);
        if (data[0] & IS_NEW && size >= 9) {
            memcpy(&said_ms, data + 1, sizeof said_ms);
            said_ms %= LATEST;
            used = 9;
        }
        said.ms = said.kind == LB_LINE_TIME_NONE       ? 0
                  : said.kind == LB_LINE_TIME_YEARLESS ? said_ms % (366 * LB_LINE_TIME_DAY_MS)
                  : said.kind == LB_LINE_TIME_OF_DAY   ? said_ms % LB_LINE_TIME_DAY_MS
                                                       : said_ms;
        lb_plan_clock_add(&clock, said);
        added++;
        if (data[0] & DECIDES)
            lb_plan_clock_decide(&clock);
        taken += take_all(&clock, &last_ms);
        if (added - taken >= LB_PLAN_CLOCK_WAITS || (data[0] & DECIDES && added != taken))
            abort();
        data += used;
        size -= used;
    }
    lb_plan_clock_decide(&clock);
    if (taken + take_all(&clock, &last_ms) != added || lb_plan_clock_timed(&clock) > added)
        abort();
    return 0;
}
