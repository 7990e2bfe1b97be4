/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_TOP_SCREEN_H
#define LB_OFFLINE_TOP_SCREEN_H

#include "agent/offline/top_canvas.h"
#include "agent/offline/top_keys.h"
#include "agent/offline/top_patterns.h"
#include "agent/offline/top_status.h"

/*
 * The screen of `logboom top`: a function of what is known and of the size, so
 * the same data give the same text. From the top, what a person asks first:
 * does it reach the sink, is there room left, who is loud, and what do they say.
 */
struct lb_top_view {
    const struct lb_top_status *now;
    const struct lb_top_status *before; /* NULL: no rates are known yet */
    const struct lb_top_pattern *pattern;
    unsigned patterns;
    double window_s;      /* that their rates are over; 0: none were looked for yet */
    double share;         /* of all records, that were seen; below 1 they are a sample */
    const char *trouble;  /* a line that must be seen; NULL: all is well */
    const char *no_rings; /* why there are no patterns; NULL: there are */
    double interval_s;
    const struct lb_top_keys *keys;
    bool is_live; /* on a terminal: keys are told, and lines are cut at the height */
};

/*
 * Draw it.
 *   canvas   empty; its width and height decide what is left out. In 80 x 24 nothing of importance is
 *   calls    any thread; a pure function but for the locale (top_canvas.h)
 */
void lb_top_screen_draw(const struct lb_top_view *view, struct lb_top_canvas *canvas);

#endif
