/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PLAN_QUEUE_H
#define LB_OFFLINE_PLAN_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/offline/plan_clock.h"
#include "agent/shape/pipeline.h"

/*
 * Records whose time is not known yet, first in, first out. It begins zeroed,
 * and takes no memory before a record has to wait.
 */
struct lb_plan_queued {
    struct lb_shape shape;
    size_t at, len; /* of its text */
    bool is_cut;
};

struct lb_plan_queue {
    struct lb_plan_queued record[LB_PLAN_CLOCK_WAITS];
    unsigned first, count; /* those before first are gone */
    char *text;
    size_t len, room;
};

/*
 * Append one. There are fewer than LB_PLAN_CLOCK_WAITS in it.
 *   text      len bytes; copied
 *   returns   false: out of memory, and nothing changed
 *   calls     offline modes, as all of this
 */
bool lb_plan_queue_put(struct lb_plan_queue *queue, const struct lb_shape *shape, const char *text,
                       size_t len, bool is_cut);

/*
 * Take the first one.
 *   ret_text  its text, to be changed at will: it is there until one is put
 *   returns   NULL: there is none | it is there as long as its text
 */
const struct lb_plan_queued *lb_plan_queue_take(struct lb_plan_queue *queue, char **ret_text);

/*
 * Free it.
 */
void lb_plan_queue_free(struct lb_plan_queue *queue);

#endif
