/* SPDX-License-Identifier: MIT */
/* Where each record lies. In: files of a start. Out: what is wrong with them, or nothing. */
#include "tests/kill/lib_places.h"

#include <stdlib.h>

struct places {
    uint8_t in_ring[LB_LANE_COUNT][PLACES_NUMBERS], in_backlog[LB_LANE_COUNT][PLACES_NUMBERS];
    uint64_t lines;
    const char *wrong;
};

uint64_t places_sum(const struct lb_commit *commit, unsigned region, unsigned stride, unsigned word)
{
    uint64_t sum = 0;

    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++)
        sum += lb_commit_get(commit, region, row * stride + word);
    return sum;
}

static void must(struct places *places, bool is_true, const char *claim)
{
    if (!is_true && !places->wrong)
        places->wrong = claim;
}

static void look_at_ring(const struct lb_files *files, struct places *places)
{
    uint64_t head = lb_ring_head(&files->ring);
    const struct lb_record *record;

    for (uint64_t pos = lb_ring_tail(&files->ring); (record = lb_ring_at(&files->ring, pos, head));
         pos += record->len) {
        if (record->kind == LB_KIND_HOLE || record->state >= LB_STATE_DELIVERED)
            continue;
        must(places, record->n < PLACES_NUMBERS, "a number of the ring is one that was given");
        if (record->n < PLACES_NUMBERS)
            places->in_ring[record->lane][record->n] = 1;
        places->lines += record->kind == LB_KIND_LINE;
    }
}

static void look_at_row(const struct lb_backlog *backlog, uint32_t row, struct places *places)
{
    unsigned lane = lb_backlog_lane(backlog, row);

    for (uint64_t n = lb_backlog_word(backlog, row, LB_ROW_DONE_N);
         n <= lb_backlog_word(backlog, row, LB_ROW_LAST_N); n++) {
        must(places, n < PLACES_NUMBERS, "a number of the backlog is one that was given");
        if (n >= PLACES_NUMBERS)
            return;
        must(places, !places->in_backlog[lane][n], "a record is in one segment");
        must(places, !places->in_ring[lane][n], "a record is in the ring or in the backlog");
        places->in_backlog[lane][n] = 1;
    }
    places->lines += lb_backlog_word(backlog, row, LB_ROW_LINES);
}

const char *places_check(const struct lb_files *files)
{
    const struct lb_state *state = &files->state;
    struct places *places = calloc(1, sizeof *places);
    const char *wrong;

    if (!places)
        return "there is memory";
    look_at_ring(files, places);
    for (uint32_t row = 0; row < files->backlog.rows; row++)
        if (lb_backlog_is_valid(&files->backlog, row))
            look_at_row(&files->backlog, row, places);
    must(places, files->repair.holes == 0 && !files->repair.cursors_were_bad, "the ring is whole");
    must(places,
         places_sum(&state->fast, LB_FAST_BOOKS, LB_BOOK_FAST_WORDS, LB_BOOK_QUEUED_LINES) ==
             places_sum(&state->slow, LB_SLOW_BOOKS, LB_BOOK_SLOW_WORDS, LB_BOOK_DELIVERED) +
                 places_sum(&state->slow, LB_SLOW_BOOKS, LB_BOOK_SLOW_WORDS, LB_BOOK_SHED) + places->lines,
         "the books balance against what lies there");
    wrong = places->wrong;
    free(places);
    return wrong;
}
