/* SPDX-License-Identifier: MIT */
/*
 * The remote hand without a broker: what is heard is given to it, what it says is caught. The clock is ours.
 * What it asks of the fast side is seen in the link; the rest has a broker (tests/fault/test_remote.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/control/remote.h"
#include "agent/ship/encode_own.h"
#include "common/clock.h"
#include "common/level.h"
#include "tests/unit/lib_config.h"
#include "tests/unit/lib_store.h"

#define CONFIG                                                                                             \
    "[agent]\nhostname = box\n[remote]\nenabled = yes\nrate = 6/min\nmax_for = 1h\n[wear]\nsample = off\n" \
    "[sink fleet]\ntype = mqtt\naddress = mqtt://b:1883\n"
#define TOKEN_NS (10 * LB_NS_PER_S) /* of 6 a minute */
#define WALL_S   1800000000ull

static struct store store;
static struct lb_link doors;
static struct lb_wall wall;
static struct lb_status_source source;
static struct lb_remote remote;
static uint64_t now_ns;
static char said[4096]; /* the last answer */
static unsigned said_count;

static int catch (void *ctx, char *body, size_t len, const struct lb_mqtt_heard *to)
{
    (void)ctx;
    (void)to;
    snprintf(said, sizeof said, "%.*s", (int)len, body);
    said_count++;
    free(body);
    return 0;
}

static int begin_with(const char *config)
{
    now_ns = 1000 * LB_NS_PER_S;
    store_begin(&store, 65536, 0, 0);
    lb_state_service(&store.state, "checkout", 8);
    store_publish(&store);
    memset(&doors, 0, sizeof doors);
    doors.to_fast_fd = doors.to_slow_fd = -1;
    lb_wall_init(&wall, 0);
    lb_wall_look(&wall, &(struct lb_wall_reading) { now_ns, WALL_S * LB_NS_PER_S, true });
    source = (struct lb_status_source) { .config = test_config_of(config), .state = &store.state };
    remote = (struct lb_remote) { .link = &doors, .status = &source, .wall = &wall };
    lb_remote_open(&remote, source.config, NULL, 1, now_ns);
    remote.config = source.config; /* without a transport it is off: what follows is given to it by hand */
    remote.allowed = lb_remote_names_parse(source.config->remote_commands);
    remote.say = catch;
    said_count = 0;
    return 0;
}

static int begin(void **state)
{
    return test_make_dir(state) == 0 ? begin_with(CONFIG) : -1;
}

static int end(void **state)
{
    store_end(&store);
    return test_remove_dir(state);
}

static struct lb_mqtt_heard heard_of(const char *text)
{
    struct lb_mqtt_heard heard = { .len = strlen(text) };

    memcpy(heard.payload, text, heard.len);
    return heard;
}

static const char *ask(const char *text)
{
    struct lb_mqtt_heard heard = heard_of(text);

    said[0] = '\0';
    lb_remote_take(&remote, &heard, now_ns);
    return said;
}

/* The same with an id of its own, and time enough before it. */
static const char *ask_anew(const char *rest)
{
    static unsigned number;
    char text[512];

    snprintf(text, sizeof text, "{\"id\":\"n%u\",%s}", ++number, rest);
    now_ns += TOKEN_NS;
    return ask(text);
}

static void says(const char *answer, const char *text)
{
    if (!strstr(answer, text))
        fail_msg("%s\nis without: %s", answer, text);
}

/* What was told last, as its record says it. The fast side takes it. */
static const struct lb_remote_told *told(void)
{
    static struct lb_remote_told last;
    const struct lb_remote_told *first;

    memset(&last, 0, sizeof last);
    while ((first = lb_hand_first(&doors.hand))) {
        last = *first;
        lb_hand_take(&doors.hand);
    }
    return &last;
}

#define LEVEL "\"command\":\"level\",\"service\":\"checkout\",\"level\":\"info\",\"for\":"

static void a_level_holds_for_as_long_as_was_asked(void **state)
{
    uint32_t row = lb_state_find_service(&store.state, "checkout", 8, 0);

    (void)state;
    says(ask_anew(LEVEL "\"10m\""), "\"ok\":true");
    assert_int_equal(lb_hand_level(&doors.hand, row, now_ns), LB_LEVEL_INFO + 1);
    assert_int_equal(lb_hand_level(&doors.hand, row + 1, now_ns), 0);
    assert_int_equal(lb_hand_level(&doors.hand, row, now_ns + 600 * LB_NS_PER_S - 1), LB_LEVEL_INFO + 1);
    assert_int_equal(lb_hand_level(&doors.hand, row, now_ns + 600 * LB_NS_PER_S), 0);
    says(ask_anew(LEVEL "\"0s\""), "min_level of the configuration counts again");
    assert_int_equal(lb_hand_level(&doors.hand, row, now_ns), 0);
    says(ask_anew(LEVEL "\"1h\""), "\"ok\":true");
    says(ask_anew(LEVEL "\"3601s\""), "max_for");
    says(ask_anew("\"command\":\"level\",\"service\":\"nobody\",\"level\":\"info\",\"for\":\"1m\""),
         "no service of this name");
    assert_int_equal(lb_hand_level(&doors.hand, LB_SERVICES_BOOKS - 1, now_ns), 0);
}

static void context_is_answered_when_the_fast_side_has_done_it(void **state)
{
    (void)state;
    assert_string_equal(ask("{\"id\":\"c\",\"command\":\"context\",\"service\":\"checkout\"}"), "");
    assert_string_equal(doors.context_service, "checkout");
    lb_remote_settle(&remote, now_ns);
    assert_int_equal(said_count, 0);
    doors.context_lines = 12;
    doors.context_done = doors.context_asked;
    lb_remote_settle(&remote, now_ns);
    assert_string_equal(
        said, "{\"id\":\"c\",\"command\":\"context\",\"host\":\"box\",\"ok\":true,\"outcome\":\"12 lines "
              "that were held are sent\",\"lines\":12}");
    lb_remote_settle(&remote, now_ns + LB_REMOTE_WAIT_NS);
    assert_int_equal(said_count, 1);
}

static void a_fast_side_that_is_busy_keeps_nobody_waiting_for_ever(void **state)
{
    (void)state;
    ask("{\"id\":\"c\",\"command\":\"context\",\"service\":\"checkout\"}");
    lb_remote_settle(&remote, now_ns + LB_REMOTE_WAIT_NS - 1);
    assert_int_equal(said_count, 0);
    lb_remote_settle(&remote, now_ns + LB_REMOTE_WAIT_NS);
    says(said, "the agent is busy");
    says(ask_anew("\"command\":\"context\",\"service\":\"checkout\""),
         "another wish for context is under way");
}

static void what_is_refused_says_why_and_names_nobody_it_does_not_know(void **state)
{
    (void)state;
    assert_string_equal(
        ask("?"), "{\"id\":null,\"command\":null,\"host\":\"box\",\"ok\":false,\"outcome\":\"a command is "
                  "one JSON object of at most 512 bytes\"}");
    says(ask_anew("\"command\":\"wear\""), "wear is not looked at");
}

static void commands_beyond_the_rate_are_refused_then_only_counted(void **state)
{
    char text[64];

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "{\"id\":\"r%u\",\"command\":\"wear\"}", i);
        ask(text);
        told();
    }
    assert_int_equal(said_count, LB_REMOTE_BURST + 1);
    assert_int_equal(remote.refused, 100);
    assert_int_equal(remote.silent, 100 - LB_REMOTE_BURST - 1);
    now_ns += TOKEN_NS;
    ask("{\"id\":\"s\",\"command\":\"wear\"}");
    says(said, "wear is not looked at");
    ask("{\"id\":\"t\",\"command\":\"wear\"}");
    says(said, "[remote] rate");
    assert_string_equal(ask("{\"id\":\"u\",\"command\":\"wear\"}"), "");
    assert_int_equal(said_count, LB_REMOTE_BURST + 3);
}

static void what_is_no_command_takes_of_the_rate_as_well(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        ask("garbage");
        told();
    }
    assert_int_equal(said_count, LB_REMOTE_BURST + 1);
}

static void one_that_is_retained_is_refused(void **state)
{
    struct lb_mqtt_heard heard = heard_of("{\"id\":\"7\"," LEVEL "\"10m\"}");

    (void)state;
    heard.is_retained = true;
    lb_remote_take(&remote, &heard, now_ns);
    says(said, "\"id\":\"7\"");
    says(said, "it is retained");
    assert_int_equal(remote.done, 0);
}

static void one_that_comes_twice_is_done_once_and_one_that_was_not_done_may_come_again(void **state)
{
    (void)state;
    says(ask("{\"id\":\"7\"," LEVEL "\"2h\"}"), "max_for");
    says(ask("{\"id\":\"7\"," LEVEL "\"1h\"}"), "\"ok\":true");
    says(ask("{\"id\":\"7\"," LEVEL "\"1h\"}"), "taken already");
    for (unsigned i = 0; i < LB_REMOTE_IDS; i++) {
        says(ask_anew(LEVEL "\"1h\""), "\"ok\":true");
        told();
    }
    now_ns += TOKEN_NS;
    says(ask("{\"id\":\"7\"," LEVEL "\"1h\"}"), "\"ok\":true"); /* of so many it is remembered, no more */
}

static void one_that_comes_too_late_is_refused(void **state)
{
    char text[128];

    (void)state;
    snprintf(text, sizeof text, LEVEL "\"1m\",\"expires\":%llu", (unsigned long long)(WALL_S + 15));
    says(ask_anew(text), "\"ok\":true"); /* ten seconds later */
    says(ask_anew(text), "it has expired");
    lb_wall_init(&wall, 0);
    lb_wall_look(&wall, &(struct lb_wall_reading) { now_ns, WALL_S * LB_NS_PER_S, false });
    says(ask_anew(text), "does not know what time it is");
    says(ask_anew(LEVEL "\"1m\""), "\"ok\":true");
}

static void only_what_the_configuration_names_is_taken(void **state)
{
    (void)state;
    remote.allowed = lb_remote_names_parse("wear");
    says(ask_anew(LEVEL "\"1m\""), "[remote] commands");
    says(ask_anew("\"command\":\"wear\""), "wear is not looked at");
    assert_int_equal(lb_remote_names_parse(" level  status "), 1 << LB_REMOTE_LEVEL | 1 << LB_REMOTE_STATUS);
    assert_int_equal(lb_remote_names_parse("level shell"), 0);
    assert_int_equal(lb_remote_names_parse(" "), 0);
}

static void each_is_told_as_a_record_of_who_asked(void **state)
{
    static union {
        struct lb_record head;
        char bytes[1024];
    } record;
    char text[LB_OWN_TEXT_MAX], members[8192];

    (void)state;
    ask("{\"id\":\"7\",\"who\":\"ops\"," LEVEL "\"10m\"}");
    record.head = (struct lb_record) { .kind = LB_KIND_REMOTE, .body_len = sizeof(struct lb_remote_told) };
    memcpy(record.bytes + sizeof record.head, told(), sizeof(struct lb_remote_told));
    text[lb_own_text(&record.head, text, sizeof text)] = '\0';
    assert_string_equal(
        text, "logboom: asked from afar for level checkout info 10m, by ops: what is less severe than "
              "info is held, for 10m");
    *lb_own_members(&record.head, 0, members) = '\0';
    assert_string_equal(
        members,
        "\"kind\":\"alert\",\"alert\":\"remote\",\"refused\":false,\"command\":\"level\",\"id\":\"7\","
        "\"who\":\"ops\",\"topic\":\"logs/box/command\",\"service\":\"checkout\",\"level\":\"info\","
        "\"for_ms\":600000,\"outcome\":\"what is less severe than info is held, for 10m\"");
}

static void nothing_is_done_that_could_not_be_told(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LB_HAND_TOLD; i++)
        says(ask_anew(LEVEL "\"1h\""), "\"ok\":true");
    says(ask_anew(LEVEL "\"1h\""), "not told yet");
    assert_int_equal(remote.done, LB_HAND_TOLD);
    told();
    says(ask_anew(LEVEL "\"1h\""), "\"ok\":true");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_level_holds_for_as_long_as_was_asked, begin, end),
        cmocka_unit_test_setup_teardown(context_is_answered_when_the_fast_side_has_done_it, begin, end),
        cmocka_unit_test_setup_teardown(a_fast_side_that_is_busy_keeps_nobody_waiting_for_ever, begin, end),
        cmocka_unit_test_setup_teardown(what_is_refused_says_why_and_names_nobody_it_does_not_know, begin,
                                        end),
        cmocka_unit_test_setup_teardown(commands_beyond_the_rate_are_refused_then_only_counted, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_command_takes_of_the_rate_as_well, begin, end),
        cmocka_unit_test_setup_teardown(one_that_is_retained_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(
            one_that_comes_twice_is_done_once_and_one_that_was_not_done_may_come_again, begin, end),
        cmocka_unit_test_setup_teardown(one_that_comes_too_late_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(only_what_the_configuration_names_is_taken, begin, end),
        cmocka_unit_test_setup_teardown(each_is_told_as_a_record_of_who_asked, begin, end),
        cmocka_unit_test_setup_teardown(nothing_is_done_that_could_not_be_told, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
