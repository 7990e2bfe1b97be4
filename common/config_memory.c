/* SPDX-License-Identifier: MIT */
/*
 * The memory ceiling. In: a snapshot. Out: a table of what takes memory, and
 * the sum. Always true: where a part is a library's, it says here where its
 * figure comes from.
 */
#include <string.h>

#include "common/config.h"
#include "common/sink_types.h"

#define KIB 1024ull

/* A byte of a line becomes at most six in JSON (\u00XX), and stands there twice where it is part of a
 * traceback (error.stack); a head and tags come with it. */
#define JSON_GROWTH_MAX 12
#define JSON_HEAD_BYTES 4096
/* What cannot be packed grows a little: 1 % and 1 KiB are above ZSTD_compressBound() and compressBound(). */
#define PACKED_EXTRA KIB
/* deflate with a 32 KiB window: 256 KiB and a little. */
#define GZIP_KIB 272
/* One connection with TLS: buffers, session, certificates. An allowance, not measured. */
#define CONNECTION_KIB 512
/* The state file, whose limits, patterns and counts are 200 KiB of it; streams, and what was looked up
 * lately. */
#define STATE_TABLES_KIB 608
/* Room for a text that does not lie in one piece; and for a datagram where it lands and as it is shaped. */
#define TEXT_KIB     160
#define DATAGRAM_KIB 576
/* Input that was read, and what was found by a scan; of a journal: as well, and a message of the longest. */
#define INPUTS_KIB  384
#define JOURNAL_KIB (1024 + 64)
/* Answers to who asks for [metrics]: LB_METRICS_OUTPUT_MAX of agent/control/metrics_server.h, and requests.
 */
#define METRICS_KIB (4 * 1024 + 64)

/* Two answers under way, as we and as the library have them, and one that is being printed. */
#define REMOTE_KIB 640

/* While the backlog is at work: lists and the arena of a step, what packs and unpacks, segments that are
 * given up or gone on with, and those that are being shipped (agent/ship/mover.c, unpacked.c). */
#define BACKLOG_WORK_KIB (128 + 1536 + 1700 + 1280 + 1536)
/* A row of 144 bytes for 8 KiB of it, in the file and once more in private memory, and a byte for a block. */
#define BACKLOG_ROWS_SHARE 24
/* And what a small one has no less of, twice. */
#define BACKLOG_LEAST_ROWS (2 * MAP_ALIGN)
/* What the files of the runtime directory, and the headers in them, are multiples of (agent/store/mapfile.h).
 */
#define MAP_ALIGN 65536ull

/* Disks, programs, 4096 processes and the past of a day, twice to be shown, and a page of them; a text of
 * pstore's, the end of the kernel's log (agent/wear/sampler.c, writers.c). */
#define WEAR_KIB 2496

/* ZSTD_estimateCCtxSize(level) of zstd 1.5.4, rounded up, in KiB. */
static const uint32_t zstd_kib[] = {
    0,     600,   800,   1300,  2560,  3600,  3600,  6660,  6660,  12800,
    25100, 25100, 49700, 49700, 49700, 66100, 66100, 66100, 66100, 83200,
};

static uint64_t compressor_bytes(const struct lb_sink_config *sink)
{
    size_t level = (size_t)sink->level;

    if (sink->compression == LB_COMPRESSION_GZIP)
        return GZIP_KIB * KIB;
    if (sink->compression == LB_COMPRESSION_ZSTD && level < sizeof zstd_kib / sizeof zstd_kib[0])
        return zstd_kib[level] * KIB;
    return 0;
}

static uint64_t longest_text(const struct lb_capture_config *capture)
{
    return capture->join_bytes > capture->max_line_bytes ? capture->join_bytes : capture->max_line_bytes;
}

static uint64_t input_bytes(const struct lb_config *config)
{
    uint64_t kib = config->input_count > 0 ? INPUTS_KIB : 0;

    for (size_t i = 0; i < config->input_count; i++)
        kib += strcmp(config->inputs[i].type, "journal") == 0 ? JOURNAL_KIB : 0;
    return kib * KIB;
}

static uint64_t longest_line(const struct lb_config *config)
{
    uint64_t bytes = longest_text(&config->capture);

    for (size_t i = 0; i < config->service_count; i++)
        if (longest_text(&config->services[i].capture) > bytes)
            bytes = longest_text(&config->services[i].capture);
    return bytes;
}

/* What it takes to make a sink's bodies, and to send them. */
struct shipping {
    uint64_t encode, compressor, bodies, connections;
    uint64_t body; /* one of the bodies */
};

static struct shipping shipping_of(const struct lb_config *config, const struct lb_sink_config *sink)
{
    const struct lb_sink_type *type = lb_sink_type(sink->type);
    uint64_t encode = sink->body_bytes + JSON_GROWTH_MAX * longest_line(config) + JSON_HEAD_BYTES;
    uint64_t body = encode + encode / 100 + PACKED_EXTRA;

    return (struct shipping) {
        .encode = encode,
        .compressor = compressor_bytes(sink),
        .bodies = sink->concurrency * body,
        .connections = type && type->is_network ? sink->concurrency * CONNECTION_KIB * KIB : 0,
        .body = body,
    };
}

/* A shipper of its own, with one body; the rest of it is shared. */
static uint64_t backlog_work_bytes(const struct lb_config *config, const struct shipping *shipping)
{
    size_t level = (size_t)config->backlog_level;

    return BACKLOG_WORK_KIB * KIB + zstd_kib[level < 20 ? level : 19] * KIB + shipping->encode +
           shipping->body + shipping->compressor;
}

static uint64_t rounded(uint64_t bytes)
{
    return (bytes + MAP_ALIGN - 1) / MAP_ALIGN * MAP_ALIGN;
}

uint64_t lb_config_sink_memory(const struct lb_config *config, size_t i)
{
    const struct lb_sink_config *sink = &config->sinks[i];
    struct shipping shipping = shipping_of(config, sink);
    uint64_t backlog = sink->queue_backlog_bytes;
    uint64_t bytes = rounded(sink->queue_bytes) + MAP_ALIGN + LB_SINK_STATE_BYTES;

    if (backlog > 0)
        bytes += rounded(backlog) + backlog / BACKLOG_ROWS_SHARE + BACKLOG_LEAST_ROWS +
                 backlog_work_bytes(config, &shipping);
    return bytes + shipping.encode + shipping.compressor + shipping.bodies + shipping.connections;
}

static uint64_t further_sinks_bytes(const struct lb_config *config)
{
    uint64_t bytes = 0;

    for (size_t i = 1; i < config->sink_count; i++)
        bytes += lb_config_sink_memory(config, i);
    return bytes;
}

uint64_t lb_config_memory_ceiling(const struct lb_config *config,
                                  struct lb_memory_part parts[LB_MEMORY_PARTS])
{
    struct shipping shipping = shipping_of(config, &config->sinks[0]);
    uint64_t backlog = config->backlog_bytes, sum = 0;
    const struct lb_memory_part all[LB_MEMORY_PARTS] = {
        { "staging", config->staging_bytes },
        { "ring", config->ring_bytes },
        { "held", config->held_bytes },
        { "encode buffer", shipping.encode },
        { "compressor", shipping.compressor },
        { "bodies in flight", shipping.bodies },
        { "connections", shipping.connections },
        { "state tables", STATE_TABLES_KIB * KIB },
        { "texts, datagrams", (TEXT_KIB + (config->has_syslog ? DATAGRAM_KIB : 0)) * KIB },
        { "inputs", input_bytes(config) },
        { "metrics", strcmp(config->metrics_listen, "off") == 0 ? 0 : METRICS_KIB * KIB },
        { "backlog", backlog + backlog / BACKLOG_ROWS_SHARE },
        { "backlog at work", backlog > 0 ? backlog_work_bytes(config, &shipping) : 0 },
        { "wear", config->wear_sample_ms > 0 ? WEAR_KIB * KIB : 0 },
        { "remote", config->has_remote ? REMOTE_KIB * KIB : 0 },
        { "further sinks", further_sinks_bytes(config) },
    };

    for (size_t i = 0; i < LB_MEMORY_PARTS; i++) {
        parts[i] = all[i];
        sum += all[i].bytes;
    }
    return sum;
}
