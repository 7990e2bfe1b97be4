/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_PATTERN_PARTS_H
#define LB_SHAPE_PATTERN_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the files of the pattern step share: pattern.c makes a copy of the line,
 * pattern_walk.c goes over it, pattern_word.c judges one word of it, and
 * pattern_quote.c what is in quotes; pattern_header.c finds the names in its header.
 */
enum lb_pattern_class {
    LB_PATTERN_WORD = 0, /* kept */
    LB_PATTERN_NUM,
    LB_PATTERN_HEX,
    LB_PATTERN_UUID,
    LB_PATTERN_IP,
    LB_PATTERN_PATH,
    LB_PATTERN_URL,
    LB_PATTERN_MAIL,
    LB_PATTERN_TIME,
    LB_PATTERN_STR,
    LB_PATTERN_NAME,
    LB_PATTERN_ID,
    LB_PATTERN_CLASSES
};

/* The walk reads by eight bytes: so many blanks stand behind its line. */
#define LB_PATTERN_PADDING 16u

/* A part of a line, from a blank or its beginning to a blank or its end. */
struct lb_pattern_span {
    size_t from, to;
};

/*
 * Where a line's header names who speaks: host and program, or a logger.
 *   line      len bytes, and LB_PATTERN_PADDING blanks behind them
 *   returns   from == to == len: nowhere
 *   calls     any thread; a pure function
 */
struct lb_pattern_span lb_pattern_names(const char *line, size_t len);

/*
 * Go over a line once.
 *   line      len bytes, and LB_PATTERN_PADDING blanks behind them
 *   names     what makes no difference to the number
 *   buf       the template goes there, size bytes at most; NULL: it is not wanted
 *   ret_len   bytes written; untouched where buf is NULL
 *   returns   the number of the pattern; may be 0
 *   calls     any thread; a pure function
 */
uint64_t lb_pattern_walk(const char *line, size_t len, struct lb_pattern_span names, char *buf, size_t size,
                         size_t *ret_len);

/*
 * Judge a word that holds a digit, or a character that only addresses and paths hold.
 *   word      len bytes, without blanks, 1 at least
 *   calls     any thread; a pure function
 */
enum lb_pattern_class lb_pattern_judge(const char *word, size_t len);

/*
 * How much of a word that holds digits is kept in front of what is masked: of "sensor7" 6, of "node-7" 5.
 *   returns   0: none of it
 *   calls     any thread; a pure function
 */
size_t lb_pattern_front(const char *word, size_t len);

/*
 * Where a word that holds digits and a colon falls in two: "INFO:urllib3:sent" does, "10.0.0.1:80" and
 * "example.org:80" do not.
 *   has_mark  there is a slash or an at sign in it
 *   returns   bytes in front of the colon; 0: it is one
 *   calls     any thread; a pure function
 */
size_t lb_pattern_cut(const char *word, size_t len, bool has_mark);

/*
 * Is it a unit that stands behind a number, after a blank: "sec", "KB"? "bytes" and "seconds" are words.
 *   calls     any thread; a pure function
 */
bool lb_pattern_is_unit(const char *word, size_t len);

/*
 * Is it the name of a month or a day, or of a time zone?
 *   word      three letters
 *   calls     any thread; a pure function
 */
bool lb_pattern_is_of_date(const char *word);

/*
 * May a word behind "user" be a name? In "user created" it is none.
 *   calls     any thread; a pure function
 */
bool lb_pattern_may_be_user(const char *word, size_t len);

/*
 * The end of what is quoted from here on: where its closing quote stands.
 *   quote     of the line that begins at line and ends at end
 *   returns   NULL: it is no quote, but an apostrophe
 *   calls     any thread; a pure function
 */
const char *lb_pattern_quote_end(const char *line, const char *quote, const char *end);

/*
 * What a quoted text is by what stands around it: quote is its first quote, close its last one.
 *   calls     any thread; pure functions
 */
bool lb_pattern_is_key(const char *line, const char *quote, const char *close, const char *end);
bool lb_pattern_is_kept_value(const char *line, const char *quote); /* "msg=" is in front of it */
bool lb_pattern_is_kept_key(const char *key, size_t len);           /* its value is looked at */
bool lb_pattern_is_request(const char *quote, const char *close);   /* of an access log */

#endif
