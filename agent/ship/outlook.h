/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_OUTLOOK_H
#define LB_SHIP_OUTLOOK_H

#include <stdint.h>

/*
 * How long an outage may last before something is given up, at the rate of the
 * last minutes: from where the ring's head was, now and then.
 */
#define LB_OUTLOOK_SAMPLES  32
#define LB_OUTLOOK_EVERY_NS (10 * 1000000000ull)

struct lb_outlook {
    struct {
        uint64_t at_ns, head;
    } sample[LB_OUTLOOK_SAMPLES];
    unsigned count, next;
};

/*
 * Note where the ring's head is; most calls do nothing.
 *   calls     slow side, each turn
 */
void lb_outlook_note(struct lb_outlook *outlook, uint64_t head, uint64_t now_ns);

/*
 * Bytes a second that came into the ring in the last minutes.
 *   returns   a negative number: not known yet
 *   calls     slow side
 */
double lb_outlook_rate(const struct lb_outlook *outlook, uint64_t head, uint64_t now_ns);

#endif
