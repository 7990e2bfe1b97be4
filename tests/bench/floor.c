/* SPDX-License-Identifier: MIT */
/*
 * The floor that `make bench` measures logboom against: what nobody can do
 * without who ships these lines in this form. Reads stdin, finds lines, makes
 * a record of each on the stack, encodes it with the agent's own encoder, and
 * squeezes bodies of the agent's default size with zstd -1. No staging, no
 * ring, no commit, no second thread, no network.
 *
 *   floor CONFIG    prints {"cpu_s":..,"entries":..,"requests":..,"body_bytes":..,"wire_bytes":..}
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/ship/compress.h"
#include "agent/ship/encode.h"
#include "common/clock.h"
#include "common/config.h"

#define READ_BYTES   (256 * 1024) /* a full pipe of the agent's default pipe_size */
#define LONGEST_LINE (64 * 1024)
#define SERVICE      "bench"
#define PREFIX       "[{\"logboom\":{\"id\":\"0123456789abcdef\",\"routine\":[1,1000]},"
#define RECORD_ROOM  (sizeof(struct lb_record) + sizeof SERVICE + LONGEST_LINE + 8)

struct floor {
    struct lb_encoder encoder;
    struct lb_compressor *compressor;
    const struct lb_sink_config *sink;
    char *body, *to; /* raw text of the body in the making */
    char *squeezed;
    size_t squeezed_room;
    uint64_t lines; /* in it */
    uint64_t entries, requests, body_bytes, wire_bytes;
    uint64_t n;
};

static void close_body(struct floor *f)
{
    long got;

    if (f->lines == 0)
        return;
    *f->to++ = ']';
    got = lb_compress(f->compressor, f->body, (size_t)(f->to - f->body), f->squeezed, f->squeezed_room);
    if (got < 0) {
        fprintf(stderr, "floor: compressing failed\n");
        exit(1);
    }
    f->requests++;
    f->entries += f->lines;
    f->body_bytes += (uint64_t)(f->to - f->body);
    f->wire_bytes += (uint64_t)got;
    f->lines = 0;
}

static void take_line(struct floor *f, const char *line, size_t len, uint64_t now_ns)
{
    static char room[RECORD_ROOM] __attribute__((aligned(8)));
    struct lb_record *record = (struct lb_record *)room;
    size_t service_len = strlen(SERVICE);

    *record = (struct lb_record) { .lane = LB_LANE_ROUTINE,
                                   .severity = LB_LEVEL_INFO,
                                   .service_len = (uint8_t)service_len,
                                   .boot_ns = now_ns,
                                   .n = ++f->n,
                                   .stream_id = 1,
                                   .raw_len = (uint32_t)len + 1,
                                   .body_len = (uint32_t)len,
                                   .lines = 1 };
    memcpy(room + sizeof *record, SERVICE, service_len);
    memcpy(room + sizeof *record + service_len, line, len);
    record->len = (uint32_t)lb_record_size(service_len, 0, len);
    if (f->lines == 0) {
        f->to = f->body + strlen(PREFIX);
        memcpy(f->body, PREFIX, strlen(PREFIX));
    } else {
        *f->to++ = ',';
    }
    f->to = lb_encode_record(&f->encoder, record, f->lines == 0, f->to);
    f->lines++;
    if (f->lines >= f->sink->body_lines || (size_t)(f->to - f->body) >= f->sink->body_bytes)
        close_body(f);
}

/* Frames what is in the buffer; returns how much of a line is left over, moved to its start. */
static size_t take_lines(struct floor *f, char *buf, size_t len)
{
    uint64_t now_ns = lb_clock_boot_ns();
    char *at = buf, *end = buf + len;

    while (at < end) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t line_len = (size_t)((newline ? newline : end) - at);

        if (!newline && line_len < LONGEST_LINE)
            break;
        line_len = line_len < LONGEST_LINE ? line_len : LONGEST_LINE;
        take_line(f, at, line_len, now_ns);
        at += line_len + (newline == at + line_len);
    }
    memmove(buf, at, (size_t)(end - at));
    return (size_t)(end - at);
}

static int open_floor(struct floor *f, const char *path, struct lb_config **config)
{
    struct lb_wall_reading reading = { lb_clock_boot_ns(), lb_clock_wall_ns(), lb_clock_is_synced() };
    struct lb_config_faults faults = { 0 };
    struct lb_wall wall;
    size_t room;

    if (lb_config_load(path, LB_CONFIG_CHECK, config, &faults) < 0) {
        fprintf(stderr, "floor: %s\n", faults.count ? faults.text[0] : "out of memory");
        return -EINVAL;
    }
    f->sink = &(*config)->sinks[0];
    lb_encoder_init(&f->encoder, *config, LB_SEQUENCE_BATCH, 1);
    lb_wall_init(&wall, 0);
    lb_wall_look(&wall, &reading);
    f->encoder.stamps = lb_stamps_of(&wall, reading.boot_ns);
    f->compressor = lb_compressor_new(LB_COMPRESSION_ZSTD, 1);
    room = f->sink->body_bytes + RECORD_ROOM * 8 + LB_ENCODE_ENVELOPE_MAX;
    f->body = malloc(room);
    f->squeezed_room = lb_compress_bound(LB_COMPRESSION_ZSTD, room);
    f->squeezed = malloc(f->squeezed_room);
    return f->compressor && f->body && f->squeezed ? 0 : -ENOMEM;
}

int main(int argc, char **argv)
{
    static struct floor f;
    static char buf[READ_BYTES + LONGEST_LINE];
    struct lb_config *config = NULL;
    struct rusage usage;
    size_t held = 0;
    ssize_t got;

    if (argc != 2 || open_floor(&f, argv[1], &config) < 0)
        return 2;
    while ((got = read(STDIN_FILENO, buf + held, READ_BYTES)) > 0)
        held = take_lines(&f, buf, held + (size_t)got);
    if (held > 0)
        take_line(&f, buf, held, lb_clock_boot_ns());
    close_body(&f);
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"cpu_s\":%.6f,\"entries\":%llu,\"requests\":%llu,\"body_bytes\":%llu,\"wire_bytes\":%llu}\n",
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
           (unsigned long long)f.entries, (unsigned long long)f.requests, (unsigned long long)f.body_bytes,
           (unsigned long long)f.wire_bytes);
    free(f.body);
    free(f.squeezed);
    lb_compressor_free(f.compressor);
    lb_config_free(config);
    return got < 0;
}
