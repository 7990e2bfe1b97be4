/* SPDX-License-Identifier: MIT */
/*
 * The order of the shaping steps. In: lines of one stream, in order. Out: where records end, and what becomes
 * of each. Always true: the same lines, settings and times give the same records; a line is part of one
 * record, or a blank one outside of all.
 */
#include "agent/shape/pipeline.h"

#include <string.h>

#include "agent/shape/ansi.h"
#include "agent/shape/filter.h"
#include "agent/shape/pattern.h"
#include "agent/shape/redact.h"
#include "agent/shape/repeat.h"
#include "agent/shape/summary.h"
#include "agent/shape/traceback.h"
#include "common/clock.h"

/* ---- lines ---- */

static void count_line(struct lb_shape *shape, uint32_t raw_len)
{
    shape->lines += shape->held + 1;
    shape->bytes += shape->held_bytes + raw_len;
    shape->held = 0;
    shape->held_bytes = 0;
}

/* Would a record with this line, and those held before it, be more than a join may be? */
static bool is_beyond_bound(const struct lb_shape *shape, const struct lb_capture_config *settings,
                            uint32_t raw_len)
{
    return shape->lines > 0 && (shape->lines + shape->held >= settings->join_lines ||
                                shape->bytes + shape->held_bytes + raw_len > settings->join_bytes);
}

static enum lb_shape_step keep(struct lb_shape *shape, uint32_t raw_len, bool is_joined)
{
    if (!is_joined) {
        shape->held++;
        shape->held_bytes += raw_len;
        return LB_SHAPE_KEEP;
    }
    if (shape->lines == 0)
        shape->first = shape->next;
    count_line(shape, raw_len);
    return LB_SHAPE_KEEP;
}

/* The line is not part of the record, and has begun the next one; a blank one begins nothing. */
static enum lb_shape_step begin_next(struct lb_shape *shape, const char *why, size_t len)
{
    shape->has_next = len > 0;
    shape->why = why;
    return LB_SHAPE_CLOSE;
}

enum lb_shape_step lb_shape_line(struct lb_shape *shape, const struct lb_capture_config *settings,
                                 const char *text, size_t len, uint32_t raw_len)
{
    enum lb_multiline_mode mode = (enum lb_multiline_mode)settings->multiline;
    struct lb_multiline before;
    enum lb_multiline_step step;
    const char *why;
    bool is_beyond;

    if (shape->has_next) {
        shape->has_next = false;
        return keep(shape, raw_len, true);
    }
    if (len == 0 && shape->lines + shape->held == 0)
        return LB_SHAPE_BLANK;
    lb_severity_look(text, len, &shape->next);
    is_beyond = is_beyond_bound(shape, settings, raw_len);
    if (is_beyond)
        before = shape->multiline;
    why = shape->lines > 1 ? lb_multiline_why(&shape->multiline) : "";
    step = lb_multiline_step(&shape->multiline, mode, text, len, shape->next.level);
    if (step != LB_MULTILINE_NEW && !is_beyond)
        return keep(shape, raw_len, step == LB_MULTILINE_JOIN);
    if (step == LB_MULTILINE_NEW && shape->held == 0)
        return begin_next(shape, why, len);
    if (step != LB_MULTILINE_NEW) { /* it belongs to the record, and there is no room in it */
        shape->multiline = before;
        shape->is_full = true;
    }
    return LB_SHAPE_CLOSE;
}

void lb_shape_forget_next(struct lb_shape *shape)
{
    if (shape->has_next)
        lb_multiline_reset(&shape->multiline);
    shape->has_next = false;
}

bool lb_shape_waits(const struct lb_shape *shape)
{
    return shape->held > 0 || lb_multiline_waits(&shape->multiline);
}

void lb_shape_closed(struct lb_shape *shape)
{
    /* Cut by a bound: what follows is still looked at as a part of it. */
    if (!shape->has_next && (!shape->is_full || shape->held > 0))
        lb_multiline_reset(&shape->multiline);
    shape->is_continued = shape->is_full;
    shape->is_full = false;
    shape->why = NULL;
    shape->lines = shape->held = 0;
    shape->bytes = shape->held_bytes = 0;
}

void lb_shape_message(struct lb_shape *shape, const char *text, size_t len, int level)
{
    memset(shape, 0, sizeof *shape);
    lb_severity_look(text, len, &shape->first);
    if (level >= 0) {
        shape->first.level = level;
        shape->first.rule = LB_SEVERITY_PRI;
        shape->first.skip = 0;
    }
    shape->lines = 1;
    for (const char *end = text + len, *at = text; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        shape->lines++;
}

/* ---- records ---- */

/* Length of "<N>" at the front of a line; 0: there is none. */
static size_t prefix_length(const char *text, size_t len)
{
    size_t at = 1;

    while (at < len && at < 4 && text[at] >= '0' && text[at] <= '9')
        at++;
    return len > 2 && text[0] == '<' && at > 1 && at < len && text[at] == '>' ? at + 1 : 0;
}

/* A prefix "<N>" leaves every line of the record, as it does the first one. */
static size_t without_prefixes(char *to, const char *from, size_t len)
{
    const char *end = from + len;
    char *start = to;

    while (from < end) {
        const char *stop = memchr(from, '\n', (size_t)(end - from));
        size_t part = (size_t)((stop ? stop + 1 : end) - from);
        size_t skip = prefix_length(from, part);

        memmove(to, from + skip, part - skip);
        to += part - skip;
        from += part;
    }
    return (size_t)(to - start);
}

/* The text as it is to be queued. true: it is not what the app wrote, position by position. */
static bool make_text(const struct lb_shape *shape, const struct lb_capture_config *settings,
                      const struct lb_shape_input *in, struct lb_shape_output *out)
{
    bool has_escape = settings->ansi == LB_ANSI_STRIP && memchr(in->text, '\033', in->len);
    char *to = in->may_change ? in->text : in->room;

    out->text = in->text;
    out->len = in->len;
    if (!has_escape && shape->first.skip == 0)
        return false;
    if (shape->first.skip > 0) {
        out->len = without_prefixes(to, out->text, out->len);
        out->text = to;
    }
    if (has_escape) {
        out->len = lb_ansi_strip(to, out->text, out->len);
        out->text = to;
    }
    return true;
}

/* Take out what no rule lets through. true: the text is not as it was */
static bool mask(const struct lb_shape_settings *settings, const struct lb_shape_input *in,
                 struct lb_shape_output *out)
{
    struct lb_redact_result result;

    out->mask_state = 0;
    out->masked_by = 0;
    if (!settings->rules || !settings->rules->redact)
        return false;
    out->mask_state = *in->mask_state;
    lb_redact_apply(settings->rules->redact, &out->mask_state, out->text, out->len, in->mask_room,
                    in->mask_bytes, &result);
    out->text = result.text;
    out->len = result.len;
    out->masked_by = result.rules;
    return result.was_changed;
}

size_t lb_shape_mask_aside(const struct lb_shape_settings *settings, const char *text, size_t len, char *room,
                           size_t room_bytes)
{
    struct lb_redact_result result = { .text = text, .len = len };
    uint8_t state = 0;

    if (settings->rules && settings->rules->redact)
        lb_redact_apply(settings->rules->redact, &state, text, len, room, room_bytes, &result);
    if (result.len > room_bytes)
        result.len = room_bytes;
    if (result.text != room)
        memcpy(room, result.text, result.len);
    return result.len;
}

static struct lb_extra_span span_of(uint32_t at, uint32_t len)
{
    return (struct lb_extra_span) { at, len };
}

static void lift_ids(const struct lb_shape *shape, bool was_changed, struct lb_shape_output *out)
{
    struct lb_severity look = shape->first;

    if (look.trace_id.len == 0)
        return;
    if (was_changed)
        lb_severity_look(out->text, out->len, &look); /* its positions are those of the text before */
    out->extra.has_trace = look.trace_id.len > 0;
    out->extra.trace.trace_id = span_of(look.trace_id.at, look.trace_id.len);
    out->extra.trace.span_id = span_of(look.span_id.at, look.span_id.len);
}

static void at_least(struct lb_shape_output *out, enum lb_level level, const char *rule)
{
    if (out->severity <= level)
        return;
    out->severity = level;
    out->rule = rule;
}

/* Returns whether there is an error. */
static bool understand(const struct lb_shape *shape, struct lb_shape_output *out)
{
    struct lb_extra_error *error = &out->extra.error;
    struct lb_traceback trace;

    if (shape->lines < 2 || !lb_traceback_parse(out->text, out->len, &trace))
        return false;
    if (trace.is_warning) {
        at_least(out, LB_LEVEL_WARNING, "warning");
        return false;
    }
    at_least(out, trace.is_fatal ? LB_LEVEL_CRITICAL : LB_LEVEL_ERROR,
             trace.is_fatal ? "faulthandler" : "traceback");
    out->extra.has_error = true;
    error->fingerprint = trace.fingerprint;
    error->kind = span_of(trace.kind.at, trace.kind.len);
    error->message = span_of(trace.message.at, trace.message.len);
    error->stack = span_of(trace.stack.at, trace.stack.len);
    return true;
}

static const char *why_joined(const struct lb_shape *shape)
{
    if (shape->lines < 2)
        return "";
    return shape->why ? shape->why : lb_multiline_why(&shape->multiline);
}

/* Nothing is known of it yet: of the parts, which are large, only what says that they are not there. */
static void begin_output(const struct lb_shape *shape, const struct lb_capture_config *settings,
                         const struct lb_shape_input *in, struct lb_shape_output *out)
{
    out->verdict = LB_SHAPE_QUEUE;
    out->severity = shape->first.level >= 0        ? (enum lb_level)shape->first.level
                    : in->kind == LB_STREAM_STDERR ? settings->stderr_level
                                                   : settings->stdout_level;
    out->rule = lb_severity_rule_name(shape->first.rule);
    out->why = why_joined(shape);
    out->is_new = out->is_trigger = out->is_limited = false;
    out->by = "";
    out->pattern = out->said = 0;
    out->extra.has_error = out->extra.has_trace = out->extra.has_syslog = false;
    out->extra.header = NULL;
    out->extra.header_len = 0;
}

/* ---- the throttle ---- */

static void decide(struct lb_shape_output *out, enum lb_shape_verdict verdict, enum lb_drop drop,
                   const char *by)
{
    out->verdict = verdict;
    out->drop = drop;
    out->by = by;
}

/* The user's rules. Returns whether one says that it is to be kept. */
static bool filter(const struct lb_shape_settings *settings, const struct lb_shape_input *in,
                   struct lb_shape_output *out)
{
    const char *name = "";
    enum lb_filter_verdict verdict = LB_FILTER_NONE;

    if (settings->rules && settings->rules->filter)
        verdict = lb_filter_look(settings->rules->filter, out->text, out->len, &name);
    if (verdict == LB_FILTER_DROP)
        decide(out, LB_SHAPE_DROP, LB_DROP_FILTER, name);
    else if (verdict == LB_FILTER_NONE && settings->throttle &&
             (int)out->severity >
                 (in->level_asked ? (int)in->level_asked - 1 : settings->throttle->min_level))
        decide(out, LB_SHAPE_HOLD, LB_DROP_FILTER, "min_level");
    return verdict == LB_FILTER_KEEP;
}

/* An error with a fingerprint that was told within repeat_window is only counted. */
static void repeat(const struct lb_shape_settings *settings, const struct lb_shape_tables *tables,
                   const struct lb_shape_input *in, struct lb_shape_output *out)
{
    uint64_t window_ns = settings->capture->repeat_window_ms * LB_NS_PER_MS;
    enum lb_repeat_verdict verdict;

    if (!tables->commit || window_ns == 0)
        return;
    verdict =
        lb_repeat_look(tables->commit, in->service_ix, out->extra.error.fingerprint, window_ns, in->boot_ns);
    if (verdict == LB_REPEAT_FOLD)
        decide(out, LB_SHAPE_REPEAT, LB_DROP_REPEAT, "repeat_window");
    out->is_new = verdict == LB_REPEAT_NEW;
}

static void collapse(const struct lb_shape_settings *settings, const struct lb_shape_tables *tables,
                     const struct lb_shape_input *in, struct lb_shape_output *out)
{
    if (!in->last || !tables->commit || settings->throttle->collapse_ms == 0)
        return;
    out->said = lb_collapse_hash(out->text, out->len, (int)out->severity);
    if (lb_collapse_is_again(in->last, tables->commit, in->key, out->said, in->boot_ns))
        decide(out, LB_SHAPE_COLLAPSE, LB_DROP_COLLAPSE, "collapse");
}

static const char *squeezed_by(enum lb_drop drop)
{
    return drop == LB_DROP_QUOTA ? "quota" : "pressure";
}

/* What runs short? It is held for that, or only a share of its pattern passes. */
static struct lb_squeeze_answer squeeze(const struct lb_shape_settings *settings,
                                        const struct lb_shape_input *in, bool is_kept,
                                        struct lb_shape_output *out)
{
    struct lb_squeeze_answer answer = { 0 };

    if (in->squeeze.quota + in->squeeze.pressure == 0)
        return answer;
    answer = lb_squeeze_ask(&in->squeeze, (int)out->severity, settings->throttle->floor, is_kept,
                            out->extra.has_error || out->severity < LB_LEVEL_ERROR);
    if (answer.verdict == LB_SQUEEZE_HOLD)
        decide(out, LB_SHAPE_HOLD, answer.drop, squeezed_by(answer.drop));
    return answer;
}

static void limit(const struct lb_shape *shape, const struct lb_shape_settings *settings,
                  const struct lb_shape_tables *tables, const struct lb_shape_input *in, bool is_kept,
                  struct lb_shape_output *out)
{
    struct lb_squeeze_answer squeezed = squeeze(settings, in, is_kept, out);
    enum lb_limit_wish wish;

    if (!tables->limit || out->verdict != LB_SHAPE_QUEUE)
        return;
    out->ask = (struct lb_limit_ask) { .service_ix = in->service_ix,
                                       .severity = (int)out->severity,
                                       .is_kept = is_kept,
                                       .lines = shape->lines,
                                       .bytes = out->len,
                                       .now_ns = in->boot_ns,
                                       .share = squeezed.share,
                                       .quiet_ns = squeezed.quiet_ns };
    out->is_limited = true;
    wish = lb_limit_wish(tables->limit, settings->throttle, &out->ask);
    if (out->pattern == 0 && wish != LB_LIMIT_NO_PATTERN)
        out->pattern = lb_pattern_id_by_memo(tables->memo, out->text, out->len, wish == LB_LIMIT_ANY_PATTERN);
    out->ask.pattern = wish == LB_LIMIT_NO_PATTERN ? 0 : out->pattern; /* known for other reasons, perhaps */
    lb_limit_look(tables->limit, settings->throttle, &out->ask, &out->answer);
    if (out->answer.verdict == LB_LIMIT_SAMPLE)
        decide(out, LB_SHAPE_HOLD, LB_DROP_SAMPLE, out->answer.why);
    else if (out->answer.verdict == LB_LIMIT_LIMIT)
        decide(out, LB_SHAPE_HOLD, LB_DROP_LIMIT, out->answer.why);
    else if (out->answer.verdict == LB_LIMIT_SHARE)
        decide(out, LB_SHAPE_HOLD, squeezed.drop, squeezed_by(squeezed.drop));
    else
        out->by = out->answer.why;
}

void lb_shape_record(const struct lb_shape *shape, const struct lb_shape_settings *settings,
                     const struct lb_shape_tables *tables, const struct lb_shape_input *in,
                     struct lb_shape_output *out)
{
    bool was_changed, is_kept, is_error;

    begin_output(shape, settings->capture, in, out);
    was_changed = make_text(shape, settings->capture, in, out);
    was_changed |= mask(settings, in, out);
    lift_ids(shape, was_changed, out);
    is_error = understand(shape, out);
    is_kept = filter(settings, in, out);
    if (is_error && out->verdict == LB_SHAPE_QUEUE)
        repeat(settings, tables, in, out);
    if (in->wants_pattern)
        out->pattern = lb_pattern_id(out->text, out->len);
    out->extra.pattern = out->pattern;
    if (!settings->throttle)
        return;
    if (out->verdict == LB_SHAPE_QUEUE)
        collapse(settings, tables, in, out);
    if (out->verdict == LB_SHAPE_QUEUE)
        limit(shape, settings, tables, in, is_kept, out);
    out->is_trigger = out->verdict == LB_SHAPE_QUEUE && in->squeeze.quota < LB_QUOTA_STEP_ERRORS &&
                      (is_error || (int)out->severity <= settings->throttle->trigger);
}

/* ---- what became of it ---- */

static size_t template_of(void *arg, char *buf, size_t size)
{
    const struct lb_shape_output *out = arg;

    return lb_pattern_template(out->text, out->len, buf, size);
}

/* What nobody asked the pattern of is told by it all the same, but for a firehose beyond its rate. */
static uint64_t pattern_to_sum_up(const struct lb_shape_tables *tables, const struct lb_shape_output *out)
{
    bool is_squeezed = out->drop == LB_DROP_QUOTA || out->drop == LB_DROP_PRESSURE;

    if (out->pattern || (out->drop == LB_DROP_LIMIT && !out->answer.is_floor) || !tables->memo)
        return out->pattern;
    return lb_pattern_id_by_memo(tables->memo, out->text, out->len, !is_squeezed);
}

static void sum_up(const struct lb_shape_tables *tables, const struct lb_shape_input *in,
                   const struct lb_shape_output *out, uint32_t lines)
{
    struct lb_suppressed record = {
        .service_ix = in->service_ix,
        .why = out->drop,
        .pattern = pattern_to_sum_up(tables, out),
        .severity = (int)out->severity,
        .lines = lines,
        .bytes = out->len,
        .now_ns = in->boot_ns,
    };

    lb_summary_count(tables->commit, &record, template_of, (void *)(uintptr_t)out);
}

static void count_again(const struct lb_shape_tables *tables, const struct lb_shape_input *in,
                        const struct lb_shape_output *out, uint32_t lines)
{
    struct lb_collapse_again again = {
        .key = in->key,
        .hash = out->said,
        .service_ix = in->service_ix,
        .severity = (int)out->severity,
        .lines = lines,
        .bytes = out->len,
        .now_ns = in->boot_ns,
        .due_ns = in->last->due_ns,
        .text = out->text,
        .len = out->len,
    };

    lb_collapse_count(tables->commit, &again);
    in->last->has_count = true;
}

void lb_shape_note(const struct lb_shape_settings *settings, const struct lb_shape_tables *tables,
                   const struct lb_shape_input *in, const struct lb_shape_output *out, uint32_t lines)
{
    if (in->mask_state)
        *in->mask_state = out->mask_state;
    if (!settings->throttle)
        return;
    if (out->is_limited)
        lb_limit_note(tables->limit, settings->throttle, &out->ask, &out->answer);
    if (out->verdict == LB_SHAPE_COLLAPSE)
        count_again(tables, in, out, lines);
    else if (out->verdict == LB_SHAPE_QUEUE && in->last)
        lb_collapse_begin(in->last, in->key, out->said, settings->throttle->collapse_ms * LB_NS_PER_MS,
                          in->boot_ns);
    else if ((out->verdict == LB_SHAPE_HOLD || out->verdict == LB_SHAPE_DROP) && tables->commit)
        sum_up(tables, in, out, lines);
}
