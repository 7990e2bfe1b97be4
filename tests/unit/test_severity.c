/* SPDX-License-Identifier: MIT */
/*
 * The level that a line states about itself: Python's default format, formats with asctime, and texts that
 * only look as if they stated one. The shared cases hold many more formats than this step knows yet: how many
 * it gets right is printed, and judged only for the families that it is meant for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/shape/severity.h"
#include "common/level.h"

#define CASES "../shared/data/severity/cases.jsonl"

/* From a block that ends where the text ends, so that a sanitizer sees a read past it. */
static int level_of(const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);
    int level;

    memcpy(copy, text, len);
    level = lb_severity_of(copy, len);
    free(copy);
    return level;
}

static void python_s_default_format_begins_with_the_level(void **state)
{
    (void)state;
    assert_int_equal(level_of("DEBUG:root:x"), LB_LEVEL_DEBUG);
    assert_int_equal(level_of("INFO:root:x"), LB_LEVEL_INFO);
    assert_int_equal(level_of("WARNING:root:x"), LB_LEVEL_WARNING);
    assert_int_equal(level_of("ERROR:my.module:x"), LB_LEVEL_ERROR);
    assert_int_equal(level_of("CRITICAL:root:"), LB_LEVEL_CRITICAL);
    assert_int_equal(level_of("DEBUG:x:level=CRITICAL in payload"), LB_LEVEL_DEBUG);
    assert_int_equal(level_of("INFO:     Started server process [1]"), LB_LEVEL_INFO);
}

static void after_asctime_the_level_is_one_of_three_fields(void **state)
{
    (void)state;
    assert_int_equal(level_of("2026-01-31 23:59:59,123 ERROR text"), LB_LEVEL_ERROR);
    assert_int_equal(level_of("2026-01-31 23:59:59,123 - till - WARNING - text"), LB_LEVEL_WARNING);
    assert_int_equal(level_of("2026-01-31 23:59:59,123 till.net [77] CRITICAL: text"), LB_LEVEL_CRITICAL);
    assert_int_equal(level_of("2026-01-31 23:59:59,123 till DEBUG text"), LB_LEVEL_DEBUG);
    assert_int_equal(level_of("2026-01-31 23:59:59 [77] [INFO] Booting"), LB_LEVEL_INFO);
    assert_int_equal(level_of("2026-01-31 23:59:59,123 a b c ERROR text"), -1); /* running text by then */
}

static void asctime_is_known_in_its_usual_shapes(void **state)
{
    static const char *const stamps[] = {
        "2026-01-31 23:59:59",       "2026-01-31 23:59:59,123",         "2026-01-31 23:59:59.123456",
        "2026-01-31T23:59:59",       "2026-01-31T23:59:59.1Z",          "2026-01-31T23:59:59Z",
        "2026-01-31T23:59:59+02:00", "2026-01-31T23:59:59.123+0200",    "2026-01-31 23:59:59 +0000",
        "[2026-01-31 23:59:59,123]", "[2026-01-31 23:59:59 -0530] [7]", "2026-01-31 23:59:59-05:30",
    };
    char line[128];

    (void)state;
    for (size_t i = 0; i < sizeof stamps / sizeof stamps[0]; i++) {
        snprintf(line, sizeof line, "%s ERROR text", stamps[i]);
        if (level_of(line) != LB_LEVEL_ERROR)
            fail_msg("%s", line);
        snprintf(line, sizeof line, "%s | ERROR    | text", stamps[i]);
        if (level_of(line) != LB_LEVEL_ERROR)
            fail_msg("%s", line);
        snprintf(line, sizeof line, "ERROR %s text", stamps[i]);
        if (level_of(line) != LB_LEVEL_ERROR)
            fail_msg("%s", line);
    }
    assert_int_equal(level_of("2026-01-31 23:59:59,123|ERROR|till|text"), LB_LEVEL_ERROR);
    assert_int_equal(level_of("2026-01-31 23:59:59,123 <ERROR> text"), LB_LEVEL_ERROR);
    assert_int_equal(level_of("2026-01-31 23:59:59,123 (ERROR), text"), LB_LEVEL_ERROR);
    assert_int_equal(level_of("[ERROR] 2026-01-31 23:59:59,123 text"), LB_LEVEL_ERROR);
    assert_int_equal(level_of("[ERROR]\t2026-01-31T23:59:59.123Z\ttext"), LB_LEVEL_ERROR);
}

static void a_word_in_running_text_is_no_level(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "[",
        "ERROR",
        "ERROR in the text",
        "ERRORS:1",
        "Error: lower case is what people write",
        "error: cannot open",
        "an ERROR occurred",
        "no errors today",
        "Information desk opened",
        "warned 3 times already?",
        "WARNINGS: none",
        "at 2026-01-31 23:59:59 ERROR",
        "2026-01-31 ERROR text",
        "2026-01-31 23:59 ERROR text",
        "2026-01-31 23:59:59,123 the pump had an error again ERROR",
        "2026-01-31 23:59:59,123 pump error in valve",
        "{\"level\": \"error\"}",
        "[ERROR",
        "[2026-01-31 23:59:59",
        "[2026-01-31 23:59:59]",
        "2026-01-31 23:59:59,",
        "2026-01-31 23:59:59+",
        "2026-01-31 23:59:59 +",
        "2026-01-31 23:59:59,123 -",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (level_of(texts[i]) != -1)
            fail_msg("%s", texts[i]);
}

static void nul_bytes_and_long_lines_are_text_like_any_other(void **state)
{
    char line[2 * LB_SEVERITY_LOOK];
    static const char nul[] = "2026-01-31 23:59:59\0\0 \0 ERROR x";

    (void)state;
    assert_int_equal(lb_severity_of(nul, sizeof nul - 1), LB_LEVEL_ERROR);
    memset(line, ' ', sizeof line);
    memcpy(line, "2026-01-31 23:59:59", 19);
    memcpy(line + LB_SEVERITY_LOOK - 5, "ERROR", 5);
    assert_int_equal(lb_severity_of(line, sizeof line), LB_LEVEL_ERROR);
    memset(line + 19, ' ', sizeof line - 19);
    memcpy(line + LB_SEVERITY_LOOK - 4, "ERROR", 5); /* its last letter is not looked at */
    assert_int_equal(lb_severity_of(line, sizeof line), -1);
}

/* The text of a member of a case, unescaped as far as these cases need it. */
static int member(const char *json, const char *name, char *buf, size_t size)
{
    const char *at = strstr(json, name);
    size_t len = 0;

    if (!at)
        return -1;
    for (at += strlen(name); *at && *at != '"' && len + 1 < size; at++) {
        if (*at == '\\')
            at++;
        buf[len++] = *at;
    }
    buf[len] = '\0';
    return 0;
}

static void the_shared_cases_of_these_formats_are_right(void **state)
{
    static const char *const ours[] = { "basicConfig default", "asctime first", "dashes",
                                        "django verbose",      "uvicorn",       "home-assistant",
                                        "gunicorn docs" };
    unsigned right = 0, all = 0, ours_right = 0, ours_all = 0;
    static char json[65536], line[65536], format[64], accept[256];
    FILE *file = fopen(CASES, "r");

    (void)state;
    if (!file)
        fail_msg(CASES " cannot be read: the test runs in the checkout, with shared/ beside it");
    while (fgets(json, sizeof json, file)) {
        int level, is_ours = 0, is_right;

        if (member(json, "{\"line\": \"", line, sizeof line) ||
            member(json, "\"format\": \"", format, sizeof format))
            continue;
        snprintf(accept, sizeof accept, "%.255s", strstr(json, "\"accept\": ["));
        *strchr(accept, ']') = '\0';
        level = level_of(line);
        is_right = level < 0 ? strstr(accept, "unset") != NULL : strstr(accept, lb_level_name(level)) != NULL;
        if (level == LB_LEVEL_WARNING)
            is_right = strstr(accept, "warning") != NULL;
        for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
            is_ours |= strcmp(format, ours[i]) == 0;
        all++;
        right += is_right;
        ours_all += is_ours;
        ours_right += is_ours && is_right;
        if (is_ours && !is_right)
            print_message("%s: %s\n", format, line);
    }
    fclose(file);
    print_message("%u of %u of the default and asctime formats, %u of %u of all\n", ours_right, ours_all,
                  right, all);
    assert_int_equal(ours_right, ours_all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(python_s_default_format_begins_with_the_level),
        cmocka_unit_test(after_asctime_the_level_is_one_of_three_fields),
        cmocka_unit_test(asctime_is_known_in_its_usual_shapes),
        cmocka_unit_test(a_word_in_running_text_is_no_level),
        cmocka_unit_test(nul_bytes_and_long_lines_are_text_like_any_other),
        cmocka_unit_test(the_shared_cases_of_these_formats_are_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
