/* SPDX-License-Identifier: MIT */
/* The backlog in status. In: its sums, what the mover has seen, the rate of the last minutes. Out: JSON, or a
 * line for a person. */
#include "agent/control/status_backlog.h"

#include "common/clock.h"
#include "common/units.h"

#define PACKED_GUESS 6.0 /* bytes of the ring to one of the backlog, before anything was moved */
#define HOUR_S       3600.0

struct lb_shipper_stats lb_status_stats(const struct lb_status_source *source)
{
    struct lb_shipper_stats sum = source->shipper->stats;
    const struct lb_shipper_stats *more = source->drain ? &source->drain->shipper.stats : NULL;

    if (!more)
        return sum;
    sum.requests += more->requests;
    sum.delivered_bodies += more->delivered_bodies;
    sum.failures += more->failures;
    sum.lines += more->lines;
    sum.raw_bytes += more->raw_bytes;
    sum.wire_bytes += more->wire_bytes;
    if (more->last_delivery_ns > sum.last_delivery_ns)
        sum.last_delivery_ns = more->last_delivery_ns;
    if (more->last_failure_ns > sum.last_failure_ns) {
        sum.last_failure_ns = more->last_failure_ns;
        snprintf(sum.last_error, sizeof sum.last_error, "%s", more->last_error);
    }
    return sum;
}

uint64_t lb_status_backlog_size(const struct lb_status_source *source)
{
    return source->drain ? (uint64_t)source->drain->backlog->blocks * LB_BACKLOG_BLOCK : 0;
}

uint64_t lb_status_backlog_used(const struct lb_status_source *source)
{
    return source->drain ? lb_status_backlog_size(source) - lb_backlog_room(source->drain->backlog) : 0;
}

double lb_status_hours_left(const struct lb_status_source *source, uint64_t now_ns)
{
    uint64_t head = lb_ring_head(source->ring);
    double rate = lb_outlook_rate(source->outlook, head, now_ns), packed = PACKED_GUESS, room;

    if (rate <= 0)
        return -1;
    room = (double)(source->ring->size - (head - lb_ring_tail(source->ring)));
    if (source->drain) {
        const struct lb_mover_stats *stats = lb_mover_stats(source->drain->mover);

        if (stats->packed_bytes > 0)
            packed = (double)stats->moved_bytes / (double)stats->packed_bytes;
        room += packed * (double)lb_backlog_room(source->drain->backlog);
    }
    return room / rate / HOUR_S;
}

void lb_status_print_backlog(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    double hours = lb_status_hours_left(source, now_ns);
    const struct lb_backlog *backlog;
    uint64_t size = lb_status_backlog_size(source), used = lb_status_backlog_used(source);

    if (hours >= 0)
        fprintf(out, "\"hours_left\":%.2f,", hours);
    else
        fputs("\"hours_left\":null,", out);
    if (!source->drain) {
        fputs("\"backlog\":null", out);
        return;
    }
    backlog = source->drain->backlog;
    fprintf(out, "\"backlog\":{\"size\":%llu,\"used\":%llu,\"fill\":%.4f,\"locked\":%s,",
            (unsigned long long)size, (unsigned long long)used, (double)used / (double)size,
            backlog->map.is_locked ? "true" : "false");
    fprintf(out, "\"segments\":%llu,\"urgent\":%llu,\"lines\":%llu,\"bytes\":%llu,\"shed_segments\":%llu,",
            (unsigned long long)backlog->sum.segments,
            (unsigned long long)backlog->sum.by_lane[LB_LANE_URGENT], (unsigned long long)backlog->sum.lines,
            (unsigned long long)backlog->sum.bytes,
            (unsigned long long)lb_mover_stats(source->drain->mover)->shed_segments);
    if (backlog->sum.segments > 0 && backlog->sum.first_ns < now_ns)
        fprintf(out, "\"oldest_s\":%.3f}", (double)(now_ns - backlog->sum.first_ns) / 1e9);
    else
        fputs("\"oldest_s\":null}", out);
}

void lb_status_print_backlog_text(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    double hours = lb_status_hours_left(source, now_ns);
    char used[32], size[32], text[32];

    if (source->drain) {
        const struct lb_backlog_sum *sum = &source->drain->backlog->sum;

        fprintf(out, "backlog %s of %s in use (%.0f %%)",
                lb_units_print_human(lb_status_backlog_used(source), used, sizeof used),
                lb_units_print_human(lb_status_backlog_size(source), size, sizeof size),
                100.0 * (double)lb_status_backlog_used(source) / (double)lb_status_backlog_size(source));
        if (sum->segments > 0)
            fprintf(out, ": %llu lines, %s of text, the oldest %.0f s old", (unsigned long long)sum->lines,
                    lb_units_print_human(sum->bytes, text, sizeof text),
                    (double)(now_ns - sum->first_ns) / 1e9);
        fputc('\n', out);
    }
    if (hours >= 0)
        fprintf(out, "  at the rate of the last minutes there is room for an outage of %.1f hours\n", hours);
}
