/* SPDX-License-Identifier: MIT */
/*
 * A command from afar, read. Anybody may have sent it: what is not one of the few is refused with a reason,
 * and what could be read of it tells whom to answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/control/remote_command.h"
#include "common/level.h"

static struct lb_remote_command command;

static const char *read_text(const char *text)
{
    return lb_remote_command_read(text, strlen(text), &command);
}

static void taken(const char *text)
{
    const char *why = read_text(text);

    if (why)
        fail_msg("%s: %s", text, why);
}

static void refused(const char *text, const char *reason)
{
    const char *why = read_text(text);

    if (!why || !strstr(why, reason))
        fail_msg("%s: %s, not %s", text, why ? why : "taken", reason);
}

static void each_command_is_what_it_says(void **state)
{
    (void)state;
    taken("{\"id\":\"7\",\"command\":\"status\"}");
    assert_int_equal(command.name, LB_REMOTE_STATUS);
    assert_string_equal(command.id, "7");
    taken(" { \"command\" : \"wear\" , \"id\" : \"a.b_c:d-E9\" } \n");
    assert_int_equal(command.name, LB_REMOTE_WEAR);
    taken("{\"id\":\"7\",\"command\":\"context\",\"service\":\"shop/checkout@2:x\"}");
    assert_int_equal(command.name, LB_REMOTE_CONTEXT);
    assert_string_equal(command.service, "shop/checkout@2:x");
    taken("{\"id\":\"7\",\"command\":\"level\",\"service\":\"app\",\"level\":\"Debug\",\"for\":\"10m\","
          "\"who\":\"Zoë, "
          "ops\",\"expires\":1767225600}");
    assert_int_equal(command.level, LB_LEVEL_DEBUG);
    assert_int_equal(command.for_ms, 600000);
    assert_string_equal(command.who, "Zoë, ops");
    assert_int_equal(command.expires_s, 1767225600);
    taken("{\"id\":\"7\",\"command\":\"level\",\"service\":\"app\",\"level\":\"debug\",\"for\":\"0s\"}");
    assert_int_equal(command.for_ms, 0);
}

static void escapes_are_read(void **state)
{
    (void)state;
    taken("{\"id\":\"\\u0037\",\"command\":\"\\u0073tatus\",\"who\":\"\\\"me\\\"\"}");
    assert_string_equal(command.id, "7");
    assert_string_equal(command.who, "\"me\"");
    refused("{\"id\":\"7\",\"command\":\"status\",\"who\":\"\\x\"}", "escape");
    refused("{\"id\":\"7\\u0000\",\"command\":\"status\"}", "id takes");
    refused("{\"id\":\"7\",\"command\":\"status\\u0000\"}", "no such command");
    refused("{\"\\u0069d\":\"7\",\"command\":\"status\"}", "knows id");
}

static void what_is_no_object_is_refused(void **state)
{
    static const char *const texts[] = { "",
                                         " ",
                                         "status",
                                         "[]",
                                         "{",
                                         "null",
                                         "\"status\"",
                                         "{}x",
                                         "{} {}",
                                         "{\"id\":\"7\",\"command\":\"status\"",
                                         "{\"id\":\"7\" \"command\":\"status\"}",
                                         "{\"id\":\"7\",\"command\":\"status\"}}",
                                         "{\"id\":\"7\",\"command\":\"status\"}\x01" };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        refused(texts[i], "one JSON object");
    assert_non_null(lb_remote_command_read("{\"id\":\"7\",\"command\":\"status\"}\0", 30, &command));
}

static void a_command_has_512_bytes_at_most(void **state)
{
    char text[LB_REMOTE_COMMAND_MAX + 2];

    (void)state;
    memset(text, ' ', sizeof text);
    memcpy(text, "{\"id\":\"7\",\"command\":\"status\"}", 29);
    assert_null(lb_remote_command_read(text, LB_REMOTE_COMMAND_MAX, &command));
    assert_non_null(lb_remote_command_read(text, LB_REMOTE_COMMAND_MAX + 1, &command));
    assert_int_equal(command.name, -1);
}

static void nothing_else_may_stand_in_it_and_nothing_twice(void **state)
{
    (void)state;
    refused("{\"id\":\"7\",\"command\":\"status\",\"path\":\"/etc/shadow\"}", "knows id");
    refused("{\"id\":\"7\",\"command\":\"status\",\"command\":\"wear\"}", "twice");
    refused("{\"id\":\"7\",\"command\":\"status\",\"service\":\"app\"}", "take nothing");
    refused("{\"id\":\"7\",\"command\":\"context\",\"service\":\"app\",\"for\":\"1m\"}", "no more");
    refused("{\"id\":\"7\",\"command\":\"level\",\"service\":\"app\",\"level\":\"debug\"}",
            "service, level and for");
    refused("{\"id\":7,\"command\":\"status\"}", "strings");
    refused("{\"id\":\"7\",\"command\":[\"status\"]}", "strings");
    refused("{\"id\":\"7\",\"command\":\"status\",\"who\":{\"a\":\"b\"}}", "strings");
}

static void each_text_keeps_to_its_kind(void **state)
{
    (void)state;
    refused("{\"command\":\"status\"}", "needs an id");
    refused("{\"id\":\"\",\"command\":\"status\"}", "id takes");
    refused("{\"id\":\"a/b\",\"command\":\"status\"}", "id takes");
    refused("{\"id\":\"0123456789012345678901234567890123456789012345678901234567890123x\",\"command\":"
            "\"status\"}",
            "id takes");
    refused("{\"id\":\"7\"}", "needs a command");
    refused("{\"id\":\"7\",\"command\":\"Status\"}", "no such command");
    refused("{\"id\":\"7\",\"command\":\"flush\"}", "no such command");
    refused("{\"id\":\"7\",\"command\":\"context\",\"service\":\"a b\"}", "name of a service");
    refused("{\"id\":\"7\",\"command\":\"context\",\"service\":\"$(reboot)\"}", "name of a service");
    refused("{\"id\":\"7\",\"command\":\"level\",\"service\":\"a\",\"level\":\"loud\",\"for\":\"1m\"}",
            "no such level");
    refused("{\"id\":\"7\",\"command\":\"level\",\"service\":\"a\",\"level\":\"info\",\"for\":\"ever\"}",
            "duration");
    refused("{\"id\":\"7\",\"command\":\"level\",\"service\":\"a\",\"level\":\"info\",\"for\":\"-1m\"}",
            "duration");
    refused("{\"id\":\"7\",\"command\":\"status\",\"who\":\"a\\nb\"}", "who takes");
    refused("{\"id\":\"7\",\"command\":\"status\",\"who\":\"\\u009b2J\"}", "who takes");
    refused("{\"id\":\"7\",\"command\":\"status\",\"who\":\"\xff\"}", "who takes");
    refused("{\"id\":\"7\",\"command\":\"status\",\"expires\":\"1\"}", "seconds since 1970");
    refused("{\"id\":\"7\",\"command\":\"status\",\"expires\":0}", "seconds since 1970");
    refused("{\"id\":\"7\",\"command\":\"status\",\"expires\":1e9}", "seconds since 1970");
}

static void what_is_refused_still_tells_whom_to_answer(void **state)
{
    (void)state;
    refused("{\"command\":\"reboot\",\"who\":\"ops\",\"id\":\"7\"}", "no such command");
    assert_string_equal(command.id, "7");
    assert_string_equal(command.who, "ops");
    assert_int_equal(command.name, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_is_what_it_says),
        cmocka_unit_test(escapes_are_read),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(a_command_has_512_bytes_at_most),
        cmocka_unit_test(nothing_else_may_stand_in_it_and_nothing_twice),
        cmocka_unit_test(each_text_keeps_to_its_kind),
        cmocka_unit_test(what_is_refused_still_tells_whom_to_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
