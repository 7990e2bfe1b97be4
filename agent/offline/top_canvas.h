/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_TOP_CANVAS_H
#define LB_OFFLINE_TOP_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Lines of text, to be put on a terminal. Whatever is written here comes out
 * printable: a control character, a byte that is no UTF-8, and a character that
 * hides or turns others around becomes '?'; without UTF-8 so does everything
 * beyond ASCII. A line ends at the width, never within a character, and a wide
 * one is not cut in half.
 */
#define LB_TOP_COLUMNS_MAX 500
#define LB_TOP_LINES_MAX   500
#define LB_TOP_TEXT_MAX    (256 * 1024u)

enum lb_top_style { LB_TOP_PLAIN = 0, LB_TOP_TITLE, LB_TOP_HEADER, LB_TOP_BAD, LB_TOP_QUIET, LB_TOP_STYLES };

struct lb_top_line {
    size_t at, len; /* in the canvas's text */
    unsigned columns;
    enum lb_top_style style;
};

struct lb_top_canvas {
    unsigned width, height; /* what fits; height at most LB_TOP_LINES_MAX */
    bool is_utf8;           /* the locale's, and LC_CTYPE is set to it */
    bool is_full;           /* the last line that was begun is not there: what is put is lost */
    unsigned lines;
    struct lb_top_line line[LB_TOP_LINES_MAX];
    size_t len;
    char text[LB_TOP_TEXT_MAX];
};

/*
 * Empty it.
 *   width    1..LB_TOP_COLUMNS_MAX
 *   height   1..LB_TOP_LINES_MAX
 *   calls    one thread; all here are functions of what is passed in, and of the locale
 */
void lb_top_canvas_clear(struct lb_top_canvas *canvas, unsigned width, unsigned height, bool is_utf8);

/*
 * Begin a line; what is put comes behind it.
 *   returns  false: there is no more room for one, and what is put is lost
 */
bool lb_top_canvas_line(struct lb_top_canvas *canvas, enum lb_top_style style);

/*
 * Put text at the end of the line, cut at so many columns.
 *   returns  columns that it took
 */
unsigned lb_top_canvas_put(struct lb_top_canvas *canvas, const char *text, size_t len, unsigned columns);

/*
 * The same, formatted.
 */
void lb_top_canvas_print(struct lb_top_canvas *canvas, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Columns that the line has now.
 */
unsigned lb_top_canvas_column(const struct lb_top_canvas *canvas);

/*
 * Put blanks until a column is reached.
 */
void lb_top_canvas_pad(struct lb_top_canvas *canvas, unsigned column);

/*
 * Put text that ends before a column: blanks, and it. What does not fit is put where the line ends.
 */
void lb_top_canvas_right(struct lb_top_canvas *canvas, unsigned column, const char *text);

/*
 * Numbers in at most six columns: "0", "0.25", "12.5", "4012", "12.3k", "1.2M".
 *   number   below 0: not known, "-"
 *   returns  buf
 */
char *lb_top_rate(double number, char *buf, size_t size);
/* The same of what is counted: no fractions below 100000. */
char *lb_top_count(uint64_t number, char *buf, size_t size);
/* Bytes by 1024: "512", "1.5K", "96.2K", "12.3M". */
char *lb_top_bytes(double number, char *buf, size_t size);
/* Times: "0.4 s", "59 s", "3 m 12 s", "5 h 2 m", "3 d 4 h". */
char *lb_top_time(double seconds, char *buf, size_t size);

#endif
