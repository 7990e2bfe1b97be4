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
#include "common/clock.h"
#include "common/level.h"
#include "common/units.h"

#define LINES_DEFAULT 10
#define LINES_MAX     1000000
#define LOOK_EVERY_MS 200

struct tail {
    bool follows, is_json;
    uint64_t lines;
    const char *service, *text;
    int level;
    uint64_t since_ms; /* 0: from the oldest */
    struct lb_ring_reader reader;
    struct lb_config *config;
    struct lb_encoder *encoder;
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
            continue; /* nothing is held before the throttle exists */
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

static bool matches(const struct tail *tail, const struct lb_record *record, uint64_t now_ns)
{
    if (tail->level >= 0 && record->severity > tail->level)
        return false;
    if (tail->since_ms && record->boot_ns + tail->since_ms * LB_NS_PER_MS < now_ns)
        return false;
    if (tail->service && (strlen(tail->service) != record->service_len ||
                          memcmp(tail->service, lb_record_service(record), record->service_len) != 0))
        return false;
    if (!tail->text)
        return true;
    return record->kind == LB_KIND_LINE &&
           memmem(lb_record_body(record), record->body_len, tail->text, strlen(tail->text)) != NULL;
}

/* One record as text in tail->buf, without a line end. */
static size_t format(struct tail *tail, const struct lb_record *record, uint64_t ring_id)
{
    uint64_t offset = lb_clock_wall_ns() - lb_clock_boot_ns(), wall_ns = record->boot_ns + offset;
    time_t wall_s = (time_t)(wall_ns / LB_NS_PER_S);
    struct lb_receipt receipt;
    struct tm tm;
    size_t len;

    if (tail->is_json) {
        tail->encoder->ring_id = ring_id;
        tail->encoder->wall_minus_boot_ns = offset;
        return (size_t)(lb_encode_record(tail->encoder, record, 0, tail->buf) - tail->buf);
    }
    localtime_r(&wall_s, &tm);
    len = strftime(tail->buf, 64, "%F %T", &tm);
    len += (size_t)sprintf(tail->buf + len,
                           ".%03llu %-9s %.*s: ", (unsigned long long)(wall_ns / LB_NS_PER_MS % 1000),
                           lb_level_name(record->severity), record->service_len, lb_record_service(record));
    if (record->kind == LB_KIND_RECEIPT && record->body_len == sizeof receipt) {
        memcpy(&receipt, lb_record_body(record), sizeof receipt);
        return len + lb_encode_receipt_text(&receipt, tail->buf + len, 256);
    }
    memcpy(tail->buf + len, lb_record_body(record), record->body_len);
    return len + record->body_len;
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

    for (;;) {
        const struct lb_record *record;

        if (fflush(stdout) != 0)
            return errno == EPIPE ? 0 : 1;
        nanosleep(&pause, NULL);
        while ((record = lb_ring_reader_next(&tail->reader, &ring_id)))
            if (matches(tail, record, lb_clock_boot_ns()))
                print(tail->buf, format(tail, record, ring_id));
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

    tail->kept = calloc(tail->lines ? tail->lines : 1, sizeof *tail->kept);
    tail->buf = malloc(6 * tail->reader.record_room + LB_ENCODE_ENVELOPE_MAX + LB_ENCODE_MEMBERS_MAX + 4096);
    if (!tail->kept || !tail->buf || (tail->is_json && make_encoder(tail) != 0))
        return 1;
    while ((record = lb_ring_reader_next(&tail->reader, &ring_id)))
        if (matches(tail, record, now_ns))
            keep(tail, format(tail, record, ring_id));
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

int lb_offline_tail(int argc, char **argv)
{
    struct tail tail = { .lines = LINES_DEFAULT, .level = -1 };
    int rc = read_options(&tail, argc, argv);

    if (rc != 0)
        return rc;
    rc = lb_ring_reader_open(&tail.reader);
    if (rc < 0) {
        fprintf(stderr, "logboom tail: the agent cannot be reached: %s\n", strerror(-rc));
        return rc == -EPROTO ? 1 : 3;
    }
    rc = show(&tail);
    clean_up(&tail);
    return rc;
}
