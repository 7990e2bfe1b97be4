/* SPDX-License-Identifier: MIT */
/*
 * Errors that come again. In: fingerprints. Out: which are queued, and how often the others came. Always
 * true: what was folded is in exactly one of a row's count, or a committed repeat record.
 */
#include "agent/shape/repeat.h"

#include <string.h>

static uint64_t get(const struct lb_commit *commit, uint32_t row, unsigned word)
{
    return lb_commit_get(commit, LB_FAST_REPEATS, row * LB_REPEAT_WORDS + word);
}

static void set(struct lb_commit *commit, uint32_t row, unsigned word, uint64_t value)
{
    if (get(commit, row, word) != value)
        lb_commit_set(commit, LB_FAST_REPEATS, row * LB_REPEAT_WORDS + word, value);
}

/* The row of an error; -1: there is none. */
static int find(const struct lb_commit *commit, uint32_t service_ix, uint64_t fingerprint)
{
    for (uint32_t row = 0; row < LB_REPEATS; row++)
        if (get(commit, row, LB_REPEAT_FINGERPRINT) == fingerprint &&
            get(commit, row, LB_REPEAT_SERVICE) == service_ix)
            return (int)row;
    return -1;
}

enum lb_repeat_verdict lb_repeat_look(const struct lb_commit *commit, uint32_t service_ix,
                                      uint64_t fingerprint, uint64_t window_ns, uint64_t now_ns)
{
    int row = find(commit, service_ix, fingerprint);

    if (row < 0)
        return LB_REPEAT_NEW;
    return now_ns - get(commit, (uint32_t)row, LB_REPEAT_SEEN_NS) < window_ns ? LB_REPEAT_FOLD
                                                                              : LB_REPEAT_AGAIN;
}

/* A row to use: a free one, else the one seen longest ago among those that have nothing to tell. -1: all
 * have. */
static int make_room(const struct lb_commit *commit)
{
    int best = -1;

    for (uint32_t row = 0; row < LB_REPEATS; row++) {
        if (get(commit, row, LB_REPEAT_FINGERPRINT) == 0)
            return (int)row;
        if (get(commit, row, LB_REPEAT_COUNT) > 0)
            continue;
        if (best < 0 || get(commit, row, LB_REPEAT_SEEN_NS) < get(commit, (uint32_t)best, LB_REPEAT_SEEN_NS))
            best = (int)row;
    }
    return best;
}

void lb_repeat_seen(struct lb_commit *commit, uint32_t service_ix, uint64_t fingerprint, unsigned severity,
                    const char *name, size_t name_len, uint64_t now_ns)
{
    int found = find(commit, service_ix, fingerprint);
    uint64_t words[LB_OWN_NAME_BYTES / 8] = { 0 };
    uint32_t row;

    if (found < 0)
        found = make_room(commit);
    if (found < 0)
        return; /* all rows have something to tell: this one is not remembered, and told whole each time */
    row = (uint32_t)found;
    if (name_len > LB_OWN_NAME_BYTES)
        name_len = LB_OWN_NAME_BYTES;
    if (name_len > 0)
        memcpy(words, name, name_len);
    set(commit, row, LB_REPEAT_FINGERPRINT, fingerprint);
    set(commit, row, LB_REPEAT_SERVICE, service_ix);
    set(commit, row, LB_REPEAT_SEEN_NS, now_ns);
    set(commit, row, LB_REPEAT_ABOUT, severity | name_len << 16);
    for (unsigned i = 0; i < LB_OWN_NAME_BYTES / 8; i++)
        set(commit, row, LB_REPEAT_NAME + i, words[i]);
}

void lb_repeat_count(struct lb_commit *commit, uint32_t service_ix, uint64_t fingerprint, uint32_t lines,
                     uint64_t bytes, uint64_t now_ns)
{
    int found = find(commit, service_ix, fingerprint);
    uint32_t row = (uint32_t)found;
    bool is_first;

    if (found < 0)
        return;
    /* A stamp may be older than the one before: of a line that was drained, or begun, before it. */
    is_first = get(commit, row, LB_REPEAT_COUNT) == 0;
    if (is_first || now_ns < get(commit, row, LB_REPEAT_FIRST_NS))
        set(commit, row, LB_REPEAT_FIRST_NS, now_ns);
    if (is_first || now_ns > get(commit, row, LB_REPEAT_LAST_NS))
        set(commit, row, LB_REPEAT_LAST_NS, now_ns);
    set(commit, row, LB_REPEAT_COUNT, get(commit, row, LB_REPEAT_COUNT) + 1);
    set(commit, row, LB_REPEAT_LINES, get(commit, row, LB_REPEAT_LINES) + lines);
    set(commit, row, LB_REPEAT_BYTES, get(commit, row, LB_REPEAT_BYTES) + bytes);
}

static void describe(const struct lb_commit *commit, uint32_t row, struct lb_repeat_due *due)
{
    uint64_t about = get(commit, row, LB_REPEAT_ABOUT), name_len = about >> 16 & 0xff;

    *due = (struct lb_repeat_due) {
        .service_ix = (uint32_t)get(commit, row, LB_REPEAT_SERVICE),
        .severity = about & 7,
        .body = { .fingerprint = get(commit, row, LB_REPEAT_FINGERPRINT),
                  .count = get(commit, row, LB_REPEAT_COUNT),
                  .lines = get(commit, row, LB_REPEAT_LINES),
                  .bytes = get(commit, row, LB_REPEAT_BYTES),
                  .first_ns = get(commit, row, LB_REPEAT_FIRST_NS),
                  .last_ns = get(commit, row, LB_REPEAT_LAST_NS),
                  .kind_len = name_len < LB_OWN_NAME_BYTES ? name_len : LB_OWN_NAME_BYTES },
    };
    memcpy(due->body.kind, &commit->region[LB_FAST_REPEATS].work[row * LB_REPEAT_WORDS + LB_REPEAT_NAME],
           LB_OWN_NAME_BYTES);
}

bool lb_repeat_next(const struct lb_commit *commit, uint32_t *row, uint64_t (*window_ns)(void *, uint32_t),
                    void *arg, uint64_t now_ns, bool all, struct lb_repeat_due *ret_due,
                    uint64_t *ret_next_ns)
{
    if (*row == 0)
        *ret_next_ns = UINT64_MAX;
    for (; *row < LB_REPEATS; ++*row) {
        uint64_t end_ns;

        if (get(commit, *row, LB_REPEAT_FINGERPRINT) == 0 || get(commit, *row, LB_REPEAT_COUNT) == 0)
            continue;
        end_ns = get(commit, *row, LB_REPEAT_SEEN_NS) +
                 window_ns(arg, (uint32_t)get(commit, *row, LB_REPEAT_SERVICE));
        if (all || now_ns >= end_ns) {
            describe(commit, *row, ret_due);
            return true;
        }
        if (end_ns < *ret_next_ns)
            *ret_next_ns = end_ns;
    }
    return false;
}

void lb_repeat_told(struct lb_commit *commit, uint32_t row)
{
    for (unsigned word = LB_REPEAT_COUNT; word <= LB_REPEAT_LAST_NS; word++)
        set(commit, row, word, 0);
}
