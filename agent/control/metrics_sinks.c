/* SPDX-License-Identifier: MIT */
/* Numbers of the sinks. In: shippers and stores, read only. Out: text. Always true: a family holds a series
 * for each sink that has such a number. */
#include <math.h>
#include <string.h>

#include "agent/control/metrics_parts.h"
#include "agent/control/status_backlog.h"
#include "agent/control/status_sinks.h"
#include "agent/ship/meter.h"
#include "common/clock.h"

/* One sink: where its numbers are. */
struct view {
    struct lb_status_source source;
    const struct lb_outlet *outlet; /* NULL: the first */
    struct lb_shipper_stats stats;
    struct lb_outlet_book book;
    uint64_t now_ns;
};

struct views {
    struct view view[LB_SINKS_MAX];
    unsigned count;
};

static const char *name_of(const struct view *view)
{
    return view->source.shipper->sink_config->name;
}

static void look(const struct lb_status_source *source, uint64_t now_ns, struct views *views)
{
    const struct lb_router *router = &source->outlets->router;

    views->view[0].source = *source;
    views->count = 1;
    for (unsigned i = 0; i < router->outlets && views->count < LB_SINKS_MAX; i++) {
        struct view *view = &views->view[views->count];

        if (router->outlet[i]->is_detached)
            continue;
        view->source = lb_status_of_outlet(source, router->outlet[i]);
        view->outlet = router->outlet[i];
        view->book = lb_status_outlet_book(router->outlet[i]);
        views->count++;
    }
    for (unsigned i = 0; i < views->count; i++) {
        views->view[i].stats = lb_status_stats(&views->view[i].source);
        views->view[i].now_ns = now_ns;
    }
}

/* ---- what there is to tell: NAN where a sink has no such number ---- */

#define STAT(member)                                   \
    static double of_##member(const struct view *view) \
    {                                                  \
        return (double)view->stats.member;             \
    }

STAT(requests)
STAT(failures)
STAT(delivered_bodies)
STAT(lines)
STAT(raw_bytes)
STAT(wire_bytes)

static double of_today(const struct view *view)
{
    uint64_t today;

    if (view->outlet || !lb_meter_today(view->source.shipper, view->now_ns, &today))
        return NAN; /* there is one count for all */
    return (double)today;
}

static double of_in_flight(const struct view *view)
{
    return lb_status_in_flight(&view->source);
}

static double of_backoff(const struct view *view)
{
    uint64_t until_ns = view->source.shipper->retry.until_ns;

    return until_ns > view->now_ns ? (double)(until_ns - view->now_ns) / 1e9 : 0;
}

static double of_last_delivery(const struct view *view)
{
    return view->stats.last_delivery_ns ? (double)(view->now_ns - view->stats.last_delivery_ns) / 1e9 : NAN;
}

#define BOOK(member)                                                 \
    static double of_##member(const struct view *view)               \
    {                                                                \
        return view->outlet ? (double)view->book.member.lines : NAN; \
    }

BOOK(queued)
BOOK(pending)
BOOK(delivered)
BOOK(shed)
BOOK(rejected)
BOOK(missed)

static double of_queue_size(const struct view *view)
{
    return view->outlet ? (double)view->outlet->files.ring.size : NAN;
}

static double of_queue_used(const struct view *view)
{
    const struct lb_ring *ring = view->outlet ? &view->outlet->files.ring : NULL;

    return ring ? (double)(lb_ring_head(ring) - lb_ring_tail(ring)) : NAN;
}

static const struct {
    const char *name, *type, *help;
    double (*of)(const struct view *view);
} families[] = {
    { "sink_requests_total", LB_COUNTER, "Requests that were sent.", of_requests },
    { "sink_failures_total", LB_COUNTER, "Requests that failed.", of_failures },
    { "sink_bodies_total", LB_COUNTER, "Bodies that the sink took.", of_delivered_bodies },
    { "sink_lines_total", LB_COUNTER, "Records that the sink took.", of_lines },
    { "sink_raw_bytes_total", LB_COUNTER, "Bytes of what the sink took, before compression.", of_raw_bytes },
    { "sink_wire_bytes_total", LB_COUNTER, "Bytes that went over the wire.", of_wire_bytes },
    { "sink_wire_today_bytes", LB_GAUGE,
      "Bytes that went over the wire since midnight UTC, with what TLS adds, to all sinks.", of_today },
    { "sink_in_flight_bodies", LB_GAUGE, "Bodies that are on their way.", of_in_flight },
    { "sink_backoff_seconds", LB_GAUGE, "Time until the next try, 0 when nothing is waited for.",
      of_backoff },
    { "sink_last_delivery_age_seconds", LB_GAUGE, "Time since the last delivery.", of_last_delivery },
    { "sink_queue_size_bytes", LB_GAUGE, "Size of the queue of a sink that is not the first.",
      of_queue_size },
    { "sink_queue_used_bytes", LB_GAUGE, "Bytes of it that wait for the sink.", of_queue_used },
    { "sink_queued_lines_total", LB_COUNTER, "Lines that came to that queue.", of_queued },
    { "sink_pending_lines", LB_GAUGE, "Lines of it that wait.", of_pending },
    { "sink_delivered_lines_total", LB_COUNTER, "Lines of it that the sink took.", of_delivered },
    { "sink_shed_lines_total", LB_COUNTER, "Lines of it that were given up.", of_shed },
    { "sink_rejected_lines_total", LB_COUNTER, "Lines of it that the sink will never take.", of_rejected },
    { "sink_missed_lines_total", LB_COUNTER, "Lines that its queue had no room for.", of_missed },
};

/* ---- printing ---- */

static void begin(FILE *out, const char *name, const struct view *view)
{
    lb_metrics_begin_series(out, name, "sink", name_of(view), strlen(name_of(view)));
}

static void print_family(const struct views *views, size_t row, FILE *out)
{
    bool is_begun = false;

    for (unsigned i = 0; i < views->count; i++) {
        double value = families[row].of(&views->view[i]);

        if (isnan(value))
            continue;
        if (!is_begun)
            lb_metrics_family(out, families[row].name, families[row].type, families[row].help);
        is_begun = true;
        begin(out, families[row].name, &views->view[i]);
        fprintf(out, "} %.16g\n", value);
    }
}

static void print_states(const struct views *views, FILE *out)
{
    static const char *const states[] = LB_STATUS_SINK_STATES;

    lb_metrics_family(out, "sink_info", LB_GAUGE, "Always 1; the type of a sink.");
    for (unsigned i = 0; i < views->count; i++) {
        const struct view *view = &views->view[i];

        begin(out, "sink_info", view);
        fprintf(out, ",type=\"%s\",primary=\"%s\"} 1\n", view->source.shipper->sink->type,
                !view->outlet || view->outlet->is_primary ? "yes" : "no");
    }
    lb_metrics_family(out, "sink_state", LB_GAUGE, "1 for the state that a sink is in, 0 for the others.");
    for (unsigned i = 0; i < views->count; i++) {
        const struct view *view = &views->view[i];
        const char *state = lb_status_sink_state(&view->source, view->now_ns);

        for (size_t k = 0; k < sizeof states / sizeof states[0]; k++) {
            begin(out, "sink_state", view);
            fprintf(out, ",state=\"%s\"} %d\n", states[k], strcmp(state, states[k]) == 0);
        }
    }
}

void lb_metrics_print_sinks(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    struct views views = { 0 };

    look(source, now_ns, &views);
    print_states(&views, out);
    for (size_t row = 0; row < sizeof families / sizeof families[0]; row++)
        print_family(&views, row, out);
}
