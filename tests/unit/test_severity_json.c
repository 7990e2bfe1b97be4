/* SPDX-License-Identifier: MIT */
/* Levels and trace ids of JSON lines, and trace ids of all others; JSON that is broken tells what it told
 * before. */
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

/* From a block that ends where the text ends, so that a sanitizer sees a read past it. */
static struct lb_severity look(const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);
    struct lb_severity found;

    memcpy(copy, text, len);
    lb_severity_look(copy, len, &found);
    free(copy);
    return found;
}

struct line {
    const char *text;
    int level;
};

static void check(const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (look(lines[i].text).level != lines[i].level)
            fail_msg("%d, not %d: %s", look(lines[i].text).level, lines[i].level, lines[i].text);
}
#define CHECK(lines) check(lines, sizeof(lines) / sizeof(lines)[0])

static void each_key_is_known(void **state)
{
    static const char *const keys[] = { "level",  "levelname", "severity",     "lvl",          "log.level",
                                        "Level",  "LEVEL",     "log_level",    "loglevel",     "level_name",
                                        "@level", "levelno",   "severityText", "severity_text" };
    char line[128];

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        snprintf(line, sizeof line, "{\"msg\": \"x\", \"%s\": \"WARNING\", \"n\": 1}", keys[i]);
        if (look(line).level != LB_LEVEL_WARNING)
            fail_msg("%s", line);
    }
}

static void levels_within_known_objects_count(void **state)
{
    static const struct line lines[] = {
        { "{\"log\":{\"logger\":\"x\",\"level\":\"error\"}}", LB_LEVEL_ERROR },
        { "{\"level\":{\"name\":\"ERROR\",\"no\":40}}", LB_LEVEL_ERROR },
        { "{\"record\":{\"x\":{\"level\":\"info\"},\"level\":{\"icon\":\"{\",\"name\":\"ERROR\",\"no\":40}}}",
          LB_LEVEL_ERROR },
        { "{\"record\":{\"level\":{\"no\":25}}}", LB_LEVEL_NOTICE },
        { "{\"data\":{\"level\":\"error\"}}", -1 },
        { "{\"data\":[{\"level\":\"error\"}],\"level\":\"info\"}", LB_LEVEL_INFO },
        { "{\"log\":\"level\",\"x\":\"error\"}", -1 },
        { " {\n  \"level\" : \"error\"\n}", LB_LEVEL_ERROR },
    };

    (void)state;
    CHECK(lines);
}

static void numbers_are_those_of_the_logger_that_wrote_them(void **state)
{
    static const struct line lines[] = {
        { "{\"level\":10}", LB_LEVEL_DEBUG },
        { "{\"level\":20}", LB_LEVEL_INFO },
        { "{\"level\":30}", LB_LEVEL_WARNING },
        { "{\"level\":\"40\"}", LB_LEVEL_ERROR },
        { "{\"level\":50}", LB_LEVEL_CRITICAL },
        { "{\"level\":60}", LB_LEVEL_CRITICAL },
        { "{\"levelno\":35}", LB_LEVEL_WARNING },
        { "{\"level\":41}", -1 }, /* a tank's */
        { "{\"level\":0.5}", -1 },
        { "{\"level\":-10}", -1 },
        { "{\"level\":1000}", -1 },
        { "{\"level\":true,\"severity\":\"error\"}", LB_LEVEL_ERROR },
        { "{\"level\":30,\"levelname\":\"NOTICE\"}", LB_LEVEL_NOTICE },
        { "{\"name\":\"a\",\"hostname\":\"h\",\"pid\":1,\"level\":30,\"msg\":\"x\",\"time\":\"2026\",\"v\":"
          "0}",
          LB_LEVEL_INFO },
        { "{\"name\":\"a\",\"hostname\":\"h\",\"pid\":1,\"level\":20,\"msg\":\"x\",\"time\":\"2026\",\"v\":"
          "0}",
          LB_LEVEL_DEBUG },
        { "{\"level\":40,\"time\":1531171074631,\"msg\":\"x\"}", LB_LEVEL_WARNING },
        { "{\"level\":40,\"time\":1531171074.63,\"msg\":\"x\"}", LB_LEVEL_ERROR },
        { "{\"version\":\"1.1\",\"host\":\"h\",\"short_message\":\"x\",\"level\":3}", LB_LEVEL_ERROR },
        { "{\"version\":\"1.1\",\"host\":\"h\",\"level\":0}", LB_LEVEL_EMERGENCY },
        { "{\"version\":\"1.1\",\"level\":3}", -1 },
        { "{\"severity\":3}", LB_LEVEL_ERROR },
        { "{\"PRIORITY\":\"4\",\"MESSAGE\":\"x\"}", LB_LEVEL_WARNING },
        { "{\"severityNumber\":17}", LB_LEVEL_ERROR },
    };

    (void)state;
    CHECK(lines);
}

static void of_two_levels_the_better_key_and_then_the_last_one_counts(void **state)
{
    static const struct line lines[] = {
        { "{\"level\":\"info\",\"level\":\"error\"}", LB_LEVEL_ERROR },
        { "{\"severity\":\"error\",\"level\":\"info\"}", LB_LEVEL_INFO },
        { "{\"level\":\"high\",\"severity\":\"error\"}", LB_LEVEL_ERROR },
        { "{\"le\\u0076el\":\"err\\u006fr\"}", LB_LEVEL_ERROR },
        { "{\"level\":\"ERROR   \"}", LB_LEVEL_ERROR },
        { "{\"le\\qvel\":\"error\"}", -1 },
        { "{\"msg\":\"\\\",\\\"level\\\":\\\"error\"}", -1 },
    };

    (void)state;
    CHECK(lines);
}

static void broken_json_says_nothing_that_it_does_not_say(void **state)
{
    static const struct line lines[] = {
        { "{", -1 },
        { "{}", -1 },
        { "{\"level\"", -1 },
        { "{\"level\":", -1 },
        { "{\"level\":\"error", -1 },
        { "{\"level\":3", -1 },
        { "{\"level\":30", -1 },
        { "{\"level\":\"error\"", LB_LEVEL_ERROR },
        { "{\"level\":\"error\",\"msg\":\"cut by max_li", LB_LEVEL_ERROR },
        { "{\"msg\":\"a \"level\": \"error\" b\"}", -1 },
        { "{\"msg\":\"x, \"level\":\"error\"}", -1 },
        { "{\"a\":[1,2},\"level\":\"error\"}", -1 },
        { "{\"a\":1 \"level\":\"error\"}", -1 },
        { "{'level': 'error'}", -1 },
        { "{level: error}", -1 },
        { "{\"a\":\"\\", -1 },
        { "{\"a\":\"\\\"", -1 },
        { "{\"a\":NaN,\"level\":\"error\"}", LB_LEVEL_ERROR },
        { "[{\"level\":\"error\"}]", -1 },
    };
    char deep[400];

    (void)state;
    CHECK(lines);
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"a\":", 5);
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(look(deep).level, -1);
}

struct ids {
    const char *text, *trace, *span;
};

static void check_ids(const struct ids *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct lb_severity found = look(lines[i].text);

        if (found.trace_id.len != strlen(lines[i].trace) || found.span_id.len != strlen(lines[i].span) ||
            memcmp(lines[i].text + found.trace_id.at, lines[i].trace, found.trace_id.len) != 0 ||
            memcmp(lines[i].text + found.span_id.at, lines[i].span, found.span_id.len) != 0)
            fail_msg("%.*s %.*s: %s", (int)found.trace_id.len, lines[i].text + found.trace_id.at,
                     (int)found.span_id.len, lines[i].text + found.span_id.at, lines[i].text);
    }
}

static void ids_of_json_are_lifted(void **state)
{
    static const struct ids lines[] = {
        { "{\"dd.trace_id\":\"123\",\"dd.span_id\":\"456\"}", "123", "456" },
        { "{\"dd.trace_id\":123,\"dd.span_id\":456}", "123", "456" },
        { "{\"dd\":{\"trace_id\":\"123\",\"span_id\":\"456\",\"env\":\"\"},\"level\":\"info\"}", "123",
          "456" },
        { "{\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"span_id\":\"b7ad6b7169203331\"}",
          "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331" },
        { "{\"traceId\":\"aa\",\"spanId\":\"bb\"}", "aa", "bb" },
        { "{\"otelTraceID\":\"aa\",\"otelSpanID\":\"bb\"}", "aa", "bb" },
        { "{\"trace.id\":\"aa\",\"span\":{\"id\":\"bb\"}}", "aa", "bb" },
        { "{\"record\":{\"extra\":{\"dd.trace_id\":\"7\",\"dd.span_id\":\"8\"}}}", "7", "8" },
        { "{\"trace_id\":\"aa\",\"dd.trace_id\":\"7\",\"traceId\":\"bb\"}", "7", "" },
        { "{\"dd.trace_id\":\"0\",\"dd.span_id\":\"0\"}", "", "" },
        { "{\"trace_id\":\"00000000000000000000000000000000\",\"span_id\":null}", "", "" },
        { "{\"trace_id\":\"not hex\",\"span_id\":{\"a\":1}}", "", "" },
        { "{\"trace_id\":\"\",\"x\":{\"span_id\":\"1\"}}", "", "" },
    };

    (void)state;
    check_ids(lines, sizeof lines / sizeof lines[0]);
}

static void ids_of_text_are_lifted(void **state)
{
    static const struct ids lines[] = {
        { "2026-01-31 23:59:59,123 INFO [a] [a.py:1] [dd.service=x dd.env= dd.version= dd.trace_id=123 "
          "dd.span_id=456] - text",
          "123", "456" },
        { "level=info dd.trace_id=\"123\" dd.span_id=456 msg=x", "123", "456" },
        { "level=info trace_id=0af7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331",
          "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331" },
        { "trace_id=aa dd.trace_id=7 otelSpanID=bb", "7", "bb" },
        { "text \x1b[36mdd.trace_id\x1b[0m=\x1b[35m123\x1b[0m", "123", "" },
        { "<6>x dd.trace_id=123", "123", "" },
        { "[dd.trace_id=0 dd.span_id=0]", "", "" },
        { "my_trace_id=5 xdd.span_id=6", "", "" },
        { "trace_id= span_id=xyz traceId", "", "" },
        { "dd.trace_id=", "", "" },
        { "=", "", "" },
        { "d=d=id=trace_id=", "", "" },
    };

    (void)state;
    check_ids(lines, sizeof lines / sizeof lines[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_is_known),
        cmocka_unit_test(levels_within_known_objects_count),
        cmocka_unit_test(numbers_are_those_of_the_logger_that_wrote_them),
        cmocka_unit_test(of_two_levels_the_better_key_and_then_the_last_one_counts),
        cmocka_unit_test(broken_json_says_nothing_that_it_does_not_say),
        cmocka_unit_test(ids_of_json_are_lifted),
        cmocka_unit_test(ids_of_text_are_lifted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
