/* SPDX-License-Identifier: MIT */
/* Records that wait for their time. In and out: records, in their order. Always true: where there are none,
 * the memory is used from its begin again. */
#include "agent/offline/plan_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Room for a text and one more record, at the end. */
static bool make_room(struct lb_plan_queue *queue, size_t len)
{
    size_t begin = queue->count > 0 ? queue->record[queue->first].at : queue->len;
    char *more;

    if (queue->first > 0) {
        queue->len -= begin;
        if (queue->len > 0)
            memmove(queue->text, queue->text + begin, queue->len);
        memmove(queue->record, queue->record + queue->first, queue->count * sizeof *queue->record);
        for (unsigned i = 0; i < queue->count; i++)
            queue->record[i].at -= begin;
        queue->first = 0;
    }
    if (queue->len + len <= queue->room)
        return true;
    more = realloc(queue->text, 2 * (queue->len + len));
    if (!more)
        return false;
    queue->text = more;
    queue->room = 2 * (queue->len + len);
    return true;
}

bool lb_plan_queue_put(struct lb_plan_queue *queue, const struct lb_shape *shape, const char *text,
                       size_t len, bool is_cut)
{
    assert(queue->count < LB_PLAN_CLOCK_WAITS);
    if (!make_room(queue, len))
        return false;
    queue->record[queue->count++] =
        (struct lb_plan_queued) { .shape = *shape, .at = queue->len, .len = len, .is_cut = is_cut };
    if (len > 0)
        memcpy(queue->text + queue->len, text, len);
    queue->len += len;
    return true;
}

const struct lb_plan_queued *lb_plan_queue_take(struct lb_plan_queue *queue, char **ret_text)
{
    const struct lb_plan_queued *record = &queue->record[queue->first];

    if (queue->count == 0)
        return NULL;
    queue->first++;
    queue->count--;
    *ret_text = queue->text + record->at;
    return record;
}

void lb_plan_queue_free(struct lb_plan_queue *queue)
{
    free(queue->text);
}
