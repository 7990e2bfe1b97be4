/* SPDX-License-Identifier: MIT */
/*
 * What lines of plain text state about themselves: the formats of Python's loggers and of what runs beside
 * them, and texts that only look as if they stated something. All shared cases must be right; how many there
 * are of each family is printed.
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
#include "common/json_scan.h"
#include "common/level.h"

#define CASES "../shared/data/severity/cases.jsonl"

/* From a block that ends where the text ends, so that a sanitizer sees a read past it. */
static struct lb_severity look(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);
    struct lb_severity found;

    memcpy(copy, text, len);
    lb_severity_look(copy, len, &found);
    free(copy);
    assert_true((found.level >= 0) == (found.rule != LB_SEVERITY_NONE));
    return found;
}

static int level_of(const char *text)
{
    return look(text, strlen(text)).level;
}

struct line {
    const char *text;
    int level;
};

static void check(const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (level_of(lines[i].text) != lines[i].level)
            fail_msg("%d, not %d: %s", level_of(lines[i].text), lines[i].level, lines[i].text);
}
#define CHECK(lines) check(lines, sizeof(lines) / sizeof(lines)[0])

static void the_level_may_come_first(void **state)
{
    static const struct line lines[] = {
        { "DEBUG:root:x", LB_LEVEL_DEBUG },
        { "CRITICAL:root:", LB_LEVEL_CRITICAL },
        { "DEBUG:x:level=CRITICAL in payload", LB_LEVEL_DEBUG },
        { "INFO:     Started server process [1]", LB_LEVEL_INFO },
        { "WARNING  pump is hot", LB_LEVEL_WARNING },
        { "WARNING\tpump is hot", LB_LEVEL_WARNING },
        { "WARNING - pump is hot", LB_LEVEL_WARNING },
        { "WARNING | pump is hot", LB_LEVEL_WARNING },
        { "WARN|pump|hot", LB_LEVEL_WARNING },
        { "ERROR Connection lost", LB_LEVEL_ERROR },
        { "ERROR till.net: lost", LB_LEVEL_ERROR },
        { "INFO[0012] lost", LB_LEVEL_INFO },
        { "[INFO] lost", LB_LEVEL_INFO },
        { "[ info] lost", LB_LEVEL_INFO },
        { "[warning  ] lost", LB_LEVEL_WARNING },
        { "(ERROR) lost", LB_LEVEL_ERROR },
        { "[ERROR/MainProcess] lost", LB_LEVEL_ERROR },
        { "[77] [ERROR] lost", LB_LEVEL_ERROR },
        { "[MainThread] ERROR lost", LB_LEVEL_ERROR },
        { "NOTICE: x", LB_LEVEL_NOTICE },
        { "ALERT: x", LB_LEVEL_ALERT },
        { "EMERG: x", LB_LEVEL_EMERGENCY },
        { "SUCCESS: x", LB_LEVEL_INFO },
        { "TRACE: x", LB_LEVEL_DEBUG },
        { "VERBOSE: x", LB_LEVEL_DEBUG },
        { "FATAL: x", LB_LEVEL_CRITICAL },
        { "E1122 19:31:17.199000   25326 file.go:12] x", LB_LEVEL_ERROR },
        { "[W 221122 19:31:17 web:2344] 404 GET /", LB_LEVEL_WARNING },
        { "[I 2026-11-22 19:31:17.199 ServerApp] x", LB_LEVEL_INFO },
        { "           WARNING  rich leaves a time out that it has just shown   a.py:7", LB_LEVEL_WARNING },
        { "[ERROR][till.net] x", LB_LEVEL_ERROR },
    };

    (void)state;
    CHECK(lines);
}

static void a_name_may_stand_before_a_level_that_stands_apart(void **state)
{
    static const struct line lines[] = {
        { "till.net - ERROR - x", LB_LEVEL_ERROR },
        { "Till - WARNING  - x", LB_LEVEL_WARNING },
        { "root | INFO | x", LB_LEVEL_INFO },
        { "root : DEBUG : x", LB_LEVEL_DEBUG },
        { "till: ERROR: x", LB_LEVEL_ERROR },
        { "till[77]: ERROR x", LB_LEVEL_ERROR },
        { "a.py:7: ERROR: x", LB_LEVEL_ERROR },
        { "till.net [ERROR] x", LB_LEVEL_ERROR },
        { "till.net    : ERROR    x", LB_LEVEL_ERROR },
        { "till.net.long: WARNING  x", LB_LEVEL_WARNING },
        { "till  - ERROR    - x", LB_LEVEL_ERROR },
        { "till: ERROR  x", -1 },
        { "till: ERROR    ", -1 },
        { "till[77]: ERRORS x", -1 },
        { "note: ERROR codes", -1 },
        { "till - an ERROR - x", -1 },
        { "till - ERROR", -1 },
        { "till - ERROR -", -1 },
        { "till - Error - x", -1 },
        { "till - ERROR | x", -1 },
        { "see [ERROR] x", -1 },
        { "my till - ERROR - x", -1 },
        { "till: ", -1 },
        { "    ERROR    x", -1 },
        { "           ERROR  x", -1 },
        { "           error    x", -1 },
    };

    (void)state;
    CHECK(lines);
}

static void behind_a_stamp_the_level_is_a_field(void **state)
{
    static const struct line lines[] = {
        { "2026-01-31 23:59:59,123 ERROR text", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,123 - till - WARNING - text", LB_LEVEL_WARNING },
        { "2026-01-31 23:59:59,123 - my till net - WARNING - text", LB_LEVEL_WARNING },
        { "2026-01-31 23:59:59,123 till - WARNING - text", LB_LEVEL_WARNING },
        { "2026-01-31 23:59:59,123 till.net [77] CRITICAL: text", LB_LEVEL_CRITICAL },
        { "2026-01-31 23:59:59,123 till DEBUG text", LB_LEVEL_DEBUG },
        { "2026-01-31 23:59:59 [77] [INFO] Booting", LB_LEVEL_INFO },
        { "2026-01-31 23:59:59,123|ERROR|till|text", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,123:ERROR:till:text", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,123:till.net:ERROR:text", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,123 till:ERROR:text", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,123 - till - error - text", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,123 | warning  | text", LB_LEVEL_WARNING },
        { "2026-01-31 23:59:59,123;ERROR;till;text", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,123 <ERROR> text", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,123 (ERROR), text", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,123: ERROR: text", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,123 [main thread] ERROR a.b - text", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,123 ERROR 12 --- [main] a.b : text", LB_LEVEL_ERROR },
        { "2026-01-31T23:59:59.123456Z 0 [Warning] [MY-010068] [Server] text", LB_LEVEL_WARNING },
        { "2026-01-31T23:59:59Z warning: text", LB_LEVEL_WARNING },
        { "2026-01-31T23:59:59Z level=warn msg=x", LB_LEVEL_WARNING },
        { "2026-01-31T23:59:59Z caller=a.go:1 level=warn msg=x", LB_LEVEL_WARNING },
        { "01-22 19:31:17.199  1234  5678 ERROR Tag: text", LB_LEVEL_ERROR },
        { "Jun 14 15:16:01 combo app[12]: ERROR text", LB_LEVEL_ERROR },
        { "[Sun Dec 04 04:47:44.123456 2005] [core:error] [pid 1] text", LB_LEVEL_ERROR },
        { "2026/01/31 23:59:59 [crit] 123#123: *1 text", LB_LEVEL_CRITICAL },
        { "[2026/01/31 23:59:59] [ warn] [engine] text", LB_LEVEL_WARNING },
        { "nova.log.1 2026-01-31 23:59:59.123 2931 INFO nova.compute text", LB_LEVEL_INFO },
        { "web_1  | 2026-01-31 23:59:59,123 ERROR text", LB_LEVEL_ERROR },
        { "[2026-01-31 23:59:59,123: ERROR/ForkPoolWorker-1] text", LB_LEVEL_ERROR },
        { "[2026-01-31 23:59:59,123] ERROR in app: text", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,123,25230,ERROR,text", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,text,ERROR", -1 },
        { "[2026-01-31 23:59:59][ERROR][till] text", LB_LEVEL_ERROR },
    };

    (void)state;
    CHECK(lines);
}

static void stamps_are_known_in_their_usual_shapes(void **state)
{
    static const char *const stamps[] = {
        "2026-01-31 23:59:59",
        "2026-01-31 23:59:59,123",
        "2026-01-31 23:59:59.123456",
        "2026-01-31T23:59:59",
        "2026-01-31T23:59:59.1Z",
        "2026-01-31T23:59:59Z",
        "2026-01-31T23:59:59+02:00",
        "2026-01-31T23:59:59.123+0200",
        "2026-01-31 23:59:59 +0000",
        "[2026-01-31 23:59:59,123]",
        "[2026-01-31 23:59:59 -0530] [7]",
        "2026-01-31 23:59:59-05:30",
        "2026-01-31 23:59",
        "2026-01-31 at 23:59:59",
        "2026/01/31 23:59:59.123",
        "31/01/2026 23:59:59",
        "01/31/2026 11:59:59 PM",
        "31.01.2026 23:59:59",
        "31/Jan/2026:23:59:59 +0100",
        "[31/Jan/2026 23:59:59]",
        "31-Jan-2026 23:59:59",
        "20260131 23:59:59",
        "20260131T235959",
        "260131 235959",
        "01-31 23:59:59.123",
        "10-22 22:19",
        "23:59:59",
        "23:59:59,123",
        "Jan 31 23:59:59",
        "Jan  1 23:59:59",
        "[Sat Jan 31 23:59:59 2026]",
        "Sat Jan 31 23:59:59 2026",
        "Sat, 31 Jan 2026 23:59:59 GMT",
        "1795375877",
        "1795375877.194",
        "1795375877194",
        "[1795375877.194]",
        "2026-01-31 23:59:59,123 UTC",
    };
    static const char *const forms[] = { "%s ERROR text",   "%s | ERROR    | text",    "ERROR %s text",
                                         "%s [error] text", "%s - a.b - ERROR - text", "%s ERROR: text" };
    char line[128];

    (void)state;
    for (size_t i = 0; i < sizeof stamps / sizeof stamps[0]; i++)
        for (size_t form = 0; form < sizeof forms / sizeof forms[0]; form++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(line, sizeof line, forms[form], stamps[i]);
#pragma GCC diagnostic pop
            if (level_of(line) != LB_LEVEL_ERROR)
                fail_msg("%s", line);
        }
    assert_int_equal(level_of("[ERROR] 2026-01-31 23:59:59,123 text"), LB_LEVEL_ERROR);
    assert_int_equal(level_of("[ERROR]\t2026-01-31T23:59:59.123Z\ttext"), LB_LEVEL_ERROR);
    assert_int_equal(level_of("[ERROR 2026-01-31 23:59:59,123 a.b] text"), LB_LEVEL_ERROR);
}

static void the_level_may_come_last(void **state)
{
    static const struct line lines[] = {
        { "2026-01-31 23:59:59,123 the pump is warm again [ERROR]", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,123 the pump is warm again (WARNING) ", LB_LEVEL_WARNING },
        { "2026-01-31 23:59:59,123 the pump is warm again | INFO", LB_LEVEL_INFO },
        { "2026-01-31 23:59:59,123 the pump is warm again - INFO", LB_LEVEL_INFO },
        { "2026-01-31 23:59:59,123 the pump is warm again [\x1b[31mERROR\x1b[0m]", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,123 the pump is warm again [ERROR]\nTraceback (...):\n  x", LB_LEVEL_ERROR },
        { "2026-01-31 23:59:59,123 the pump is warm again ERROR", -1 },
        { "2026-01-31 23:59:59,123 the pump is warm again [error]", -1 },
        { "2026-01-31 23:59:59,123 the pump is warm again[ERROR", -1 },
        { "the pump is warm again [ERROR]", -1 },
    };

    (void)state;
    CHECK(lines);
}

static void colours_are_seen_through(void **state)
{
    static const struct line lines[] = {
        { "\x1b[31mERROR\x1b[0m: text", LB_LEVEL_ERROR },
        { "\x1b[32minfo\x1b[39m: text", LB_LEVEL_INFO },
        { "\x1b[1;31mCRITICAL\x1b[0m \x1b[34mtext goes on\x1b[0m", LB_LEVEL_CRITICAL },
        { "2026-01-31 23:59:59 [\x1b[33mwarning\x1b[0m] text", LB_LEVEL_WARNING },
        { "2026-01-31 23:59:59 \x1b[33mWARNING\x1b[0m a.b: text", LB_LEVEL_WARNING },
        { "\x1b[2m2026-01-31 23:59:59\x1b[0m - a.b - \x1b[33m\x1b[1mWARNING\x1b[0m - text",
          LB_LEVEL_WARNING },
        { "\x1b[38;5;196m[ERROR]\x1b[0m text", LB_LEVEL_ERROR },
        { "\x1b[1mhello\x1b[0m ERROR", -1 },
        { "\x1b[31m", -1 },
        { "\x1b", -1 },
    };

    (void)state;
    CHECK(lines);
}

static void logfmt_states_its_level_in_a_pair(void **state)
{
    static const struct line lines[] = {
        { "level=error msg=\"x\"", LB_LEVEL_ERROR },
        { "time=\"2026-01-31T23:59:59Z\" level=warning msg=x", LB_LEVEL_WARNING },
        { "ts=1 caller=\"a \\\" level=info\" lvl=crit", LB_LEVEL_CRITICAL },
        { "a=1 severity=\"ERROR\" b=2", LB_LEVEL_ERROR },
        { "level=41 unit=cm", -1 },
        { "level=high", -1 },
        { "user=bob said level=error today", -1 },
        { "a=\"level=error", -1 },
        { "level=", -1 },
        { "level=\"", -1 },
        { "event='it works' level='warning' a=1", LB_LEVEL_WARNING },
        { "event='level=error' level=info", LB_LEVEL_INFO },
    };

    (void)state;
    CHECK(lines);
}

static void a_prefix_goes_before_all_else_and_is_skipped(void **state)
{
    struct lb_severity found = look("<3>INFO:x", 9);

    (void)state;
    assert_int_equal(found.level, LB_LEVEL_ERROR);
    assert_int_equal(found.skip, 3);
    assert_string_equal(lb_severity_rule_name(found.rule), "pri");
    found = look("<14>{\"level\":\"error\",\"dd.trace_id\":\"77\"}", 41);
    assert_int_equal(found.level, LB_LEVEL_INFO);
    assert_int_equal(found.skip, 4);
    assert_int_equal(found.trace_id.at, 36);
    assert_int_equal(found.trace_id.len, 2);
    assert_int_equal(look("<7>", 3).level, LB_LEVEL_DEBUG);
    assert_int_equal(look("<191>x", 6).level, LB_LEVEL_DEBUG);
    assert_int_equal(look("<192>x", 6).skip, 0);
    assert_int_equal(look("<03>x", 5).skip, 0);
    assert_int_equal(look("<>x", 3).skip, 0);
    assert_int_equal(look("<3", 2).skip, 0);
    assert_int_equal(look("<h3>x", 5).level, -1);
}

static void a_word_in_running_text_is_no_level(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "[",
        "ERROR",
        "ERROR ",
        "ERROR in the text",
        "INFO desk opened",
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
        "2026-01-31 23:59:59,123 the pump had an error again ERROR",
        "2026-01-31 23:59:59,123 pump error in valve",
        "2026-01-31 23:59:59,123 no more ERROR found",
        "2026-01-31 23:59:59,123 a b c ERROR text",
        "2026-01-31 23:59:59 - previous ERROR was cleared",
        "2026-01-31 23:59:59 worker: previous ERROR was cleared",
        "2026-01-31 23:59:59 - pump error - text",
        "2026-01-31 23:59:59 Error: the pump",
        "2026-01-31 23:59:59 I am here",
        "2026-01-31 23:59:597 ERROR x",
        "[ERROR",
        "[2026-01-31 23:59:59",
        "[2026-01-31 23:59:59]",
        "2026-01-31 23:59:59,",
        "2026-01-31 23:59:59+",
        "2026-01-31 23:59:59 +",
        "2026-01-31 23:59:59,123 -",
        "127.0.0.1 - - [22/Nov/2026:19:15:26 +0000] \"GET /ERROR HTTP/1.1\" 500 -",
        "E 12 is an additive",
        "[C] compiler found",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (level_of(texts[i]) != -1)
            fail_msg("%d: %s", level_of(texts[i]), texts[i]);
}

static void nul_bytes_and_long_lines_are_text_like_any_other(void **state)
{
    char line[2 * LB_SEVERITY_LOOK];
    static const char nul[] = "2026-01-31 23:59:59 \0\0 ERROR x";

    (void)state;
    assert_int_equal(look(nul, sizeof nul - 1).level, LB_LEVEL_ERROR);
    memset(line, ' ', sizeof line);
    memcpy(line, "2026-01-31 23:59:59", 19);
    memcpy(line + LB_SEVERITY_LOOK - 5, "ERROR", 5);
    assert_int_equal(look(line, sizeof line).level, LB_LEVEL_ERROR);
    memset(line + 19, ' ', sizeof line - 19);
    memcpy(line + LB_SEVERITY_LOOK - 4, "ERROR", 5); /* its last letter is not looked at */
    assert_int_equal(look(line, sizeof line).level, -1);
}

/* The shared cases: counts by family. */
struct family {
    char name[64];
    unsigned right, all;
};

static struct family families[64];

static struct family *family_of(const char *name)
{
    struct family *family = families;

    while (family->name[0] && strcmp(family->name, name) != 0)
        family++;
    assert_true(family < families + 63);
    snprintf(family->name, sizeof family->name, "%s", name);
    return family;
}

static void check_case(const char *json, size_t json_len)
{
    static char line[65536], format[64];
    struct lb_json_scan scan;
    struct lb_json_member member;
    char accept[256] = "", wanted[32];
    ssize_t line_len = -1, format_len = -1;
    struct family *family;
    int level;

    assert_true(lb_json_scan_begin(&scan, json, json_len));
    while (lb_json_scan_next(&scan, &member)) {
        if (member.key_len == 4 && memcmp(member.key, "line", 4) == 0)
            line_len = lb_json_unescape(line, sizeof line, member.value, member.value_len);
        else if (member.key_len == 6 && memcmp(member.key, "format", 6) == 0)
            format_len = lb_json_unescape(format, sizeof format - 1, member.value, member.value_len);
        else if (member.key_len == 6 && memcmp(member.key, "accept", 6) == 0)
            snprintf(accept, sizeof accept, "%.*s", (int)strcspn(member.value, "]"), member.value);
    }
    assert_true(line_len >= 0 && format_len >= 0 && accept[0] != '\0');
    format[format_len] = '\0';
    family = family_of(format);
    level = look(line, (size_t)line_len).level;
    snprintf(wanted, sizeof wanted, "\"%s\"", level < 0 ? "unset" : lb_level_name(level));
    family->all++;
    if (strstr(accept, wanted))
        family->right++;
    else
        print_message("wrong, %s: %.*s\n", wanted, (int)line_len, line);
}

static void all_shared_cases_are_right(void **state)
{
    static char json[65536];
    unsigned right = 0, all = 0;
    FILE *file = fopen(CASES, "r");

    (void)state;
    if (!file)
        fail_msg(CASES " cannot be read: the test runs in the checkout, with shared/ beside it");
    while (fgets(json, sizeof json, file))
        check_case(json, strlen(json));
    fclose(file);
    for (struct family *family = families; family->name[0]; family++) {
        print_message("%4u of %3u  %s\n", family->right, family->all, family->name);
        right += family->right;
        all += family->all;
    }
    print_message("%4u of %3u  all\n", right, all);
    assert_true(all >= 255);
    assert_int_equal(right, all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_level_may_come_first),
        cmocka_unit_test(a_name_may_stand_before_a_level_that_stands_apart),
        cmocka_unit_test(behind_a_stamp_the_level_is_a_field),
        cmocka_unit_test(stamps_are_known_in_their_usual_shapes),
        cmocka_unit_test(the_level_may_come_last),
        cmocka_unit_test(colours_are_seen_through),
        cmocka_unit_test(logfmt_states_its_level_in_a_pair),
        cmocka_unit_test(a_prefix_goes_before_all_else_and_is_skipped),
        cmocka_unit_test(a_word_in_running_text_is_no_level),
        cmocka_unit_test(nul_bytes_and_long_lines_are_text_like_any_other),
        cmocka_unit_test(all_shared_cases_are_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
