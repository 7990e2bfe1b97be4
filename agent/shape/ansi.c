/* SPDX-License-Identifier: MIT */
/* Colours off. In: a text. Out: the same without escape sequences. Always true: the result is never longer,
 * so it may be made in place, and all other bytes keep their order. What a sequence is stands in
 * common/escape.c, because the severity step sees through the same ones.
 */
#include "agent/shape/ansi.h"

#include <string.h>

#include "common/escape.h"

size_t lb_ansi_length(const char *text, size_t len)
{
    return lb_escape_length(text, len);
}

size_t lb_ansi_strip(char *to, const char *from, size_t len)
{
    size_t at = 0, out = 0;

    while (at < len) {
        const char *escape = memchr(from + at, LB_ESCAPE, len - at);
        size_t run = escape ? (size_t)(escape - from) - at : len - at, skip;

        if (to + out != from + at)
            memmove(to + out, from + at, run);
        out += run;
        at += run;
        if (!escape)
            break;
        skip = lb_escape_length(from + at, len - at);
        if (skip == 0)
            to[out++] = LB_ESCAPE;
        at += skip ? skip : 1;
    }
    return out;
}
