/* SPDX-License-Identifier: MIT */
/* Numbers for Prometheus. In: the agent's rooms, read only. Out: text. Always true: each family is told once,
 * its series together, and each series once; no secret is within reach here. */
#include "agent/control/metrics.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "agent/control/books.h"
#include "agent/control/metrics_parts.h"
#include "agent/control/remote_status.h"
#include "agent/control/status_backlog.h"
#include "common/clock.h"

void lb_metrics_put_label(FILE *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c == '\\' || c == '"')
            fprintf(out, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", out);
        else
            fputc(c >= ' ' && c < 0x7f ? c : '?', out);
    }
}

void lb_metrics_family(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP logboom_%s %s\n# TYPE logboom_%s %s\n", name, help, name, type);
}

/* A family of one series without labels. */
static void single(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
    lb_metrics_family(out, name, type, help);
    fprintf(out, "logboom_%s %llu\n", name, (unsigned long long)value);
}

void lb_metrics_begin_series(FILE *out, const char *name, const char *label, const char *value, size_t len)
{
    fprintf(out, "logboom_%s{%s=\"", name, label);
    lb_metrics_put_label(out, value, len);
    fputc('"', out);
}

static void end_series(FILE *out, uint64_t value)
{
    fprintf(out, "} %llu\n", (unsigned long long)value);
}

/* ---- books ---- */

struct books {
    const struct lb_state *state;
    struct lb_book *book; /* LB_SERVICES_BOOKS of them */
};

/* The name of a row's service; 0: it has none. */
static size_t name_of(const struct books *books, uint32_t row, const char **ret_name)
{
    const struct lb_state_name *name = &books->state->file->name[row];
    uint64_t len = __atomic_load_n(&name->len, __ATOMIC_ACQUIRE);

    *ret_name = name->text;
    return len <= sizeof name->text ? len : 0;
}

/* One of both families of a sum: "in" and "lines" give logboom_in_lines_total. */
struct sums {
    const char *name, *type, *help;
    size_t at;        /* of the struct lb_sum, or of the first, in a book */
    unsigned reasons; /* 0: one sum, without a reason */
    unsigned first_reason;
};

static const struct sums sums[] = {
    { "in", LB_COUNTER, "that came in: open, queued, held and dropped.", offsetof(struct lb_book, in), 0, 0 },
    { "open", LB_GAUGE, "of records whose end has not come yet.", offsetof(struct lb_book, open), 0, 0 },
    { "queued", LB_COUNTER, "that were queued: pending, delivered, shed and rejected.",
      offsetof(struct lb_book, queued), 0, 0 },
    { "pending", LB_GAUGE, "that wait for the sink.", offsetof(struct lb_book, pending), 0, 0 },
    { "delivered", LB_COUNTER, "that the sink took.", offsetof(struct lb_book, delivered), 0, 0 },
    { "rejected", LB_COUNTER, "that the sink will never take.", offsetof(struct lb_book, rejected), 0, 0 },
    { "own", LB_COUNTER, "of records of logboom's own, which are in no other of these.",
      offsetof(struct lb_book, own), 0, 0 },
    { "dropped", LB_COUNTER, "that were dropped before they were queued, by reason.",
      offsetof(struct lb_book, dropped_by), LB_DROP_COUNT, 0 },
    { "held", LB_GAUGE, "that are throttled and kept in RAM, by reason.", offsetof(struct lb_book, held_by),
      LB_DROP_COUNT - LB_DROP_FILTER, LB_DROP_FILTER },
};

static uint64_t value_of(const struct lb_sum *sum, bool is_bytes)
{
    return is_bytes ? sum->bytes : sum->lines;
}

static void print_family(const struct books *books, const struct sums *row, bool is_bytes, FILE *out)
{
    char name[64], help[160];

    snprintf(name, sizeof name, "%s_%s%s", row->name, is_bytes ? "bytes" : "lines",
             strcmp(row->type, LB_COUNTER) == 0 ? "_total" : "");
    snprintf(help, sizeof help, "%s %s", is_bytes ? "Bytes" : "Lines", row->help);
    lb_metrics_family(out, name, row->type, help);
    for (uint32_t i = 0; i < LB_SERVICES_BOOKS; i++) {
        const struct lb_sum *sum = (const void *)((const char *)&books->book[i] + row->at);
        const char *service;
        size_t len = name_of(books, i, &service);

        for (unsigned k = 0; len > 0 && k < (row->reasons ? row->reasons : 1); k++) {
            lb_metrics_begin_series(out, name, "service", service, len);
            if (row->reasons)
                fprintf(out, ",reason=\"%s\"", lb_drop_name(row->first_reason + k));
            end_series(out, value_of(&sum[k], is_bytes));
        }
    }
}

/* Shed, but expired is told apart. */
static void print_shed(const struct books *books, bool is_bytes, FILE *out)
{
    const char *name = is_bytes ? "shed_bytes_total" : "shed_lines_total";

    lb_metrics_family(out, name, LB_COUNTER,
                      is_bytes ? "Bytes that were queued and then given up, by reason."
                               : "Lines that were queued and then given up, by reason.");
    for (uint32_t i = 0; i < LB_SERVICES_BOOKS; i++) {
        uint64_t all = value_of(&books->book[i].shed, is_bytes),
                 expired = value_of(&books->book[i].expired, is_bytes);
        const char *service;
        size_t len = name_of(books, i, &service);

        if (len == 0)
            continue;
        lb_metrics_begin_series(out, name, "service", service, len);
        fputs(",reason=\"away\"", out);
        end_series(out, all - expired);
        lb_metrics_begin_series(out, name, "service", service, len);
        fputs(",reason=\"expired\"", out);
        end_series(out, expired);
    }
}

static void print_books(const struct lb_status_source *source, FILE *out)
{
    struct books books = { source->state, calloc(LB_SERVICES_BOOKS, sizeof *books.book) };
    struct lb_book all;

    if (!books.book)
        return;
    lb_books_read(source, books.book, &all);
    for (int is_bytes = 0; is_bytes < 2; is_bytes++) {
        for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
            print_family(&books, &sums[i], is_bytes, out);
        print_shed(&books, is_bytes, out);
    }
    free(books.book);
}

/* ---- room ---- */

static void print_room(const struct lb_status_source *source, FILE *out)
{
    const struct lb_ring *ring = source->ring;
    const struct lb_staging *staging = source->capture->staging;
    uint64_t size = staging->map.data_bytes;
    uint64_t left = (uint64_t)LB_CHUNK_BYTES * lb_capture_free_chunks(source->capture);

    single(out, "ring_size_bytes", LB_GAUGE, "Size of the queue ring.", ring->size);
    single(out, "ring_used_bytes", LB_GAUGE, "Bytes of it that wait for the sink.",
           lb_ring_head(ring) - lb_ring_tail(ring));
    single(out, "ring_tmpfs", LB_GAUGE, "1 if the ring is in RAM, 0 if it wears the card.", source->is_tmpfs);
    single(out, "ring_locked", LB_GAUGE, "1 if the ring cannot be swapped out.", ring->map.is_locked);
    single(out, "ring_holes", LB_GAUGE, "Damaged stretches that were found in the ring at start.",
           source->repair->holes);
    single(out, "ring_set_aside", LB_GAUGE, "1 while a ring of another size is drained first.",
           source->shipper->next_ring != NULL);
    if (source->drain) {
        single(out, "backlog_size_bytes", LB_GAUGE, "Size of the backlog.", lb_status_backlog_size(source));
        single(out, "backlog_used_bytes", LB_GAUGE, "Bytes of it that are taken.",
               lb_status_backlog_used(source));
        single(out, "backlog_lines", LB_GAUGE, "Lines in it.", source->drain->backlog->sum.lines);
    }
    single(out, "held_pool_size_bytes", LB_GAUGE, "Size of the pool for what is throttled.",
           (uint64_t)source->capture->held->chunks * LB_HELD_CHUNK_BYTES);
    single(out, "held_pool_used_bytes", LB_GAUGE, "Bytes of it in chunks that are taken.",
           lb_status_held_used(source));
    single(out, "staging_size_bytes", LB_GAUGE, "Size of staging.", size);
    single(out, "staging_used_bytes", LB_GAUGE, "Bytes of it in chunks that are taken.",
           size > left ? size - left : 0);
}

static void print_memory(const struct lb_status_source *source, FILE *out)
{
    struct lb_memory_part parts[LB_MEMORY_PARTS];
    uint64_t ceiling = lb_config_memory_ceiling(source->config, parts);

    single(out, "memory_ceiling_bytes", LB_GAUGE,
           "The most memory that the agent takes for lines and shipping.", ceiling);
    lb_metrics_family(out, "memory_part_bytes", LB_GAUGE, "What the ceiling is made of.");
    for (unsigned i = 0; i < LB_MEMORY_PARTS; i++) {
        lb_metrics_begin_series(out, "memory_part_bytes", "part", parts[i].name, strlen(parts[i].name));
        end_series(out, parts[i].bytes);
    }
}

/* ---- what runs short ---- */

static void print_network(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    struct lb_quota_view view;

    single(out, "pressure_step", LB_GAUGE, "Step of the ladder of pressure, 0 to 3.",
           lb_shortage_pressure(source->capture));
    lb_shortage_view(source->capture, LB_METER_ALL, &source->config->quota, now_ns, &view);
    if (!view.is_on)
        return;
    single(out, "network_quota_bytes", LB_GAUGE, "The quota of the day or the month that it is.",
           view.quota.bytes);
    single(out, "network_quota_spent_bytes", LB_GAUGE,
           "Bytes of it that are spent, what is queued among them.", view.spent);
    single(out, "network_quota_step", LB_GAUGE, "Step of its ladder, 0 to 7.", view.step);
}

enum quota_number { QUOTA_LIMIT = 0, QUOTA_SPENT, QUOTA_STEP, QUOTA_NUMBERS };

/* Of services that have a quota of their own: nothing is printed where none has. */
static void print_service_quotas(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    static const char *const names[QUOTA_NUMBERS][2] = {
        { "service_quota_bytes", "The quota of a service for the day or the month that it is." },
        { "service_quota_spent_bytes", "Bytes of it that are spent, what is queued among them." },
        { "service_quota_step", "Step of its ladder, 0 to 7." },
    };

    for (int number = 0; number < QUOTA_NUMBERS; number++) {
        bool has_family = false;

        for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++) {
            const struct books books = { source->state, NULL };
            struct lb_quota_view view;
            const char *name;
            size_t len = name_of(&books, row, &name);

            if (len == 0)
                continue;
            lb_shortage_view(source->capture, row,
                             &lb_config_service(source->config, name, len)->throttle.quota, now_ns, &view);
            if (!view.is_on)
                continue;
            if (!has_family)
                lb_metrics_family(out, names[number][0], LB_GAUGE, names[number][1]);
            has_family = true;
            lb_metrics_begin_series(out, names[number][0], "service", name, len);
            end_series(out, number == QUOTA_LIMIT   ? view.quota.bytes
                            : number == QUOTA_SPENT ? view.spent
                                                    : view.step);
        }
    }
}

/* ---- the rest ---- */

static void print_clock(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    enum lb_clock_trust trust = lb_wall_trust(&source->shipper->wall, now_ns);

    single(out, "clock_synchronized", LB_GAUGE, "1 if somebody disciplines the wall clock.",
           lb_clock_is_synced());
    lb_metrics_family(out, "clock_state", LB_GAUGE,
                      "1 for how far a record's time is trusted now, 0 for the others.");
    for (int i = 0; i < LB_CLOCK_TRUST_COUNT; i++) {
        const char *name = lb_clock_trust_name((enum lb_clock_trust)i);

        lb_metrics_begin_series(out, "clock_state", "state", name, strlen(name));
        end_series(out, i == (int)trust);
    }
}

static void print_inputs(const struct lb_status_source *source, FILE *out)
{
    unsigned count = lb_capture_inputs(source->capture);
    struct lb_input_view view;

    if (count == 0)
        return;
    lb_metrics_family(out, "input_info", LB_GAUGE,
                      "Always 1; the type of an input, and the state that it is in.");
    for (unsigned i = 0; i < count; i++) {
        lb_capture_input(source->capture, i, &view);
        lb_metrics_begin_series(out, "input_info", "input", view.name, strlen(view.name));
        fprintf(out, ",type=\"%s\",state=\"%s\"} 1\n", view.type, view.state);
    }
    lb_metrics_family(out, "input_files", LB_GAUGE, "Files that an input follows.");
    for (unsigned i = 0; i < count; i++) {
        lb_capture_input(source->capture, i, &view);
        lb_metrics_begin_series(out, "input_files", "input", view.name, strlen(view.name));
        end_series(out, view.files);
    }
}

static void print_capture(const struct lb_status_source *source, FILE *out)
{
    const struct lb_capture *capture = source->capture;
    struct lb_datagram_view view;

    lb_capture_datagrams(capture, &view);
    single(out, "streams", LB_GAUGE, "Pipes that are read.", lb_capture_streams(capture));
    single(out, "streams_cut_total", LB_COUNTER, "Streams whose last line went out unfinished.",
           __atomic_load_n(&capture->cut_streams, __ATOMIC_RELAXED));
    single(out, "refused_connections_total", LB_COUNTER, "Connections of clients that were turned away.",
           __atomic_load_n(&capture->refused, __ATOMIC_RELAXED));
    single(out, "syslog_sockets", LB_GAUGE, "Sockets that syslog messages come by.", view.sockets);
    single(out, "syslog_datagrams_total", LB_COUNTER, "Syslog messages that were taken.", view.taken);
    single(out, "syslog_queue_datagrams", LB_GAUGE, "Messages that a socket holds before senders wait.",
           view.queue_length);
}

void lb_metrics_print(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    lb_metrics_family(out, "build_info", LB_GAUGE, "Always 1; the version.");
    fputs("logboom_build_info{version=\"" LB_VERSION "\"} 1\n", out);
    lb_metrics_family(out, "uptime_seconds", LB_GAUGE, "Time since the agent's start.");
    fprintf(out, "logboom_uptime_seconds %.3f\n", (double)(now_ns - source->started_ns) / 1e9);
    print_books(source, out);
    lb_metrics_print_sinks(source, now_ns, out);
    print_room(source, out);
    print_network(source, now_ns, out);
    print_service_quotas(source, now_ns, out);
    print_memory(source, out);
    print_clock(source, now_ns, out);
    print_capture(source, out);
    print_inputs(source, out);
    lb_metrics_print_remote(source, out);
}
