/* SPDX-License-Identifier: MIT */
/*
 * How a quota stands. In: both sides' tables, read word by word. Out: what is spent, and where in the window
 * we are. Always true: what is queued counts as spent, so a burst cannot run ahead of the meter.
 */
#include "agent/capture/shortage_parts.h"

#include "agent/store/killpoint.h"
#include "common/clock.h"

#define LATEST_BEGIN \
    0.999 /* of a window: what counting began behind it has something to spend all the same */
#define MS_OF_MONTH (30 * 86400000ull)
#define MS_OF_DAY   86400000ull

static uint64_t meter_word(const struct lb_capture *capture, uint32_t row, unsigned word)
{
    return lb_load(&capture->state->slow.region[LB_SLOW_METER].shared[row * LB_METER_WORDS + word]);
}

/* Bytes of text that are queued and neither delivered nor given up. */
static uint64_t pending_bytes(const struct lb_capture *capture, uint32_t row)
{
    const uint64_t *slow = &capture->state->slow.region[LB_SLOW_BOOKS].shared[row * LB_BOOK_SLOW_WORDS];
    uint64_t done = lb_load(slow + LB_BOOK_DELIVERED + 1) + lb_load(slow + LB_BOOK_SHED + 1) +
                    lb_load(slow + LB_BOOK_REJECTED + 1);
    uint64_t queued = lb_load(
        &capture->state->fast.region[LB_FAST_BOOKS].shared[row * LB_BOOK_FAST_WORDS + LB_BOOK_QUEUED_BYTES]);

    return queued > done ? queued - done : 0;
}

/* What a byte of text costs on the wire. Before anything was delivered: as much as it is long. */
static double cost_of_byte(const struct lb_capture *capture)
{
    uint64_t text = meter_word(capture, LB_METER_MORE, LB_METER_TEXT_BYTES),
             wire = meter_word(capture, LB_METER_MORE, LB_METER_WIRE_BYTES);

    return text > 0 ? (double)wire / (double)text : 1;
}

static uint64_t soon_spent(const struct lb_capture *capture, uint32_t row)
{
    uint64_t pending = 0;

    if (row != LB_METER_ALL)
        pending = pending_bytes(capture, row);
    else
        for (uint32_t i = 0; i < LB_SERVICES_BOOKS && lb_load(&capture->state->file->name[i].len) > 0; i++)
            pending += pending_bytes(capture, i);
    return (uint64_t)((double)pending * cost_of_byte(capture));
}

/* Nobody knows the time: a window begins when counting does. */
static void place_by_boot_time(const struct lb_capture *capture, enum lb_quota_window window, uint64_t now_ns,
                               struct lb_budget *budget)
{
    uint64_t begin_ns = meter_word(capture, LB_METER_MORE, LB_METER_BEGIN_NS),
             len_ms = window == LB_QUOTA_MONTH ? MS_OF_MONTH : MS_OF_DAY,
             gone_ms = begin_ns && now_ns > begin_ns ? (now_ns - begin_ns) / LB_NS_PER_MS : 0;

    budget->from = 0;
    budget->at = gone_ms < len_ms ? (double)gone_ms / (double)len_ms : 1;
}

static double place_in(const struct lb_quota_span *span, uint64_t wall_ms)
{
    if (wall_ms <= span->begin_ms)
        return 0;
    return wall_ms >= span->end_ms
               ? 1
               : (double)(wall_ms - span->begin_ms) / (double)(span->end_ms - span->begin_ms);
}

static void look_up(struct lb_shortage_span *kept, enum lb_quota_window window, uint64_t offset_ns,
                    uint64_t wall_ms)
{
    if (kept->span.id && kept->offset_ns == offset_ns && wall_ms >= kept->span.begin_ms &&
        wall_ms < kept->span.end_ms)
        return;
    kept->span = lb_quota_span_of(window, wall_ms);
    kept->offset_ns = offset_ns;
}

struct lb_budget lb_shortage_budget(const struct lb_capture *capture, uint32_t row,
                                    const struct lb_quota *quota, struct lb_shortage_span *kept,
                                    uint64_t now_ns)
{
    bool is_month = quota->window == LB_QUOTA_MONTH;
    uint64_t offset_ns = meter_word(capture, LB_METER_MORE, LB_METER_OFFSET_NS),
             begin_ns = meter_word(capture, LB_METER_MORE, LB_METER_BEGIN_NS),
             id = meter_word(capture, row, is_month ? LB_METER_MONTH : LB_METER_DAY),
             bytes = meter_word(capture, row, is_month ? LB_METER_MONTH_BYTES : LB_METER_DAY_BYTES);
    struct lb_budget budget = { .limit = quota->bytes };

    if (offset_ns == 0) {
        place_by_boot_time(capture, quota->window, now_ns, &budget);
        kept->span.id = 0;
    } else {
        look_up(kept, quota->window, offset_ns, (now_ns + offset_ns) / LB_NS_PER_MS);
        budget.at = place_in(&kept->span, (now_ns + offset_ns) / LB_NS_PER_MS);
        budget.from = begin_ns ? place_in(&kept->span, (begin_ns + offset_ns) / LB_NS_PER_MS) : budget.at;
        if (budget.from > LATEST_BEGIN)
            budget.from = LATEST_BEGIN;
        if (id != 0 && id != kept->span.id)
            bytes = 0; /* of another window */
    }
    budget.spent = bytes + soon_spent(capture, row);
    return budget;
}

void lb_shortage_view(const struct lb_capture *capture, uint32_t row, const struct lb_quota *quota,
                      uint64_t now_ns, struct lb_quota_view *view)
{
    struct lb_shortage_span span = { 0 };
    struct lb_budget budget;
    uint64_t wall_ms;

    *view = (struct lb_quota_view) { .is_on = quota->bytes != LB_OFF, .quota = *quota };
    if (!view->is_on)
        return;
    budget = lb_shortage_budget(capture, row, quota, &span, now_ns);
    wall_ms = (now_ns + span.offset_ns) / LB_NS_PER_MS;
    view->spent = budget.spent;
    view->left = budget.limit > budget.spent ? budget.limit - budget.spent : 0;
    view->ends_ms = span.span.id && span.span.end_ms > wall_ms ? span.span.end_ms - wall_ms : 0;
    view->step =
        row == LB_METER_ALL
            ? __atomic_load_n(&capture->shortage.quota_step, __ATOMIC_RELAXED)
            : __atomic_load_n(&capture->shortage.service_step[row % LB_SERVICES_BOOKS], __ATOMIC_RELAXED);
}

unsigned lb_shortage_pressure(const struct lb_capture *capture)
{
    return __atomic_load_n(&capture->shortage.pressure_step, __ATOMIC_RELAXED);
}
