/* SPDX-License-Identifier: MIT */
#ifndef LB_PYTHON_LINE_H
#define LB_PYTHON_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What one line of a Python program's output is, seen by itself: CPython 3.8 to
 * 3.13, logging, asyncio, multiprocessing, faulthandler, loguru. Colours are
 * seen through. A line alone is often ambiguous ("Done: 5" could name an
 * exception): whether it is what it looks like is for the reader of many lines
 * to say.
 */
enum lb_python_kind {
    LB_PYTHON_TEXT = 0,  /* none of the following */
    LB_PYTHON_BLANK,     /* nothing to see, within a group's margin neither */
    LB_PYTHON_INDENTED,  /* source, carets, "[Previous line repeated ...", the rest of a message */
    LB_PYTHON_START,     /* the beginning of an ordinary log line: a timestamp, a level word, JSON, ... */
    LB_PYTHON_HEADER,    /* Traceback (most recent call last): */
    LB_PYTHON_GROUP,     /* + Exception Group Traceback (most recent call last): */
    LB_PYTHON_NESTED,    /* Original Traceback (most recent call last): it stands in a message */
    LB_PYTHON_FRAME,     /* File "x", line N, in f */
    LB_PYTHON_EXCEPTION, /* a.b.Kind: message */
    LB_PYTHON_NAMED,     /* _kind: message, a.b.kind: one only where a traceback lacks its exception */
    LB_PYTHON_NO_ERROR,  /* NoneType: None, which logging.exception() says where nothing was raised */
    LB_PYTHON_CHAIN,     /* During handling of the above exception, ... */
    LB_PYTHON_RULE,      /* +-+---------------- 1 ---------------- */
    LB_PYTHON_RULE_END,  /* +------------------------------------ */
    LB_PYTHON_REMOTE,    /* multiprocessing.pool.RemoteTraceback:, billiard.einfo.ExceptionWithTraceback: */
    LB_PYTHON_QUOTES,    /* """, around what a RemoteTraceback quotes */
    LB_PYTHON_HOOK,      /* Exception in thread X:, Exception ignored in: ... : a traceback comes next */
    LB_PYTHON_CONTEXT, /* future: <...>, handle: <...>, Record was: ... : between a hook and its traceback */
    LB_PYTHON_CALLS,   /* Stack (most recent call last): frames without an exception */
    LB_PYTHON_CREATED, /* Object created at (most recent call last): likewise, in front of a traceback */
    LB_PYTHON_LOGGING, /* --- Logging error --- */
    LB_PYTHON_LOGGED,  /* Message: ..., Arguments: ..., which end a logging error */
    LB_PYTHON_FATAL,   /* Fatal Python error: ..., Timeout (0:00:05)! */
    LB_PYTHON_THREAD,  /* Thread 0x... (most recent call first): */
    LB_PYTHON_DUMPED,  /* Extension modules: ..., <no Python frame> */
    LB_PYTHON_STATE,   /* Python runtime state: ... */
    LB_PYTHON_WARNING, /* path:N: UserWarning: text */
    LB_PYTHON_ALLOCATED, /* ResourceWarning: Enable tracemalloc to get ... */
    LB_PYTHON_DETAIL, /* [SQL: ..., LINE 1: ..., On instance: : the rest of a message, by well-known libraries
                       */
    LB_PYTHON_PANIC,  /* panic: ..., fatal error: ..., of a Go program */
    LB_PYTHON_GOROUTINE, /* goroutine 7 [running]: */
    LB_PYTHON_CALLED,    /* created by main.main, [signal SIGSEGV: ... : likewise */
    LB_PYTHON_CAUSED,    /* Caused by: ..., a JVM below */
    LB_PYTHON_KIND_COUNT
};

/* A part of a line, by position. len 0: there is none. It may hold colours, but does not begin or end in one.
 */
struct lb_python_span {
    uint32_t at, len;
};

struct lb_python_line {
    enum lb_python_kind kind;
    uint32_t indent; /* blanks in front, within the margin if there is one */
    uint32_t margin; /* column behind a group's "|" or "+"; 0: there is no margin */
    bool is_proper;  /* EXCEPTION: the name ends in a word that begins in upper case, as classes do */
    bool is_current; /* THREAD: the one that was running */
    struct lb_python_span
        name; /* EXCEPTION, NAMED, REMOTE, WARNING: the type; FATAL: what happened; THREAD: "Thread" */
    struct lb_python_span message;  /* of those; may be empty */
    struct lb_python_span file;     /* FRAME, WARNING */
    struct lb_python_span function; /* FRAME; none for a SyntaxError's */
};

/*
 * Say what a line is.
 *   text     len bytes without the line's end, and without a prefix that a logger or a container put there
 *   calls    any thread; a pure function, no allocation
 */
void lb_python_line_read(const char *text, size_t len, struct lb_python_line *ret);

/*
 * Can the line be anything but ordinary text, as far as its first and last byte tell? What costs least, for
 * the lines of a firehose: false for nearly all of them, and then nothing else need be asked.
 */
bool lb_python_line_may_matter(const char *text, size_t len);

/*
 * The same for most lines of most services, in ten instructions: a digit, a bracket or a brace begins nothing
 * but an ordinary line, unless a header stands behind it. False says nothing.
 */
static inline bool lb_python_line_is_ordinary(const char *text, size_t len)
{
    char first = len > 0 ? text[0] : ' ', last = len > 0 ? text[len - 1] : ' ';

    return ((first >= '0' && first <= '9') || first == '[' || first == '{') && last != ':' && last != '>' &&
           last != 'm' && last != ' ' && last != '\r';
}

/*
 * Is it a group's sub-exceptions or their margin ("  | ", "  +-+---- 1 ----"), rather than any indented text?
 */
bool lb_python_line_is_grouped(const struct lb_python_line *read);

/*
 * Does an ordinary log line begin here: with a timestamp, a level word, "<N>", JSON, logfmt, an access log's
 * address? Colours are seen through.
 *   only_date  only what has a date or a time of day will do (an indented line)
 */
bool lb_python_line_starts_log(const char *text, size_t len, bool only_date);

/* Whether the beginning of a log line says that something failed. */
enum lb_python_mood { LB_PYTHON_MOOD_NONE = 0, LB_PYTHON_MOOD_CALM, LB_PYTHON_MOOD_FAILED };

/*
 * By the first level word in the beginning of a line of no known format: error, warning and the like, or info
 * and the like. A cut word at the end counts for nothing.
 */
enum lb_python_mood lb_python_line_mood(const char *text, size_t len);

#define LB_PYTHON_NOWHERE ((size_t)-1)

/*
 * Where in a line does the header of a traceback, of a stack or of a hook begin, that something was put in
 * front of? A group's "  + " belongs to the header. Headers are known by how the line ends, so this is cheap.
 *   returns  0: at the front (or there are only colours in front) | LB_PYTHON_NOWHERE: there is none
 */
size_t lb_python_prefix_find(const char *text, size_t len);

/*
 * Does the line begin as `prefix` does, which stood in front of an earlier
 * one? Runs of digits are alike. Blanks at the end of the prefix may be
 * missing at the end of the line.
 *   returns  length of the line's own prefix | LB_PYTHON_NOWHERE
 */
size_t lb_python_prefix_match(const char *prefix, size_t prefix_len, const char *text, size_t len);

/*
 * The first frame below a header: which part of the header's prefix stands in front of it, too?
 *   returns  bytes of `prefix`, 0: none of it
 */
size_t lb_python_prefix_share(const char *prefix, size_t prefix_len, const char *text, size_t len);

#endif
