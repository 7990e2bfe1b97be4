/* SPDX-License-Identifier: MIT */
/*
 * A corpus of log lines as Python services write them, the same for the same
 * seed: nine styles in turn by chance, about 134 bytes a line, with enough
 * noise (floats, uuids, addresses) that `zstd -3` makes it about 5.4 times
 * smaller, like the corpus of facts/peers.md. Each line carries its number,
 * "#n=0000123", so that a receiver can tell what is missing, twice or moved.
 *
 *   corpus --bytes 500M [--seed 1] [--first 0]    stops after the line that reaches so many bytes
 *   corpus --lines 1000 ...                       or after so many lines
 *   corpus --rate 100 ...                         one write() a line, so many lines a second
 *
 * It has to outrun what it feeds, so it formats by hand: no printf below main.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES   (256 * 1024)
#define LINE_BYTES_MAX 1024

struct out {
    char *at; /* next byte to write */
    uint64_t random;
    uint64_t number;  /* of the line */
    uint64_t wall_us; /* time told in the line; moves on a little with each */
    char job[37];     /* a job and a request are spoken of more than once, as in life */
    char request[17];
};

static uint64_t random_next(struct out *o)
{
    uint64_t x = o->random; /* xorshift64*: good enough for noise, and fast */

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    o->random = x;
    return (x * 0x2545f4914f6cdd1dull) >> 16;
}

static uint64_t below(struct out *o, uint64_t limit)
{
    return random_next(o) % limit;
}

static void text(struct out *o, const char *s)
{
    size_t len = strlen(s);

    memcpy(o->at, s, len);
    o->at += len;
}

#define PICK(o, list) ((list)[below((o), sizeof(list) / sizeof((list)[0]))])

static void digits(struct out *o, uint64_t value, int width)
{
    char buf[20];
    int n = 0;

    do {
        buf[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (width-- > n)
        *o->at++ = '0';
    while (n > 0)
        *o->at++ = buf[--n];
}

static void hex(struct out *o, int count)
{
    uint64_t bits = 0;

    for (int i = 0; i < count; i++) {
        if (i % 12 == 0)
            bits = random_next(o);
        *o->at++ = "0123456789abcdef"[bits & 15];
        bits >>= 4;
    }
}

/* A uuid: the last one again, or a new one. */
static void job(struct out *o)
{
    static const int groups[] = { 8, 4, 4, 4, 12 };
    char *start = o->at;

    if (o->job[0] != '\0' && below(o, 3) > 0) {
        text(o, o->job);
        return;
    }
    for (int i = 0; i < 5; i++) {
        if (i > 0)
            *o->at++ = '-';
        hex(o, groups[i]);
    }
    memcpy(o->job, start, sizeof(o->job) - 1);
}

static void request(struct out *o)
{
    if (o->request[0] == '\0' || below(o, 3) == 0) {
        hex(o, 16);
        memcpy(o->request, o->at - 16, 16);
        return;
    }
    text(o, o->request);
}

static void real(struct out *o, uint64_t whole_max, int decimals)
{
    uint64_t scale = 1;

    for (int i = 0; i < decimals; i++)
        scale *= 10;
    digits(o, below(o, whole_max), 1);
    *o->at++ = '.';
    digits(o, below(o, scale), decimals);
}

static void address(struct out *o)
{
    text(o, below(o, 3) ? "10.20." : "192.168.");
    digits(o, below(o, 4), 1);
    *o->at++ = '.';
    digits(o, 1 + below(o, 250), 1);
}

static void number(struct out *o)
{
    text(o, "#n=");
    digits(o, o->number, 7);
}

/* "2026-11-22<between>10:00:00<point>123": one long day, which is enough for noise. */
static void stamp(struct out *o, char between, char point, int decimals)
{
    uint64_t s = o->wall_us / 1000000 % 86400;

    text(o, "2026-11-22");
    *o->at++ = between;
    digits(o, s / 3600, 2);
    *o->at++ = ':';
    digits(o, s / 60 % 60, 2);
    *o->at++ = ':';
    digits(o, s % 60, 2);
    if (decimals > 0) {
        *o->at++ = point;
        digits(o, decimals == 3 ? o->wall_us / 1000 % 1000 : o->wall_us % 1000000, decimals);
    }
}

/* Mostly info, as services are. */
static const char *level(struct out *o)
{
    static const char *const levels[] = { "INFO",  "INFO",  "INFO",    "INFO",    "INFO", "INFO",
                                          "DEBUG", "DEBUG", "WARNING", "WARNING", "ERROR" };

    return PICK(o, levels);
}

static const char *const loggers[] = { "app.sensors", "app.mqtt",   "app.db",
                                       "worker.jobs", "app.camera", "urllib3" };
static const char *const paths[] = { "/api/v1/readings", "/api/v1/devices/42", "/health",
                                     "/metrics",         "/api/v1/commands",   "/login" };
static const char *const methods[] = { "GET", "GET", "GET", "POST", "PUT" };
static const char *const statuses[] = { "200", "200", "200", "200", "201", "304", "404", "500" };
static const char *const agents[] = { "python-requests/2.28.1", "curl/7.88.1",
                                      "Mozilla/5.0 (X11; Linux aarch64)" };
static const char *const sensors[] = { "temperature", "humidity", "pressure", "vibration" };

/* What the service has to say; the styles only dress it. */
static void message(struct out *o)
{
    switch (below(o, 5)) {
    case 0:
        text(o, "sensor reading ");
        text(o, PICK(o, sensors));
        text(o, "=");
        real(o, 100, 3);
        text(o, " from device ");
        hex(o, 4);
        break;
    case 1:
        text(o, "published batch of ");
        digits(o, below(o, 200), 1);
        text(o, " messages to mqtt://broker.local:1883 in ");
        real(o, 40, 3);
        text(o, " ms");
        break;
    case 2:
        text(o, "job ");
        job(o);
        text(o, " finished in ");
        real(o, 10, 4);
        text(o, "s");
        break;
    case 3:
        text(o, "connection to broker ");
        address(o);
        text(o, " timed out, retrying (attempt ");
        digits(o, 1 + below(o, 5), 1);
        text(o, " of 5)");
        break;
    default:
        text(o, "cache miss for key user:");
        digits(o, below(o, 100000), 1);
        text(o, ", loaded from database in ");
        real(o, 30, 3);
        text(o, " ms");
    }
    *o->at++ = ' ';
    number(o);
}

static void style_default(struct out *o)
{
    text(o, level(o));
    *o->at++ = ':';
    text(o, PICK(o, loggers));
    *o->at++ = ':';
    message(o);
}

static void style_asctime(struct out *o)
{
    stamp(o, ' ', ',', 3);
    text(o, " - ");
    text(o, PICK(o, loggers));
    text(o, " - ");
    text(o, level(o));
    text(o, " - ");
    message(o);
}

static void style_uvicorn(struct out *o)
{
    text(o, "INFO:     ");
    address(o);
    *o->at++ = ':';
    digits(o, 32768 + below(o, 28000), 5);
    text(o, " - \"");
    text(o, PICK(o, methods));
    *o->at++ = ' ';
    text(o, PICK(o, paths));
    text(o, "?device=pi-");
    digits(o, below(o, 1000), 4);
    text(o, "&");
    number(o);
    text(o, " HTTP/1.1\" ");
    text(o, PICK(o, statuses));
    text(o, " OK");
}

static void style_gunicorn(struct out *o)
{
    uint64_t s = o->wall_us / 1000000 % 86400;

    address(o);
    text(o, " - - [22/Nov/2026:");
    digits(o, s / 3600, 2);
    *o->at++ = ':';
    digits(o, s / 60 % 60, 2);
    *o->at++ = ':';
    digits(o, s % 60, 2);
    text(o, " +0000] \"");
    text(o, PICK(o, methods));
    *o->at++ = ' ';
    text(o, PICK(o, paths));
    *o->at++ = '?';
    number(o);
    text(o, " HTTP/1.1\" ");
    text(o, PICK(o, statuses));
    *o->at++ = ' ';
    digits(o, below(o, 5000), 1);
    text(o, " \"-\" \"");
    text(o, PICK(o, agents));
    *o->at++ = '"';
}

static void style_json(struct out *o)
{
    text(o, "{\"timestamp\": \"");
    stamp(o, 'T', '.', 6);
    text(o, "Z\", \"level\": \"");
    text(o, level(o));
    text(o, "\", \"logger\": \"");
    text(o, PICK(o, loggers));
    text(o, "\", \"message\": \"");
    message(o);
    text(o, "\", \"request_id\": \"");
    request(o);
    text(o, "\"}");
}

static void style_logfmt(struct out *o)
{
    text(o, "ts=");
    stamp(o, 'T', '.', 3);
    text(o, "Z level=info logger=");
    text(o, PICK(o, loggers));
    text(o, " msg=\"");
    message(o);
    text(o, "\" duration_ms=");
    real(o, 500, 1);
}

static void style_django(struct out *o)
{
    text(o, "[");
    stamp(o, ' ', ',', 3);
    text(o, "] ");
    text(o, level(o));
    text(o, " [django.request:");
    digits(o, 100 + below(o, 5) * 31, 3);
    text(o, "] ");
    text(o, PICK(o, methods));
    *o->at++ = ' ';
    text(o, PICK(o, paths));
    *o->at++ = ' ';
    message(o);
}

static void style_loguru(struct out *o)
{
    const char *start;

    stamp(o, ' ', '.', 3);
    text(o, " | ");
    start = o->at;
    text(o, level(o));
    while (o->at - start < 8)
        *o->at++ = ' ';
    text(o, " | ");
    text(o, PICK(o, loggers));
    text(o, ":run:");
    digits(o, 20 + below(o, 8) * 17, 1);
    text(o, " - ");
    message(o);
}

static void style_structlog(struct out *o)
{
    stamp(o, 'T', '.', 6);
    text(o, "Z [info     ] ");
    message(o);
    text(o, " device=pi-");
    digits(o, below(o, 1000), 4);
    text(o, " trace_id=");
    request(o);
}

static void line(struct out *o)
{
    static void (*const styles[])(struct out *) = { style_default,  style_asctime, style_uvicorn,
                                                    style_gunicorn, style_json,    style_logfmt,
                                                    style_django,   style_loguru,  style_structlog };

    PICK(o, styles)(o);
    *o->at++ = '\n';
    o->number++;
    o->wall_us += 200 + below(o, 2000);
}

static int write_all(const char *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, buf, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        buf += n;
        len -= (size_t)n;
    }
    return 0;
}

static uint64_t size_or_die(const char *value)
{
    char *end;
    uint64_t n = strtoull(value, &end, 10);

    switch (*end) {
    case 'G':
        n *= 1024; /* fall through */
    case 'M':
        n *= 1024; /* fall through */
    case 'K':
        n *= 1024;
        end++;
    }
    if (end == value || *end != '\0') {
        fprintf(stderr, "corpus: not a number: %s\n", value);
        exit(2);
    }
    return n;
}

struct options {
    uint64_t bytes, lines, seed, first;
    uint64_t rate_lines_per_s; /* 0: as fast as it goes */
};

static int options_read(struct options *options, int argc, char **argv)
{
    const struct {
        const char *name;
        uint64_t *value;
    } known[] = { { "--bytes", &options->bytes },
                  { "--lines", &options->lines },
                  { "--seed", &options->seed },
                  { "--first", &options->first },
                  { "--rate", &options->rate_lines_per_s } };

    for (int i = 1; i < argc; i += 2) {
        size_t k = 0;

        while (k < sizeof known / sizeof known[0] && strcmp(argv[i], known[k].name) != 0)
            k++;
        if (k == sizeof known / sizeof known[0] || i + 1 == argc)
            return -EINVAL;
        *known[k].value = size_or_die(argv[i + 1]);
    }
    return 0;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Returns when the n-th line is due. */
static void wait_for_line(uint64_t n, uint64_t start_ns, uint64_t rate_lines_per_s)
{
    uint64_t due_ns = start_ns + n * 1000000000u / rate_lines_per_s;
    struct timespec t = { .tv_sec = (time_t)(due_ns / 1000000000u), .tv_nsec = (long)(due_ns % 1000000000u) };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

int main(int argc, char **argv)
{
    static char buf[BUFFER_BYTES + LINE_BYTES_MAX];
    struct options options = { .bytes = UINT64_MAX, .lines = UINT64_MAX, .seed = 1 };
    struct out o = { .at = buf, .wall_us = 36000000000ull };
    uint64_t done_bytes = 0, done_lines = 0, start_ns = now_ns();
    ptrdiff_t enough;

    if (options_read(&options, argc, argv) < 0) {
        fprintf(stderr,
                "usage: corpus --bytes N[KMG] | --lines N [--seed N] [--first N] [--rate LINES_PER_S]\n");
        return 2;
    }
    enough = options.rate_lines_per_s > 0 ? 1 : BUFFER_BYTES;
    o.number = options.first;
    o.random =
        options.seed * 0x9e3779b97f4a7c15ull + 1; /* spread small seeds; never 0 for those anyone types */
    while (done_bytes < options.bytes && done_lines < options.lines) {
        char *start = o.at;

        if (options.rate_lines_per_s > 0)
            wait_for_line(done_lines, start_ns, options.rate_lines_per_s);
        line(&o);
        done_lines++;
        done_bytes += (uint64_t)(o.at - start);
        if (o.at - buf < enough && done_bytes < options.bytes && done_lines < options.lines)
            continue;
        if (write_all(buf, (size_t)(o.at - buf)) < 0) {
            perror("corpus: write");
            return 1;
        }
        o.at = buf;
    }
    return 0;
}
