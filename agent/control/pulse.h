/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_PULSE_H
#define LB_CONTROL_PULSE_H

#include <stdint.h>

#include "agent/control/status.h"
#include "agent/ship/transport.h"
#include "common/loop.h"

/*
 * A sign of life on an MQTT sink's status_topic, every [heartbeat] interval, on
 * a beat of the device's own, while there is a connection; none is made for it.
 *
 *   {"online":1,"version":"0.9","timestamp":1767225600000,"up_s":86400,"pending":12,"delivered":4711,"lost":0}
 *
 * timestamp (ms) is left out where the clock is not known; the rest are lines,
 * in all. It is retained, in the place of the birth: whoever looks later sees
 * how the device was at its last beat, and still online: 1, until the will
 * takes that place.
 */
#define LB_PULSE_MAX 256

struct lb_pulse {
    const struct lb_status_source *status;
    const struct lb_transport *transport; /* what it points to may be replaced; NULL, or of a sink that is
                                             none of MQTT's: nothing is said */
    struct lb_timer timer;
    uint64_t phase;
};

/*
 * Begin to beat.
 *   pulse     status and transport are set, the rest zero
 *   calls     slow side, or before its thread starts
 */
void lb_pulse_start(struct lb_pulse *pulse, struct lb_loop *loop);

/*
 * Another configuration: the interval may be another.
 *   now_ns    boot time
 *   calls     slow side
 */
void lb_pulse_reload(struct lb_pulse *pulse, uint64_t now_ns);

/*
 * What it says.
 *   text      room for LB_PULSE_MAX bytes with NUL
 *   now_ns    boot time
 *   returns   its length
 *   calls     slow side
 */
size_t lb_pulse_print(const struct lb_status_source *source, uint64_t now_ns, char *text);

#endif
