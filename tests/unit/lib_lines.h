/* SPDX-License-Identifier: MIT */
#ifndef LB_UNIT_LIB_LINES_H
#define LB_UNIT_LIB_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/shape/multiline.h"

/*
 * What the tests of joining share: a text taken apart into lines, shown one by one to a joiner as the agent
 * does, and where that puts the boundaries.
 */
#define TEST_LINES_MAX 512

struct test_lines {
    char *text; /* its own block */
    const char *line[TEST_LINES_MAX];
    size_t len[TEST_LINES_MAX];
    bool is_first[TEST_LINES_MAX]; /* of a record */
    unsigned lines;
};

/*
 * The level that a line states, as the joiner is told it.
 */
int test_level_of(const char *text, size_t len);

/*
 * Take a text apart. Fails the test at TEST_LINES_MAX.
 *   calls    test_lines_free() when done
 */
void test_lines_of(struct test_lines *lines, const char *text, size_t len);
void test_lines_free(struct test_lines *lines);

/*
 * Show all lines, each from a block of its own so that a read past it is seen; fills is_first. A closed
 * record's held lines are shown again, from a zeroed state. Fails the test where the joiner breaks its
 * contract.
 */
void test_lines_join(struct test_lines *lines, enum lb_multiline_mode mode);

/*
 * Join a text in Python mode and say the lengths of the records: "1 9 1".
 *   returns  static, until the next call
 */
const char *test_records_of(const char *text);

/*
 * Why the lines of a text that is one record were joined. Fails the test if it is more than one.
 */
const char *test_why_of(const char *text);

/*
 * Does a joiner wait for more, when it has read this text, which is one record?
 */
bool test_waits_after(const char *text);

#endif
