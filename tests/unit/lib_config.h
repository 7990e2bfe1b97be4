/* SPDX-License-Identifier: MIT */
#ifndef LB_UNIT_LIB_CONFIG_H
#define LB_UNIT_LIB_CONFIG_H

#include "common/config.h"

/*
 * What the tests of the configuration share: a directory with a main file and
 * conf.d/, and what came of loading it. One test at a time; every function
 * fails the test where the file system does.
 */
#define TEST_SINK "[sink out]\ntype = file\npath = /tmp/out\n" /* the least that loads */

extern char test_dir[128];
extern struct lb_config *test_config;       /* of the last load; NULL after faults */
extern struct lb_config_faults test_faults; /* of the last load */

/*
 * Set-up and tear-down of a test, for cmocka: makes the directory, and removes
 * it with all that the tests here put into it.
 *   returns  0 | -1
 */
int test_make_dir(void **state);
int test_remove_dir(void **state);

/*
 * Path of a file in the directory.
 *   returns  static, until the next call
 */
const char *test_path(const char *name);

/*
 * Write a file in the directory.
 */
void test_write(const char *name, const char *text);

/*
 * Load the main file.
 *   returns  as lb_config_load()
 */
int test_load(enum lb_config_mode mode);

/*
 * Load this text as the main file; it must be right.
 *   returns  test_config
 */
const struct lb_config *test_config_of(const char *text);

/*
 * The faults, or the warnings, of this text as the main file: a line each,
 * with DIR for the directory. It must be wrong, or right.
 *   returns  static, until the next call
 */
const char *test_faults_of(const char *text);
const char *test_warnings_of(const char *text);

/*
 * The faults of the last load, in the same form.
 */
const char *test_faults_text(void);

/*
 * These lines are refused with this text for the second of them, and nothing
 * else. A sink is added where they have none.
 */
void test_refused(const char *lines, const char *why);

#endif
