/* SPDX-License-Identifier: MIT */
/*
 * The pattern of a line. In: a text. Out: its template, or that template's number. Always true: both are made
 * by the same walk (pattern_walk.c), over the same copy of the first line's beginning, which ends with
 * blanks.
 */
#include "agent/shape/pattern.h"

#include <string.h>

#include "agent/shape/pattern_parts.h"
#include "common/eight.h"

/* The walk goes over a copy, so that it may look beyond the end. */
struct copy {
    char text[LB_PATTERN_LOOK_MAX + LB_PATTERN_PADDING];
    size_t len;
};

static void copy_line(struct copy *copy, const char *text, size_t len)
{
    const char *stop;

    if (len > LB_PATTERN_LOOK_MAX)
        len = LB_PATTERN_LOOK_MAX;
    stop = len > 0 ? memchr(text, '\n', len) : NULL;
    len = stop ? (size_t)(stop - text) : len;
    while (len > 0 && (unsigned char)text[len - 1] <= ' ')
        len--;
    if (len > 0)
        memcpy(copy->text, text, len);
    memset(copy->text + len, ' ', LB_PATTERN_PADDING);
    copy->len = len;
}

static uint64_t number_of(const struct copy *copy)
{
    uint64_t number =
        lb_pattern_walk(copy->text, copy->len, lb_pattern_names(copy->text, copy->len), NULL, 0, NULL);

    return number ? number : 1;
}

uint64_t lb_pattern_id(const char *text, size_t len)
{
    struct copy copy;

    copy_line(&copy, text, len);
    return number_of(&copy);
}

/* Eight bytes with each digit as 0: what its value is makes no difference to a pattern. */
static inline uint64_t without_digits(uint64_t eight)
{
    uint64_t is_digit = lb_eight_within(eight, '0', '9');

    /* The low nibble of a digit goes: 0x80 in each such byte becomes 0x0f. */
    return eight & ~((is_digit >> 3) - (is_digit >> 7));
}

uint64_t lb_pattern_id_by_memo(struct lb_pattern_memo *memo, const char *text, size_t len, bool may_look)
{
    struct copy copy;
    uint64_t key = 1, *row;

    copy_line(&copy, text, len);
    for (size_t at = 0; at < copy.len; at += 8) {
        key = (key ^ without_digits(lb_eight_load(copy.text + at))) * 0x9fb21c651e98df25u;
        key ^= key >> 29;
    }
    key = (key ^ copy.len) | 1;
    row = memo->row[(key >> 40) % LB_PATTERN_MEMO];
    if (row[0] != key && !may_look)
        return 0;
    if (row[0] != key) {
        row[0] = key;
        row[1] = number_of(&copy);
    }
    return row[1];
}

/* So many bytes of a text without a character that was cut off at its end. */
static size_t whole_characters(const char *text, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        unsigned char c = (unsigned char)text[len - back];
        size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

        if ((c & 0xc0) != 0x80)
            return need > back ? len - back : len;
    }
    return len;
}

size_t lb_pattern_template(const char *text, size_t len, char *buf, size_t size)
{
    struct copy copy;
    size_t made = 0;

    if (size == 0)
        return 0;
    copy_line(&copy, text, len);
    lb_pattern_walk(copy.text, copy.len, lb_pattern_names(copy.text, copy.len), buf, size, &made);
    return whole_characters(buf, made);
}
