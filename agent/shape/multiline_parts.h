/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_MULTILINE_PARTS_H
#define LB_SHAPE_MULTILINE_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/python_line.h"

/*
 * What only the joiner asks of a line, and only where a record is open. Private to multiline.c; pure
 * functions, for the fast side and offline modes.
 */

/*
 * Is the warning's file a script, whose source line follows below the text?
 *   line     read from text, a warning's
 */
bool lb_multiline_is_script(const char *text, const struct lb_python_line *line);

/*
 * Is the name before the colon an error's, rather than any word that begins in upper case?
 *   line     read from text, an exception's
 */
bool lb_multiline_is_error(const char *text, const struct lb_python_line *line);

/*
 * Does pydantic say here what is wrong with the field that the line above names: "  text [type=x, ..."?
 */
bool lb_multiline_is_field(const char *text, size_t len);

/*
 * Is it a call in a goroutine's stack,
 * "net/http.(*conn).serve(0xc00007eaa0)"? File and line are below it,
 * indented.
 *   text  len bytes, at least one
 */
bool lb_multiline_is_go_call(const char *text, size_t len);

#endif
