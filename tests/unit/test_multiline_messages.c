/* SPDX-License-Identifier: MIT */
/*
 * Messages of several lines, and exceptions and hooks of an unusual form: which of the lines below them
 * belong to the record. Nothing marks these lines, so each form has something that proves it, and without it
 * the lines stay what they are. The forms are those of CPython 3.8 to 3.13 and of libraries that many
 * services use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_lines.h"

#define T     "Traceback (most recent call last):\n"
#define F     "  File \"/opt/a.py\", line 7, in f\n    g()\n"
#define TB    T F "KeyError: 1\n" /* 4 lines */
#define INFO  "2026-01-15 04:05:06,789 INFO svc: next\n"
#define ERROR "2026-01-15 04:05:06,789 ERROR svc: failed\n"
#define GROUP \
    "  + Exception Group Traceback (most recent call last):\n  | ExceptionGroup: eg (2 sub-exceptions)\n"
#define ONE "  +-+---------------- 1 ----------------\n"
#define TWO "    +---------------- 2 ----------------\n"
#define END "    +------------------------------------\n"

static void is(const char *text, const char *records)
{
    const char *have = test_records_of(text);

    if (strcmp(have, records) != 0)
        fail_msg("%s is \"%s\", not \"%s\"", text, have, records);
}

static void lines_outside_of_the_margin_are_a_group_s_if_it_goes_on_behind_them(void **state)
{
    (void)state;
    is(GROUP ONE "    | ValueError: a\nb\nc: d\n" TWO "    | TypeError: 2\n" END INFO, "9 1");
    is(GROUP ONE "    | ValueError: a\n\n  b\n" END "ready\n", "7 1");
    is("  + Exception Group Traceback (most recent call last):\n  | ExceptionGroup: a\nb (1 "
       "sub-exception)\n" ONE "    | KeyError: 1\n" END "ready\n",
       "6 1");
    is(GROUP ONE "    | ValueError: a\nready\n" INFO, "4 1 1");
    is(GROUP ONE "    | ValueError: a\n" INFO TWO, "4 2"); /* any indented line continues an ordinary one */
}

static void an_exception_s_name_may_be_odd_where_a_traceback_lacks_one(void **state)
{
    (void)state;
    is(T F "_Stop: x\nready\n", "4 1");
    is(T F "\303\204rger: x\nready\n", "4 1");
    is(T F "pump.errors.dry\nready\n", "4 1");
    is(T F "dry: x\n", "3 1");
    is("  File \"/opt/a.py\", line 7, in f\npump.ready\n", "1 1");
    is(TB "_Stop: x\n" INFO, "4 1 1");
    is("_Stop: x\nready\n", "1 1");
}

static void an_error_without_a_traceback_belongs_to_the_line_that_logged_it(void **state)
{
    (void)state;
    is(ERROR "ValueError: never raised\n" INFO, "2 1");
    is(ERROR "pump.DryException\nready\n", "2 1");
    is(ERROR "ValueError: a\n" TB INFO, "6 1");
    is(ERROR "ValueError: a\n\nThe above exception was the direct cause of the following exception:\n\n"
             "KeyError: 1\n" INFO,
       "6 1");
    is(ERROR "Temperature: 21.5\n" INFO, "1 1 1");
    is(ERROR "HeatingGroup: 7\n" INFO, "1 1 1");
    is(INFO "ValueError: printed\n" INFO, "1 1 1");
    assert_string_equal(test_why_of(ERROR "ValueError: never raised\n"), "traceback");
}

static void a_colon_at_the_end_announces_the_rest_of_a_message(void **state)
{
    (void)state;
    is(T F "ValueError: \nfirst line\nready\n", "5 1");
    is(T F "ValueError: \n" INFO, "4 1");
    is(T F "ValueError:    \nready\n", "4 1");
    is(T F "ValueError: bad fields:\n\n  a: missing\nready\n", "6 1");
    is(T F "ValueError: bad fields:\nready\n", "4 1");
    is(T F "RuntimeError: the worker said:\n" TB INFO, "8 1");
    is(T F "RuntimeError: the worker said:\n\n" TB INFO, "9 1");
    is(TB TB, "4 4");
    is(TB "\n" TB, "4 1 4");
}

static void what_libraries_append_to_a_message_is_of_it(void **state)
{
    (void)state;
    is(T F "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) no such table: t\n"
           "[SQL: SELECT a\nFROM t]\n[parameters: (1,)]\n"
           "(Background on this error at: https://sqlalche.me/e/14/e3q8)\nready\n",
       "8 1");
    is(T F "psycopg2.errors.UndefinedTable: relation \"t\" does not exist\nLINE 1: select * from t\n"
           "                      ^\nHINT:  none\nready\n",
       "7 1");
    is(T F "jsonschema.exceptions.ValidationError: 5 is not of type 'string'\n\n"
           "Failed validating 'type' in schema:\n    {'type': 'string'}\n\nOn instance:\n    5\nready\n",
       "10 1");
    is(T F "pydantic_core._pydantic_core.ValidationError: 2 validation errors for M\na\n"
           "  Field required [type=missing, input_value={}]\n    For further information visit x\nb.c\n"
           "  Field required [type=missing, input_value={}]\nready\n",
       "9 1");
    is(T F "ValueError: x\nstatus\n  ready\n", "4 2");
    is("[SQL: SELECT 1]\nLINE 1: x\n", "1 1");
}

static void a_warning_s_text_goes_on_up_to_its_source_line(void **state)
{
    (void)state;
    is("/opt/a.py:7: UserWarning: one\ntwo\n\nthree: 3\n  warnings.warn(text)\nready\n", "5 1");
    is("/opt/a.py:7: UserWarning: one\nready\n" INFO, "1 1 1");
    is("/opt/a.py:7: UserWarning: one\n  warnings.warn(text)\nready\n  and so\n", "2 2");
    is("/opt/a.py:7: UserWarning: one\n1\n2\n3\n4\n5\n  warnings.warn(text)\n", "1 1 1 1 1 2");
    is("<string>:7: UserWarning: one\nready\n  and so\n", "1 2");
    is("/opt/a.py:7: UserWarning: one\n" INFO "  indented\n", "1 2");
}

static void hooks_of_libraries_lead_to_their_tracebacks(void **state)
{
    static const char *const hooks[] = {
        "Exception in Tkinter callback",
        "Exception in ASGI application",
        "Exception in initializer:",
        "exception calling callback <Future at 0x7f43 state=finished returned int>",
        "Fatal error on transport TCPTransport",
        "Fatal read error on socket transport",
        "Unhandled exception in client_connected_cb",
        "Unhandled error in Deferred:",
        "Accept failed on a socket",
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++) {
        snprintf(text, sizeof text, "%s\n%sready\n", hooks[i], TB);
        is(text, "5 1");
        snprintf(text, sizeof text, "%s\nready\n", hooks[i]);
        is(text, "1 1");
    }
    is("Internal Server Error: /a\nUnauthorized: /b\n" INFO, "1 1 1");
    is("Exception ignored in: <function f at 0x7f43>\nKeyError: 1\n" INFO, "2 1");
    is("Error processing line 1 of /opt/x.pth:\n\n  Traceback (most recent call last):\n    File \"a.py\", "
       "line 1, "
       "in f\n  KeyError: 1\n" INFO,
       "5 1");
    is(T F "--- <exception caught here> ---\n" F "builtins.KeyError: 1\n" INFO, "7 1");
}

#define TOP    "\033[31m\342\225\255\342\224\200\033[0m \033[1mTraceback \033[2m(most recent call last)\033[0m\n"
#define SIDE   "\033[31m\342\224\202\033[0m"
#define BOX    TOP SIDE " /opt/\033[1ma.py\033[0m:7 in f   " SIDE "\n" SIDE "  7 g()   " SIDE "\n" BOTTOM
#define BOTTOM "\342\225\260\342\224\200\342\225\257\n"

static void the_boxes_of_rich_are_tracebacks(void **state)
{
    (void)state;
    is(ERROR BOX "\033[1mZeroDivisionError: \033[0mdivision by zero\n" INFO, "6 1");
    is("ready\n" BOX
       "KeyError: 1\n\nThe above exception was the direct cause of the following exception:\n\n" BOX
       "ValueError: 2\nready\n",
       "1 13 1");
    is("ready\n" BOTTOM SIDE " a table " SIDE "\n" INFO, "1 1 1 1");
    is("\342\206\222 an arrow\n\342\206\222 another\n", "1 1");
}

static void an_indented_traceback_ends_in_its_indented_blank_line(void **state)
{
    (void)state;
    is("2026-01-15 04:05:06+0000 [-] Unhandled Error\n\tTraceback (most recent call last):\n\t  File "
       "\"a.py\", line 1, "
       "in f\n\t    g()\n\tbuiltins.KeyError: 1\n\t\n" INFO,
       "6 1");
}

#define GO                                                                                               \
    "goroutine 7 [running]:\nmain.dry(0xc000, 0x1)\n\t/a/pump.go:7 +0x39\npanic(0x1)\n\t/go/panic.go:5 " \
    "+0x1\n"                                                                                             \
    "created by main.main\n\t/a/main.go:5 +0x58\n"

static void a_panic_of_go_has_all_its_goroutines(void **state)
{
    (void)state;
    is("panic: dry\n\n" GO "\n" GO "exit status 2\n" INFO, "17 1 1");
    is("fatal error: all goroutines are asleep - deadlock!\n\n" GO INFO, "9 1");
    is("panic: dry\n[signal SIGSEGV: segmentation violation]\n\n" GO "ready\n", "10 1");
    is("panic: dry [recovered]\n\tpanic: again\n\n" GO INFO, "10 1");
    is("2019/01/15 07:48:05 http: panic serving [::1]:54143: x\n" GO INFO, "1 7 1");
    is(GO "all is well (by now)\ncreated by hand\n" INFO, "7 1 1 1");
    is("panic: there is none\nready (really)\n\nready\n", "1 1 1 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_outside_of_the_margin_are_a_group_s_if_it_goes_on_behind_them),
        cmocka_unit_test(an_exception_s_name_may_be_odd_where_a_traceback_lacks_one),
        cmocka_unit_test(an_error_without_a_traceback_belongs_to_the_line_that_logged_it),
        cmocka_unit_test(a_colon_at_the_end_announces_the_rest_of_a_message),
        cmocka_unit_test(what_libraries_append_to_a_message_is_of_it),
        cmocka_unit_test(a_warning_s_text_goes_on_up_to_its_source_line),
        cmocka_unit_test(hooks_of_libraries_lead_to_their_tracebacks),
        cmocka_unit_test(the_boxes_of_rich_are_tracebacks),
        cmocka_unit_test(a_panic_of_go_has_all_its_goroutines),
        cmocka_unit_test(an_indented_traceback_ends_in_its_indented_blank_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
