/* SPDX-License-Identifier: MIT */
/* The frame of the charts. In: which buckets there are, how high the highest is. Out: marks at round numbers
 * and round hours, all within the frame, few enough to be read at a phone's width. */
#include "agent/wear/report_axis.h"

#include <time.h>

#include "agent/wear/report_text.h"
#include "common/clock.h"

#define SLOTS_MIN 6
#define MARKS_MAX 8 /* eight of "14:00" fit beside each other in 300 px */
#define ROWS_MAX  36
#define BUCKET_S  600u
#define DAY_S     86400u
#define EDGE      2.5                    /* percent: what is marked closer to an end has its label within */
#define PEAK_MAX  1000000000000000000ull /* marks above may pass 64 bits; what is higher is cut off */

struct lb_report_axis lb_report_axis(const struct lb_wear_view *view)
{
    struct lb_report_axis axis = { .slot_ns = (view->bucket_s ? view->bucket_s : BUCKET_S) * LB_NS_PER_S };
    uint32_t buckets = view->buckets < LB_WEAR_BUCKETS ? view->buckets : LB_WEAR_BUCKETS;
    uint64_t first_ns, last_ns, slots;

    if (buckets == 0)
        return axis;
    first_ns = view->bucket[0].start_ns;
    last_ns = view->bucket[buckets - 1].start_ns;
    slots = last_ns > first_ns ? (last_ns - first_ns + axis.slot_ns / 2) / axis.slot_ns + 1 : 1;
    slots = slots < SLOTS_MIN ? SLOTS_MIN : slots;
    axis.slots = slots < LB_WEAR_BUCKETS ? (unsigned)slots : LB_WEAR_BUCKETS;
    /* May be before the machine started, by wrapping: only differences are taken. */
    axis.from_ns = last_ns + axis.slot_ns - axis.slots * axis.slot_ns;
    return axis;
}

int lb_report_axis_x(const struct lb_report_axis *axis, const struct lb_wear_bucket *bucket)
{
    uint64_t after_ns = bucket->start_ns - axis->from_ns;

    if (after_ns > (axis->slots - 1) * axis->slot_ns)
        return -1;
    return (int)((after_ns * LB_REPORT_SLOT + axis->slot_ns / 2) / axis->slot_ns);
}

uint64_t lb_report_axis_step(uint64_t peak)
{
    uint64_t step = 1;

    peak = peak < PEAK_MAX ? peak : PEAK_MAX;
    for (unsigned i = 0; peak / step >= 5; i++)
        step = i % 3 == 1 ? step / 2 * 5 : step * 2; /* 1 2 5 10 20 50 */
    return step;
}

uint64_t lb_report_axis_top(uint64_t peak)
{
    uint64_t step = lb_report_axis_step(peak);

    peak = peak < PEAK_MAX ? peak : PEAK_MAX;
    return peak == 0 ? step : peak / step * step + (peak % step ? step : 0);
}

void lb_report_axis_open(const struct lb_report_axis *axis, const char *css, const char *label, uint64_t peak,
                         char *(*word)(uint64_t value, char *buf), FILE *out)
{
    uint64_t step = lb_report_axis_step(peak), top = lb_report_axis_top(peak);
    char buf[LB_REPORT_WORD];

    fprintf(out, "<div class=\"plot %s\"><div class=\"y\">", css);
    for (uint64_t mark = 0; mark <= top; mark += step)
        fprintf(out, "<span style=\"bottom:%.2f%%\">%s</span>", 100.0 * (double)mark / (double)top,
                word(mark, buf));
    fprintf(out,
            "</div><svg viewBox=\"0 0 %u %u\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"%s\">\n",
            axis->slots * LB_REPORT_SLOT, LB_REPORT_TALL, label);
    for (uint64_t mark = 0; mark <= top; mark += step)
        fprintf(out, "<path class=\"%s\" d=\"M0 %.0fH%u\"/>", mark ? "grid" : "base",
                LB_REPORT_TALL * (1 - (double)mark / (double)top), axis->slots * LB_REPORT_SLOT);
    fputc('\n', out);
}

/* ---- rows ---- */

static uint64_t row_ns(const struct lb_report_axis *axis)
{
    static const unsigned buckets[] = { 1, 3, 6, 12, 24 };
    unsigned i = 0;

    while (i + 1 < sizeof buckets / sizeof buckets[0] && axis->slots / buckets[i] > ROWS_MAX)
        i++;
    return axis->slot_ns * buckets[i];
}

uint64_t lb_report_axis_row_s(const struct lb_report_axis *axis)
{
    return row_ns(axis) / LB_NS_PER_S;
}

uint32_t lb_report_axis_row(const struct lb_wear_view *view, const struct lb_report_axis *axis,
                            uint32_t bucket)
{
    uint64_t row = (view->bucket[bucket].start_ns + view->wall_offset_ns) / row_ns(axis);

    do
        bucket++;
    while (bucket < view->buckets && bucket < LB_WEAR_BUCKETS &&
           (view->bucket[bucket].start_ns + view->wall_offset_ns) / row_ns(axis) == row);
    return bucket;
}

/* ---- hours ---- */

static uint64_t hours_step_s(uint64_t span_s)
{
    static const uint64_t steps_s[] = { 60, 300, 600, 1800, 3600, 7200, 10800, 21600, 43200, DAY_S };
    uint64_t step_s = DAY_S;

    for (unsigned i = 0; i < sizeof steps_s / sizeof steps_s[0]; i++) {
        if (span_s / steps_s[i] <= MARKS_MAX)
            return steps_s[i];
    }
    while (span_s / step_s > MARKS_MAX)
        step_s *= 2;
    return step_s;
}

/* Every other one is left out at a phone's width. */
static void print_mark(double percent, bool is_odd, const char *text, FILE *out)
{
    const char *css = percent > 100 - EDGE ? "end" : percent < EDGE ? "begin" : "";

    fprintf(out, "<span class=\"%s%s\" style=\"left:%.2f%%\">%s</span>", css, is_odd ? " odd" : "", percent,
            text);
}

static void print_ages(uint64_t span_s, uint64_t step_s, FILE *out)
{
    uint64_t unit_s = step_s >= DAY_S ? DAY_S : step_s >= 3600 ? 3600 : 60;
    char text[LB_REPORT_WORD];

    for (uint64_t age_s = span_s / step_s * step_s; age_s > 0; age_s -= step_s) {
        snprintf(text, sizeof text, "-%u %s", (unsigned)(age_s / unit_s),
                 unit_s == DAY_S ? "d"
                 : unit_s == 60  ? "min"
                                 : "h");
        print_mark(100.0 * (double)(span_s - age_s) / (double)span_s, age_s / step_s % 2, text, out);
    }
    print_mark(100, false, "now", out);
}

static void print_hours(const struct lb_wear_view *view, const struct lb_report_axis *axis, FILE *out)
{
    uint64_t span_s = axis->slots * axis->slot_ns / LB_NS_PER_S;
    uint64_t step_s = hours_step_s(span_s), from_s = (axis->from_ns + view->wall_offset_ns) / LB_NS_PER_S;
    uint64_t mark_s = from_s + (step_s - from_s % step_s) % step_s;
    char text[LB_REPORT_WORD];

    fputs("<div class=\"x\">", out);
    if (!view->wall_offset_ns) {
        print_ages(span_s, step_s, out);
    } else {
        for (; mark_s <= from_s + span_s; mark_s += step_s) {
            time_t seconds = (time_t)mark_s;
            struct tm tm;

            gmtime_r(&seconds, &tm);
            strftime(text, sizeof text, mark_s % DAY_S ? "%H:%M" : "%d %b", &tm);
            print_mark(100.0 * (double)(mark_s - from_s) / (double)span_s, mark_s / step_s % 2, text, out);
        }
    }
    fputs("</div>", out);
}

void lb_report_axis_close(const struct lb_wear_view *view, const struct lb_report_axis *axis, bool has_hours,
                          FILE *out)
{
    fputs("\n</svg>", out);
    if (has_hours)
        print_hours(view, axis, out);
    fputs("</div>\n", out);
}
