/* SPDX-License-Identifier: MIT */
/* Members of JSON objects. In: text that claims to be JSON. Out: keys and values where they stand. Always
 * true: no byte at or past end is read; each byte is passed once, so the cost is linear whatever the text
 * says; a value counts only when what follows shows that it is whole.
 */
#include "common/json_scan.h"

#include <stdint.h>
#include <string.h>

#include "common/eight.h"

#define DEPTH_MAX 64 /* one bit of a word each, to tell {} from [] */

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ' && (c == ' ' || c == '\t' || c == '\n' || c == '\r');
}

static inline const char *behind_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at;
}

static inline bool take(struct lb_json_scan *scan, char c)
{
    const char *at = scan->at;

    if (at == scan->end || *at != c) {
        at = behind_blanks(at, scan->end);
        scan->at = at;
        if (at == scan->end || *at != c)
            return false;
    }
    scan->at = at + 1;
    return true;
}

static bool broken(struct lb_json_scan *scan)
{
    scan->is_broken = true;
    scan->at = scan->end;
    return false;
}

/* From a place on to the next quote or backslash; end: there is none. */
static inline const char *find_special(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t eight = lb_eight_load(at), found = lb_eight_equal(eight, '"') | lb_eight_equal(eight, '\\');

        if (found)
            return at + lb_eight_first(found);
    }
    while (at < end && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* From behind the opening quote to the closing one; NULL: there is none. */
static inline const char *string_end(const char *at, const char *end, bool *ret_has_escape)
{
    at = find_special(at, end);
    *ret_has_escape = at < end && *at == '\\';
    while (at < end && *at == '\\')
        at = at + 2 < end ? find_special(at + 2, end) : end;
    return at < end ? at : NULL;
}

static inline bool take_string(struct lb_json_scan *scan, const char **ret_text, size_t *ret_len,
                               bool *ret_has_escape)
{
    const char *from = scan->at, *to = string_end(from, scan->end, ret_has_escape);

    if (!to)
        return broken(scan);
    *ret_text = from;
    *ret_len = (size_t)(to - from);
    scan->at = to + 1;
    return true;
}

/* at stands on a bracket: pass all up to its partner. */
static bool skip_container(struct lb_json_scan *scan)
{
    uint64_t is_array = 0; /* a bit for each bracket that is open, the innermost lowest */
    unsigned depth = 0;
    bool has_escape;

    scan->has_unopened = false;
    for (; scan->at < scan->end; scan->at++) {
        char c = *scan->at;

        if (c == '"') {
            scan->at = string_end(scan->at + 1, scan->end, &has_escape);
            if (!scan->at)
                return broken(scan);
        } else if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX)
                return broken(scan);
            is_array = is_array << 1 | (c == '[');
        } else if (c == '}' || c == ']') {
            if ((is_array & 1) != (c == ']'))
                return broken(scan);
            is_array >>= 1;
            if (--depth == 0) {
                scan->at++;
                return true;
            }
        }
    }
    return broken(scan);
}

static bool is_word_byte(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '+' || c == '-' ||
           c == '.';
}

/* A number or a name; what stands at the very end of the text may have been longer. */
static bool take_word(struct lb_json_scan *scan, struct lb_json_member *member)
{
    member->kind = LB_JSON_WORD;
    member->value = scan->at;
    while (scan->at < scan->end && is_word_byte(*scan->at))
        scan->at++;
    member->value_len = (size_t)(scan->at - member->value);
    if (member->value_len == 0 || scan->at == scan->end ||
        (!is_blank(*scan->at) && *scan->at != ',' && *scan->at != '}'))
        return broken(scan);
    return true;
}

static inline bool take_value(struct lb_json_scan *scan, struct lb_json_member *member)
{
    scan->at = behind_blanks(scan->at, scan->end);
    if (scan->at == scan->end)
        return broken(scan);
    member->value_has_escape = false;
    switch (*scan->at) {
    case '"':
        member->kind = LB_JSON_STRING;
        scan->at++;
        return take_string(scan, &member->value, &member->value_len, &member->value_has_escape);
    case '{':
    case '[':
        member->kind = *scan->at == '{' ? LB_JSON_OBJECT : LB_JSON_ARRAY;
        member->value = scan->at;
        member->value_len = 0;
        scan->has_unopened = true;
        return true;
    default:
        return take_word(scan, member);
    }
}

bool lb_json_scan_begin(struct lb_json_scan *scan, const char *text, size_t len)
{
    *scan = (struct lb_json_scan) { .at = text, .end = text + len };
    return take(scan, '{');
}

/* Behind the last member: to the next one's key. false: the object has ended, or the text is broken. */
static inline bool take_comma(struct lb_json_scan *scan)
{
    if (scan->wants_comma && take(scan, ','))
        return take(scan, '"') || broken(scan);
    if (take(scan, '}')) {
        scan->wants_comma = true; /* the object that ended was a member of the one around it */
        return false;
    }
    return (!scan->wants_comma && take(scan, '"')) || broken(scan);
}

bool lb_json_scan_next(struct lb_json_scan *scan, struct lb_json_member *ret_member)
{
    if (scan->is_broken || (scan->has_unopened && !skip_container(scan)) || !take_comma(scan))
        return false;
    scan->wants_comma = true;
    if (!take_string(scan, &ret_member->key, &ret_member->key_len, &ret_member->key_has_escape))
        return false;
    return take(scan, ':') ? take_value(scan, ret_member) : broken(scan);
}

void lb_json_scan_open(struct lb_json_scan *scan)
{
    scan->has_unopened = false;
    scan->wants_comma = false;
    scan->at++;
}

/* Four hex digits, or -1. */
static int32_t hex_four(const char *text, size_t len)
{
    int32_t code = 0;

    if (len < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = text[i];

        if (c >= '0' && c <= '9')
            code = code * 16 + c - '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            code = code * 16 + (c | 0x20) - 'a' + 10;
        else
            return -1;
    }
    return code;
}

/* Bytes of a code point in UTF-8, into room for four. A lone surrogate is the caller's to refuse. */
static size_t put_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3f));
        to[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3f));
    to[2] = (char)(0x80 | (code >> 6 & 0x3f));
    to[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* The escape at text, which begins behind the backslash. Returns how long it is, 0: it is none. */
static size_t read_escape(const char *text, size_t len, uint32_t *ret_code)
{
    static const char names[] = "\"\\/bfnrt", codes[] = "\"\\/\b\f\n\r\t";
    const char *name;
    int32_t high, low;

    if (len == 0)
        return 0;
    if (text[0] != 'u') {
        name = memchr(names, text[0], sizeof names - 1);
        if (!name)
            return 0;
        *ret_code = (unsigned char)codes[name - names];
        return 1;
    }
    high = hex_four(text + 1, len - 1);
    if (high < 0 || (high >= 0xdc00 && high < 0xe000))
        return 0;
    *ret_code = (uint32_t)high;
    if (high < 0xd800 || high >= 0xe000)
        return 5;
    if (len < 11 || text[5] != '\\' || text[6] != 'u')
        return 0;
    low = hex_four(text + 7, len - 7);
    if (low < 0xdc00 || low >= 0xe000)
        return 0;
    *ret_code = 0x10000u + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
    return 11;
}

ssize_t lb_json_unescape(char *to, size_t size, const char *text, size_t len)
{
    size_t out = 0;

    for (size_t at = 0; at < len;) {
        char bytes[4] = { text[at] };
        size_t count = 1, taken = 1;
        uint32_t code = 0;

        if (text[at] == '\\') {
            taken = read_escape(text + at + 1, len - at - 1, &code);
            if (taken++ == 0)
                return -1;
            count = put_utf8(bytes, code);
        }
        if (count > size - out)
            return -1;
        memcpy(to + out, bytes, count);
        out += count;
        at += taken;
    }
    return (ssize_t)out;
}
