/* SPDX-License-Identifier: MIT */
/*
 * Files in tmpfs, allocated, mapped and locked. In: a directory, a name, sizes. Out: memory that survives the
 * process. Always true: a mapped page exists (no SIGBUS), and a file that has its final name was complete
 * when it got it.
 */
#include "agent/store/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

size_t lb_mapfile_round(size_t bytes)
{
    return (bytes + LB_MAP_ALIGN - 1) / LB_MAP_ALIGN * LB_MAP_ALIGN;
}

static int map_mirrored(struct lb_mapfile *map, int prot)
{
    size_t want = 2 * map->data_bytes;
    uint8_t *room =
        mmap(NULL, want + LB_MAP_ALIGN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t front;

    if (room == MAP_FAILED)
        return -errno;
    /* Some ARM kernels refuse a fixed shared mapping whose address does not fit its offset in the cache. */
    front = (LB_MAP_ALIGN - (uintptr_t)room % LB_MAP_ALIGN) % LB_MAP_ALIGN;
    if (front > 0)
        munmap(room, front);
    room += front;
    munmap(room + want, LB_MAP_ALIGN - front);
    for (int copy = 0; copy < 2; copy++) {
        void *at = room + (size_t)copy * map->data_bytes;

        if (mmap(at, map->data_bytes, prot, MAP_SHARED | MAP_FIXED, map->fd, (off_t)map->header_bytes) ==
            MAP_FAILED) {
            int rc = -errno;

            munmap(room, want);
            return rc;
        }
    }
    map->data = room;
    return 0;
}

static int map_data(struct lb_mapfile *map, int prot)
{
    void *at;

    if (map->data_bytes == 0)
        return 0;
    if (map->is_mirrored)
        return map_mirrored(map, prot);
    at = mmap(NULL, map->data_bytes, prot, MAP_SHARED, map->fd, (off_t)map->header_bytes);
    if (at == MAP_FAILED)
        return -errno;
    map->data = at;
    return 0;
}

static void lock_in_ram(struct lb_mapfile *map)
{
    /* The second mapping of a mirrored file shows the same pages: locking it too would count them twice. */
    if (mlock(map->header, map->header_bytes) != 0 || (map->data && mlock(map->data, map->data_bytes) != 0))
        map->lock_errno = errno;
    else
        map->is_locked = true;
}

/* Map what map->fd holds. On error the descriptor stays open and is the caller's. */
static int map_all(struct lb_mapfile *map, size_t header_bytes, unsigned flags, int prot)
{
    struct stat st;
    void *header;
    int rc;

    if (fstat(map->fd, &st) != 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || (size_t)st.st_size < header_bytes || (size_t)st.st_size % LB_MAP_ALIGN != 0)
        return -EINVAL;
    map->header_bytes = header_bytes;
    map->data_bytes = (size_t)st.st_size - header_bytes;
    map->is_mirrored = flags & LB_MAP_MIRROR;
    header = mmap(NULL, header_bytes, prot, MAP_SHARED, map->fd, 0);
    if (header == MAP_FAILED)
        return -errno;
    map->header = header;
    rc = map_data(map, prot);
    if (rc < 0) {
        munmap(map->header, map->header_bytes);
        return rc;
    }
    if (flags & LB_MAP_LOCK)
        lock_in_ram(map);
    return 0;
}

/* tmpfs gives up at a signal; nothing but a signal makes it repeat. */
static int allocate(int fd, off_t bytes)
{
    int rc;

    do
        rc = posix_fallocate(fd, 0, bytes);
    while (rc == EINTR);
    return -rc;
}

int lb_mapfile_open(int dir_fd, const char *name, size_t header_bytes, unsigned flags,
                    struct lb_mapfile *ret_map)
{
    struct lb_mapfile map = { .fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW) };
    struct stat st;
    int rc;

    if (map.fd < 0)
        return -errno;
    if (fstat(map.fd, &st) != 0) {
        rc = -errno;
        goto close_fd;
    }
    if (st.st_size > 0) { /* fills holes that a copy of the file may have; nothing to do for a file of ours */
        rc = allocate(map.fd, st.st_size);
        if (rc < 0)
            goto close_fd;
    }
    rc = map_all(&map, header_bytes, flags, PROT_READ | PROT_WRITE);
    if (rc < 0)
        goto close_fd;
    *ret_map = map;
    return 0;
close_fd:
    close(map.fd);
    return rc;
}

static void temporary_name(const char *name, char *buf, size_t size)
{
    snprintf(buf, size, "%s.new", name);
}

int lb_mapfile_create(int dir_fd, const char *name, size_t header_bytes, size_t data_bytes, unsigned flags,
                      struct lb_mapfile *ret_map)
{
    struct lb_mapfile map = { .fd = -1 };
    char temporary[64];
    int rc;

    temporary_name(name, temporary, sizeof temporary);
    unlinkat(dir_fd, temporary, 0); /* left by a start that was killed */
    map.fd = openat(dir_fd, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (map.fd < 0)
        return -errno;
    rc = allocate(map.fd, (off_t)(header_bytes + data_bytes));
    if (rc < 0)
        goto remove_file;
    rc = map_all(&map, header_bytes, flags, PROT_READ | PROT_WRITE);
    if (rc < 0)
        goto remove_file;
    *ret_map = map;
    return 0;
remove_file:
    close(map.fd);
    unlinkat(dir_fd, temporary, 0);
    return rc;
}

int lb_mapfile_publish(int dir_fd, const char *name)
{
    char temporary[64];

    temporary_name(name, temporary, sizeof temporary);
    return renameat(dir_fd, temporary, dir_fd, name) == 0 ? 0 : -errno;
}

int lb_mapfile_open_readonly(int fd, size_t header_bytes, unsigned flags, struct lb_mapfile *ret_map)
{
    struct lb_mapfile map = { .fd = fd };
    int rc = map_all(&map, header_bytes, flags & LB_MAP_MIRROR, PROT_READ);

    if (rc == 0)
        *ret_map = map;
    return rc;
}

void lb_mapfile_close(struct lb_mapfile *map)
{
    if (map->header)
        munmap(map->header, map->header_bytes);
    if (map->data)
        munmap(map->data, map->data_bytes * (map->is_mirrored ? 2 : 1));
    if (map->fd >= 0)
        close(map->fd);
    *map = (struct lb_mapfile) { .fd = -1 };
}
