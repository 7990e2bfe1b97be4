/* SPDX-License-Identifier: MIT */
/*
 * The backlog at start. In: a file that an agent before us may have left. Out: rows that can be trusted, and
 * which blocks are free. Always true: a row that stays valid has a whole segment in blocks of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "agent/store/backlog.h"
#include "agent/store/backlog_parts.h"
#include "agent/store/state.h"
#include "common/log.h"

/* A row for so many bytes: more than there are segments of the usual length, so that small ones find theirs.
 * The least is what the least header has room for. */
#define BYTES_OF_ROW 8192u
#define ROWS_MIN     ((LB_MAP_ALIGN - sizeof(struct lb_backlog_header)) / (LB_ROW_WORDS * sizeof(uint64_t)))

static const char magic[8] = "LBBACKLG";

static uint64_t rows_for(uint64_t bytes)
{
    uint64_t rows = lb_mapfile_round(bytes) / BYTES_OF_ROW;

    return rows > ROWS_MIN ? rows : ROWS_MIN;
}

static size_t header_bytes_of(uint64_t rows)
{
    return lb_mapfile_round(sizeof(struct lb_backlog_header) + rows * LB_ROW_WORDS * sizeof(uint64_t));
}

size_t lb_backlog_header_bytes(uint64_t bytes)
{
    return header_bytes_of(rows_for(bytes));
}

static uint64_t check_of(const struct lb_backlog_header *header)
{
    return XXH3_64bits(header, offsetof(struct lb_backlog_header, check));
}

int lb_backlog_check_identity(const struct lb_backlog_header *header, size_t file_bytes)
{
    if (memcmp(header->magic, magic, sizeof magic) != 0 || header->check != check_of(header))
        return -EBADMSG;
    if (header->format != LB_BACKLOG_FORMAT)
        return -EPROTO;
    return header->rows > 0 && header->rows < file_bytes / sizeof(uint64_t) && header->blocks > 0 &&
                   header->blocks < file_bytes / LB_BACKLOG_BLOCK + 1 &&
                   header_bytes_of(header->rows) + header->blocks * LB_BACKLOG_BLOCK == file_bytes
               ? 0
               : -EBADMSG;
}

/* ---- open ---- */

int lb_backlog_create(int dir_fd, uint64_t bytes, unsigned flags, struct lb_mapfile *ret_map)
{
    struct lb_backlog_header *header;
    int rc = lb_mapfile_create(dir_fd, "backlog", lb_backlog_header_bytes(bytes), lb_mapfile_round(bytes),
                               flags, ret_map);

    if (rc < 0)
        return rc;
    header = (struct lb_backlog_header *)(void *)ret_map->header;
    memcpy(header->magic, magic, sizeof magic);
    header->format = LB_BACKLOG_FORMAT;
    header->rows = rows_for(bytes);
    header->blocks = lb_mapfile_round(bytes) / LB_BACKLOG_BLOCK;
    header->check = check_of(header);
    return 0;
}

static int make(int dir_fd, uint64_t bytes, unsigned flags, struct lb_mapfile *ret_map)
{
    int rc = lb_backlog_create(dir_fd, bytes, flags, ret_map);

    if (rc < 0)
        return rc;
    rc = lb_mapfile_publish(dir_fd, "backlog");
    if (rc < 0)
        lb_mapfile_close(ret_map);
    return rc;
}

/* A header's length depends on what it says: it is mapped with the least length, and then as it is. */
static int open_map(int dir_fd, unsigned flags, struct lb_mapfile *ret_map)
{
    struct lb_backlog_header *header;
    struct lb_mapfile map;
    size_t header_bytes = 0;
    int rc = lb_mapfile_open(dir_fd, "backlog", LB_MAP_ALIGN, 0, &map);

    if (rc < 0)
        return rc == -EINVAL ? -EBADMSG : rc;
    header = (struct lb_backlog_header *)(void *)map.header;
    rc = lb_backlog_check_identity(header, map.header_bytes + map.data_bytes);
    if (rc == 0)
        header_bytes = header_bytes_of(header->rows);
    lb_mapfile_close(&map);
    return rc < 0 ? rc : lb_mapfile_open(dir_fd, "backlog", header_bytes, flags, ret_map);
}

static bool is_empty(const struct lb_mapfile *map)
{
    const struct lb_backlog_header *header = (const struct lb_backlog_header *)(const void *)map->header;
    const uint64_t *row = (const uint64_t *)(header + 1);

    for (uint64_t i = 0; i < header->rows; i++)
        if (row[i * LB_ROW_WORDS + LB_ROW_STATE] != 0)
            return false;
    return true;
}

/* One of another size than wanted makes way where nothing is in it. A redo block may still speak of it: then
 * it stays for this time. */
static int settle_size(int dir_fd, uint64_t bytes, const struct lb_commit *slow, struct lb_backlog *backlog)
{
    if ((bytes > 0 && backlog->map.data_bytes == lb_mapfile_round(bytes)))
        return 0;
    if (!is_empty(&backlog->map) || slow->block->mark != 0) {
        backlog->keeps_size = true;
        return 0;
    }
    lb_mapfile_close(&backlog->map);
    return unlinkat(dir_fd, "backlog", 0) == 0 ? -ENOENT : -errno;
}

int lb_backlog_begin(struct lb_backlog *backlog)
{
    backlog->header = (struct lb_backlog_header *)(void *)backlog->map.header;
    backlog->rows = (uint32_t)backlog->header->rows;
    backlog->blocks = (uint32_t)backlog->header->blocks;
    backlog->row = (uint64_t *)(backlog->header + 1);
    backlog->is_used = calloc(backlog->blocks, 1);
    backlog->leaving = calloc(backlog->rows, sizeof *backlog->leaving);
    if (!backlog->is_used || !backlog->leaving)
        return -ENOMEM;
    return lb_commit_region(backlog->slow, LB_SLOW_BACKLOG, backlog->row, backlog->rows * LB_ROW_WORDS);
}

int lb_backlog_open(int dir_fd, uint64_t bytes, bool lock, struct lb_commit *slow, struct lb_backlog *backlog)
{
    unsigned flags = lock ? LB_MAP_LOCK : 0;
    int rc;

    memset(backlog, 0, sizeof *backlog);
    backlog->slow = slow;
    backlog->map.fd = -1;
    rc = open_map(dir_fd, flags, &backlog->map);
    if (rc == -EBADMSG) {
        backlog->was_damaged = true;
        if (renameat(dir_fd, "backlog", dir_fd, "backlog.damaged") != 0)
            return -errno;
        rc = -ENOENT;
    }
    if (rc == 0)
        rc = settle_size(dir_fd, bytes, slow, backlog);
    if (rc == -ENOENT && bytes == 0) {
        backlog->map.fd = -1;
        return 0;
    }
    if (rc == -ENOENT)
        rc = make(dir_fd, bytes, flags, &backlog->map);
    return rc < 0 ? rc : lb_backlog_begin(backlog);
}

void lb_backlog_close(struct lb_backlog *backlog)
{
    if (backlog->header)
        lb_mapfile_close(&backlog->map);
    free(backlog->is_used);
    free(backlog->leaving);
    memset(backlog, 0, sizeof *backlog);
    backlog->map.fd = -1;
}

/* ---- recover ---- */

static void set_used(struct lb_backlog *backlog, uint64_t extent, uint8_t is_used)
{
    memset(backlog->is_used + (extent >> 32), is_used, (uint32_t)extent);
    backlog->used_blocks += is_used ? (uint32_t)extent : 0 - (uint32_t)extent;
}

static void give_back(struct lb_backlog *backlog, uint32_t row, unsigned extents)
{
    while (extents > 0)
        set_used(backlog, lb_backlog_word(backlog, row, LB_ROW_EXTENT + --extents), 0);
}

/* Do a row's stretches lie in the file, hold all of it, and belong to nobody else? Then they are its own. */
static bool claim_blocks(struct lb_backlog *backlog, uint32_t row)
{
    unsigned extents = lb_backlog_word(backlog, row, LB_ROW_STATE) >> LB_ROW_EXTENTS_SHIFT & 0xff,
             claimed = 0;
    uint64_t blocks = 0;

    for (unsigned i = 0; i < LB_BACKLOG_EXTENTS; i++) {
        uint64_t extent = lb_backlog_word(backlog, row, LB_ROW_EXTENT + i), at = extent >> 32;
        uint32_t count = (uint32_t)extent;

        if ((i < extents) != (count > 0) || at + count > backlog->blocks ||
            (count > 0 && memchr(backlog->is_used + at, 1, count)))
            break;
        blocks += count;
        set_used(backlog, extent, 1);
        claimed++;
    }
    if (claimed == LB_BACKLOG_EXTENTS && extents > 0 && extents <= LB_BACKLOG_EXTENTS &&
        lb_backlog_word(backlog, row, LB_ROW_LEN) <= blocks * LB_BACKLOG_BLOCK)
        return true;
    give_back(backlog, row, claimed);
    return false;
}

static bool is_whole(struct lb_backlog *backlog, uint32_t row, uint8_t *room, size_t room_bytes)
{
    uint64_t len = lb_backlog_word(backlog, row, LB_ROW_LEN), done;
    struct lb_segment_view view;

    if (len > room_bytes || lb_backlog_lane(backlog, row) >= LB_LANE_COUNT)
        return false;
    lb_backlog_copy(backlog, row, room);
    done = lb_backlog_word(backlog, row, LB_ROW_DONE_N);
    return lb_segment_look(room, len, &view) == 0 && view.head->len == len &&
           view.head->lane == lb_backlog_lane(backlog, row) &&
           view.head->ring_id == lb_backlog_word(backlog, row, LB_ROW_RING) &&
           view.head->first_n == lb_backlog_word(backlog, row, LB_ROW_FIRST_N) &&
           view.head->last_n == lb_backlog_word(backlog, row, LB_ROW_LAST_N) && done >= view.head->first_n &&
           done <= view.head->last_n;
}

static void count(struct lb_backlog *backlog, uint32_t row)
{
    struct lb_backlog_sum *sum = &backlog->sum;
    uint64_t len = lb_backlog_word(backlog, row, LB_ROW_LEN);
    uint64_t first_ns =
        lb_backlog_word(backlog, row, LB_ROW_WALL_NS) ? 1 : lb_backlog_word(backlog, row, LB_ROW_FIRST_NS);

    sum->segments++;
    sum->lines += lb_backlog_word(backlog, row, LB_ROW_LINES);
    sum->bytes += lb_backlog_word(backlog, row, LB_ROW_BYTES);
    sum->packed_bytes += (len + LB_BACKLOG_BLOCK - 1) / LB_BACKLOG_BLOCK * LB_BACKLOG_BLOCK;
    sum->by_lane[lb_backlog_lane(backlog, row)]++;
    if (sum->first_ns == 0 || first_ns < sum->first_ns)
        sum->first_ns = first_ns;
}

/* It has a row and cannot be used: what is known of it is what the row says. */
static void lose(struct lb_backlog *backlog, uint32_t row, lb_backlog_lost lost, void *ctx)
{
    unsigned lane = lb_backlog_lane(backlog, row);
    uint64_t first = lb_backlog_word(backlog, row, LB_ROW_DONE_N),
             last = lb_backlog_word(backlog, row, LB_ROW_LAST_N);

    lb_log(LB_LEVEL_ERROR, "a segment of the backlog is damaged: numbers %llu to %llu are lost",
           (unsigned long long)first, (unsigned long long)last);
    if (lane < LB_LANE_COUNT && first > 0 && first <= last)
        lost(ctx, lane, first, last, lb_backlog_word(backlog, row, LB_ROW_LINES),
             lb_backlog_word(backlog, row, LB_ROW_BYTES), lb_backlog_word(backlog, row, LB_ROW_FIRST_NS),
             lb_backlog_word(backlog, row, LB_ROW_LAST_NS));
    lb_commit_set(backlog->slow, LB_SLOW_BACKLOG, row * LB_ROW_WORDS + LB_ROW_STATE, 0);
    lb_commit_publish(backlog->slow); /* each with its loss */
}

int lb_backlog_recover(struct lb_backlog *backlog, lb_backlog_lost lost, void *ctx)
{
    size_t room_bytes = lb_segment_bound(LB_SEGMENT_COST_MAX, LB_SEGMENT_RECORDS);
    uint8_t *room;

    if (!backlog->row)
        return 0;
    room = malloc(room_bytes);
    if (!room)
        return -ENOMEM;
    backlog->next_seq = 1;
    for (uint32_t row = 0; row < backlog->rows; row++) {
        uint64_t seq = lb_backlog_word(backlog, row, LB_ROW_SEQ);

        if (!lb_backlog_is_valid(backlog, row))
            continue;
        if (seq >= backlog->next_seq)
            backlog->next_seq = seq + 1;
        if (!claim_blocks(backlog, row)) {
            lose(backlog, row, lost, ctx);
        } else if (!is_whole(backlog, row, room, room_bytes)) {
            give_back(backlog, row, LB_BACKLOG_EXTENTS);
            lose(backlog, row, lost, ctx);
        } else {
            count(backlog, row);
        }
    }
    free(room);
    return 0;
}
