/* SPDX-License-Identifier: MIT */
/*
 * What a traceback says. In: a joined record. Out: the type, the message, the innermost frame, and a
 * fingerprint.
 *
 * A record holds parts: frames, and the exception that ended them. Chained tracebacks are parts one behind
 * the other, of which the last was raised; a group is a part whose sub-exceptions, further in, are parts as
 * well. What is told is that of the last part of the outermost margin. The fingerprint is of all parts, since
 * the same error below another cause is another fault; but each frame counts once in a part, and a part that
 * is the same as the one before it not at all: neither the depth of a recursion nor how many tasks failed
 * alike makes a difference.
 *
 * A dump of faulthandler lists threads, the innermost frame first. Its part is that of the current thread, or
 * of the last one, which is the main thread: what the others did at that time is chance.
 *
 * Always true: every span lies in the text; the text is read once, line by line.
 */
#include "agent/shape/traceback.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/python_line.h"
#include "common/python_line_cursor.h"

#define FRAMES_SEEN 64 /* of a part; more than any stack has different ones but for recursion's */
#define WORDS_MAX   16 /* of a first line that are tried as the beginning of a warning */

struct reader {
    const char *text;
    size_t len;
    const char *prefix; /* the line that showed one; NULL: none has */
    size_t prefix_len;
    bool is_prefix_settled;
    bool expects_exception; /* frames, a rule or a chain say that one comes */
    bool in_message;        /* of the exception that is told */
    bool in_calls;          /* frames that lead to no exception */
    bool is_begun;          /* the stack */
    bool has_header, has_frame, has_exception, has_dump, has_current;
    uint32_t margin; /* of what is told: 0, or that of the outermost group */
    uint64_t seen[FRAMES_SEEN];
    unsigned frames;
    uint64_t part, last_part, all;
    struct lb_traceback *out;
};

/* ---- fingerprints ---- */

/* Hash what is visible, without addresses: "<function f at 0x7f..>" is the same one in every process. */
static uint64_t fold(uint64_t hash, const char *text, size_t len)
{
    struct lb_python_cursor in = { text, text + len };
    char room[256];
    size_t at = 0;

    for (int c, before = 0; (c = lb_python_peek(&in)) >= 0; before = c) {
        room[at++] = (char)c;
        in.at++;
        if (c == 'x' && before == '0')
            while ((c = lb_python_peek(&in)) >= 0 && strchr("0123456789abcdefABCDEF", c) != NULL && c != '\0')
                in.at++;
        if (at == sizeof room) {
            hash = XXH3_64bits_withSeed(room, at, hash);
            at = 0;
        }
    }
    return XXH3_64bits_withSeed(room, at, hash + 1);
}

static uint64_t fold_number(uint64_t hash, uint64_t number)
{
    return XXH3_64bits_withSeed(&number, sizeof number, hash);
}

static void forget_frames(struct reader *in)
{
    in->frames = 0;
    in->part = 0;
}

static void end_part(struct reader *in, const char *line, const struct lb_python_span *kind)
{
    uint64_t part = fold(in->part, line + kind->at, kind->len);

    if (part != in->last_part)
        in->all = fold_number(in->all, part);
    in->last_part = part;
    forget_frames(in);
}

static void add_frame(struct reader *in, const char *line, const struct lb_python_line *read)
{
    uint64_t frame = fold(0, line + read->file.at, read->file.len);

    frame = fold(frame, line + read->function.at, read->function.len);
    for (unsigned i = 0; i < in->frames && i < FRAMES_SEEN; i++)
        if (in->seen[i] == frame)
            return;
    in->seen[in->frames++ % FRAMES_SEEN] = frame;
    in->part = fold_number(in->part, frame);
}

/* ---- lines ---- */

static struct lb_span span_in(const struct reader *in, const char *line, const struct lb_python_span *span)
{
    return (struct lb_span) { (uint32_t)(line - in->text) + span->at, span->len };
}

static void begin_stack(struct reader *in, const char *line)
{
    if (!in->is_begun)
        in->out->stack.at = (uint32_t)(line - in->text);
    in->is_begun = true;
}

static void on_header(struct reader *in, const char *line, const struct lb_python_line *read)
{
    begin_stack(in, line);
    forget_frames(in);
    in->has_header = in->expects_exception = true;
    in->in_message = in->in_calls = false;
    if (read->margin == 0 || read->kind == LB_PYTHON_GROUP)
        in->margin = read->margin;
}

static bool is_told(const struct reader *in, const struct lb_python_line *read)
{
    return read->margin <= in->margin;
}

static void on_frame(struct reader *in, const char *line, const struct lb_python_line *read)
{
    bool is_innermost = !in->has_dump || in->frames == 0;

    if (in->in_calls)
        return;
    begin_stack(in, line);
    in->has_frame = true;
    if (!in->has_dump)
        in->expects_exception = true;
    if (is_innermost && is_told(in, read)) {
        in->out->file = span_in(in, line, &read->file);
        in->out->function = span_in(in, line, &read->function);
    }
    add_frame(in, line, read);
}

static void on_exception(struct reader *in, const char *line, const struct lb_python_line *read)
{
    begin_stack(in, line);
    in->expects_exception = in->in_calls = false;
    in->has_exception = true;
    in->in_message = is_told(in, read);
    if (in->in_message) {
        in->out->kind = span_in(in, line, &read->name);
        in->out->message = span_in(in, line, &read->message);
    }
    end_part(in, line, &read->name);
}

static void on_dump(struct reader *in, const char *line, const struct lb_python_line *read)
{
    begin_stack(in, line);
    in->has_dump = in->out->is_fatal = true;
    in->in_message = in->expects_exception = false;
    if (in->out->kind.len == 0) {
        in->out->kind = span_in(in, line, &read->name);
        in->out->message = span_in(in, line, &read->message);
    }
    in->in_calls = in->has_current;
    in->has_current = in->has_current || read->is_current;
    if (!in->in_calls)
        forget_frames(in);
}

/* What stands below an exception's line and is nothing else is of its message. Blank lines are if more
 * follows. */
static void on_text(struct reader *in, const char *line, size_t len, const struct lb_python_line *read)
{
    struct lb_span *message = &in->out->message;
    struct lb_python_cursor at = { line, line + len };
    const char *end = NULL;

    if (!in->in_message || read->kind == LB_PYTHON_BLANK || !is_told(in, read))
        return;
    for (; lb_python_peek(&at) >= 0; at.at++)
        if (!lb_python_is_blank((unsigned char)*at.at))
            end = at.at + 1;
    if (end != NULL && message->len > 0)
        message->len = (uint32_t)(end - in->text) - message->at;
    else if (end != NULL)
        *message = (struct lb_span) { (uint32_t)(line - in->text), (uint32_t)(end - line) };
}

static bool is_headless_group(const struct reader *in, const struct lb_python_line *read)
{
    return !in->is_begun && read->margin > 0 && read->kind == LB_PYTHON_EXCEPTION;
}

static void on_line(struct reader *in, const char *line, size_t len)
{
    struct lb_python_line read;

    lb_python_line_read(line, len, &read);
    switch (read.kind) {
    case LB_PYTHON_HEADER:
    case LB_PYTHON_GROUP:
    case LB_PYTHON_NESTED:
    case LB_PYTHON_REMOTE:
        on_header(in, line, &read);
        break;
    case LB_PYTHON_FRAME:
        on_frame(in, line, &read);
        break;
    case LB_PYTHON_EXCEPTION:
    case LB_PYTHON_NAMED:
        if (is_headless_group(in, &read))
            in->margin = read.margin;
        if (in->expects_exception || is_headless_group(in, &read))
            on_exception(in, line, &read);
        else
            on_text(in, line, len, &read);
        break;
    case LB_PYTHON_CHAIN:
        in->margin = read.margin > 0 ? in->margin : 0;
        /* fallthrough */
    case LB_PYTHON_RULE:
    case LB_PYTHON_RULE_END:
    case LB_PYTHON_HOOK:
        forget_frames(in);
        in->expects_exception = read.kind != LB_PYTHON_RULE_END;
        in->in_message = in->in_calls = false;
        break;
    case LB_PYTHON_CALLS:
    case LB_PYTHON_CREATED:
        in->in_calls = true;
        in->in_message = false;
        break;
    case LB_PYTHON_FATAL:
    case LB_PYTHON_THREAD:
        on_dump(in, line, &read);
        break;
    case LB_PYTHON_QUOTES:
    case LB_PYTHON_LOGGED:
        in->in_message = false;
        break;
    default:
        on_text(in, line, len, &read);
    }
}

/* Pass what stands in front of every line; until a header has shown it, nothing does. */
static size_t front_of(struct reader *in, const char *line, size_t len)
{
    size_t front;

    if (in->prefix == NULL && !in->is_begun) {
        front = lb_python_prefix_find(line, len);
        if (front == LB_PYTHON_NOWHERE || front == 0)
            return 0;
        in->prefix = line;
        in->prefix_len = front;
        return front;
    }
    if (in->prefix == NULL || in->prefix_len == 0)
        return 0;
    front = lb_python_prefix_match(in->prefix, in->prefix_len, line, len);
    if (front == LB_PYTHON_NOWHERE && !in->is_prefix_settled) {
        in->prefix_len = lb_python_prefix_share(in->prefix, in->prefix_len, line, len);
        front = lb_python_prefix_match(in->prefix, in->prefix_len, line, len);
    }
    in->is_prefix_settled = true;
    return front == LB_PYTHON_NOWHERE ? 0 : front;
}

/* ---- warnings ---- */

/* The first line is a warning's, or a logger's that was told of one: then what is behind its own words is. */
static bool read_warning(struct reader *in)
{
    const char *end = memchr(in->text, '\n', in->len);
    size_t len = end ? (size_t)(end - in->text) : in->len, at = 0;
    bool has_source = end != NULL && in->len - len > 3 && end[1] == ' ' && end[2] == ' ';
    struct lb_python_line read;

    for (unsigned word = 0; word < WORDS_MAX && (word == 0 || has_source); word++) {
        const char *blank;

        lb_python_line_read(in->text + at, len - at, &read);
        if (read.kind == LB_PYTHON_WARNING) {
            in->out->is_warning = true;
            in->out->kind = span_in(in, in->text + at, &read.name);
            in->out->message = span_in(in, in->text + at, &read.message);
            in->out->file = span_in(in, in->text + at, &read.file);
            begin_stack(in, in->text + at);
            in->all = fold(0, in->text + at + read.file.at, read.file.len);
            in->all = fold(in->all, in->text + at + read.name.at, read.name.len);
            return true;
        }
        blank = memchr(in->text + at, ' ', len - at);
        if (blank == NULL)
            return false;
        at = (size_t)(blank + 1 - in->text);
    }
    return false;
}

/* ---- the record ---- */

static bool is_understood(struct reader *in)
{
    if (in->has_dump || (in->has_header && in->has_frame && !in->has_exception)) {
        /* A dump has no exception's line, and a record that was cut has lost it. */
        end_part(in, in->text, &(struct lb_python_span) { in->out->kind.at, in->out->kind.len });
        return true;
    }
    return in->has_exception || read_warning(in);
}

bool lb_traceback_parse(const char *text, size_t len, struct lb_traceback *ret)
{
    struct lb_traceback out = { 0 };
    struct reader in = { .text = text, .len = len < UINT32_MAX ? len : UINT32_MAX, .out = &out };

    while (in.len > 0 && (text[in.len - 1] == '\n' || lb_python_is_blank((unsigned char)text[in.len - 1])))
        in.len--;
    for (const char *line = text, *end = text + in.len; line < end;) {
        const char *eol = memchr(line, '\n', (size_t)(end - line));
        size_t line_len = (size_t)((eol ? eol : end) - line), front = front_of(&in, line, line_len);

        on_line(&in, line + front, line_len - front);
        line = eol ? eol + 1 : end;
    }
    if (!is_understood(&in))
        return false;
    out.stack.len = (uint32_t)in.len - out.stack.at;
    out.fingerprint = in.all ? in.all : 1;
    *ret = out;
    return true;
}
