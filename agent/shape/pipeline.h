/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_PIPELINE_H
#define LB_SHAPE_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/shape/collapse.h"
#include "agent/shape/limit.h"
#include "agent/shape/multiline.h"
#include "agent/shape/pipeline_rules.h"
#include "agent/shape/severity.h"
#include "agent/shape/squeeze.h"
#include "agent/store/extra.h"
#include "agent/store/state.h"
#include "common/config.h"
#include "common/proto.h"

/*
 * The fixed order of the shaping steps (design.md, shape), in two halves. Each
 * step is a function of (line, its own state, settings, now); this file alone
 * knows all of them.
 *
 *     line ──▶ severity ─▶ multiline ──▶ record is whole
 *              lb_shape_line()
 *
 *     record ─▶ ansi ─▶ redact ─▶ traceback ─▶ filter ─▶ repeat ─▶ collapse ─▶ squeeze, pattern, limit ──▶
 * verdict lb_shape_record() verdict was carried out ──▶ buckets are charged, counts counted lb_shape_note()
 *
 * A record is begun with its first line and is whole when a line comes that is
 * not part of it, a bound is reached, or its owner closes it. The bytes stay
 * with the owner; this counts them.
 */
struct lb_shape {
    struct lb_multiline multiline;
    uint32_t lines; /* joined so far; 0: no record is begun */
    uint64_t bytes; /* of them, with their ends */
    uint32_t held;  /* behind them, and only a later line can tell whose they are */
    uint64_t held_bytes;
    bool is_continued;        /* what came before was cut off by a bound: this goes on there */
    bool is_full;             /* by a bound: more belongs to it than it may hold */
    bool has_next;            /* a line ended the record: it is shown again, and was understood already */
    const char *why;          /* of the record that was ended by a line which begins the next; else NULL */
    struct lb_severity first; /* what the first line states */
    struct lb_severity next;
};

enum lb_shape_step {
    LB_SHAPE_KEEP = 0, /* the line is part of the record, or may be: keep it and show the next one */
    LB_SHAPE_BLANK,    /* an empty line outside of any record: it is dropped, and counted */
    LB_SHAPE_CLOSE     /* the record is whole without this line: close it, then show what is behind it again;
                          where     has_next says so, that is this line, and its text is not looked at any more */
};

/*
 * Show the next line of a stream.
 *   settings   of the line's service
 *   text       len bytes, without its end
 *   raw_len    bytes that it takes in the stream, with its end
 *   calls      fast side, offline modes; no allocation, no clock
 */
enum lb_shape_step lb_shape_line(struct lb_shape *shape, const struct lb_capture_config *settings,
                                 const char *text, size_t len, uint32_t raw_len);

/*
 * The line that ended a record is not shown again after all.
 *   calls      fast side
 */
void lb_shape_forget_next(struct lb_shape *shape);

/*
 * Is it worth waiting for more lines of the record begun, join_timeout long,
 * although nothing more has been read?
 *   calls      fast side
 */
bool lb_shape_waits(const struct lb_shape *shape);

/*
 * The record was closed and its bytes are accounted for: begin anew. Lines that
 * were held behind it are to be shown again.
 *   calls      fast side, offline modes
 */
void lb_shape_closed(struct lb_shape *shape);

enum lb_shape_verdict {
    LB_SHAPE_QUEUE = 0,
    LB_SHAPE_REPEAT,   /* an error that was told already: count it with lb_repeat_count() */
    LB_SHAPE_COLLAPSE, /* the same as the record before: lb_shape_note() counts it */
    LB_SHAPE_HOLD,     /* throttled: it goes into the held pool */
    LB_SHAPE_DROP      /* a rule of the user's says so */
};

/* The settings of a service, as the steps look at them. */
struct lb_shape_settings {
    const struct lb_capture_config *capture;
    const struct lb_throttle_config *throttle; /* NULL: nothing is throttled */
    const struct lb_service_rules *rules;      /* NULL: nothing is masked or filtered */
};

/* What the steps remember, under the fast side's commit. */
struct lb_shape_tables {
    struct lb_commit *commit;     /* NULL: nothing is folded, collapsed or summed up */
    struct lb_limit *limit;       /* NULL: nothing is limited */
    struct lb_pattern_memo *memo; /* with limit */
};

struct lb_shape_input {
    char *text; /* lines parted by LF, without the last one's end; the steps may change it in place */
    size_t len;
    bool may_change; /* false: text lies elsewhere, and is copied to room before it is changed */
    char *room;      /* len bytes */
    char *mask_room; /* mask_bytes: for a text that secrets are taken out of, which may make it longer */
    size_t mask_bytes;
    uint8_t *mask_state; /* of the stream, what redact remembers from record to record */
    enum lb_stream_kind kind;
    uint32_t service_ix;
    uint64_t boot_ns;
    uint64_t key;              /* of the stream, never 0 */
    struct lb_collapse *last;  /* of the stream; NULL: nothing is collapsed */
    bool wants_pattern;        /* with the record, whether a step asks for it or not */
    struct lb_squeeze squeeze; /* where its service is on the ladders of what runs short; all 0: nowhere */
    unsigned level_asked;      /* for a while, in place of min_level: the level + 1; 0: nobody asks */
};

struct lb_shape_output {
    enum lb_shape_verdict verdict;
    enum lb_level severity;
    const char *rule; /* which gave the severity: static, for explain */
    const char *text; /* what is to be queued: in the input's text, or in one of its rooms */
    size_t len;
    struct lb_extra extra;
    bool is_new;     /* an error with a fingerprint that was not seen before */
    const char *why; /* of the join: static, "" for one line */

    enum lb_drop drop;  /* why it is collapsed, held or dropped */
    const char *by;     /* which key, or whose rule decided; "" for what is queued as it is */
    bool is_trigger;    /* it is queued, and brings along what was held before */
    uint64_t pattern;   /* of the text; 0: nobody asked */
    uint8_t mask_state; /* of the stream, behind this record */
    uint64_t masked_by; /* rules that masked something, as lb_redact_rule_name() has them: bit by bit */
    bool is_limited;    /* limit was asked, and answered: */
    struct lb_limit_ask ask;
    struct lb_limit_answer answer;
    uint64_t said; /* what collapse compares; 0: it was not asked */
};

/*
 * Shape the record that is whole. The caller closes it afterwards. Nothing that
 * is remembered changes: a record that finds no room is shaped again.
 *   ret_out    filled in
 *   calls      fast side, offline modes; no allocation
 */
void lb_shape_record(const struct lb_shape *shape, const struct lb_shape_settings *settings,
                     const struct lb_shape_tables *tables, const struct lb_shape_input *in,
                     struct lb_shape_output *ret_out);

/*
 * The verdict was carried out: what it costs, and what is to be told of it, is
 * written down, with the next publish.
 *   settings, tables, in, out  of lb_shape_record(), their texts as they were
 *   lines      of the record
 *   calls      fast side, offline modes, once for a record; needs room for LB_SHAPE_NOTE_WORDS
 */
#define LB_SHAPE_NOTE_WORDS 80
void lb_shape_note(const struct lb_shape_settings *settings, const struct lb_shape_tables *tables,
                   const struct lb_shape_input *in, const struct lb_shape_output *out, uint32_t lines);

/*
 * Mask a text that stands by itself, beside what is a record's text: structured data of a syslog message.
 *   text       len bytes
 *   room       room_bytes; what does not fit is cut off, never left unmasked
 *   returns    bytes written to the room
 *   calls      fast side
 */
size_t lb_shape_mask_aside(const struct lb_shape_settings *settings, const char *text, size_t len, char *room,
                           size_t room_bytes);

/*
 * What an input that brings whole messages (a datagram, a journal entry) states about one, in place of
 * lb_shape_line(): the record is one message, however many lines it has.
 *   level      that the input itself gives, -1: what the text states, else the stream's default
 *   calls      fast side
 */
void lb_shape_message(struct lb_shape *shape, const char *text, size_t len, int level);

#endif
