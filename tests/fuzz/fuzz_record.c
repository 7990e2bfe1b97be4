/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a record, and any damage to a ring. In: libFuzzer's bytes. Out: nothing. Always true, or the
 * run stops: a record that is believed lies within its room; recovery ends, and what it leaves is whole
 * records and holes from tail to head, which further recoveries leave as they are.
 *
 * Random bytes never have a right check, so the ring starts out good, with records in every state, and the
 * input says which of its bytes become others: five bytes a change, where (1 of header or data, 3) and what.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/files.h"

#define RING_BYTES   65536
#define RECORDS      400
#define CHANGE_BYTES 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct lb_files files;
static uint8_t good_header[sizeof(struct lb_ring_header)], good_data[RING_BYTES];

static void must(int is_true)
{
    if (!is_true)
        abort();
}

static void put(unsigned i)
{
    static char text[2048];
    struct iovec body = { text, i * 37 % (i % 50 ? 200 : sizeof text) };
    struct lb_record head = {
        .lane = i % 7 ? LB_LANE_ROUTINE : LB_LANE_URGENT, .severity = 6, .lines = 1, .boot_ns = i + 1
    };
    uint64_t pos = lb_ring_head(&files.ring);

    if (lb_ring_put(&files.ring, &head, "shop", 4, NULL, 0, &body, 1) < 0) {
        lb_ring_finish(&files.ring, lb_ring_tail(&files.ring), lb_ring_tail(&files.ring) + RING_BYTES / 2,
                       LB_STATE_DELIVERED);
        lb_commit_publish(&files.state.slow);
        return;
    }
    lb_commit_publish(&files.state.fast);
    lb_ring_set_state(&files.ring, pos,
                      i % 5   ? LB_STATE_PENDING
                      : i % 2 ? LB_STATE_IN_FLIGHT
                              : LB_STATE_DELIVERED);
}

static void make_ring(void)
{
    char path[] = "/dev/shm/logboom-fuzz-XXXXXX";

    must(mkdtemp(path) != NULL);
    files.lock_fd = -1;
    files.dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(files.dir_fd >= 0 && lb_files_open(&files, RING_BYTES, false) == 0);
    unlinkat(files.dir_fd, "ring", 0);
    unlinkat(files.dir_fd, "state", 0);
    rmdir(path);
    lb_files_recover(&files);
    for (unsigned i = 0; i < RECORDS; i++)
        put(i);
    memcpy(good_header, files.ring.header, sizeof good_header);
    memcpy(good_data, files.ring.map.data, sizeof good_data);
}

static void damage(const uint8_t *data, size_t size)
{
    memcpy(files.ring.header, good_header, sizeof good_header);
    memcpy(files.ring.map.data, good_data, sizeof good_data);
    for (; size >= CHANGE_BYTES; data += CHANGE_BYTES, size -= CHANGE_BYTES) {
        uint32_t where = data[1] | (uint32_t)data[2] << 8 | (uint32_t)data[3] << 16;
        size_t first = offsetof(struct lb_ring_header, fast);

        if (data[0] % 4 == 0)
            ((uint8_t *)files.ring.header)[first + where % (sizeof good_header - first)] = data[4];
        else
            files.ring.map.data[where % RING_BYTES] = data[4];
    }
    lb_commit_reload(&files.state.fast, LB_FAST_RING);
    lb_commit_reload(&files.state.slow, LB_SLOW_RING);
}

/* Recover, and look at what that leaves. Returns where the ring ends. */
static uint64_t recover_and_look(struct lb_ring_repair *ret_repair)
{
    struct lb_ring *ring = &files.ring;
    uint64_t head, tail;

    lb_ring_recover(ring, ret_repair);
    lb_commit_publish(&files.state.slow);
    head = lb_ring_head(ring);
    tail = lb_ring_tail(ring);
    must(tail <= head && head - tail <= ring->size && lb_ring_oldest(ring) <= tail);
    must(ret_repair->gaps <= LB_RING_GAPS);
    for (uint64_t pos = tail; pos < head;) {
        const struct lb_record *record = lb_ring_at(ring, pos, head);

        must(record && lb_record_is_whole(record, head - pos, lb_ring_record_max(ring)));
        must(record->state != LB_STATE_IN_FLIGHT);
        pos += record->len;
    }
    return head;
}

/*
 * The second time nothing is damaged any more. A hole that remembers missing numbers may still be added then,
 * if the ring was full before; the third time changes nothing.
 */
static void recover_thrice(void)
{
    struct lb_ring_repair repair;
    uint64_t head;

    recover_and_look(&repair);
    head = recover_and_look(&repair);
    must(repair.holes == 0 && !repair.cursors_were_bad);
    must(recover_and_look(&repair) == head && repair.holes == 0 && !repair.cursors_were_bad &&
         repair.lost.lines == 0);
}

static void believe(const uint8_t *data, size_t size)
{
    struct lb_record *record = malloc(size ? size : 1); /* its own block: a read past it is seen */

    memcpy(record, data, size);
    if (size >= sizeof *record && lb_record_is_whole(record, size, size))
        must(record->len <= size &&
             (record->kind == LB_KIND_HOLE ||
              (size_t)(lb_record_body(record) - (const char *)record) + record->body_len <= size));
    free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!files.ring.header)
        make_ring();
    believe(data, size);
    damage(data, size);
    recover_thrice();
    return 0;
}
