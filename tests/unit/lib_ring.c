/* SPDX-License-Identifier: MIT */
/* A ring to ship from. In: sizes, lines. Out: what an agent's files would hold. Always true: one rig, one
 * directory. */
#include "tests/unit/lib_ring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/loss.h"
#include "common/level.h"

static void must(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "lib_ring: %s: %s\n", what, strerror(errno));
    abort();
}

static void open_files(struct rig *rig, uint64_t ring_bytes)
{
    memset(&rig->files, 0, sizeof rig->files);
    rig->files.lock_fd = -1;
    rig->files.dir_fd = open(rig->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(rig->files.dir_fd >= 0, "open directory");
    must(lb_files_open(&rig->files, ring_bytes, false) == 0, "files");
    lb_files_recover(&rig->files);
}

void rig_begin(struct rig *rig, uint64_t ring_bytes)
{
    memset(rig, 0, sizeof *rig);
    snprintf(rig->path, sizeof rig->path, "/dev/shm/logboom-ship-XXXXXX");
    must(mkdtemp(rig->path) != NULL, "mkdtemp");
    rig->boot_ns = 1000000000;
    must(lb_link_init(&rig->link) == 0, "link");
    open_files(rig, ring_bytes);
}

void rig_restart(struct rig *rig)
{
    uint64_t ring_bytes = rig->files.ring.size;

    lb_files_close(&rig->files);
    open_files(rig, ring_bytes);
}

void rig_end(struct rig *rig)
{
    DIR *dir = opendir(rig->path);
    struct dirent *entry;

    must(dir != NULL, "opendir");
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(rig->path);
    lb_link_close(&rig->link);
    lb_files_close(&rig->files);
}

struct lb_config *rig_config(struct rig *rig, const char *text)
{
    struct lb_config_faults faults = { 0 };
    struct lb_config *config = NULL;
    char path[96];
    FILE *file;

    snprintf(path, sizeof path, "%s/main.ini", rig->path);
    file = fopen(path, "w");
    must(file != NULL, "main.ini");
    fputs(text, file);
    if (!strstr(text, "[sink"))
        fputs("\n[sink out]\ntype = file\npath = /nowhere\n", file);
    must(fclose(file) == 0, "main.ini");
    if (lb_config_load(path, LB_CONFIG_CHECK, &config, &faults) != 0) {
        fprintf(stderr, "lib_ring: %s\n", faults.text[0]);
        abort();
    }
    lb_config_faults_free(&faults);
    return config;
}

static void book(struct rig *rig, uint32_t row, unsigned word, uint64_t bytes)
{
    lb_commit_add(&rig->files.state.fast, LB_FAST_BOOKS, row * LB_BOOK_FAST_WORDS + word, 1);
    lb_commit_add(&rig->files.state.fast, LB_FAST_BOOKS, row * LB_BOOK_FAST_WORDS + word + 1, bytes);
}

int rig_put_text(struct rig *rig, const char *service, const char *tags, enum lb_level level,
                 const char *text, size_t len)
{
    struct iovec body = { (void *)(uintptr_t)text, len };
    struct lb_record head = {
        .lane = level <= LB_LEVEL_WARNING ? LB_LANE_URGENT : LB_LANE_ROUTINE,
        .severity = (uint8_t)level,
        .boot_ns = rig->boot_ns,
        .stream_id = 0xabc,
        .raw_len = (uint32_t)len + 1,
        .pid = 7,
        .uid = 1000,
        .service_ix = lb_state_service(&rig->files.state, service, strlen(service)),
        .lines = 1,
    };
    int rc = lb_ring_put(&rig->files.ring, &head, service, strlen(service), tags, tags ? strlen(tags) : 0,
                         &body, 1);

    if (rc < 0)
        return rc;
    rig->in_lines++;
    book(rig, head.service_ix, LB_BOOK_QUEUED_LINES, len);
    lb_commit_publish(&rig->files.state.fast);
    return 0;
}

uint32_t rig_put(struct rig *rig, const char *service, enum lb_level level, size_t len)
{
    static char text[1 << 20];
    char name[16];

    must(len >= 8 && len <= sizeof text && rig->lines + 1 < RING_LINES_MAX, "a line's bounds");
    memset(text, '.', len);
    memcpy(text, name, (size_t)snprintf(name, sizeof name, "L%u", rig->lines + 1));
    if (rig_put_text(rig, service, NULL, level, text, len) < 0)
        return 0;
    rig->lines++;
    rig->lane[rig->lines] = level <= LB_LEVEL_WARNING ? LB_LANE_URGENT : LB_LANE_ROUTINE;
    rig->n[rig->lines] =
        lb_commit_get(&rig->files.state.fast, LB_FAST_RING,
                      rig->lane[rig->lines] == LB_LANE_URGENT ? LB_RING_NEXT_URGENT : LB_RING_NEXT_ROUTINE) -
        1;
    return rig->lines;
}

unsigned rig_tell(struct rig *rig)
{
    struct lb_state *state = &rig->files.state;
    struct lb_receipt receipt;
    unsigned told = 0, row = 0;

    while (lb_loss_next(state, &row, &receipt)) {
        const char *name = receipt.name_len ? (const char *)receipt.name : "logboom";
        size_t name_len = receipt.name_len ? receipt.name_len : 7;
        struct iovec body = { &receipt, sizeof receipt };
        struct lb_record head = {
            .lane = LB_LANE_URGENT,
            .severity = LB_LEVEL_WARNING,
            .kind = LB_KIND_RECEIPT,
            .boot_ns = rig->boot_ns,
            .service_ix = lb_state_service(state, name, name_len),
            .lines = 1,
        };

        if (lb_ring_put(&rig->files.ring, &head, name, name_len, NULL, 0, &body, 1) < 0)
            break;
        book(rig, head.service_ix, LB_BOOK_OWN_LINES, sizeof receipt);
        lb_loss_told(state, row);
        lb_commit_publish(&state->fast);
        told++;
    }
    return told;
}

struct rig_books rig_books(const struct rig *rig)
{
    const uint64_t *fast = rig->files.state.fast.region[LB_FAST_BOOKS].shared;
    const uint64_t *slow = rig->files.state.slow.region[LB_SLOW_BOOKS].shared;
    struct rig_books sum = { 0 };

    for (unsigned row = 0; row < LB_SERVICES_BOOKS;
         row++, fast += LB_BOOK_FAST_WORDS, slow += LB_BOOK_SLOW_WORDS) {
        sum.queued += fast[LB_BOOK_QUEUED_LINES];
        sum.queued_bytes += fast[LB_BOOK_QUEUED_BYTES];
        sum.own += fast[LB_BOOK_OWN_LINES];
        sum.delivered += slow[LB_BOOK_DELIVERED];
        sum.delivered_bytes += slow[LB_BOOK_DELIVERED + 1];
        sum.shed += slow[LB_BOOK_SHED];
        sum.shed_bytes += slow[LB_BOOK_SHED + 1];
        sum.rejected += slow[LB_BOOK_REJECTED];
        sum.rejected_bytes += slow[LB_BOOK_REJECTED + 1];
        sum.expired +=
            rig->files.state.slow.region[LB_SLOW_MORE].shared[row * LB_MORE_WORDS + LB_MORE_EXPIRED];
        sum.own_delivered += slow[LB_BOOK_OWN_DELIVERED];
        sum.own_shed += slow[LB_BOOK_OWN_SHED];
    }
    return sum;
}

static void count_ring(const struct lb_ring *ring, uint64_t *lines, uint64_t *own)
{
    uint64_t head = lb_ring_head(ring);
    const struct lb_record *record;

    for (uint64_t pos = lb_ring_tail(ring); (record = lb_ring_at(ring, pos, head)); pos += record->len)
        if (record->kind != LB_KIND_HOLE && record->state < LB_STATE_DELIVERED)
            ++*(record->kind == LB_KIND_LINE ? lines : own);
}

void rig_count_pending(const struct rig *rig, uint64_t *ret_lines, uint64_t *ret_own)
{
    *ret_lines = *ret_own = 0;
    count_ring(&rig->files.ring, ret_lines, ret_own);
    if (rig->files.has_old_ring)
        count_ring(&rig->files.old_ring, ret_lines, ret_own);
}

uint64_t rig_untold(const struct rig *rig)
{
    const struct lb_state *state = &rig->files.state;
    uint64_t lines = 0;

    for (unsigned row = 0; row < LB_LOSS_SLOTS; row++) {
        const uint64_t *words = &state->slow.region[LB_SLOW_LOSS].shared[row * LB_LOSS_WORDS];
        struct lb_receipt receipt;

        if (words[LB_LOSS_STATE] == LB_LOSS_FREE ||
            (words[LB_LOSS_STATE] == LB_LOSS_TELLING && state->file->told[row] == words[LB_LOSS_TELL]))
            continue;
        memcpy(&receipt, &words[LB_LOSS_RECEIPT], sizeof receipt);
        lines += receipt.lines;
    }
    return lines;
}

const struct lb_record *rig_record(const struct rig *rig, uint64_t *pos)
{
    const struct lb_record *record = lb_ring_at(&rig->files.ring, *pos, lb_ring_head(&rig->files.ring));

    if (record)
        *pos += record->len;
    return record;
}
