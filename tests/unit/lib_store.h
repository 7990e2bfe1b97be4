/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_STORE_H
#define TESTS_LIB_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/capture/staging.h"
#include "agent/store/loss.h"
#include "agent/store/ring.h"
#include "agent/store/state.h"

/*
 * A runtime directory in tmpfs with the store's files in it, opened the way a
 * start does, and closed the way a kill does: nothing is published, nothing is
 * tidied up. Cannot fail: a fault in here ends the test program.
 */
struct store {
    char path[64];
    int dir_fd;
    uint64_t ring_bytes, staging_bytes;
    uint32_t max_streams;
    struct lb_state state;
    struct lb_ring ring;
    struct lb_staging staging;
    struct lb_ring_repair repair; /* of the last open */
    bool was_damaged;             /* the staging file was */
};

/*
 * Make an empty directory under /dev/shm and open the files in it.
 *   staging_bytes  0: no staging
 */
void store_begin(struct store *store, uint64_t ring_bytes, uint64_t staging_bytes, uint32_t max_streams);

/*
 * Leave the files as they are, as a kill would.
 */
void store_kill(struct store *store);

/*
 * Start: open all and recover, as logboomd does; losses that recovery found
 * go to the loss table.
 */
void store_open(struct store *store);

/*
 * Start without the recovery of ring and staging: what the files say.
 */
void store_open_only(struct store *store);

/*
 * store_kill() and store_open().
 */
void store_restart(struct store *store);

/*
 * Close, and remove the directory with all in it.
 */
void store_end(struct store *store);

/*
 * Publish the fast side as a turn does.
 */
void store_publish(struct store *store);

/*
 * Put a line of a stream into the ring.
 *   returns  what lb_ring_put() says
 */
int store_put(struct store *store, unsigned lane, uint64_t boot_ns, const char *body, size_t len);

/*
 * Put and publish lines of a lane; body and stamp are the number.
 */
void store_put_lines(struct store *store, unsigned lane, unsigned count);

/*
 * What lies at a position of the ring, whole or not.
 */
struct lb_record *store_at(const struct store *store, uint64_t pos);

/*
 * Random numbers that LB_TEST_SEED repeats; the seed is printed.
 */
void random_begin(void);
uint64_t random_next(void);
uint64_t random_below(uint64_t limit);

#endif
