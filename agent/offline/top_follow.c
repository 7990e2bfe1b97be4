/* SPDX-License-Identifier: MIT */
/* Following rings. In: records, as copies. Out: counts by pattern. Always true: after a look there is nothing
 * that a later one would count late. */
#include "agent/offline/top_follow.h"

#include "agent/store/extra.h"

#define PATIENCE_MS 1000 /* it has just answered: more is not to be expected, and nobody hears the keys */

int lb_top_follow_open(struct lb_top_follow *follow)
{
    int rc;

    lb_top_follow_close(follow);
    rc = lb_ring_reader_open_within(&follow->reader, PATIENCE_MS);
    if (rc < 0)
        return rc;
    follow->is_open = true;
    lb_top_follow_skip(follow);
    return 0;
}

static void take(struct lb_top_follow *follow, const struct lb_record *record, bool is_held)
{
    uint32_t len;
    const char *text = lb_record_text(record, &len);
    uint64_t id = lb_record_pattern(record);

    if (record->kind != LB_KIND_LINE || (record->flags & LB_RECORD_CONTEXT)) /* that was counted as held */
        return;
    if (id == 0)
        id = lb_pattern_id_by_memo(&follow->memo, text, len, true);
    lb_top_patterns_see(follow->patterns, lb_record_service(record), record->service_len, id, text, len,
                        is_held);
}

static double share(uint64_t seen, uint64_t passed_over)
{
    return passed_over == 0 ? 1 : ((double)seen + 1) / ((double)seen + (double)passed_over + 1);
}

static double look_at_queued(struct lb_top_follow *follow)
{
    struct lb_ring_reader *reader = &follow->reader;
    uint64_t begin = lb_ring_reader_pos(reader), bytes = 0, ring_id;
    const struct lb_record *record = NULL;

    for (unsigned i = 0; i < LB_TOP_LOOK_QUEUED && (record = lb_ring_reader_next(reader, &ring_id)); i++) {
        bytes += record->len;
        take(follow, record, false);
    }
    lb_ring_reader_skip(reader);
    return share(bytes, lb_ring_reader_pos(reader) - begin - bytes);
}

static double look_at_held(struct lb_top_follow *follow)
{
    struct lb_held_reader *held = &follow->reader.held;
    const struct lb_record *record;
    uint64_t bytes = 0;

    for (unsigned i = 0; i < LB_TOP_LOOK_HELD && (record = lb_held_reader_peek(held)); i++) {
        bytes += record->len;
        take(follow, record, true);
        lb_held_reader_take(held);
    }
    return share(bytes, lb_held_reader_skip(held));
}

void lb_top_follow_look(struct lb_top_follow *follow, double seconds, const struct lb_top_came *came,
                        unsigned count)
{
    double queued, held;

    if (!follow->is_open)
        return;
    lb_top_patterns_begin(follow->patterns, seconds);
    queued = look_at_queued(follow);
    held = look_at_held(follow);
    lb_top_patterns_end(follow->patterns, queued, held, came, count);
}

void lb_top_follow_skip(struct lb_top_follow *follow)
{
    if (!follow->is_open)
        return;
    lb_ring_reader_skip(&follow->reader);
    lb_held_reader_skip(&follow->reader.held);
    lb_top_patterns_restart(follow->patterns);
}

void lb_top_follow_close(struct lb_top_follow *follow)
{
    if (follow->is_open)
        lb_ring_reader_close(&follow->reader);
    follow->is_open = false;
}
