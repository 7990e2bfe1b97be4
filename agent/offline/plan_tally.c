/* SPDX-License-Identifier: MIT */
/* What became of records. In: verdicts. Out: counts by pattern and by what decided. Always true: each line is
 * in one row of a pattern. */
#include "agent/offline/plan_tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shape/pattern.h"

#define FULL (LB_PLAN_PATTERNS / 4 * 3) /* of a hash table with open addressing */

static enum lb_plan_fate fate_of(const struct lb_shape_output *out)
{
    switch (out->verdict) {
    case LB_SHAPE_QUEUE:
        return LB_PLAN_KEPT;
    case LB_SHAPE_REPEAT:
        return LB_PLAN_REPEATED;
    case LB_SHAPE_COLLAPSE:
        return LB_PLAN_COLLAPSED;
    case LB_SHAPE_HOLD:
        return out->drop == LB_DROP_SAMPLE ? LB_PLAN_SAMPLED : LB_PLAN_HELD;
    case LB_SHAPE_DROP:
        break;
    }
    return LB_PLAN_DROPPED;
}

static struct lb_plan_pattern *find(struct lb_plan_tally *tally, uint64_t pattern, uint32_t row)
{
    size_t at =
        (size_t)((pattern ^ row * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu >> 40) % LB_PLAN_PATTERNS;

    while (tally->pattern[at].is_used &&
           (tally->pattern[at].pattern != pattern || tally->pattern[at].row != row))
        at = (at + 1) % LB_PLAN_PATTERNS;
    return &tally->pattern[at];
}

static struct lb_plan_pattern *row_of(struct lb_plan_tally *tally, uint32_t row,
                                      const struct lb_shape_output *out)
{
    uint64_t id =
        out->pattern ? out->pattern : lb_pattern_id_by_memo(&tally->memo, out->text, out->len, true);
    struct lb_plan_pattern *found = find(tally, id, row);

    if (found->is_used)
        return found;
    if (tally->patterns == FULL)
        return &tally->rest[row];
    tally->patterns++;
    found->is_used = true;
    found->pattern = id;
    found->row = row;
    found->template_len = lb_pattern_template(out->text, out->len, found->template, sizeof found->template);
    return found;
}

static struct lb_plan_why *why_of(struct lb_plan_tally *tally, uint32_t row,
                                  const struct lb_shape_output *out)
{
    struct lb_plan_why *why = tally->why, *end = why + tally->whys;

    for (; why < end; why++)
        if (why->row == row && why->drop == out->drop && strncmp(why->by, out->by, sizeof why->by - 1) == 0)
            return why;
    if (tally->whys == LB_PLAN_WHYS)
        return &tally->why_rest[row];
    tally->whys++;
    *why = (struct lb_plan_why) { .row = row, .drop = out->drop };
    snprintf(why->by, sizeof why->by, "%s", out->by);
    return why;
}

static void count_why(struct lb_plan_tally *tally, uint32_t row, const struct lb_shape_output *out,
                      uint64_t lines)
{
    struct lb_plan_why *why = why_of(tally, row, out);

    why->lines += lines;
    why->bytes += out->len;
}

bool lb_plan_tally_is_sampled(const struct lb_plan_tally *tally, uint32_t row)
{
    return tally->owed[row].records > LB_PLAN_PATTERNS_WHOLE;
}

/* From 0 to twice what is left out on average, by the number of the record: what is regular is not met by
 * rule. */
static uint32_t draw(uint64_t number)
{
    return (uint32_t)((number * 0x9e3779b97f4a7c15u >> 32) % (2 * LB_PLAN_PATTERN_IN - 1));
}

/*
 * Is a record that was kept to wait for another one?
 *   ret_waited  for a record that is not: how many it stands for beside itself
 */
static bool may_wait(struct lb_plan_owed *owed, uint32_t *ret_waited)
{
    *ret_waited = 0;
    if (++owed->records <= LB_PLAN_PATTERNS_WHOLE)
        return false;
    if (owed->waiting < owed->most) {
        owed->waiting++;
        return true;
    }
    *ret_waited = owed->waiting;
    owed->waiting = 0;
    owed->most = draw(owed->records);
    return false;
}

bool lb_plan_tally_count(struct lb_plan_tally *tally, uint32_t row, const struct lb_shape_output *out,
                         uint64_t lines)
{
    struct lb_plan_pattern *pattern;
    uint32_t waited = 0;

    if (!tally->pattern)
        tally->pattern = calloc(LB_PLAN_PATTERNS, sizeof *tally->pattern);
    if (!tally->pattern)
        return false;
    row = row < LB_SERVICES_BOOKS ? row : LB_SERVICES_BOOKS - 1;
    if (out->verdict == LB_SHAPE_QUEUE && !out->pattern && lines == 1 && may_wait(&tally->owed[row], &waited))
        return true;
    pattern = row_of(tally, row, out);
    pattern->lines[fate_of(out)] += lines + waited;
    pattern->bytes += out->len * (1 + waited);
    if (out->verdict != LB_SHAPE_QUEUE)
        count_why(tally, row, out, lines);
    return true;
}

uint64_t lb_plan_pattern_lines(const struct lb_plan_pattern *pattern)
{
    uint64_t lines = 0;

    for (unsigned i = 0; i < LB_PLAN_FATES; i++)
        lines += pattern->lines[i];
    return lines;
}

static void add(struct lb_plan_pattern *to, const struct lb_plan_pattern *from)
{
    for (unsigned i = 0; i < LB_PLAN_FATES; i++)
        to->lines[i] += from->lines[i];
    to->bytes += from->bytes;
}

unsigned lb_plan_tally_best(const struct lb_plan_tally *tally, uint32_t row, struct lb_plan_pattern *rows,
                            unsigned max)
{
    struct lb_plan_pattern rest = tally->rest[row];
    unsigned count = 0;

    rest.pattern = 0;
    rest.row = row;
    rest.lines[LB_PLAN_KEPT] += tally->owed[row].waiting;
    for (size_t i = 0; tally->pattern && i < LB_PLAN_PATTERNS; i++) {
        const struct lb_plan_pattern *one = &tally->pattern[i];
        unsigned at = count;

        if (!one->is_used || one->row != row)
            continue;
        while (at > 0 && lb_plan_pattern_lines(&rows[at - 1]) < lb_plan_pattern_lines(one))
            at--;
        if (at == max - 1) {
            add(&rest, one);
            continue;
        }
        if (count == max - 1)
            add(&rest, &rows[--count]);
        memmove(&rows[at + 1], &rows[at], (count - at) * sizeof *rows);
        rows[at] = *one;
        count++;
    }
    if (lb_plan_pattern_lines(&rest) > 0)
        rows[count++] = rest;
    return count;
}

void lb_plan_tally_free(struct lb_plan_tally *tally)
{
    free(tally->pattern);
}
