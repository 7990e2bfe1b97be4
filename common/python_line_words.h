/* SPDX-License-Identifier: MIT */
#ifndef LB_PYTHON_LINE_WORDS_H
#define LB_PYTHON_LINE_WORDS_H

#include "common/python_line.h"
#include "common/python_line_cursor.h"

/*
 * Does the line begin with words that say what it is? Private to common/python_line*.c.
 *   in       behind blanks and margins, before blanks at the end
 *   returns  LB_PYTHON_TEXT: it does not
 *   calls    any thread; a pure function
 */
enum lb_python_kind lb_python_words_find(struct lb_python_cursor in);

#endif
