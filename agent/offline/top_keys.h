/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_TOP_KEYS_H
#define LB_OFFLINE_TOP_KEYS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * What the keys of `logboom top` do. In: bytes as a terminal sends them. Out:
 * how the screen is to be. Escape sequences are taken whole, also when they
 * come in parts; a lone escape is one when nothing followed for a moment
 * (lb_top_keys_pause()). Pure.
 */
enum lb_top_sort {
    LB_TOP_BY_LINES = 0,
    LB_TOP_BY_BYTES,
    LB_TOP_BY_PENDING,
    LB_TOP_BY_HELD,
    LB_TOP_BY_SUPPRESSED,
    LB_TOP_BY_LOST,
    LB_TOP_BY_NAME,
    LB_TOP_SORTS
};

enum lb_top_mode { LB_TOP_LOOKING = 0, LB_TOP_TYPING /* a filter */, LB_TOP_HELPING };

#define LB_TOP_FILTER_MAX 64

struct lb_top_keys {
    enum lb_top_sort sort;
    enum lb_top_mode mode;
    bool is_paused;
    bool is_over;
    char filter[LB_TOP_FILTER_MAX + 1]; /* "" for none; grows while it is typed */
    size_t filter_len;
    enum { LB_TOP_NO_ESCAPE = 0, LB_TOP_ESCAPE, LB_TOP_SEQUENCE } escape;
};

/*
 * Take bytes that were typed.
 *   calls    any thread
 */
void lb_top_keys_take(struct lb_top_keys *keys, const char *bytes, size_t len);

/*
 * Nothing more came: what looks like the begin of a sequence is the key Escape.
 *   calls    any thread
 */
void lb_top_keys_pause(struct lb_top_keys *keys);

/*
 * The name of an order, as the screen and --sort have it: "lines/s".
 *   returns  a static string
 */
const char *lb_top_sort_name(enum lb_top_sort sort);

/*
 * The order of a name, or of its first letters.
 *   returns  it | -1 there is none, or several
 */
int lb_top_sort_find(const char *name);

#endif
