/* SPDX-License-Identifier: MIT */
/* `logboom tail`. In: options, an agent's rings. Out: lines on stdout, filtered, the last N and then, with
 * -f, new ones. */
#include "agent/offline/tail.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/offline/ring_reader.h"
#include "agent/ship/encode.h"
#include "agent/ship/encode_own.h"
#include "agent/store/extra.h"
#include "common/clock.h"
#include "common/level.h"
#include "common/units.h"

#define LINES_DEFAULT 10
#define LINES_MAX     1000000
#define LOOK_EVERY_MS 200

struct tail {
    bool follows, is_json, is_held_only;
    uint64_t lines;
    const char *service, *text;
    int level;
    uint64_t since_ms; /* 0: from the oldest */
    struct lb_ring_reader reader;
    const struct lb_record *queued; /* of the ring, not shown yet */
    uint64_t queued_ring_id;
    struct lb_config *config;
    struct lb_encoder *encoder;
    struct lb_wall wall;
    char *buf;
    char **kept; /* the last `lines` of what matched, as a circle */
    uint64_t kept_count;
};

static int usage(const char *fault)
{
    fprintf(stderr, "logboom tail: %s\n", fault);
    return 2;
}

static int read_options(struct tail *tail, int argc, char **argv)
{
    static const struct option longs[] = { { "since", required_argument, NULL, 'S' },
                                           { "held", no_argument, NULL, 'H' },
                                           { "json", no_argument, NULL, 'j' },
                                           { NULL, 0, NULL, 0 } };
    int c;

    optind = 1;
    while ((c = getopt_long(argc, argv, "fn:s:p:g:", longs, NULL)) != -1) {
        if (c == 'f')
            tail->follows = true;
        else if (c == 'j')
            tail->is_json = true;
        else if (c == 's')
            tail->service = optarg;
        else if (c == 'g')
            tail->text = optarg;
        else if (c == 'H')
            tail->is_held_only = true;
        else if (c == 'p' && (tail->level = lb_level_parse(optarg, strlen(optarg))) < 0)
            return usage("-p takes a level: emergency alert critical error warning notice info debug");
        else if (c == 'n' && (lb_units_number(optarg, &tail->lines) < 0 || tail->lines > LINES_MAX))
            return usage("-n takes a number up to 1000000");
        else if (c == 'S' && lb_units_duration(optarg, &tail->since_ms) < 0)
            return usage("--since takes a duration like 10m");
        else if (c == '?')
            return 2;
    }
    return optind < argc ? usage("takes no arguments beside its options") : 0;
}

/* The next record of queue and held together, by the time that they were captured at; NULL: none now. */
static const struct lb_record *next(struct tail *tail, uint64_t *ring_id, bool *ret_is_held)
{
    const struct lb_record *held = lb_held_reader_peek(&tail->reader.held);

    *ret_is_held = false;
    if (!tail->queued && !tail->is_held_only)
        tail->queued = lb_ring_reader_next(&tail->reader, &tail->queued_ring_id);
    if (held && (!tail->queued || held->boot_ns < tail->queued->boot_ns)) {
        lb_held_reader_take(&tail->reader.held);
        *ret_is_held = true;
        *ring_id = 0;
        return held;
    }
    held = tail->queued;
    tail->queued = NULL;
    *ring_id = tail->queued_ring_id;
    return held;
}

static bool matches(const struct tail *tail, const struct lb_record *record, uint64_t now_ns)
{
    const char *text;
    uint32_t text_len;

    if (tail->level >= 0 && record->severity > tail->level)
        return false;
    if (tail->since_ms && record->boot_ns + tail->since_ms * LB_NS_PER_MS < now_ns)
        return false;
    if (tail->service && (strlen(tail->service) != record->service_len ||
                          memcmp(tail->service, lb_record_service(record), record->service_len) != 0))
        return false;
    if (!tail->text)
        return true;
    text = lb_record_text(record, &text_len);
    return record->kind == LB_KIND_LINE && memmem(text, text_len, tail->text, strlen(tail->text)) != NULL;
}

/* A held record as an object: it has no number, and says that it is held. */
static size_t format_held(struct tail *tail, const struct lb_record *record)
{
    static const char mark[] = "\"held\":true,";
    const char *members;
    struct lb_record *copy = (struct lb_record *)(uintptr_t)record; /* the reader's own */
    size_t len;
    char *at;

    copy->n = 0;
    len = (size_t)(lb_encode_record(tail->encoder, copy, 0, tail->buf) - tail->buf);
    members = memmem(tail->buf, len, "\"logboom\":{", 11);
    if (!members)
        return len;
    at = tail->buf + (members - tail->buf) + 11;
    memmove(at + sizeof mark - 1, at, len - (size_t)(at - tail->buf));
    memcpy(at, mark, sizeof mark - 1);
    return len + sizeof mark - 1;
}

/* One record as text in tail->buf, without a line end. */
static size_t format(struct tail *tail, const struct lb_record *record, uint64_t ring_id, bool is_held)
{
    struct lb_wall_reading reading = { lb_clock_boot_ns(), lb_clock_wall_ns(), lb_clock_is_synced() };
    uint64_t wall_ns;
    time_t wall_s;
    const char *text;
    uint32_t text_len;
    struct tm tm;
    size_t len, own_len;

    lb_wall_look(&tail->wall, &reading);
    wall_ns = record->boot_ns + lb_wall_offset_ns(&tail->wall);
    wall_s = (time_t)(wall_ns / LB_NS_PER_S);
    if (tail->is_json) {
        tail->encoder->ring_id = ring_id;
        tail->encoder->stamps = lb_stamps_of(&tail->wall, reading.boot_ns);
        return is_held ? format_held(tail, record)
                       : (size_t)(lb_encode_record(tail->encoder, record, 0, tail->buf) - tail->buf);
    }
    localtime_r(&wall_s, &tm);
    len = strftime(tail->buf, 64, "%F %T", &tm);
    len +=
        (size_t)sprintf(tail->buf + len, ".%03llu %-9s %.*s: %s",
                        (unsigned long long)(wall_ns / LB_NS_PER_MS % 1000), lb_level_name(record->severity),
                        record->service_len, lb_record_service(record), is_held ? "(held) " : "");
    own_len = lb_own_text(record, tail->buf + len, LB_OWN_TEXT_MAX);
    if (own_len > 0)
        return len + own_len;
    text = lb_record_text(record, &text_len);
    memcpy(tail->buf + len, text, text_len);
    return len + text_len;
}

static void keep(struct tail *tail, size_t len)
{
    char **place;

    if (tail->lines == 0)
        return;
    place = &tail->kept[tail->kept_count++ % tail->lines];
    free(*place);
    *place = malloc(sizeof len + len);
    if (!*place)
        return;
    memcpy(*place, &len, sizeof len);
    memcpy(*place + sizeof len, tail->buf, len);
}

static void print(const char *text, size_t len)
{
    fwrite(text, 1, len, stdout);
    putchar('\n');
}

static void print_kept(struct tail *tail)
{
    uint64_t from = tail->kept_count > tail->lines ? tail->kept_count - tail->lines : 0;

    for (uint64_t i = from; i < tail->kept_count; i++) {
        char *text = tail->kept[i % tail->lines];
        size_t len;

        if (!text)
            continue;
        memcpy(&len, text, sizeof len);
        print(text + sizeof len, len);
    }
}

static int follow(struct tail *tail)
{
    const struct timespec pause = { .tv_nsec = LOOK_EVERY_MS * 1000000l };
    uint64_t ring_id;
    bool is_held;

    for (;;) {
        const struct lb_record *record;

        if (fflush(stdout) != 0)
            return errno == EPIPE ? 0 : 1;
        nanosleep(&pause, NULL);
        while ((record = next(tail, &ring_id, &is_held)))
            if (matches(tail, record, lb_clock_boot_ns()))
                print(tail->buf, format(tail, record, ring_id, is_held));
        if (tail->reader.skipped > 0) {
            fprintf(stderr, "logboom tail: the writer was faster; some lines are not shown\n");
            tail->reader.skipped = 0;
        }
    }
}

/* As the agent's file sink would print: its hostname, tags and sources. */
static int make_encoder(struct tail *tail)
{
    struct lb_config_faults faults = { 0 };
    int rc = lb_config_load(tail->reader.config_path, LB_CONFIG_CHECK, &tail->config, &faults);

    lb_config_faults_free(&faults);
    if (rc < 0) {
        fprintf(stderr, "logboom tail: --json needs the agent's configuration, and %s cannot be read\n",
                tail->reader.config_path);
        return 1;
    }
    tail->encoder = malloc(sizeof *tail->encoder);
    if (!tail->encoder)
        return 1;
    lb_encoder_init(tail->encoder, tail->config, LB_SEQUENCE_ALL, 0);
    return 0;
}

static int show(struct tail *tail)
{
    uint64_t ring_id, now_ns = lb_clock_boot_ns();
    const struct lb_record *record;
    bool is_held;

    tail->kept = calloc(tail->lines ? tail->lines : 1, sizeof *tail->kept);
    tail->buf = malloc(lb_encode_bound_of(tail->reader.record_room, true) + 4096);
    if (!tail->kept || !tail->buf || (tail->is_json && make_encoder(tail) != 0))
        return 1;
    while ((record = next(tail, &ring_id, &is_held)))
        if (matches(tail, record, now_ns))
            keep(tail, format(tail, record, ring_id, is_held));
    tail->reader.skipped = 0;
    print_kept(tail);
    return tail->follows ? follow(tail) : fflush(stdout) == 0 ? 0 : 1;
}

static void clean_up(struct tail *tail)
{
    for (uint64_t i = 0; tail->kept && i < tail->lines; i++)
        free(tail->kept[i]);
    free(tail->kept);
    free(tail->buf);
    free(tail->encoder);
    lb_config_free(tail->config);
    lb_ring_reader_close(&tail->reader);
}

static uint64_t since_ns(const struct tail *tail)
{
    uint64_t now_ns = lb_clock_boot_ns(), span_ns = tail->since_ms * LB_NS_PER_MS;

    return tail->since_ms && now_ns > span_ns ? now_ns - span_ns : 0;
}

int lb_offline_tail(int argc, char **argv)
{
    struct tail tail = { .lines = LINES_DEFAULT, .level = -1 };
    int rc = read_options(&tail, argc, argv);

    if (rc != 0)
        return rc;
    tail.reader.wants_backlog = !tail.is_held_only;
    tail.reader.wish = (struct lb_backlog_wish) {
        .level = tail.level,
        .service = tail.service,
        .since_ns = since_ns(&tail),
    };
    rc = lb_ring_reader_open(&tail.reader);
    if (rc < 0) {
        fprintf(stderr, "logboom tail: the agent cannot be reached: %s\n", strerror(-rc));
        return rc == -EPROTO ? 1 : 3;
    }
    rc = show(&tail);
    clean_up(&tail);
    return rc;
}
