/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_JSON_H
#define LB_COMMON_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/*
 * Writing JSON (RFC 8259) into memory that the caller has sized. Text that is
 * not UTF-8 (RFC 3629) becomes U+FFFD, one for each byte that fits nowhere.
 */

/* What `len` bytes of text may take at most: every byte as \u00xx, and room for a vector store past the end.
 */
static inline size_t lb_json_bound(size_t len)
{
    return 6 * len + 32;
}

/*
 * Write text as the inside of a JSON string, without quotes.
 *   to       room for lb_json_bound(len) bytes
 *   returns  one past the last byte written
 *   calls    any thread; a pure function
 */
char *lb_json_escape(char *to, const char *text, size_t len);

/*
 * Write a number.
 *   to       room for 20 bytes
 *   returns  one past the last byte written
 */
char *lb_json_u64(char *to, uint64_t number);

/*
 * Copy plain bytes that need no escapes, such as "\"status\":".
 *   returns  one past the last byte written
 */
static inline char *lb_json_raw(char *to, const char *text, size_t len)
{
    memcpy(to, text, len);
    return to + len;
}

/* A literal, its length known to the compiler. */
#define LB_JSON_LITERAL(to, literal) lb_json_raw((to), (literal), sizeof(literal) - 1)

/*
 * Print a member, "key":"text", with what must be escaped. Of a text that there
 * is no memory for nothing is printed.
 *   errors   those of stdio, seen by ferror(out)
 *   calls    any thread
 */
void lb_json_print_text(FILE *out, const char *key, const char *text);

#endif
