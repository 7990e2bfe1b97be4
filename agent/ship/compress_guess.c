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

#define FIRST  32  /* of a class: all are squeezed */
#define MEMORY 64  /* bodies; then what they taught counts half */
#define IS_OFF 0.2 /* of what it is: by so much bodies of a kind hardly differ */
/* The log says other things then: what was learnt before counts as a few bodies, and some are squeezed. */
#define OFF_COUNTS 4
#define OFF_MUST   12

static struct lb_guess_class *class_of(struct lb_compress_guess *guess, size_t len)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll((unsigned long long)len | 1);

    return &guess->class[bits < LB_GUESS_CLASSES ? bits : LB_GUESS_CLASSES - 1];
}

static double guess_of(const struct lb_guess_class *class, size_t look)
{
    return class->bytes / class->looks * (double)look;
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

size_t lb_compress_guess(struct lb_compress_guess *guess, size_t len, size_t look)
{
    struct lb_guess_class *class = class_of(guess, len);
    size_t guessed;

    guess->bytes += len;
    if (class->bodies == 0 || class->must > 0 || is_chosen(guess))
        return 0;
    guessed = (size_t)(guess_of(class, look) + 0.5);
    guess->guessed_bytes += guessed > 0 ? len : 0;
    return guessed;
}

static void weigh(struct lb_guess_class *class, unsigned bodies)
{
    double share = (double)bodies / class->bodies;

    class->bodies = bodies;
    class->looks *= share;
    class->bytes *= share;
}

void lb_compress_learn(struct lb_compress_guess *guess, size_t len, size_t look, size_t squeezed_len)
{
    struct lb_guess_class *class = class_of(guess, len);
    double real = (double)squeezed_len;

    if (class->bodies == 0)
        class->must = FIRST;
    else if (class->must == 0 && is_off(guess_of(class, look), real)) {
        weigh(class, OFF_COUNTS);
        class->must = OFF_MUST;
    }
    class->must -= class->must > 0;
    if (class->bodies == MEMORY)
        weigh(class, MEMORY / 2);
    class->bodies++;
    class->looks += (double)look;
    class->bytes += real;
}
