/* SPDX-License-Identifier: MIT */
/*
 * The backlog in another size. In: one that is recovered, and not empty. Out: all of it in a file of the size
 * that is wanted, where that holds it. Always true: under the name "backlog" lies a file with every segment,
 * the old one until the new one is whole; nothing is published meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/backlog_parts.h"
#include "agent/store/killpoint.h"
#include "agent/store/state.h"
#include "common/log.h"

static uint32_t blocks_of(const struct lb_backlog *backlog, uint32_t row)
{
    return lb_backlog_is_valid(backlog, row)
               ? (uint32_t)((lb_backlog_word(backlog, row, LB_ROW_LEN) + LB_BACKLOG_BLOCK - 1) /
                            LB_BACKLOG_BLOCK)
               : 0;
}

/* One row and what it speaks of, behind the others. Of one that is final only the row is left. */
static uint32_t copy_row(const struct lb_backlog *from, uint32_t row, const struct lb_mapfile *to,
                         uint64_t *to_row, uint32_t at)
{
    uint32_t blocks = blocks_of(from, row);
    uint64_t state = lb_backlog_word(from, row, LB_ROW_STATE);

    for (unsigned word = 0; word < LB_ROW_EXTENT; word++)
        to_row[word] = lb_backlog_word(from, row, word);
    state &= ~((uint64_t)0xff << LB_ROW_EXTENTS_SHIFT);
    if (blocks > 0) {
        state |= (uint64_t)1 << LB_ROW_EXTENTS_SHIFT;
        to_row[LB_ROW_EXTENT] = (uint64_t)at << 32 | blocks;
        lb_backlog_copy(from, row, to->data + (size_t)at * LB_BACKLOG_BLOCK);
    }
    to_row[LB_ROW_STATE] = state;
    lb_killpoint();
    return blocks;
}

/* All rows, one behind the other. Returns the blocks that they take | -ENOSPC */
static int64_t copy_rows(const struct lb_backlog *from, const struct lb_mapfile *to)
{
    const struct lb_backlog_header *header = (const struct lb_backlog_header *)(const void *)to->header;
    uint64_t *to_row = (uint64_t *)(void *)(to->header + sizeof *header);
    uint64_t rows = 0;
    uint32_t used = 0;

    for (uint32_t row = 0; row < from->rows; row++) {
        if (lb_backlog_word(from, row, LB_ROW_STATE) == 0)
            continue;
        if (rows == header->rows || used + blocks_of(from, row) > header->blocks)
            return -ENOSPC;
        used += copy_row(from, row, to, to_row + rows * LB_ROW_WORDS, used);
        rows++;
    }
    return used;
}

/* The new file is whole and has the name: from here on it is the backlog. */
static int change_over(struct lb_backlog *backlog, struct lb_mapfile *map, uint32_t used)
{
    int rc;

    lb_mapfile_close(&backlog->map);
    free(backlog->is_used);
    free(backlog->leaving);
    backlog->is_used = NULL;
    backlog->leaving = NULL;
    backlog->map = *map;
    rc = lb_backlog_begin(backlog);
    if (rc < 0)
        return rc;
    lb_commit_reload(backlog->slow, LB_SLOW_BACKLOG);
    memset(backlog->is_used, 1, used);
    backlog->used_blocks = used;
    backlog->from_block = used;
    backlog->keeps_size = false;
    return 0;
}

int lb_backlog_resize(struct lb_backlog *backlog, int dir_fd, uint64_t bytes, bool lock)
{
    struct lb_mapfile map;
    int64_t used = -ENOSPC;
    int rc;

    if (!lb_backlog_is_there(backlog) || !backlog->keeps_size || bytes == 0)
        return 0;
    rc = lb_backlog_create(dir_fd, bytes, lock ? LB_MAP_LOCK : 0, &map);
    if (rc == 0) {
        used = copy_rows(backlog, &map);
        rc = used < 0 ? (int)used : lb_mapfile_publish(dir_fd, "backlog");
        if (rc < 0)
            lb_mapfile_close(&map);
    }
    lb_killpoint();
    if (rc == 0)
        return change_over(backlog, &map, (uint32_t)used);
    lb_log(LB_LEVEL_NOTICE, "the backlog keeps its size until a start finds less in it: %s",
           used == -ENOSPC ? "what it holds finds no room in the other" : strerror(-rc));
    return 0;
}
