/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_PLACES_H
#define TESTS_LIB_PLACES_H

#include "agent/store/files.h"

/*
 * Where each record lies, of rings and backlogs of tests: numbers are below
 * PLACES_NUMBERS.
 */
enum { PLACES_NUMBERS = 2048 };

/*
 * After a start: no record is in the ring and in the backlog, none is twice in
 * the backlog, the ring was not damaged, and the books balance against what
 * lies there.
 *   returns   NULL: so it is | what is wrong
 */
const char *places_check(const struct lb_files *files);

/*
 * A word of the books, summed over all services.
 */
uint64_t places_sum(const struct lb_commit *commit, unsigned region, unsigned stride, unsigned word);

#endif
