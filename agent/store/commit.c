/* SPDX-License-Identifier: MIT */
/*
 * One commit point for one side.
 *
 * Happy path. A turn calls lb_commit_set() for every word that it changes; the new values live in the private
 * copy only. lb_commit_publish() then (1) copies (where, value) pairs into the redo block, (2) stores the
 * mark with release order, (3) stores the values into the shared words, (4) clears the mark. Other threads
 * see each word change in step 3, under a sequence count for those who need several words of one instant.
 *
 * Crash story. SIGKILL leaves a prefix of the program order of each thread (facts/storage.md section 3), so
 * the process dies in one of four places. Before 2: the mark is 0, the shared words are the old ones, the
 * turn did not happen. Between 2 and 4: the mark is set and the block is whole, recovery stores all values
 * again, the turn happened. After 4: nothing to do. There is no place where half a turn is true. Recovery
 * itself may be killed at any store: the mark stays until its work is done.
 *
 * What may not be here: values that depend on what they replace. An entry is absolute, so applying it twice
 * is safe.
 *
 * Failure modes. A block damaged in memory could hold a pair that fits no region: it is passed over. A power
 * cut takes all of tmpfs with it, so ordering against storage is no question here.
 */
#include "agent/store/commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/killpoint.h"

/* Pseudo regions of a range: two entries, from and to, one after the other. */
enum { RANGE_FROM = 0xfe, RANGE_TO = 0xff };

void lb_commit_init(struct lb_commit *commit, struct lb_commit_block *block,
                    lb_commit_apply_range apply_range, void *apply_ctx)
{
    memset(commit->region, 0, sizeof commit->region);
    commit->dirty_count = commit->range_count = 0; /* the rest is long, and counted by these */
    commit->seq = 0;
    commit->block = block;
    commit->apply_range = apply_range;
    commit->apply_ctx = apply_ctx;
}

int lb_commit_region(struct lb_commit *commit, unsigned id, uint64_t *shared, uint32_t words)
{
    struct lb_commit_region *region = &commit->region[id];

    free(region->work); /* a table that moved is added again */
    free(region->is_dirty);
    region->work = calloc(words, sizeof *region->work);
    region->is_dirty = calloc(words, 1);
    if (!region->work || !region->is_dirty) {
        free(region->work);
        free(region->is_dirty);
        memset(region, 0, sizeof *region);
        return -ENOMEM;
    }
    region->shared = shared;
    region->words = words;
    return 0;
}

void lb_commit_reload(struct lb_commit *commit, unsigned id)
{
    struct lb_commit_region *region = &commit->region[id];

    /* Most words are zero, on both sides: what is not written to takes no memory. */
    for (uint32_t word = 0; word < region->words; word++)
        if (region->work[word] != region->shared[word])
            region->work[word] = region->shared[word];
}

static void apply(const struct lb_commit *commit, const struct lb_commit_entry *entries, uint64_t count)
{
    uint64_t from = 0;

    for (uint64_t i = 0; i < count; i++) {
        unsigned id = (unsigned)(entries[i].where >> 32);
        uint32_t low = (uint32_t)entries[i].where;

        if (id == RANGE_FROM)
            from = entries[i].value;
        else if (id == RANGE_TO && commit->apply_range)
            commit->apply_range(commit->apply_ctx, low >> 8, from, entries[i].value, low & 0xff);
        else if (id < LB_COMMIT_REGIONS && low < commit->region[id].words)
            lb_store(&commit->region[id].shared[low], entries[i].value);
    }
}

uint32_t lb_commit_recover(struct lb_commit *commit)
{
    uint64_t count = lb_load(&commit->block->mark);

    if (count > LB_COMMIT_ENTRIES)
        count = 0; /* not a mark that we ever store: damaged, and nothing in the block can be trusted */
    apply(commit, commit->block->entry, count);
    lb_store(&commit->block->mark, 0);
    for (unsigned id = 0; id < LB_COMMIT_REGIONS; id++)
        if (commit->region[id].words)
            lb_commit_reload(commit, id);
    return (uint32_t)count;
}

void lb_commit_note(struct lb_commit *commit, unsigned id, uint32_t word)
{
    commit->region[id].is_dirty[word] = 1;
    commit->dirty[commit->dirty_count++].where = (uint64_t)id << 32 | word;
}

int lb_commit_range(struct lb_commit *commit, unsigned ring, uint64_t from, uint64_t to, unsigned state)
{
    if (commit->range_count == LB_COMMIT_RANGES)
        return -ENOBUFS;
    commit->range[commit->range_count].ring = ring;
    commit->range[commit->range_count].from = from;
    commit->range[commit->range_count].to = to;
    commit->range[commit->range_count].state = state;
    commit->range_count++;
    return 0;
}

static void put_entry(struct lb_commit_entry *entry, uint64_t where, uint64_t value)
{
    lb_store(&entry->where, where);
    lb_store(&entry->value, value);
}

static uint32_t fill_block(struct lb_commit *commit)
{
    struct lb_commit_entry *entry = commit->block->entry;
    uint32_t n = 0;

    /* Ranges first: a record's state must be final before the tail word lets the writer overwrite it. */
    for (uint32_t i = 0; i < commit->range_count; i++) {
        uint64_t low = (uint64_t)commit->range[i].ring << 8 | commit->range[i].state;

        put_entry(&entry[n++], (uint64_t)RANGE_FROM << 32 | low, commit->range[i].from);
        put_entry(&entry[n++], (uint64_t)RANGE_TO << 32 | low, commit->range[i].to);
    }
    for (uint32_t i = 0; i < commit->dirty_count; i++) {
        uint64_t where = commit->dirty[i].where;
        struct lb_commit_region *region = &commit->region[where >> 32];

        put_entry(&entry[n++], where, region->work[(uint32_t)where]);
        region->is_dirty[(uint32_t)where] = 0;
    }
    return n;
}

void lb_commit_publish(struct lb_commit *commit)
{
    uint64_t seq = commit->seq;
    uint32_t count;

    if (commit->dirty_count + commit->range_count == 0)
        return;
    count = fill_block(commit);
    lb_store(&commit->block->mark, count);
    __atomic_store_n(&commit->seq, seq + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* no word below may be seen before the odd count */
    apply(commit, commit->block->entry, count);
    __atomic_store_n(&commit->seq, seq + 2, __ATOMIC_RELEASE);
    lb_store(&commit->block->mark, 0);
    commit->dirty_count = 0;
    commit->range_count = 0;
}

uint64_t lb_commit_read_begin(const struct lb_commit *commit)
{
    uint64_t seq;

    do
        seq = __atomic_load_n(&commit->seq, __ATOMIC_ACQUIRE);
    while (seq & 1);
    return seq;
}

bool lb_commit_read_retry(const struct lb_commit *commit, uint64_t seq)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&commit->seq, __ATOMIC_RELAXED) != seq;
}

void lb_commit_snapshot(const struct lb_commit *commit, unsigned id, uint32_t first, uint32_t count,
                        uint64_t *ret_values)
{
    uint64_t seq;

    do {
        seq = lb_commit_read_begin(commit);
        for (uint32_t i = 0; i < count; i++)
            ret_values[i] = lb_load(&commit->region[id].shared[first + i]);
    } while (lb_commit_read_retry(commit, seq));
}

void lb_commit_close(struct lb_commit *commit)
{
    for (unsigned id = 0; id < LB_COMMIT_REGIONS; id++) {
        free(commit->region[id].work);
        free(commit->region[id].is_dirty);
    }
    memset(commit->region, 0, sizeof commit->region);
}
