/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_OTLP_H
#define TESTS_LIB_OTLP_H

#include <stddef.h>

/*
 * A body of OTLP as text, by a reader that shares nothing with ours: a line for
 * each ResourceLogs and each LogRecord. What is malformed, an unknown field, a
 * string that is no UTF-8 or a key that comes twice ends the test.
 *
 *     resource host.name=pi service.name=shop site=[north|south]
 *     record time=17 observed=18 severity=17/error body="text" logboom.source=python trace_id=0af7 …
 *
 *   body      len bytes
 *   returns   static, until the next call
 */
const char *otlp_text(const char *body, size_t len);

#endif
