/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_JSON_SCAN_H
#define LB_COMMON_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Reading JSON member by member, in one pass and without memory. Lenient in what cannot mislead (NaN, raw
 * control bytes in a string, unknown escapes), strict in what tells where a member ends: at the first fault
 * the scan is over, and what was read before it stands. A text that was cut thus still gives its whole
 * members.
 */
enum lb_json_kind {
    LB_JSON_STRING,
    LB_JSON_WORD /* a number, true, null ... */,
    LB_JSON_OBJECT,
    LB_JSON_ARRAY
};

struct lb_json_scan {
    const char *at, *end;
    bool wants_comma;  /* a member was read in the object that is open */
    bool has_unopened; /* the last member is an object or array, and at stands on its bracket */
    bool is_broken;
};

/* A member, by pointers into the text. Strings are without their quotes, escapes as written. */
struct lb_json_member {
    const char *key, *value;
    size_t key_len, value_len; /* value_len 0 for an object or array */
    bool key_has_escape, value_has_escape;
    enum lb_json_kind kind;
};

/*
 * Begin.
 *   text     len bytes, which outlive the scan
 *   returns  true: it begins with an object, perhaps behind blanks, and this object is open
 *   calls    any thread; a pure function, as are all here
 */
bool lb_json_scan_begin(struct lb_json_scan *scan, const char *text, size_t len);

/*
 * Read the next member of the object that is open. An object or array that was not opened is skipped.
 *   returns  false: the object has ended, and the one around it is open again; or the text is broken
 */
bool lb_json_scan_next(struct lb_json_scan *scan, struct lb_json_member *ret_member);

/*
 * Open the object that the last member is (kind LB_JSON_OBJECT): the next members are those within, until
 * lb_json_scan_next() says that it has ended. The caller bounds how deep it goes.
 */
void lb_json_scan_open(struct lb_json_scan *scan);

/*
 * Undo the escapes of a string.
 *   to       room for size bytes; gets UTF-8
 *   text     len bytes as they stood between the quotes
 *   returns  bytes in to | -1 it does not fit, or an escape is none of JSON's
 */
ssize_t lb_json_unescape(char *to, size_t size, const char *text, size_t len);

#endif
