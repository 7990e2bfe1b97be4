/* SPDX-License-Identifier: MIT */
/* The rate of the last minutes. In: the ring's head. Out: bytes a second. Always true: one sample each ten
 * seconds, however often it is asked. */
#include "agent/ship/outlook.h"

#include "common/clock.h"

#define NS_MIN LB_NS_PER_S /* of less time than this nothing can be said */

void lb_outlook_note(struct lb_outlook *outlook, uint64_t head, uint64_t now_ns)
{
    unsigned last = (outlook->next + LB_OUTLOOK_SAMPLES - 1) % LB_OUTLOOK_SAMPLES;

    if (outlook->count > 0 && now_ns < outlook->sample[last].at_ns + LB_OUTLOOK_EVERY_NS)
        return;
    if (outlook->count > 0 && head < outlook->sample[last].head)
        outlook->count = 0; /* another ring */
    outlook->sample[outlook->next].at_ns = now_ns;
    outlook->sample[outlook->next].head = head;
    outlook->next = (outlook->next + 1) % LB_OUTLOOK_SAMPLES;
    outlook->count += outlook->count < LB_OUTLOOK_SAMPLES;
}

double lb_outlook_rate(const struct lb_outlook *outlook, uint64_t head, uint64_t now_ns)
{
    unsigned first = (outlook->next + LB_OUTLOOK_SAMPLES - outlook->count) % LB_OUTLOOK_SAMPLES;

    if (outlook->count == 0 || now_ns < outlook->sample[first].at_ns + NS_MIN ||
        head < outlook->sample[first].head)
        return -1;
    return (double)(head - outlook->sample[first].head) * (double)LB_NS_PER_S /
           (double)(now_ns - outlook->sample[first].at_ns);
}
