/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_SEVERITY_H
#define LB_SHAPE_SEVERITY_H

#include <stddef.h>
#include <stdint.h>

/* How much of a line's beginning is looked at for the level of plain text. JSON is read to its end. */
#define LB_SEVERITY_LOOK 256

/* By which rule a line was read; names for `logboom explain` in lb_severity_rule_name(). */
enum lb_severity_rule {
    LB_SEVERITY_NONE = 0, /* the line states no level: the stream's default */
    LB_SEVERITY_PRI,      /* "<N>" at the front */
    LB_SEVERITY_JSON,
    LB_SEVERITY_LOGFMT,  /* key=value, from the line's beginning or behind a stamp */
    LB_SEVERITY_FIRST,   /* the line begins with it: "ERROR:root:x", "[info] x" */
    LB_SEVERITY_STAMPED, /* a field soon after a time stamp */
    LB_SEVERITY_LAST,    /* the last field of a line that begins with a stamp */
    LB_SEVERITY_LETTER,  /* one letter: klog "I0131 23:59:59", tornado "[I 260131 23:59:59 x:1]" */
    LB_SEVERITY_RULE_COUNT
};

/* A part of the line, by position. len 0: there is none. */
struct lb_severity_span {
    uint32_t at, len;
};

/* What a line states about itself. */
struct lb_severity {
    int level; /* 0..7, -1: none */
    enum lb_severity_rule rule;
    uint32_t skip;                    /* bytes of a "<N>" prefix, which is not part of the message */
    struct lb_severity_span trace_id; /* as written, without quotes: digits or hex, never 0 */
    struct lb_severity_span span_id;
};

/*
 * Read the level (and trace ids) that a line states about itself. ANSI colours
 * are seen through. A word like "error" in running text is no level.
 *   text     len bytes (less than 4 GiB): the whole line, any content
 *   ret      filled in
 *   calls    fast side, offline modes; a pure function, no allocation; Python's own formats cost 200 to 550
 *            instructions, syslog's up to 1400, JSON some ten for each byte
 */
void lb_severity_look(const char *text, size_t len, struct lb_severity *ret);

/*
 * "json", "logfmt", "pri", ... for a rule below LB_SEVERITY_RULE_COUNT.
 *   returns  a static text
 *   calls    any thread
 */
const char *lb_severity_rule_name(enum lb_severity_rule rule);

#endif
