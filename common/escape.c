/* SPDX-License-Identifier: MIT */
/* Terminal escape sequences. In: text. Out: how long the sequence at its front is. Always true: a sequence is
 * taken whole or not at all, and what a terminal would not swallow is no sequence.
 */
#include "common/escape.h"

#include <stdbool.h>

#define BELL '\x07'

static bool is_within(char c, unsigned char first, unsigned char last)
{
    return (unsigned char)c >= first && (unsigned char)c <= last;
}

/* Parameters, intermediates, and one final byte. */
static size_t csi_length(const char *text, size_t len)
{
    size_t at = 2;

    while (at < len && is_within(text[at], 0x30, 0x3f))
        at++;
    while (at < len && is_within(text[at], 0x20, 0x2f))
        at++;
    return at < len && is_within(text[at], 0x40, 0x7e) ? at + 1 : 0;
}

/* A string ends with ESC \; any other escape in it cancels it, as it does in a terminal. */
static size_t string_length(const char *text, size_t len, bool ends_with_bell)
{
    for (size_t at = 2; at < len; at++) {
        if (text[at] == BELL && ends_with_bell)
            return at + 1;
        if (text[at] == LB_ESCAPE)
            return at + 1 < len && text[at + 1] == '\\' ? at + 2 : 0;
    }
    return 0;
}

/* "ESC ( B", "ESC M": intermediates and a final byte. */
static size_t short_length(const char *text, size_t len)
{
    size_t at = 1;

    while (at < len && is_within(text[at], 0x20, 0x2f))
        at++;
    return at < len && is_within(text[at], 0x30, 0x7e) ? at + 1 : 0;
}

size_t lb_escape_length(const char *text, size_t len)
{
    if (len < 2 || text[0] != LB_ESCAPE)
        return 0;
    switch (text[1]) {
    case '[':
        return csi_length(text, len);
    case ']':
        return string_length(text, len, true);
    case 'P':
    case 'X':
    case '^':
    case '_':
        return string_length(text, len, false);
    default:
        return short_length(text, len);
    }
}
