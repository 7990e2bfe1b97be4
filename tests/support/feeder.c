/* SPDX-License-Identifier: MIT */
/*
 * An application that logs, as seen by itself: writes numbered lines to stdout,
 * one write() each, and measures how long each write() took. What a log
 * collector does to an application shows up here and nowhere else.
 *
 *   feeder --rate LINES_PER_S --seconds S | --lines N
 *          [--first N] [--line-bytes B] [--report FILE]
 *
 * Without --rate it writes as fast as it may. At the end one JSON object goes
 * to stderr or to FILE: how many lines and bytes, and the time of write() in
 * microseconds (p50, p99, p999 within 2 %, max exact). Exit 1 when a write
 * failed, and the report then says how many lines got out.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX 65536
#define SUB_BITS       6 /* 64 buckets for each power of two: 1.6 % wide */
#define BUCKETS        (64 << SUB_BITS)

struct latencies {
    uint64_t count[BUCKETS];
    uint64_t total;
    uint64_t max_ns;
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void note(struct latencies *l, uint64_t ns)
{
    unsigned bucket = (unsigned)ns;

    if (ns >= 1u << SUB_BITS) {
        unsigned power = 63u - (unsigned)__builtin_clzll(ns);

        bucket = ((power - SUB_BITS + 1) << SUB_BITS) +
                 (unsigned)((ns >> (power - SUB_BITS)) & ((1u << SUB_BITS) - 1));
    }
    l->count[bucket]++;
    l->total++;
    if (ns > l->max_ns)
        l->max_ns = ns;
}

/* The value, in microseconds, that so many of a thousand are not above. */
static double quantile_us(const struct latencies *l, uint64_t per_mille)
{
    uint64_t want = (l->total * per_mille + 999) / 1000, seen = 0;

    for (unsigned bucket = 0; bucket < BUCKETS && l->total > 0; bucket++) {
        uint64_t ns = bucket;

        seen += l->count[bucket];
        if (seen < want)
            continue;
        if (bucket >= 1u << SUB_BITS)
            ns = ((1ull << SUB_BITS) + (bucket & ((1u << SUB_BITS) - 1)) + 1) << ((bucket >> SUB_BITS) - 1);
        return (double)(ns < l->max_ns ? ns : l->max_ns) / 1000;
    }
    return 0;
}

static int write_line(const char *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, buf, len);

        if (n >= 0) {
            buf += n;
            len -= (size_t)n;
        } else if (errno ==
                   EAGAIN) { /* somebody made our pipe non-blocking: wait as a blocking write would */
            struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

            poll(&p, 1, -1);
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

static void wait_until(uint64_t at_ns)
{
    struct timespec t = { .tv_sec = (time_t)(at_ns / 1000000000u), .tv_nsec = (long)(at_ns % 1000000000u) };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

struct options {
    double rate_lines_per_s;
    double seconds;
    uint64_t lines;
    uint64_t first;
    size_t line_bytes;
    const char *report;
};

static int options_read(struct options *o, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];

        if (strcmp(argv[i], "--rate") == 0)
            o->rate_lines_per_s = strtod(value, NULL);
        else if (strcmp(argv[i], "--seconds") == 0)
            o->seconds = strtod(value, NULL);
        else if (strcmp(argv[i], "--lines") == 0)
            o->lines = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--first") == 0)
            o->first = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--line-bytes") == 0)
            o->line_bytes = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--report") == 0)
            o->report = value;
        else
            return -EINVAL;
    }
    if (argc % 2 == 0 || o->line_bytes > LINE_BYTES_MAX || (o->seconds <= 0 && o->lines == UINT64_MAX))
        return -EINVAL;
    return 0;
}

/* Writes until lines or time are used up. Returns 0 or a write's error; counts into the rest. */
static int feed(const struct options *o, struct latencies *l, uint64_t *ret_bytes)
{
    static char buf[LINE_BYTES_MAX + 64];
    uint64_t start_ns = now_ns(), end_ns = UINT64_MAX;
    int rc = 0;

    if (o->seconds > 0)
        end_ns = start_ns + (uint64_t)(o->seconds * 1e9);
    for (uint64_t i = 0; i < o->lines && rc == 0; i++) {
        size_t len;
        uint64_t before_ns;

        if (o->rate_lines_per_s > 0) {
            uint64_t due_ns = start_ns + (uint64_t)((double)i / o->rate_lines_per_s * 1e9);

            if (due_ns >= end_ns)
                break;
            wait_until(due_ns);
        }
        len = (size_t)sprintf(buf, "INFO:feeder:line #n=%07" PRIu64 " ", o->first + i);
        while (len + 1 < o->line_bytes) {
            buf[len] = (char)('a' + len % 26);
            len++;
        }
        buf[len++] = '\n';
        before_ns = now_ns();
        if (before_ns >= end_ns)
            break;
        rc = write_line(buf, len);
        if (rc == 0) {
            note(l, now_ns() - before_ns);
            *ret_bytes += len;
        }
    }
    return rc;
}

int main(int argc, char **argv)
{
    static struct latencies l;
    struct options o = { .lines = UINT64_MAX, .line_bytes = 100 };
    uint64_t start_ns = now_ns(), bytes = 0;
    FILE *report = stderr;
    int rc;

    if (options_read(&o, argc, argv) < 0) {
        fprintf(stderr, "usage: feeder [--rate LINES_PER_S] --seconds S | --lines N [--first N] "
                        "[--line-bytes B] [--report FILE]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    rc = feed(&o, &l, &bytes);
    if (rc < 0)
        fprintf(stderr, "feeder: write: %s\n", strerror(-rc));
    if (o.report && !(report = fopen(o.report, "w"))) {
        perror(o.report);
        return 1;
    }
    fprintf(report,
            "{\"lines\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.3f,\"write_us\":{\"p50\":%.1f,"
            "\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}}\n",
            l.total, bytes, (double)(now_ns() - start_ns) / 1e9, quantile_us(&l, 500), quantile_us(&l, 990),
            quantile_us(&l, 999), (double)l.max_ns / 1000);
    if (fclose(report) != 0)
        return 1;
    return rc < 0;
}
