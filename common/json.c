/* SPDX-License-Identifier: MIT */
/*
 * JSON writing. In: bytes of any kind. Out: valid JSON text in UTF-8. Most log text needs no escape at all,
 * so the escape copies sixteen bytes at a time and looks at them with one vector compare (GCC vector
 * extensions: SSE2, NEON, or plain words where there is neither).
 */
#include "common/json.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"

typedef int8_t bytes16 __attribute__((vector_size(16)));

/* How many of 16 bytes come before the first that needs a closer look: below 0x20, above 0x7f, quote or
 * backslash. */
static inline unsigned first_special(const char *text)
{
    bytes16 v, hit;
    uint64_t half[2];

    memcpy(&v, text, sizeof v);
    hit = (v < 0x20) | (v == '"') | (v == '\\'); /* as signed bytes: those above 0x7f are negative */
    memcpy(half, &hit, sizeof half);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    half[0] = __builtin_bswap64(half[0]);
    half[1] = __builtin_bswap64(half[1]);
#endif
    if (half[0])
        return (unsigned)__builtin_ctzll(half[0]) / 8;
    return half[1] ? 8 + (unsigned)__builtin_ctzll(half[1]) / 8 : 16;
}

static inline bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static char *escape_ascii(char *to, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char short_form[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
    };

    *to++ = '\\';
    if (c == '"' || c == '\\') {
        *to++ = (char)c;
    } else if (short_form[c]) {
        *to++ = short_form[c];
    } else {
        memcpy(to, "u00", 3);
        to[3] = hex[c >> 4];
        to[4] = hex[c & 15];
        to += 5;
    }
    return to;
}

/* One character that is not plain; advances *text. */
static char *escape_one(char *to, const char **text, const char *end)
{
    unsigned char c = (unsigned char)**text;
    size_t len;

    if (c < 0x80) {
        ++*text;
        return escape_ascii(to, c);
    }
    len = lb_utf8_length(*text, (size_t)(end - *text));
    if (len == 0) {
        ++*text;
        return LB_JSON_LITERAL(to, "\xef\xbf\xbd");
    }
    memcpy(to, *text, len);
    *text += len;
    return to + len;
}

/* Are eight bytes all plain? Carries between bytes can only make a plain one look special. */
static inline bool are_plain8(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101ull, high = 0x8080808080808080ull;
    uint64_t quote = word ^ ('"' * ones), slash = word ^ ('\\' * ones);

    return ((word | (word - 0x20 * ones) | (quote - ones) | (slash - ones)) & high) == 0;
}

char *lb_json_escape(char *to, const char *text, size_t len)
{
    const char *end = text + len;

    while (end - text >= 16) {
        unsigned plain = first_special(text);

        memcpy(to, text, 16);
        to += plain;
        text += plain;
        if (plain < 16)
            to = escape_one(to, &text, end);
    }
    if (end - text >= 8) {
        uint64_t word;

        memcpy(&word, text, sizeof word);
        if (are_plain8(word)) {
            memcpy(to, &word, sizeof word);
            to += sizeof word;
            text += sizeof word;
        }
    }
    while (text < end) {
        if (is_plain((unsigned char)*text))
            *to++ = *text++;
        else
            to = escape_one(to, &text, end);
    }
    return to;
}

char *lb_json_u64(char *to, uint64_t number)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        "8081828384858687888990919293949596979899";
    char digits[20], *at = digits + sizeof digits;
    size_t len;

    while (number >= 100) {
        at -= 2;
        memcpy(at, &pairs[2 * (number % 100)], 2);
        number /= 100;
    }
    if (number >= 10) {
        at -= 2;
        memcpy(at, &pairs[2 * number], 2);
    } else {
        *--at = (char)('0' + number);
    }
    len = (size_t)(digits + sizeof digits - at);
    memcpy(to, at, len);
    return to + len;
}

void lb_json_print_text(FILE *out, const char *key, const char *text)
{
    char *escaped = malloc(lb_json_bound(strlen(text)));

    if (!escaped)
        return;
    fprintf(out, "\"%s\":\"%.*s\"", key, (int)(lb_json_escape(escaped, text, strlen(text)) - escaped),
            escaped);
    free(escaped);
}
