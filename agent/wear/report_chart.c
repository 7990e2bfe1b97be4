/* SPDX-License-Identifier: MIT */
/* Who wrote, and when. In: the buckets of one disk. Out: stacked bars, a legend in the order in which they
 * are stacked, and a table with the same figures. A bucket that is not there leaves a gap: no bar is not the
 * same as nothing written, and the base line tells them apart by a mark under each bucket that was looked at.
 */
#include "agent/wear/report_chart.h"

#include "agent/wear/report_axis.h"
#include "agent/wear/report_series.h"
#include "agent/wear/report_text.h"
#include "common/clock.h"

#define BAR  (LB_REPORT_SLOT - 2)
#define SEEN 12 /* how high the mark of a bucket without writes is */

static double tall(uint64_t value, uint64_t top)
{
    return LB_REPORT_TALL * (double)value / (double)top;
}

static void print_bar_title(const struct lb_wear_view *view, const struct lb_report_series *series,
                            const struct lb_wear_bucket *bucket, const uint64_t *part, FILE *out)
{
    char buf[LB_REPORT_WORD];
    unsigned most = LB_REPORT_REST;
    uint64_t sum = 0;

    for (unsigned i = 0; i < LB_REPORT_PARTS; i++) {
        sum += part[i];
        most = part[i] > part[most] ? i : most;
    }
    fprintf(out, "<title>%s: ", lb_report_moment(view, bucket->start_ns, buf));
    fputs(lb_report_bytes(sum, buf), out);
    if (sum > 0) {
        fputs(", most by ", out);
        lb_report_part_name(view, series, most, true, out);
        fprintf(out, " (%s)", lb_report_bytes(part[most], buf));
    }
    fputs("</title>", out);
}

/* Edges are rounded where they lie, not lengths: so the parts meet, and the whole is as high as it is. */
static void print_bar(const struct lb_wear_view *view, const struct lb_report_series *series, int x,
                      const struct lb_wear_bucket *bucket, FILE *out)
{
    uint64_t part[LB_REPORT_PARTS], sum = 0, top = lb_report_axis_top(series->peak);
    int low = LB_REPORT_TALL;

    lb_report_parts(view, series, bucket, part);
    fputs("<g>", out);
    print_bar_title(view, series, bucket, part, out);
    for (unsigned i = 0; i < LB_REPORT_PARTS; i++) {
        int high;

        sum += part[i];
        high = LB_REPORT_TALL - (int)(tall(sum, top) + 0.5);
        if (high < low)
            fprintf(out, "<path class=\"p%u\" d=\"M%d %dV%dh%dV%d\"/>", i, x + 1, low, high, BAR, low);
        low = high < low ? high : low;
    }
    if (sum == 0)
        fprintf(out, "<path class=\"p%u\" d=\"M%d %dv-%dh%dv%dz\"/>", LB_REPORT_REST, x + 1, low, SEEN, BAR,
                SEEN);
    fputs("</g>\n", out);
}

static void print_legend(const struct lb_wear_view *view, const struct lb_report_series *series, FILE *out)
{
    char share[LB_REPORT_WORD];

    fputs("<ol class=\"legend\">", out);
    for (unsigned i = LB_REPORT_PARTS; i-- > 0;) {
        if (series->part[i] == 0)
            continue;
        fprintf(out, "<li><i class=\"key p%u\"></i><span>", i);
        lb_report_part_name(view, series, i, false, out);
        fputs("</span><span class=\"n\">", out);
        lb_report_value(out, series->part[i]);
        fprintf(out, " <small>%s</small></span></li>\n",
                lb_report_share(series->part[i], series->total, share));
    }
    fputs("</ol>\n", out);
}

/* One row: buckets from..end-1. */
static void print_row(const struct lb_wear_view *view, const struct lb_report_series *series, uint32_t from,
                      uint32_t end, uint64_t row_s, FILE *out)
{
    uint64_t part[LB_REPORT_PARTS] = { 0 }, one[LB_REPORT_PARTS], sum = 0, seen_s = 0;
    char buf[LB_REPORT_WORD];

    fprintf(out, "<tr><th scope=\"row\">%s", lb_report_moment(view, view->bucket[from].start_ns, buf));
    for (uint32_t b = from; b < end; b++) {
        seen_s += view->bucket[b].covered_s;
        lb_report_parts(view, series, &view->bucket[b], one);
        for (unsigned i = 0; i < LB_REPORT_PARTS; i++) {
            part[i] += one[i];
            sum += one[i];
        }
    }
    if (seen_s < row_s)
        fprintf(out, " <small>(%s seen)</small>", lb_report_span(seen_s, buf));
    fprintf(out, "</th><td>%s</td>", sum ? lb_report_bytes(sum, buf) : "0");
    for (unsigned i = 0; i < LB_REPORT_PARTS; i++) {
        if (series->part[i] > 0)
            fprintf(out, "<td>%s</td>", part[i] ? lb_report_bytes(part[i], buf) : "0");
    }
    fputs("</tr>\n", out);
}

static void print_table(const struct lb_wear_view *view, const struct lb_report_axis *axis,
                        const struct lb_report_series *series, FILE *out)
{
    char span[LB_REPORT_WORD];

    fprintf(out,
            "<details><summary>The same as a table, each %s</summary><div class=\"scroll\"><table><thead><tr>"
            "<th scope=\"col\">From</th><th scope=\"col\">All</th>",
            lb_report_span(lb_report_axis_row_s(axis), span));
    for (unsigned i = 0; i < LB_REPORT_PARTS; i++) {
        if (series->part[i] == 0)
            continue;
        fputs("<th scope=\"col\">", out);
        lb_report_part_name(view, series, i, true, out);
        fputs("</th>", out);
    }
    fputs("</tr></thead><tbody>\n", out);
    for (uint32_t b = 0, end; b < view->buckets && b < LB_WEAR_BUCKETS; b = end) {
        end = lb_report_axis_row(view, axis, b);
        print_row(view, series, b, end, lb_report_axis_row_s(axis), out);
    }
    fputs("</tbody></table></div></details>\n", out);
}

static void print_figure(const struct lb_wear_view *view, const struct lb_report_axis *axis, uint32_t disk,
                         FILE *out)
{
    struct lb_report_series series = lb_report_series(view, axis, disk);
    char label[160], span[LB_REPORT_WORD], bytes[LB_REPORT_WORD], peak[LB_REPORT_WORD];

    snprintf(label, sizeof label, "Stacked bars of bytes written by program: %s in all, at most %s in %s",
             lb_report_bytes(series.total, bytes), lb_report_bytes(series.peak, peak),
             lb_report_span(axis->slot_ns / LB_NS_PER_S, span));
    fputs("<figure class=\"beside\"><div><figcaption>Bytes written to <b>", out);
    lb_report_text(out, view->disk[disk].name, sizeof view->disk[disk].name);
    fprintf(out, "</b> in each %s%s. The last bar is still being filled.</figcaption>\n",
            lb_report_span(axis->slot_ns / LB_NS_PER_S, span), view->wall_offset_ns ? ", hours in UTC" : "");
    lb_report_axis_open(axis, "tall", label, series.peak, lb_report_bytes, out);
    for (uint32_t b = 0; b < view->buckets && b < LB_WEAR_BUCKETS; b++) {
        int x = lb_report_axis_x(axis, &view->bucket[b]);

        if (x >= 0)
            print_bar(view, &series, x, &view->bucket[b], out);
    }
    lb_report_axis_close(view, axis, true, out);
    if (series.total == 0)
        fputs("<p class=\"empty\">Nothing was written in this time.</p>\n", out);
    fputs("</div>\n", out);
    print_legend(view, &series, out);
    fputs("</figure>\n", out);
    print_table(view, axis, &series, out);
}

void lb_report_chart_writes(const struct lb_wear_view *view, uint32_t disk, FILE *out)
{
    struct lb_report_axis axis = lb_report_axis(view);

    fputs("<section><h2>Who wrote, and when</h2>\n", out);
    if (disk == UINT32_MAX && view->sampled_ns)
        fputs("<p class=\"empty\">No disk is watched.</p>\n", out);
    else if (disk == UINT32_MAX || axis.slots == 0)
        fputs("<p class=\"empty\">There is no history yet: the first bar comes with the first ten "
              "minutes.</p>\n",
              out);
    else
        print_figure(view, &axis, disk, out);
    fputs("</section>\n", out);
}

void lb_report_chart_spark(const struct lb_wear_view *view, uint32_t disk, FILE *out)
{
    struct lb_report_axis axis = lb_report_axis(view);
    char bytes[LB_REPORT_WORD], span[LB_REPORT_WORD];
    uint64_t peak = 0;
    int end = -1;

    for (uint32_t b = 0; b < view->buckets && b < LB_WEAR_BUCKETS; b++)
        peak = view->bucket[b].disk_bytes[disk] > peak ? view->bucket[b].disk_bytes[disk] : peak;
    if (axis.slots == 0 || peak == 0)
        return;
    lb_report_bytes(peak, bytes);
    lb_report_span(axis.slot_ns / LB_NS_PER_S, span);
    fprintf(
        out,
        "<p class=\"sub\">Over the hours of the chart below, at most %s in %s:</p><svg class=\"spark\" "
        "viewBox=\"0 0 %u %u\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Bytes written over the "
        "hours: at most %s in %s\"><path class=\"p0\" d=\"M0 %u",
        bytes, span, axis.slots * LB_REPORT_SLOT, LB_REPORT_TALL, bytes, span, LB_REPORT_TALL);
    for (uint32_t b = 0; b < view->buckets && b < LB_WEAR_BUCKETS; b++) {
        int x = lb_report_axis_x(&axis, &view->bucket[b]);
        int high = LB_REPORT_TALL - (int)(tall(view->bucket[b].disk_bytes[disk], peak) + 0.5);

        if (x < 0)
            continue;
        if (x != end)
            fprintf(out, "V%dH%d", LB_REPORT_TALL, x);
        end = x + LB_REPORT_SLOT;
        fprintf(out, "V%dH%d", high, end);
    }
    fprintf(out, "V%d\"/><path class=\"base\" d=\"M0 %uH%u\"/></svg>\n", LB_REPORT_TALL, LB_REPORT_TALL,
            axis.slots * LB_REPORT_SLOT);
}
