/* SPDX-License-Identifier: MIT */
/*
 * The store's files. In: a directory and sizes. Out: state and rings, recovered, under a lock. Always true: a
 * file with a final name is whole; what cannot be used is set aside under another name, never removed.
 */
#include "agent/store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "agent/store/loss.h"
#include "common/clock.h"
#include "common/log.h"

static int holder_of(int lock_fd)
{
    char text[16] = "";

    return pread(lock_fd, text, sizeof text - 1, 0) > 0 ? (int)strtol(text, NULL, 10) : 0;
}

static int open_dir(struct lb_files *files, const char *path)
{
    struct statfs fs;

    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return -errno;
    files->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (files->dir_fd < 0)
        return -errno;
    /* f_type is signed, and RAMFS_MAGIC has the highest of 32 bits. */
    files->is_tmpfs =
        fstatfs(files->dir_fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || (uint32_t)fs.f_type == RAMFS_MAGIC);
    return 0;
}

int lb_files_lock(struct lb_files *files, const char *path, int *ret_other_pid)
{
    char text[16];
    int rc = open_dir(files, path), len;

    if (rc < 0)
        return rc;
    files->lock_fd = openat(files->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (files->lock_fd < 0)
        return -errno;
    if (flock(files->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        rc = -errno;
        *ret_other_pid = holder_of(files->lock_fd);
        return rc;
    }
    len = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(files->lock_fd, 0) != 0 || pwrite(files->lock_fd, text, (size_t)len, 0) != len)
        lb_log(LB_LEVEL_WARNING, "cannot write our pid into %s/lock: %s", path, strerror(errno));
    return 0;
}

/* ---- room ---- */

static uint64_t mem_available(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    unsigned long long kib = UINT64_MAX / 1024;

    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "MemAvailable:", 13) == 0)
            kib = strtoull(line + 13, NULL, 10);
    if (file)
        fclose(file);
    return kib * 1024;
}

int lb_files_check_room(const struct lb_files *files, uint64_t need_bytes)
{
    struct statfs fs;

    if (fstatfs(files->dir_fd, &fs) == 0 && fs.f_blocks > 0 &&
        (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < need_bytes)
        return -ENOSPC;
    return files->is_tmpfs && mem_available() < need_bytes ? -ENOMEM : 0;
}

static uint64_t missing(int dir_fd, const char *name, uint64_t want_bytes)
{
    struct stat st;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return want_bytes;
    return want_bytes > (uint64_t)st.st_size ? want_bytes - (uint64_t)st.st_size : 0;
}

uint64_t lb_files_missing(const struct lb_files *files, uint64_t ring_bytes, uint64_t staging_bytes)
{
    return missing(files->dir_fd, "ring", lb_mapfile_round(ring_bytes) + LB_RING_HEADER_BYTES) +
           (files->held_bytes ? missing(files->dir_fd, "held",
                                        lb_mapfile_round(files->held_bytes) +
                                            lb_held_header_bytes(files->held_bytes / LB_HELD_CHUNK_BYTES))
                              : 0) +
           (files->backlog_bytes ? missing(files->dir_fd, "backlog",
                                           lb_mapfile_round(files->backlog_bytes) +
                                               lb_backlog_header_bytes(files->backlog_bytes))
                                 : 0) +
           missing(files->dir_fd, "staging", lb_mapfile_round(staging_bytes) + 2 * LB_MAP_ALIGN) +
           missing(files->dir_fd, "state", lb_mapfile_round(sizeof(struct lb_state_file))) +
           missing(files->dir_fd, "datagram", 5 * LB_MAP_ALIGN);
}

/* ---- open and recover ---- */

static void apply_range(void *ctx, unsigned ring, uint64_t from, uint64_t to, unsigned state)
{
    struct lb_files *files = ctx;

    if (ring == LB_SLOW_RING)
        lb_ring_apply_range(&files->ring, from, to, state);
    else if (ring == LB_SLOW_OLD_RING && files->has_old_ring)
        lb_ring_apply_range(&files->old_ring, from, to, state);
    else if ((ring == LB_SLOW_DRAIN || ring == LB_SLOW_SETTLE) &&
             files->backlog.unpacked_ring[ring - LB_SLOW_DRAIN])
        lb_ring_apply_range(files->backlog.unpacked_ring[ring - LB_SLOW_DRAIN], from, to, state);
}

static int open_ring(struct lb_files *files, uint64_t ring_bytes, bool lock)
{
    int rc = lb_ring_open(files->dir_fd, "ring", ring_bytes, lock, &files->ring);

    if (rc == -EBADMSG) {
        files->ring_was_damaged = true;
        if (renameat(files->dir_fd, "ring", files->dir_fd, "ring.damaged") != 0)
            return -errno;
        rc = lb_ring_open(files->dir_fd, "ring", ring_bytes, lock, &files->ring);
    }
    return rc < 0 ? rc
                  : lb_ring_attach(&files->ring, &files->state.fast, LB_FAST_RING, &files->state.slow,
                                   LB_SLOW_RING);
}

static int open_old_ring(struct lb_files *files)
{
    int rc = lb_ring_open(files->dir_fd, "ring.old", 0, false, &files->old_ring);

    if (rc == -ENOENT)
        return 0;
    if (rc < 0) {
        lb_log(LB_LEVEL_ERROR, "ring.old cannot be used (%s); it is set aside as ring.old.damaged",
               strerror(-rc));
        renameat(files->dir_fd, "ring.old", files->dir_fd, "ring.old.damaged");
        return 0;
    }
    files->has_old_ring = true;
    return lb_ring_attach(&files->old_ring, NULL, 0, &files->state.slow, LB_SLOW_OLD_RING);
}

int lb_files_open(struct lb_files *files, uint64_t ring_bytes, bool lock)
{
    int rc = lb_state_open(files->dir_fd, lock, apply_range, files, &files->state);

    if (rc < 0)
        return rc;
    rc = lb_held_open(files->dir_fd, files->held_bytes, lock, &files->state.fast, &files->held);
    if (rc == 0)
        rc = lb_backlog_open(files->dir_fd, files->backlog_bytes, lock, &files->state.slow, &files->backlog);
    if (rc == 0)
        rc = open_ring(files, ring_bytes, lock);
    return rc < 0 ? rc : open_old_ring(files);
}

/* Numbers that damage took: they are told like any other loss, by a service of our own since nobody knows
 * whose they were. */
static void tell_damage(struct lb_files *files, const struct lb_ring_repair *repair)
{
    uint32_t row;

    if (repair->lost.lines == 0) {
        lb_commit_publish(&files->state.slow); /* the tail may have moved over what was final */
        return;
    }
    row = lb_state_service(&files->state, "logboom", 7);
    for (unsigned i = 0; i < repair->gaps; i++)
        lb_loss_add(&files->state, &repair->gap[i]);
    lb_commit_add(&files->state.slow, LB_SLOW_BOOKS, row * LB_BOOK_SLOW_WORDS + LB_BOOK_SHED,
                  repair->lost.lines);
    lb_commit_publish(&files->state.slow); /* with it the ring remembers that they are told */
}

/* Lines that were held and are not there any more have no number: their receipts have no range. */
static void tell_held_loss(struct lb_files *files, const struct lb_held_sum *lost)
{
    uint64_t now_ns = lb_clock_boot_ns();

    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++) {
        const struct lb_state_name *name = &files->state.file->name[row];
        struct lb_receipt receipt = { .reason = LB_REASON_CORRUPT,
                                      .lines = lost[row].lines,
                                      .bytes = lost[row].bytes,
                                      .first_ns = now_ns,
                                      .last_ns = now_ns,
                                      .name_len =
                                          name->len < sizeof receipt.name ? name->len : sizeof receipt.name };

        if (lost[row].lines == 0)
            continue;
        memcpy(receipt.name, name->text, receipt.name_len);
        lb_loss_add(&files->state, &receipt);
        lb_commit_publish(&files->state.slow);
    }
}

static void lose_segment(void *ctx, unsigned lane, uint64_t first_n, uint64_t last_n, uint64_t lines,
                         uint64_t bytes, uint64_t first_ns, uint64_t last_ns)
{
    struct lb_files *files = ctx;

    lb_state_service(&files->state, "logboom", 7); /* whose books it is in */
    lb_loss_add_segment(&files->state, lane, first_n, last_n, lines, bytes, first_ns, last_ns);
}

void lb_files_recover(struct lb_files *files)
{
    struct lb_held_sum lost[LB_SERVICES_BOOKS] = { 0 };
    struct lb_ring_repair old_repair = { 0 };
    uint32_t redone = lb_commit_recover(&files->state.fast) + lb_commit_recover(&files->state.slow);

    lb_held_recover(&files->held, files->state.is_new, lost);
    tell_held_loss(files, lost);
    if (lb_backlog_recover(&files->backlog, lose_segment, files) < 0) {
        lb_log(LB_LEVEL_ERROR, "out of memory: what is in the backlog waits for the next start");
        lb_backlog_close(&files->backlog);
    }
    lb_ring_recover(&files->ring, &files->repair);
    tell_damage(files, &files->repair);
    if (files->has_old_ring) {
        lb_ring_recover(&files->old_ring, &old_repair);
        tell_damage(files, &old_repair);
    }
    if (redone > 0)
        lb_log(LB_LEVEL_NOTICE, "an agent before us was killed in a commit; its %u words are true now",
               redone);
    if (files->repair.holes > 0 || files->repair.cursors_were_bad)
        lb_log(LB_LEVEL_ERROR, "the ring was damaged: %llu stretches, %llu bytes, %llu records lost",
               (unsigned long long)files->repair.holes, (unsigned long long)files->repair.lost_bytes,
               (unsigned long long)files->repair.lost.lines);
}

/* ---- another size ---- */

int lb_files_resize(struct lb_files *files, uint64_t ring_bytes, bool lock)
{
    bool is_empty = lb_ring_tail(&files->ring) == lb_ring_head(&files->ring);
    int rc = lb_held_resize(&files->held, files->dir_fd, files->held_bytes, lock);

    if (rc == 0)
        rc = lb_backlog_resize(&files->backlog, files->dir_fd, files->backlog_bytes, lock);
    if (rc < 0)
        return rc;
    if (files->ring.size == lb_mapfile_round(ring_bytes))
        return 0;
    if (files->has_old_ring) {
        lb_log(LB_LEVEL_NOTICE, "the ring keeps its size until one that was set aside before is drained");
        return 0;
    }
    if (is_empty ? unlinkat(files->dir_fd, "ring", 0) != 0
                 : renameat(files->dir_fd, "ring", files->dir_fd, "ring.old") != 0)
        return -errno;
    if (is_empty) {
        lb_ring_close(&files->ring);
    } else {
        files->old_ring = files->ring;
        files->has_old_ring = true;
        rc = lb_ring_attach(&files->old_ring, NULL, 0, &files->state.slow, LB_SLOW_OLD_RING);
        if (rc < 0)
            return rc;
        lb_commit_reload(&files->state.slow, LB_SLOW_OLD_RING);
    }
    memset(&files->ring, 0, sizeof files->ring);
    rc = open_ring(files, ring_bytes, lock);
    if (rc < 0)
        return rc;
    lb_ring_recover(&files->ring, &files->repair);
    return 0;
}

void lb_files_drop_old_ring(struct lb_files *files)
{
    if (!files->has_old_ring)
        return;
    files->has_old_ring = false;
    unlinkat(files->dir_fd, "ring.old", 0);
    lb_ring_close(&files->old_ring);
}

void lb_files_close(struct lb_files *files)
{
    lb_state_close(&files->state);
    lb_held_close(&files->held);
    lb_backlog_close(&files->backlog);
    lb_ring_close(&files->ring);
    if (files->has_old_ring)
        lb_ring_close(&files->old_ring);
    close(files->lock_fd);
    close(files->dir_fd);
}
