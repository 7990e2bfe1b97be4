/* SPDX-License-Identifier: MIT */
/*
 * What kind of line is this?
 *
 * The story: a service says the same thing in a thousand ways that differ in numbers and names. Those are one
 * pattern, and what says another thing is another one. How well that goes on whole logs: make ga.
 */
#include "agent/shape/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t id(const char *text)
{
    return lb_pattern_id(text, strlen(text));
}

static void is_template(const char *text, const char *expected)
{
    char made[512];
    size_t len = lb_pattern_template(text, strlen(text), made, sizeof made - 1);

    made[len] = '\0';
    assert_string_equal(made, expected);
}

static void what_changes_is_masked(void **state)
{
    (void)state;
    is_template("worker 3: sent 512 bytes to 10.0.0.7:443 in 12.5ms",
                "worker <num>: sent <num> bytes to <ip> in <num>");
    is_template("job 123e4567-e89b-12d3-a456-426614174000 done", "job <uuid> done");
    is_template("handle 0x7f3a, hash d41d8cd98f00b204e9800998ecf8427e", "handle <hex>, hash <hex>");
    is_template("slow write /var/lib/a/1.db", "slow write <path>");
    is_template("fetch https://example.org/a?b=1 for joe@example.org", "fetch <url> for <mail>");
    is_template("it's 10:00:01, can't wait", "it's <time>, can't wait");
    is_template("name \"some thing\" is 'odd'", "name <str> is <str>");
    is_template("user alice logged in", "user <name> logged in");
    is_template("temp=-3.5C load=+7% size=1,024", "temp=<num> load=<num> size=<num>");
}

static void a_names_number_alone_is_masked_and_a_hexadecimal_one_whole(void **state)
{
    (void)state;
    is_template("sensor7 on eth0 of blk_-1234", "sensor<num> on eth<num> of blk_<num>");
    is_template("node-7 wrote core.2275 as queue_3", "node-<num> wrote core.<num> as queue_<num>");
    is_template("r1=0xffffffff deadbeef", "<id>=<hex>");
    is_template("device ae12 and bead12ff", "device <id> and <hex>");
}

static void the_stamp_in_front_is_one_mask(void **state)
{
    (void)state;
    is_template("2026-01-15 10:00:00,001 INFO app.module: started", "<time> INFO app.module: started");
    is_template("Jun 14 15:16:01 host sshd[19939]: ok", "<name> host sshd[<num>]: ok");
    assert_int_equal(id("Jun 14 15:16:01 host sshd[19939]: ok"), id("Jul  4 01:00:00 host sshd[7]: ok"));
}

static void neighbours_are_one(void **state)
{
    (void)state;
    is_template("speeds 1 2 3, 4", "speeds <num>");
    assert_int_equal(id("delete blk_1 blk_2 blk_3"), id("delete blk_9"));
    assert_int_equal(id("from 10.0.0.1 (a.example.net) at 3"), id("from 10.0.0.1 () at 3"));
}

static void a_request_keeps_its_verb_and_json_its_message(void **state)
{
    (void)state;
    is_template("\"GET /a/b?c=1 HTTP/1.1\" 200 17", "\"GET <path>\" <num>");
    is_template("{\"level\":\"info\",\"msg\":\"took 5 ms\",\"n\":5}",
                "{\"level\":\"info\",\"msg\":\"took <num>\",\"n\":<num>}");
    assert_int_not_equal(id("{\"msg\":\"pump on\",\"n\":5}"), id("{\"msg\":\"pump off\",\"n\":5}"));
}

static void how_bad_it_is_and_who_says_so_is_kept(void **state)
{
    (void)state;
    is_template("INFO:urllib3:connection to 10.0.0.1 lost", "INFO:urllib<num>:connection to <ip> lost");
    is_template("2026-01-15 10:00:00.003 | INFO     | app.db:run:54 - done",
                "<time> | INFO | app.db:run:<num> - done");
    is_template("level=info logger=app.mqtt msg=\"took 5 ms\" to=example.org",
                "level=info logger=app.mqtt msg=\"took <num>\" to=<name>");
    assert_int_not_equal(id("INFO:urllib3:lost 7"), id("WARNING:urllib3:lost 7"));
    assert_int_not_equal(id("ts=5 msg=\"disk full\""), id("ts=5 msg=\"disk ok\""));
    assert_int_not_equal(id("{\"level\":\"info\",\"n\":1}"), id("{\"level\":\"error\",\"n\":1}"));
}

static void who_says_it_is_shown_and_makes_no_difference(void **state)
{
    (void)state;
    is_template("Jun 14 15:16:01 combo sshd[19939]: ok", "<name> combo sshd[<num>]: ok");
    assert_int_equal(id("Jun 14 15:16:01 combo sshd[19939]: ok"), id("Jul  4 01:00:00 other su(pam)[7]: ok"));
    assert_int_equal(id("Jun 14 15:16:01 combo kernel: ok"), id("Jun 14 15:16:01 a1 sandboxd[1] ([2]): ok"));
    assert_int_equal(id("2026-01-15 10:00:00 INFO app.camera: ok"),
                     id("2026-01-15 10:00:00 INFO app.db$x: ok"));
    assert_int_equal(id("2026-01-15 10:00:00 - app.a - INFO - ok"),
                     id("2026-01-15 10:00:00 - app.b - INFO - ok"));
    assert_int_equal(id("2026-01-15 10:00 7 INFO a.b.c [req-7] ok"),
                     id("2026-01-15 10:00 8 INFO d.e [req-8] ok"));
    assert_int_equal(id("10:00:00 | INFO | a.b:run:5 - ok"), id("10:00:00 | INFO | c.d:stop:5 - ok"));
    assert_int_not_equal(id("10:00:00 INFO app.camera: ok"), id("10:00:00 ERROR app.camera: ok"));
    assert_int_not_equal(id("10:00:00 INFO os.open failed"), id("10:00:00 INFO os.close failed"));
    assert_int_not_equal(id("os.open: it failed"), id("os.close: it failed"));
}

static void an_address_with_colons_is_one(void **state)
{
    (void)state;
    is_template("bound to fe80::1 and ::1", "bound to <ip> and <ip>");
    is_template("mac ab:cd:ef:01:02:03 seen", "mac <ip> seen");
    is_template("close www.example.org:443 and 10.0.0.1:80", "close <id> and <ip>");
    is_template("key user:1425, worker::17", "key user:<num>, worker::<num>");
    is_template("[2026-01-01T00:00:00+01:00] up", "[<time>] up");
}

static void a_key_is_kept_but_for_its_digits(void **state)
{
    (void)state;
    is_template("state {\"a\": \"x\", 'ok': True, \"by\": {\"10.0.0.1\": 2, \"cpu0\": null}}",
                "state {\"a\": <str>, 'ok': <str>, \"by\": {\"<ip>\": <num>, \"cpu<num>\": <str>}}");
    is_template("{\"msg\": \"cache \\\"big\\\" miss\"}", "{\"msg\": \"cache \\<str> miss\"}");
}

static void who_the_user_is_is_masked_and_what_became_of_one_is_kept(void **state)
{
    (void)state;
    is_template("session opened for user root by (uid=0)", "session opened for user <name> by (uid=<num>)");
    is_template("Failed password for root from 10.0.0.1", "Failed password for <name> from <ip>");
    assert_int_not_equal(id("user created"), id("user deleted"));
    assert_int_equal(id("user alice created"), id("user bob created"));
}

static void words_make_the_difference(void **state)
{
    (void)state;
    assert_int_equal(id("ERROR read of sensor 17 failed"), id("ERROR read of sensor 9041 failed"));
    assert_int_equal(id("WARNING no route to 10.0.0.7"), id("WARNING no route to 192.168.4.20"));
    assert_int_equal(id("INFO handle 0x7f3a released"), id("INFO handle 0x11 released"));
    assert_int_equal(id("INFO took 12.5ms"), id("INFO took 0.031ms"));
    assert_int_not_equal(id("ERROR pump stopped"), id("ERROR pump started"));
    assert_int_not_equal(id("INFO sent"), id("INFO sent twice"));
    assert_int_not_equal(id("INFO a b"), id("INFO ab"));
    assert_int_not_equal(id(""), 0);
}

static void only_the_first_line_is_looked_at(void **state)
{
    (void)state;
    assert_int_equal(id("KeyError: x\n  File 1"), id("KeyError: x"));
}

static void what_is_remembered_changes_no_answer(void **state)
{
    static struct lb_pattern_memo memo;
    static const char *const lines[] = { "took 5 ms", "took 7 ms", "took 55 ms", "tock 5 ms",
                                         "",          "a",         "took 5 ms " };

    (void)state;
    assert_int_equal(lb_pattern_id_by_memo(&memo, "took 5 ms", 9, false), 0);
    for (unsigned i = 0; i < 2 * sizeof lines / sizeof lines[0]; i++) {
        const char *line = lines[i % (sizeof lines / sizeof lines[0])];

        assert_int_equal(lb_pattern_id_by_memo(&memo, line, strlen(line), true), id(line));
    }
    assert_int_equal(lb_pattern_id_by_memo(&memo, "took 9 ms", 9, false), id("took 5 ms"));
}

static void a_template_fits_and_ends_with_a_whole_character(void **state)
{
    const char *text = "gr\xc3\xbc\xc3\x9f dich";
    char made[16];

    (void)state;
    assert_int_equal(lb_pattern_template(text, strlen(text), made, 3), 2);
    assert_int_equal(lb_pattern_template(text, strlen(text), made, 4), 4);
    assert_int_equal(lb_pattern_template(text, strlen(text), made, 5), 4);
    assert_int_equal(lb_pattern_template(text, strlen(text), made, 0), 0);
    assert_int_equal(lb_pattern_template("\xff\x01 7", 4, made, sizeof made) > 0, 1);
}

static void a_long_line_is_looked_at_as_far_as_is_said(void **state)
{
    char *text = malloc(70000);

    (void)state;
    memset(text, 'x', 70000);
    assert_int_equal(lb_pattern_id(text, 70000), lb_pattern_id(text, LB_PATTERN_LOOK_MAX));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_changes_is_masked),
        cmocka_unit_test(a_names_number_alone_is_masked_and_a_hexadecimal_one_whole),
        cmocka_unit_test(the_stamp_in_front_is_one_mask),
        cmocka_unit_test(neighbours_are_one),
        cmocka_unit_test(a_request_keeps_its_verb_and_json_its_message),
        cmocka_unit_test(how_bad_it_is_and_who_says_so_is_kept),
        cmocka_unit_test(who_says_it_is_shown_and_makes_no_difference),
        cmocka_unit_test(an_address_with_colons_is_one),
        cmocka_unit_test(a_key_is_kept_but_for_its_digits),
        cmocka_unit_test(who_the_user_is_is_masked_and_what_became_of_one_is_kept),
        cmocka_unit_test(words_make_the_difference),
        cmocka_unit_test(only_the_first_line_is_looked_at),
        cmocka_unit_test(what_is_remembered_changes_no_answer),
        cmocka_unit_test(a_template_fits_and_ends_with_a_whole_character),
        cmocka_unit_test(a_long_line_is_looked_at_as_far_as_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
