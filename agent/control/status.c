/* SPDX-License-Identifier: MIT */
/* Status, printed. In: the agent's rooms, read only. Out: JSON, or a page for a person. No secret is within
 * reach here. */
#include "agent/control/status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/control/books.h"
#include "agent/control/remote_status.h"
#include "agent/control/status_backlog.h"
#include "agent/control/status_short.h"
#include "agent/control/status_sinks.h"
#include "agent/control/status_spool.h"
#include "agent/control/status_wear.h"
#include "agent/store/killpoint.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/units.h"

static void print_sum(FILE *out, const char *key, struct lb_sum sum)
{
    fprintf(out, "\"%s\":{\"lines\":%llu,\"bytes\":%llu}", key, (unsigned long long)sum.lines,
            (unsigned long long)sum.bytes);
}

static void print_book(FILE *out, const struct lb_book *book, const struct lb_quota_view *quota)
{
    const struct {
        const char *name;
        struct lb_sum sum;
    } rows[] = {
        { "in", book->in },
        { "open", book->open },
        { "queued", book->queued },
        { "held", book->held },
        { "dropped", book->dropped },
        { "pending", book->pending },
        { "delivered", book->delivered },
        { "shed", book->shed },
        { "rejected", book->rejected },
        { "own", book->own },
    };

    fputc('{', out);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_sum(out, rows[i].name, rows[i].sum);
        fputc(',', out);
    }
    fputs("\"dropped_by\":{", out);
    for (unsigned i = 0; i < LB_DROP_COUNT; i++) {
        fputs(i ? "," : "", out);
        print_sum(out, lb_drop_name(i), book->dropped_by[i]);
    }
    fputs("},\"held_by\":{", out);
    for (unsigned i = 0; LB_DROP_FILTER + i < LB_DROP_COUNT; i++) {
        fputs(i ? "," : "", out);
        print_sum(out, lb_drop_name(LB_DROP_FILTER + i), book->held_by[i]);
    }
    fputs("},\"shed_by\":{", out);
    print_sum(
        out, "away",
        (struct lb_sum) { book->shed.lines - book->expired.lines, book->shed.bytes - book->expired.bytes });
    fputc(',', out);
    print_sum(out, "expired", book->expired);
    fputc('}', out);
    if (quota->is_on) {
        fputs(",\"quota\":", out);
        lb_status_print_quota(quota, out);
    }
    fputc('}', out);
}

static void print_books(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    struct lb_quota_view quota = { 0 };
    struct lb_book *books = calloc(LB_SERVICES_BOOKS, sizeof *books), all = { 0 };
    const char *before = "";

    if (!books)
        return;
    lb_books_read(source, books, &all);
    fputs("\"books\":{\"all\":", out);
    print_book(out, &all, &quota);
    fputs(",\"services\":{", out);
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS && !source->is_reduced; row++) {
        const struct lb_state_name *name = &source->state->file->name[row];
        uint64_t len = __atomic_load_n(&name->len, __ATOMIC_ACQUIRE);

        if (len == 0 || len > sizeof name->text)
            continue;
        fprintf(out, "%s\"%.*s\":", before, (int)len, name->text); /* legal names need no escapes */
        lb_shortage_view(source->capture, row,
                         &lb_config_service(source->config, name->text, len)->throttle.quota, now_ns, &quota);
        print_book(out, &books[row], &quota);
        before = ",";
    }
    fputs("}}", out);
    free(books);
}

static void print_ring(const struct lb_status_source *source, FILE *out)
{
    const struct lb_ring *ring = source->ring;
    uint64_t used = lb_ring_head(ring) - lb_ring_tail(ring);
    uint64_t next[2];

    lb_commit_snapshot(&source->state->fast, LB_FAST_RING, LB_RING_NEXT_URGENT, 2, next);
    fprintf(
        out,
        "\"ring\":{\"id\":\"%016llx\",\"size\":%llu,\"used\":%llu,\"fill\":%.4f,\"tmpfs\":%s,\"locked\":%s,",
        (unsigned long long)ring->id, (unsigned long long)ring->size, (unsigned long long)used,
        (double)used / (double)ring->size, source->is_tmpfs ? "true" : "false",
        ring->map.is_locked ? "true" : "false");
    lb_json_print_text(out, "lock_error", ring->map.lock_errno ? strerror(ring->map.lock_errno) : "");
    fprintf(
        out,
        ",\"holes\":%llu,\"lost_bytes\":%llu,\"set_aside\":%s,\"next\":{\"urgent\":%llu,\"routine\":%llu}}",
        (unsigned long long)source->repair->holes, (unsigned long long)source->repair->lost_bytes,
        source->shipper->next_ring ? "true" : "false", (unsigned long long)next[0],
        (unsigned long long)next[1]);
}

uint64_t lb_status_held_used(const struct lb_status_source *source)
{
    const struct lb_held *held = source->capture->held;
    uint64_t chunks = 0;

    for (uint32_t chunk = 0; chunk < held->chunks; chunk++)
        chunks += lb_load(&held->header->words[chunk * LB_HELD_WORDS + LB_HELD_OWNER]) > 0;
    return chunks * LB_HELD_CHUNK_BYTES;
}

static void print_throttle(const struct lb_status_source *source, FILE *out)
{
    const struct lb_held *held = source->capture->held;

    fprintf(out, "\"held\":{\"size\":%llu,\"used\":%llu,\"locked\":%s},\"redact\":{\"jit\":%s}",
            (unsigned long long)held->chunks * LB_HELD_CHUNK_BYTES,
            (unsigned long long)lb_status_held_used(source), held->map.is_locked ? "true" : "false",
            source->uses_jit ? "true" : "false");
}

static void print_syslog(const struct lb_status_source *source, FILE *out)
{
    struct lb_datagram_view view;

    lb_capture_datagrams(source->capture, &view);
    fprintf(out, "\"syslog\":{\"sockets\":%u,\"passed\":%u,\"queue_length\":%llu,\"datagrams\":%llu}",
            view.sockets, view.passed, (unsigned long long)view.queue_length, (unsigned long long)view.taken);
}

static void print_inputs(const struct lb_status_source *source, FILE *out)
{
    struct lb_input_view view;

    fputs("\"inputs\":[", out);
    for (unsigned i = 0; i < lb_capture_inputs(source->capture); i++) {
        lb_capture_input(source->capture, i, &view);
        fprintf(out, "%s{\"name\":\"%s\",\"type\":\"%s\",\"state\":\"%s\",", i ? "," : "", view.name,
                view.type, view.state);
        if (view.is_journal)
            lb_json_print_text(out, "cursor", view.cursor);
        else
            fprintf(out, "\"files\":%u", view.files);
        fputc(',', out);
        lb_json_print_text(out, "error", view.error);
        fputc('}', out);
    }
    fputc(']', out);
}

static void print_clock(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    const struct lb_wall *wall = &source->shipper->wall;

    fprintf(out, "\"clock\":{\"boot_ms\":%llu,\"wall_ms\":%llu,\"synchronized\":%s,\"state\":\"%s\"}",
            (unsigned long long)(lb_clock_boot_ns() / LB_NS_PER_MS),
            (unsigned long long)(lb_clock_wall_ns() / LB_NS_PER_MS), lb_clock_is_synced() ? "true" : "false",
            lb_clock_trust_name(lb_wall_trust(wall, now_ns)));
}

static void print_rest(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    struct lb_memory_part parts[LB_MEMORY_PARTS];
    uint64_t ceiling = lb_config_memory_ceiling(source->config, parts);
    const struct lb_staging *staging = source->capture->staging;

    fprintf(out, "\"staging\":{\"size\":%zu,\"free\":%llu,\"streams\":%u,\"cut\":%llu,\"locked\":%s}",
            staging->map.data_bytes,
            (unsigned long long)LB_CHUNK_BYTES * lb_capture_free_chunks(source->capture),
            lb_capture_streams(source->capture),
            (unsigned long long)__atomic_load_n(&source->capture->cut_streams, __ATOMIC_RELAXED),
            staging->map.is_locked ? "true" : "false");
    fputc(',', out);
    print_clock(source, now_ns, out);
    fprintf(out, ",\"memory\":{\"ceiling\":%llu,\"parts\":{", (unsigned long long)ceiling);
    for (unsigned i = 0; i < LB_MEMORY_PARTS; i++)
        fprintf(out, "%s\"%s\":%llu", i ? "," : "", parts[i].name, (unsigned long long)parts[i].bytes);
    fprintf(out, "}},\"refused\":%llu",
            (unsigned long long)__atomic_load_n(&source->capture->refused, __ATOMIC_RELAXED));
}

void lb_status_print_json(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    fprintf(out, "{\"version\":\"" LB_VERSION "\",\"pid\":%d,\"uptime_s\":%.3f,", (int)getpid(),
            (double)(now_ns - source->started_ns) / 1e9);
    lb_json_print_text(out, "runtime_dir", source->config->runtime_dir);
    fputc(',', out);
    lb_json_print_text(out, "hostname", source->config->hostname);
    fputc(',', out);
    print_books(source, now_ns, out);
    fputc(',', out);
    lb_status_print_sinks(source, now_ns, out);
    fputc(',', out);
    print_ring(source, out);
    fputc(',', out);
    print_throttle(source, out);
    fputc(',', out);
    lb_status_print_backlog(source, now_ns, out);
    fputc(',', out);
    lb_status_print_spool(source, out);
    fputc(',', out);
    lb_status_print_wear(source, now_ns, out);
    fputc(',', out);
    lb_status_print_short(source, now_ns, out);
    fputc(',', out);
    print_inputs(source, out);
    fputc(',', out);
    print_syslog(source, out);
    fputc(',', out);
    lb_status_print_remote(source, now_ns, out);
    fputc(',', out);
    print_rest(source, now_ns, out);
    fputs("}\n", out);
}

/* ---- for people ---- */

static void print_row(FILE *out, const char *name, int name_len, const struct lb_book *book)
{
    uint64_t lost = book->shed.lines + book->rejected.lines;

    fprintf(out, "  %-22.*s %10llu %10llu %10llu %8llu %8llu %8llu\n", name_len, name,
            (unsigned long long)book->in.lines, (unsigned long long)book->delivered.lines,
            (unsigned long long)book->pending.lines, (unsigned long long)book->held.lines,
            (unsigned long long)book->dropped.lines, (unsigned long long)lost);
}

static void print_services(const struct lb_status_source *source, FILE *out)
{
    struct lb_book *books = calloc(LB_SERVICES_BOOKS, sizeof *books), all = { 0 };

    if (!books)
        return;
    lb_books_read(source, books, &all);
    fprintf(out, "\nlines\n  %-22s %10s %10s %10s %8s %8s %8s\n", "service", "in", "delivered", "pending",
            "held", "dropped", "lost");
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++) {
        const struct lb_state_name *name = &source->state->file->name[row];
        uint64_t len = __atomic_load_n(&name->len, __ATOMIC_ACQUIRE);

        if (len > 0 && len <= sizeof name->text)
            print_row(out, name->text, (int)len, &books[row]);
    }
    print_row(out, "all", 3, &all);
    free(books);
}

static void print_inputs_text(const struct lb_status_source *source, FILE *out)
{
    struct lb_input_view view;

    for (unsigned i = 0; i < lb_capture_inputs(source->capture); i++) {
        lb_capture_input(source->capture, i, &view);
        fprintf(out, "\ninput %s (%s): %s", view.name, view.type, view.state);
        if (!view.is_journal)
            fprintf(out, ", %u files", view.files);
        fprintf(out, "\n%s%s%s", view.error[0] ? "  " : "", view.error, view.error[0] ? "\n" : "");
    }
}

void lb_status_print_text(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    uint64_t used = lb_ring_head(source->ring) - lb_ring_tail(source->ring);
    char size[32], fill[32];

    fprintf(out, "logboom " LB_VERSION " on %s, up %llu s, pid %d, %s\n", source->config->hostname,
            (unsigned long long)((now_ns - source->started_ns) / LB_NS_PER_S), (int)getpid(),
            source->config->runtime_dir);
    print_services(source, out);
    lb_status_print_sinks_text(source, now_ns, out);
    fprintf(out, "\nring %s of %s in use (%.0f %%), %s%s\n", lb_units_print_human(used, fill, sizeof fill),
            lb_units_print_human(source->ring->size, size, sizeof size),
            100.0 * (double)used / (double)source->ring->size,
            source->is_tmpfs ? "in RAM" : "NOT on tmpfs: this wears the card",
            source->ring->map.is_locked ? ", locked" : ", not locked (may be swapped)");
    if (source->repair->holes)
        fprintf(out, "  %llu damaged stretches were found at start\n",
                (unsigned long long)source->repair->holes);
    lb_status_print_backlog_text(source, now_ns, out);
    lb_status_print_spool_text(source, out);
    lb_status_print_wear_text(source, now_ns, out);
    lb_status_print_short_text(source, now_ns, out);
    print_inputs_text(source, out);
    lb_status_print_remote_text(source, now_ns, out);
}
