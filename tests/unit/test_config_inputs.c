/* SPDX-License-Identifier: MIT */
/*
 * [input NAME] of a configuration.
 *
 * The story: somebody writes down what is to be read beside the pipes. What can be read is taken as it
 * stands, with what one key takes from another; what cannot is told with the line that is to blame.
 */
#include "tests/unit/lib_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FILE_INPUT    "type = file\npath = /run/app/*.log\n"
#define JOURNAL_INPUT "type = journal\n"

static void a_file_is_a_service_by_its_inputs_name(void **state)
{
    const struct lb_input_config *input;

    (void)state;
    test_config_of(TEST_SINK "[input nginx]\n" FILE_INPUT "[input other]\ntype = file\npath = /run/b\n"
                             "service = web\ntags = tier:edge\nallow_flash = yes\nstart = begin\n");
    assert_int_equal(test_config->input_count, 2);
    input = &test_config->inputs[0];
    assert_string_equal(input->name, "nginx");
    assert_string_equal(input->type, "file");
    assert_string_equal(input->path, "/run/app/*.log");
    assert_string_equal(input->service, "nginx");
    assert_string_equal(input->tags, "");
    assert_false(input->allow_flash);
    assert_int_equal(input->start, LB_START_END);
    input = &test_config->inputs[1];
    assert_string_equal(input->service, "web");
    assert_string_equal(input->tags, "tier:edge");
    assert_true(input->allow_flash);
    assert_int_equal(input->start, LB_START_BEGIN);
}

static void a_journal_gives_each_entry_its_own_service(void **state)
{
    (void)state;
    test_config_of(TEST_SINK "[input j]\n" JOURNAL_INPUT "units = nginx getty@*.service\n");
    assert_string_equal(test_config->inputs[0].service, "");
    assert_string_equal(test_config->inputs[0].units, "nginx getty@*.service");
}

static void what_does_not_go_together_is_told_with_its_line(void **state)
{
    static const struct {
        const char *text, *fault;
    } cases[] = {
        { "[input a]\npath = /run/x\n", "needs a type: file or journal" },
        { "[input a]\ntype = file\n", ":5: [input a] is of type file and needs a path" },
        { "[input a]\ntype = pipe\n", ":5: type must be file or journal" },
        { "[input a]\ntype = journal\npath = /run/x\n", ":6: path does not go with type = journal" },
        { "[input a]\ntype = journal\nallow_flash = yes\n",
          ":6: allow_flash does not go with type = journal" },
        { "[input a]\n" FILE_INPUT "units = x\n", ":7: units does not go with type = file" },
        { "[input a]\ntype = file\npath = run/x\n", ":6: path must be an absolute path" },
        { "[input a]\n" FILE_INPUT "service = a b\n", ":7: service holds a blank" },
        { "[input a]\n" FILE_INPUT "service = a\"b\n", ":7: service must be 1 to 128" },
        { "[input a]\n" FILE_INPUT "tags = x y\n", ":7: tags must be" },
        { "[input a]\n" FILE_INPUT "start = middle\n", ":7: start must be end or begin" },
        { "[input a]\n" JOURNAL_INPUT "units = a;b\n", ":6: units must be names of units" },
        { "[input a]\n" JOURNAL_INPUT "units = -x\n", ":6: units must be names of units" },
        { "[input a]\n" JOURNAL_INPUT "unit = x\n", ":6: unknown key \"unit\" in [input]: is units meant?" },
        { "[input a]\n" FILE_INPUT "path = /run/y\n", ":7: a second value for path" },
        { "[input]\n" FILE_INPUT, "[input] needs a name" },
        { "[inputs a]\n" FILE_INPUT, "is [input] meant?" },
        { "[input a]\n" FILE_INPUT "[input b]\n" FILE_INPUT, "[input a] reads the same already" },
        { "[input a]\n" JOURNAL_INPUT "[input b]\n" JOURNAL_INPUT, "[input a] reads the same already" },
        { "[ring]\npath = /x\n", "unknown key \"path\" in [ring]: it belongs in [" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024];

        snprintf(text, sizeof text, "%s%s", TEST_SINK, cases[i].text);
        if (!strstr(test_faults_of(text), cases[i].fault))
            fail_msg("%s is not told of:\n%s\n%s", cases[i].fault, cases[i].text, test_faults_text());
    }
}

static void a_change_of_an_input_waits_for_the_next_start(void **state)
{
    static char before[256], after[256];
    const char *names[8];
    struct lb_config *old_config;

    (void)state;
    snprintf(before, sizeof before, "%s[input a]\n" FILE_INPUT, TEST_SINK);
    snprintf(after, sizeof after, "%s[input a]\n" FILE_INPUT "start = begin\n[input j]\n" JOURNAL_INPUT,
             TEST_SINK);
    test_config_of(before);
    old_config = test_config;
    test_config = NULL;
    test_config_of(after);
    assert_int_equal(lb_config_restart_keys(old_config, test_config, names, 8), 2);
    assert_string_equal(names[0], "input.type");
    assert_string_equal(names[1], "input.start");
    assert_int_equal(lb_config_restart_keys(test_config, test_config, names, 8), 0);
    lb_config_free(old_config);
}

static void there_is_a_bound_to_the_inputs(void **state)
{
    char text[4096];
    size_t used = (size_t)snprintf(text, sizeof text, "%s", TEST_SINK);

    (void)state;
    for (int i = 0; i <= LB_INPUTS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "[input i%d]\ntype = file\npath = /run/%d\n", i, i);
    assert_non_null(strstr(test_faults_of(text), "more than 15 [input] sections"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_make_dir, test_remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_a_service_by_its_inputs_name),
        TEST(a_journal_gives_each_entry_its_own_service),
        TEST(what_does_not_go_together_is_told_with_its_line),
        TEST(a_change_of_an_input_waits_for_the_next_start),
        TEST(there_is_a_bound_to_the_inputs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
