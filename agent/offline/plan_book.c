/* SPDX-License-Identifier: MIT */
/* The books of a plan. In: the engine's tables. Out: sums by service. Always true: in = kept + held +
 * dropped. */
#include "agent/offline/plan_print.h"

#define DAY_S       86400.0
#define SHORTEST_MS 1000 /* a log of an instant is scaled as if it were a second long */

static void add_row(const struct lb_plan_engine *engine, uint32_t row, struct lb_plan_book *book)
{
    const struct lb_commit *fast = &engine->files.state.fast;
    uint32_t books = row * LB_BOOK_FAST_WORDS, throttle = row * LB_THROTTLE_WORDS;

    book->kept += lb_commit_get(fast, LB_FAST_BOOKS, books + LB_BOOK_QUEUED_LINES);
    book->kept_bytes += lb_commit_get(fast, LB_FAST_BOOKS, books + LB_BOOK_QUEUED_BYTES);
    book->own += lb_commit_get(fast, LB_FAST_BOOKS, books + LB_BOOK_OWN_LINES);
    book->in += lb_commit_get(fast, LB_FAST_BOOKS, books + LB_BOOK_QUEUED_LINES);
    book->in_bytes += lb_commit_get(fast, LB_FAST_BOOKS, books + LB_BOOK_QUEUED_BYTES);
    for (unsigned i = 0; i < LB_HELD_REASONS; i++) {
        uint64_t lines = lb_commit_get(fast, LB_FAST_THROTTLE, throttle + LB_THROTTLE_HELD + 2 * i);

        book->held_by[i] += lines;
        book->held += lines;
        book->in += lines;
        book->in_bytes += lb_commit_get(fast, LB_FAST_THROTTLE, throttle + LB_THROTTLE_HELD + 2 * i + 1);
    }
    for (unsigned i = 0; i < LB_DROP_COUNT; i++) {
        struct lb_drop_place place = lb_drop_place(row, i);
        uint64_t lines = lb_commit_get(fast, place.region, place.word);

        book->dropped_by[i] += lines;
        book->dropped += lines;
        book->in += lines;
        book->in_bytes += lb_commit_get(fast, place.region, place.word + 1);
    }
    book->wire_bytes += engine->sent.wire_by_row[row];
}

/* Lines that were held and sent after all: what is kept beside what was kept at once. */
static uint64_t promoted(const struct lb_plan_engine *engine, uint32_t row, uint64_t kept)
{
    struct lb_plan_pattern rows[2];
    uint64_t at_once = 0;

    for (unsigned i = lb_plan_tally_best(&engine->tally, row, rows, 2); i > 0; i--)
        at_once += rows[i - 1].lines[LB_PLAN_KEPT];
    return kept > at_once && !engine->is_unthrottled ? kept - at_once : 0;
}

struct lb_plan_book lb_plan_book_of(const struct lb_plan_engine *engine, uint32_t row)
{
    struct lb_plan_book book = { 0 };

    if (row < LB_SERVICES_BOOKS) {
        add_row(engine, row, &book);
        book.promoted = promoted(engine, row, book.kept);
        return book;
    }
    for (uint32_t i = 0; i < LB_SERVICES_BOOKS && engine->files.state.file->name[i].len > 0; i++) {
        add_row(engine, i, &book);
        book.promoted += promoted(engine, i,
                                  lb_commit_get(&engine->files.state.fast, LB_FAST_BOOKS,
                                                i * LB_BOOK_FAST_WORDS + LB_BOOK_QUEUED_LINES));
    }
    return book;
}

unsigned lb_plan_services(const struct lb_plan_engine *engine)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < LB_SERVICES_BOOKS && engine->files.state.file->name[i].len > 0; i++)
        count += engine->stream[i].name != NULL;
    return count;
}

uint32_t lb_plan_service(const struct lb_plan_engine *engine, unsigned index)
{
    uint32_t row = 0;

    for (;; row++)
        if (engine->stream[row].name && index-- == 0)
            return row;
}

double lb_plan_a_day(const struct lb_plan_result *result, double amount)
{
    uint64_t span_ms = result->last_ms - result->first_ms;

    return amount * DAY_S * 1000 / (double)(span_ms > SHORTEST_MS ? span_ms : SHORTEST_MS);
}
