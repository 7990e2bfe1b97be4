/* SPDX-License-Identifier: MIT */
/* Lines for a terminal. In: texts that may hold anything. Out: characters that only show. Always true: a line
 * is no wider than the width, and text no longer than its room. */
#include "agent/offline/top_canvas.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define CHARACTER_MAX 4 /* bytes of one in UTF-8 */

void lb_top_canvas_clear(struct lb_top_canvas *canvas, unsigned width, unsigned height, bool is_utf8)
{
    canvas->width = width < LB_TOP_COLUMNS_MAX ? width : LB_TOP_COLUMNS_MAX;
    canvas->height = height < LB_TOP_LINES_MAX ? height : LB_TOP_LINES_MAX;
    canvas->is_utf8 = is_utf8;
    canvas->is_full = true;
    canvas->lines = 0;
    canvas->len = 0;
}

bool lb_top_canvas_line(struct lb_top_canvas *canvas, enum lb_top_style style)
{
    canvas->is_full = canvas->lines == canvas->height;
    if (canvas->is_full)
        return false;
    canvas->line[canvas->lines++] = (struct lb_top_line) { .at = canvas->len, .style = style };
    return true;
}

/* What turns the order of others around, or is not seen at all. */
static bool is_hidden(wchar_t c)
{
    return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
           c == 0xfeff || c == 0x61c || c == 0xad;
}

/* The character at text, and how it is shown: bytes it has, columns it takes; '?' for what is not shown. */
static size_t look_at(const struct lb_top_canvas *canvas, const char *text, size_t len, unsigned *ret_columns,
                      const char **ret_shown, size_t *ret_shown_len)
{
    unsigned char first = (unsigned char)text[0];
    mbstate_t state = { 0 };
    wchar_t c = 0;
    size_t bytes = 1;
    int columns = -1;

    if (first >= ' ' && first < 0x7f) {
        columns = 1;
    } else if (canvas->is_utf8 && first >= 0x80) {
        bytes = mbrtowc(&c, text, len < CHARACTER_MAX ? len : CHARACTER_MAX, &state);
        if (bytes == 0 || bytes > CHARACTER_MAX)
            bytes = 1;
        else
            columns = is_hidden(c) ? -1 : wcwidth(c);
    }
    *ret_columns = columns < 0 ? 1 : (unsigned)columns;
    *ret_shown = columns < 0 ? "?" : text;
    *ret_shown_len = columns < 0 ? 1 : bytes;
    return bytes;
}

unsigned lb_top_canvas_put(struct lb_top_canvas *canvas, const char *text, size_t len, unsigned columns)
{
    struct lb_top_line *line;
    unsigned begin, limit;

    if (canvas->is_full)
        return 0;
    line = &canvas->line[canvas->lines - 1];
    begin = line->columns;
    limit = columns < canvas->width - begin ? begin + columns : canvas->width;
    for (size_t at = 0; at < len;) {
        const char *shown;
        size_t shown_len;
        unsigned wide;

        at += look_at(canvas, text + at, len - at, &wide, &shown, &shown_len);
        if (line->columns + wide > limit || canvas->len + shown_len > sizeof canvas->text)
            break;
        memcpy(canvas->text + canvas->len, shown, shown_len);
        canvas->len += shown_len;
        line->len += shown_len;
        line->columns += wide;
    }
    return line->columns - begin;
}

void lb_top_canvas_print(struct lb_top_canvas *canvas, const char *format, ...)
{
    char text[LB_TOP_COLUMNS_MAX * CHARACTER_MAX];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len > 0)
        lb_top_canvas_put(canvas, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1,
                          LB_TOP_COLUMNS_MAX);
}

unsigned lb_top_canvas_column(const struct lb_top_canvas *canvas)
{
    return canvas->is_full ? 0 : canvas->line[canvas->lines - 1].columns;
}

void lb_top_canvas_pad(struct lb_top_canvas *canvas, unsigned column)
{
    while (lb_top_canvas_column(canvas) < column && lb_top_canvas_put(canvas, " ", 1, 1) > 0)
        continue;
}

void lb_top_canvas_right(struct lb_top_canvas *canvas, unsigned column, const char *text)
{
    size_t len = strlen(text);

    if (len < column)
        lb_top_canvas_pad(canvas, column - (unsigned)len);
    lb_top_canvas_put(canvas, text, len, LB_TOP_COLUMNS_MAX);
}

char *lb_top_rate(double number, char *buf, size_t size)
{
    static const char units[] = "kMGT";
    size_t unit = 0;

    if (number < 0)
        snprintf(buf, size, "-");
    else if (number < 0.005)
        snprintf(buf, size, "0");
    else if (number < 9.995)
        snprintf(buf, size, "%.2f", number);
    else if (number < 99.95)
        snprintf(buf, size, "%.1f", number);
    else if (number < 99999.5)
        snprintf(buf, size, "%.0f", number);
    else {
        for (number /= 1000; number >= 999.95 && unit + 1 < sizeof units - 1; unit++)
            number /= 1000;
        snprintf(buf, size, "%.1f%c", number, units[unit]);
    }
    return buf;
}

char *lb_top_count(uint64_t number, char *buf, size_t size)
{
    if (number >= 100000)
        return lb_top_rate((double)number, buf, size);
    snprintf(buf, size, "%u", (unsigned)number);
    return buf;
}

char *lb_top_bytes(double number, char *buf, size_t size)
{
    static const char units[] = "KMGTPE";
    size_t unit = 0;

    if (number < 0)
        snprintf(buf, size, "-");
    else if (number < 1023.5)
        snprintf(buf, size, "%.0f", number);
    else {
        for (number /= 1024; number >= 999.95 && unit + 1 < sizeof units - 1; unit++)
            number /= 1024;
        snprintf(buf, size, "%.1f%c", number, units[unit]);
    }
    return buf;
}

char *lb_top_time(double seconds, char *buf, size_t size)
{
    unsigned long long whole = seconds < 0 ? 0 : (unsigned long long)seconds;

    if (seconds < 9.95)
        snprintf(buf, size, "%.1f s", seconds < 0 ? 0 : seconds);
    else if (whole < 60)
        snprintf(buf, size, "%llu s", whole);
    else if (whole < 3600)
        snprintf(buf, size, "%llu m %llu s", whole / 60, whole % 60);
    else if (whole < 86400)
        snprintf(buf, size, "%llu h %llu m", whole / 3600, whole / 60 % 60);
    else
        snprintf(buf, size, "%llu d %llu h", whole / 86400, whole / 3600 % 24);
    return buf;
}
