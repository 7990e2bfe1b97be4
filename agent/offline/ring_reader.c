/* SPDX-License-Identifier: MIT */
/* Reading an agent's rings from outside. In: control.sock. Out: copies of records. The agent never waits for
 * us. */
#include "agent/offline/ring_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 10000

int lb_agent_connect(const char *request, unsigned patience_ms)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *dir = getenv("LOGBOOM_RUNTIME_DIR");
    struct timeval patience = { .tv_sec = patience_ms / 1000, .tv_usec = patience_ms % 1000 * 1000 };
    int fd, len = snprintf(address.sun_path, sizeof address.sun_path, "%s/control.sock",
                           dir && dir[0] ? dir : "/run/logboom");

    if (len < 0 || (size_t)len >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (patience_ms ? 0 : SOCK_NONBLOCK), 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request)) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

static unsigned take_fds(struct msghdr *message, int *fds)
{
    unsigned count = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(c), count * sizeof(int));
    }
    return count;
}

static void read_body(struct lb_ring_reader *reader, char *text)
{
    char *path = strstr(text, "config "), *end = path ? strchr(path, '\n') : NULL;

    if (!end)
        return;
    *end = '\0';
    snprintf(reader->config_path, sizeof reader->config_path, "%s", path + 7);
}

static int receive_fds(struct lb_ring_reader *reader, int fd, int *fds, unsigned *ret_count)
{
    char text[sizeof reader->config_path + 64], control[CMSG_SPACE(sizeof(int) * LB_CONTROL_FDS_MAX)];
    struct iovec piece = { text, sizeof text - 1 };
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

    if (got < 0)
        return -errno;
    text[got] = '\0';
    *ret_count = take_fds(&message, fds);
    read_body(reader, text);
    return *ret_count > 0 ? 0 : -EPROTO;
}

static int map_file(struct lb_ring_reader *reader, int fd)
{
    struct lb_ring ring = { 0 };
    struct lb_held_reader held;
    struct lb_backlog_reader backlog;
    int rc = lb_held_reader_open(&held, fd);

    if (rc == 0)
        reader->held = held;
    if (rc != -EPROTO) /* else it is another file */
        return rc;
    rc = lb_backlog_reader_open(&backlog, fd, &reader->wish);
    if (rc == 0 && reader->wants_backlog)
        reader->backlog = backlog;
    else if (rc == 0)
        lb_backlog_reader_close(&backlog);
    if (rc != -EPROTO) /* else it is a ring, or nothing that we know */
        return rc;
    rc = lb_mapfile_open_readonly(fd, LB_RING_HEADER_BYTES, LB_MAP_MIRROR, &ring.map);
    if (rc < 0)
        return rc;
    ring.header = (struct lb_ring_header *)(void *)ring.map.header;
    rc = lb_ring_check_identity(ring.header, ring.map.data_bytes);
    if (rc < 0) {
        lb_mapfile_close(&ring.map);
        return rc;
    }
    ring.size = ring.map.data_bytes;
    ring.id = ring.header->ring_id;
    if (lb_ring_record_max(&ring) > reader->record_room)
        reader->record_room = lb_ring_record_max(&ring);
    reader->pos[reader->rings] = lb_ring_oldest(&ring);
    reader->ring[reader->rings++] = ring;
    return 0;
}

int lb_ring_reader_open(struct lb_ring_reader *reader)
{
    return lb_ring_reader_open_within(reader, PATIENCE_MS);
}

int lb_ring_reader_open_within(struct lb_ring_reader *reader, unsigned patience_ms)
{
    int fds[LB_CONTROL_FDS_MAX], fd = lb_agent_connect("ring\n", patience_ms), rc;
    unsigned count = 0;

    memset(&reader->backlog, 0, sizeof *reader - offsetof(struct lb_ring_reader, backlog));
    reader->held.map.fd = reader->backlog.map.fd = -1;
    reader->record_room = LB_HELD_CHUNK_BYTES;
    if (fd < 0)
        return fd;
    rc = receive_fds(reader, fd, fds, &count);
    close(fd);
    for (unsigned i = count; i-- > 0;) { /* they come newest first */
        if (rc == 0)
            rc = map_file(reader, fds[i]);
        else
            close(fds[i]);
    }
    if (reader->backlog.count > 0)
        reader->record_room = LB_RECORD_MAX; /* of rings of any size */
    if (rc == 0) {
        reader->record = malloc(reader->record_room);
        rc = reader->record ? 0 : -ENOMEM;
    }
    if (rc < 0)
        lb_ring_reader_close(reader);
    return rc;
}

static const struct lb_record *next_of_rings(struct lb_ring_reader *reader, uint64_t *ret_ring_id)
{
    for (unsigned i = 0; i < reader->rings; i++) {
        struct lb_ring *ring = &reader->ring[i];

        while (reader->pos[i] < lb_ring_head(ring)) {
            int64_t len = lb_ring_copy(ring, reader->pos[i], reader->record, reader->record_room);

            if (len < 0) { /* the writer came round, or damage: go on where there is something whole */
                uint64_t oldest = lb_ring_oldest(ring);

                reader->skipped++;
                reader->pos[i] = oldest > reader->pos[i] ? oldest : lb_ring_head(ring);
                continue;
            }
            reader->pos[i] += (uint64_t)len;
            if (reader->record->kind == LB_KIND_HOLE)
                continue;
            if (reader->record->state == LB_STATE_MOVED && reader->backlog.count > 0 &&
                lb_backlog_reader_has(&reader->backlog, ring->id, reader->record))
                continue; /* seen there */
            *ret_ring_id = ring->id;
            return reader->record;
        }
    }
    return NULL;
}

const struct lb_record *lb_ring_reader_next(struct lb_ring_reader *reader, uint64_t *ret_ring_id)
{
    const struct lb_record *moved = NULL;
    uint64_t moved_ring_id;

    if (reader->must_take_moved)
        lb_backlog_reader_take(&reader->backlog);
    reader->must_take_moved = false;
    if (reader->backlog.count > 0)
        moved = lb_backlog_reader_peek(&reader->backlog, &moved_ring_id);
    if (!reader->has_record)
        reader->has_record = next_of_rings(reader, &reader->record_ring_id) != NULL;
    if (moved && (!reader->has_record || moved->boot_ns <= reader->record->boot_ns)) {
        reader->must_take_moved = true;
        *ret_ring_id = moved_ring_id;
        return moved;
    }
    *ret_ring_id = reader->record_ring_id;
    if (!reader->has_record)
        return NULL;
    reader->has_record = false;
    return reader->record;
}

uint64_t lb_ring_reader_pos(const struct lb_ring_reader *reader)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < reader->rings; i++)
        sum += reader->pos[i];
    return sum;
}

void lb_ring_reader_skip(struct lb_ring_reader *reader)
{
    for (unsigned i = 0; i < reader->rings; i++)
        reader->pos[i] = lb_ring_head(&reader->ring[i]);
}

void lb_ring_reader_close(struct lb_ring_reader *reader)
{
    for (unsigned i = 0; i < reader->rings; i++)
        lb_mapfile_close(&reader->ring[i].map);
    lb_held_reader_close(&reader->held);
    lb_backlog_reader_close(&reader->backlog);
    free(reader->record);
    reader->record = NULL;
    reader->rings = 0;
}
