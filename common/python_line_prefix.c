/* SPDX-License-Identifier: MIT */
/*
 * What loggers, syslog and containers put in front of every line. In: lines. Out: how long the prefix is.
 * Nothing is known of its formats: it is what stands in front of a header whose words are known, and the
 * lines below bear it too, with other digits in it (a clock goes on).
 *
 * Always true: what is returned is at most the length of what was given.
 */
#include <string.h>

#include "common/python_line.h"
#include "common/python_line_cursor.h"

#define ENDS_LAST  "(most recent call last):"
#define ENDS_FIRST "(most recent call first):"
#define MARGIN     "  + "

static bool ends_in(const char *text, size_t len, const char *end, size_t end_len)
{
    return len >= end_len && memcmp(text + len - end_len, end, end_len) == 0;
}

/* What stands in front of "(most recent call ...", the longer words first. */
static const struct {
    const char *words;
    size_t len;
} headers[] = {
#define ROW(words)               \
    {                            \
        words, sizeof(words) - 1 \
    }
    ROW("Exception Group Traceback "), ROW("Original Traceback "),  ROW("Traceback "), ROW("Stack "),
    ROW("Object created at "),         ROW("Object allocated at "),
#undef ROW
};

static size_t from_front(const char *text, size_t at)
{
    struct lb_python_cursor in = { text, text + at };

    if (at >= sizeof MARGIN - 1 && memcmp(text + at - (sizeof MARGIN - 1), MARGIN, sizeof MARGIN - 1) == 0) {
        at -= sizeof MARGIN - 1;
        in.end = text + at;
    }
    return lb_python_peek(&in) < 0 ? 0 : at;
}

/* "Thread 0x00007f87f4eb42c0 " or "Current thread 0x00007f87f4eb42c0 " before `len`. */
static size_t find_thread(const char *text, size_t len)
{
    static const char current[] = "Current thread 0x", thread[] = "Thread 0x";
    const char *at = memmem(text, len, current, sizeof current - 1);

    if (at == NULL)
        at = memmem(text, len, thread, sizeof thread - 1);
    return at == NULL ? LB_PYTHON_NOWHERE : from_front(text, (size_t)(at - text));
}

static size_t find_hook(const char *text, size_t len)
{
    static const char *const hooks[] = { "Exception in thread ", "Exception ignored " };

    for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++) {
        const char *at = memmem(text, len, hooks[i], strlen(hooks[i]));

        if (at != NULL)
            return from_front(text, (size_t)(at - text));
    }
    return LB_PYTHON_NOWHERE;
}

size_t lb_python_prefix_find(const char *text, size_t len)
{
    len = lb_python_visible_length(text, len);
    if (len == 0 || (text[len - 1] != ':' && text[len - 1] != '>'))
        return LB_PYTHON_NOWHERE;
    if (ends_in(text, len, ENDS_FIRST, sizeof ENDS_FIRST - 1))
        return find_thread(text, len - (sizeof ENDS_FIRST - 1));
    if (!ends_in(text, len, ENDS_LAST, sizeof ENDS_LAST - 1))
        return find_hook(text, len);
    len -= sizeof ENDS_LAST - 1;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        if (ends_in(text, len, headers[i].words, headers[i].len))
            return from_front(text, len - headers[i].len);
    return LB_PYTHON_NOWHERE;
}

/*
 * Walk two lines side by side as long as they are alike. Both positions stand behind the last thing that was,
 * a run of digits being one thing.
 */
static void walk(const char *a, size_t a_len, size_t *a_at, const char *b, size_t b_len, size_t *b_at)
{
    while (*a_at < a_len && *b_at < b_len) {
        if (lb_python_is_digit(a[*a_at]) && lb_python_is_digit(b[*b_at])) {
            while (*a_at < a_len && lb_python_is_digit(a[*a_at]))
                ++*a_at;
            while (*b_at < b_len && lb_python_is_digit(b[*b_at]))
                ++*b_at;
        } else if (a[*a_at] == b[*b_at]) {
            ++*a_at;
            ++*b_at;
        } else {
            return;
        }
    }
}

size_t lb_python_prefix_match(const char *prefix, size_t prefix_len, const char *text, size_t len)
{
    size_t at = 0, have = 0;

    walk(prefix, prefix_len, &at, text, len, &have);
    if (have == len)
        while (at < prefix_len && lb_python_is_blank(prefix[at]))
            at++;
    return at == prefix_len ? have : LB_PYTHON_NOWHERE;
}

size_t lb_python_prefix_share(const char *prefix, size_t prefix_len, const char *text, size_t len)
{
    static const char frame[] = "  File \"", margin[] = "  | ";
    const char *found = memmem(text, len, frame, sizeof frame - 1);
    size_t front = found ? (size_t)(found - text) : 0, at = 0, have = 0;

    if (front >= sizeof margin - 1 &&
        memcmp(text + front - (sizeof margin - 1), margin, sizeof margin - 1) == 0)
        front -= sizeof margin - 1;
    if (front == 0)
        return 0;
    walk(prefix, prefix_len, &at, text, front, &have);
    return have == front ? at : 0;
}
