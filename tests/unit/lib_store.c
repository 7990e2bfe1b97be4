/* SPDX-License-Identifier: MIT */
/* A store for tests: in, sizes; out, files in tmpfs that a start has opened. Always true: one store, one
 * directory. */
#include "tests/unit/lib_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

static uint64_t random_state;

static void must(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "lib_store: %s: %s\n", what, strerror(errno));
    abort();
}

static void apply_range(void *ctx, unsigned ring, uint64_t from, uint64_t to, unsigned state)
{
    struct store *store = ctx;

    must(ring == LB_SLOW_RING, "a range of a ring that is not ours");
    lb_ring_apply_range(&store->ring, from, to, state);
}

void store_open_only(struct store *store)
{
    must(lb_state_open(store->dir_fd, false, apply_range, store, &store->state) == 0, "state");
    must(lb_ring_open(store->dir_fd, "ring", store->ring_bytes, false, &store->ring) == 0, "ring");
    must(lb_ring_attach(&store->ring, &store->state.fast, LB_FAST_RING, &store->state.slow, LB_SLOW_RING) ==
             0,
         "attach");
    if (store->staging_bytes)
        must(lb_staging_open(store->dir_fd, store->staging_bytes, store->max_streams, false,
                             &store->state.fast, &store->staging, &store->was_damaged) == 0,
             "staging");
    lb_commit_recover(&store->state.fast);
    lb_commit_recover(&store->state.slow);
}

void store_open(struct store *store)
{
    store_open_only(store);
    lb_ring_recover(&store->ring, &store->repair);
    for (unsigned i = 0; i < store->repair.gaps; i++)
        lb_loss_add(&store->state, &store->repair.gap[i]);
    lb_commit_publish(&store->state.slow);
    if (store->staging_bytes)
        must(lb_staging_recover(&store->staging) == 0, "staging recover");
}

void store_begin(struct store *store, uint64_t ring_bytes, uint64_t staging_bytes, uint32_t max_streams)
{
    memset(store, 0, sizeof *store);
    strcpy(store->path, "/dev/shm/lb_store.XXXXXX");
    must(mkdtemp(store->path) != NULL, "mkdtemp");
    store->dir_fd = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(store->dir_fd >= 0, "open");
    store->ring_bytes = ring_bytes;
    store->staging_bytes = staging_bytes;
    store->max_streams = max_streams;
    store_open(store);
}

void store_kill(struct store *store)
{
    if (store->staging_bytes)
        lb_staging_close(&store->staging);
    lb_ring_close(&store->ring);
    lb_state_close(&store->state);
}

void store_restart(struct store *store)
{
    store_kill(store);
    store_open(store);
}

void store_end(struct store *store)
{
    DIR *dir = opendir(store->path);
    struct dirent *entry;

    store_kill(store);
    must(dir != NULL, "opendir");
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            unlinkat(store->dir_fd, entry->d_name, 0);
    closedir(dir);
    close(store->dir_fd);
    must(rmdir(store->path) == 0, "rmdir");
}

void store_publish(struct store *store)
{
    lb_commit_publish(&store->state.fast);
    if (store->staging_bytes)
        lb_staging_after_publish(&store->staging);
}

int store_put(struct store *store, unsigned lane, uint64_t boot_ns, const char *body, size_t len)
{
    struct iovec piece = { (void *)(uintptr_t)body, len };
    struct lb_record head = { .lane = (uint8_t)lane,
                              .severity = lane == LB_LANE_URGENT ? 3 : 6,
                              .kind = LB_KIND_LINE,
                              .boot_ns = boot_ns,
                              .stream_id = 1,
                              .lines = 1,
                              .raw_len = (uint32_t)len };

    return lb_ring_put(&store->ring, &head, "shop", 4, "a:b", 3, &piece, 1);
}

void store_put_lines(struct store *store, unsigned lane, unsigned count)
{
    char body[40];

    while (count-- > 0) {
        uint64_t n = lb_commit_get(&store->state.fast, LB_FAST_RING, LB_RING_NEXT_URGENT + lane);

        memset(body, '.', sizeof body);
        must(store_put(store, lane, n, body,
                       (size_t)snprintf(body, sizeof body, "%llu", (unsigned long long)n)) == 0,
             "put");
    }
    store_publish(store);
}

struct lb_record *store_at(const struct store *store, uint64_t pos)
{
    return (struct lb_record *)(void *)(store->ring.map.data + pos % store->ring.size);
}

void random_begin(void)
{
    const char *text = getenv("LB_TEST_SEED");

    random_state = text ? strtoull(text, NULL, 0) : 20240229;
    print_message("LB_TEST_SEED=%llu\n", (unsigned long long)random_state);
}

uint64_t random_next(void)
{
    /* SplitMix64: any seed is a good one. */
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t random_below(uint64_t limit)
{
    return random_next() % limit;
}
