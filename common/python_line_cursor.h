/* SPDX-License-Identifier: MIT */
#ifndef LB_PYTHON_LINE_CURSOR_H
#define LB_PYTHON_LINE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A reader of one line that sees through colours: what it shows are the visible bytes, where it stands is a
 * place in the line as it was written. For common/python_line*.c, and for who reads what their spans hold.
 */
struct lb_python_cursor {
    const char *at, *end;
};

#define LB_PYTHON_ESC       '\033'
#define LB_PYTHON_OSC_BYTES 256 /* a title or a link longer than this is taken for text */

/* Length of the escape sequence at the front; 0: it is not complete. ECMA-48: CSI, OSC, else two bytes. */
static inline size_t lb_python_escape_length(const char *text, const char *end)
{
    size_t len = (size_t)(end - text), at = 2;

    if (len < 2)
        return 0;
    if (text[1] == '[') {
        while (at < len && text[at] >= 0x20 && text[at] < 0x40)
            at++;
        return at < len ? at + 1 : 0;
    }
    if (text[1] != ']')
        return 2;
    for (; at < len && at < LB_PYTHON_OSC_BYTES; at++) {
        if (text[at] == '\a')
            return at + 1;
        if (text[at] == LB_PYTHON_ESC && at + 1 < len && text[at + 1] == '\\')
            return at + 2;
    }
    return 0;
}

/* The next visible byte, 0..255; -1: there is none. */
static inline int lb_python_peek(struct lb_python_cursor *in)
{
    size_t escape;

    while (in->at < in->end && *in->at == LB_PYTHON_ESC) {
        escape = lb_python_escape_length(in->at, in->end);
        if (escape == 0)
            break;
        in->at += escape;
    }
    return in->at < in->end ? (unsigned char)*in->at : -1;
}

/* Pass `word` if it comes next, else stay. */
static inline bool lb_python_eat(struct lb_python_cursor *in, const char *word)
{
    struct lb_python_cursor ahead = *in;

    for (; *word != '\0'; word++, ahead.at++)
        if (lb_python_peek(&ahead) != (unsigned char)*word)
            return false;
    *in = ahead;
    return true;
}

static inline bool lb_python_is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static inline bool lb_python_is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Pass blanks; returns how many. */
static inline size_t lb_python_eat_blanks(struct lb_python_cursor *in)
{
    size_t blanks = 0;

    for (; lb_python_is_blank(lb_python_peek(in)); in->at++)
        blanks++;
    return blanks;
}

/* Without the blanks and colours at the end. */
static inline size_t lb_python_visible_length(const char *text, size_t len)
{
    for (;;) {
        size_t before = len;

        while (len > 0 && lb_python_is_blank(text[len - 1]))
            len--;
        if (len > 2 && text[len - 1] == 'm') {
            size_t at = len - 1;

            while (at > 0 && ((text[at - 1] >= '0' && text[at - 1] <= '9') || text[at - 1] == ';'))
                at--;
            if (at > 1 && text[at - 1] == '[' && text[at - 2] == LB_PYTHON_ESC)
                len = at - 2;
        }
        if (len == before)
            return len;
    }
}

#endif
