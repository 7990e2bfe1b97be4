/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_COMMIT_H
#define LB_STORE_COMMIT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The commit point of one side (design.md, "one commit point"). All that a
 * turn changes in tmpfs is 64-bit words in a few tables ("regions"), and
 * states of ranges of ring records. A turn collects the new absolute values
 * in private memory; lb_commit_publish() makes them true together.
 *
 *   work  ── set ──▶ dirty words ── publish ──▶ redo block ──mark──▶ shared words ──▶ mark cleared
 *
 * Invariants:
 * - shared words change only inside lb_commit_publish() or recovery;
 * - while the mark is nonzero the block is whole, and applying it any number
 *   of times gives the same words;
 * - each region has one writer, the side that owns the commit.
 */
#define LB_COMMIT_ENTRIES 2048
#define LB_COMMIT_REGIONS 16
#define LB_COMMIT_RANGES  16

struct lb_commit_entry {
    uint64_t where; /* region << 32 | word; or LB_COMMIT_RANGE_* << 32 | ring << 8 | state */
    uint64_t value;
};

/* Lies in tmpfs. mark = number of entries, stored last; 0 = nothing to redo. */
struct lb_commit_block {
    uint64_t mark;
    uint64_t spare[7];
    struct lb_commit_entry entry[LB_COMMIT_ENTRIES];
};

struct lb_commit_region {
    uint64_t *shared; /* in tmpfs, owned by whoever mapped it */
    uint64_t *work;   /* private copy, the newest values; owned by the commit */
    uint8_t *is_dirty;
    uint32_t words;
};

/* Sets the state of the records in [from, to) of one ring; must be safe to repeat. */
typedef void (*lb_commit_apply_range)(void *ctx, unsigned ring, uint64_t from, uint64_t to, unsigned state);

struct lb_commit {
    struct lb_commit_block *block;
    struct lb_commit_region region[LB_COMMIT_REGIONS];
    struct lb_commit_entry dirty[LB_COMMIT_ENTRIES]; /* where each entry goes; values are read at publish */
    uint32_t dirty_count;
    struct {
        uint64_t from, to;
        unsigned ring, state;
    } range[LB_COMMIT_RANGES];
    uint32_t range_count;
    lb_commit_apply_range apply_range;
    void *apply_ctx;
    uint64_t seq; /* even: the shared words are at rest; odd: being changed. Read by other threads. */
};

/*
 * Tie a commit to its block. Regions come next, then lb_commit_recover().
 *   block        in tmpfs, outlives the commit
 *   apply_range  may be NULL on a side that sets no record states
 *   calls        before the threads start
 */
void lb_commit_init(struct lb_commit *commit, struct lb_commit_block *block,
                    lb_commit_apply_range apply_range, void *apply_ctx);

/*
 * Add a table.
 *   id        0..LB_COMMIT_REGIONS-1, part of the block's format
 *   shared    words words in tmpfs, outlive the commit
 *   returns   0 | -ENOMEM
 *   calls     before the threads start
 */
int lb_commit_region(struct lb_commit *commit, unsigned id, uint64_t *shared, uint32_t words);

/*
 * Make a block true that a killed process left valid, then take the private
 * copies from the shared words. Entries that fit no region are passed over
 * (their table is gone, nothing is left to redo).
 *   returns   how many entries were applied again, 0 after a clean stop
 *   calls     before the threads start, once after the last region was added
 */
uint32_t lb_commit_recover(struct lb_commit *commit);

/*
 * Take one region's private copy from its shared words again, after start-up
 * code changed them directly.
 *   calls     before the threads start
 */
void lb_commit_reload(struct lb_commit *commit, unsigned id);

/*
 * The newest value of a word, published or not.
 *   calls     the owning side
 */
static inline uint64_t lb_commit_get(const struct lb_commit *commit, unsigned id, uint32_t word)
{
    return commit->region[id].work[word];
}

/*
 * List a word as changed, once in a turn; lb_commit_set() calls it.
 *   calls     the owning side
 */
void lb_commit_note(struct lb_commit *commit, unsigned id, uint32_t word);

/*
 * Give a word a new value, to become true with the next publish. The caller
 * sees to it that lb_commit_has_room() held for what one step needs. Cheap
 * enough to be called for each line: only the first time in a turn is more
 * than two stores.
 *   calls     the owning side
 */
static inline void lb_commit_set(struct lb_commit *commit, unsigned id, uint32_t word, uint64_t value)
{
    struct lb_commit_region *region = &commit->region[id];

    region->work[word] = value;
    if (!region->is_dirty[word])
        lb_commit_note(commit, id, word);
}

/*
 * Add to a word, as lb_commit_set().
 *   calls     the owning side
 */
static inline void lb_commit_add(struct lb_commit *commit, unsigned id, uint32_t word, uint64_t delta)
{
    lb_commit_set(commit, id, word, lb_commit_get(commit, id, word) + delta);
}

/*
 * Give all records of [from, to) of a ring a new state with the next publish.
 *   returns   0 | -ENOBUFS LB_COMMIT_RANGES are waiting: publish first
 *   calls     the owning side
 */
int lb_commit_range(struct lb_commit *commit, unsigned ring, uint64_t from, uint64_t to, unsigned state);

/*
 * Is there room for words more changed words? If not, publish first.
 *   calls     the owning side
 */
static inline bool lb_commit_has_room(const struct lb_commit *commit, uint32_t words)
{
    return commit->dirty_count + words + 2 * LB_COMMIT_RANGES <= LB_COMMIT_ENTRIES;
}

/*
 * Make all that was set true at once. Never blocks, never fails.
 *   calls     the owning side
 */
void lb_commit_publish(struct lb_commit *commit);

/*
 * Read words of another side as they were at one instant.
 *   words     offsets into region id, count of them, copied to ret_values
 *   calls     any thread; retries while a publish is under way, which lasts microseconds
 */
void lb_commit_snapshot(const struct lb_commit *commit, unsigned id, uint32_t first, uint32_t count,
                        uint64_t *ret_values);

/*
 * Begin and end a read of several regions at one instant: repeat the read
 * until lb_commit_read_retry() says no.
 *   calls     any thread
 */
uint64_t lb_commit_read_begin(const struct lb_commit *commit);
bool lb_commit_read_retry(const struct lb_commit *commit, uint64_t seq);

/*
 * Free the private copies.
 *   calls     when the owning side has stopped
 */
void lb_commit_close(struct lb_commit *commit);

#endif
