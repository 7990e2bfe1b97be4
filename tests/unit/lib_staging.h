/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_STAGING_H
#define TESTS_LIB_STAGING_H

#include "tests/unit/lib_store.h"

/*
 * A store whose staging has eight chunks and four slots, one stream in it, and
 * a pipe that feeds this stream. For one test at a time.
 */
enum { POOL_BYTES = 131072, POOL_CHUNKS = POOL_BYTES / LB_CHUNK_BYTES, STREAMS = 4, MAX_LINE = 65536 };

extern struct store pool_store;
extern struct lb_staging *const pool; /* the staging of pool_store */
extern uint32_t pool_slot;            /* of the stream that the functions below speak of */
extern int pool_pipe_fd[2];

/*
 * Set-up and tear-down for cmocka.
 */
int pool_begin(void **state);
int pool_end(void **state);

/*
 * Make another stream and publish it.
 *   returns  its slot
 */
uint32_t pool_new_slot(uint64_t id);

/*
 * Write to the pipe: bytes, or one byte many times (up to four chunks).
 */
void pool_send(const void *bytes, size_t len);
void pool_send_many(int byte, size_t count);

/*
 * Splice what is in the pipe.
 *   returns  what lb_staging_splice() says
 */
int64_t pool_fetch(void);

/*
 * Copy all that is staged, as it lies there.
 *   returns  how much that is
 */
size_t pool_bytes(uint8_t *bytes);

/*
 * Fail unless the invariants hold: unused room is 0xFF, and each chunk is free
 * or in one chain.
 */
void pool_check(void);

/*
 * Fail unless just this text is staged, and pool_check() holds.
 */
void pool_check_text(const char *text);

#endif
