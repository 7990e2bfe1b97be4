/* SPDX-License-Identifier: MIT */
/*
 * The shared cases: what real programs printed, and where its records begin. All that are not optional must
 * be right; the optional ones (other languages, readings of peers) are counted. Where the text alone cannot
 * tell, a case leaves a boundary free.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/python_line.h"
#include "tests/unit/lib_lines.h"

#define FOLDER "../shared/data/tracebacks/"

struct expected {
    bool is_first[TEST_LINES_MAX + 2], is_free[TEST_LINES_MAX + 2]; /* by line number, from 1 */
    bool is_optional;
};

static char *read_all(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(1 << 20);

    if (file == NULL || text == NULL)
        fail_msg("%s is missing", path);
    *ret_len = fread(text, 1, (1 << 20) - 1, file);
    text[*ret_len] = '\0';
    fclose(file);
    return text;
}

/* The numbers of a list of lists or a flat one behind a key, each given to `take`. */
static void each_number(const char *json, const char *key, void (*take)(struct expected *, long, unsigned),
                        struct expected *expected)
{
    const char *at = strstr(json, key);
    unsigned count = 0;
    int depth = 0;

    assert_non_null(at);
    for (at += strlen(key); *at != '\0'; at++) {
        if (*at == '[')
            depth++;
        else if (*at == ']' && --depth == 0)
            return;
        else if (*at >= '0' && *at <= '9') {
            char *end;

            take(expected, strtol(at, &end, 10), count++);
            at = end - 1;
        }
    }
}

static void take_record(struct expected *expected, long line, unsigned count)
{
    assert_in_range(line, 1, TEST_LINES_MAX);
    if (count % 2 == 0)
        expected->is_first[line] = true;
}

static void take_free(struct expected *expected, long line, unsigned count)
{
    (void)count;
    assert_in_range(line, 1, TEST_LINES_MAX);
    expected->is_free[line] = true;
}

static bool judge(const char *name)
{
    static struct expected expected;
    struct test_lines lines;
    char path[512];
    bool is_right = true;
    size_t len;
    char *text;

    memset(&expected, 0, sizeof expected);
    snprintf(path, sizeof path, FOLDER "%s.expected", name);
    text = read_all(path, &len);
    each_number(text, "\"records\":", take_record, &expected);
    each_number(text, "\"free\":", take_free, &expected);
    expected.is_optional = strstr(text, "\"optional\": true") != NULL;
    free(text);
    snprintf(path, sizeof path, FOLDER "%s.txt", name);
    text = read_all(path, &len);
    test_lines_of(&lines, text, len);
    free(text);
    test_lines_join(&lines, LB_MULTILINE_PYTHON);
    for (unsigned i = 1; i < lines.lines; i++)
        if (lines.is_first[i] != expected.is_first[i + 1] && !expected.is_free[i + 1]) {
            print_message("%s:%u: %s\n", path, i + 1, lines.is_first[i] ? "not joined" : "joined");
            is_right = false;
        }
    test_lines_free(&lines);
    return is_right || (expected.is_optional && (print_message("  (optional)\n"), false));
}

static bool is_optional(const char *name)
{
    char path[512];
    size_t len;
    char *text;
    bool yes;

    snprintf(path, sizeof path, FOLDER "%s.expected", name);
    text = read_all(path, &len);
    yes = strstr(text, "\"optional\": true") != NULL;
    free(text);
    return yes;
}

static const char *const families[] = { "run-",    "service-", "cpython-",   "exceptiongroup-",
                                        "loguru-", "foreign-", "fluentbit-", "vector-" };
#define FAMILIES (sizeof families / sizeof families[0])

static void every_case_that_is_not_optional_is_right(void **state)
{
    unsigned right[FAMILIES + 1][2] = { 0 }, all[FAMILIES + 1][2] = { 0 };
    DIR *dir = opendir(FOLDER);
    bool is_good = true;

    (void)state;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char *dot = strstr(entry->d_name, ".txt");
        unsigned family = 0, optional;
        bool is_right;

        if (dot == NULL)
            continue;
        *dot = '\0';
        while (family < FAMILIES && strncmp(entry->d_name, families[family], strlen(families[family])) != 0)
            family++;
        optional = is_optional(entry->d_name);
        is_right = judge(entry->d_name);
        right[family][optional] += is_right;
        all[family][optional]++;
        is_good = is_good && (is_right || optional);
    }
    closedir(dir);
    for (unsigned i = 0; i <= FAMILIES; i++)
        for (unsigned optional = 0; optional < 2; optional++)
            if (all[i][optional] > 0)
                print_message("%-16s %u of %u%s\n", i < FAMILIES ? families[i] : "other", right[i][optional],
                              all[i][optional], optional ? ", optional" : "");
    assert_true(is_good);
}

/* A JSON string's text; only what these files escape. */
static size_t unquote(char *to, const char *from)
{
    size_t len = 0;

    for (; *from != '\0' && *from != '"'; from++) {
        if (*from == '\\' && from[1] == 't')
            to[len++] = '\t', from++;
        else if (*from == '\\')
            to[len++] = *++from;
        else
            to[len++] = *from;
    }
    to[len] = '\0';
    return len;
}

/* Behind an exception's line nothing that bears a timestamp may be taken for the rest of its message. */
static void no_line_with_a_timestamp_is_swallowed(void **state)
{
    static const char trace[] =
        "ERROR:root:x\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\n"
        "    f()\nKeyError: 1\n";
    size_t len, starts = 0, stamped = 0, quiet = 0, not_stamped = 0;
    char *text = read_all(FOLDER "start-lines.jsonl", &len);

    (void)state;
    for (char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        char line[1024], all[2048];
        bool is_stamped;

        *end = '\0';
        len = unquote(line, strstr(at, "\"line\": \"") + 9);
        is_stamped = strstr(at, "\"has_timestamp\": true") != NULL;
        stamped += is_stamped;
        not_stamped += !is_stamped;
        starts += is_stamped && lb_python_line_starts_log(line, len, false);
        quiet += !is_stamped && !lb_python_line_starts_log(line, len, false);
        snprintf(all, sizeof all, "%s%s", trace, line);
        if (is_stamped)
            assert_string_equal(test_records_of(all), "5 1");
    }
    print_message("start-lines: %zu of %zu with a timestamp begin a log, %zu of %zu without do not\n", starts,
                  stamped, quiet, not_stamped);
    free(text);
    assert_true(stamped > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_that_is_not_optional_is_right),
        cmocka_unit_test(no_line_with_a_timestamp_is_swallowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
