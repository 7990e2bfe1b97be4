/* SPDX-License-Identifier: MIT */
/*
 * Clean UTF-8. In: bytes of any kind. Out: the same text, or as much of it as is one. Always true: what comes
 * out is well-formed, and as long as was said before. Most log text is ASCII, so eight bytes are looked at a
 * time.
 */
#include "common/utf8.h"

#include <stdint.h>
#include <string.h>

static const char replacement[3] = { '\xef', '\xbf', '\xbd' };

/* How many bytes of ASCII a text begins with. */
static size_t ascii_len(const char *text, size_t len)
{
    size_t at = 0;
    uint64_t word;

    for (; len - at >= sizeof word; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        if (word & 0x8080808080808080ull)
            break;
    }
    while (at < len && (unsigned char)text[at] < 0x80)
        at++;
    return at;
}

size_t lb_utf8_clean_len(const char *text, size_t len)
{
    size_t clean = len;

    for (size_t at = ascii_len(text, len); at < len; at += ascii_len(text + at, len - at)) {
        size_t whole = lb_utf8_length(text + at, len - at);

        if (whole == 0)
            clean += sizeof replacement - 1;
        at += whole ? whole : 1;
    }
    return clean;
}

char *lb_utf8_clean(char *to, const char *text, size_t len)
{
    size_t at = 0;

    while (at < len) {
        size_t plain = ascii_len(text + at, len - at), whole;

        memcpy(to, text + at, plain);
        to += plain;
        at += plain;
        if (at == len)
            break;
        whole = lb_utf8_length(text + at, len - at);
        memcpy(to, whole ? text + at : replacement, whole ? whole : sizeof replacement);
        to += whole ? whole : sizeof replacement;
        at += whole ? whole : 1;
    }
    return to;
}
