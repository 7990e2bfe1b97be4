/* SPDX-License-Identifier: MIT */
/* A sign of life by MQTT. In: the beat, the books. Out: a retained message. Always true: it costs no
 * connection. */
#include "agent/control/pulse.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/control/books.h"
#include "agent/ship/mqtt_hand.h"
#include "common/clock.h"
#include "common/device.h"

static uint64_t next_ns(const struct lb_pulse *pulse, uint64_t now_ns)
{
    uint64_t interval_ns = pulse->status->config->heartbeat_ms * LB_NS_PER_MS;

    return interval_ns ? now_ns + interval_ns - (now_ns + pulse->phase % interval_ns) % interval_ns
                       : LB_NEVER;
}

size_t lb_pulse_print(const struct lb_status_source *source, uint64_t now_ns, char *text)
{
    const struct lb_wall *wall = &source->shipper->wall;
    struct lb_book *books = calloc(LB_SERVICES_BOOKS, sizeof *books), all = { 0 };
    int len = snprintf(text, LB_PULSE_MAX, "{\"online\":1,\"version\":\"" LB_VERSION "\"");

    if (lb_wall_trust(wall, now_ns) != LB_CLOCK_UNKNOWN)
        len += snprintf(text + len, (size_t)(LB_PULSE_MAX - len), ",\"timestamp\":%llu",
                        (unsigned long long)((now_ns + lb_wall_offset_ns(wall)) / LB_NS_PER_MS));
    len += snprintf(text + len, (size_t)(LB_PULSE_MAX - len), ",\"up_s\":%llu",
                    (unsigned long long)((now_ns - source->started_ns) / LB_NS_PER_S));
    if (books) {
        lb_books_read(source, books, &all);
        len += snprintf(text + len, (size_t)(LB_PULSE_MAX - len),
                        ",\"pending\":%llu,\"delivered\":%llu,\"lost\":%llu",
                        (unsigned long long)all.pending.lines, (unsigned long long)all.delivered.lines,
                        (unsigned long long)(all.shed.lines + all.rejected.lines));
    }
    free(books);
    return (size_t)len + (size_t)snprintf(text + len, (size_t)(LB_PULSE_MAX - len), "}");
}

static void on_timer(void *arg, uint64_t now_ns)
{
    struct lb_pulse *pulse = arg;
    char text[LB_PULSE_MAX];

    if (pulse->transport)
        lb_mqtt_beat(pulse->transport, text, lb_pulse_print(pulse->status, now_ns, text));
    pulse->timer.due_ns = next_ns(pulse, now_ns);
}

void lb_pulse_reload(struct lb_pulse *pulse, uint64_t now_ns)
{
    pulse->timer.due_ns = lb_config_remote_sink(pulse->status->config) ? next_ns(pulse, now_ns) : LB_NEVER;
}

void lb_pulse_start(struct lb_pulse *pulse, struct lb_loop *loop)
{
    pulse->phase = lb_device_phase();
    pulse->timer = (struct lb_timer) { LB_NEVER, on_timer, pulse, NULL };
    lb_loop_add_timer(loop, &pulse->timer);
    lb_pulse_reload(pulse, lb_clock_boot_ns());
}
