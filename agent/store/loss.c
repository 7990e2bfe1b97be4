/* SPDX-License-Identifier: MIT */
/*
 * Untold losses of the slow side: rows in tmpfs that become receipts. In: lost records. Out: rows for the
 * fast side. Always true: a lost line is in exactly one of a row that is not told, or a committed receipt.
 */
#include "agent/store/loss.h"

#include <string.h>

#include "agent/store/killpoint.h"

static uint64_t get(const struct lb_state *state, unsigned row, unsigned word)
{
    return lb_commit_get(&state->slow, LB_SLOW_LOSS, row * LB_LOSS_WORDS + word);
}

static void set(struct lb_state *state, unsigned row, unsigned word, uint64_t value)
{
    lb_commit_set(&state->slow, LB_SLOW_LOSS, row * LB_LOSS_WORDS + word, value);
}

static void read_row(const struct lb_state *state, unsigned row, struct lb_receipt *ret_receipt)
{
    memcpy(ret_receipt, &state->slow.region[LB_SLOW_LOSS].work[row * LB_LOSS_WORDS + LB_LOSS_RECEIPT],
           sizeof *ret_receipt);
}

static void write_row(struct lb_state *state, unsigned row, const struct lb_receipt *receipt)
{
    uint64_t words[LB_RECEIPT_WORDS];

    memcpy(words, receipt, sizeof words);
    for (unsigned i = 0; i < LB_RECEIPT_WORDS; i++)
        if (get(state, row, LB_LOSS_RECEIPT + i) != words[i])
            set(state, row, LB_LOSS_RECEIPT + i, words[i]);
}

static bool is_same_name(const struct lb_receipt *a, const struct lb_receipt *b)
{
    /* Longer than there is room: the row was damaged in memory, and is no one's. */
    return a->name_len == b->name_len && a->name_len <= sizeof a->name &&
           memcmp(a->name, b->name, a->name_len) == 0;
}

static void merge(struct lb_receipt *into, const struct lb_receipt *lost)
{
    into->lines += lost->lines;
    into->bytes += lost->bytes;
    if (into->first_ns == 0 || (lost->first_ns && lost->first_ns < into->first_ns))
        into->first_ns = lost->first_ns;
    if (lost->last_ns > into->last_ns)
        into->last_ns = lost->last_ns;
    for (unsigned level = 0; level < 8; level++)
        into->by_severity[level] += lost->by_severity[level];
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++) {
        if (lost->range[lane][0] == 0)
            continue;
        if (into->range[lane][0] == 0 || lost->range[lane][0] < into->range[lane][0])
            into->range[lane][0] = lost->range[lane][0];
        if (lost->range[lane][1] > into->range[lane][1])
            into->range[lane][1] = lost->range[lane][1];
    }
}

/* What the open rows of a reason have lost together, lane by lane. */
static void open_range(const struct lb_state *state, uint64_t reason, struct lb_receipt *ret_sum)
{
    memset(ret_sum, 0, sizeof *ret_sum);
    for (unsigned row = 0; row < LB_LOSS_SLOTS; row++) {
        struct lb_receipt receipt;

        if (get(state, row, LB_LOSS_STATE) != LB_LOSS_OPEN)
            continue;
        read_row(state, row, &receipt);
        if (receipt.reason == reason)
            merge(ret_sum, &receipt);
    }
}

/* The open rows of a reason become a closed group: each tells the whole group's range. */
static void close_group(struct lb_state *state, uint64_t reason)
{
    struct lb_receipt sum;

    open_range(state, reason, &sum);
    for (unsigned row = 0; row < LB_LOSS_SLOTS; row++) {
        struct lb_receipt receipt;

        if (get(state, row, LB_LOSS_STATE) != LB_LOSS_OPEN)
            continue;
        read_row(state, row, &receipt);
        if (receipt.reason != reason)
            continue;
        memcpy(receipt.range, sum.range, sizeof receipt.range);
        write_row(state, row, &receipt);
        set(state, row, LB_LOSS_STATE, LB_LOSS_CLOSED);
    }
}

/* Would adding this leave a number between that was not lost? */
static bool leaves_gap(const struct lb_state *state, const struct lb_receipt *lost)
{
    struct lb_receipt sum;

    open_range(state, lost->reason, &sum);
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        if (sum.range[lane][0] && lost->range[lane][0] &&
            (lost->range[lane][0] > sum.range[lane][1] + 1 || lost->range[lane][1] + 1 < sum.range[lane][0]))
            return true;
    return false;
}

static int free_row(const struct lb_state *state)
{
    for (unsigned row = 0; row < LB_LOSS_SLOTS; row++)
        if (get(state, row, LB_LOSS_STATE) == LB_LOSS_FREE)
            return (int)row;
    return -1;
}

/*
 * The open row for this name and reason, else -1. ret_last is then what may take it instead: the newest open
 * row of the reason, or a closed one, or one of another reason. Never a row that is being told: the fast side
 * may be copying it, or may have told it already.
 */
static int open_row(const struct lb_state *state, const struct lb_receipt *lost, int *ret_last)
{
    int last_open = -1, last_closed = -1, last_other = -1;

    for (unsigned row = 0; row < LB_LOSS_SLOTS; row++) {
        uint64_t row_state = get(state, row, LB_LOSS_STATE);
        struct lb_receipt receipt;

        if (row_state != LB_LOSS_OPEN && row_state != LB_LOSS_CLOSED)
            continue;
        read_row(state, row, &receipt);
        if (receipt.reason != lost->reason)
            last_other = (int)row;
        else if (row_state == LB_LOSS_OPEN && is_same_name(&receipt, lost))
            return (int)row;
        else
            *(row_state == LB_LOSS_OPEN ? &last_open : &last_closed) = (int)row;
    }
    *ret_last = last_open >= 0 ? last_open : last_closed >= 0 ? last_closed : last_other;
    return -1;
}

void lb_loss_add(struct lb_state *state, const struct lb_receipt *lost)
{
    struct lb_receipt receipt;
    int row, last = -1;

    if (leaves_gap(state, lost))
        close_group(state, lost->reason);
    row = open_row(state, lost, &last);
    if (row < 0) {
        row = free_row(state);
        if (row >= 0) {
            write_row(state, (unsigned)row, lost);
            set(state, (unsigned)row, LB_LOSS_STATE, LB_LOSS_OPEN);
            return;
        }
        row =
            last >= 0 ? last : 0; /* lb_loss_release() always leaves one: 0 only when the table is damaged */
    }
    read_row(state, (unsigned)row, &receipt);
    if (!is_same_name(&receipt, lost)) {
        receipt.name_len = 0;
        memset(receipt.name, 0, sizeof receipt.name);
    }
    merge(&receipt, lost);
    write_row(state, (unsigned)row, &receipt);
}

void lb_loss_add_segment(struct lb_state *state, unsigned lane, uint64_t first_n, uint64_t last_n,
                         uint64_t lines, uint64_t bytes, uint64_t first_ns, uint64_t last_ns)
{
    struct lb_receipt lost = {
        .reason = LB_REASON_CORRUPT, .lines = lines, .bytes = bytes, .first_ns = first_ns, .last_ns = last_ns
    };
    uint32_t row = lb_state_find_service(state, "logboom", 7, 0) * LB_BOOK_SLOW_WORDS;

    lost.range[lane % LB_LANE_COUNT][0] = first_n;
    lost.range[lane % LB_LANE_COUNT][1] = last_n;
    lb_loss_add(state, &lost);
    lb_commit_add(&state->slow, LB_SLOW_BOOKS, row + LB_BOOK_SHED, lines);
    lb_commit_add(&state->slow, LB_SLOW_BOOKS, row + LB_BOOK_SHED + 1, bytes);
}

void lb_loss_return(struct lb_state *state, const struct lb_receipt *told)
{
    int row = free_row(state);

    if (row < 0) {
        lb_loss_add(state, told);
        return;
    }
    write_row(state, (unsigned)row, told);
    set(state, (unsigned)row, LB_LOSS_STATE, LB_LOSS_CLOSED);
}

unsigned lb_loss_release(struct lb_state *state)
{
    unsigned telling = 0, closed = 0;

    for (unsigned reason = 0; reason < LB_REASON_COUNT; reason++)
        close_group(state, reason);
    for (unsigned row = 0; row < LB_LOSS_SLOTS; row++) {
        telling += get(state, row, LB_LOSS_STATE) == LB_LOSS_TELLING;
        closed += get(state, row, LB_LOSS_STATE) == LB_LOSS_CLOSED;
    }
    for (unsigned row = 0; row < LB_LOSS_SLOTS && closed > 0 && telling < LB_LOSS_SLOTS - 1; row++) {
        if (get(state, row, LB_LOSS_STATE) != LB_LOSS_CLOSED)
            continue;
        set(state, row, LB_LOSS_TELL, get(state, row, LB_LOSS_TELL) + 1);
        set(state, row, LB_LOSS_STATE, LB_LOSS_TELLING);
        telling++;
        closed--;
    }
    return telling + closed;
}

void lb_loss_sweep(struct lb_state *state)
{
    for (unsigned row = 0; row < LB_LOSS_SLOTS; row++)
        if (get(state, row, LB_LOSS_STATE) == LB_LOSS_TELLING &&
            lb_load(&state->file->told[row]) == get(state, row, LB_LOSS_TELL))
            set(state, row, LB_LOSS_STATE, LB_LOSS_FREE);
}

bool lb_loss_next(const struct lb_state *state, unsigned *row, struct lb_receipt *ret_receipt)
{
    for (; *row < LB_LOSS_SLOTS; ++*row) {
        uint64_t words[LB_LOSS_WORDS];

        lb_commit_snapshot(&state->slow, LB_SLOW_LOSS, *row * LB_LOSS_WORDS, LB_LOSS_WORDS, words);
        if (words[LB_LOSS_STATE] != LB_LOSS_TELLING ||
            words[LB_LOSS_TELL] == lb_commit_get(&state->fast, LB_FAST_TOLD, *row))
            continue;
        memcpy(ret_receipt, &words[LB_LOSS_RECEIPT], sizeof *ret_receipt);
        return true;
    }
    return false;
}

void lb_loss_told(struct lb_state *state, unsigned row)
{
    uint64_t tell = lb_load(&state->file->loss[row * LB_LOSS_WORDS + LB_LOSS_TELL]);

    lb_commit_set(&state->fast, LB_FAST_TOLD, row, tell);
}
