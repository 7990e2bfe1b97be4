/* SPDX-License-Identifier: MIT */
/*
 * The books, read. In: both sides' tables. Out: sums that balance: the slow side's counters stand still while
 * it reads (this is its thread), the fast side's are taken at one instant, later than them, so pending is
 * never negative.
 */
#include "agent/control/books.h"

#include <string.h>

static struct lb_sum sum_at(const uint64_t *words)
{
    return (struct lb_sum) { words[0], words[1] };
}

static void add(struct lb_sum *to, struct lb_sum sum)
{
    to->lines += sum.lines;
    to->bytes += sum.bytes;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static void read_row(const struct lb_status_source *source, uint32_t row, const uint64_t *fast,
                     struct lb_book *book)
{
    const uint64_t *slow = &source->state->slow.region[LB_SLOW_BOOKS].work[row * LB_BOOK_SLOW_WORDS];

    memset(book, 0, sizeof *book);
    book->queued = sum_at(fast + LB_BOOK_QUEUED_LINES);
    book->own = sum_at(fast + LB_BOOK_OWN_LINES);
    for (unsigned i = 0; i < LB_DROP_COUNT; i++) {
        struct lb_drop_place place = lb_drop_place(row, i);
        const uint64_t *at = &source->state->fast.region[place.region].shared[place.word];

        book->dropped_by[i].lines = __atomic_load_n(at, __ATOMIC_ACQUIRE);
        book->dropped_by[i].bytes = __atomic_load_n(at + 1, __ATOMIC_ACQUIRE);
        add(&book->dropped, book->dropped_by[i]);
    }
    book->delivered = sum_at(slow + LB_BOOK_DELIVERED);
    book->shed = sum_at(slow + LB_BOOK_SHED);
    book->rejected = sum_at(slow + LB_BOOK_REJECTED);
    book->expired =
        sum_at(&source->state->slow.region[LB_SLOW_MORE].work[row * LB_MORE_WORDS + LB_MORE_EXPIRED]);
    for (unsigned i = 0; i < LB_HELD_REASONS; i++) {
        const uint64_t *at = &source->state->fast.region[LB_FAST_THROTTLE]
                                  .shared[row * LB_THROTTLE_WORDS + LB_THROTTLE_HELD + 2 * i];

        book->held_by[i].lines = __atomic_load_n(at, __ATOMIC_ACQUIRE);
        book->held_by[i].bytes = __atomic_load_n(at + 1, __ATOMIC_ACQUIRE);
        add(&book->held, book->held_by[i]);
    }
    lb_capture_open(source->capture, row, &book->open.lines, &book->open.bytes);
    book->pending.lines =
        less(book->queued.lines, book->delivered.lines + book->shed.lines + book->rejected.lines);
    book->pending.bytes =
        less(book->queued.bytes, book->delivered.bytes + book->shed.bytes + book->rejected.bytes);
    add(&book->in, book->open);
    add(&book->in, book->queued);
    add(&book->in, book->held);
    add(&book->in, book->dropped);
}

static void sum_up(struct lb_book *all, const struct lb_book *book)
{
    add(&all->in, book->in);
    add(&all->open, book->open);
    add(&all->queued, book->queued);
    add(&all->held, book->held);
    add(&all->dropped, book->dropped);
    add(&all->pending, book->pending);
    add(&all->delivered, book->delivered);
    add(&all->shed, book->shed);
    add(&all->rejected, book->rejected);
    add(&all->own, book->own);
    add(&all->expired, book->expired);
    for (unsigned i = 0; i < LB_DROP_COUNT; i++)
        add(&all->dropped_by[i], book->dropped_by[i]);
    for (unsigned i = 0; i < LB_HELD_REASONS; i++)
        add(&all->held_by[i], book->held_by[i]);
}

void lb_books_read(const struct lb_status_source *source, struct lb_book *ret_books, struct lb_book *ret_all)
{
    const struct lb_commit *fast = &source->state->fast;
    const uint64_t *shared = fast->region[LB_FAST_BOOKS].shared;
    uint64_t seq;

    do {
        seq = lb_commit_read_begin(fast);
        memset(ret_all, 0, sizeof *ret_all);
        for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++) {
            uint64_t words[LB_BOOK_FAST_WORDS];

            memset(&ret_books[row], 0, sizeof ret_books[row]);
            if (__atomic_load_n(&source->state->file->name[row].len, __ATOMIC_ACQUIRE) == 0)
                continue;
            for (unsigned i = 0; i < LB_BOOK_FAST_WORDS; i++)
                words[i] = __atomic_load_n(&shared[row * LB_BOOK_FAST_WORDS + i], __ATOMIC_ACQUIRE);
            read_row(source, row, words, &ret_books[row]);
            sum_up(ret_all, &ret_books[row]);
        }
    } while (lb_commit_read_retry(fast, seq));
}
