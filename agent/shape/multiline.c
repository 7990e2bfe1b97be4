/* SPDX-License-Identifier: MIT */
/*
 * Which lines belong together. In: one line after the other. Out: whether it joins the record, waits for a
 * later one to tell, or begins the next record.
 *
 * The grammar is the table `steps` (multiline_steps.h): a row for each phase, that is for what was read last;
 * a column for each kind of line that goes on with the record. What has no cell begins the next one, so a
 * line is never joined because nobody thought of it. A phase that ends in _HELD has lines on hold: of these
 * the row says what must come for them to belong to the record after all.
 *
 *   ordinary line ─▶ HEADER ─▶ frames, source ─▶ exception ─▶ chain ─▶ HEADER ...
 *                      ▲                             └─▶ Stack ─▶ frames ─▶ Message, Arguments
 *   a hook's header ───┘
 *
 * A prefix in front of every line (a logger's that writes line by line, syslog's, a container's) is what
 * stands in front of the first header. Whether it is one is known by the line below: that one bears it, too,
 * or else only the header did ("ERROR:root:Traceback ...").
 *
 * Always true: a record's first line is joined; at most LB_MULTILINE_HOLD_MAX lines are on hold; no row has a
 * cell for LB_PYTHON_START, so a line that begins a log record is never swallowed.
 */
#include "agent/shape/multiline.h"

#include <string.h>

#include "agent/shape/multiline_parts.h"
#include "agent/shape/multiline_steps.h"
#include "common/level.h"
#include "common/python_line.h"
#include "common/python_line_cursor.h"

/* Of a logged message, and of a warning's; what comes later has more likely been printed by somebody else. */
#define FAILED_HOLD_MAX 2
#define WARNED_HOLD_MAX 4

enum {
    IS_LOGGING = 1,
    IS_REMOTE = 2,
    ENDS_IN_COLON = 4,
    IS_INDENTED = 8,
    IS_TENTATIVE = 16,
    IS_MANY = 32,
    IS_HEADED = 64,   /* a header came, which promises an exception's line */
    IS_SOURCED = 128, /* a warning of a file, which promises its source line */
};

/* ---- what the first line was ---- */

static void keep_head(struct lb_multiline *state, const char *text, size_t len)
{
    state->head_len = (uint8_t)(len < sizeof state->head ? len : sizeof state->head);
    memcpy(state->head, text, state->head_len);
}

/* Some logger's line, which tells of a failure or has no word for what it tells. */
static bool tells_of_failure(const char *text, size_t len)
{
    enum lb_python_mood mood;

    if (!lb_python_line_starts_log(text, len, false))
        return false;
    mood = lb_python_line_mood(text, len);
    return mood == LB_PYTHON_MOOD_FAILED ||
           (mood == LB_PYTHON_MOOD_NONE && lb_python_line_starts_log(text, len, true));
}

/*
 * Does a traceback directly below the first line belong to it? Loggers write both at once, so it does where
 * the line states warning or worse, and where it is some logger's but states nothing that is understood. What
 * states info, and what is only printed, goes on its way alone.
 */
static bool owns_traceback(const struct lb_multiline *state)
{
    if (state->level >= 0)
        return state->level <= LB_LEVEL_WARNING;
    if (state->phase != PLAIN && state->phase != FAILED)
        return true;
    return tells_of_failure(state->head, state->head_len);
}

/*
 * The same where a prefix of `same` bytes stands in front of both, and of all lines that follow. What a
 * logger says in it counts; the level that a container or syslog gives to every line does not, as what was
 * printed before the traceback has it as well.
 */
static bool owns_with_prefix(const struct lb_multiline *state, size_t same)
{
    struct lb_python_line line;

    lb_python_line_read(state->head + same, state->head_len - same, &line);
    if (line.kind == LB_PYTHON_HOOK || line.kind == LB_PYTHON_CONTEXT || line.kind == LB_PYTHON_LOGGING)
        return true;
    if (state->level >= 0 && state->level <= LB_LEVEL_ERROR &&
        lb_python_line_mood(state->head, same) == LB_PYTHON_MOOD_FAILED)
        return true;
    return tells_of_failure(state->head + same, state->head_len - same);
}

static bool is_introduced(const struct lb_multiline *state)
{
    return (state->flags & ENDS_IN_COLON) || (state->level >= 0 && state->level <= LB_LEVEL_WARNING);
}

static bool is_true(const struct lb_multiline *state, uint8_t condition, const struct lb_python_line *line)
{
    switch (condition) {
    case IF_OWNED:
        return owns_traceback(state);
    case IF_INTRODUCED:
        return is_introduced(state);
    case IF_DEEPER:
        return line->indent + line->margin > state->indent;
    case IF_LOGGING:
        return state->flags & IS_LOGGING;
    case IF_REMOTE:
        return state->flags & IS_REMOTE;
    case HOLD_IF_COLON:
        return state->flags & ENDS_IN_COLON;
    case HOLD_IF_SOURCED:
        return (state->flags & (IS_SOURCED | IS_MANY)) == IS_SOURCED;
    default:
        return state->flags & IS_INDENTED;
    }
}

static bool ends_in_colon(const char *text, size_t len)
{
    return len > 0 && text[len - 1] == ':';
}

static void note(struct lb_multiline *state, uint8_t next)
{
    state->phase = next;
    if (why_of_phase[next] > state->why)
        state->why = why_of_phase[next];
}

/* What a joined line changes besides the phase. */
static void note_line(struct lb_multiline *state, const char *text, const struct lb_python_line *line)
{
    if (line->kind == LB_PYTHON_HEADER || line->kind == LB_PYTHON_NESTED)
        state->flags |= IS_HEADED;
    if (line->kind == LB_PYTHON_REMOTE)
        state->flags |= IS_REMOTE;
    if (line->kind == LB_PYTHON_LOGGING) {
        state->flags |= IS_LOGGING;
        state->why = LOGGING_ERROR;
    }
    if (line->kind == LB_PYTHON_INDENTED)
        state->flags |= IS_INDENTED;
    if (line->kind == LB_PYTHON_EXCEPTION && state->phase == FAILED && state->why < TRACEBACK)
        state->why = TRACEBACK;
    if (line->kind == LB_PYTHON_WARNING && lb_multiline_is_script(text, line))
        state->flags |= IS_SOURCED;
    if (state->phase == GROUP && (state->margin == 0 || line->kind == LB_PYTHON_GROUP))
        state->margin = (uint16_t)line->margin;
    /* Its parts' margins are two columns further in, and so is the rule that ends the last of them. */
    if (state->phase == GROUP && line->kind == LB_PYTHON_RULE_END && line->margin <= state->margin + 2u)
        state->phase = RAISED;
}

/* ---- the first line ---- */

static enum lb_multiline_step begin_plain(struct lb_multiline *state, const char *text, size_t len, int level)
{
    state->phase = level >= 0 && level <= LB_LEVEL_ERROR ? FAILED : PLAIN;
    if (level <= LB_LEVEL_WARNING)
        keep_head(state, text, len);
    if (ends_in_colon(text, len))
        state->flags |= ENDS_IN_COLON;
    return LB_MULTILINE_JOIN;
}

/* Something stands in front of a header: the line below will tell whether it is on every line. */
static bool begin_prefixed(struct lb_multiline *state, const char *text, size_t len)
{
    struct lb_python_line line;
    size_t prefix = lb_python_prefix_find(text, len);

    if (prefix == LB_PYTHON_NOWHERE || prefix == 0 || prefix > sizeof state->head)
        return false;
    lb_python_line_read(text + prefix, len - prefix, &line);
    if (opens[line.kind] == EMPTY)
        return false;
    keep_head(state, text, len);
    state->prefix_len = (uint8_t)prefix;
    state->flags |= IS_TENTATIVE;
    note(state, opens[line.kind]);
    note_line(state, text + prefix, &line);
    return true;
}

static enum lb_multiline_step begin(struct lb_multiline *state, const char *text, size_t len, int level)
{
    struct lb_python_line line;

    lb_python_line_read(text, len, &line);
    state->indent =
        (uint16_t)(line.indent + line.margin < UINT16_MAX ? line.indent + line.margin : UINT16_MAX);
    if (opens[line.kind] != EMPTY || (lb_python_line_is_grouped(&line) && line.kind == LB_PYTHON_EXCEPTION)) {
        note(state, opens[line.kind] ? opens[line.kind] : GROUP);
        note_line(state, text, &line);
    } else if (!begin_prefixed(state, text, len)) {
        return begin_plain(state, text, len, level);
    }
    return LB_MULTILINE_JOIN;
}

/* ---- the lines below ---- */

/*
 * The kind of a line as far as this record is concerned. A group's margin makes all within it alike, and only
 * where a group is open or opens it makes any difference.
 */
static enum lb_python_kind kind_here(const struct lb_multiline *state, const char *text,
                                     const struct lb_python_line *line, int level)
{
    bool in_group = state->phase == GROUP || state->phase == GROUP_HELD;
    bool in_stack = state->phase == STACK || state->phase == STACK_HELD;

    if (line->margin > 0 && line->kind != LB_PYTHON_RULE_END) {
        if (line->kind == LB_PYTHON_GROUP)
            return line->kind;
        return in_group || lb_python_line_is_grouped(line) ? LB_PYTHON_RULE : LB_PYTHON_INDENTED;
    }
    if (line->margin > 0)
        return in_group ? LB_PYTHON_RULE : line->kind;
    if (level >= 0 && (line->kind == LB_PYTHON_TEXT || line->kind == LB_PYTHON_NAMED ||
                       (line->kind == LB_PYTHON_EXCEPTION && !line->is_proper)))
        return LB_PYTHON_START;
    if (level >= 0 && line->kind == LB_PYTHON_INDENTED && text[line->indent] >= 'A' &&
        text[line->indent] <= 'Z')
        return LB_PYTHON_START; /* rich, which leaves a repeated time out; JSON begins otherwise */
    if (line->kind == LB_PYTHON_CALLED && state->phase != CALLED && state->phase != PANICKED)
        return LB_PYTHON_TEXT;
    if (line->kind == LB_PYTHON_NAMED)
        return in_stack && (state->flags & IS_HEADED) ? LB_PYTHON_EXCEPTION : LB_PYTHON_TEXT;
    if (line->kind == LB_PYTHON_START && state->phase == STACK && line->indent >= 4)
        return LB_PYTHON_INDENTED;
    return line->kind;
}

static enum lb_multiline_step hold(struct lb_multiline *state, uint8_t next)
{
    unsigned max = next == FAILED_HELD   ? FAILED_HOLD_MAX
                   : next == WARNED_HELD ? WARNED_HOLD_MAX
                                         : LB_MULTILINE_HOLD_MAX;

    if (state->on_hold == max)
        return LB_MULTILINE_NEW;
    state->on_hold++;
    state->phase = next;
    return LB_MULTILINE_HOLD;
}

/*
 * What a cell says of an exception's line where no header came before: logging has exc_info=ValueError("x")
 * for what was never raised, and below a hook "Unauthorized: /" is the next line of a server's log.
 */
static struct cell settle(struct cell cell, const char *text, const struct lb_python_line *line)
{
    if (cell.answer == JOIN_IF_ERROR)
        return lb_multiline_is_error(text, line) ? (struct cell) { JOIN, FAILED }
                                                 : (struct cell) { HOLD, cell.next };
    if (cell.answer == IF_ERROR)
        cell.answer = lb_multiline_is_error(text, line) ? JOIN : NEW;
    return cell;
}

/* The phase behind a joined line: a colon at the end of an exception's message says that more of it comes. */
static uint8_t next_of(uint8_t next, const char *text, size_t len, const struct lb_python_line *line)
{
    if (next != RAISED || !ends_in_colon(text, lb_python_visible_length(text, len)))
        return next;
    if (line->kind == LB_PYTHON_EXCEPTION && line->message.len == 0)
        return text[len - 1] == ':' || text[len - 2] == ':' ? UNSAID : RAISED; /* else it is made of blanks */
    return ANNOUNCED;
}

static enum lb_multiline_step take(struct lb_multiline *state, const char *text, size_t len, int level)
{
    struct lb_python_line line;
    struct cell cell;
    uint8_t kind;

    lb_python_line_read(text, len, &line);
    kind = (uint8_t)kind_here(state, text, &line, level);
    if (state->phase == RAISED_HELD && kind == LB_PYTHON_INDENTED && lb_multiline_is_field(text, len))
        kind = LB_PYTHON_DETAIL;
    if (state->phase == STACK && kind == LB_PYTHON_BLANK && len > 0 && (text[0] == ' ' || text[0] == '\t'))
        kind = LB_PYTHON_INDENTED; /* Twisted indents all that is logged, its empty last line, too */
    if (state->phase == CALLED && kind != LB_PYTHON_START && lb_multiline_is_go_call(text, len))
        kind = LB_PYTHON_CALLED;
    cell = settle(steps[state->phase][kind], text, &line);
    if (cell.answer == NEW || (cell.answer > HOLD && !is_true(state, cell.answer, &line)))
        return LB_MULTILINE_NEW;
    if (cell.answer == HOLD || cell.answer == HOLD_IF_COLON || cell.answer == HOLD_IF_SOURCED)
        return hold(state, cell.next);
    state->on_hold = 0;
    state->flags =
        (uint8_t)((state->flags & ~ENDS_IN_COLON) | IS_MANY | (ends_in_colon(text, len) ? ENDS_IN_COLON : 0));
    note(state, next_of(cell.next, text, len, &line));
    note_line(state, text, &line);
    return LB_MULTILINE_JOIN;
}

/* ---- a prefix on every line ---- */

/*
 * Below a line that owns a traceback a header came with something in front of it, and that line may begin in
 * the same way. Whether it is on every line is known by the next one only.
 */
static bool hold_header(struct lb_multiline *state, const char *text, size_t len)
{
    size_t prefix = lb_python_prefix_find(text, len), same;
    struct lb_python_line line;

    if (prefix == LB_PYTHON_NOWHERE || prefix == 0 || state->head_len == 0)
        return false;
    lb_python_line_read(text + prefix, len - prefix, &line);
    same = lb_python_prefix_match(text, prefix, state->head, state->head_len);
    if (same == LB_PYTHON_NOWHERE || (line.kind != LB_PYTHON_HEADER && line.kind != LB_PYTHON_GROUP) ||
        !owns_with_prefix(state, same))
        return false;
    state->prefix_len = (uint8_t)same;
    state->after_prefix = line.kind == LB_PYTHON_GROUP ? GROUP : STACK;
    hold(state, UNSURE_HELD);
    return true;
}

/* The first line below a header with a prefix says whether that is on every line, or which part of it is. */
static size_t settle_prefix(struct lb_multiline *state, const char *text, size_t len)
{
    size_t front = lb_python_prefix_match(state->head, state->prefix_len, text, len);

    state->flags &= (uint8_t)~IS_TENTATIVE;
    if (front != LB_PYTHON_NOWHERE)
        return front;
    state->prefix_len = (uint8_t)lb_python_prefix_share(state->head, state->prefix_len, text, len);
    return lb_python_prefix_match(state->head, state->prefix_len, text, len);
}

static enum lb_multiline_step step_prefixed(struct lb_multiline *state, const char *text, size_t len,
                                            int level)
{
    bool is_settling = state->flags & IS_TENTATIVE || state->phase == UNSURE_HELD;
    size_t front = is_settling ? settle_prefix(state, text, len)
                               : lb_python_prefix_match(state->head, state->prefix_len, text, len);

    if (state->phase == UNSURE_HELD) {
        if (state->prefix_len == 0)
            return LB_MULTILINE_NEW;
        note(state, state->after_prefix);
    }
    if (front == LB_PYTHON_NOWHERE && len > 0)
        return LB_MULTILINE_NEW;
    return len == 0 || state->prefix_len == 0 ? take(state, text, len, level)
                                              : take(state, text + front, len - front, -1);
}

/* ---- one line ---- */

__attribute__((noinline)) /* it needs room on the stack that ordinary lines do not */
static enum lb_multiline_step
step_python(struct lb_multiline *state, const char *text, size_t len, int level)
{
    if (state->phase == EMPTY) {
        state->level = (int8_t)level;
        return lb_python_line_may_matter(text, len) ? begin(state, text, len, level)
                                                    : begin_plain(state, text, len, level);
    }
    if (state->prefix_len > 0)
        return step_prefixed(state, text, len, level);
    if (state->phase == PLAIN && !lb_python_line_may_matter(text, len))
        return LB_MULTILINE_NEW;
    if ((state->phase == PLAIN || state->phase == FAILED) && hold_header(state, text, len))
        return LB_MULTILINE_HOLD;
    return take(state, text, len, level);
}

static enum lb_multiline_step step_indent(struct lb_multiline *state, const char *text, size_t len)
{
    size_t indent = 0;

    while (indent < len && indent < UINT16_MAX && (text[indent] == ' ' || text[indent] == '\t'))
        indent++;
    if (state->phase == EMPTY) {
        state->phase = PLAIN;
        state->indent = indent == len ? UINT16_MAX : (uint16_t)indent; /* nothing belongs to a blank line */
        return LB_MULTILINE_JOIN;
    }
    if (indent <= state->indent || indent == len)
        return LB_MULTILINE_NEW;
    state->why = INDENTED;
    state->flags |= IS_MANY;
    return LB_MULTILINE_JOIN;
}

static enum lb_multiline_step step(struct lb_multiline *state, enum lb_multiline_mode mode, const char *text,
                                   size_t len, int level)
{
    bool is_first = state->phase == EMPTY;

    if (mode == LB_MULTILINE_PYTHON)
        return step_python(state, text, len, level);
    if (mode == LB_MULTILINE_INDENT)
        return step_indent(state, text, len);
    state->phase = PLAIN;
    return is_first ? LB_MULTILINE_JOIN : LB_MULTILINE_NEW;
}

static inline bool is_ordinary(const struct lb_multiline *state, const char *text, size_t len)
{
    return lb_python_line_is_ordinary(text, len) ||
           (state->prefix_len == 0 && !lb_python_line_may_matter(text, len));
}

/* Whatever is open, a line that begins so and states a level ends it, as no row of the table has a cell for
 * it.
 */
static inline bool is_log(const struct lb_multiline *state, const char *text, size_t len, int level)
{
    return level >= 0 && state->on_hold == 0 && state->prefix_len == 0 &&
           lb_python_line_is_ordinary(text, len);
}

/* What nearly every line is: an ordinary one, below an ordinary one or at the beginning. */
static inline enum lb_multiline_step begin_ordinary(struct lb_multiline *state, const char *text, size_t len,
                                                    int level)
{
    enum lb_multiline_step answer = state->phase == EMPTY ? LB_MULTILINE_JOIN : LB_MULTILINE_NEW;

    lb_multiline_reset(state);
    state->level = (int8_t)level;
    state->phase = PLAIN;
    if (level <= LB_LEVEL_WARNING)
        begin_plain(state, text, len, level);
    return answer;
}

enum lb_multiline_step lb_multiline_step(struct lb_multiline *state, enum lb_multiline_mode mode,
                                         const char *text, size_t len, int level)
{
    enum lb_multiline_step answer;

    if (mode == LB_MULTILINE_PYTHON &&
        (state->phase <= PLAIN ? is_ordinary(state, text, len) : is_log(state, text, len, level)))
        return begin_ordinary(state, text, len, level);
    answer = step(state, mode, text, len, level);
    if (answer == LB_MULTILINE_NEW && state->on_hold == 0) {
        lb_multiline_reset(state);
        step(state, mode, text, len, level); /* it begins a record: it is joined */
    }
    return answer;
}

bool lb_multiline_waits(const struct lb_multiline *state)
{
    switch (state->phase) {
    case EMPTY:
    case PLAIN:
    case TAIL:
    case NOTHING:
        return false;
    case WARNED:
        return !(state->flags & IS_MANY);
    default:
        return true;
    }
}

const char *lb_multiline_why(const struct lb_multiline *state)
{
    return state->flags & IS_MANY ? reasons[state->why] : "";
}
