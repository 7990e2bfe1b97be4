/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a line that may bear a time. In: libFuzzer's bytes. Out: nothing. Always true, or the run
 * stops: a time is one that four digits of a year, and a zone, can say; what stands in front of a line is
 * found again behind a blank.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/line_time.h"

#define LATEST_MS 253402387200000ull /* the end of 9999, and the widest zone */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char line[256] = " ";
    size_t len = size < sizeof line - 1 ? size : sizeof line - 1;
    uint64_t ms = lb_line_time_ms((const char *)data, size, 2026), again;

    if (ms > LATEST_MS)
        abort();
    memcpy(line + 1, data, len);
    again = lb_line_time_ms(line, len + 1, 2026);
    if (size < LB_LINE_TIME_LOOK && again != ms)
        abort();
    return 0;
}
