/* SPDX-License-Identifier: MIT */
/*
 * The screen, laid out. In: what is known, and the size. Out: lines. Always true: the last line of a live
 * screen is the one that tells the keys, and nothing is below it.
 *
 *     who, since when, what time          title
 *     trouble                             where there is some
 *     sinks, quota, how full              a line each, red where a person must act
 *     services                            at least half of what is left, if there are so many
 *     patterns                            the rest
 *     keys
 */
#include "agent/offline/top_screen.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/offline/top_rows.h"
#include "agent/offline/top_table.h"

#define RING_FULL  0.75 /* from here on lines are given up while the sink is away (LB_HIGH_WATER) */
#define BAR_MAX    20u
#define THREE_BARS 120u /* a narrower line has no room for them */
#define TEXT_SIZE  160

static void put(struct lb_top_canvas *canvas, const char *text)
{
    lb_top_canvas_put(canvas, text, strlen(text), LB_TOP_COLUMNS_MAX);
}

static void draw_title(const struct lb_top_view *view, struct lb_top_canvas *canvas)
{
    const struct lb_top_status *now = view->now;
    bool is_exact = strcmp(now->clock_state, "exact") == 0;
    time_t wall_s = (time_t)(now->wall_ms / 1000);
    char up[32], left[TEXT_SIZE * 3], right[TEXT_SIZE], clock[32];
    size_t right_len;
    struct tm tm;
    int len;

    gmtime_r(&wall_s, &tm);
    strftime(clock, sizeof clock, "%F %TZ", &tm);
    snprintf(right, sizeof right, "%s%s%s%s", view->keys->is_paused ? "[paused] " : "",
             is_exact ? "" : "clock ", is_exact ? "" : now->clock_state, is_exact ? "" : ": ");
    right_len = strlen(right);
    right_len += (size_t)snprintf(right + right_len, sizeof right - right_len, "%s", clock);
    len = snprintf(left, sizeof left, "logboom %s on %s, up %s", now->version, now->hostname,
                   lb_top_time(now->uptime_s, up, sizeof up));
    lb_top_canvas_line(canvas, LB_TOP_TITLE);
    lb_top_canvas_put(canvas, left, (size_t)len,
                      canvas->width > right_len + 1 ? canvas->width - (unsigned)right_len - 1 : 0);
    lb_top_canvas_right(canvas, canvas->width, right);
}

/* ---- sinks, quota ---- */

static const struct lb_top_sink *sink_before(const struct lb_top_view *view, const char *name)
{
    for (unsigned i = 0; view->before && i < view->before->sinks; i++)
        if (strcmp(view->before->sink[i].name, name) == 0)
            return &view->before->sink[i];
    return NULL;
}

static void draw_sink(const struct lb_top_view *view, const struct lb_top_sink *sink,
                      struct lb_top_canvas *canvas)
{
    bool is_well = strcmp(sink->state, "ok") == 0 || strcmp(sink->state, "idle") == 0;
    const struct lb_top_sink *before = sink_before(view, sink->name);
    double seconds = lb_top_seconds_between(view->before, view->now);
    char text[32];

    lb_top_canvas_line(canvas, is_well ? LB_TOP_PLAIN : LB_TOP_BAD);
    lb_top_canvas_print(canvas, "sink %s: %s", sink->name, sink->state);
    if (sink->last_delivery_s >= 0)
        lb_top_canvas_print(canvas, ", last delivery %s ago",
                            lb_top_time(sink->last_delivery_s, text, sizeof text));
    else
        put(canvas, ", nothing delivered yet");
    if (sink->next_try_s >= 0)
        lb_top_canvas_print(canvas, ", next try in %s", lb_top_time(sink->next_try_s, text, sizeof text));
    if (sink->has_today)
        lb_top_canvas_print(canvas, ", %s today",
                            lb_top_bytes((double)sink->wire_bytes_today, text, sizeof text));
    else
        lb_top_canvas_print(canvas, ", sent %s", lb_top_bytes((double)sink->wire_bytes, text, sizeof text));
    if (before && seconds > 0 && sink->wire_bytes >= before->wire_bytes)
        lb_top_canvas_print(
            canvas, ", %s/s",
            lb_top_bytes((double)(sink->wire_bytes - before->wire_bytes) / seconds, text, sizeof text));
    if (!is_well && sink->last_error[0]) {
        lb_top_canvas_line(canvas, LB_TOP_BAD);
        lb_top_canvas_print(canvas, "  %s", sink->last_error);
    }
}

static void draw_quota(const struct lb_top_view *view, struct lb_top_canvas *canvas)
{
    const struct lb_top_status *now = view->now;
    const struct lb_top_quota *quota = &now->quota;
    char left[32], limit[32], ends[32];

    if (!quota->is_on)
        return;
    lb_top_canvas_line(canvas, quota->step > 0 ? LB_TOP_BAD : LB_TOP_PLAIN);
    lb_top_canvas_print(canvas, "quota: %.0f %% left, %s of %s a %s", lb_top_percent_left(quota),
                        lb_top_bytes((double)quota->left, left, sizeof left),
                        lb_top_bytes((double)quota->limit, limit, sizeof limit), quota->window);
    if (quota->ends_s * 1000 > now->wall_ms)
        lb_top_canvas_print(
            canvas, ", new in %s",
            lb_top_time((double)(quota->ends_s * 1000 - now->wall_ms) / 1000, ends, sizeof ends));
    if (quota->step > 0)
        lb_top_canvas_print(canvas, ", savings at step %u", quota->step);
}

static void draw_pressure(const struct lb_top_view *view, struct lb_top_canvas *canvas)
{
    if (view->now->pressure > 0 && lb_top_canvas_line(canvas, LB_TOP_BAD))
        lb_top_canvas_print(canvas, "pressure of memory: step %u of 3", view->now->pressure);
}

/* ---- how full ---- */

static double share_of(const struct lb_top_fill *fill)
{
    return fill->size ? (double)fill->used / (double)fill->size : 0;
}

static void draw_fill(struct lb_top_canvas *canvas, const char *name, const struct lb_top_fill *fill,
                      unsigned bar)
{
    unsigned full = (unsigned)(share_of(fill) * bar + 0.5);
    char cells[BAR_MAX + 1], size[32];

    if (!fill->is_there || fill->size == 0)
        return;
    memset(cells, '.', bar);
    memset(cells, '#', full);
    cells[bar] = '\0';
    lb_top_canvas_print(canvas, "%s%s %s%s%s%.0f %% of %s", lb_top_canvas_column(canvas) ? "  " : "", name,
                        bar ? "[" : "", cells, bar ? "] " : "", 100 * share_of(fill),
                        lb_top_bytes((double)fill->size, size, sizeof size));
}

static void draw_fills(const struct lb_top_view *view, struct lb_top_canvas *canvas)
{
    const struct lb_top_status *now = view->now;
    unsigned bar = canvas->width / 8 < BAR_MAX ? canvas->width / 8 : BAR_MAX;

    if (now->backlog.is_there && canvas->width < THREE_BARS)
        bar = 0;
    lb_top_canvas_line(canvas, share_of(&now->ring) >= RING_FULL ? LB_TOP_BAD : LB_TOP_PLAIN);
    draw_fill(canvas, "ring", &now->ring, bar);
    draw_fill(canvas, "backlog", &now->backlog, bar);
    draw_fill(canvas, "held", &now->held, bar);
    if (now->staging.is_there)
        lb_top_canvas_print(canvas, "  staging %.0f %%", 100 * share_of(&now->staging));
}

/* ---- the last line, and help ---- */

static void draw_footer(const struct lb_top_view *view, struct lb_top_canvas *canvas)
{
    const struct lb_top_keys *keys = view->keys;
    char right[TEXT_SIZE];

    if (keys->mode == LB_TOP_HELPING) {
        lb_top_canvas_line(canvas, LB_TOP_HEADER);
        put(canvas, "any key: back   q: quit");
        return;
    }
    lb_top_canvas_line(canvas, keys->mode == LB_TOP_TYPING ? LB_TOP_TITLE : LB_TOP_HEADER);
    if (keys->mode == LB_TOP_TYPING) {
        lb_top_canvas_print(canvas, "filter: %s_   (enter: keep, escape: clear)", keys->filter);
        return;
    }
    lb_top_canvas_print(canvas, "q quit  s sort: %s  p %s  / filter%s%s  h help",
                        lb_top_sort_name(keys->sort), keys->is_paused ? "go on" : "pause",
                        keys->filter[0] ? ": " : "", keys->filter);
    snprintf(right, sizeof right, "every %.3g s", view->interval_s);
    if (lb_top_canvas_column(canvas) + strlen(right) + 2 <= canvas->width)
        lb_top_canvas_right(canvas, canvas->width, right);
}

static void draw_help(struct lb_top_canvas *canvas)
{
    static const char *const lines[] = {
        "",
        "s S < > arrows  order by the next or the one before, 1 to 7 by that column",
        "p, blank        pause, and go on",
        "/               show only services and patterns with this text; escape: all",
        "q, control-c    quit",
        "",
        "lines/s  came in             pending  wait for the sink, now",
        "bytes/s  the same as text    held     throttled and kept in RAM, now",
        "suppr/s  throttled: held or dropped on purpose, each second; 'suppr' in all",
        "deliv/s  taken by the sink   lost     shed, rejected, or no room: in all",
        "in       lines in all        quota    what is left of the service's own",
        "",
        "Patterns are lines without their numbers, names and times; their rates are those",
        "of the last ten seconds, of what is queued and of what is held. What is dropped",
        "at once is in neither. 1K is 1024 bytes.",
    };

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (lb_top_canvas_line(canvas, LB_TOP_PLAIN))
            put(canvas, lines[i]);
}

/* ---- all ---- */

static void draw_trouble(const struct lb_top_view *view, struct lb_top_canvas *canvas)
{
    if (view->trouble && lb_top_canvas_line(canvas, LB_TOP_BAD))
        put(canvas, view->trouble);
}

void lb_top_screen_draw(const struct lb_top_view *view, struct lb_top_canvas *canvas)
{
    unsigned height = canvas->height;

    if (view->is_live)
        canvas->height = height - 1; /* the last line is kept for the keys */
    draw_title(view, canvas);
    draw_trouble(view, canvas);
    if (view->is_live && view->keys->mode == LB_TOP_HELPING) {
        draw_help(canvas);
    } else {
        for (unsigned i = 0; i < view->now->sinks; i++)
            draw_sink(view, &view->now->sink[i], canvas);
        draw_quota(view, canvas);
        draw_pressure(view, canvas);
        draw_fills(view, canvas);
        lb_top_tables_draw(view, canvas);
    }
    if (!view->is_live)
        return;
    while (lb_top_canvas_line(canvas, LB_TOP_PLAIN))
        continue;
    canvas->height = height;
    draw_footer(view, canvas);
}
