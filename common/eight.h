/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_EIGHT_H
#define LB_COMMON_EIGHT_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

/*
 * Eight bytes of a text at once, in plain C: for the short words of a line, where a call of memchr() costs
 * more than what it looks for. What is found is the highest bit of a byte; of several only the first is sure,
 * as a borrow may make the byte behind a true one look like one.
 */

#define LB_EIGHT_ONES  0x0101010101010101u
#define LB_EIGHT_HIGHS 0x8080808080808080u

/*
 * Load eight bytes, the first one lowest whatever the machine's order.
 *   text     eight bytes, at any address
 *   calls    any thread; a pure function, as are all here
 */
static inline uint64_t lb_eight_load(const char *text)
{
    uint64_t eight;

    memcpy(&eight, text, sizeof eight);
    return le64toh(eight);
}

/*
 * Find a byte.
 *   returns  0: there is none
 */
static inline uint64_t lb_eight_equal(uint64_t eight, char c)
{
    uint64_t other = eight ^ ((unsigned char)c * LB_EIGHT_ONES);

    return (other - LB_EIGHT_ONES) & ~other & LB_EIGHT_HIGHS;
}

/*
 * Find a byte below a limit, which is at most 0x80.
 *   returns  0: there is none
 */
static inline uint64_t lb_eight_below(uint64_t eight, unsigned char limit)
{
    return (eight - limit * LB_EIGHT_ONES) & ~eight & LB_EIGHT_HIGHS;
}

/*
 * Find the bytes from first to last, both below 0x80. Here all are sure.
 *   returns  the highest bit of each byte that is one
 */
static inline uint64_t lb_eight_within(uint64_t eight, unsigned char first, unsigned char last)
{
    uint64_t low = eight & ~LB_EIGHT_HIGHS;

    return (low + (0x80u - first) * LB_EIGHT_ONES) & ~(low + (0x7fu - last) * LB_EIGHT_ONES) & ~eight &
           LB_EIGHT_HIGHS;
}

/*
 * Which of the eight bytes was found first?
 *   found    not 0
 *   returns  0..7
 */
static inline unsigned lb_eight_first(uint64_t found)
{
    return (unsigned)__builtin_ctzll(found) / 8;
}

#endif
