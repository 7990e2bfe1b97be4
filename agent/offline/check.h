/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_CHECK_H
#define LB_OFFLINE_CHECK_H

#include <stdio.h>

/*
 * Check a configuration as `logboomd -t` and `logboom check` do: every fault
 * and every warning goes to err, a line each; where there is no fault, out
 * gets "FILE: ok" and the memory ceiling. Needs no readable key file.
 *   file     NULL: the default one
 *   returns  the exit code: 0 | 2 faults | 1 out of memory
 *   calls    main thread of an offline mode; may block on the disk
 */
int lb_offline_check(const char *file, FILE *out, FILE *err);

#endif
