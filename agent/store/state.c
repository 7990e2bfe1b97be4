/* SPDX-License-Identifier: MIT */
/*
 * The state file: redo blocks, books, untold losses. In: a directory. Out: two commits ready for more
 * regions. Always true: a row's name is complete before its length says that the row is taken.
 */
#include "agent/store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/store/killpoint.h"
#include "common/clock.h"
#include "common/log.h"

static const char magic[8] = "LBSTATE";
static const char others[] = "(others)";

static bool is_ours(const struct lb_mapfile *map)
{
    const struct lb_state_file *file = (const struct lb_state_file *)(void *)map->header;

    return memcmp(file->magic, magic, sizeof magic) == 0 && file->format == LB_STATE_FORMAT &&
           file->bytes == sizeof *file;
}

static int make(int dir_fd, size_t bytes, unsigned flags, struct lb_mapfile *ret_map)
{
    struct lb_state_file *file;
    int rc = lb_mapfile_create(dir_fd, "state", bytes, 0, flags, ret_map);

    if (rc < 0)
        return rc;
    file = (struct lb_state_file *)(void *)ret_map->header;
    memcpy(file->magic, magic, sizeof magic);
    file->format = LB_STATE_FORMAT;
    file->bytes = sizeof *file;
    if (getrandom(file->life_id, sizeof file->life_id, 0) < 0)
        file->life_id[0] = lb_clock_boot_ns();
    rc = lb_mapfile_publish(dir_fd, "state");
    if (rc < 0)
        lb_mapfile_close(ret_map);
    return rc;
}

/* How long a file of an older format is; 0: there was none such. */
static uint64_t bytes_of_format(uint64_t format)
{
    static const uint64_t bytes[] = { 0, LB_STATE_BYTES_1, LB_STATE_BYTES_2, LB_STATE_BYTES_3 };

    return format < sizeof bytes / sizeof bytes[0] ? bytes[format] : 0;
}

/*
 * An agent of an older format left its file: what is new stands behind what it had, so the file only grows.
 * Killed in between, it is of the old format still and grows again. Any other file is left to open_file().
 */
static void grow_older_format(int dir_fd, size_t bytes)
{
    int fd = openat(dir_fd, "state", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct {
        char magic[8];
        uint64_t format, bytes;
    } head;

    if (fd < 0)
        return;
    if (pread(fd, &head, sizeof head, 0) == (ssize_t)sizeof head &&
        memcmp(head.magic, magic, sizeof magic) == 0 && bytes_of_format(head.format) > 0 &&
        (head.bytes == bytes_of_format(head.format) || head.bytes == sizeof(struct lb_state_file)) &&
        posix_fallocate(fd, 0, (off_t)bytes) == 0) {
        head.bytes = sizeof(struct lb_state_file);
        head.format = LB_STATE_FORMAT;
        if (pwrite(fd, &head.bytes, 8, offsetof(struct lb_state_file, bytes)) == 8 &&
            pwrite(fd, &head.format, 8, offsetof(struct lb_state_file, format)) == 8)
            lb_log(LB_LEVEL_NOTICE, "the state of an older agent is taken over");
    }
    close(fd);
}

static int open_file(int dir_fd, unsigned flags, struct lb_state *state)
{
    size_t bytes = lb_mapfile_round(sizeof(struct lb_state_file));
    int rc;

    grow_older_format(dir_fd, bytes);
    rc = lb_mapfile_open(dir_fd, "state", bytes, flags, &state->map);

    if (rc == 0 && is_ours(&state->map))
        return 0;
    if (rc == 0)
        lb_mapfile_close(&state->map);
    if (rc == 0 || rc == -EINVAL) {
        state->was_damaged = true;
        if (renameat(dir_fd, "state", dir_fd, "state.damaged") != 0)
            return -errno;
    } else if (rc != -ENOENT) {
        return rc;
    }
    state->is_new = true;
    return make(dir_fd, bytes, flags, &state->map);
}

#define TABLE(side, region, words)                                  \
    {                                                               \
        &state->side, region, words, sizeof words / sizeof words[0] \
    }

static int add_regions(struct lb_state *state)
{
    struct lb_state_file *file = state->file;
    const struct {
        struct lb_commit *commit;
        unsigned region;
        uint64_t *words;
        uint32_t count;
    } tables[] = {
        TABLE(fast, LB_FAST_BOOKS, file->books_fast),  TABLE(fast, LB_FAST_TOLD, file->told),
        TABLE(fast, LB_FAST_MORE, file->more_fast),    TABLE(fast, LB_FAST_REPEATS, file->repeats),
        TABLE(fast, LB_FAST_INPUTS, file->inputs),     TABLE(fast, LB_FAST_THROTTLE, file->throttle),
        TABLE(fast, LB_FAST_PATTERNS, file->patterns), TABLE(fast, LB_FAST_SUPPRESSED, file->suppressed),
        TABLE(fast, LB_FAST_COLLAPSE, file->collapse), TABLE(slow, LB_SLOW_BOOKS, file->books_slow),
        TABLE(slow, LB_SLOW_LOSS, file->loss),         TABLE(slow, LB_SLOW_MORE, file->books_more),
        TABLE(slow, LB_SLOW_METER, file->meter),
    };
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sizeof tables / sizeof tables[0]; i++)
        rc = lb_commit_region(tables[i].commit, tables[i].region, tables[i].words, tables[i].count);
    return rc;
}

int lb_state_open(int dir_fd, bool lock, lb_commit_apply_range apply_range, void *ctx, struct lb_state *state)
{
    int rc;

    state->map = (struct lb_mapfile) { .fd = -1 };
    state->file = NULL;
    state->is_new = state->was_damaged = false;
    rc = open_file(dir_fd, lock ? LB_MAP_LOCK : 0, state);
    if (rc < 0)
        return rc;
    state->file = (struct lb_state_file *)(void *)state->map.header;
    lb_commit_init(&state->fast, &state->file->fast_block, NULL, NULL);
    lb_commit_init(&state->slow, &state->file->slow_block, apply_range, ctx);
    rc = add_regions(state);
    if (rc < 0)
        lb_state_close(state);
    return rc;
}

const char *lb_drop_name(unsigned reason)
{
    static const char *const names[LB_DROP_COUNT] = { "blank",  "overload", "client",  "repeat",
                                                      "filter", "collapse", "sample",  "limit",
                                                      "lost",   "quota",    "pressure" };

    return reason < LB_DROP_COUNT ? names[reason] : "unknown";
}

void lb_state_close(struct lb_state *state)
{
    lb_commit_close(&state->fast);
    lb_commit_close(&state->slow);
    lb_mapfile_close(&state->map);
    state->file = NULL;
}

static bool is_named(const struct lb_state_name *row, const char *name, size_t len)
{
    return lb_load(&row->len) == len && memcmp(row->text, name, len) == 0;
}

uint32_t lb_state_find_service(const struct lb_state *state, const char *name, size_t len, uint32_t hint)
{
    const struct lb_state_name *row = state->file->name;

    if (hint < LB_SERVICES_BOOKS && is_named(&row[hint], name, len))
        return hint;
    for (uint32_t i = 0; i < LB_SERVICES_BOOKS; i++)
        if (is_named(&row[i], name, len))
            return i;
    return LB_SERVICES_BOOKS - 1;
}

uint32_t lb_state_service(struct lb_state *state, const char *name, size_t len)
{
    struct lb_state_name *row = state->file->name;
    uint32_t i;

    if (len > sizeof row->text)
        len = sizeof row->text;
    for (i = 0; i < LB_SERVICES_BOOKS && row[i].len != 0; i++)
        if (is_named(&row[i], name, len))
            return i;
    if (i >= LB_SERVICES_BOOKS - 1) {
        i = LB_SERVICES_BOOKS - 1;
        name = others;
        len = sizeof others - 1;
    }
    if (row[i].len == 0) {
        memcpy(row[i].text, name, len);
        lb_killpoint();
        lb_store(&row[i].len, len);
    }
    return i;
}
