/* SPDX-License-Identifier: MIT */
/*
 * What a traceback says: type, message, innermost frame; and a fingerprint that is the same for the same
 * fault in the same code, and another for another. The shared cases are read too: of those that real programs
 * printed, the type must be found in all.
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

#include "agent/shape/traceback.h"

#define FOLDER "../shared/data/tracebacks/"

static struct lb_traceback seen;
static const char *seen_text;

static void check_span(const struct lb_span *span, size_t len)
{
    assert_true(span->at <= len && span->len <= len - span->at);
}

/* From a block that ends where the text ends, so that a sanitizer sees a read past it. */
static bool parse(const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);
    bool is_one;

    assert_non_null(copy);
    memcpy(copy, text, len);
    is_one = lb_traceback_parse(copy, len, &seen);
    free(copy);
    seen_text = text;
    if (is_one) {
        check_span(&seen.kind, len);
        check_span(&seen.message, len);
        check_span(&seen.stack, len);
        check_span(&seen.file, len);
        check_span(&seen.function, len);
        assert_true(seen.fingerprint != 0);
    }
    return is_one;
}

static void assert_span(struct lb_span span, const char *expected)
{
    if (span.len != strlen(expected) || memcmp(seen_text + span.at, expected, span.len) != 0)
        fail_msg("\"%.*s\" is not \"%s\"", (int)span.len, seen_text + span.at, expected);
}

static void says(const char *text, const char *kind, const char *message, const char *file,
                 const char *function)
{
    if (!parse(text))
        fail_msg("no traceback in %s", text);
    assert_span(seen.kind, kind);
    assert_span(seen.message, message);
    assert_span(seen.file, file);
    assert_span(seen.function, function);
}

static uint64_t print_of(const char *text)
{
    if (!parse(text))
        fail_msg("no traceback in %s", text);
    return seen.fingerprint;
}

#define T       "Traceback (most recent call last):\n"
#define F(f, n) "  File \"/opt/" f ".py\", line 7, in " n "\n    " n "()\n"
#define DURING  "\nDuring handling of the above exception, another exception occurred:\n\n"
#define GROUP                                                                                               \
    "  + Exception Group Traceback (most recent call last):\n  |   File \"/opt/g.py\", line 1, in main\n  " \
    "|     go()\n"
#define PART(n) "    +---------------- " n " ----------------\n"
#define CHILD(k) \
    "    | Traceback (most recent call last):\n    |   File \"/opt/c.py\", line 3, in child\n    | " k "\n"
#define END "    +------------------------------------"

static void a_plain_one_names_its_type_and_its_innermost_frame(void **state)
{
    (void)state;
    says("ERROR:root:x\n" T F("a", "f") F("b", "g") "KeyError: 'value'", "KeyError", "'value'", "/opt/b.py",
         "g");
    assert_span(seen.stack, T F("a", "f") F("b", "g") "KeyError: 'value'");
    assert_false(seen.is_fatal || seen.is_warning);
    says(T F("a", "f") "KeyboardInterrupt", "KeyboardInterrupt", "", "/opt/a.py", "f");
    says(T F("a", "<lambda>") "json.decoder.JSONDecodeError: Expecting value", "json.decoder.JSONDecodeError",
         "Expecting value", "/opt/a.py", "<lambda>");
    says(T F("a", "f") "app.f.<locals>.Odd: x", "app.f.<locals>.Odd", "x", "/opt/a.py", "f");
    says(T "> File \"a.py\", line 1, in f\n    f()\nKeyError: 1\n", "KeyError", "1", "a.py", "f");
}

static void a_name_may_be_odd_and_the_stack_a_box(void **state)
{
    static const char box[] =
        "\342\225\255\342\224\200 Traceback (most recent call last) \342\224\200\n"
        "\342\224\202 /opt/a.py:7 in f   \342\224\202\n\342\224\202 /opt/b.py:8 in g   "
        "\342\224\202\n\342\224\202 \342\235\261 8 x()   \342\224\202\n\342\225\260\342\224\200\n"
        "KeyError: 1";

    (void)state;
    says(T F("a", "f") "_Stop: x", "_Stop", "x", "/opt/a.py", "f");
    says(T F("a", "f") "a.b.dry", "a.b.dry", "", "/opt/a.py", "f");
    says(box, "KeyError", "1", "/opt/b.py", "g");
}

static void a_message_has_all_its_lines(void **state)
{
    (void)state;
    says(T F("a", "f") "ValueError: one\n  two\n\nthree\n", "ValueError", "one\n  two\n\nthree", "/opt/a.py",
         "f");
    says(T F("a", "f") "ValueError: one\ntwo" DURING T F("b", "g") "KeyError: 1", "KeyError", "1",
         "/opt/b.py", "g");
    says(T F("a", "f") "ValueError: one\nKeyError: two", "ValueError", "one\nKeyError: two", "/opt/a.py",
         "f");
    says("--- Logging error ---\n" T F("a", "f") "TypeError: x\nCall stack:\n" F(
             "z", "zz") "Message: 'x'\nArguments: ()",
         "TypeError", "x", "/opt/a.py", "f");
    says(T F("a", "f") "KeyError: 1\nStack (most recent call last):\n" F("z", "zz"), "KeyError", "1",
         "/opt/a.py", "f");
}

static void the_last_of_a_chain_was_raised(void **state)
{
    (void)state;
    says(T F("a", "f") "KeyError: 1\n" DURING T F("b", "g") "ValueError: 2", "ValueError", "2", "/opt/b.py",
         "g");
    says("multiprocessing.pool.RemoteTraceback: \n\"\"\"\n" T F(
             "a", "f") "KeyError: 1\n\"\"\"\n\n"
                       "The above exception was the direct cause of the following exception:\n\n" T F(
                           "b", "g") "KeyError: 1",
         "KeyError", "1", "/opt/b.py", "g");
}

static void a_group_is_what_was_raised(void **state)
{
    (void)state;
    says(GROUP "  | ExceptionGroup: two (1 sub-exception)\n  | a note\n  +-+---------------- 1 "
               "----------------\n" CHILD("ValueError: x") END,
         "ExceptionGroup", "two (1 sub-exception)\n  | a note", "/opt/g.py", "main");
    says("ERROR x\n  | ExceptionGroup: two (1 sub-exception)\n  +-+---------------- 1 "
         "----------------\n" CHILD("ValueError: x") END,
         "ExceptionGroup", "two (1 sub-exception)", "", "");
}

static void a_syntax_error_needs_no_header(void **state)
{
    (void)state;
    says("  File \"p.py\", line 1\n    def read(:\n             ^\nSyntaxError: invalid syntax",
         "SyntaxError", "invalid syntax", "p.py", "");
    assert_true(
        parse(T F("a", "f") "  File \"p.py\", line 1\n    x x\n      ^\nSyntaxError: invalid syntax"));
    assert_span(seen.file, "p.py");
}

static void a_dump_is_fatal_and_its_innermost_frame_comes_first(void **state)
{
    (void)state;
    says("Fatal Python error: Segmentation fault\n\nThread 0x00007f87 (most recent call first):\n"
         "  File \"w.py\", line 1 in wait\n\nCurrent thread 0x00007f8c (most recent call first):\n"
         "  File \"a.py\", line 82 in inner\n  File \"a.py\", line 137 in <module>\n\nThread 0x01 (most "
         "recent call "
         "first):\n  File \"z.py\", line 1 in z\n\nExtension modules: a, b (total: 2)",
         "Segmentation fault", "", "a.py", "inner");
    assert_true(seen.is_fatal);
    says("Timeout (0:00:00.050000)!\nThread 0x2 (most recent call first):\n  File \"w.py\", line 1 in wait\n"
         "Thread 0x1 (most recent call first):\n  File \"a.py\", line 84 in main\n",
         "Timeout", "", "a.py", "main");
    says("Fatal Python error: init_sys: no memory\nPython runtime state: core initialized\n", "init_sys",
         "no memory", "", "");
}

static void a_warning_is_no_error(void **state)
{
    (void)state;
    says("/opt/app.py:76: DeprecationWarning: use read()\n  warnings.warn(\"x\")", "DeprecationWarning",
         "use read()", "/opt/app.py", "");
    assert_true(seen.is_warning && !seen.is_fatal);
    says("2026-01-31 23:59:59,123 WARNING py.warnings: /a/b.py:3: UserWarning: x\n  warnings.warn()",
         "UserWarning", "x", "/a/b.py", "");
    assert_true(seen.is_warning);
}

static void a_prefix_is_seen_through(void **state)
{
    (void)state;
    says("2026-01-15 04:05:06,789 ERROR svc: " T
         "2026-01-15 04:05:06,789 ERROR svc:   File \"a.py\", line 1, in f\n"
         "2026-01-15 04:05:06,790 ERROR svc:     f()\n2026-01-15 04:05:06,791 ERROR svc: KeyError: 1",
         "KeyError", "1", "a.py", "f");
    says("ERROR:root:" T F("a", "f") "KeyError: 1", "KeyError", "1", "/opt/a.py", "f");
    says("2026-01-15T04:05:06Z stderr F ERROR:root:" T
         "2026-01-15T04:05:06Z stderr F   File \"a.py\", line 1, in f\n"
         "2026-01-15T04:05:06Z stderr F KeyError: 1",
         "KeyError", "1", "a.py", "f");
}

static void what_has_no_traceback_is_none(void **state)
{
    (void)state;
    assert_false(parse(""));
    assert_false(parse("\n\n"));
    assert_false(parse("ERROR:root:bad reading: ValueError(\"x\")"));
    assert_false(parse("INFO x\n  host = y\n  ValueError: z"));
    assert_false(parse("DEBUG who?\nStack (most recent call last):\n  File \"a.py\", line 1, in f\n    f()"));
    assert_false(parse(T));
    assert_false(parse("ERROR x\nNoneType: None"));
}

static void a_cut_one_keeps_its_frames(void **state)
{
    (void)state;
    says(T F("a", "f"), "", "", "/opt/a.py", "f");
    assert_true(seen.fingerprint != print_of(T F("b", "f")));
}

static void the_same_fault_has_the_same_fingerprint(void **state)
{
    uint64_t print = print_of(T F("a", "f") F("b", "g") "KeyError: 1");

    (void)state;
    assert_true(print == print_of("ERROR x\n" T F("a", "f") F("b", "g") "KeyError: 'other'\nmore"));
    assert_true(
        print ==
        print_of(T "  File \"/opt/a.py\", line 99, in f\n  File \"/opt/b.py\", line 1, in g\nKeyError"));
    assert_true(print == print_of(T F("a", "f") F("b", "g") F("b", "g")
                                      F("b", "g") "  [Previous line repeated 995 more times]\nKeyError: 1"));
    assert_true(print_of(T F("a", "f") F("b", "g") F("a", "f") F("b", "g") "KeyError: 1") == print);
    assert_true(print ==
                print_of("j: " T
                         "j:   File \"/opt/a.py\", line 1, in f\nj:   File \"/opt/b.py\", line 2, in g\n"
                         "j: KeyError: 1"));
    assert_true(
        print ==
        print_of("\033[33m\033[1mTraceback (most recent call last):\033[0m\n\n  File \"\033[32m/opt/"
                 "\033[0m\033[32m\033[1ma.py\033[0m\", line \033[33m9\033[0m, in \033[35mf\033[0m\n\n"
                 "  File \"/opt/b.py\", line 2, in g\n\n\033[31m\033[1mKeyError\033[0m:\033[1m 1\033[0m"));
    assert_true(print_of(T "  File \"<gen 0x7f01>\", line 1, in f\nKeyError: 1") ==
                print_of(T "  File \"<gen 0x7fab>\", line 1, in f\nKeyError: 1"));
    assert_true(print_of(GROUP "  | ExceptionGroup: x\n  +-+---------------- 1 ----------------\n" CHILD(
                    "KeyError: 1") END) ==
                print_of(GROUP "  | ExceptionGroup: y\n  +-+---------------- 1 ----------------\n" CHILD(
                    "KeyError: 1") PART("2") CHILD("KeyError: 2") END));
    assert_true(
        print_of(
            "Fatal Python error: Aborted\n\nCurrent thread 0x01 (most recent call first):\n  File \"a\", "
            "line 1 in f\n") ==
        print_of(
            "Fatal Python error: Aborted\n\nThread 0x09 (most recent call first):\n  File \"q\", line 4 in "
            "q\n\nCurrent thread 0x02 (most recent call first):\n  File \"a\", line 2 in f\n"));
}

static void another_fault_has_another_fingerprint(void **state)
{
    uint64_t print = print_of(T F("a", "f") F("b", "g") "KeyError: 1");

    (void)state;
    assert_true(print != print_of(T F("a", "f") F("b", "g") "IndexError: 1"));
    assert_true(print != print_of(T F("a", "f") F("b", "h") "KeyError: 1"));
    assert_true(print != print_of(T F("a", "h") F("b", "g") "KeyError: 1"));
    assert_true(print != print_of(T F("a", "f") F("c", "g") "KeyError: 1"));
    assert_true(print != print_of(T F("a", "f") "KeyError: 1"));
    assert_true(print !=
                print_of(T F("z", "f") "OSError: 1\n" DURING T F("a", "f") F("b", "g") "KeyError: 1"));
    assert_true(print_of("a.py:1: UserWarning: x\n  x") != print_of("b.py:1: UserWarning: x\n  x"));
}

/* Files of several records are read as if they were one: what is wanted here is that a type is found. */
static void in_all_shared_cases_that_have_one_the_type_is_found(void **state)
{
    static char text[1 << 20];
    DIR *dir = opendir(FOLDER);
    unsigned found = 0, all = 0;

    (void)state;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[512];
        FILE *file;

        if (strstr(entry->d_name, ".txt") == NULL)
            continue;
        snprintf(path, sizeof path, FOLDER "%s", entry->d_name);
        file = fopen(path, "rb");
        assert_non_null(file);
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
        if (strstr(text, "most recent call") == NULL)
            continue;
        all++;
        if (parse(text) && seen.kind.len > 0)
            found++;
        else if (strstr(text, "Stack (most") == NULL)
            print_message("%s: no type\n", path);
    }
    closedir(dir);
    print_message("type found in %u of %u\n", found, all);
    assert_true(found + 1 >= all); /* run-stack-info has none */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_one_names_its_type_and_its_innermost_frame),
        cmocka_unit_test(a_name_may_be_odd_and_the_stack_a_box),
        cmocka_unit_test(a_message_has_all_its_lines),
        cmocka_unit_test(the_last_of_a_chain_was_raised),
        cmocka_unit_test(a_group_is_what_was_raised),
        cmocka_unit_test(a_syntax_error_needs_no_header),
        cmocka_unit_test(a_dump_is_fatal_and_its_innermost_frame_comes_first),
        cmocka_unit_test(a_warning_is_no_error),
        cmocka_unit_test(a_prefix_is_seen_through),
        cmocka_unit_test(what_has_no_traceback_is_none),
        cmocka_unit_test(a_cut_one_keeps_its_frames),
        cmocka_unit_test(the_same_fault_has_the_same_fingerprint),
        cmocka_unit_test(another_fault_has_another_fingerprint),
        cmocka_unit_test(in_all_shared_cases_that_have_one_the_type_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
