/* SPDX-License-Identifier: MIT */
/* Services as rows. In: two statuses. Out: rates, filtered and in order. Always true: equal rows are ordered
 * by name, so a screen does not tumble. */
#include "agent/offline/top_rows.h"

#include <stdlib.h>
#include <string.h>

/* A counter that runs backwards belongs to another agent: then nothing is known, and 0 does no harm. */
static double rate(uint64_t now, uint64_t before, double seconds)
{
    return seconds <= 0 ? -1 : now > before ? (double)(now - before) / seconds : 0;
}

struct lb_top_row lb_top_row_of(const struct lb_top_book *now, const struct lb_top_book *before,
                                double seconds)
{
    static const struct lb_top_book nothing;

    if (!before)
        before = &nothing;
    return (struct lb_top_row) {
        .book = now,
        .lines_s = rate(now->in, before->in, seconds),
        .bytes_s = rate(now->in_bytes, before->in_bytes, seconds),
        .delivered_s = rate(now->delivered, before->delivered, seconds),
        .suppressed_s = rate(now->suppressed, before->suppressed, seconds),
    };
}

double lb_top_seconds_between(const struct lb_top_status *before, const struct lb_top_status *now)
{
    return before && now->boot_ms > before->boot_ms ? (double)(now->boot_ms - before->boot_ms) / 1000 : 0;
}

/* Both tables have the order of the agent's: a service is where it was, unless the agent began anew. */
static const struct lb_top_book *find(const struct lb_top_status *status, const char *name, unsigned hint)
{
    if (hint < status->services && strcmp(status->service[hint].name, name) == 0)
        return &status->service[hint];
    for (unsigned i = 0; i < status->services; i++)
        if (strcmp(status->service[i].name, name) == 0)
            return &status->service[i];
    return NULL;
}

static double key_of(const struct lb_top_row *row, enum lb_top_sort sort)
{
    switch (sort) {
    case LB_TOP_BY_LINES:
        return row->lines_s;
    case LB_TOP_BY_BYTES:
        return row->bytes_s;
    case LB_TOP_BY_PENDING:
        return (double)row->book->pending;
    case LB_TOP_BY_HELD:
        return (double)row->book->held;
    case LB_TOP_BY_SUPPRESSED:
        return row->suppressed_s;
    case LB_TOP_BY_LOST:
        return (double)row->book->lost;
    case LB_TOP_BY_NAME:
    case LB_TOP_SORTS:
        break;
    }
    return 0;
}

static int compare(const void *left, const void *right, void *sort)
{
    const struct lb_top_row *a = left, *b = right;
    double x = key_of(a, *(enum lb_top_sort *)sort), y = key_of(b, *(enum lb_top_sort *)sort);

    if (x != y)
        return x > y ? -1 : 1;
    return strcmp(a->book->name, b->book->name);
}

unsigned lb_top_rows(const struct lb_top_status *now, const struct lb_top_status *before,
                     enum lb_top_sort sort, const char *filter, struct lb_top_row *rows)
{
    double seconds = lb_top_seconds_between(before, now);
    unsigned count = 0;

    for (unsigned i = 0; i < now->services; i++) {
        const struct lb_top_book *book = &now->service[i];

        if (book->in == 0 || (filter[0] && !strcasestr(book->name, filter)))
            continue;
        rows[count++] = lb_top_row_of(book, before ? find(before, book->name, i) : NULL, seconds);
    }
    qsort_r(rows, count, sizeof *rows, compare, &sort);
    return count;
}

static double more(uint64_t now, uint64_t before)
{
    return now > before ? (double)(now - before) : 0;
}

unsigned lb_top_rows_came(const struct lb_top_status *now, const struct lb_top_status *before,
                          struct lb_top_came *came)
{
    static const struct lb_top_book nothing;

    for (unsigned i = 0; before && i < now->services; i++) {
        const struct lb_top_book *book = &now->service[i], *then = find(before, book->name, i);

        if (!then)
            then = &nothing;
        came[i] = (struct lb_top_came) { book->name, more(book->queued, then->queued),
                                         more(book->suppressed, then->suppressed) };
    }
    return before ? now->services : 0;
}
