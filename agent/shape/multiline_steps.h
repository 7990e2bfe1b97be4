/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_MULTILINE_STEPS_H
#define LB_SHAPE_MULTILINE_STEPS_H

/*
 * The grammar of what a Python program prints, as a table. Private to multiline.c, which steps through it.
 */
#include <stdint.h>

#include "common/python_line.h"

enum phase {
    EMPTY = 0,
    PLAIN,       /* an ordinary line, and what is indented below it */
    PLAIN_HELD,  /* it ends in a colon, and a blank line came */
    FAILED,      /* an ordinary line that states error or worse */
    FAILED_HELD, /* lines of text below it: of its message, if a traceback follows */
    WARNED,      /* warnings.warn(), and its source line */
    WARNED_HELD, /* lines of text below it: of its text, if its source line follows */
    HOOK,        /* the header of a hook: the traceback comes next */
    HOOK_HELD,
    STACK, /* within a traceback: the exception is still to come */
    STACK_HELD,
    CALLS, /* within a stack that has no exception */
    CALLS_HELD,
    CREATED, /* likewise, and a traceback may follow */
    CREATED_HELD,
    RAISED,      /* the exception's line, and what is indented below it */
    RAISED_HELD, /* lines of text below it: of its message, if a chain goes on behind them */
    ANNOUNCED,   /* a message whose last line ends in a colon */
    ANNOUNCED_HELD,
    UNSAID,  /* an exception with a colon and nothing behind it: its message begins on the next line */
    CHAINED, /* the sentence between two tracebacks */
    CHAINED_HELD,
    GROUP,      /* within the margins of an exception group */
    GROUP_HELD, /* lines outside of the margin: of a message, if the group goes on behind them */
    TAIL,       /* the last lines of a logging error */
    DUMP,       /* faulthandler's */
    DUMP_HELD,
    PANICKED, /* a Go program's last words */
    CALLED,   /* and its goroutines */
    CALLED_HELD,
    STATED,      /* "Python runtime state": an exception may follow in the first column */
    UNSURE_HELD, /* a header with a prefix, below a line with the same one: is it on every line? */
    NOTHING,     /* a blank line: nothing belongs to it */
    PHASE_COUNT
};

enum why {
    NO_REASON,
    INDENTED,
    WARNING,
    STACK_ONLY,
    TRACEBACK,
    CHAIN,
    EXCEPTION_GROUP,
    LOGGING_ERROR,
    DUMPED
};

static const char *const reasons[] = {
    [NO_REASON] = "",
    [INDENTED] = "indented",
    [WARNING] = "warning",
    [STACK_ONLY] = "stack",
    [TRACEBACK] = "traceback",
    [CHAIN] = "chained traceback",
    [EXCEPTION_GROUP] = "exception group",
    [LOGGING_ERROR] = "logging error",
    [DUMPED] = "faulthandler",
};

enum answer {
    NEW = 0,
    JOIN,
    HOLD,
    IF_OWNED,
    IF_INTRODUCED,
    IF_DEEPER,
    IF_LOGGING,
    IF_REMOTE,
    HOLD_IF_COLON,
    HOLD_IF_SOURCED,
    JOIN_IF_ERROR, /* else hold */
    IF_ERROR,
    IF_INDENTED
};

struct cell {
    uint8_t answer, next;
};

#define K(kind) [LB_PYTHON_##kind]
#define MESSAGE_LINES                                                      \
    K(TEXT) = { HOLD, RAISED_HELD }, K(EXCEPTION) = { HOLD, RAISED_HELD }, \
    K(CONTEXT) = { HOLD, RAISED_HELD }, K(BLANK) = { HOLD, RAISED_HELD }, MESSAGE_ENDS
#define MESSAGE_ENDS                                                                              \
    K(CHAIN) = { JOIN, CHAINED }, K(NESTED) = { JOIN, STACK }, K(QUOTES) = { IF_REMOTE, RAISED }, \
    K(LOGGED) = { IF_LOGGING, TAIL }, K(DETAIL) = { JOIN, RAISED }
#define HEADERS     K(HEADER) = { JOIN, STACK }, K(GROUP) = { JOIN, GROUP }, K(REMOTE) = { JOIN, HOOK }
#define A_TRACEBACK HEADERS, K(RULE) = { JOIN, GROUP }

/* CPython 3.11 puts no margin in front of a message's further lines when nobody caught the group. */
#define PART_LINES                                                                            \
    K(RULE) = { JOIN, GROUP }, K(CHAIN) = { JOIN, CHAINED }, K(BLANK) = { HOLD, GROUP_HELD }, \
    K(TEXT) = { HOLD, GROUP_HELD }, K(INDENTED) = { HOLD, GROUP_HELD }, K(CONTEXT) = { HOLD, GROUP_HELD }

static const struct cell steps[PHASE_COUNT][LB_PYTHON_KIND_COUNT] = {
    [PLAIN] = { K(INDENTED) = { IF_DEEPER, PLAIN }, K(RULE) = { IF_DEEPER, PLAIN },
                K(RULE_END) = { IF_DEEPER, PLAIN }, K(HEADER) = { IF_OWNED, STACK },
                K(GROUP) = { IF_OWNED, GROUP }, K(REMOTE) = { IF_OWNED, HOOK },
                K(FRAME) = { IF_INTRODUCED, STACK }, K(CONTEXT) = { IF_OWNED, PLAIN },
                K(NO_ERROR) = { IF_OWNED, RAISED }, K(CALLS) = { JOIN, CALLS },
                K(CREATED) = { JOIN, CREATED }, K(BLANK) = { HOLD_IF_COLON, PLAIN_HELD },
                K(CAUSED) = { IF_INDENTED, PLAIN } },
    [PLAIN_HELD] = { K(INDENTED) = { IF_DEEPER, PLAIN }, K(BLANK) = { HOLD, PLAIN_HELD } },
    [FAILED] = { K(INDENTED) = { IF_DEEPER, FAILED }, A_TRACEBACK, K(RULE_END) = { IF_DEEPER, FAILED },
                 K(FRAME) = { JOIN, STACK }, K(CONTEXT) = { JOIN, FAILED }, K(NO_ERROR) = { JOIN, RAISED },
                 K(CALLS) = { JOIN, CALLS }, K(CREATED) = { JOIN, CREATED }, K(TEXT) = { HOLD, FAILED_HELD },
                 K(EXCEPTION) = { JOIN_IF_ERROR, FAILED_HELD }, K(BLANK) = { HOLD, FAILED_HELD },
                 K(CAUSED) = { IF_INDENTED, FAILED } },
    [FAILED_HELD] = { A_TRACEBACK, K(CALLS) = { JOIN, CALLS }, K(CREATED) = { JOIN, CREATED },
                      K(CHAIN) = { JOIN, CHAINED }, K(TEXT) = { HOLD, FAILED_HELD },
                      K(EXCEPTION) = { HOLD, FAILED_HELD }, K(BLANK) = { HOLD, FAILED_HELD },
                      K(INDENTED) = { HOLD, FAILED_HELD }, K(CONTEXT) = { HOLD, FAILED_HELD } },
    [WARNED] = { K(INDENTED) = { JOIN, WARNED }, K(ALLOCATED) = { JOIN, WARNED },
                 K(CREATED) = { JOIN, CREATED }, K(TEXT) = { HOLD_IF_SOURCED, WARNED_HELD },
                 K(EXCEPTION) = { HOLD_IF_SOURCED, WARNED_HELD },
                 K(BLANK) = { HOLD_IF_SOURCED, WARNED_HELD } },
    [WARNED_HELD] = { K(INDENTED) = { JOIN, WARNED }, K(TEXT) = { HOLD, WARNED_HELD },
                      K(EXCEPTION) = { HOLD, WARNED_HELD }, K(BLANK) = { HOLD, WARNED_HELD } },
    [HOOK] = { A_TRACEBACK, K(RULE_END) = { JOIN, GROUP }, K(FRAME) = { JOIN, STACK },
               K(CALLS) = { JOIN, CALLS }, K(CREATED) = { JOIN, CREATED },
               K(EXCEPTION) = { IF_ERROR, RAISED }, K(CONTEXT) = { JOIN, HOOK }, K(INDENTED) = { JOIN, HOOK },
               K(QUOTES) = { IF_REMOTE, HOOK }, K(BLANK) = { HOLD, HOOK_HELD },
               K(CAUSED) = { IF_INDENTED, HOOK } },
    [HOOK_HELD] = { A_TRACEBACK, K(INDENTED) = { JOIN, HOOK }, K(BLANK) = { HOLD, HOOK_HELD } },
    [STACK] = { K(FRAME) = { JOIN, STACK }, K(INDENTED) = { JOIN, STACK }, K(RULE) = { JOIN, STACK },
                K(RULE_END) = { JOIN, STACK }, K(EXCEPTION) = { JOIN, RAISED }, K(REMOTE) = { JOIN, HOOK },
                K(BLANK) = { HOLD, STACK_HELD } },
    [STACK_HELD] = { K(FRAME) = { JOIN, STACK }, K(INDENTED) = { JOIN, STACK },
                     K(EXCEPTION) = { JOIN, RAISED }, K(BLANK) = { HOLD, STACK_HELD } },
    [CALLS] = { K(FRAME) = { JOIN, CALLS }, K(INDENTED) = { JOIN, CALLS }, K(LOGGED) = { IF_LOGGING, TAIL },
                K(BLANK) = { HOLD, CALLS_HELD } },
    [CALLS_HELD] = { K(FRAME) = { JOIN, CALLS }, K(BLANK) = { HOLD, CALLS_HELD } },
    [CREATED] = { K(FRAME) = { JOIN, CREATED }, K(INDENTED) = { JOIN, CREATED },
                  K(CONTEXT) = { JOIN, CREATED }, K(ALLOCATED) = { JOIN, CREATED },
                  K(HEADER) = { IF_OWNED, STACK }, K(GROUP) = { IF_OWNED, GROUP },
                  K(BLANK) = { HOLD, CREATED_HELD } },
    [CREATED_HELD] = { K(FRAME) = { JOIN, CREATED }, K(BLANK) = { HOLD, CREATED_HELD } },
    [RAISED] = { MESSAGE_LINES, K(INDENTED) = { JOIN, RAISED }, K(RULE) = { JOIN, RAISED },
                 K(RULE_END) = { JOIN, RAISED }, K(CALLS) = { JOIN, CALLS } },
    [RAISED_HELD] = { MESSAGE_LINES, K(INDENTED) = { HOLD, RAISED_HELD }, K(FRAME) = { HOLD, RAISED_HELD },
                      K(CALLS) = { IF_LOGGING, CALLS } },
    [ANNOUNCED] = { HEADERS, MESSAGE_ENDS, K(INDENTED) = { JOIN, RAISED }, K(RULE) = { JOIN, RAISED },
                    K(RULE_END) = { JOIN, RAISED }, K(CALLS) = { JOIN, CALLS },
                    K(TEXT) = { HOLD, RAISED_HELD }, K(EXCEPTION) = { HOLD, RAISED_HELD },
                    K(CONTEXT) = { HOLD, RAISED_HELD }, K(BLANK) = { HOLD, ANNOUNCED_HELD } },
    [ANNOUNCED_HELD] = { HEADERS, MESSAGE_ENDS, K(INDENTED) = { JOIN, RAISED },
                         K(TEXT) = { HOLD, RAISED_HELD }, K(EXCEPTION) = { HOLD, RAISED_HELD },
                         K(CONTEXT) = { HOLD, RAISED_HELD }, K(BLANK) = { HOLD, ANNOUNCED_HELD } },
    [UNSAID] = { HEADERS, MESSAGE_ENDS, K(INDENTED) = { JOIN, RAISED }, K(TEXT) = { JOIN, RAISED },
                 K(EXCEPTION) = { JOIN, RAISED }, K(CONTEXT) = { JOIN, RAISED },
                 K(BLANK) = { HOLD, ANNOUNCED_HELD } },
    [CHAINED] = { A_TRACEBACK, K(FRAME) = { JOIN, STACK }, K(EXCEPTION) = { JOIN, RAISED },
                  K(BLANK) = { HOLD, CHAINED_HELD } },
    [CHAINED_HELD] = { A_TRACEBACK, K(FRAME) = { JOIN, STACK }, K(EXCEPTION) = { JOIN, RAISED },
                       K(BLANK) = { HOLD, CHAINED_HELD } },
    [GROUP] = { PART_LINES, K(EXCEPTION) = { JOIN, RAISED } },
    [GROUP_HELD] = { PART_LINES, K(EXCEPTION) = { HOLD, GROUP_HELD } },
    [TAIL] = { K(INDENTED) = { JOIN, TAIL }, K(LOGGED) = { JOIN, TAIL } },
    [DUMP] = { K(FRAME) = { JOIN, DUMP }, K(INDENTED) = { JOIN, DUMP }, K(THREAD) = { JOIN, DUMP },
               K(DUMPED) = { JOIN, DUMP }, K(STATE) = { JOIN, STATED }, K(BLANK) = { HOLD, DUMP_HELD } },
    [DUMP_HELD] = { K(THREAD) = { JOIN, DUMP }, K(DUMPED) = { JOIN, DUMP }, K(STATE) = { JOIN, STATED },
                    K(BLANK) = { HOLD, DUMP_HELD } },
    [PANICKED] = { K(INDENTED) = { JOIN, PANICKED }, K(CALLED) = { JOIN, PANICKED },
                   K(GOROUTINE) = { JOIN, CALLED }, K(BLANK) = { HOLD, CALLED_HELD } },
    [CALLED] = { K(INDENTED) = { JOIN, CALLED }, K(CALLED) = { JOIN, CALLED },
                 K(GOROUTINE) = { JOIN, CALLED }, K(BLANK) = { HOLD, CALLED_HELD } },
    [CALLED_HELD] = { K(GOROUTINE) = { JOIN, CALLED }, K(BLANK) = { HOLD, CALLED_HELD } },
    [STATED] = { K(EXCEPTION) = { JOIN, DUMP }, K(HEADER) = { JOIN, STACK }, K(THREAD) = { JOIN, DUMP },
                 K(DUMPED) = { JOIN, DUMP }, K(BLANK) = { HOLD, DUMP_HELD } },
};

/* What a first line opens. Others are ordinary. */
static const uint8_t opens[LB_PYTHON_KIND_COUNT] = {
    K(HEADER) = STACK,   K(NESTED) = STACK,     K(FRAME) = STACK,  K(GROUP) = GROUP,    K(CHAIN) = CHAINED,
    K(REMOTE) = HOOK,    K(HOOK) = HOOK,        K(LOGGING) = HOOK, K(CALLS) = CALLS,    K(CREATED) = CREATED,
    K(FATAL) = DUMP,     K(THREAD) = DUMP,      K(STATE) = STATED, K(WARNING) = WARNED, K(BLANK) = NOTHING,
    K(PANIC) = PANICKED, K(GOROUTINE) = CALLED,
};

static const uint8_t why_of_phase[PHASE_COUNT] = {
    [PLAIN] = INDENTED,     [FAILED] = INDENTED,       [WARNED] = WARNING,      [HOOK] = TRACEBACK,
    [STACK] = TRACEBACK,    [CALLS] = STACK_ONLY,      [CREATED] = STACK_ONLY,  [RAISED] = TRACEBACK,
    [CHAINED] = CHAIN,      [GROUP] = EXCEPTION_GROUP, [ANNOUNCED] = TRACEBACK, [UNSAID] = TRACEBACK,
    [TAIL] = LOGGING_ERROR, [PANICKED] = STACK_ONLY,   [CALLED] = STACK_ONLY,   [DUMP] = DUMPED,
    [STATED] = DUMPED,
};
#undef K

#endif
