/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_VERSION_H
#define LB_OFFLINE_VERSION_H

#include <stdio.h>

/*
 * Print "logboomd VERSION", then a line for each library that this process
 * runs with, as "name version". inih has no version that it could be asked.
 *   errors   those of stdio, seen by ferror(out)
 *   calls    main thread of an offline mode
 */
void lb_offline_print_version(FILE *out);

#endif
