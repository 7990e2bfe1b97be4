/* SPDX-License-Identifier: MIT */
/*
 * Any damage to the files that a start finds: state, ring and staging, whole. In: libFuzzer's bytes. Out:
 * nothing. Always true, or the run stops: the start succeeds; what lies between tail and head is whole
 * records and holes; each chunk of staging is wiped and free or in one chain; a record or a stream that no
 * change touched is still there; the fast side takes out what is staged and tells what is untold, and ends;
 * all of it can be encoded; and the next start finds nothing damaged any more.
 *
 * Random bytes would only ever be no files of ours. So all three start out good, full of records, losses,
 * books and half-read streams, and the input says what becomes of them. The first byte: which file is cut (2
 * bits), how short (2), whether ring and staging are wanted in another size (1 each). Then six bytes a
 * change: which part of which file, where in it (2, or 3 for data), how wide and how far shifted, and a value
 * (2).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/capture/parts.h"
#include "agent/capture/staging_map.h"
#include "agent/ship/encode.h"
#include "agent/store/files.h"
#include "agent/store/loss.h"
#include "agent/store/start.h"
#include "common/clock.h"
#include "common/log.h"

enum {
    RING_BYTES = 65536,
    STAGING_BYTES = 131072,
    STREAMS = 4,
    RECORDS = 150,
    CHANGE_BYTES = 6,
    TURNS_MAX = 10000
};
enum { STATE = 0, RING, STAGING, FILES };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file as it is before it is damaged. */
struct image {
    const char *name;
    uint8_t *bytes, *damaged;
    size_t len;
    bool is_header_damaged; /* something outside of its data */
};

/* A stretch of a file that changes aim at. */
struct part {
    int file;
    size_t from, len;
};

/* A record of the good ring that must survive. */
struct sound {
    uint64_t pos, n;
    uint32_t len;
};

static struct image image[FILES] = { { .name = "state" }, { .name = "ring" }, { .name = "staging" } };
static struct part parts[16];
static unsigned part_count;
static struct sound sound[RECORDS + 8];
static unsigned sound_count;
static uint64_t good_staged[STREAMS];
static int dir_fd = -1;
static char dir_path[128];
static struct lb_config *config;

/* One agent's worth of opened files. */
static struct lb_files files;
static struct lb_staging *staging;
static bool wants_other_ring, wants_other_staging;

static void must(int is_true)
{
    if (!is_true)
        abort();
}

static void remove_files(void)
{
    static const char *const names[] = { "state",           "ring",          "staging",
                                         "ring.old",        "state.damaged", "ring.damaged",
                                         "staging.damaged", "intake.sock",   "ring.old.damaged" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlinkat(dir_fd, names[i], 0);
}

static void remove_dir(void)
{
    remove_files();
    rmdir(dir_path);
}

static void make_dir(void)
{
    const char *parent = getenv("LB_FUZZ_DIR");
    struct lb_config_faults faults = { 0 };
    char path[160];
    FILE *ini;

    snprintf(dir_path, sizeof dir_path, "%s/logboom-fuzz-XXXXXX", parent ? parent : "/dev/shm");
    must(mkdtemp(dir_path) != NULL);
    dir_fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(dir_fd >= 0);
    snprintf(path, sizeof path, "%s/ini", dir_path);
    ini = fopen(path, "we");
    must(ini != NULL);
    fputs("[sink out]\ntype = file\npath = /dev/null\n", ini);
    must(fclose(ini) == 0 && lb_config_load(path, LB_CONFIG_RUN, &config, &faults) == 0);
    unlink(path);
    atexit(remove_dir);
    lb_log_open("fuzz_files", LB_LEVEL_EMERGENCY);
}

/* ---- a start, as logboomd makes it ---- */

static void start(void)
{
    size_t ring_bytes = wants_other_ring ? 2 * RING_BYTES : RING_BYTES;
    size_t staging_bytes = wants_other_staging ? 2 * STAGING_BYTES : STAGING_BYTES;
    struct lb_start told;
    bool was_damaged;
    int rc;

    memset(&files, 0, sizeof files);
    files.lock_fd = -1;
    files.dir_fd = dup(dir_fd);
    must(lb_files_open(&files, RING_BYTES, false) == 0);
    must(lb_staging_open(dir_fd, STAGING_BYTES, STREAMS, false, &files.state.fast, staging, &was_damaged) ==
         0);
    lb_files_recover(&files);
    lb_start_look(&files, &told);
    must(lb_staging_recover(staging) == 0);
    must(lb_files_resize(&files, ring_bytes, false) == 0);
    rc = lb_start_tell(&files, &told, "fuzz", LB_LEVEL_ERROR, 1);
    must(rc == 0 || rc == -ENOSPC);
    rc = lb_staging_resize(staging, dir_fd, staging_bytes, STREAMS, false);
    must(rc == 0 || rc == -EBUSY);
}

static void stop(void)
{
    lb_staging_close(staging);
    lb_files_close(&files);
}

/* ---- good files ---- */

static void put_record(unsigned i)
{
    static char text[2048];
    struct iovec body = { text, i * 37 % (i % 40 ? 200 : sizeof text) };
    struct lb_record head = { .lane = i % 7 ? LB_LANE_ROUTINE : LB_LANE_URGENT,
                              .severity = 6,
                              .lines = 1,
                              .stream_id = 1,
                              .boot_ns = i + 1 };
    uint64_t pos = lb_ring_head(&files.ring);

    must(lb_ring_put(&files.ring, &head, "shop", 4, "a:b", 3, &body, 1) == 0);
    lb_commit_publish(&files.state.fast);
    lb_ring_set_state(&files.ring, pos,
                      i % 5   ? LB_STATE_PENDING
                      : i % 2 ? LB_STATE_IN_FLIGHT
                              : LB_STATE_DELIVERED);
}

static void put_losses(void)
{
    for (unsigned i = 0; i < 6; i++) {
        struct lb_receipt lost = { .reason = i % LB_REASON_COUNT,
                                   .lines = i + 1,
                                   .bytes = 100,
                                   .first_ns = 1,
                                   .last_ns = 2,
                                   .range = { { 0, 0 }, { 1000 * i + 1, 1000 * i + 1 + i } },
                                   .by_severity = { [6] = i + 1 },
                                   .name_len = 4 };

        memcpy(lost.name, "shop", 4);
        lb_loss_add(&files.state, &lost);
        if (i == 3)
            lb_loss_release(&files.state);
        lb_commit_publish(&files.state.slow);
    }
}

static void put_books(void)
{
    for (unsigned i = 0; i < 5; i++) {
        char name[16];
        uint32_t row =
            lb_state_service(&files.state, name, (size_t)snprintf(name, sizeof name, "service%u", i));

        for (uint32_t word = 0; word < LB_BOOK_FAST_WORDS; word++)
            lb_commit_set(&files.state.fast, LB_FAST_BOOKS, row * LB_BOOK_FAST_WORDS + word, i * word);
    }
    lb_commit_publish(&files.state.fast);
}

/* Lines and half lines, in one chunk and in several. */
static void put_streams(void)
{
    static const size_t sizes[STREAMS] = { 20, LB_CHUNK_BYTES + 500, 0, 3 * LB_CHUNK_BYTES };
    static char bytes[3 * LB_CHUNK_BYTES];

    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 70; i < sizeof bytes; i += 71)
        bytes[i] = '\n';
    for (unsigned i = 0; i < STREAMS; i++) {
        struct lb_stream_name name = {
            .pid = 7, .service_len = 4, .tags_len = 3, .service = "shop", .tags = "a:b"
        };
        int64_t slot = lb_staging_slot_new(staging, i + 100, &name);

        must(slot >= 0 && lb_staging_write(staging, (uint32_t)slot, bytes, sizes[i]) == 0);
        lb_commit_publish(&files.state.fast);
        lb_staging_after_publish(staging);
        good_staged[slot] = sizes[i];
    }
}

static void aim_at(int file, size_t from, size_t len)
{
    parts[part_count++] = (struct part) { file, from, len };
}

static void choose_parts(void)
{
    size_t words = sizeof(uint64_t) * (staging->chunk_count + (size_t)STREAMS * LB_STREAM_WORDS);
    size_t names = sizeof(struct lb_staging_header) + words;
    struct lb_commit_block *block = &files.state.file->fast_block;
    size_t first_entries = sizeof *block - sizeof block->entry + 32 * sizeof *block->entry;

    aim_at(STATE, 0, 24);
    aim_at(STATE, offsetof(struct lb_state_file, fast_block), first_entries);
    aim_at(STATE, offsetof(struct lb_state_file, slow_block), first_entries);
    aim_at(STATE, offsetof(struct lb_state_file, name), 8 * sizeof *files.state.file->name);
    aim_at(STATE, offsetof(struct lb_state_file, books_fast), 8 * 8 * LB_BOOK_FAST_WORDS);
    aim_at(STATE, offsetof(struct lb_state_file, books_slow), sizeof files.state.file->books_slow);
    aim_at(STATE, offsetof(struct lb_state_file, told), sizeof files.state.file->told);
    aim_at(STATE, offsetof(struct lb_state_file, loss), sizeof files.state.file->loss);
    aim_at(STATE, offsetof(struct lb_state_file, life), sizeof files.state.file->life);
    aim_at(RING, 0, sizeof(struct lb_ring_header));
    aim_at(RING, offsetof(struct lb_ring_header, fast), sizeof(uint64_t) * 17);
    aim_at(RING, LB_RING_HEADER_BYTES, RING_BYTES);
    aim_at(STAGING, 0, sizeof(struct lb_staging_header));
    aim_at(STAGING, offsetof(struct lb_staging_header, landing), sizeof staging->header->landing + words);
    aim_at(STAGING, names, sizeof(struct lb_stream_name) * STREAMS);
    aim_at(STAGING, staging->map.header_bytes, STAGING_BYTES);
}

static void note_sound_records(void)
{
    uint64_t head = lb_ring_head(&files.ring);

    for (uint64_t pos = lb_ring_tail(&files.ring); pos < head;) {
        const struct lb_record *record = lb_ring_at(&files.ring, pos, head);

        must(record && sound_count < sizeof sound / sizeof *sound);
        sound[sound_count++] = (struct sound) { pos, record->n, record->len };
        pos += record->len;
    }
}

static void keep(struct image *keep_in)
{
    int fd = openat(dir_fd, keep_in->name, O_RDONLY | O_CLOEXEC);
    struct stat st;

    must(fd >= 0 && fstat(fd, &st) == 0);
    keep_in->len = (size_t)st.st_size;
    keep_in->bytes = malloc(keep_in->len);
    keep_in->damaged = malloc(keep_in->len);
    must(keep_in->bytes && keep_in->damaged);
    must(read(fd, keep_in->bytes, keep_in->len) == (ssize_t)keep_in->len);
    close(fd);
}

static void make_files(void)
{
    make_dir();
    staging = calloc(1, sizeof *staging);
    must(staging != NULL);
    start();
    for (unsigned i = 0; i < RECORDS; i++)
        put_record(i);
    put_losses();
    put_books();
    put_streams();
    choose_parts();
    note_sound_records();
    stop();
    for (int i = 0; i < FILES; i++)
        keep(&image[i]);
}

/* ---- damage ---- */

static void change(const uint8_t *how)
{
    const struct part *part = &parts[how[0] % part_count];
    struct image *file = &image[part->file];
    bool is_data = part->len == RING_BYTES || part->len == STAGING_BYTES;
    uint64_t value = (uint64_t)(how[4] | how[5] << 8) << (how[3] >> 2) % 64;
    size_t where = how[1] | (size_t)how[2] << 8, width = how[3] & 1 ? sizeof value : 1;

    if (is_data)
        where |= (size_t)(how[3] >> 1) << 16;
    else if (width > 1)
        where *= width;
    where = part->from + where % part->len;
    if (how[3] & 2 && !is_data)
        value = ~value;
    if (where + width > part->from + part->len)
        width = part->from + part->len - where;
    memcpy(file->damaged + where, &value, width);
    file->is_header_damaged |= !is_data;
}

static void write_files(uint8_t how)
{
    unsigned cut = how & 3, share = how >> 2 & 3;

    remove_files();
    for (unsigned i = 0; i < FILES; i++) {
        int fd = openat(dir_fd, image[i].name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        size_t len = image[i].len;

        if (cut == i + 1) {
            len = share == 3 ? len - 1 : len / LB_MAP_ALIGN * share / 3 * LB_MAP_ALIGN;
            image[i].is_header_damaged = true;
        }
        must(fd >= 0 && write(fd, image[i].damaged, len) == (ssize_t)len);
        close(fd);
    }
}

/* ---- what must be true ---- */

static void encode(struct lb_encoder *encoder, const struct lb_record *record)
{
    size_t room = lb_encode_bound(record);
    char *text = malloc(room); /* its own block: a write past it is seen */

    must(text && (size_t)(lb_encode_record(encoder, record, 0, text) - text) <= room);
    free(text);
}

static void look_at_ring(void)
{
    static struct lb_encoder encoder;
    struct lb_ring *ring = &files.ring;
    uint64_t head = lb_ring_head(ring), tail = lb_ring_tail(ring);

    lb_encoder_init(&encoder, config, LB_SEQUENCE_ALL, ring->id);
    must(tail <= head && head - tail <= ring->size && lb_ring_oldest(ring) <= tail);
    for (uint64_t pos = tail; pos < head;) {
        const struct lb_record *record = lb_ring_at(ring, pos, head);

        must(record && lb_record_is_whole(record, head - pos, lb_ring_record_max(ring)));
        must(record->state != LB_STATE_IN_FLIGHT);
        if (record->kind != LB_KIND_HOLE)
            encode(&encoder, record);
        pos += record->len;
    }
}

/* Where only data was damaged, each record that kept its bytes is where it was. */
static void look_for_sound_records(void)
{
    const struct lb_ring *ring = files.has_old_ring ? &files.old_ring : &files.ring;
    const uint8_t *before = image[RING].bytes + LB_RING_HEADER_BYTES;
    const uint8_t *after = image[RING].damaged + LB_RING_HEADER_BYTES;

    if (image[RING].is_header_damaged || image[STATE].is_header_damaged)
        return;
    for (unsigned i = 0; i < sound_count; i++) {
        const struct lb_record *record = (const void *)(ring->map.data + sound[i].pos % ring->size);

        if (memcmp(before + sound[i].pos, after + sound[i].pos, sound[i].len) != 0)
            continue;
        must(lb_record_is_whole(record, sound[i].len, lb_ring_record_max(ring)) && record->n == sound[i].n);
    }
}

static bool is_wiped(const uint8_t *bytes, size_t len)
{
    return len == 0 || (bytes[0] == 0xff && memcmp(bytes, bytes + 1, len - 1) == 0);
}

static void look_at_staging(void)
{
    uint8_t is_used[2 * STAGING_BYTES / LB_CHUNK_BYTES] = { 0 };

    must(staging->chunk_count <= sizeof is_used);
    for (uint32_t slot = 0; slot < staging->max_streams; slot++) {
        uint32_t chunk = staging->staged[slot].first;
        uint64_t bytes = 0;

        for (uint32_t i = 0; i < staging->staged[slot].chunks; i++) {
            uint64_t word;
            uint32_t len;

            must(chunk < staging->chunk_count && !is_used[chunk]++);
            word = lb_commit_get(&files.state.fast, LB_FAST_CHUNKS, chunk);
            len = lb_chunk_len(word);
            must(len <= LB_CHUNK_BYTES && lb_chunk_owner(word) == slot + 1);
            bytes += len - (i == 0 ? staging->staged[slot].start : 0);
            must(is_wiped(lb_chunk_bytes(staging, chunk) + len, LB_CHUNK_BYTES - len));
            chunk = lb_chunk_next(word) - 1;
        }
        must(bytes == staging->staged[slot].bytes);
        if (!image[STAGING].is_header_damaged && !image[STATE].is_header_damaged)
            must(bytes == good_staged[slot]);
    }
    for (uint32_t i = 0; i < staging->free_count; i++) {
        must(!is_used[staging->free_chunks[i]]++);
        must(is_wiped(lb_chunk_bytes(staging, staging->free_chunks[i]), LB_CHUNK_BYTES));
    }
    for (uint32_t chunk = 0; chunk < staging->chunk_count; chunk++)
        must(is_used[chunk]); /* or free */
}

/* Ten seconds of the fast side: what is staged goes out as orphans, what is untold is told. */
static void run_fast_side(void)
{
    struct lb_loop loop;
    struct lb_link link;
    struct lb_capture capture = { .loop = &loop,
                                  .staging = staging,
                                  .ring = &files.ring,
                                  .state = &files.state,
                                  .link = &link,
                                  .held = &files.held,
                                  .config = config };
    unsigned turns = 0;

    must(lb_loop_init(&loop) == 0 && lb_link_init(&link) == 0);
    lb_loss_release(&files.state);
    lb_commit_publish(&files.state.slow);
    lb_link_put(&link.losses_wait, 1);
    lb_link_put(&link.sink_away, 1); /* no room: nobody is waited for */
    must(lb_capture_start(&capture, dir_fd) == 0);
    loop.now_ns += 10 * LB_NS_PER_S;
    capture.tell_timer.fire(&capture, loop.now_ns); /* while the ring has room */
    capture.orphan_timer.fire(&capture, loop.now_ns);
    while (lb_capture_turns(&capture))
        must(turns++ < TURNS_MAX);
    lb_loss_sweep(&files.state);
    lb_commit_publish(&files.state.slow);
    for (uint32_t slot = 0; slot < staging->max_streams; slot++)
        must(staging->staged[slot].bytes == 0);
    lb_capture_stop(&capture);
    lb_capture_free(&capture);
    lb_link_close(&link);
    lb_loop_close(&loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    wants_other_ring = wants_other_staging = false;
    if (dir_fd < 0)
        make_files();
    for (struct image *each = image; each < image + FILES; each++) {
        memcpy(each->damaged, each->bytes, each->len);
        each->is_header_damaged = false;
    }
    for (const uint8_t *at = data + 1; at + CHANGE_BYTES <= data + size; at += CHANGE_BYTES)
        change(at);
    write_files(data[0]);
    wants_other_ring = data[0] >> 4 & 1;
    wants_other_staging = data[0] >> 5 & 1;
    start();
    look_at_ring();
    look_for_sound_records();
    look_at_staging();
    run_fast_side();
    look_at_ring();
    stop();
    start();
    must(files.repair.holes == 0 && !files.repair.cursors_were_bad);
    look_at_ring();
    image[STAGING].is_header_damaged = true; /* what was staged went out */
    look_at_staging();
    stop();
    return 0;
}
