/* SPDX-License-Identifier: MIT */
/* The two tables. In: rows in order, the lines that are left. Out: as many rows as fit, and how many there
 * are in all. Always true: a column is there whole or not at all; the name gets what the numbers leave. */
#include "agent/offline/top_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/offline/top_rows.h"

#define NAME_MIN         16u
#define NAME_MAX         40u
#define SERVICES_LINES   3u /* a blank, the header, and all together */
#define PATTERNS_LINES   2u /* a blank and the header */
#define PATTERNS_MIN     3u /* fewer are not worth their header */
#define PATTERN_WIDE     100u
#define PATTERN_NAME_MAX 24u
#define CELL             16
#define TIME             "<time> "

double lb_top_percent_left(const struct lb_top_quota *quota)
{
    return quota->limit ? 100.0 * (double)quota->left / (double)quota->limit : 0;
}

/* ---- services ---- */

static void cell_lines(const struct lb_top_row *row, char *cell)
{
    lb_top_rate(row->lines_s, cell, CELL);
}

static void cell_bytes(const struct lb_top_row *row, char *cell)
{
    lb_top_bytes(row->bytes_s, cell, CELL);
}

static void cell_delivered(const struct lb_top_row *row, char *cell)
{
    lb_top_rate(row->delivered_s, cell, CELL);
}

static void cell_pending(const struct lb_top_row *row, char *cell)
{
    lb_top_count(row->book->pending, cell, CELL);
}

static void cell_held(const struct lb_top_row *row, char *cell)
{
    lb_top_count(row->book->held, cell, CELL);
}

static void cell_suppressed(const struct lb_top_row *row, char *cell)
{
    lb_top_rate(row->suppressed_s, cell, CELL);
}

static void cell_suppressed_all(const struct lb_top_row *row, char *cell)
{
    lb_top_count(row->book->suppressed, cell, CELL);
}

static void cell_lost(const struct lb_top_row *row, char *cell)
{
    lb_top_count(row->book->lost, cell, CELL);
}

static void cell_in(const struct lb_top_row *row, char *cell)
{
    lb_top_count(row->book->in, cell, CELL);
}

static void cell_quota(const struct lb_top_row *row, char *cell)
{
    if (row->book->quota.is_on)
        snprintf(cell, CELL, "%.0f %%", lb_top_percent_left(&row->book->quota));
    else
        snprintf(cell, CELL, "-");
}

static const struct column {
    const char *name;
    unsigned width;
    unsigned screen;  /* the narrowest that has it */
    int sort;         /* the order by it, -1: there is none */
    bool is_of_quota; /* only where a service has one */
    void (*cell)(const struct lb_top_row *row, char *cell);
} columns[] = {
    { "lines/s", 9, 0, LB_TOP_BY_LINES, false, cell_lines },
    { "bytes/s", 9, 0, LB_TOP_BY_BYTES, false, cell_bytes },
    { "deliv/s", 9, 100, -1, false, cell_delivered },
    { "pending", 9, 0, LB_TOP_BY_PENDING, false, cell_pending },
    { "held", 9, 0, LB_TOP_BY_HELD, false, cell_held },
    { "suppr/s", 9, 0, LB_TOP_BY_SUPPRESSED, false, cell_suppressed },
    { "suppr", 9, 120, -1, false, cell_suppressed_all },
    { "lost", 9, 0, LB_TOP_BY_LOST, false, cell_lost },
    { "in", 9, 110, -1, false, cell_in },
    { "quota", 8, 0, -1, true, cell_quota },
};

#define COLUMNS (sizeof columns / sizeof columns[0])

static bool has_quotas(const struct lb_top_status *status)
{
    for (unsigned i = 0; i < status->services; i++)
        if (status->service[i].quota.is_on)
            return true;
    return false;
}

static bool has_column(const struct column *column, const struct lb_top_canvas *canvas, bool with_quotas)
{
    return canvas->width >= column->screen && (with_quotas || !column->is_of_quota);
}

static unsigned name_width(const struct lb_top_canvas *canvas, bool with_quotas)
{
    unsigned numbers = 0;

    for (size_t i = 0; i < COLUMNS; i++)
        numbers += has_column(&columns[i], canvas, with_quotas) ? columns[i].width : 0;
    if (canvas->width < numbers + NAME_MIN)
        return NAME_MIN;
    return canvas->width - numbers < NAME_MAX ? canvas->width - numbers : NAME_MAX;
}

/* Cells behind the name; one that does not fit ends the line. */
static void draw_cells(struct lb_top_canvas *canvas, const struct lb_top_row *row, bool with_quotas)
{
    unsigned at = name_width(canvas, with_quotas);
    char cell[CELL];

    for (size_t i = 0; i < COLUMNS; i++) {
        if (!has_column(&columns[i], canvas, with_quotas))
            continue;
        at += columns[i].width;
        if (at > canvas->width)
            return;
        columns[i].cell(row, cell);
        lb_top_canvas_right(canvas, at, cell);
    }
}

/* The column that decides the order bears a star. */
static void draw_service_header(const struct lb_top_view *view, struct lb_top_canvas *canvas,
                                bool with_quotas, unsigned shown, unsigned count)
{
    unsigned at = name_width(canvas, with_quotas);
    const char *star = view->keys->sort == LB_TOP_BY_NAME ? "*" : "";
    char text[CELL];

    lb_top_canvas_line(canvas, LB_TOP_HEADER);
    if (shown < count)
        lb_top_canvas_print(canvas, "%sservice (%u of %u)", star, shown, count);
    else
        lb_top_canvas_print(canvas, "%sservice", star);
    for (size_t i = 0; i < COLUMNS; i++) {
        if (!has_column(&columns[i], canvas, with_quotas))
            continue;
        at += columns[i].width;
        if (at > canvas->width)
            break;
        snprintf(text, sizeof text, "%s%s", columns[i].sort == (int)view->keys->sort ? "*" : "",
                 columns[i].name);
        lb_top_canvas_right(canvas, at, text);
    }
    lb_top_canvas_pad(canvas, canvas->width);
}

static void draw_row(struct lb_top_canvas *canvas, const char *name, const struct lb_top_row *row,
                     bool with_quotas)
{
    enum lb_top_style style = row->lines_s > 0 || row->book->pending > 0 ? LB_TOP_PLAIN : LB_TOP_QUIET;

    if (!lb_top_canvas_line(canvas, style))
        return;
    lb_top_canvas_put(canvas, name, strlen(name), name_width(canvas, with_quotas) - 1);
    draw_cells(canvas, row, with_quotas);
}

static void draw_services(const struct lb_top_view *view, struct lb_top_canvas *canvas,
                          const struct lb_top_row *rows, unsigned shown, unsigned count)
{
    bool with_quotas = has_quotas(view->now);
    struct lb_top_row all = lb_top_row_of(&view->now->all, view->before ? &view->before->all : NULL,
                                          lb_top_seconds_between(view->before, view->now));

    lb_top_canvas_line(canvas, LB_TOP_PLAIN);
    draw_service_header(view, canvas, with_quotas, shown, count);
    draw_row(canvas, "(all)", &all, with_quotas);
    for (unsigned i = 0; i < shown; i++)
        draw_row(canvas, rows[i].book->name, &rows[i], with_quotas);
}

/* ---- patterns ---- */

static unsigned pattern_name_width(const struct lb_top_view *view, const struct lb_top_canvas *canvas)
{
    unsigned longest = 7 /* "service" */, most = canvas->width / 5;

    for (unsigned i = 0; i < view->patterns; i++)
        if (view->pattern[i].service_len > longest)
            longest = view->pattern[i].service_len;
    most = most > PATTERN_NAME_MAX ? PATTERN_NAME_MAX : most;
    return longest < most ? longest : most;
}

static void draw_pattern(struct lb_top_canvas *canvas, const struct lb_top_pattern *pattern, unsigned name)
{
    unsigned at = 9, skip = 0;
    char cell[CELL];

    /* Every line has a time in front, or none has: room is better used. */
    if (pattern->template_len > sizeof TIME && memcmp(pattern->template, TIME, sizeof TIME - 1) == 0)
        skip = sizeof TIME - 1;
    if (!lb_top_canvas_line(canvas, pattern->lines_s > 0 ? LB_TOP_PLAIN : LB_TOP_QUIET))
        return;
    lb_top_canvas_right(canvas, at, lb_top_rate(pattern->lines_s, cell, sizeof cell));
    lb_top_canvas_right(canvas, at += 8, lb_top_rate(pattern->held_s, cell, sizeof cell));
    if (canvas->width >= PATTERN_WIDE)
        lb_top_canvas_right(canvas, at += 8, lb_top_count(pattern->total, cell, sizeof cell));
    lb_top_canvas_pad(canvas, at + 2);
    lb_top_canvas_put(canvas, pattern->service, pattern->service_len, name);
    lb_top_canvas_pad(canvas, at + 2 + name + 2);
    lb_top_canvas_put(canvas, pattern->template + skip, pattern->template_len - skip, LB_TOP_COLUMNS_MAX);
}

static void draw_pattern_header(const struct lb_top_view *view, struct lb_top_canvas *canvas, unsigned name)
{
    unsigned at = 17;

    lb_top_canvas_line(canvas, LB_TOP_HEADER);
    lb_top_canvas_right(canvas, 9, "lines/s");
    lb_top_canvas_right(canvas, at, "held/s");
    if (canvas->width >= PATTERN_WIDE)
        lb_top_canvas_right(canvas, at += 8, "seen");
    lb_top_canvas_pad(canvas, at + 2);
    lb_top_canvas_put(canvas, "service", 7, LB_TOP_COLUMNS_MAX);
    lb_top_canvas_pad(canvas, at + 2 + name + 2);
    lb_top_canvas_print(canvas, "pattern");
    if (view->window_s > 0 && view->share < 1)
        lb_top_canvas_print(canvas, " (a sample: %.2g %% of all was seen)", 100 * view->share);
    else if (view->window_s > 0)
        lb_top_canvas_print(canvas, " (over %.0f s)", view->window_s);
    lb_top_canvas_pad(canvas, canvas->width);
}

static void draw_patterns(const struct lb_top_view *view, struct lb_top_canvas *canvas)
{
    unsigned name = pattern_name_width(view, canvas);

    lb_top_canvas_line(canvas, LB_TOP_PLAIN);
    draw_pattern_header(view, canvas, name);
    if (view->patterns == 0 && lb_top_canvas_line(canvas, LB_TOP_QUIET))
        lb_top_canvas_print(canvas, "  %s",
                            view->no_rings          ? view->no_rings
                            : view->keys->filter[0] ? "none with this text in it"
                            : view->window_s > 0    ? "no lines came"
                                                    : "not looked yet");
    for (unsigned i = 0; i < view->patterns; i++)
        draw_pattern(canvas, &view->pattern[i], name);
}

void lb_top_tables_draw(const struct lb_top_view *view, struct lb_top_canvas *canvas)
{
    struct lb_top_row *rows = calloc(LB_TOP_SERVICES, sizeof *rows);
    unsigned room = canvas->height - canvas->lines, count, shown, patterns = view->patterns;

    if (!rows)
        return;
    count = lb_top_rows(view->now, view->before, view->keys->sort, view->keys->filter, rows);
    room = room > SERVICES_LINES ? room - SERVICES_LINES : 0;
    shown = count < room ? count : room;
    if (patterns == 0)
        patterns = 1; /* that there is none */
    if (room >= 2 * PATTERNS_MIN + PATTERNS_LINES) {
        unsigned both = room - PATTERNS_LINES, half = both - both / 2;
        unsigned most = both > patterns && both - patterns > half ? both - patterns : half;

        shown = count < most ? count : most;
        draw_services(view, canvas, rows, shown, count);
        draw_patterns(view, canvas);
    } else if (room > 0) {
        draw_services(view, canvas, rows, shown, count);
    }
    free(rows);
}
