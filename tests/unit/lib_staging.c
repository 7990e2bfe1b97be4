/* SPDX-License-Identifier: MIT */
/* Staging for tests. In: bytes. Out: a pool with them, and whether its invariants hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/capture/staging_map.h"
#include "tests/unit/lib_staging.h"

struct store pool_store;
struct lb_staging *const pool = &pool_store.staging;
int pool_pipe_fd[2];
uint32_t pool_slot;

uint32_t pool_new_slot(uint64_t id)
{
    static const struct lb_stream_name name = { .pid = 5, .service_len = 3, .service = "web" };
    int64_t made = lb_staging_slot_new(pool, id, &name);

    assert_true(made >= 0);
    store_publish(&pool_store);
    return (uint32_t)made;
}

int pool_begin(void **state)
{
    (void)state;
    store_begin(&pool_store, 65536, POOL_BYTES, STREAMS);
    pool_slot = pool_new_slot(1);
    return pipe2(pool_pipe_fd, O_CLOEXEC) == 0 && fcntl(pool_pipe_fd[1], F_SETPIPE_SZ, 1 << 18) >= 0 ? 0 : -1;
}

int pool_end(void **state)
{
    (void)state;
    close(pool_pipe_fd[0]);
    close(pool_pipe_fd[1]);
    store_end(&pool_store);
    return 0;
}

void pool_send(const void *bytes, size_t len)
{
    assert_int_equal(write(pool_pipe_fd[1], bytes, len), len);
}

void pool_send_many(int byte, size_t count)
{
    static char bytes[4 * LB_CHUNK_BYTES];

    memset(bytes, byte, sizeof bytes);
    pool_send(bytes, count);
}

int64_t pool_fetch(void)
{
    bool is_empty;

    return lb_staging_splice(pool, pool_slot, pool_pipe_fd[0], 1 << 20, &is_empty);
}

/* All that is staged, as it lies there. */
size_t pool_bytes(uint8_t *bytes)
{
    const struct lb_staged *staged = &pool->staged[pool_slot];
    size_t len = 0;

    for (uint32_t i = 0, chunk = staged->first; i < staged->chunks; i++) {
        uint64_t word = lb_commit_get(&pool_store.state.fast, LB_FAST_CHUNKS, chunk);
        uint32_t from = i == 0 ? staged->start : 0;

        memcpy(bytes + len, lb_chunk_bytes(pool, chunk) + from, lb_chunk_len(word) - from);
        len += lb_chunk_len(word) - from;
        chunk = lb_chunk_next(word) - 1;
    }
    assert_int_equal(len, staged->bytes);
    return len;
}

void pool_check(void)
{
    uint32_t used = 0;

    for (uint32_t i = 0; i < pool->free_count; i++)
        for (uint32_t k = 0; k < LB_CHUNK_BYTES; k++)
            if (lb_chunk_bytes(pool, pool->free_chunks[i])[k] != 0xff)
                fail_msg("free chunk %u is not wiped at %u", pool->free_chunks[i], k);
    for (uint32_t s = 0; s < pool->max_streams; s++)
        for (uint32_t i = 0, chunk = pool->staged[s].first; i < pool->staged[s].chunks; i++, used++) {
            uint64_t word = lb_commit_get(&pool_store.state.fast, LB_FAST_CHUNKS, chunk);

            assert_int_equal(lb_chunk_owner(word), s + 1);
            for (uint32_t k = lb_chunk_len(word); k < LB_CHUNK_BYTES; k++)
                if (lb_chunk_bytes(pool, chunk)[k] != 0xff)
                    fail_msg("chunk %u is not wiped at %u, behind its length", chunk, k);
            chunk = lb_chunk_next(word) - 1;
        }
    assert_int_equal(used + pool->free_count, pool->chunk_count);
}

void pool_check_text(const char *text)
{
    uint8_t bytes[256] = "";

    assert_true(pool->staged[pool_slot].bytes < sizeof bytes);
    assert_int_equal(pool_bytes(bytes), strlen(text));
    assert_memory_equal(bytes, text, strlen(text));
    pool_check();
}
