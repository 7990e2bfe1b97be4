/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_COMPRESS_GUESS_H
#define LB_SHIP_COMPRESS_GUESS_H

#include <stddef.h>
#include <stdint.h>

/*
 * How long a body would be if it were squeezed, by those of about its size that were.
 * Bodies are of a class by the power of two that they reach, and within it what a look at
 * them tells is in proportion to what they come to: their length, or what slices of a
 * long one are squeezed to, for there are few of those, and each counts.
 */
#define LB_GUESS_LONG    65536     /* bytes, from which on ... */
#define LB_GUESS_PART(n) ((n) / 8) /* so much of it is squeezed, */
#define LB_GUESS_SLICES  4         /* from so many places */
#define LB_GUESS_CLASSES 40

struct lb_guess_class {
    unsigned bodies;     /* squeezed lately: what was before counts as fewer than it was */
    unsigned must;       /* so many more are squeezed */
    double looks, bytes; /* of the squeezed */
};

struct lb_compress_guess {
    unsigned one_in; /* the caller's, the rest is zero */
    unsigned turns;  /* guesses that chance was asked for */
    struct lb_guess_class class[LB_GUESS_CLASSES];
    uint64_t bytes, guessed_bytes; /* of bodies, before they were squeezed */
};

/*
 * Ask for a body of len bytes.
 *   look      what a look at it tells
 *   returns   its length | 0 it is to be squeezed
 *   calls     any thread, as all of this
 */
size_t lb_compress_guess(struct lb_compress_guess *guess, size_t len, size_t look);

/*
 * A body of len bytes was squeezed, to so many.
 */
void lb_compress_learn(struct lb_compress_guess *guess, size_t len, size_t look, size_t squeezed_len);

#endif
