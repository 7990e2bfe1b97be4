/* SPDX-License-Identifier: MIT */
/*
 * The words that CPython, logging, asyncio, loguru and others begin a line with, and that say at once what it
 * is. In: a line. Out: its kind. A table for each first letter, so that a line is compared with a handful of
 * them.
 */
#include "common/python_line_words.h"

#include <string.h>

enum end { ANY, WHOLE, COLON }; /* how the line goes on: as it likes; not at all; up to a colon at its end */

struct opening {
    const char *words;
    enum lb_python_kind kind;
    enum end end;
};

static const struct opening upper_t[] = {
    { "Traceback (most recent call last)", LB_PYTHON_HEADER, COLON },
    { "The above exception was the direct cause of the following exception", LB_PYTHON_CHAIN, COLON },
    { "Task exception was never retrieved", LB_PYTHON_HOOK, WHOLE },
    { "Task was destroyed but it is pending!", LB_PYTHON_HOOK, WHOLE },
    { "Timeout (", LB_PYTHON_FATAL, ANY },
};
static const struct opening upper_e[] = {
    { "Exception Group Traceback (most recent call last)", LB_PYTHON_GROUP, COLON },
    { "Exception in thread ", LB_PYTHON_HOOK, COLON },
    { "Exception ignored ", LB_PYTHON_HOOK, ANY },
    { "Exception in callback ", LB_PYTHON_HOOK, ANY },
    { "Exception happened during processing of request from ", LB_PYTHON_HOOK, ANY },
    { "Exception occurred during processing of request from ", LB_PYTHON_HOOK, ANY },
    { "Error in sys.excepthook", LB_PYTHON_HOOK, COLON },
    { "Error in sys.exitfunc", LB_PYTHON_HOOK, COLON },
    { "Error in atexit._run_exitfuncs", LB_PYTHON_HOOK, COLON },
    { "Error processing line ", LB_PYTHON_HOOK, COLON },
    { "Exception in default exception handler", LB_PYTHON_HOOK, ANY },
    { "Exception in initializer", LB_PYTHON_HOOK, COLON },
    { "Exception in worker", LB_PYTHON_HOOK, WHOLE },
    { "Exception in Tkinter callback", LB_PYTHON_HOOK, WHOLE },
    { "Exception in ASGI application", LB_PYTHON_HOOK, WHOLE },
    { "Extension modules: ", LB_PYTHON_DUMPED, ANY },
};
static const struct opening lower_e[] = {
    { "exception calling callback <", LB_PYTHON_HOOK, ANY },
};
static const struct opening upper_o[] = {
    { "Original Traceback (most recent call last)", LB_PYTHON_NESTED, COLON },
    { "Object created at (most recent call last)", LB_PYTHON_CREATED, COLON },
    { "Object allocated at (most recent call last)", LB_PYTHON_CREATED, COLON },
    { "Original exception was", LB_PYTHON_CHAIN, COLON },
    { "On instance", LB_PYTHON_DETAIL, COLON },
};
static const struct opening upper_s[] = {
    { "Stack (most recent call last)", LB_PYTHON_CALLS, COLON },
};
static const struct opening upper_c[] = {
    { "Call stack", LB_PYTHON_CALLS, COLON },
    { "CONTEXT:  ", LB_PYTHON_DETAIL, ANY },
    { "Coroutine created at (most recent call last)", LB_PYTHON_CREATED, ANY },
    { "Current thread's C stack trace (most recent call first)", LB_PYTHON_DUMPED, COLON },
    { "Caused by: ", LB_PYTHON_CAUSED, ANY },
};
static const struct opening lower_s[] = {
    { "source_traceback: Object created at (most recent call last)", LB_PYTHON_CREATED, COLON },
    { "socket: <", LB_PYTHON_CONTEXT, ANY },
    { "server: <", LB_PYTHON_CONTEXT, ANY },
};
static const struct opening upper_d[] = {
    { "During handling of the above exception, another exception occurred", LB_PYTHON_CHAIN, COLON },
    { "DETAIL:  ", LB_PYTHON_DETAIL, ANY },
};
static const struct opening upper_u[] = {
    { "Unhandled exception in thread started by ", LB_PYTHON_HOOK, ANY },
    { "Unhandled exception in event loop", LB_PYTHON_HOOK, ANY },
    { "Unhandled exception in client_connected_cb", LB_PYTHON_HOOK, WHOLE },
    { "Unhandled error in Deferred", LB_PYTHON_HOOK, COLON },
    { "Unknown exception in SIGCHLD handler", LB_PYTHON_HOOK, WHOLE },
    { "Unhandled error in exception handler", LB_PYTHON_HOOK, ANY },
    { "Unable to print the message and arguments", LB_PYTHON_LOGGED, ANY },
    { "Use the traceback above to help find the error.", LB_PYTHON_LOGGED, WHOLE },
};
static const struct opening upper_f[] = {
    { "Future exception was never retrieved", LB_PYTHON_HOOK, WHOLE },
    { "FAIL: ", LB_PYTHON_HOOK, ANY },
    { "Fatal error on ", LB_PYTHON_HOOK, ANY },
    { "Fatal read error on ", LB_PYTHON_HOOK, ANY },
    { "Fatal write error on ", LB_PYTHON_HOOK, ANY },
    { "Failed validating ", LB_PYTHON_DETAIL, COLON },
};
static const struct opening lower_u[] = {
    { "unhandled exception during asyncio.run() shutdown", LB_PYTHON_HOOK, WHOLE },
};
static const struct opening lower_a[] = {
    { "an error occurred during closing of asynchronous generator ", LB_PYTHON_HOOK, ANY },
    { "asyncgen: <", LB_PYTHON_CONTEXT, ANY },
};
static const struct opening upper_i[] = {
    { "Internal Server Error: ", LB_PYTHON_HOOK, ANY },
};
static const struct opening upper_p[] = {
    { "Process ", LB_PYTHON_HOOK, COLON },
    { "Python runtime state: ", LB_PYTHON_STATE, ANY },
};
static const struct opening lower_f[] = {
    { "future: <", LB_PYTHON_CONTEXT, ANY },
    { "fatal error: ", LB_PYTHON_PANIC, ANY },
};
static const struct opening lower_t[] = {
    { "task: <", LB_PYTHON_CONTEXT, ANY },
    { "transport: <", LB_PYTHON_CONTEXT, ANY },
};
static const struct opening upper_h[] = {
    { "HINT:  ", LB_PYTHON_DETAIL, ANY },
};
static const struct opening lower_h[] = {
    { "handle: <", LB_PYTHON_CONTEXT, ANY },
};
static const struct opening lower_p[] = {
    { "protocol: <", LB_PYTHON_CONTEXT, ANY },
    { "panic: ", LB_PYTHON_PANIC, ANY },
};
static const struct opening lower_c[] = {
    { "created by ", LB_PYTHON_CALLED, ANY },          { "connector: <", LB_PYTHON_CONTEXT, ANY },
    { "connections: [", LB_PYTHON_CONTEXT, ANY },      { "client_session: <", LB_PYTHON_CONTEXT, ANY },
    { "client_connection: ", LB_PYTHON_CONTEXT, ANY },
};
static const struct opening upper_r[] = {
    { "Record was: ", LB_PYTHON_CONTEXT, ANY },
};
static const struct opening dash[] = {
    { "--------------------", LB_PYTHON_CONTEXT, ANY },
    { "--- Logging error ---", LB_PYTHON_LOGGING, WHOLE },
    { "--- Logging error in Loguru Handler ", LB_PYTHON_LOGGING, ANY },
    { "--- <exception caught here> ---", LB_PYTHON_INDENTED, WHOLE }, /* Twisted, between frames */
    { "--- End of logging error ---", LB_PYTHON_LOGGED, WHOLE },
};
static const struct opening upper_m[] = {
    { "Message: ", LB_PYTHON_LOGGED, ANY },
};
static const struct opening upper_a[] = {
    { "Arguments: ", LB_PYTHON_LOGGED, ANY },
    { "Accept failed on a socket", LB_PYTHON_HOOK, WHOLE },
};
static const struct opening upper_l[] = {
    { "Logged from file ", LB_PYTHON_LOGGED, ANY },
    { "LINE ", LB_PYTHON_DETAIL, ANY },
};
static const struct opening lower_g[] = {
    { "goroutine ", LB_PYTHON_GOROUTINE, COLON },
};
static const struct opening bracket[] = {
    { "[signal SIG", LB_PYTHON_CALLED, ANY },
    { "[SQL: ", LB_PYTHON_DETAIL, ANY },
    { "[parameters: ", LB_PYTHON_DETAIL, ANY },
};
static const struct opening parenthesis[] = {
    { "(Background on this error at: ", LB_PYTHON_DETAIL, ANY },
};
static const struct opening less[] = {
    { "<no Python frame>", LB_PYTHON_DUMPED, WHOLE },
    { "<truncated rest of calls>", LB_PYTHON_DUMPED, WHOLE },
};
static const struct opening upper_n[] = {
    { "NoneType: None", LB_PYTHON_NO_ERROR, WHOLE },
};
static const struct opening quote[] = {
    { "\"\"\"", LB_PYTHON_QUOTES, WHOLE },
};

#define ROWS(table)                               \
    {                                             \
        table, sizeof(table) / sizeof((table)[0]) \
    }
static const struct {
    const struct opening *rows;
    size_t count;
} by_first[256] = {
    ['T'] = ROWS(upper_t), ['E'] = ROWS(upper_e), ['O'] = ROWS(upper_o),     ['S'] = ROWS(upper_s),
    ['C'] = ROWS(upper_c), ['s'] = ROWS(lower_s), ['D'] = ROWS(upper_d),     ['U'] = ROWS(upper_u),
    ['F'] = ROWS(upper_f), ['u'] = ROWS(lower_u), ['a'] = ROWS(lower_a),     ['I'] = ROWS(upper_i),
    ['P'] = ROWS(upper_p), ['f'] = ROWS(lower_f), ['t'] = ROWS(lower_t),     ['h'] = ROWS(lower_h),
    ['p'] = ROWS(lower_p), ['c'] = ROWS(lower_c), ['R'] = ROWS(upper_r),     ['-'] = ROWS(dash),
    ['M'] = ROWS(upper_m), ['A'] = ROWS(upper_a), ['L'] = ROWS(upper_l),     ['<'] = ROWS(less),
    ['N'] = ROWS(upper_n), ['\"'] = ROWS(quote),  ['e'] = ROWS(lower_e),     ['H'] = ROWS(upper_h),
    ['['] = ROWS(bracket), ['g'] = ROWS(lower_g), ['('] = ROWS(parenthesis),
};
#undef ROWS

static bool is_at_end(struct lb_python_cursor in)
{
    lb_python_eat_blanks(&in);
    return lb_python_peek(&in) < 0;
}

/* Is the last visible byte a colon? */
static bool ends_in_colon(struct lb_python_cursor in)
{
    for (const char *at = in.end; at > in.at; at--) {
        struct lb_python_cursor tail = { at, in.end };

        if (at[-1] == ':' && is_at_end(tail))
            return true;
        if (in.end - at > 16)
            break;
    }
    return false;
}

static bool goes_on(struct lb_python_cursor in, enum end end)
{
    if (end == ANY)
        return true;
    return end == WHOLE ? is_at_end(in) : ends_in_colon(in);
}

enum lb_python_kind lb_python_words_find(struct lb_python_cursor in)
{
    int first = lb_python_peek(&in);

    for (size_t i = 0; first >= 0 && i < by_first[first].count; i++) {
        const struct opening *opening = &by_first[first].rows[i];
        struct lb_python_cursor rest = in;

        if (lb_python_eat(&rest, opening->words) && goes_on(rest, opening->end))
            return opening->kind;
    }
    return LB_PYTHON_TEXT;
}

/* ---- the lines of a firehose ---- */

static inline bool begins_with(const char *text, size_t len, const char *word)
{
    size_t at = 1; /* the first is known to be the same */

    while (at < len && word[at] != '\0' && text[at] == word[at])
        at++;
    return word[at] == '\0';
}

/* Of those that are read by their own functions, the beginnings. */
static const char *const others[] = { "Thread 0x", "Current thread 0x",
                                      "Fatal Python error: ", "Windows fatal " };

static bool may_open(const char *text, size_t len)
{
    const struct opening *rows = by_first[(unsigned char)text[0]].rows;
    size_t count = by_first[(unsigned char)text[0]].count;

    for (size_t i = 0; i < count; i++)
        if (begins_with(text, len, rows[i].words))
            return true;
    return false;
}

static bool may_be_other(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (others[i][0] == text[0] && begins_with(text, len, others[i]))
            return true;
    return false;
}

/* A path, a line's number, and a type: in few other lines the first colon is followed so. */
static bool may_warn(const char *text, size_t len)
{
    const char *at = memchr(text, ':', len), *end = text + len;

    if (at == NULL || at + 1 == end || !lb_python_is_digit(at[1]))
        return false;
    for (at++; at < end && lb_python_is_digit(*at);)
        at++;
    return end - at > 2 && at[0] == ':' && at[1] == ' ';
}

/* What a line's first byte tells; those without a row begin ordinary lines only. */
enum first { ORDINARY = 0, MATTERS, MAY_OPEN, MAY_WARN = 4, MAY_BE_OTHER = 8 };

static const unsigned char firsts[256] = {
    [' '] = MATTERS,
    ['\t'] = MATTERS,
    ['\r'] = MATTERS,
    ['>'] = MATTERS,
    [0xe2] = MATTERS, /* rich's boxes */
    ['"'] = MAY_OPEN,
    ['-'] = MAY_OPEN,
    ['<'] = MAY_OPEN | MAY_WARN,
    ['/'] = MAY_WARN,
    ['.'] = MAY_WARN,
    ['_'] = MAY_WARN,
    ['A' ... 'B'] = MAY_OPEN | MAY_WARN,
    ['C'] = MAY_OPEN | MAY_WARN | MAY_BE_OTHER,
    ['D' ... 'E'] = MAY_OPEN | MAY_WARN,
    ['F'] = MAY_OPEN | MAY_WARN | MAY_BE_OTHER,
    ['G' ... 'S'] = MAY_OPEN | MAY_WARN,
    ['T'] = MAY_OPEN | MAY_WARN | MAY_BE_OTHER,
    ['U' ... 'V'] = MAY_OPEN | MAY_WARN,
    ['W'] = MAY_OPEN | MAY_WARN | MAY_BE_OTHER,
    ['X' ... 'Z'] = MAY_OPEN | MAY_WARN,
    ['a' ... 'z'] = MAY_OPEN | MAY_WARN,
};

bool lb_python_line_may_matter(const char *text, size_t len)
{
    unsigned char first, last;

    if (len > 0 && text[0] == LB_PYTHON_ESC) {
        struct lb_python_cursor in = { text, text + len };

        lb_python_peek(&in);
        len -= (size_t)(in.at - text);
        text = in.at;
    }
    if (len == 0)
        return true;
    last = (unsigned char)text[len - 1];
    if (last == 'm' || last == ' ' || last == '\r') {
        len = lb_python_visible_length(text, len);
        if (len == 0)
            return true;
        last = (unsigned char)text[len - 1];
    }
    first = firsts[(unsigned char)text[0]];
    if (last == ':' || last == '>' || first == MATTERS)
        return true;
    return ((first & MAY_OPEN) && may_open(text, len)) || ((first & MAY_WARN) && may_warn(text, len)) ||
           ((first & MAY_BE_OTHER) && may_be_other(text, len));
}
