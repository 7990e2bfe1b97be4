/* SPDX-License-Identifier: MIT */
/* What follows from the counts. In: counts of disks, programs and the past. Out: rates, life, what nobody
 * accounts for. Always true: what is not known is said to be so, and never nought. */
#include "agent/wear/figures.h"

#define HOUR_S      3600u
#define DAY_S       86400u
#define NS_PER_S    1000000000ull
#define CYCLES      1000u
#define INNER_COPY  4u
#define LIFE_MOST_S (UINT64_MAX / 2) /* known, and beyond all that a double may be turned into */
#define LIFE_STEPS  10u              /* of an eMMC's health register */

static uint64_t per_day(uint64_t bytes, uint64_t seconds)
{
    return (uint64_t)((double)bytes * DAY_S / (double)seconds);
}

static void sum_day(const struct lb_wear_view *view, const struct lb_history *history, uint32_t disk,
                    struct lb_wear_figures *figures)
{
    uint64_t now_ns = view->sampled_ns, own_s = (now_ns - history->since_ns[disk]) / NS_PER_S;

    for (uint32_t i = 0; i < view->buckets; i++) {
        const struct lb_wear_bucket *bucket = &view->bucket[i];

        if (bucket->start_ns + DAY_S * NS_PER_S <= now_ns)
            continue;
        figures->day_bytes += bucket->disk_bytes[disk];
        figures->day_span_s += bucket->covered_s;
    }
    if (figures->day_span_s > own_s) /* a disk that came later was not looked at for all of it */
        figures->day_span_s = own_s;
    if (figures->day_span_s > DAY_S) { /* buckets are long, or nobody looked for long: a day's part of it */
        figures->day_bytes = per_day(figures->day_bytes, figures->day_span_s);
        figures->day_span_s = DAY_S;
    }
}

static uint64_t rate_of(const struct lb_wear_view *view, const struct lb_history *history, uint32_t disk,
                        const struct lb_wear_figures *figures)
{
    if (figures->day_span_s >= HOUR_S)
        return per_day(figures->day_bytes, figures->day_span_s);
    /* A disk that was not there at the first look has its count from some time since the start. */
    if (view->uptime_s < HOUR_S || history->since_ns[disk] > view->began_ns)
        return LB_WEAR_UNKNOWN;
    return per_day(view->disk[disk].written_bytes, view->uptime_s);
}

static uint64_t endurance_of(const struct lb_disk *disk, const struct lb_wear_limits *limits)
{
    if (!disk->is_flash)
        return LB_WEAR_UNKNOWN;
    if (limits->endurance_bytes > 0)
        return limits->endurance_bytes;
    return disk->capacity_bytes > 0 ? disk->capacity_bytes / INNER_COPY * CYCLES : LB_WEAR_UNKNOWN;
}

static uint64_t used_of(const struct lb_disk *disk, uint64_t endurance_bytes)
{
    uint64_t used = disk->lifetime_bytes == LB_WEAR_UNKNOWN || disk->lifetime_bytes < disk->written_bytes
                        ? disk->written_bytes
                        : disk->lifetime_bytes;
    unsigned step = disk->life_a > disk->life_b ? disk->life_a : disk->life_b;
    uint64_t told = 0;

    if (step > LIFE_STEPS)
        told = endurance_bytes; /* all of it, whatever the division leaves */
    else if (step > 0)
        told = endurance_bytes / LIFE_STEPS * (step - 1);
    return told > used ? told : used;
}

static uint64_t life_of(const struct lb_disk *disk, const struct lb_wear_figures *figures)
{
    uint64_t used;
    double left_s;

    if (figures->endurance_bytes == LB_WEAR_UNKNOWN || figures->rate_per_day == LB_WEAR_UNKNOWN)
        return LB_WEAR_UNKNOWN;
    used = used_of(disk, figures->endurance_bytes);
    if (used >= figures->endurance_bytes)
        return 0;
    if (figures->rate_per_day == 0)
        return LB_WEAR_UNKNOWN; /* nothing is written: there is no telling */
    left_s = (double)(figures->endurance_bytes - used) / (double)figures->rate_per_day * DAY_S;
    return left_s < (double)LIFE_MOST_S ? (uint64_t)left_s : LIFE_MOST_S;
}

void lb_figures_make(struct lb_wear_view *view, const struct lb_history *history,
                     const struct lb_wear_limits *limits, const uint64_t looked[LB_WEAR_DISKS])
{
    for (uint32_t disk = 0; disk < view->disks; disk++) {
        struct lb_wear_figures *figures = &view->figures[disk];
        uint64_t known = 0;

        *figures = (struct lb_wear_figures) { .hour_bytes = lb_history_hour(history, disk),
                                              .endurance_bytes = endurance_of(&view->disk[disk], limits),
                                              .is_endurance_told =
                                                  view->disk[disk].is_flash && limits->endurance_bytes > 0,
                                              .looked_bytes = looked[disk] };
        sum_day(view, history, disk, figures);
        figures->rate_per_day = rate_of(view, history, disk, figures);
        figures->life_left_s = life_of(&view->disk[disk], figures);
        for (uint32_t i = 0; i < view->programs; i++)
            known += view->program[i].bytes[disk];
        figures->unattributed_bytes = looked[disk] > known ? looked[disk] - known : 0;
    }
}
