/* SPDX-License-Identifier: MIT */
/*
 * Which lines belong together: the forms that CPython 3.8 to 3.13 and the usual loggers print, with and
 * without prefixes and colours; and the lines that look like more of a record and are none. A wrong join is
 * worse than a missed one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_lines.h"

#define T      "Traceback (most recent call last):\n"
#define F      "  File \"/opt/a.py\", line 7, in f\n    g()\n"
#define TB     T F "KeyError: 1\n" /* 4 lines */
#define INFO   "2026-01-15 04:05:06,789 INFO svc: next\n"
#define ERROR  "2026-01-15 04:05:06,789 ERROR svc: failed\n"
#define WARN   "2026-01-15 04:05:06,789 WARNING svc: odd\n"
#define DURING "\nDuring handling of the above exception, another exception occurred:\n\n"
#define CAUSE  "\nThe above exception was the direct cause of the following exception:\n\n"
#define THREAD "Thread 0x00007f87f4eb42c0 (most recent call first):\n  File \"a.py\", line 1 in f\n"

static void is(const char *text, const char *records)
{
    const char *have = test_records_of(text);

    if (strcmp(have, records) != 0)
        fail_msg("%s is \"%s\", not \"%s\"", text, have, records);
}

static void a_traceback_belongs_to_the_error_above_it_and_not_to_an_info(void **state)
{
    (void)state;
    is(ERROR TB INFO, "5 1");
    is(WARN TB INFO, "5 1");
    is(INFO TB INFO, "1 4 1");
    is("plain text\n" TB INFO, "1 4 1");
    is("2026-01-15 04:05:06 something\n" TB INFO, "5 1");
    is("2026-01-15 04:05:06 [info   ] x\n" TB, "1 4");
    is("127.0.0.1 - - [22/Nov/2026 19:15:26] \"GET / HTTP/1.1\" 500 -\n" TB, "1 4");
    is(ERROR "NoneType: None\n" INFO, "2 1");
    is(TB TB "still here\n", "4 4 1");
    is(ERROR TB ERROR TB, "5 5");
}

static void a_message_of_several_lines_is_joined_when_a_traceback_proves_it(void **state)
{
    (void)state;
    is(ERROR "second line\nthird: line\n" TB INFO, "7 1");
    is(ERROR "\nsecond line\n" TB INFO, "7 1");
    is(ERROR "printed\n" INFO, "1 1 1");
    is(ERROR "printed\n" INFO TB, "1 1 1 4");
    is(ERROR "1\n2\n3\n4\n5\n6\n7\n8\n9\n" TB, "1 1 1 1 1 1 1 1 1 1 4");
    is(ERROR ERROR TB, "1 5");
    is(ERROR "{\"a\": 1}\n" TB, "1 1 4");
    is(ERROR "INFO:root:x\n" TB, "1 1 4");
}

static void text_behind_an_exception_needs_proof_to_be_of_its_message(void **state)
{
    (void)state;
    is(TB "still here\n" INFO, "4 1 1");
    is(TB "  indented\n\tand so\n" INFO, "6 1");
    is(T F "ValueError: one\ntwo\n\nthree\n" DURING TB INFO, "14 1");
    is(T F "ValueError: one\ntwo\nthree\n" INFO, "4 1 1 1");
    is(T F "ValueError: one\ntwo\n" TB, "4 1 4");
    is(TB "\n  indented behind a blank\n", "4 1 1");
    is(TB "  2026-01-15 04:05:06 INFO x\n", "4 1");
}

static void chains_are_one_record(void **state)
{
    (void)state;
    is(ERROR TB DURING TB CAUSE TB INFO, "19 1");
    is(TB "During handling of the above exception, another exception occurred:\n" TB INFO, "9 1");
    is(TB DURING INFO, "6 1 1");
    is(TB DURING "  File \"p.py\", line 1\n    def (:\n        ^\nSyntaxError: x\n" INFO, "11 1");
    is(TB CAUSE "ValueError: without frames\n" INFO, "8 1");
    is("Error in sys.excepthook:\n" TB "\nOriginal exception was:\n" TB INFO, "11 1");
    assert_string_equal(test_why_of(TB DURING TB), "chained traceback");
}

#define GROUP                                                                                             \
    "  + Exception Group Traceback (most recent call last):\n  |   File \"a.py\", line 1, in f\n  |     " \
    "go()\n"
#define ONE                                                                                         \
    "  | ExceptionGroup: eg (2 sub-exceptions)\n  | note\n  | \n  | more\n  +-+---------------- 1 " \
    "----------------\n"
#define VALUE "    | ValueError: 1\n    | of two lines\n"
#define TWO   "    +---------------- 2 ----------------\n"
#define NEST                                                                                                \
    "    | Exception Group Traceback (most recent call last):\n    | ExceptionGroup: n (1 sub-exception)\n" \
    "    +-+---------------- 1 ----------------\n      | KeyError: 1\n      "                               \
    "+------------------------------------\n"
#define END "    +------------------------------------\n"

static void groups_are_one_record(void **state)
{
    (void)state;
    is(ERROR GROUP ONE VALUE TWO NEST END INFO, "18 1");
    is(GROUP ONE VALUE TWO NEST END "text\n", "17 1");
    is(GROUP ONE VALUE END CAUSE TB INFO, "18 1");
    is(TB CAUSE GROUP ONE VALUE END GROUP, "18 3");
    is(INFO GROUP ONE VALUE END, "1 11");
    is(ERROR
       "  | ExceptionGroup: eg (1 sub-exception)\n  +-+---------------- 1 ----------------\n" VALUE END INFO,
       "6 1");
    is(GROUP INFO, "3 1");
    is("| a | b |\n| 1 | 2 |\n", "1 1");
    assert_string_equal(test_why_of(GROUP ONE VALUE END), "exception group");
}

static void a_syntax_error_needs_no_header(void **state)
{
    (void)state;
    is("  File \"p.py\", line 1\n    def (:\n        ^\nSyntaxError: invalid syntax\n" INFO, "4 1");
    is("loading\n  File \"p.py\", line 1\n    def (:\n        ^\nSyntaxError: invalid syntax\n", "1 4");
    is("sent to:\n  File \"p.py\", line 1, in f\n    g()\n" INFO, "3 1");
}

static void hooks_lead_to_their_tracebacks(void **state)
{
    static const char *const hooks[] = {
        "Exception in thread Thread-1 (run):",
        "Exception ignored in: <function R.__del__ at 0x7f43>",
        "Exception ignored in thread started by: <function f at 0x7f43>",
        "Exception ignored in atexit callback: <function f at 0x7f43>",
        "Exception ignored on calling ctypes callback function <function f at 0x7f43>:",
        "Error in atexit._run_exitfuncs:",
        "Process ForkPoolWorker-1:",
        "Task exception was never retrieved",
        "Exception occurred during processing of request from ('127.0.0.1', 5)",
        "Internal Server Error: /boom",
        "multiprocessing.pool.RemoteTraceback: ",
    };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++) {
        snprintf(text, sizeof text, "started\n%s\n%s%s", hooks[i], TB, INFO);
        is(text, "1 5 1");
        snprintf(text, sizeof text, "%s\n%s", hooks[i], INFO);
        is(text, "1 1");
    }
    is("Exception ignored in: <generator f at 0x1>\nRuntimeError: generator ignored GeneratorExit\n" INFO,
       "2 1");
    is("Task exception was never retrieved\nfuture: <Task x>\n" TB, "6");
    is(ERROR "future: <Task x>\nsource_traceback: Object created at (most recent call last):\n" F TB INFO,
       "9 1");
    is(ERROR "source_traceback: Object created at (most recent call last):\n" F "task: <Task x>\n" INFO,
       "5 1");
    is("2026-01-15 04:05:06,789 INFO svc: Processing\nProcess list:\n", "1 1");
}

static void a_remote_traceback_is_quoted_in_its_record(void **state)
{
    (void)state;
    is(ERROR "concurrent.futures.process._RemoteTraceback: \n\"\"\"\n" TB "\"\"\"\n" CAUSE TB INFO, "15 1");
    is(ERROR T F "billiard.einfo.ExceptionWithTraceback: \n\"\"\"\n" TB "\"\"\"\n" INFO, "11 1");
    is(TB "\"\"\"\n", "4 1");
    is("RuntimeError: x\n\"\"\"\n", "1 1");
}

static void a_logging_error_goes_on_to_its_arguments(void **state)
{
    (void)state;
    is("--- Logging error ---\n" TB "Call stack:\n" F "Message: 'x'\nArguments: (12,)\n" INFO, "10 1");
    is("--- Logging error ---\n" TB "Call stack:\n" F
       "Unable to print the message and arguments - possible formatting "
       "error.\nUse the traceback above to help find the error.\nplain\n",
       "10 1");
    is("--- Logging error in Loguru Handler #1 ---\nRecord was: {'a': 1}\n" TB
       "--- End of logging error ---\n" INFO,
       "7 1");
    is(TB "Message: 'x'\n" INFO, "4 1 1");
    assert_string_equal(test_why_of("--- Logging error ---\n" TB), "logging error");
}

static void a_stack_belongs_to_whatever_was_logged(void **state)
{
    (void)state;
    is(INFO "Stack (most recent call last):\n" F INFO, "4 1");
    is(ERROR TB "Stack (most recent call last):\n" F INFO, "8 1");
    is(INFO "Stack (most recent call last):\n" F "Done: 5\n", "4 1");
    assert_string_equal(test_why_of(INFO "Stack (most recent call last):\n" F), "stack");
}

static void faulthandler_s_dump_is_one_record(void **state)
{
    (void)state;
    is("loading\nFatal Python error: Segmentation fault\n\n" THREAD
       "\nCurrent thread 0x01 (most recent call first):\n"
       "  File \"a.py\", line 1 in f\n  ...\n\nExtension modules: a, b (total: 2)\nSegmentation fault\n",
       "1 10 1");
    is("Timeout (0:00:00.050000)!\n" THREAD "\n" THREAD "on it goes\n", "6 1");
    is("Fatal Python error: init_fs_encoding: x\nPython runtime state: core "
       "initialized\nModuleNotFoundError: No module "
       "named 'encodings'\n\nCurrent thread 0x01 (most recent call first):\n  <no Python frame>\n" INFO,
       "6 1");
    is(THREAD INFO, "2 1");
    is(INFO THREAD, "1 2");
    assert_string_equal(test_why_of("Fatal Python error: Aborted\n\n" THREAD), "faulthandler");
}

static void warnings_have_their_source_line(void **state)
{
    (void)state;
    is("init\n/opt/app.py:76: UserWarning: x\n  warnings.warn(x)\napp.py:1: a.b.MyWarning: y\n  z\ndone\n",
       "1 2 2 1");
    is("<string>:1: RuntimeWarning: x\nsys:1: ResourceWarning: unclosed\n" INFO, "1 1 1");
    is("a.py:3: ResourceWarning: unclosed\n  f = 1\nResourceWarning: Enable tracemalloc to get the object "
       "allocation "
       "traceback\n" INFO,
       "3 1");
    is("a.py:3: ResourceWarning: unclosed\n  f = 1\nObject allocated at (most recent call last):\n  File "
       "\"a.py\", lineno "
       "10\n    f = open()\n" INFO,
       "5 1");
    is("a.py:3: UserWarning: x\n" TB, "1 4");
    assert_string_equal(test_why_of("a.py:3: UserWarning: x\n  f = 1\n"), "warning");
}

static void a_prefix_on_every_line_is_seen_through(void **state)
{
    static const char *const prefixes[] = {
        "2026-01-15 04:05:06,789 ERROR svc.worker: ",
        "Jan 15 04:05:06 pi app[812]: ",
        "web-1  | ",
        "2026-01-15T04:05:06.123456789Z stderr F ",
        "<11>",
        "[worker 3] ",
    };
    static const char *const bodies[] = {
        T F "KeyError: 1\n",
        T F "KeyError: 1\n" DURING T F "ValueError: 2\n",
        GROUP ONE VALUE TWO NEST END,
        T F "\n" F "KeyError: 1\n",
    };
    char text[4096];

    (void)state;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        for (size_t k = 0; k < sizeof bodies / sizeof bodies[0]; k++) {
            unsigned lines = 0;
            char expected[32];
            size_t at = 0;

            for (const char *line = bodies[k]; *line != '\0'; line = strchr(line, '\n') + 1, lines++)
                at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s\n", prefixes[i],
                                       (int)strcspn(line, "\n"), line);
            snprintf(text + at, sizeof text - at, "2027-01-01 00:00:00 INFO x\n");
            snprintf(expected, sizeof expected, "%u 1", lines);
            is(text, expected);
        }
}

static void a_prefix_on_the_header_alone_is_seen_too(void **state)
{
    (void)state;
    is("ERROR:root:" TB INFO, "4 1");
    is("ERROR:root:failed\nERROR:root:" TB INFO, "1 4 1");
    is("2026-01-15T04:05:06Z stderr F ERROR:root:" T
       "2026-01-15T04:05:06Z stderr F   File \"a.py\", line 1, in f\n"
       "2026-01-15T04:05:07Z stderr F KeyError: 1\n2026-01-15T04:05:07Z stderr F INFO:root:x\n",
       "3 1");
    is("e: failed\ne: " T "e:   File \"a.py\", line 1, in f\ne: KeyError: 1\ne: next\ne: other\n", "1 3 1 1");
    is("2026-01-15 04:05:06,789 ERROR svc: failed\n2026-01-15 04:05:06,790 ERROR svc: " T
       "2026-01-15 04:05:06,790 ERROR svc:   File \"a.py\", line 1, in f\n2026-01-15 04:05:06,790 ERROR svc: "
       "KeyError: 1\n" INFO,
       "4 1");
    is("w | Exception in thread T-1:\nw | " T
       "w |   File \"a.py\", line 1, in f\nw | KeyError: 1\nw | INFO x\n",
       "4 1");
    is("it says Traceback (most recent call last):\n" INFO, "1 1");
}

static void a_prefix_on_every_line_says_nothing_of_the_line_above(void **state)
{
    static const char *const prefixes[] = { "<11>", "2026-01-15T04:05:06.1Z stderr F ",
                                            "2026-01-15 04:05:06 [-] ",
                                            "[2026-01-15 04:05:06,789: WARNING/ForkPoolWorker-1] " };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        const char *p = prefixes[i];

        snprintf(text, sizeof text, "%sready\n%s" T "%s  File \"a.py\", line 1, in f\n%sKeyError: 1\n", p, p,
                 p, p);
        is(text, "1 3");
        snprintf(text, sizeof text,
                 "%sERROR:root:failed\n%s" T "%s  File \"a.py\", line 1, in f\n%sKeyError: 1\n", p, p, p, p);
        is(text, "4");
    }
}

static void colours_are_seen_through(void **state)
{
    (void)state;
    is("Exception in thread T:\n" T
       "  File \033[35m\"/a.py\"\033[0m, line \033[35m6\033[0m, in \033[35mg\033[0m\n"
       "    \033[31mraise\033[0m\n\033[1;35mKeyError\033[0m: \033[35m'x'\033[0m\n" INFO,
       "5 1");
    is("\033[31mERROR\033[0m:root:x\n\033[33m\033[1mTraceback (most recent call last):\033[0m\n\n  File "
       "\"a.py\", line 1, in "
       "f\n\n\033[31m\033[1mKeyError\033[0m:\033[1m 1\033[0m\n\033[32mINFO\033[0m:root:y\n",
       "6 1");
}

static void an_ordinary_line_ends_a_traceback_at_any_place(void **state)
{
    static const char *const lines[] = {
        "2026-01-15 04:05:06,789 INFO svc: x",
        "[2026-01-15 04:05:06 +0000] [7] [INFO] x",
        "INFO:     Started server process [1]",
        "WARNING: a: b",
        "[info] x: y",
        "Jan 15 04:05:06 pi app[1]: x",
        "{\"level\": \"info\"}",
        "level=info msg=x",
        "<14>x",
        "127.0.0.1 - - [22/Nov/2026 19:15:26] \"GET /\" 200",
        "12:30:20 x",
        "I0115 04:05:06.789 7 x.py:1] y",
        "1768449906.123 x",
        "plain text",
        "DEBUG:a.b:c",
        "temperature: 21.5",
        "CRITICAL x",
    };
    static const char whole[] = ERROR TB CAUSE T F "ValueError: 2\n";
    char text[2048], expected[64];

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        for (unsigned cut = 2; cut <= 4; cut++) {
            const char *at = whole;

            for (unsigned line = 0; line < cut; line++)
                at = strchr(at, '\n') + 1;
            snprintf(text, sizeof text, "%.*s%s\n%s", (int)(at - whole), whole, lines[i], INFO);
            snprintf(expected, sizeof expected, "%u 1 1", cut);
            is(text, expected);
        }
}

static void a_broken_traceback_s_rest_swallows_no_log_line(void **state)
{
    (void)state;
    is(ERROR T F INFO F "KeyError: 1\n" INFO, "4 1 3 1");
    is(ERROR T INFO F "KeyError: 1\n", "2 1 3");
}

static void indented_lines_continue_an_ordinary_one(void **state)
{
    (void)state;
    is(INFO "  host = a\n  port = 1\n" INFO, "3 1");
    is("a\n b\n c\nd\n\te\n", "3 2");
    is(" * one\n * two\n   three\n", "1 2");
    is(INFO "\n  behind a blank line\n", "1 1 1");
    is("list of:\n\n  one\n  two\nrest\n", "4 1");
    is(INFO "  2026-01-15 04:05:06 INFO x\n", "1 1");
    is("java.lang.Exception: x\n\tat a.b(C.java:1)\nCaused by: y\n\tat d\nnext\n", "4 1");
    is("x\nCaused by: y\n", "1 1");
    assert_string_equal(test_why_of("a\n b\n"), "indented");
    assert_string_equal(test_why_of("a\n"), "");
    is("[10:00:00] INFO     one    a.py:1\n           ERROR    two    a.py:2\n" TB INFO, "1 5 1");
    is("[10:00:00] INFO     one    a.py:1\n                    of two lines\n" INFO, "2 1");
}

static void in_the_other_modes_nothing_is_known_of_python(void **state)
{
    struct test_lines lines;
    static const char text[] = ERROR TB "a\n b\n\n c\n";

    (void)state;
    test_lines_of(&lines, text, sizeof text - 1);
    test_lines_join(&lines, LB_MULTILINE_OFF);
    for (unsigned i = 0; i < lines.lines; i++)
        assert_true(lines.is_first[i]);
    test_lines_join(&lines, LB_MULTILINE_INDENT);
    assert_true(lines.is_first[1] && !lines.is_first[2] && !lines.is_first[3] && lines.is_first[4]);
    assert_true(lines.is_first[5] && !lines.is_first[6] && lines.is_first[7] && lines.is_first[8]);
    test_lines_free(&lines);
}

static void only_what_is_likely_to_go_on_is_waited_for(void **state)
{
    (void)state;
    assert_false(test_waits_after(INFO));
    assert_false(test_waits_after("plain\n"));
    assert_false(test_waits_after(INFO "  more\n"));
    assert_false(test_waits_after("--- Logging error ---\n" TB "Message: 'x'\nArguments: ()\n"));
    assert_true(test_waits_after(ERROR));
    assert_true(test_waits_after(T));
    assert_true(test_waits_after(ERROR T F));
    assert_true(test_waits_after(TB));
    assert_true(test_waits_after("Exception in thread T:\n"));
    assert_true(test_waits_after("a.py:3: UserWarning: x\n"));
    assert_false(test_waits_after("a.py:3: UserWarning: x\n  y\n"));
}

/* Goes on with the state that a NEW leaves, and compares it with one that was shown the line afresh. */
static unsigned begun_by_new(const char *text, enum lb_multiline_mode mode)
{
    struct lb_multiline going = { 0 }, fresh;
    struct test_lines lines;
    unsigned begun = 0, held = 0;

    test_lines_of(&lines, text, strlen(text));
    for (unsigned i = 0; i < lines.lines; i++) {
        int level = test_level_of(lines.line[i], lines.len[i]);
        enum lb_multiline_step answer = lb_multiline_step(&going, mode, lines.line[i], lines.len[i], level);

        held = answer == LB_MULTILINE_HOLD ? held + 1 : 0;
        if (answer != LB_MULTILINE_NEW)
            continue;
        memset(&fresh, 0, sizeof fresh);
        assert_int_equal(lb_multiline_step(&fresh, mode, lines.line[i], lines.len[i], level),
                         LB_MULTILINE_JOIN);
        assert_memory_equal(&going, &fresh, offsetof(struct lb_multiline, head));
        assert_memory_equal(going.head, fresh.head, fresh.head_len);
        begun++;
    }
    assert_int_equal(held, 0);
    test_lines_free(&lines);
    return begun;
}

static void a_line_that_ends_a_record_has_begun_the_next(void **state)
{
    (void)state;
    assert_int_equal(begun_by_new(INFO INFO "text\n" WARN TB INFO TB ERROR INFO, LB_MULTILINE_PYTHON), 7);
    assert_int_equal(begun_by_new(INFO "text\n  more\n" INFO ERROR "  more\n" INFO, LB_MULTILINE_INDENT), 4);
    assert_int_equal(begun_by_new(INFO INFO INFO, LB_MULTILINE_OFF), 2);
}

static void what_is_on_hold_is_bounded(void **state)
{
    char text[8192];
    size_t at = (size_t)snprintf(text, sizeof text, "%s", TB);

    (void)state;
    for (int i = 0; i < 100; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "text %d\n", i);
    snprintf(text + at, sizeof text - at, "%s", CAUSE TB);
    assert_memory_equal(test_records_of(text), "4 1 1 1", 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_traceback_belongs_to_the_error_above_it_and_not_to_an_info),
        cmocka_unit_test(a_message_of_several_lines_is_joined_when_a_traceback_proves_it),
        cmocka_unit_test(text_behind_an_exception_needs_proof_to_be_of_its_message),
        cmocka_unit_test(chains_are_one_record),
        cmocka_unit_test(groups_are_one_record),
        cmocka_unit_test(a_syntax_error_needs_no_header),
        cmocka_unit_test(hooks_lead_to_their_tracebacks),
        cmocka_unit_test(a_remote_traceback_is_quoted_in_its_record),
        cmocka_unit_test(a_logging_error_goes_on_to_its_arguments),
        cmocka_unit_test(a_stack_belongs_to_whatever_was_logged),
        cmocka_unit_test(faulthandler_s_dump_is_one_record),
        cmocka_unit_test(warnings_have_their_source_line),
        cmocka_unit_test(a_prefix_on_every_line_is_seen_through),
        cmocka_unit_test(a_prefix_on_the_header_alone_is_seen_too),
        cmocka_unit_test(a_prefix_on_every_line_says_nothing_of_the_line_above),
        cmocka_unit_test(colours_are_seen_through),
        cmocka_unit_test(an_ordinary_line_ends_a_traceback_at_any_place),
        cmocka_unit_test(a_broken_traceback_s_rest_swallows_no_log_line),
        cmocka_unit_test(indented_lines_continue_an_ordinary_one),
        cmocka_unit_test(in_the_other_modes_nothing_is_known_of_python),
        cmocka_unit_test(only_what_is_likely_to_go_on_is_waited_for),
        cmocka_unit_test(a_line_that_ends_a_record_has_begun_the_next),
        cmocka_unit_test(what_is_on_hold_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
