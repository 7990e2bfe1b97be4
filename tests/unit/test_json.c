/* SPDX-License-Identifier: MIT */
/*
 * JSON strings out of any bytes. The encoder works on blocks of sixteen, so each byte is tried at each place
 * of a text that is longer than two blocks, against an encoder that takes one byte at a time and is written
 * here. Text and room end where a page begins that nobody may touch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/json.h"
#include "tests/unit/lib_store.h"

#define TEXT_MAX 4096
#define ROOM     (6 * TEXT_MAX + 64)

static char *in_end, *out_end; /* behind each: a page without access */

static char *fence(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (size + page - 1) / page * page;
    char *at = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(at != MAP_FAILED);
    assert_int_equal(mprotect(at + room, page, PROT_NONE), 0);
    return at + room;
}

static int set_up(void **state)
{
    (void)state;
    in_end = fence(TEXT_MAX);
    out_end = fence(ROOM);
    return 0;
}

/* Length of the UTF-8 sequence at text by the table of RFC 3629, spelt out; 0: there is none. */
static size_t slow_utf8(const unsigned char *t, size_t len)
{
    uint32_t c;
    size_t need;

    if (t[0] < 0x80)
        return 1;
    if (t[0] >= 0xc0 && t[0] < 0xe0)
        need = 2, c = t[0] & 0x1f;
    else if (t[0] >= 0xe0 && t[0] < 0xf0)
        need = 3, c = t[0] & 0x0f;
    else if (t[0] >= 0xf0 && t[0] < 0xf8)
        need = 4, c = t[0] & 0x07;
    else
        return 0;
    if (need > len)
        return 0;
    for (size_t i = 1; i < need; i++) {
        if (t[i] < 0x80 || t[i] > 0xbf)
            return 0;
        c = c << 6 | (t[i] & 0x3f);
    }
    if ((need == 2 && c < 0x80) || (need == 3 && c < 0x800) || (need == 4 && (c < 0x10000 || c > 0x10ffff)))
        return 0;
    return c >= 0xd800 && c <= 0xdfff ? 0 : need;
}

static size_t slow_escape(char *to, const char *text, size_t len)
{
    char *start = to;

    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        size_t need = slow_utf8((const unsigned char *)text + i, len - i);

        if (need == 0)
            to += sprintf(to, "\xef\xbf\xbd");
        else if (need > 1)
            to += sprintf(to, "%.*s", (int)need, text + i);
        else if (c == '"' || c == '\\')
            to += sprintf(to, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f')
            to += sprintf(to, "\\%c",
                          c == '\n'   ? 'n'
                          : c == '\r' ? 'r'
                          : c == '\t' ? 't'
                          : c == '\b' ? 'b'
                                      : 'f');
        else if (c < 0x20)
            to += sprintf(to, "\\u%04x", c);
        else
            *to++ = (char)c;
        i += need ? need : 1;
    }
    return (size_t)(to - start);
}

/* The real encoder, with text and room at the very end of their pages. The room is exactly the promised
 * bound. */
static size_t escape(const char *text, size_t len, char **ret_out)
{
    char *from = in_end - len, *to = out_end - lb_json_bound(len);
    size_t got;

    memcpy(from, text, len);
    to[-1] = 0x5a;
    got = (size_t)(lb_json_escape(to, from, len) - to);
    assert_int_equal(to[-1], 0x5a);
    assert_true(got <= 6 * len);
    *ret_out = to;
    return got;
}

static void check(const char *text, size_t len)
{
    static char want[ROOM];
    char *got;
    size_t want_len = slow_escape(want, text, len), got_len = escape(text, len, &got);

    assert_int_equal(got_len, want_len);
    assert_memory_equal(got, want, want_len);
}

static void every_byte_at_every_place(void **state)
{
    char text[41];

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++)
        for (size_t at = 0; at < sizeof text; at++) {
            memset(text, 'a', sizeof text);
            text[at] = (char)byte;
            check(text, sizeof text);
            memset(text, '\n', sizeof text);
            text[at] = (char)byte;
            check(text, sizeof text);
        }
}

static void every_length_is_written_to_its_end(void **state)
{
    char text[100];

    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t len = 0; len <= sizeof text; len++)
        check(text, len);
    memset(text, 1, sizeof text); /* the longest that a byte can become */
    for (size_t len = 0; len <= sizeof text; len++)
        check(text, len);
}

static void every_pair_of_bytes_is_utf8_or_replaced(void **state)
{
    (void)state;
    for (unsigned lead = 0; lead < 256; lead++)
        for (unsigned next = 0; next < 256; next++) {
            char text[4] = { (char)lead, (char)next, (char)0x80, (char)0xbf };

            for (size_t len = 1; len <= sizeof text; len++)
                check(text, len);
        }
}

static void the_edges_of_utf8_hold_at_every_place_of_a_block(void **state)
{
    static const char *const edges[] = {
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xef\xbf\xbf",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "\xef\xbf\xbd", /* whole */
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x9f\xbf",
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",
        "\xed\xbf\xbf", /* surrogates */
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80",
        "\xff", /* above U+10FFFF */
        "\x80",
        "\xbf\xbf",
        "\xe2\x28\xa1",
        "\xf0\x28\x8c\xbc",
    };

    (void)state;
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        for (size_t at = 0; at <= 40; at++)
            for (size_t part = 1; part <= strlen(edges[i]); part++) { /* cut at each length */
                char text[64];

                memset(text, 'a', sizeof text);
                memcpy(text + at, edges[i], part);
                check(text, at + part);
                check(text, sizeof text);
            }
}

/* A strict reader of the inside of a JSON string. Returns the length of what it says; -1: it is none. */
static long decode(const char *json, size_t len, char *to)
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char *start = to;

    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)json[i];
        size_t need = slow_utf8((const unsigned char *)json + i, len - i);
        const char *escape_at;
        unsigned code;

        if (c < 0x20 || c == '"' || need == 0)
            return -1;
        if (c != '\\') {
            memcpy(to, json + i, need);
            to += need;
            i += need;
        } else if (i + 5 < len && sscanf(json + i, "\\u%4x", &code) == 1) {
            if (code >= 0x80)
                return -1; /* ours writes no others */
            *to++ = (char)code;
            i += 6;
        } else if (i + 1 < len && (escape_at = strchr(escapes, json[i + 1])) && json[i + 1]) {
            *to++ = meanings[escape_at - escapes];
            i += 2;
        } else {
            return -1;
        }
    }
    return to - start;
}

static void random_bytes_read_back_with_what_is_no_utf8_replaced(void **state)
{
    static char text[TEXT_MAX], want[3 * TEXT_MAX], back[ROOM];

    (void)state;
    random_begin();
    for (int round = 0; round < 20000; round++) {
        size_t len = random_below(round % 100 ? 200 : TEXT_MAX), want_len = 0;
        unsigned kind = (unsigned)random_below(4);
        char *got;
        size_t got_len;

        for (size_t i = 0; i < len; i++) {
            uint64_t r = random_next();

            text[i] = (char)(kind == 0   ? r
                             : kind == 1 ? 0x80 | (r & 0x7f)
                             : r % 8     ? ' ' + r / 8 % 95
                                         : r >> 8);
        }
        for (size_t i = 0, need; i < len; i += need ? need : 1) {
            need = slow_utf8((const unsigned char *)text + i, len - i);
            memcpy(want + want_len, need ? text + i : "\xef\xbf\xbd", need ? need : 3);
            want_len += need ? need : 3;
        }
        got_len = escape(text, len, &got);
        assert_int_equal(decode(got, got_len, back), want_len);
        assert_memory_equal(back, want, want_len);
    }
}

static void numbers_are_written_whole(void **state)
{
    static const uint64_t numbers[] = {
        0, 1, 9, 10, 99, 100, 4294967295u, 4294967296u, UINT64_MAX - 1, UINT64_MAX
    };
    char want[24], got[24];

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        snprintf(want, sizeof want, "%llu", (unsigned long long)numbers[i]);
        *lb_json_u64(got, numbers[i]) = '\0';
        assert_string_equal(got, want);
    }
    *LB_JSON_LITERAL(got, "\"a\":") = '\0';
    assert_string_equal(got, "\"a\":");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(every_length_is_written_to_its_end),
        cmocka_unit_test(every_pair_of_bytes_is_utf8_or_replaced),
        cmocka_unit_test(the_edges_of_utf8_hold_at_every_place_of_a_block),
        cmocka_unit_test(random_bytes_read_back_with_what_is_no_utf8_replaced),
        cmocka_unit_test(numbers_are_written_whole),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
