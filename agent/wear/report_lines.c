/* SPDX-License-Identifier: MIT */
/* How lines fared over the hours. In: the buckets. Out: two drawings over the same hours, with the times
 * shaded in which the sink was away, so that one sees what an outage did and what made up for it. */
#include "agent/wear/report_axis.h"
#include "agent/wear/report_chart.h"
#include "agent/wear/report_text.h"
#include "common/clock.h"

#define PERMILLE 1000

/* What is drawn of a bucket. */
enum curve { IN, DELIVERED, LOST, RING, BACKLOG };

static const char *const curves[] = {
    [IN] = "in", [DELIVERED] = "delivered", [LOST] = "lost", [RING] = "ring", [BACKLOG] = "backlog",
};

static uint64_t value_of(const struct lb_wear_bucket *bucket, enum curve curve)
{
    switch (curve) {
    case IN:
        return bucket->lines_in;
    case DELIVERED:
        return bucket->lines_delivered;
    case LOST:
        return bucket->lines_lost;
    case RING:
        return bucket->ring_permille < PERMILLE ? bucket->ring_permille : PERMILLE;
    case BACKLOG:
        return bucket->backlog_permille < PERMILLE ? bucket->backlog_permille : PERMILLE;
    }
    return 0;
}

static uint32_t buckets_of(const struct lb_wear_view *view)
{
    return view->buckets < LB_WEAR_BUCKETS ? view->buckets : LB_WEAR_BUCKETS;
}

static bool has_any(const struct lb_wear_view *view, enum curve curve)
{
    for (uint32_t b = 0; b < buckets_of(view); b++) {
        if (value_of(&view->bucket[b], curve) > 0)
            return true;
    }
    return false;
}

/* A step for each bucket, as wide as it: one bucket alone can be seen, and a gap breaks the line. */
static void print_curve(const struct lb_wear_view *view, const struct lb_report_axis *axis, enum curve curve,
                        uint64_t top, FILE *out)
{
    int end = -1;

    fprintf(out, "<path class=\"c %s\" d=\"", curves[curve]);
    for (uint32_t b = 0; b < buckets_of(view); b++) {
        int x = lb_report_axis_x(axis, &view->bucket[b]);
        int y = LB_REPORT_TALL -
                (int)(LB_REPORT_TALL * (double)value_of(&view->bucket[b], curve) / (double)top + 0.5);

        if (x < 0)
            continue;
        if (x == end)
            fprintf(out, "V%d", y);
        else
            fprintf(out, "M%d %d", x, y);
        end = x + LB_REPORT_SLOT;
        fprintf(out, "H%d", end);
    }
    fputs("\"/>\n", out);
}

static bool was_away(const struct lb_wear_view *view)
{
    for (uint32_t b = 0; b < buckets_of(view); b++) {
        if (view->bucket[b].was_away)
            return true;
    }
    return false;
}

static void print_away(const struct lb_wear_view *view, const struct lb_report_axis *axis, FILE *out)
{
    if (!was_away(view))
        return;
    fputs("<path class=\"away\" d=\"", out);
    for (uint32_t b = 0; b < buckets_of(view); b++) {
        int x = lb_report_axis_x(axis, &view->bucket[b]), end = x + LB_REPORT_SLOT;

        if (x < 0 || !view->bucket[b].was_away)
            continue;
        while (b + 1 < buckets_of(view) && view->bucket[b + 1].was_away &&
               lb_report_axis_x(axis, &view->bucket[b + 1]) == end) {
            end += LB_REPORT_SLOT;
            b++;
        }
        fprintf(out, "M%d 0H%dV%dH%dz", x, end, LB_REPORT_TALL, x);
    }
    fputs("\"/>\n", out);
}

static char *percent(uint64_t value, char *buf)
{
    snprintf(buf, LB_REPORT_WORD, "%u %%", (unsigned)(value / 10));
    return buf;
}

/* Marks are round: "150k", "1.5M". */
static char *lines(uint64_t value, char *buf)
{
    if (value < 1000)
        return lb_report_count(value, buf);
    if (value < 1000000)
        snprintf(buf, LB_REPORT_WORD, "%gk", (double)value / 1e3);
    else
        snprintf(buf, LB_REPORT_WORD, "%gM", (double)value / 1e6);
    return buf;
}

/* Seen by nobody, told to who points at it. */
static void print_targets(const struct lb_wear_view *view, const struct lb_report_axis *axis, FILE *out)
{
    char buf[LB_REPORT_WORD];

    for (uint32_t b = 0; b < buckets_of(view); b++) {
        const struct lb_wear_bucket *bucket = &view->bucket[b];
        int x = lb_report_axis_x(axis, bucket);

        if (x < 0)
            continue;
        fprintf(out, "<path class=\"t\" d=\"M%d 0h%dv%dh-%dz\"><title>%s: ", x, LB_REPORT_SLOT,
                LB_REPORT_TALL, LB_REPORT_SLOT, lb_report_moment(view, bucket->start_ns, buf));
        fprintf(out, "%s in, ", lb_report_count(bucket->lines_in, buf));
        fprintf(out, "%s delivered, ", lb_report_count(bucket->lines_delivered, buf));
        fprintf(out, "%s lost%s</title></path>\n", lb_report_count(bucket->lines_lost, buf),
                bucket->was_away ? "; the sink was away" : "");
    }
}

static void print_lines(const struct lb_wear_view *view, const struct lb_report_axis *axis, FILE *out)
{
    uint64_t sum[LOST + 1] = { 0 }, peak = 0;
    char word[LOST + 1][LB_REPORT_WORD], label[256], span[LB_REPORT_WORD];

    for (uint32_t b = 0; b < buckets_of(view); b++) {
        for (enum curve curve = IN; curve <= LOST; curve++) {
            uint64_t value = value_of(&view->bucket[b], curve);

            sum[curve] += value;
            peak = value > peak ? value : peak;
        }
    }
    for (enum curve curve = IN; curve <= LOST; curve++)
        lb_report_count(sum[curve], word[curve]);
    snprintf(label, sizeof label, "Lines over the hours: %s came in, %s were delivered, %s were lost",
             word[IN], word[DELIVERED], word[LOST]);
    fprintf(out, "<figcaption>Lines in each %s%s</figcaption>\n",
            lb_report_span(axis->slot_ns / LB_NS_PER_S, span), view->wall_offset_ns ? ", hours in UTC" : "");
    lb_report_axis_open(axis, "mid", label, peak, lines, out);
    print_away(view, axis, out);
    for (enum curve curve = IN; curve <= LOST; curve++) {
        /* Along the base all the time, a line would only hide it. */
        if (curve != LOST || sum[LOST] > 0)
            print_curve(view, axis, curve, lb_report_axis_top(peak), out);
    }
    print_targets(view, axis, out);
    lb_report_axis_close(view, axis, false, out);
    fprintf(out,
            "<ul class=\"legend\"><li><i class=\"key c in\"></i><span>came in</span><span "
            "class=\"n\">%s</span></li>"
            "<li><i class=\"key c delivered\"></i><span>delivered</span><span class=\"n\">%s</span></li>"
            "<li><i class=\"key c lost\"></i><span>lost</span><span class=\"n\">%s</span></li>",
            word[IN], word[DELIVERED], word[LOST]);
    if (was_away(view))
        fputs("<li><i class=\"key away\"></i><span>the sink was away</span></li>", out);
    fputs("</ul>\n", out);
}

static void print_fill(const struct lb_wear_view *view, const struct lb_report_axis *axis, FILE *out)
{
    const struct lb_wear_bucket *last = &view->bucket[buckets_of(view) - 1];
    char label[160], ring[LB_REPORT_WORD], backlog[LB_REPORT_WORD];

    percent(value_of(last, RING), ring);
    percent(value_of(last, BACKLOG), backlog);
    snprintf(label, sizeof label, "Fill over the hours: the ring is at %s now, the backlog at %s", ring,
             backlog);
    fputs("<p class=\"cap\">How full the ring and the backlog in memory were</p>\n", out);
    lb_report_axis_open(axis, "low", label, PERMILLE, percent, out);
    print_away(view, axis, out);
    print_curve(view, axis, RING, PERMILLE, out);
    print_curve(view, axis, BACKLOG, PERMILLE, out);
    lb_report_axis_close(view, axis, true, out);
    fprintf(out,
            "<ul class=\"legend\"><li><i class=\"key c ring\"></i><span>ring</span><span class=\"n\">%s "
            "<small>now</small></span></li><li><i class=\"key c backlog\"></i><span>backlog</span>"
            "<span class=\"n\">%s <small>now</small></span></li></ul>\n",
            ring, backlog);
}

/* One row: buckets from..end-1. Lines are summed up, a fill is that at the end. */
static void print_row(const struct lb_wear_view *view, uint32_t from, uint32_t end, FILE *out)
{
    char buf[LB_REPORT_WORD];
    unsigned away = 0;

    fprintf(out, "<tr><th scope=\"row\">%s</th>", lb_report_moment(view, view->bucket[from].start_ns, buf));
    for (enum curve curve = IN; curve <= BACKLOG; curve++) {
        uint64_t value = 0;

        for (uint32_t b = from; b < end; b++)
            value = (curve <= LOST ? value : 0) + value_of(&view->bucket[b], curve);
        fprintf(out, "<td>%s</td>", curve <= LOST ? lb_report_count(value, buf) : percent(value, buf));
    }
    for (uint32_t b = from; b < end; b++)
        away += view->bucket[b].was_away;
    fprintf(out, "<td>%s</td></tr>\n", away ? "away" : "");
}

static void print_table(const struct lb_wear_view *view, const struct lb_report_axis *axis, FILE *out)
{
    char span[LB_REPORT_WORD];

    fprintf(out,
            "<details><summary>The same as a table, each %s</summary><div class=\"scroll\"><table><thead><tr>"
            "<th scope=\"col\">From</th><th scope=\"col\">In</th><th scope=\"col\">Delivered</th>"
            "<th scope=\"col\">Lost</th><th scope=\"col\">Ring</th><th scope=\"col\">Backlog</th>"
            "<th scope=\"col\">Sink</th></tr></thead><tbody>\n",
            lb_report_span(lb_report_axis_row_s(axis), span));
    for (uint32_t b = 0, end; b < buckets_of(view); b = end) {
        end = lb_report_axis_row(view, axis, b);
        print_row(view, b, end, out);
    }
    fputs("</tbody></table></div></details>\n", out);
}

void lb_report_chart_lines(const struct lb_wear_view *view, FILE *out)
{
    struct lb_report_axis axis = lb_report_axis(view);

    fputs("<section><h2>What became of the lines</h2>\n", out);
    if (axis.slots == 0) {
        fputs("<p class=\"empty\">There is no history yet.</p>\n</section>\n", out);
        return;
    }
    fputs("<figure>", out);
    if (has_any(view, IN) || has_any(view, DELIVERED) || has_any(view, LOST))
        print_lines(view, &axis, out);
    else
        fputs("<p class=\"empty\">No line came in during this time.</p>\n", out);
    print_fill(view, &axis, out);
    fputs("</figure>\n", out);
    print_table(view, &axis, out);
    fputs("</section>\n", out);
}
