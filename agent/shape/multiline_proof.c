/* SPDX-License-Identifier: MIT */
/* Words and shapes that prove a line to be of a record. In: a line of an open record. Out: whether it has
 * one. */
#include "agent/shape/multiline_parts.h"

#include <string.h>

static bool ends_in(const char *text, const struct lb_python_span *span, const char *end)
{
    size_t len = strlen(end);

    return span->len >= len && memcmp(text + span->at + span->len - len, end, len) == 0;
}

bool lb_multiline_is_script(const char *text, const struct lb_python_line *line)
{
    return ends_in(text, &line->file, ".py");
}

bool lb_multiline_is_error(const char *text, const struct lb_python_line *line)
{
    static const char *const ends[] = { "Error",          "Exception",         "Warning",
                                        "ExceptionGroup", "KeyboardInterrupt", "SystemExit",
                                        "StopIteration" };

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (ends_in(text, &line->name, ends[i]))
            return true;
    return false;
}

bool lb_multiline_is_field(const char *text, size_t len)
{
    return memmem(text, len, " [type=", 7) != NULL || memmem(text, len, " (type=", 7) != NULL;
}

bool lb_multiline_is_go_call(const char *text, size_t len)
{
    const char *open = memrchr(text, '(', len), *dot = memchr(text, '.', len);

    if (open == NULL || text[len - 1] != ')' || memchr(text, ' ', (size_t)(open - text)) != NULL)
        return false;
    return dot != NULL ? dot < open : open - text == 5 && memcmp(text, "panic", 5) == 0;
}
