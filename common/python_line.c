/* SPDX-License-Identifier: MIT */
/*
 * One line of a Python program's output. In: the line, colours and all. Out: what it is, and where in it the
 * names stand that matter. No regular expression and no copy: a cursor goes over the visible bytes once, and
 * what comes first decides what is looked for next.
 *
 * Always true: every span lies in the line; the same line gives the same answer.
 */
#include "common/python_line.h"

#include <string.h>

#include "common/python_line_cursor.h"
#include "common/python_line_words.h"

#define NAME_BYTES_MAX 200  /* of an exception with its modules */
#define PATH_BYTES_MAX 4096 /* of a file */

typedef struct lb_python_cursor cursor;
typedef struct lb_python_line line;

/* Without the blanks at the end. Colours there are passed by peeking. */
static cursor without_tail(const char *text, size_t len)
{
    cursor in = { text, text + len };

    while (in.end > in.at && lb_python_is_blank(in.end[-1]))
        in.end--;
    return in;
}

static bool is_at_end(cursor in)
{
    lb_python_eat_blanks(&in);
    return lb_python_peek(&in) < 0;
}

/* ---- spans ---- */

static struct lb_python_span span_of(const char *text, const char *from, const char *to)
{
    return (struct lb_python_span) { (uint32_t)(from - text), to > from ? (uint32_t)(to - from) : 0 };
}

/* All that is visible from here to the end, without blanks around it. */
static struct lb_python_span rest_of(const char *text, cursor in)
{
    const char *from, *to;

    lb_python_eat_blanks(&in);
    lb_python_peek(&in);
    from = to = in.at;
    for (; lb_python_peek(&in) >= 0; in.at++)
        if (!lb_python_is_blank((unsigned char)*in.at))
            to = in.at + 1;
    return span_of(text, from, to);
}

/* ---- frames ---- */

/* `", line 7, in f`, and faulthandler's and tracemalloc's ways to write it. */
static bool read_place(cursor *in)
{
    if (!lb_python_eat(in, "\", line ") && !lb_python_eat(in, "\", lineno "))
        return false;
    if (!lb_python_is_digit(lb_python_peek(in)) && lb_python_peek(in) != '?')
        return false;
    while (lb_python_is_digit(lb_python_peek(in)) || lb_python_peek(in) == '?')
        in->at++;
    return true;
}

static bool read_frame(const char *text, cursor in, line *ret)
{
    const char *from, *to;
    size_t bytes = 0;

    lb_python_eat(&in, "> ");
    if (!lb_python_eat(&in, "File \""))
        return false;
    lb_python_peek(&in);
    from = to = in.at;
    for (; bytes < PATH_BYTES_MAX && lb_python_peek(&in) >= 0; bytes++, in.at++) {
        cursor place = in;

        if (*in.at != '"' || !read_place(&place)) {
            to = in.at + 1;
            continue;
        }
        if (!is_at_end(place) && !lb_python_eat(&place, ", in ") && !lb_python_eat(&place, " in "))
            return false;
        ret->kind = LB_PYTHON_FRAME;
        ret->file = span_of(text, from, to);
        ret->function = rest_of(text, place);
        return true;
    }
    return false;
}

/* ---- the boxes of rich ---- */

#define BOX_TOP    "\342\225\255"
#define BOX_BOTTOM "\342\225\260"
#define BOX_SIDE   "\342\224\202"

/* "path:7 in f", blanks, and the other side. */
static bool read_box_frame(const char *text, cursor in, line *ret)
{
    const char *from, *to;

    lb_python_peek(&in);
    from = in.at;
    for (size_t bytes = 0; bytes < PATH_BYTES_MAX && lb_python_peek(&in) >= 0; bytes++, in.at++) {
        cursor at = in;

        to = in.at;
        if (lb_python_is_blank((unsigned char)*in.at))
            return false;
        if (!lb_python_eat(&at, ":") || !lb_python_is_digit(lb_python_peek(&at)))
            continue;
        while (lb_python_is_digit(lb_python_peek(&at)))
            at.at++;
        if (!lb_python_eat(&at, " in "))
            continue;
        ret->file = span_of(text, from, to);
        lb_python_peek(&at);
        from = to = at.at;
        while (lb_python_peek(&at) >= 0 && !lb_python_is_blank((unsigned char)*at.at))
            to = ++at.at;
        ret->function = span_of(text, from, to);
        return true;
    }
    return false;
}

static bool has_header(cursor in)
{
    for (; lb_python_peek(&in) >= 0; in.at++)
        if (*in.at == 'T' && lb_python_eat(&in, "Traceback (most recent call last)"))
            return true;
    return false;
}

/* rich draws a traceback as a box; below it come the exception and, in a chain, the next box. */
static bool read_box(const char *text, cursor in, line *ret)
{
    if (lb_python_eat(&in, BOX_TOP))
        ret->kind = has_header(in) ? LB_PYTHON_HEADER : LB_PYTHON_INDENTED;
    else if (lb_python_eat(&in, BOX_SIDE))
        ret->kind =
            lb_python_eat(&in, " ") && read_box_frame(text, in, ret) ? LB_PYTHON_FRAME : LB_PYTHON_INDENTED;
    else if (lb_python_eat(&in, BOX_BOTTOM))
        ret->kind = LB_PYTHON_INDENTED;
    else
        return false;
    return true;
}

/* ---- exceptions ---- */

static bool is_name_start(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

struct name_form {
    bool is_dotted;
    bool is_small; /* its last word begins in lower case, as modules, functions and prose do */
};

/* "a.b.Kind", "f.<locals>.Kind". Stands behind it afterwards. */
static bool read_name(cursor *in, line *ret, const char *text, struct name_form *ret_form)
{
    const char *from, *to;

    *ret_form = (struct name_form) { 0 };
    lb_python_peek(in);
    from = in->at;
    for (;;) {
        int c = lb_python_peek(in);

        if (!is_name_start(c) && !lb_python_eat(in, "<locals>"))
            return false;
        ret->is_proper = c >= 'A' && c <= 'Z';
        ret_form->is_small = c >= 'a' && c <= 'z';
        to = in->at;
        c = lb_python_peek(in);
        for (; is_name_start(c) || lb_python_is_digit(c); c = lb_python_peek(in))
            to = ++in->at;
        ret->name = span_of(text, from, to);
        if (ret->name.len > NAME_BYTES_MAX)
            return false;
        if (c != '.')
            return true;
        ret_form->is_dotted = true;
        in->at++;
    }
}

/*
 * `Kind: message` or `Kind`. A kind that is called a traceback (RemoteTraceback, billiard's
 * ExceptionWithTraceback) and has no message quotes that of another process below it. A single small word in
 * front of a colon is no type that anybody has seen raised, but what many programs print, and so is a small
 * one by itself. What begins in neither case, and a dotted name by itself, is an exception only where a
 * traceback lacks one.
 */
static bool read_exception(const char *text, cursor in, line *ret)
{
    static const char remote[] = "Traceback", hint[] = "Enable tracemalloc to get ";
    struct name_form form;

    if (!read_name(&in, ret, text, &form) || (form.is_small && !form.is_dotted))
        return false;
    if (is_at_end(in)) {
        ret->kind = ret->is_proper ? LB_PYTHON_EXCEPTION : LB_PYTHON_NAMED;
        return true;
    }
    if (*in.at != ':')
        return false;
    in.at++;
    if (lb_python_peek(&in) >= 0 && !lb_python_is_blank(lb_python_peek(&in)))
        return false;
    ret->message = rest_of(text, in);
    ret->kind = form.is_dotted || ret->is_proper ? LB_PYTHON_EXCEPTION : LB_PYTHON_NAMED;
    if (ret->message.len == 0 && ret->name.len >= sizeof remote &&
        memcmp(text + ret->name.at + ret->name.len - (sizeof remote - 1), remote, sizeof remote - 1) == 0)
        ret->kind = LB_PYTHON_REMOTE;
    else if (ret->message.len > sizeof hint && memcmp(text + ret->message.at, hint, sizeof hint - 1) == 0)
        ret->kind = LB_PYTHON_ALLOCATED;
    return true;
}

/* ---- faulthandler, warnings ---- */

static bool read_thread(const char *text, cursor in, line *ret)
{
    cursor from = in;

    lb_python_peek(&from);
    ret->is_current = lb_python_eat(&in, "Current thread 0x");
    if (!ret->is_current && !lb_python_eat(&in, "Thread 0x"))
        return false;
    for (; lb_python_peek(&in) >= 0; in.at++)
        if (*in.at == '(' && lb_python_eat(&in, "(most recent call first):")) {
            ret->kind = LB_PYTHON_THREAD;
            ret->name = span_of(text, from.at, from.at + (ret->is_current ? 14 : 6));
            return is_at_end(in);
        }
    return false;
}

/* "Fatal Python error: Segmentation fault", "Fatal Python error: function: what". */
static bool read_fatal(const char *text, cursor in, line *ret)
{
    const char *colon;

    if (!lb_python_eat(&in, "Fatal Python error: ") && !lb_python_eat(&in, "Windows fatal exception: "))
        return false;
    ret->kind = LB_PYTHON_FATAL;
    ret->name = rest_of(text, in);
    colon = memmem(text + ret->name.at, ret->name.len, ": ", 2);
    if (colon != NULL) {
        ret->message = rest_of(text, (cursor) { colon + 2, in.end });
        ret->name.len = (uint32_t)(colon - (text + ret->name.at));
    }
    return true;
}

/* "/opt/pump/app.py:76: DeprecationWarning: text", "<frozen x>:241: RuntimeWarning: text" */
static bool read_warning(const char *text, cursor in, line *ret)
{
    const char *from, *colon;
    cursor at;
    line category = { 0 };
    struct name_form form;

    lb_python_peek(&in);
    from = in.at;
    colon = memchr(from, ':', (size_t)(in.end - from));
    if (colon == NULL || colon == from || colon + 1 == in.end || !lb_python_is_digit(colon[1]))
        return false;
    at = (cursor) { colon + 1, in.end };
    while (lb_python_is_digit(lb_python_peek(&at)))
        at.at++;
    if (!lb_python_eat(&at, ": ") || !read_name(&at, &category, text, &form) || !lb_python_eat(&at, ": "))
        return false;
    if (category.name.len < 7 || memcmp(text + category.name.at + category.name.len - 7, "Warning", 7) != 0)
        return false;
    ret->kind = LB_PYTHON_WARNING;
    ret->name = category.name;
    ret->message = rest_of(text, at);
    ret->file = span_of(text, from, colon);
    return true;
}

/* ---- a line ---- */

/* "+-+---- 1 ----", "+---- 2 ----", "+---- ... ----" open a part; without a number the group ends. */
static enum lb_python_kind rule_kind(cursor in)
{
    for (; lb_python_peek(&in) >= 0; in.at++)
        if (*in.at != '-' && *in.at != '+' && !lb_python_is_blank((unsigned char)*in.at))
            return LB_PYTHON_RULE;
    return LB_PYTHON_RULE_END;
}

/* What begins where no blank stands in front. */
static void read_words(const char *text, cursor in, line *ret)
{
    enum lb_python_kind kind = lb_python_words_find(in);

    if (kind != LB_PYTHON_TEXT) {
        /* Within a margin another group begins as any exception does. */
        ret->kind = kind == LB_PYTHON_GROUP && ret->margin > 0 ? LB_PYTHON_HEADER : kind;
        if (ret->kind == LB_PYTHON_FATAL) /* "Timeout" */
            ret->name = span_of(text, in.at, in.at + 7);
        return;
    }
    if (read_box(text, in, ret) || read_thread(text, in, ret) || read_fatal(text, in, ret) ||
        read_warning(text, in, ret))
        return;
    if (lb_python_line_starts_log(in.at, (size_t)(in.end - in.at), false))
        ret->kind = LB_PYTHON_START;
    else if (!read_exception(text, in, ret))
        ret->kind = LB_PYTHON_TEXT;
}

/* Pass "  | ", "  + Exception" and "  +-". Without two blanks in front it is somebody's table. */
static bool read_margin(const char *text, cursor *in, line *ret)
{
    cursor at = *in;
    int c = lb_python_peek(&at), next;

    if (ret->indent < 2 || (c != '|' && c != '+'))
        return false;
    at.at++;
    ret->margin = (uint32_t)(at.at - text);
    next = lb_python_peek(&at);
    if (c == '+' && next == '-') {
        ret->kind = rule_kind(at);
        return true;
    }
    if ((next >= 0 && next != ' ') || (c == '+' && !lb_python_eat(&at, " Exception Group"))) {
        ret->margin = 0;
        return false;
    }
    *in = at;
    if (c == '+') {
        ret->kind = LB_PYTHON_GROUP;
        return true;
    }
    lb_python_eat(in, " ");
    ret->indent = (uint32_t)lb_python_eat_blanks(in);
    return false;
}

void lb_python_line_read(const char *text, size_t len, struct lb_python_line *ret)
{
    cursor in = without_tail(text, len);
    int c;

    *ret = (line) { .kind = LB_PYTHON_TEXT };
    ret->indent = (uint32_t)lb_python_eat_blanks(&in);
    if (read_margin(text, &in, ret))
        return;
    c = lb_python_peek(&in);
    if (c < 0)
        ret->kind = LB_PYTHON_BLANK;
    else if ((ret->indent > 0 || c == '>') && read_frame(text, in, ret))
        return;
    else if (ret->indent == 0)
        read_words(text, in, ret);
    else
        ret->kind = ret->margin == 0 && lb_python_line_starts_log(in.at, (size_t)(in.end - in.at), true)
                        ? LB_PYTHON_START
                        : LB_PYTHON_INDENTED;
}

bool lb_python_line_is_grouped(const struct lb_python_line *read)
{
    return read->margin > 0 &&
           (read->kind == LB_PYTHON_EXCEPTION || read->kind == LB_PYTHON_RULE ||
            read->kind == LB_PYTHON_GROUP || read->kind == LB_PYTHON_HEADER || read->kind == LB_PYTHON_FRAME);
}
