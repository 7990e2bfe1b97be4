/* SPDX-License-Identifier: MIT */
/*
 * The table of patterns. In: records as they are seen. Out: rates. Always true: memory does not grow; a row
 * is in exactly one chain; a count lies in the column of the look that saw it.
 */
#include "agent/offline/top_patterns.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shape/pattern.h"

#define SERVICE_MAX  128
#define CHAINS       1024u
#define NONE         UINT16_MAX
#define WINDOW_SLACK 1.05 /* looks are never exactly as long as they should be */

struct row {
    uint64_t id;
    uint64_t total;
    uint32_t queued, held;               /* of the look that is open */
    double more_of_queued, more_of_held; /* what these stand for, each */
    float queued_in[LB_TOP_LOOKS], held_in[LB_TOP_LOOKS];
    double queued_sum, held_sum; /* over the window; as of the last look's end */
    uint16_t next;
    uint8_t service_len;
    uint16_t template_len;
    char service[SERVICE_MAX];
    char template[LB_TOP_TEMPLATE];
};

struct lb_top_patterns {
    struct row row[LB_TOP_PATTERNS];
    unsigned rows;
    uint16_t chain[CHAINS];
    double seconds[LB_TOP_LOOKS], share[LB_TOP_LOOKS];
    unsigned look;  /* column of the one that is open, or was last */
    unsigned looks; /* columns of the window */
};

struct lb_top_patterns *lb_top_patterns_make(void)
{
    struct lb_top_patterns *patterns = calloc(1, sizeof *patterns);

    if (patterns)
        memset(patterns->chain, 0xff, sizeof patterns->chain);
    return patterns;
}

void lb_top_patterns_free(struct lb_top_patterns *patterns)
{
    free(patterns);
}

static unsigned column(const struct lb_top_patterns *patterns, unsigned back)
{
    return (patterns->look + LB_TOP_LOOKS - back) % LB_TOP_LOOKS;
}

void lb_top_patterns_restart(struct lb_top_patterns *patterns)
{
    patterns->looks = 0;
    for (unsigned i = 0; i < patterns->rows; i++)
        patterns->row[i].queued_sum = patterns->row[i].held_sum = 0;
}

void lb_top_patterns_begin(struct lb_top_patterns *patterns, double seconds)
{
    double sum = seconds;
    unsigned kept = 0; /* of the looks before it, that are still in the window */

    patterns->look = (patterns->look + 1) % LB_TOP_LOOKS;
    patterns->seconds[patterns->look] = seconds;
    while (kept < patterns->looks && kept < LB_TOP_LOOKS - 1) {
        sum += patterns->seconds[column(patterns, kept + 1)];
        if (sum > LB_TOP_WINDOW_S * WINDOW_SLACK)
            break;
        kept++;
    }
    patterns->looks = kept + 1;
    for (unsigned i = 0; i < patterns->rows; i++) {
        struct row *row = &patterns->row[i];

        row->queued = row->held = 0;
        row->queued_in[patterns->look] = row->held_in[patterns->look] = 0;
    }
}

static unsigned chain_of(uint64_t id)
{
    return (unsigned)(id ^ id >> 32) % CHAINS;
}

static bool is_row_of(const struct row *row, const char *service, size_t service_len, uint64_t id)
{
    return row->id == id && row->service_len == service_len &&
           memcmp(row->service, service, service_len) == 0;
}

/* The row that came least of late, counting what the open look has seen; out of its chain. */
static struct row *give_way(struct lb_top_patterns *patterns)
{
    struct row *least = NULL;
    double least_sum = 0;
    uint16_t *link;

    for (unsigned i = 0; i < patterns->rows; i++) {
        struct row *row = &patterns->row[i];
        double sum = row->queued_sum + row->held_sum + row->queued + row->held;

        if (!least || sum < least_sum || (sum == least_sum && row->total < least->total)) {
            least = row;
            least_sum = sum;
        }
    }
    link = &patterns->chain[chain_of(least->id)];
    while (&patterns->row[*link] != least)
        link = &patterns->row[*link].next;
    *link = least->next;
    return least;
}

static struct row *find_or_make(struct lb_top_patterns *patterns, const char *service, size_t service_len,
                                uint64_t id, const char *text, size_t len)
{
    uint16_t *chain = &patterns->chain[chain_of(id)];
    struct row *row;

    for (uint16_t at = *chain; at != NONE; at = patterns->row[at].next)
        if (is_row_of(&patterns->row[at], service, service_len, id))
            return &patterns->row[at];
    row = patterns->rows < LB_TOP_PATTERNS ? &patterns->row[patterns->rows++] : give_way(patterns);
    memset(row, 0, sizeof *row);
    row->id = id;
    row->service_len = (uint8_t)service_len;
    memcpy(row->service, service, service_len);
    row->template_len = (uint16_t)lb_pattern_template(text, len, row->template, sizeof row->template);
    row->next = *chain;
    *chain = (uint16_t)(row - patterns->row);
    return row;
}

void lb_top_patterns_see(struct lb_top_patterns *patterns, const char *service, size_t service_len,
                         uint64_t id, const char *text, size_t len, bool is_held)
{
    struct row *row;

    if (service_len > SERVICE_MAX)
        service_len = SERVICE_MAX;
    row = find_or_make(patterns, service, service_len, id, text, len);
    row->total++;
    *(is_held ? &row->held : &row->queued) += 1;
}

static double at_least_one(double number)
{
    return number < 1 ? 1 : number;
}

static bool is_of(const struct row *row, const struct lb_top_came *came)
{
    return strncmp(row->service, came->service, row->service_len) == 0 &&
           came->service[row->service_len] == '\0';
}

/* No service is multiplied up to more than what came of it. */
static void bound(struct lb_top_patterns *patterns, const struct lb_top_came *came)
{
    double queued = 0, held = 0;

    for (unsigned i = 0; i < patterns->rows; i++)
        if (is_of(&patterns->row[i], came)) {
            queued += patterns->row[i].queued;
            held += patterns->row[i].held;
        }
    for (unsigned i = 0; i < patterns->rows; i++) {
        struct row *row = &patterns->row[i];

        if (!is_of(row, came))
            continue;
        if (queued > 0 && row->more_of_queued > came->queued / queued)
            row->more_of_queued = at_least_one(came->queued / queued);
        if (held > 0 && row->more_of_held > came->held / held)
            row->more_of_held = at_least_one(came->held / held);
    }
}

void lb_top_patterns_end(struct lb_top_patterns *patterns, double queued_share, double held_share,
                         const struct lb_top_came *came, unsigned count)
{
    unsigned look = patterns->look;

    for (unsigned i = 0; i < patterns->rows; i++) {
        patterns->row[i].more_of_queued = 1 / queued_share;
        patterns->row[i].more_of_held = 1 / held_share;
    }
    for (unsigned i = 0; i < count && (queued_share < 1 || held_share < 1); i++)
        bound(patterns, &came[i]);
    patterns->share[look] = queued_share < held_share ? queued_share : held_share;
    for (unsigned i = 0; i < patterns->rows; i++) {
        struct row *row = &patterns->row[i];

        row->queued_in[look] = (float)(row->queued * row->more_of_queued);
        row->held_in[look] = (float)(row->held * row->more_of_held);
        row->queued_sum = row->held_sum = 0;
        for (unsigned back = 0; back < patterns->looks; back++) {
            row->queued_sum += (double)row->queued_in[column(patterns, back)];
            row->held_sum += (double)row->held_in[column(patterns, back)];
        }
        row->queued = row->held = 0;
    }
}

double lb_top_patterns_window(const struct lb_top_patterns *patterns)
{
    double sum = 0;

    for (unsigned back = 0; back < patterns->looks; back++)
        sum += patterns->seconds[column(patterns, back)];
    return sum;
}

double lb_top_patterns_share(const struct lb_top_patterns *patterns)
{
    double least = 1;

    for (unsigned back = 0; back < patterns->looks; back++)
        if (patterns->share[column(patterns, back)] < least)
            least = patterns->share[column(patterns, back)];
    return least;
}

/* ---- the best ---- */

static bool has(const char *text, size_t len, const char *part)
{
    size_t part_len = strlen(part);

    for (size_t at = 0; at + part_len <= len; at++)
        if (strncasecmp(text + at, part, part_len) == 0)
            return true;
    return false;
}

/* Below 0: a comes first. The names decide last, so that the order stays from look to look. */
static int compare(const void *left, const void *right)
{
    const struct lb_top_pattern *a = left, *b = right;
    unsigned len = a->template_len < b->template_len ? a->template_len : b->template_len;
    int order;

    if (a->lines_s != b->lines_s)
        return a->lines_s > b->lines_s ? -1 : 1;
    if (a->total != b->total)
        return a->total > b->total ? -1 : 1;
    order = memcmp(a->template, b->template, len);
    if (order != 0 || a->template_len != b->template_len)
        return order ? order : (a->template_len > b->template_len ? 1 : -1);
    len = a->service_len < b->service_len ? a->service_len : b->service_len;
    order = memcmp(a->service, b->service, len);
    return order ? order : (int)a->service_len - (int)b->service_len;
}

unsigned lb_top_patterns_best(struct lb_top_patterns *patterns, const char *filter,
                              struct lb_top_pattern *rows, unsigned max)
{
    double window = lb_top_patterns_window(patterns);
    struct lb_top_pattern *all = calloc(patterns->rows ? patterns->rows : 1, sizeof *all);
    unsigned count = 0;

    if (!all)
        return 0;
    for (unsigned i = 0; i < patterns->rows; i++) {
        const struct row *row = &patterns->row[i];

        if (filter[0] && !has(row->service, row->service_len, filter) &&
            !has(row->template, row->template_len, filter))
            continue;
        all[count++] = (struct lb_top_pattern) {
            .service = row->service,
            .service_len = row->service_len,
            .template = row->template,
            .template_len = row->template_len,
            .lines_s = window > 0 ? (row->queued_sum + row->held_sum) / window : 0,
            .held_s = window > 0 ? row->held_sum / window : 0,
            .total = row->total,
        };
    }
    qsort(all, count, sizeof *all, compare);
    if (count > max)
        count = max;
    memcpy(rows, all, count * sizeof *rows);
    free(all);
    return count;
}
