/* SPDX-License-Identifier: MIT */
/* What is pure of MQTT: topics, addresses, what a code means. The rest has a broker
 * (tests/fault/test_mqtt.py). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ship/compress.h"
#include "agent/ship/mqtt_link.h"
#include "agent/ship/sinks/sink.h"
#include "common/topic.h"
#include "tests/unit/lib_config.h"

#define SINK "[agent]\nhostname = box\n[sink fleet]\ntype = mqtt\n"
#define TO   "address = mqtt://b:1883\n"

static const char *filled(const char *template, const char *host)
{
    static char buf[LB_TOPIC_MAX];

    assert_int_equal(lb_topic_fill(template, host, buf, sizeof buf), 0);
    return buf;
}

static void a_topic_has_the_device_s_name_as_one_level(void **state)
{
    (void)state;
    assert_string_equal(filled("logs/{host}/{service}", "box"), "logs/box/all");
    assert_string_equal(filled("{host}{host}", "b"), "bb");
    assert_string_equal(filled("plain", "box"), "plain");
    assert_string_equal(filled("a/{host}", "x/y+#z"), "a/x_y__z");
}

static void a_topic_that_cannot_be_is_none(void **state)
{
    char buf[8];

    (void)state;
    assert_int_equal(lb_topic_fill("logs/{fleet}", "box", buf, sizeof buf), -EINVAL);
    assert_int_equal(lb_topic_fill("}", "box", buf, sizeof buf), -EINVAL);
    assert_int_equal(lb_topic_fill("1234567", "box", buf, sizeof buf), 0);
    assert_int_equal(lb_topic_fill("12345678", "box", buf, sizeof buf), -E2BIG);
    assert_int_equal(lb_topic_fill("12345{host}", "box", buf, sizeof buf), -E2BIG);
    assert_true(lb_topic_is_legal("logs/box") && lb_topic_is_legal("$aws/rules/x") &&
                lb_topic_is_legal("a//b"));
    assert_true(lb_topic_is_legal("devices/d/messages/events/")); /* Azure's ends so */
    assert_false(lb_topic_is_legal("") || lb_topic_is_legal("/a"));
    assert_false(lb_topic_is_legal("a/+/b") || lb_topic_is_legal("a/#"));
}

static int port_of(const char *address, const char *expected_host, bool expects_tls)
{
    char host[32] = "";
    bool is_secure = !expects_tls;
    int port = lb_topic_parse_address(address, host, sizeof host, &is_secure);

    if (port > 0) {
        assert_string_equal(host, expected_host);
        assert_int_equal(is_secure, expects_tls);
    }
    return port;
}

static void an_address_is_a_host_and_a_port(void **state)
{
    (void)state;
    assert_int_equal(port_of("mqtt://box:1883", "box", false), 1883);
    assert_int_equal(port_of("mqtts://a.example.com:8883", "a.example.com", true), 8883);
    assert_int_equal(port_of("mqtts://[2001:db8::1]:65535", "2001:db8::1", true), 65535);
    assert_int_equal(port_of("mqtt://box", "", false), -EINVAL);
    assert_int_equal(port_of("mqtt://:1883", "", false), -EINVAL);
    assert_int_equal(port_of("mqtt://box:0", "", false), -EINVAL);
    assert_int_equal(port_of("mqtt://box:65536", "", false), -EINVAL);
    assert_int_equal(port_of("mqtt://box:18x", "", false), -EINVAL);
    assert_int_equal(port_of("mqtt://box:-1", "", false), -EINVAL);
    assert_int_equal(port_of("mqtt://2001:db8::1:1883", "", false), -EINVAL);
    assert_int_equal(port_of("mqtt://user:secret@box:1883", "", false), -EINVAL);
    assert_int_equal(port_of("mqtt://box/path:1883", "", false), -EINVAL);
    assert_int_equal(port_of("mqtt://[]:1883", "", false), -EINVAL);
    assert_int_equal(port_of("tcp://box:1883", "", false), -EINVAL);
    assert_int_equal(
        port_of("mqtt://0123456789012345678901234567890:1", "0123456789012345678901234567890", false), 1);
    assert_int_equal(port_of("mqtt://01234567890123456789012345678901:1", "", false), -E2BIG);
}

static void codes_mean_what_mqtt_5_says(void **state)
{
    static const struct {
        int code;
        enum lb_verdict verdict;
    } rows[] = {
        { 0x00, LB_VERDICT_DELIVERED }, /* taken */
        { 0x10, LB_VERDICT_DELIVERED }, /* taken, and nobody reads it */
        { 0x80, LB_VERDICT_RETRY },     /* unspecified */
        { 0x83, LB_VERDICT_RETRY },     /* the broker's own reasons */
        { 0x84, LB_VERDICT_PAUSE },     /* this version */
        { 0x85, LB_VERDICT_PAUSE },     /* client id */
        { 0x86, LB_VERDICT_PAUSE },     /* password */
        { 0x87, LB_VERDICT_PAUSE },     /* not authorized */
        { 0x88, LB_VERDICT_RETRY },     /* unavailable */
        { 0x89, LB_VERDICT_RETRY },     /* busy */
        { 0x8a, LB_VERDICT_PAUSE },     /* banned */
        { 0x8b, LB_VERDICT_RETRY },     /* shutting down */
        { 0x8e, LB_VERDICT_RETRY },     /* taken over */
        { 0x90, LB_VERDICT_PAUSE },     /* topic name */
        { 0x93, LB_VERDICT_RETRY },     /* receive maximum */
        { 0x95, LB_VERDICT_SPLIT },     /* too large */
        { 0x96, LB_VERDICT_RETRY },     /* rate */
        { 0x97, LB_VERDICT_RETRY },     /* quota */
        { 0x99, LB_VERDICT_BISECT },    /* payload format */
        { 0x9a, LB_VERDICT_PAUSE },     /* retain */
        { 0x9f, LB_VERDICT_RETRY },     /* connection rate */
    };
    const struct lb_sink *sink = lb_sink_find("mqtt");

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct lb_answer answer = { .status = rows[i].code };

        assert_int_equal(sink->judge(&answer), rows[i].verdict);
        answer.error = ECONNRESET;
        assert_int_equal(sink->judge(&answer), LB_VERDICT_RETRY);
        answer.is_clock_fault = true;
        assert_int_equal(sink->judge(&answer), LB_VERDICT_CLOCK);
    }
}

static void codes_of_3_1_1_become_those_of_5(void **state)
{
    static const int became[] = { 0, 0x84, 0x85, 0x88, 0x86, 0x87, 0x80, 0x80 };

    (void)state;
    for (int code = 0; code < (int)(sizeof became / sizeof became[0]); code++)
        assert_int_equal(lb_mqtt_reason(LB_MQTT_311, code), became[code]);
    assert_int_equal(lb_mqtt_reason(LB_MQTT_311, 255), 0x80);
    assert_int_equal(lb_mqtt_reason(LB_MQTT_5, 0), 0);
    assert_int_equal(lb_mqtt_reason(LB_MQTT_5, 0x8a), 0x8a);
    assert_int_equal(lb_mqtt_reason(LB_MQTT_5, 1), 0x84); /* a broker that knows only 3.1.1 */
}

static void a_body_that_does_not_pack_stays_below_what_brokers_take(void **state)
{
    const struct lb_sink *sink = lb_sink_find("mqtt");

    (void)state;
    assert_true(lb_compress_bound(LB_COMPRESSION_ZSTD, sink->limits.body_bytes) <= LB_MQTT_MESSAGE_MAX);
    assert_true(lb_compress_bound(LB_COMPRESSION_NONE, sink->limits.body_bytes) <= LB_MQTT_MESSAGE_MAX);
}

static void the_password_goes_with_a_user_and_only_with_one(void **state)
{
    static struct lb_target target;
    char address[] = "mqtts://b:8883", user[] = "device", nobody[] = "";
    struct lb_sink_config config = { .address = address, .user = user };

    (void)state;
    assert_int_equal(lb_sink_find("mqtt")->aim(&config, "s3cret", &target), 0);
    assert_string_equal(target.url, address);
    assert_string_equal(target.secret, "s3cret");
    config.user = nobody;
    assert_int_equal(lb_sink_find("mqtt")->aim(&config, "s3cret", &target), 0);
    assert_string_equal(target.secret, "");
}

static void the_settings_are_filled_in_when_the_device_has_its_name(void **state)
{
    const struct lb_sink_config *sink;

    (void)state;
    sink = &test_config_of(SINK TO "client_id = c-@/proc/sys/kernel/ostype\n")->sinks[0];
    assert_string_equal(sink->topic, "logs/box/all");
    assert_string_equal(sink->status_topic, "logs/box/status");
    assert_string_equal(sink->client_id, "c-Linux");
    assert_int_equal(sink->compression, LB_COMPRESSION_ZSTD);
    assert_int_equal(sink->protocol, LB_MQTT_5);
    assert_int_equal(sink->keepalive_ms, 60000);
    sink = &test_config_of(SINK TO "protocol = 3.1.1\nstatus_topic = off\ntopic = $$aws/rules/r/{host}\n")
                ->sinks[0];
    assert_string_equal(sink->topic, "$aws/rules/r/box");
    assert_string_equal(sink->status_topic, "off");
    assert_int_equal(sink->protocol, LB_MQTT_311);
}

static void settings_that_cannot_work_are_told_with_their_line(void **state)
{
    (void)state;
    assert_string_equal(test_faults_of(SINK),
                        "DIR/main.ini:3: [sink fleet] is of type mqtt and needs an address\n");
    assert_string_equal(test_faults_of(SINK "address = tls://b:1883\n"),
                        "DIR/main.ini:5: address takes mqtts://HOST:PORT or mqtt://HOST:PORT\n");
    assert_string_equal(
        test_faults_of(SINK TO "topic = a/#\n"),
        "DIR/main.ini:6: topic must be a topic: levels parted by /, none before the first, no + and "
        "#\n");
    assert_string_equal(test_faults_of(SINK TO "status_topic = a/{x}\n"),
                        "DIR/main.ini:6: status_topic knows {host} and {service}, and no other braces\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_has_the_device_s_name_as_one_level),
        cmocka_unit_test(a_topic_that_cannot_be_is_none),
        cmocka_unit_test(an_address_is_a_host_and_a_port),
        cmocka_unit_test(codes_mean_what_mqtt_5_says),
        cmocka_unit_test(codes_of_3_1_1_become_those_of_5),
        cmocka_unit_test(a_body_that_does_not_pack_stays_below_what_brokers_take),
        cmocka_unit_test(the_password_goes_with_a_user_and_only_with_one),
        cmocka_unit_test_setup_teardown(the_settings_are_filled_in_when_the_device_has_its_name,
                                        test_make_dir, test_remove_dir),
        cmocka_unit_test_setup_teardown(settings_that_cannot_work_are_told_with_their_line, test_make_dir,
                                        test_remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
