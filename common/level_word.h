/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_LEVEL_WORD_H
#define LB_COMMON_LEVEL_WORD_H

#include <stddef.h>

/* No name of a level is longer. */
#define LB_LEVEL_WORD_MAX 13

/*
 * Level that a logger's name for it means, without regard to case: the names
 * of syslog, Python, loguru, log4j, zerolog and logrus, and what people add.
 * TRACE, VERBOSE and NOTSET are debug; SUCCESS is info; FATAL is critical, as
 * in Python; PANIC is emergency, as in syslog.h. Wider than lb_level_parse(),
 * which reads what an operator types and must not guess.
 *   text     len bytes
 *   returns  0..7 | -1 no such name
 *   calls    any thread; a pure function
 */
int lb_level_word(const char *text, size_t len);

#endif
