/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_PATTERN_KINDS_H
#define LB_SHAPE_PATTERN_KINDS_H

#include <stdint.h>

#include "common/eight.h"

/* What a character is. */
enum {
    LETTER = 1,
    DIGIT = 2,
    INNER = 4, /* may stand within a word */
    DOT = 8,
    COLON = 16,
    MARK = 32, /* what only paths and addresses hold */
    BLANK = 64,
    QUOTE = 128,
    PART = 0
};
#define JOINT   (INNER | DOT | COLON | MARK)
#define IN_WORD (LETTER | DIGIT | JOINT)

static const unsigned char kinds[256] = {
    [0 ... ' '] = BLANK,
    [0x7f] = BLANK,
    ['0' ... '9'] = DIGIT,
    ['A' ... 'Z'] = LETTER,
    ['a' ... 'z'] = LETTER,
    ['_'] = LETTER,
    [0x80 ... 0xff] = LETTER,
    ['"'] = QUOTE,
    ['\''] = QUOTE,
    ['`'] = QUOTE,
    ['#'] = INNER,
    ['$'] = INNER,
    ['%'] = INNER,
    ['&'] = INNER,
    ['+'] = INNER,
    ['-'] = INNER,
    ['.'] = DOT,
    ['/'] = MARK,
    [':'] = COLON,
    ['@'] = MARK,
    ['\\'] = MARK,
    ['~'] = INNER,
};

static inline unsigned kind(const char *at)
{
    return kinds[(unsigned char)*at];
}

/* The highest bit of each byte that is a letter, '_', or of a character beyond ASCII. */
static inline uint64_t letters_of(uint64_t eight)
{
    uint64_t low = eight & ~LB_EIGHT_HIGHS, small = low | 0x20 * LB_EIGHT_ONES;
    uint64_t letter = (small + (0x80 - 'a') * LB_EIGHT_ONES) & ~(small + (0x7f - 'z') * LB_EIGHT_ONES);
    uint64_t other = (low ^ '_' * LB_EIGHT_ONES) + 0x7f * LB_EIGHT_ONES;

    return (letter | ~other | eight) & LB_EIGHT_HIGHS;
}

#endif
