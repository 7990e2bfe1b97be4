/* SPDX-License-Identifier: MIT */
/*
 * Records that say the same as the one before. In: what a stream says, in order. Out: which are only counted,
 * and the counts. Always true: what was counted is in exactly one row, or in a committed repeat record.
 */
#include "agent/shape/collapse.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/stamp.h"

static uint64_t get(const struct lb_commit *commit, uint32_t row, unsigned word)
{
    return lb_commit_get(commit, LB_FAST_COLLAPSE, row * LB_COLLAPSE_WORDS + word);
}

static void set(struct lb_commit *commit, uint32_t row, unsigned word, uint64_t value)
{
    if (get(commit, row, word) != value)
        lb_commit_set(commit, LB_FAST_COLLAPSE, row * LB_COLLAPSE_WORDS + word, value);
}

/* Length of the time stamp in front, with the bracket that it may stand in. */
static size_t stamp_length(const char *text, size_t len)
{
    size_t bracket = len > 0 && text[0] == '[', stamp;

    if (len <= bracket)
        return 0;
    stamp = lb_stamp_length(text + bracket, len - bracket);
    return stamp ? bracket + stamp : 0;
}

uint64_t lb_collapse_hash(const char *text, size_t len, int severity)
{
    size_t skip = stamp_length(text, len);
    uint64_t hash = XXH3_64bits_withSeed(text + skip, len - skip, (uint64_t)severity);

    return hash ? hash : 1;
}

static uint32_t find(const struct lb_commit *commit, uint64_t key)
{
    uint32_t row = 0;

    while (row < LB_COLLAPSES && get(commit, row, LB_COLLAPSE_KEY) != key)
        row++;
    return row;
}

bool lb_collapse_is_again(const struct lb_collapse *last, const struct lb_commit *commit, uint64_t key,
                          uint64_t hash, uint64_t now_ns)
{
    uint32_t row;

    if (last->key != key || last->hash != hash || now_ns >= last->due_ns)
        return false;
    row = find(commit, key);
    /* A row of this stream counts something else: it was not told yet for want of room. */
    if (row < LB_COLLAPSES)
        return get(commit, row, LB_COLLAPSE_HASH) == hash;
    return find(commit, 0) < LB_COLLAPSES;
}

void lb_collapse_begin(struct lb_collapse *last, uint64_t key, uint64_t hash, uint64_t window_ns,
                       uint64_t now_ns)
{
    last->key = key;
    last->hash = window_ns > 0 ? hash : 0;
    last->due_ns = now_ns + window_ns;
}

/* Where a line's beginning is cut: not within a character, and at the end of the first line. */
static size_t name_length(const char *text, size_t len)
{
    const char *stop = len > 0 ? memchr(text, '\n', len) : NULL;

    if (stop)
        len = (size_t)(stop - text);
    if (len <= LB_OWN_NAME_BYTES)
        return len;
    len = LB_OWN_NAME_BYTES;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static void open_row(struct lb_commit *commit, uint32_t row, const struct lb_collapse_again *again)
{
    size_t skip = stamp_length(again->text, again->len), name_len;
    uint64_t name[LB_OWN_NAME_BYTES / 8] = { 0 };

    while (skip < again->len && (again->text[skip] == ' ' || again->text[skip] == ']'))
        skip++;
    name_len = name_length(again->text + skip, again->len - skip);
    if (name_len > 0)
        memcpy(name, again->text + skip, name_len);
    set(commit, row, LB_COLLAPSE_KEY, again->key);
    set(commit, row, LB_COLLAPSE_HASH, again->hash);
    set(commit, row, LB_COLLAPSE_SERVICE, again->service_ix);
    set(commit, row, LB_COLLAPSE_DUE_NS, again->due_ns);
    set(commit, row, LB_COLLAPSE_FIRST_NS, again->now_ns);
    set(commit, row, LB_COLLAPSE_LAST_NS, again->now_ns);
    set(commit, row, LB_COLLAPSE_ABOUT, (unsigned)again->severity | (uint64_t)name_len << 16);
    for (unsigned i = 0; i < LB_OWN_NAME_BYTES / 8; i++)
        set(commit, row, LB_COLLAPSE_NAME + i, name[i]);
}

void lb_collapse_count(struct lb_commit *commit, const struct lb_collapse_again *again)
{
    uint32_t row = find(commit, again->key);

    if (row == LB_COLLAPSES) {
        row = find(commit, 0);
        if (row == LB_COLLAPSES)
            return; /* not after lb_collapse_is_again() */
        open_row(commit, row, again);
    }
    set(commit, row, LB_COLLAPSE_COUNT, get(commit, row, LB_COLLAPSE_COUNT) + 1);
    set(commit, row, LB_COLLAPSE_LINES, get(commit, row, LB_COLLAPSE_LINES) + again->lines);
    set(commit, row, LB_COLLAPSE_BYTES, get(commit, row, LB_COLLAPSE_BYTES) + again->bytes);
    /* A stamp may be older than the one before: of a line that was drained, or begun, before it. */
    if (again->now_ns < get(commit, row, LB_COLLAPSE_FIRST_NS))
        set(commit, row, LB_COLLAPSE_FIRST_NS, again->now_ns);
    if (again->now_ns > get(commit, row, LB_COLLAPSE_LAST_NS))
        set(commit, row, LB_COLLAPSE_LAST_NS, again->now_ns);
}

static void describe(const struct lb_commit *commit, uint32_t row, struct lb_collapse_due *due)
{
    uint64_t about = get(commit, row, LB_COLLAPSE_ABOUT), name_len = about >> 16 & 0xff;

    *due = (struct lb_collapse_due) {
        .service_ix = (uint32_t)get(commit, row, LB_COLLAPSE_SERVICE),
        .severity = about & 7,
        .body = { .count = get(commit, row, LB_COLLAPSE_COUNT),
                  .lines = get(commit, row, LB_COLLAPSE_LINES),
                  .bytes = get(commit, row, LB_COLLAPSE_BYTES),
                  .first_ns = get(commit, row, LB_COLLAPSE_FIRST_NS),
                  .last_ns = get(commit, row, LB_COLLAPSE_LAST_NS),
                  .kind_len = name_len < LB_OWN_NAME_BYTES ? name_len : LB_OWN_NAME_BYTES },
    };
    memcpy(due->body.kind, &commit->region[LB_FAST_COLLAPSE].work[row * LB_COLLAPSE_WORDS + LB_COLLAPSE_NAME],
           LB_OWN_NAME_BYTES);
}

bool lb_collapse_of(const struct lb_commit *commit, uint64_t key, uint32_t *ret_row,
                    struct lb_collapse_due *ret_due)
{
    uint32_t row = find(commit, key);

    if (row == LB_COLLAPSES)
        return false;
    *ret_row = row;
    describe(commit, row, ret_due);
    return true;
}

bool lb_collapse_next(const struct lb_commit *commit, uint32_t *row, uint64_t now_ns, bool all,
                      struct lb_collapse_due *ret_due, uint64_t *ret_next_ns)
{
    if (*row == 0)
        *ret_next_ns = UINT64_MAX;
    for (; *row < LB_COLLAPSES; ++*row) {
        uint64_t due_ns = get(commit, *row, LB_COLLAPSE_DUE_NS);

        if (get(commit, *row, LB_COLLAPSE_KEY) == 0)
            continue;
        if (all || now_ns >= due_ns) {
            describe(commit, *row, ret_due);
            return true;
        }
        if (due_ns < *ret_next_ns)
            *ret_next_ns = due_ns;
    }
    return false;
}

void lb_collapse_told(struct lb_commit *commit, uint32_t row)
{
    set(commit, row, LB_COLLAPSE_KEY, 0);
    set(commit, row, LB_COLLAPSE_COUNT, 0);
    set(commit, row, LB_COLLAPSE_LINES, 0);
    set(commit, row, LB_COLLAPSE_BYTES, 0);
}
