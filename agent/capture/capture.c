/* SPDX-License-Identifier: MIT */
/* The fast side put together. In: files, settings, a loop. Out: a running capture. The work is in the files
 * beside. */
#include "agent/capture/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/capture/parts.h"
#include "common/log.h"

/* A quarter of what one user's pipes may hold (design.md keys, pipe_size). */
static uint64_t pipe_share_bytes(void)
{
    FILE *file = fopen("/proc/sys/fs/pipe-user-pages-soft", "re");
    char text[32] = "";
    uint64_t pages;

    if (!file)
        return 0;
    pages = fgets(text, sizeof text, file) ? strtoull(text, NULL, 10) : 0;
    fclose(file);
    return pages == 0 ? UINT64_MAX : pages * (uint64_t)sysconf(_SC_PAGESIZE) / 4;
}

static void tell_clients(const struct lb_capture *capture)
{
    int rc = lb_clients_tell(capture->dir_fd, capture->config);

    if (rc < 0)
        lb_log(LB_LEVEL_WARNING, "cannot write the file clients, logboom run has its defaults: %s",
               strerror(-rc));
}

int lb_capture_start(struct lb_capture *capture, int dir_fd)
{
    int rc;

    capture->streams = calloc(capture->staging->max_streams, sizeof *capture->streams);
    capture->peer_max = capture->staging->max_streams + LB_PEERS_EXTRA;
    capture->peers = calloc(capture->peer_max, sizeof *capture->peers);
    capture->room = malloc(LB_CAPTURE_ROOM); /* touched only as far as texts reach */
    capture->mask_room = malloc(LB_CAPTURE_ROOM);
    if (!capture->streams || !capture->peers || !capture->room || !capture->mask_room)
        return -ENOMEM;
    capture->pipe_share_bytes = pipe_share_bytes();
    capture->own_uid = geteuid();
    capture->started_ns = capture->loop->now_ns;
    capture->dir_fd = dir_fd;
    capture->listener.fd = -1;
    rc = lb_pipes_start(capture);
    if (rc == 0)
        rc = lb_turns_start(capture);
    if (rc < 0)
        return rc;
    lb_streams_start(capture);
    lb_turns_publish(capture, false);
    tell_clients(capture);
    rc = lb_datagrams_start(capture, dir_fd);
    if (rc == 0)
        rc = lb_inputs_start(capture);
    return rc < 0 ? rc : lb_intake_start(capture, dir_fd);
}

void lb_capture_drain(struct lb_capture *capture)
{
    capture->is_stopping = true;
    lb_datagrams_drain(capture);
    lb_inputs_drain(capture);
    lb_own_stop(capture);
    for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++)
        if (capture->streams[slot].state == LB_STREAM_OPEN)
            lb_turns_make_ready(capture, &capture->streams[slot]);
}

void lb_capture_reload(struct lb_capture *capture, const struct lb_config *config,
                       const struct lb_rules *rules)
{
    capture->config = config;
    capture->rules = rules;
    tell_clients(capture);
    lb_heart_reload(capture);
    for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++)
        if (capture->streams[slot].state != LB_STREAM_FREE)
            lb_streams_settle(capture, &capture->streams[slot]);
}

void lb_capture_stop(struct lb_capture *capture)
{
    lb_intake_stop(capture);
    lb_datagrams_stop(capture);
    lb_inputs_stop(capture);
    lb_pipes_stop(capture);
    for (uint32_t slot = 0; capture->streams && slot < capture->staging->max_streams; slot++)
        if (capture->streams[slot].watch.fd >= 0)
            close(capture->streams[slot].watch.fd);
}

void lb_capture_free(struct lb_capture *capture)
{
    free(capture->streams);
    free(capture->peers);
    free(capture->room);
    free(capture->mask_room);
    capture->room = capture->mask_room = NULL;
    capture->streams = NULL;
    capture->peers = NULL;
}

void lb_capture_open(const struct lb_capture *capture, uint32_t row, uint64_t *ret_lines, uint64_t *ret_bytes)
{
    *ret_lines = *ret_bytes = 0;
    for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++) {
        const struct lb_stream *stream = &capture->streams[slot];
        uint64_t bytes = __atomic_load_n(&stream->open_bytes, __ATOMIC_RELAXED);

        if (bytes == 0 || __atomic_load_n(&stream->service_ix, __ATOMIC_RELAXED) != row)
            continue;
        *ret_lines += __atomic_load_n(&stream->open_lines, __ATOMIC_RELAXED);
        *ret_bytes += bytes;
    }
}

uint32_t lb_capture_streams(const struct lb_capture *capture)
{
    return __atomic_load_n(&capture->streams_open, __ATOMIC_RELAXED);
}

uint32_t lb_capture_free_chunks(const struct lb_capture *capture)
{
    return __atomic_load_n(&capture->free_chunks, __ATOMIC_RELAXED);
}
