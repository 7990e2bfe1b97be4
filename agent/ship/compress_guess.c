/* SPDX-License-Identifier: MIT */
/*
 * What bodies would be squeezed to. In: lengths of bodies that were squeezed, before and after. Out: the
 * length of one that is not. Always true: the same bodies in the same order are guessed the same.
 *
 * Which body is squeezed is left to chance: a service that writes its report with each eighth body would be
 * measured by its reports alone, or never.
 */
#include "agent/ship/compress_guess.h"

#include <stdbool.h>

#define FIRST     16   /* of a class: all are squeezed */
#define MEMORY    64   /* bodies; then what they taught counts half */
#define IS_OFF    0.15 /* of what it is: by so much bodies of a kind hardly differ */
#define AFTER_OFF 4    /* bodies that are squeezed because of it */

static struct lb_guess_class *class_of(struct lb_compress_guess *guess, size_t len)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll((unsigned long long)len | 1);

    return &guess->class[bits < LB_GUESS_CLASSES ? bits : LB_GUESS_CLASSES - 1];
}

static double guess_of(const struct lb_guess_class *class, size_t len)
{
    return class->to_bytes / class->from_bytes * (double)len;
}

static bool is_off(double guessed, double real)
{
    return guessed > real * (1 + IS_OFF) || guessed < real * (1 - IS_OFF);
}

/* One of so many, at no regular distance: a number of the turn, mixed (splitmix64). */
static bool is_chosen(struct lb_compress_guess *guess)
{
    uint64_t mixed = ++guess->turns * 0x9e3779b97f4a7c15u;

    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return (mixed ^ mixed >> 31) % guess->one_in == 0;
}

size_t lb_compress_guess(struct lb_compress_guess *guess, size_t len)
{
    struct lb_guess_class *class = class_of(guess, len);
    size_t guessed;

    guess->bytes += len;
    if (class->bodies < FIRST || class->must > 0 || is_chosen(guess))
        return 0;
    guessed = (size_t)(guess_of(class, len) + 0.5);
    guess->guessed_bytes += guessed > 0 ? len : 0;
    return guessed;
}

void lb_compress_learn(struct lb_compress_guess *guess, size_t len, size_t squeezed_len)
{
    struct lb_guess_class *class = class_of(guess, len);
    double real = (double)squeezed_len;

    if (class->must > 0)
        class->must--;
    if (class->bodies >= FIRST && is_off(guess_of(class, len), real))
        class->must = AFTER_OFF;
    class->from_bytes += (double)len;
    class->to_bytes += real;
    if (++class->bodies == MEMORY) {
        class->bodies /= 2;
        class->from_bytes /= 2;
        class->to_bytes /= 2;
    }
}
