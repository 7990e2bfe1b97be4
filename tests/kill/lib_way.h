/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_WAY_H
#define TESTS_LIB_WAY_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/lib_store.h"

/*
 * The way of a line through the store, both sides in one thread or apart: a pipe with
 * numbered lines, staging, ring, a reader that delivers some and sheds others,
 * and receipts. What happens to a record follows from its number alone, so a
 * life that goes on where another was killed does the same.
 *
 * What a sink would have seen is noted in memory that all processes share, so
 * a killed child is a witness too.
 */
enum { WAY_LINES = 60, WAY_NUMBERS = 400 };

struct way_witness {
    uint64_t lane_of_line[WAY_LINES]; /* 1 + lane, 0: not seen */
    uint64_t n_of_line[WAY_LINES];
    uint8_t is_final[2][WAY_NUMBERS];          /* its final state was published */
    uint8_t was_shed[2][WAY_NUMBERS];          /* what became of it, as far as anybody looked */
    struct lb_receipt receipt[2][WAY_NUMBERS]; /* delivered ones */
    uint8_t has_receipt[2][WAY_NUMBERS];
};

struct way {
    struct store store;
    int pipe_fd[2]; /* the parent holds both ends */
    uint64_t total_bytes;
    struct way_witness *witness;
    uint32_t must_end;
    unsigned finals; /* records that become final with the slow side's next publish */
    unsigned final_lane[8];
    uint64_t final_n[8];
};

/* How faults are told: which place to die was being tried. */
extern uint64_t way_kill_at, way_kill_again_at;

/*
 * Prepare directory, pipe and witness; and empty them for another try.
 */
void way_begin(struct way *way);
void way_fresh(struct way *way);
void way_end(struct way *way);

/*
 * Start as an agent does, and live until all is delivered or shed and told.
 */
void way_start(struct way *way);
void way_live(struct way *way);

/*
 * Live with a thread for each side, until nothing moves any more.
 */
void way_live_apart(struct way *way);

/*
 * What must hold after every start.
 */
void way_check_start(struct way *way);

/*
 * What must hold in the end.
 */
void way_check_end(struct way *way);

#endif
