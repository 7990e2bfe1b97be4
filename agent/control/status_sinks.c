/* SPDX-License-Identifier: MIT */
/* The sinks, printed. In: shippers and stores, read only. Out: JSON, or lines for a person. No secret is
 * within reach here. */
#include "agent/control/status_sinks.h"

#include <stdlib.h>
#include <string.h>

#include "agent/control/status_backlog.h"
#include "agent/ship/meter.h"
#include "agent/ship/pending.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/sink_route.h"
#include "common/units.h"

const char *lb_status_sink_state(const struct lb_status_source *source, uint64_t now_ns)
{
    switch (source->shipper->trouble) {
    case LB_TROUBLE_PAUSED:
        return "paused";
    case LB_TROUBLE_CLOCK:
        return "clock";
    case LB_TROUBLE_NONE:
    case LB_TROUBLE_AWAY:
        break;
    }
    if (source->shipper->is_barred)
        return "metered";
    if (lb_shipper_is_away(source->shipper, now_ns))
        return "away";
    if (source->drain && source->drain->shipper.failed_since_delivery)
        return "away";
    return source->shipper->stats.last_delivery_ns ? "ok" : "idle";
}

unsigned lb_status_in_flight(const struct lb_status_source *source)
{
    const struct lb_shipper *shipper = source->shipper;
    unsigned count = source->drain && source->drain->shipper.slot[0].state == LB_SLOT_SENDING;

    for (unsigned i = 0; i < shipper->slots; i++)
        count += shipper->slot[i].state == LB_SLOT_SENDING;
    return count;
}

/* Its members, but for the braces around them. */
static void print_sink(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    const struct lb_shipper *shipper = source->shipper;
    struct lb_shipper_stats sum = lb_status_stats(source), *stats = &sum;
    uint64_t today;

    fprintf(out, "\"name\":\"%s\",\"type\":\"%s\",\"state\":\"%s\"", shipper->sink_config->name,
            shipper->sink->type, lb_status_sink_state(source, now_ns));
    fprintf(out, ",\"requests\":%llu,\"delivered_bodies\":%llu,\"failures\":%llu,\"lines\":%llu",
            (unsigned long long)stats->requests, (unsigned long long)stats->delivered_bodies,
            (unsigned long long)stats->failures, (unsigned long long)stats->lines);
    fprintf(out, ",\"raw_bytes\":%llu,\"wire_bytes\":%llu,\"in_flight\":%u",
            (unsigned long long)stats->raw_bytes, (unsigned long long)stats->wire_bytes,
            lb_status_in_flight(source));
    if (!shipper->meter_state && lb_meter_today(shipper, now_ns, &today))
        fprintf(out, ",\"wire_bytes_today\":%llu", (unsigned long long)today);
    else
        fputs(",\"wire_bytes_today\":null", out);
    if (stats->last_delivery_ns)
        fprintf(out, ",\"last_delivery_s\":%.3f", (double)(now_ns - stats->last_delivery_ns) / 1e9);
    else
        fputs(",\"last_delivery_s\":null", out);
    if (shipper->retry.until_ns > now_ns)
        fprintf(out, ",\"next_try_s\":%.3f", (double)(shipper->retry.until_ns - now_ns) / 1e9);
    else
        fputs(",\"next_try_s\":null", out);
    fprintf(out, ",\"encoding\":\"%s\",\"body_lines\":%zu,\"body_bytes\":%zu,",
            lb_compression_token(shipper->builder.compression), lb_pending_max_lines(shipper),
            lb_pending_max_bytes(shipper));
    lb_json_print_text(out, "last_error", stats->last_error);
}

/* ---- one beside the first ---- */

struct lb_status_source lb_status_of_outlet(const struct lb_status_source *source,
                                            const struct lb_outlet *outlet)
{
    struct lb_status_source its = *source;

    its.shipper = &outlet->shipper;
    its.drain = outlet->mover ? &outlet->drain : NULL;
    its.state = &outlet->files.state;
    its.ring = &outlet->files.ring;
    its.repair = &outlet->files.repair;
    return its;
}

static void add(struct lb_sum *to, const uint64_t *words)
{
    to->lines += words[0];
    to->bytes += words[1];
}

struct lb_outlet_book lb_status_outlet_book(const struct lb_outlet *outlet)
{
    const struct lb_state *state = &outlet->files.state;
    struct lb_outlet_book book = { 0 };

    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++) {
        const uint64_t *fast = &state->fast.region[LB_FAST_BOOKS].work[row * LB_BOOK_FAST_WORDS];
        const uint64_t *slow = &state->slow.region[LB_SLOW_BOOKS].work[row * LB_BOOK_SLOW_WORDS];

        add(&book.queued, fast + LB_BOOK_QUEUED_LINES);
        add(&book.delivered, slow + LB_BOOK_DELIVERED);
        add(&book.shed, slow + LB_BOOK_SHED);
        add(&book.rejected, slow + LB_BOOK_REJECTED);
        for (unsigned why = 0; why < LB_DROP_COUNT; why++) {
            struct lb_drop_place place = lb_drop_place(row, why);

            add(&book.missed, &state->fast.region[place.region].work[place.word]);
        }
    }
    book.pending.lines = book.queued.lines - book.delivered.lines - book.shed.lines - book.rejected.lines;
    book.pending.bytes = book.queued.bytes - book.delivered.bytes - book.shed.bytes - book.rejected.bytes;
    return book;
}

static void print_sum(FILE *out, const char *key, struct lb_sum sum)
{
    fprintf(out, ",\"%s\":{\"lines\":%llu,\"bytes\":%llu}", key, (unsigned long long)sum.lines,
            (unsigned long long)sum.bytes);
}

static void print_store(const struct lb_outlet *outlet, FILE *out)
{
    const struct lb_ring *ring = &outlet->files.ring;
    const struct lb_backlog *backlog = &outlet->files.backlog;
    uint64_t used = lb_ring_head(ring) - lb_ring_tail(ring), next[2];

    lb_commit_snapshot(&outlet->files.state.fast, LB_FAST_RING, LB_RING_NEXT_URGENT, 2, next);
    fprintf(out,
            ",\"queue\":{\"id\":\"%016llx\",\"size\":%llu,\"used\":%llu,\"fill\":%.4f,\"locked\":%s,"
            "\"stalled\":%s,\"next\":{\"urgent\":%llu,\"routine\":%llu}}",
            (unsigned long long)ring->id, (unsigned long long)ring->size, (unsigned long long)used,
            (double)used / (double)ring->size, ring->map.is_locked ? "true" : "false",
            outlet->is_stalled ? "true" : "false", (unsigned long long)next[0], (unsigned long long)next[1]);
    if (!lb_backlog_is_there(backlog)) {
        fputs(",\"backlog\":null", out);
        return;
    }
    fprintf(out, ",\"backlog\":{\"size\":%llu,\"used\":%llu,\"segments\":%llu}",
            (unsigned long long)backlog->blocks * LB_BACKLOG_BLOCK,
            (unsigned long long)backlog->blocks * LB_BACKLOG_BLOCK - lb_backlog_room(backlog),
            (unsigned long long)backlog->sum.segments);
}

static void print_outlet(const struct lb_status_source *source, const struct lb_outlet *outlet,
                         uint64_t now_ns, FILE *out)
{
    struct lb_status_source its = lb_status_of_outlet(source, outlet);
    struct lb_outlet_book book = lb_status_outlet_book(outlet);

    print_sink(&its, now_ns, out);
    fputs(",\"first\":false", out);
    fprintf(out, ",\"primary\":%s,\"filtered\":%s", outlet->is_primary ? "true" : "false",
            lb_sink_is_filtered(outlet->shipper.sink_config) ? "true" : "false");
    print_store(outlet, out);
    print_sum(out, "queued", book.queued);
    print_sum(out, "pending", book.pending);
    print_sum(out, "delivered", book.delivered);
    print_sum(out, "shed", book.shed);
    print_sum(out, "rejected", book.rejected);
    print_sum(out, "missed", book.missed);
}

/* ---- all ---- */

void lb_status_print_sinks(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    fputs("\"sinks\":[{", out);
    print_sink(source, now_ns, out);
    fputs(",\"first\":true,\"primary\":true,\"filtered\":false}", out);
    for (unsigned i = 0; i < source->outlets->router.outlets; i++) {
        if (source->outlets->router.outlet[i]->is_detached)
            continue;
        fputs(",{", out);
        print_outlet(source, source->outlets->router.outlet[i], now_ns, out);
        fputc('}', out);
    }
    fputc(']', out);
}

static void print_outlet_text(const struct lb_status_source *source, const struct lb_outlet *outlet,
                              uint64_t now_ns, FILE *out)
{
    struct lb_status_source its = lb_status_of_outlet(source, outlet);
    struct lb_outlet_book book = lb_status_outlet_book(outlet);
    struct lb_shipper_stats stats = lb_status_stats(&its);
    const char *state = lb_status_sink_state(&its, now_ns);
    unsigned long long lost = book.shed.lines + book.rejected.lines + book.missed.lines;
    char wire[32], used[32];

    fprintf(out, "\nsink %s (%s, %s%s): %s", outlet->name, its.shipper->sink->type,
            outlet->is_primary ? "primary" : "secondary",
            lb_sink_is_filtered(its.shipper->sink_config) ? ", a part" : "", state);
    if (stats.last_delivery_ns)
        fprintf(out, ", last delivery %.1f s ago", (double)(now_ns - stats.last_delivery_ns) / 1e9);
    fprintf(out, "\n  %llu lines delivered, %llu wait (%s), %llu lost, %s on the wire\n",
            (unsigned long long)book.delivered.lines, (unsigned long long)book.pending.lines,
            lb_units_print_human(book.pending.bytes, used, sizeof used), lost,
            lb_units_print_human(stats.wire_bytes, wire, sizeof wire));
    if (stats.last_error[0] && strcmp(state, "away") == 0)
        fprintf(out, "  %s\n", stats.last_error);
    if (outlet->is_stalled)
        fputs("  it takes lines more slowly than they come: the pipe waits for it\n", out);
}

static void print_first_text(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    struct lb_shipper_stats sum = lb_status_stats(source), *stats = &sum;
    char raw[32], wire[32];

    fprintf(out, "\nsink %s (%s): %s", source->shipper->sink_config->name, source->shipper->sink->type,
            lb_status_sink_state(source, now_ns));
    if (stats->last_delivery_ns)
        fprintf(out, ", last delivery %.1f s ago", (double)(now_ns - stats->last_delivery_ns) / 1e9);
    fprintf(out, "\n  %llu requests, %llu failed, %llu lines as %s, %s on the wire\n",
            (unsigned long long)stats->requests, (unsigned long long)stats->failures,
            (unsigned long long)stats->lines, lb_units_print_human(stats->raw_bytes, raw, sizeof raw),
            lb_units_print_human(stats->wire_bytes, wire, sizeof wire));
    if (stats->last_error[0] && strcmp(lb_status_sink_state(source, now_ns), "away") == 0)
        fprintf(out, "  %s\n", stats->last_error);
}

void lb_status_print_sinks_text(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    if (source->shipper->sink->transport == LB_TRANSPORT_NONE)
        fputs("\nno sink takes all: delivered, above, is what has come to the queues of those that take a "
              "part\n",
              out);
    else
        print_first_text(source, now_ns, out);
    for (unsigned i = 0; i < source->outlets->router.outlets; i++)
        if (!source->outlets->router.outlet[i]->is_detached)
            print_outlet_text(source, source->outlets->router.outlet[i], now_ns, out);
}
