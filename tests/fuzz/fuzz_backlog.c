/* SPDX-License-Identifier: MIT */
/*
 * Any damage to the backlog's file. In: libFuzzer's bytes. Out: nothing. Always true, or the run stops: a
 * start succeeds; each row that is left is a whole segment in blocks of its own; what was lost was told; one
 * can be put, taken out and moved to a file of another size; and a reader from outside shows whole records
 * only, whatever the file says.
 *
 * Random bytes would be no backlog. So the file is good first, with six segments, and the input says what
 * becomes of it, six bytes a change: which part (header, rows, blocks), where in it (3), what (1), how often.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/offline/backlog_reader.h"
#include "agent/store/backlog.h"
#include "agent/store/ring.h"
#include "agent/store/state.h"
#include "common/level.h"
#include "common/log.h"

enum { BYTES = 128 * 1024, SEGMENTS = 6, RECORDS = 20, CHANGE_BYTES = 6, ROOM = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    char path[128];
    int dir_fd;
    struct lb_state state;
    struct lb_backlog backlog;
    struct lb_segment_packer *packer;
    _Alignas(8) uint8_t text[ROOM], packed[ROOM];
    uint8_t *good;
    size_t good_len;
    unsigned lost;
} it;

static void must(int is_true)
{
    if (!is_true)
        abort();
}

static void remove_files(void)
{
    static const char *const names[] = { "state", "state.damaged", "backlog", "backlog.damaged",
                                         "backlog.new" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlinkat(it.dir_fd, names[i], 0);
}

static void remove_dir(void)
{
    remove_files();
    rmdir(it.path);
}

static void on_lost(void *ctx, unsigned lane, uint64_t first_n, uint64_t last_n, uint64_t lines,
                    uint64_t bytes, uint64_t first_ns, uint64_t last_ns)
{
    (void)ctx;
    (void)lines;
    (void)bytes;
    (void)first_ns;
    (void)last_ns;
    must(lane < LB_LANE_COUNT && first_n > 0 && first_n <= last_n);
    it.lost++;
}

static void start(uint64_t bytes)
{
    must(lb_state_open(it.dir_fd, false, NULL, NULL, &it.state) == 0);
    must(lb_backlog_open(it.dir_fd, BYTES, false, &it.state.slow, &it.backlog) == 0);
    lb_commit_recover(&it.state.slow);
    must(lb_backlog_recover(&it.backlog, on_lost, NULL) == 0);
    it.backlog.keeps_size |= bytes != BYTES;
    must(lb_backlog_resize(&it.backlog, it.dir_fd, bytes, false) == 0);
}

static void stop(void)
{
    lb_backlog_close(&it.backlog);
    lb_state_close(&it.state);
}

/* A segment of lines that hardly pack. */
static struct lb_segment_view segment(uint64_t first_n)
{
    const struct lb_record *record[RECORDS];
    struct lb_segment_view view;
    size_t used = 0;
    uint64_t chance = first_n;
    long len;

    for (unsigned i = 0; i < RECORDS; i++) {
        struct lb_record *at = (struct lb_record *)(void *)(it.text + used);
        uint32_t body = 300;

        memset(at, 0, lb_record_size(3, 0, body));
        *at = (struct lb_record) { .lane = LB_LANE_ROUTINE,
                                   .severity = LB_LEVEL_INFO,
                                   .boot_ns = (first_n + i) * LB_SEGMENT_TICK_NS,
                                   .n = first_n + i,
                                   .service_len = 3,
                                   .lines = 1,
                                   .body_len = body,
                                   .len = (uint32_t)lb_record_size(3, 0, body) };
        memcpy(at + 1, "app", 3);
        for (uint32_t byte = 0; byte < body; byte++) {
            chance = chance * 6364136223846793005u + 1442695040888963407u;
            ((char *)(at + 1))[3 + byte] = (char)('0' + (chance >> 58));
        }
        lb_record_seal(at);
        record[i] = at;
        used += at->len;
    }
    len = lb_segment_pack(it.packer, 7, record, RECORDS, it.packed, sizeof it.packed);
    must(len > 0 && lb_segment_look(it.packed, (size_t)len, &view) == 0);
    return view;
}

static void make_good(void)
{
    static const struct lb_backlog_origin plain;
    const char *parent = getenv("LB_FUZZ_DIR");
    int fd;

    snprintf(it.path, sizeof it.path, "%s/logboom-fuzz-XXXXXX", parent ? parent : "/dev/shm");
    must(mkdtemp(it.path) != NULL);
    it.dir_fd = open(it.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(it.dir_fd >= 0);
    atexit(remove_dir);
    lb_log_open("fuzz_backlog", LB_LEVEL_EMERGENCY);
    it.packer = lb_segment_packer_new(1);
    must(it.packer != NULL);
    start(BYTES);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        struct lb_segment_view view = segment(1 + 100 * i);

        must(lb_backlog_put(&it.backlog, &view, &plain) >= 0);
        lb_commit_publish(&it.state.slow);
    }
    it.good_len = it.backlog.map.header_bytes + it.backlog.map.data_bytes;
    it.good = malloc(it.good_len);
    fd = openat(it.dir_fd, "backlog", O_RDONLY | O_CLOEXEC);
    must(it.good && fd >= 0 && read(fd, it.good, it.good_len) == (ssize_t)it.good_len);
    close(fd);
    stop();
}

static void write_damaged(const uint8_t *data, size_t size)
{
    uint8_t *bad = malloc(it.good_len);
    const size_t rows = sizeof(struct lb_backlog_header), row_bytes = 8 * LB_ROW_WORDS * (SEGMENTS + 2);
    const size_t from[] = { 0, rows, LB_MAP_ALIGN }, len[] = { rows, row_bytes, it.good_len - LB_MAP_ALIGN };
    int fd = openat(it.dir_fd, "backlog", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    must(bad != NULL && fd >= 0);
    memcpy(bad, it.good, it.good_len);
    for (; size >= CHANGE_BYTES; data += CHANGE_BYTES, size -= CHANGE_BYTES) {
        unsigned part = data[0] % 3;
        size_t at = (data[1] | (size_t)data[2] << 8 | (size_t)data[3] << 16) % len[part];

        for (unsigned i = 0; i < 1u + data[5] % 8 && at + i < len[part]; i++)
            bad[from[part] + at + i] = data[4];
    }
    must(write(fd, bad, it.good_len) == (ssize_t)it.good_len);
    close(fd);
    free(bad);
}

static void look_from_outside(void)
{
    struct lb_backlog_wish wish = { .level = -1 };
    struct lb_backlog_reader reader;
    const struct lb_record *record;
    uint64_t ring_id;
    int fd = openat(it.dir_fd, "backlog", O_RDONLY | O_CLOEXEC);

    must(fd >= 0);
    if (lb_backlog_reader_open(&reader, fd, &wish) < 0) {
        close(fd);
        return;
    }
    while ((record = lb_backlog_reader_peek(&reader, &ring_id))) {
        must(lb_record_is_whole(record, record->len, LB_RECORD_MAX + 65536));
        lb_backlog_reader_take(&reader);
    }
    lb_backlog_reader_close(&reader);
}

static void look_from_inside(void)
{
    static const struct lb_backlog_origin plain;
    struct lb_segment_view view;
    uint32_t row, rows = 0;

    while ((row = lb_backlog_oldest(&it.backlog, LB_LANE_COUNT, NULL, NULL)) != LB_BACKLOG_NONE) {
        uint64_t len = lb_backlog_word(&it.backlog, row, LB_ROW_LEN);

        must(len <= sizeof it.packed);
        lb_backlog_copy(&it.backlog, row, it.packed);
        must(lb_segment_look(it.packed, len, &view) == 0);
        lb_backlog_pass(&it.backlog, row, UINT64_MAX, 0, 0);
        lb_commit_publish(&it.state.slow);
        rows++;
    }
    must(rows <= SEGMENTS && it.backlog.sum.segments == 0);
    view = segment(10000);
    must(lb_backlog_put(&it.backlog, &view, &plain) >= 0);
    lb_commit_publish(&it.state.slow);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!it.good)
        make_good();
    unlinkat(it.dir_fd, "state", 0); /* what one input did to it is not there for the next */
    write_damaged(data, size);
    look_from_outside();
    start(size % 2 ? 2 * BYTES : BYTES);
    look_from_outside();
    look_from_inside();
    stop();
    start(BYTES);
    must(it.backlog.sum.segments == 1 && !it.backlog.was_damaged);
    stop();
    remove_files();
    return 0;
}
