/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_LOG_H
#define LB_COMMON_LOG_H

#include "common/level.h"

/*
 * The program's own log: stderr, one line a message. Under systemd (where
 * $JOURNAL_STREAM is set) each line starts with <N>, elsewhere with the
 * program's name and the level. At most LB_LOG_BURST lines in ten seconds pass
 * below warning, and four times as many at or above; the next line that passes
 * tells how many were held back. stderr is written without waiting for it
 * where it is a pipe or a tty that is full: the line is counted and given up.
 * A secret must never reach these functions (design.md 5.5).
 */
#define LB_LOG_BURST 100

/*
 * Set up the log.
 *   program  prefix of each line; kept, must live as long as the program
 *   level    least severe level that is written
 *   calls    once, before other threads start
 */
void lb_log_open(const char *program, enum lb_level level);

/*
 * Change the level, as a reload does.
 *   calls    any thread
 */
void lb_log_set_level(enum lb_level level);

/*
 * Write one message. A trailing newline is added.
 *   errors   none: what cannot be written is counted and told later
 *   calls    any thread; formats on the stack, takes no lock that is held
 *            across a system call
 */
void lb_log(enum lb_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
