/* SPDX-License-Identifier: MIT */
/*
 * Any bytes, in any portions, as what an app writes into its pipe: the whole way from staging to records,
 * with joins, bounds, timeouts and a kill in between. In: libFuzzer's bytes. Out: nothing. Always true, or
 * the run stops: the records hold every byte of the input once and in order (line ends, a CR before one, and
 * "<N>" at the front of a line apart), they say where it stood, and what lies between two of them is blank
 * lines.
 *
 * The first four bytes say how: which joining, how long a line and a join may be and how many lines, how
 * large the portions are, and after which of them the agent is killed, or the clock jumps past join_timeout.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/capture/parts.h"
#include "agent/store/files.h"
#include "common/clock.h"
#include "common/log.h"

enum {
    RING_BYTES = 4 << 20,
    STAGING_BYTES = 1 << 20,
    STREAMS = 2,
    HEAD_BYTES = 4,
    INPUT_MAX = 60000,
    STREAM_ID = 7
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir_path[256];
static struct lb_files files;
static struct lb_staging *staging;
static struct lb_loop loop;
static struct lb_link fuzz_link;
static struct lb_config config;
static struct lb_capture capture;
static int pipe_fd[2];

static void must(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

/* ---- an agent ---- */

static void start(void)
{
    bool was_damaged;
    int other;

    memset(&files, 0, sizeof files);
    files.lock_fd = -1;
    must(lb_files_lock(&files, dir_path, &other) == 0, "lock");
    must(lb_files_open(&files, RING_BYTES, false) == 0, "open");
    must(lb_staging_open(files.dir_fd, STAGING_BYTES, STREAMS, false, &files.state.fast, staging,
                         &was_damaged) == 0,
         "staging");
    lb_files_recover(&files);
    must(lb_staging_recover(staging) == 0, "recover");
    must(lb_loop_init(&loop) == 0 && lb_link_init(&fuzz_link) == 0, "loop");
    memset(&capture, 0, sizeof capture);
    capture.loop = &loop;
    capture.staging = staging;
    capture.ring = &files.ring;
    capture.state = &files.state;
    capture.link = &fuzz_link;
    capture.config = &config;
    capture.held = &files.held;
    config.throttle.min_level = LB_LEVEL_DEBUG; /* nothing is throttled */
    config.default_service.throttle.min_level = LB_LEVEL_DEBUG;
    capture.streams = calloc(STREAMS, sizeof *capture.streams);
    capture.room = malloc(LB_CAPTURE_ROOM);
    must(lb_pipes_start(&capture) == 0 && lb_turns_start(&capture) == 0, "capture");
    lb_streams_start(&capture);
}

static void kill_it(void)
{
    for (uint32_t slot = 0; slot < STREAMS; slot++)
        if (capture.streams[slot].state == LB_STREAM_OPEN && capture.streams[slot].watch.fd >= 0)
            close(capture.streams[slot].watch.fd);
    lb_pipes_stop(&capture);
    lb_staging_close(staging);
    lb_files_close(&files);
    lb_link_close(&fuzz_link);
    lb_loop_close(&loop);
    free(capture.streams);
    free(capture.room);
}

static struct lb_stream *attach(void)
{
    static struct lb_peer peer;

    peer = (struct lb_peer) { .capture = &capture,
                              .uid = getuid(),
                              .stream_id = STREAM_ID,
                              .kind = LB_STREAM_STDOUT,
                              .name = { .service_len = 3, .service = "app" } };
    peer.slot = lb_streams_find(&capture, STREAM_ID, peer.uid);
    if (peer.slot >= 0)
        lb_streams_tie(&capture, &peer, (uint32_t)peer.slot);
    must(lb_streams_attach(&capture, &peer, dup(pipe_fd[0])) == 0, "attach");
    capture.streams[peer.slot].peer = NULL; /* nobody to be told */
    return &capture.streams[peer.slot];
}

/* ---- what must hold ---- */

/* The input as it was written, so that each record can be compared to where it says it stood. */
static char written[INPUT_MAX];
static size_t written_len;

static size_t prefix_length(const char *text, size_t len)
{
    size_t at = 1;

    while (at < len && at < 4 && text[at] >= '0' && text[at] <= '9')
        at++;
    return len > 2 && text[0] == '<' && at > 1 && at < len && text[at] == '>' ? at + 1 : 0;
}

/* What is left when line ends and the CRs before them, and prefixes, are passed over: returns the next byte's
 * place. */
static size_t pass(const char *text, size_t len, size_t at, bool *is_start)
{
    for (;;) {
        size_t prefix = *is_start ? prefix_length(text + at, len - at) : 0;

        if (prefix > 0) {
            at += prefix;
            *is_start = false;
        } else if (at < len && (text[at] == '\n' || text[at] == '\r')) {
            *is_start = text[at] == '\n';
            at++;
        } else {
            return at;
        }
    }
}

static void compare(const char *raw, size_t raw_len, const char *text, size_t len)
{
    size_t a = 0, b = 0;
    bool a_start = true, b_start = true;

    for (;;) {
        a = pass(raw, raw_len, a, &a_start);
        b = pass(text, len, b, &b_start);
        if (a >= raw_len || b >= len)
            break;
        must(raw[a++] == text[b++], "a byte of the input, in order");
        a_start = b_start = false;
    }
    must(a >= raw_len && b >= len, "all bytes of the input, and no others");
}

static void check_blank(uint64_t from, uint64_t to)
{
    for (; from < to; from++)
        must(written[from] == '\n' || written[from] == '\r', "only blank lines are left out");
}

static uint64_t check_ring(uint64_t pos)
{
    uint64_t head = lb_ring_head(&files.ring), end = 0;
    const struct lb_record *record;

    for (; (record = lb_ring_at(&files.ring, pos, head)); pos += record->len) {
        uint32_t len;
        const char *text = lb_record_text(record, &len);
        uint64_t from;

        if (record->kind != LB_KIND_LINE)
            continue;
        from = record->stream_off;
        must(from >= end && from + record->raw_len <= written_len, "records stand one behind the other");
        check_blank(end, from);
        compare(written + from, record->raw_len, text, len);
        end = from + record->raw_len;
    }
    check_blank(end, written_len);
    return head;
}

/* ---- one input ---- */

static void settle(const uint8_t *how)
{
    struct lb_capture_config *settings = &config.capture;
    static const enum lb_join joins[] = { LB_JOIN_PYTHON, LB_JOIN_INDENT, LB_JOIN_OFF, LB_JOIN_PYTHON };

    settings->multiline = joins[how[0] & 3];
    settings->max_line_bytes = 256u + (how[0] >> 2) * 64u;
    settings->join_bytes = 256u + (how[1] & 15) * 512u;
    settings->join_lines = 2u + (how[1] >> 4) * 8u;
    settings->join_timeout_ms = 1000;
    settings->max_stall_ms = 25;
    settings->ansi = LB_ANSI_KEEP;
    settings->stdout_level = LB_LEVEL_INFO;
    config.default_service.capture = *settings;
    config.default_service.tags = config.default_service.source = (char *)(uintptr_t) "";
}

static struct lb_stream *disturb(struct lb_stream *stream, uint8_t how, unsigned turn)
{
    if (how % 8 == turn % 8 && how & 64) {
        kill_it();
        start();
        return attach();
    }
    if (how % 4 == turn % 4 && how & 128)
        loop.now_ns += 2 * LB_NS_PER_S;
    return stream;
}

static void feed(const uint8_t *data, size_t size, const uint8_t *how)
{
    struct lb_stream *stream = attach();
    unsigned portion = 1 + how[2] * 16u, turn = 0;

    for (size_t at = 0; at < size; turn++) {
        size_t part = size - at < portion ? size - at : portion;

        must(write(pipe_fd[1], data + at, part) == (ssize_t)part, "write");
        at += part;
        loop.now_ns += LB_NS_PER_MS;
        stream = disturb(stream, how[3], turn);
        while (lb_feed_stream(&capture, stream, loop.now_ns) == LB_FED_MORE)
            continue;
    }
    close(pipe_fd[1]);
    for (enum lb_fed fed = LB_FED_MORE; fed != LB_FED_ENDED;) {
        fed = lb_feed_stream(&capture, stream, loop.now_ns);
        must(fed != LB_FED_STALLED, "the ring has room");
    }
    lb_streams_end(&capture, stream);
}

static void prepare(void)
{
    const char *base = getenv("LB_FUZZ_DIR");

    snprintf(dir_path, sizeof dir_path, "%s/records.%d", base ? base : "/dev/shm", (int)getpid());
    staging = calloc(1, sizeof *staging);
    config.ring_urgent = LB_LEVEL_WARNING;
    config.pipe_size_bytes = 0;
    lb_log_set_level(LB_LEVEL_EMERGENCY);
}

/* All that an input left is gone: the files are made anew for the next one. */
static void clean(void)
{
    static const char *const names[] = { "state", "ring", "staging", "lock", "clients" };
    int fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlinkat(fd, names[i], 0);
    close(fd);
    rmdir(dir_path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD_BYTES || size > INPUT_MAX)
        return 0;
    if (!staging)
        prepare();
    must(pipe2(pipe_fd, O_CLOEXEC) == 0, "pipe");
    written_len = size - HEAD_BYTES;
    memcpy(written, data + HEAD_BYTES, written_len);
    settle(data);
    start();
    feed(data + HEAD_BYTES, written_len, data);
    check_ring(0);
    close(pipe_fd[0]);
    kill_it();
    clean();
    return 0;
}
