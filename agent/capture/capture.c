/* SPDX-License-Identifier: MIT */
/* The fast side put together. In: files, settings, a loop. Out: a running capture. The work is in the files
 * beside. */
#include "agent/capture/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/capture/parts.h"

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

int lb_capture_start(struct lb_capture *capture, int dir_fd)
{
    int rc;

    capture->streams = calloc(capture->staging->max_streams, sizeof *capture->streams);
    capture->peer_max = capture->staging->max_streams + LB_PEERS_EXTRA;
    capture->peers = calloc(capture->peer_max, sizeof *capture->peers);
    if (!capture->streams || !capture->peers)
        return -ENOMEM;
    capture->pipe_share_bytes = pipe_share_bytes();
    capture->own_uid = geteuid();
    capture->listener.fd = -1;
    rc = lb_turns_start(capture);
    if (rc < 0)
        return rc;
    lb_streams_start(capture);
    lb_turns_publish(capture, false);
    return lb_intake_start(capture, dir_fd);
}

void lb_capture_drain(struct lb_capture *capture)
{
    capture->is_stopping = true;
    for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++)
        if (capture->streams[slot].state == LB_STREAM_OPEN)
            lb_turns_make_ready(capture, &capture->streams[slot]);
}

void lb_capture_stop(struct lb_capture *capture)
{
    lb_intake_stop(capture);
    for (uint32_t slot = 0; capture->streams && slot < capture->staging->max_streams; slot++)
        if (capture->streams[slot].watch.fd >= 0)
            close(capture->streams[slot].watch.fd);
    free(capture->streams);
    free(capture->peers);
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
        ++*ret_lines;
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
