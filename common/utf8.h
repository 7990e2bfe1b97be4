/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_UTF8_H
#define LB_COMMON_UTF8_H

#include <stddef.h>

/*
 * Text that must be UTF-8 (RFC 3629), made of bytes that may be anything: a
 * byte that fits nowhere becomes U+FFFD, three bytes.
 */

/*
 * The well-formed sequence of two bytes or more that a text begins with.
 *   text     at least one byte, above 0x7f
 *   returns  its length, 2 to 4 | 0 there is none
 *   calls    any thread; a pure function, as are all here
 */
static inline size_t lb_utf8_length(const char *text, size_t len)
{
    const unsigned char *byte = (const unsigned char *)text;
    unsigned char lead = byte[0], low = 0x80, high = 0xbf;
    size_t need;

    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    need = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead == 0xe0)
        low = 0xa0; /* no overlong forms */
    else if (lead == 0xed)
        high = 0x9f; /* no surrogates */
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f; /* nothing above U+10FFFF */
    if (len < need || byte[1] < low || byte[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++)
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
    return need;
}

/*
 * How long a text is when it is clean: at most three times its bytes.
 */
size_t lb_utf8_clean_len(const char *text, size_t len);

/*
 * Write a text clean.
 *   to       room for lb_utf8_clean_len() bytes
 *   returns  one past the last byte written
 */
char *lb_utf8_clean(char *to, const char *text, size_t len);

#endif
