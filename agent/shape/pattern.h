/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_PATTERN_H
#define LB_SHAPE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What kind of line is this? Its words are kept, what changes from one such
 * line to the next is masked, and the number of what is left names the kind:
 *
 *     worker 3: sent 512 bytes to 10.0.0.7:443 in 12.5ms
 *     worker <num>: sent <num> bytes to <ip> in <num>
 *
 * Nothing is learnt: the same line has the same pattern on each device and
 * after each start, and takes no memory. Looked at is the first line of a text,
 * and of that the beginning.
 *
 * Masked are: numbers with signs, units and separators; hexadecimal; UUIDs;
 * addresses of IP, mail and the web, and hosts with a port; paths; times and
 * dates; words that hold digits ("sensor7" is "sensor<num>"); who stands behind
 * "user", unless a verb does; quoted values and those of JSON. Neighbours that
 * are masked are one. What stands in a key=value is looked at like any other
 * word.
 *
 * Looked at, though quoted, are the request of an access log, and what "msg",
 * "level", "logger" and the like hold, in JSON and key=value; keys are kept.
 * Names of a host, a program or a logger that a header sets off are shown, and
 * make no difference to the number, as blanks and the class of a mask make none;
 * a level does.
 *
 * A template shows no digit and no control character, and is valid UTF-8 where
 * its text is.
 */
#define LB_PATTERN_LOOK_MAX 1024u /* bytes of a line */

/*
 * The number of a text's pattern. Never 0.
 *   text      len bytes, any content
 *   calls     any thread; a pure function, no allocation
 */
uint64_t lb_pattern_id(const char *text, size_t len);

/* What was asked lately. */
#define LB_PATTERN_MEMO 512
struct lb_pattern_memo {
    uint64_t row[LB_PATTERN_MEMO][2]; /* all zero at first */
};

/*
 * The same, remembering what was asked lately: a line that differs from one of
 * them in the values of its digits alone costs a few instructions for each
 * eight bytes. The answer is the same.
 *   may_look  false: only if it is remembered
 *   returns   0: it is not, and may not be looked for
 *   calls     the memo's thread
 */
uint64_t lb_pattern_id_by_memo(struct lb_pattern_memo *memo, const char *text, size_t len, bool may_look);

/*
 * The pattern, to be read: printable, cut between characters where it does not fit.
 *   returns   bytes written to buf, size at most; no NUL
 *   calls     any thread
 */
size_t lb_pattern_template(const char *text, size_t len, char *buf, size_t size);

#endif
