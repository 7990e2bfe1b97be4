/* SPDX-License-Identifier: MIT */
/*
 * Several [sink NAME] of a configuration.
 *
 * The story: somebody sends all lines to one place and some of them to others. Which one is the first is
 * found out, each is checked by what its own section says, and what cannot be is told with the line that is
 * to blame.
 */
#include "common/sink_route.h"
#include "tests/unit/lib_config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/offline/check.h"
#include "agent/store/backlog.h"
#include "agent/store/ring.h"
#include "agent/store/state.h"
#include "common/level.h"

#define KIB        1024ull
#define MQTT(name) "[sink " name "]\ntype = mqtt\naddress = mqtt://b:1883\n"
#define LOKI(name) "[sink " name "]\ntype = loki\nurl = http://" name "\n"

static const struct lb_sink_config *sink_at(size_t i)
{
    assert_true(i < test_config->sink_count);
    return &test_config->sinks[i];
}

/* ---- which, and in which order ---- */

static void a_sink_has_the_defaults_of_the_table_and_takes_all(void **state)
{
    (void)state;
    test_config_of(TEST_SINK);
    assert_string_equal(sink_at(0)->services, "");
    assert_int_equal(sink_at(0)->min_level, LB_LEVEL_DEBUG);
    assert_true(sink_at(0)->primary);
    assert_int_equal(sink_at(0)->when, LB_WHEN_ALWAYS);
    assert_int_equal(sink_at(0)->queue_bytes, 1024 * KIB);
    assert_int_equal(sink_at(0)->queue_backlog_bytes, 4096 * KIB);
    assert_int_equal(test_config->network_metered, LB_METERED_AUTO);
}

static void what_is_set_is_set_for_that_sink(void **state)
{
    (void)state;
    test_config_of(TEST_SINK LOKI("house") "services = web-*,shop\nprimary = no\nqueue = 2M\n" MQTT(
        "fleet") "min_level = error\nwhen = urgent-only\nqueue_backlog = 256K\n[network]\nmetered = yes\n");
    assert_int_equal(test_config->sink_count, 3);
    assert_string_equal(sink_at(1)->services, "web-*,shop");
    assert_false(sink_at(1)->primary);
    assert_int_equal(sink_at(1)->queue_bytes, 2048 * KIB);
    assert_int_equal(sink_at(2)->min_level, LB_LEVEL_ERROR);
    assert_int_equal(sink_at(2)->when, LB_WHEN_URGENT_ONLY);
    assert_int_equal(sink_at(2)->queue_backlog_bytes, 256 * KIB);
    assert_int_equal(sink_at(2)->queue_bytes, 1024 * KIB);
    assert_int_equal(test_config->network_metered, LB_METERED_YES);
    test_config_of(TEST_SINK LOKI("house") "when = unmetered\nqueue_backlog = 1M\nmin_level = off\n");
    assert_int_equal(sink_at(1)->when, LB_WHEN_UNMETERED);
    assert_int_equal(sink_at(1)->min_level, LB_LEVEL_DEBUG);
}

static void the_first_is_the_first_primary_that_takes_all_and_the_others_keep_their_order(void **state)
{
    (void)state;
    test_config_of(
        LOKI("a") "primary = no\n" LOKI("b") "services = x\n" LOKI("c") "min_level = info\n" TEST_SINK);
    assert_int_equal(test_config->sink_count, 4);
    assert_string_equal(sink_at(0)->name, "out");
    assert_string_equal(sink_at(1)->name, "a");
    assert_string_equal(sink_at(2)->name, "b");
    assert_string_equal(sink_at(3)->name, "c");
    test_config_of(LOKI("a") TEST_SINK);
    assert_string_equal(sink_at(0)->name, "a");
}

static void what_was_seen_of_a_sink_goes_with_it_to_the_first_place(void **state)
{
    (void)state;
    assert_string_equal(test_faults_of(LOKI("a") "services = x\nretry_max = 10ms\n" LOKI(
                            "b") "min_level = info\n" LOKI("c") "retry_max = 20ms\n"),
                        "DIR/main.ini:13: retry_max is below retry_min\n"
                        "DIR/main.ini:5: retry_max is below retry_min\n");
    test_config_of(LOKI("a") "services = x\ncompression = none\n" LOKI("b"));
    assert_int_equal(sink_at(0)->compression, LB_COMPRESSION_GZIP);
    assert_int_equal(sink_at(1)->compression, LB_COMPRESSION_NONE);
}

static void where_primaries_share_the_records_one_of_ours_stands_before_them(void **state)
{
    (void)state;
    test_config_of(LOKI("a") "services = x\n" LOKI("b") "min_level = error\nprimary = no\n");
    assert_int_equal(test_config->sink_count, 3);
    assert_string_equal(sink_at(0)->name, LB_SINK_NONE);
    assert_string_equal(sink_at(0)->type, "none");
    assert_string_equal(sink_at(1)->name, "a");
    assert_string_equal(sink_at(2)->name, "b");
    assert_false(lb_sink_is_filtered(sink_at(0)));
    assert_true(lb_sink_is_filtered(sink_at(1)));
}

static void it_takes_a_place_among_them(void **state)
{
    (void)state;
    assert_string_equal(test_faults_of(LOKI("a") "services = x\n" LOKI("b") "services = y\n" LOKI(
                            "c") "services = z\n" LOKI("d") "services = w\n"),
                        "DIR/main.ini:1: where no primary takes all there may be 3 sinks\n");
}

static void one_is_primary(void **state)
{
    (void)state;
    assert_string_equal(test_faults_of(LOKI("a") "primary = no\n"),
                        "DIR/main.ini:4: primary: one sink must have primary = yes\n");
    assert_string_equal(test_faults_of(LOKI("a") "primary = no\n" LOKI("b") "primary = no\nservices = x\n"),
                        "DIR/main.ini:4: primary: one sink must have primary = yes\n");
}

static void nobody_may_ask_for_the_one_of_ours(void **state)
{
    (void)state;
    assert_non_null(
        strstr(test_faults_of("[sink a]\ntype = none\n"), "DIR/main.ini:2: type must be datadog, "));
}

static void a_later_file_says_more_of_the_same_sink_or_brings_another(void **state)
{
    (void)state;
    test_write("conf.d/9-b.ini", "[sink out]\nwait = 3s\n" LOKI("house"));
    test_config_of(TEST_SINK "wait = 1s\n");
    assert_int_equal(test_config->sink_count, 2);
    assert_int_equal(sink_at(0)->wait_ms, 3000);
    assert_string_equal(sink_at(0)->path, "/tmp/out");
    assert_string_equal(sink_at(1)->name, "house");
    assert_ptr_equal(lb_config_sink_by_name(test_config, "house"), sink_at(1));
    assert_null(lb_config_sink_by_name(test_config, "hous"));
    test_write("conf.d/9-b.ini", "[sink a]\ntype = file\n[sink b]\n[sink c]\n[sink d]\ntype = file\n");
    assert_non_null(strstr(test_faults_of(TEST_SINK), "DIR/conf.d/9-b.ini:5: more than 4 [sink] sections\n"));
}

static void a_second_value_is_one_in_the_same_section(void **state)
{
    (void)state;
    test_config_of(TEST_SINK "wait = 1s\n" LOKI("a") "wait = 2s\n");
    assert_int_equal(sink_at(0)->wait_ms, 1000);
    assert_int_equal(sink_at(1)->wait_ms, 2000);
    assert_string_equal(test_faults_of(TEST_SINK LOKI("a") "wait = 1s\n[log]\n[sink a]\nwait = 2s\n"),
                        "DIR/main.ini:10: a second value for wait: the first is in line 7\n");
    assert_string_equal(test_faults_of(TEST_SINK LOKI("a") "wiat = 1s\n"),
                        "DIR/main.ini:7: unknown key \"wiat\" in [sink]: is wait meant?\n");
}

/* ---- checks ---- */

static void each_sink_is_checked_with_its_own_lines(void **state)
{
    (void)state;
    assert_string_equal(
        test_faults_of(TEST_SINK "[sink a]\ntype = elasticsearch\nurl = http://h\n[sink b]\ntype = syslog\n"
                                 "address = udp://x\n[sink c]\ntype = mqtt\naddress = b\ntopic = {x}\n"),
        "DIR/main.ini:13: topic knows {host} and {service}, and no other braces\n"
        "DIR/main.ini:4: [sink a] is of type elasticsearch and needs an index\n"
        "DIR/main.ini:9: address takes tls://HOST:PORT, tcp://HOST:PORT, unix:PATH or unix-dgram:PATH\n"
        "DIR/main.ini:12: address takes mqtts://HOST:PORT or mqtt://HOST:PORT\n");
    assert_string_equal(test_faults_of(TEST_SINK "[sink a]\nwait = 1s\n[sink b]\ntype = http\nok = x\n"),
                        "DIR/main.ini:4: [sink a] needs a type: datadog, loki, otlp, elasticsearch, splunk, "
                        "http, syslog, mqtt or file\n"
                        "DIR/main.ini:7: [sink b] is of type http and needs a url\n"
                        "DIR/main.ini:8: ok takes HTTP statuses: 200,202 or 200-299\n");
    assert_string_equal(test_warnings_of(TEST_SINK "tenant = x\n" LOKI("a") "index = y\n"),
                        "DIR/main.ini:4: warning: tenant has no effect in a sink of type file\n"
                        "DIR/main.ini:8: warning: index has no effect in a sink of type loki\n");
    test_config_of(
        TEST_SINK MQTT("a") "topic = t/{host}\n" LOKI("b") "labels = a:b\n[agent]\nhostname = h\n");
    assert_string_equal(sink_at(1)->topic, "t/h");
    assert_int_equal(sink_at(2)->max_age_ms, 6 * 86400 * 1000ull);
}

static void a_name_is_one_that_a_directory_can_have(void **state)
{
    static const char *const wrong[] = { ".", "..", "a/b", "/" };
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(text, sizeof text, "\n[sink %s]\ntype = file\npath = /x\n", wrong[i]);
        assert_non_null(strstr(
            test_faults_of(text),
            "DIR/main.ini:2: the name after [sink must be one that a directory can have, without /\n"));
    }
    test_config_of("[sink ..a@b:c]\ntype = file\npath = /x\n");
}

static void services_are_names_and_globs_parted_by_commas(void **state)
{
    static const char *const wrong[] = { ",", "a,", "a,,b", "a;b", "a\\b" };
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(text, sizeof text, TEST_SINK LOKI("a") "services = %s\n", wrong[i]);
        assert_string_equal(
            test_faults_of(text),
            "DIR/main.ini:7: services must be names parted by commas, each 1 to 128 of A-Z a-z "
            "0-9 . _ / @ : - and * ? [ ]\n");
    }
    assert_string_equal(test_faults_of(TEST_SINK LOKI("a") "services = a, b\n"),
                        "DIR/main.ini:7: services holds a blank or a control character\n");
}

static void two_sinks_are_not_the_same_place(void **state)
{
    (void)state;
    assert_string_equal(test_faults_of(TEST_SINK "[sink b]\ntype = file\npath = /tmp/out\n"),
                        "DIR/main.ini:6: path: [sink out] appends to the same file\n");
    assert_string_equal(test_faults_of(TEST_SINK MQTT("a") MQTT("b")),
                        "DIR/main.ini:7: client_id: [sink a] has the same at the same broker, which takes "
                        "one of them only\n");
    test_config_of(TEST_SINK MQTT("a") MQTT("b") "client_id = other\n");
    test_config_of(TEST_SINK LOKI("a") "[sink b]\ntype = loki\nurl = http://a\ntenant = x\n");
}

static void what_must_wait_for_a_cheaper_link_has_a_backlog(void **state)
{
    (void)state;
    assert_string_equal(test_faults_of(TEST_SINK MQTT("a") "when = urgent-only\nqueue_backlog = off\n"),
                        "DIR/main.ini:7: when = urgent-only needs a backlog, where the rest waits, and "
                        "queue_backlog is off\n");
    assert_string_equal(test_faults_of(LOKI("a") "when = urgent-only\n[backlog]\nsize = off\n"),
                        "DIR/main.ini:4: when = urgent-only needs a backlog, where the rest waits, and "
                        "[backlog] size is off\n");
    assert_string_equal(test_warnings_of(TEST_SINK MQTT("a") "when = unmetered\nqueue_backlog = off\n"),
                        "DIR/main.ini:7: warning: when = unmetered without a backlog (queue_backlog is off): "
                        "what the queue has no room for is given up\n");
    assert_string_equal(test_warnings_of(TEST_SINK MQTT("a") "when = always\nqueue_backlog = off\n"), "");
    assert_string_equal(test_warnings_of(TEST_SINK "when = unmetered\n"),
                        "DIR/main.ini:4: warning: when has no effect in a sink of type file\n");
}

static void the_first_has_ring_and_backlog_instead_of_a_queue(void **state)
{
    (void)state;
    assert_string_equal(
        test_warnings_of(LOKI("a") "queue = 2M\nqueue_backlog = 8M\n" LOKI("b") "queue = 2M\n"),
        "DIR/main.ini:4: warning: queue has no effect: [sink a] is the first, which has the ring\n"
        "DIR/main.ini:5: warning: queue_backlog has no effect: [sink a] is the first, which has [backlog]\n");
}

static void a_queue_holds_several_of_the_longest_lines(void **state)
{
    (void)state;
    test_config_of("[capture]\nmax_line = 4K\njoin_bytes = 4K\n" TEST_SINK LOKI("a") "queue = 64K\n");
    assert_string_equal(
        test_faults_of(TEST_SINK LOKI("a") "queue = 64K\n"),
        "DIR/main.ini:7: queue must be more than 3 times the longest max_line or join_bytes, which is 64K "
        "(6144 bytes more for each)\n");
    assert_string_equal(test_faults_of(TEST_SINK LOKI("a") "queue = 63K\nqueue_backlog = 1K\n"),
                        "DIR/main.ini:7: queue is out of range: 64K to 64M\n"
                        "DIR/main.ini:8: queue_backlog is out of range: 256K to 512M\n");
    test_refused("[sink a]\nqueue = off", "queue cannot be off: every record for it passes through it");
}

/* ---- keys that are secret ---- */

static const struct lb_sink_config *with_credentials(const char *text)
{
    test_config_of(text);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", test_dir, 1), 0);
    return test_config->sinks;
}

static void a_secret_of_its_own_goes_before_the_common_one(void **state)
{
    const struct lb_sink_config *sinks =
        with_credentials("[sink d]\ntype = datadog\n[sink a]\ntype = splunk\nurl = http://h\n");
    char secret[40];
    const char *where = NULL;

    (void)state;
    test_write("api_key", "common\n");
    test_write("a.api_key", "own\n");
    assert_int_equal(lb_config_read_secret(&sinks[0], secret, sizeof secret, &where), 0);
    assert_string_equal(secret, "common");
    assert_string_equal(where, LB_CONFIG_COMMON_KEY);
    assert_int_equal(lb_config_read_secret(&sinks[1], secret, sizeof secret, &where), 0);
    assert_string_equal(secret, "own");
    assert_string_equal(where, "$CREDENTIALS_DIRECTORY/NAME.api_key");
    test_write("a.api_key", "\n"); /* a unit's way to say that there is none */
    assert_int_equal(lb_config_read_secret(&sinks[1], secret, sizeof secret, &where), 0);
    assert_string_equal(secret, "common");
    test_write("a.api_key", "two\nlines\n");
    assert_int_equal(lb_config_read_secret(&sinks[1], secret, sizeof secret, &where), -EINVAL);
}

static void one_secret_for_two_receivers_draws_a_warning(void **state)
{
    (void)state;
    with_credentials("[sink d]\ntype = datadog\n[sink a]\ntype = splunk\nurl = http://h\n");
    test_write("api_key", "common\n");
    assert_int_equal(test_load(LB_CONFIG_RUN), 0);
    assert_int_equal(test_faults.warning_count, 1);
    assert_non_null(strstr(test_faults.warnings[0],
                           "main.ini:3: warning: [sink a] shows the same key as [sink d], api_key in "
                           "$CREDENTIALS_DIRECTORY: its own would be a.api_key there"));
    test_write("a.api_key", "own\n");
    assert_int_equal(test_load(LB_CONFIG_RUN), 0);
    assert_int_equal(test_faults.warning_count, 0);
}

static void each_sink_that_shows_a_key_needs_one(void **state)
{
    (void)state;
    test_write("key", "k\n");
    test_config_of("[sink d]\ntype = datadog\napi_key_file = /nonexistent\n[sink a]\ntype = splunk\n"
                   "url = http://h\n");
    assert_int_equal(test_load(LB_CONFIG_RUN), -EINVAL);
    assert_string_equal(test_faults_text(),
                        "DIR/main.ini:3: no API key: neither /nonexistent, nor d.api_key or api_key in "
                        "$CREDENTIALS_DIRECTORY, nor $DD_API_KEY is there\n"
                        "DIR/main.ini:4: no API key: neither an api_key_file, nor a.api_key or api_key in "
                        "$CREDENTIALS_DIRECTORY is there\n");
}

/* ---- memory ---- */

static void a_further_sink_is_counted_with_all_that_is_its_own(void **state)
{
    struct lb_memory_part parts[LB_MEMORY_PARTS];
    uint64_t alone, queue, shipping;

    (void)state;
    test_config_of(TEST_SINK);
    alone = lb_config_memory_ceiling(test_config, parts);
    assert_int_equal(parts[LB_MEMORY_PARTS - 1].bytes, 0);
    test_config_of(TEST_SINK LOKI("a") "queue_backlog = off\nqueue = 1000000\n");
    queue = 1024 * KIB + LB_RING_HEADER_BYTES + LB_SINK_STATE_BYTES; /* a megabyte is 16 pages of 64 KiB */
    shipping = 1028 * KIB + 272 * KIB + 2 * (1052672 + 10526 + 1024) + 2 * 512 * KIB;
    assert_int_equal(lb_config_sink_memory(test_config, 1), queue + shipping);
    assert_int_equal(lb_config_memory_ceiling(test_config, parts), alone + queue + shipping);
    assert_int_equal(parts[LB_MEMORY_PARTS - 1].bytes, queue + shipping);
}

static void the_ceiling_knows_the_files_of_a_further_sink(void **state)
{
    static const uint64_t sizes[] = { 256 * KIB, 4096 * KIB, 4097 * KIB, 64 * 1024 * KIB, 512 * 1024 * KIB };

    (void)state;
    assert_int_equal(lb_mapfile_round(sizeof(struct lb_state_file)), LB_SINK_STATE_BYTES);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t header = lb_backlog_header_bytes(sizes[i]), without;
        char text[256];

        test_config_of(TEST_SINK LOKI("a") "queue_backlog = off\n");
        without = lb_config_sink_memory(test_config, 1);
        snprintf(text, sizeof text, TEST_SINK LOKI("a") "queue_backlog = %lluK\n",
                 (unsigned long long)(sizes[i] / KIB));
        test_config_of(text);
        /* the file, its rows once more in private memory, and a byte for each block of it */
        assert_true(lb_config_sink_memory(test_config, 1) - without >=
                    lb_mapfile_round(sizes[i]) + 2 * header + sizes[i] / LB_BACKLOG_BLOCK);
    }
}

static void the_check_tells_what_each_further_sink_takes(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    test_config_of(TEST_SINK LOKI("house") "queue_backlog = off\n");
    assert_int_equal(lb_offline_check(test_path("main.ini"), out, stderr), 0);
    fclose(out);
    assert_non_null(strstr(text, "\n  further sinks         5.9 MiB\n"));
    assert_non_null(strstr(text, "\nmemory of [sink house]: 5.9 MiB\n"));
    assert_null(strstr(text, "[sink out]"));
    free(text);
}

/* ---- reload ---- */

/* What waits for the next start when the one text takes the place of the other: joined by commas. */
static const char *waits(const char *before_text, const char *after_text)
{
    static char out[512];
    const char *names[16];
    struct lb_config *before;
    size_t count, len = 0;

    test_config_of(before_text);
    before = test_config;
    test_config = NULL;
    test_config_of(after_text);
    count = lb_config_restart_keys(before, test_config, names, 16);
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(out + len, sizeof out - len, "%s%s", i ? ", " : "", names[i]);
    lb_config_free(before);
    return out;
}

static void most_of_any_sink_is_live(void **state)
{
    (void)state;
    assert_string_equal(waits(TEST_SINK LOKI("a"), TEST_SINK LOKI("a") "services = x\nmin_level = error\n"
                                                                       "when = unmetered\nprimary = no\n"),
                        "");
}

static void sizes_of_a_queue_wait_for_the_next_start(void **state)
{
    (void)state;
    assert_string_equal(waits(TEST_SINK LOKI("a"), TEST_SINK LOKI("a") "queue = 2M\nqueue_backlog = off\n"),
                        "sink.queue, sink.queue_backlog");
    assert_string_equal(waits(TEST_SINK LOKI("a"), TEST_SINK LOKI("a") "concurrency = 1\n"),
                        "sink.concurrency");
}

static void sinks_are_matched_by_name_not_by_place(void **state)
{
    (void)state;
    assert_string_equal(
        waits(TEST_SINK LOKI("a") "queue = 2M\n" LOKI("b"), TEST_SINK LOKI("b") LOKI("a") "queue = 2M\n"),
        "");
}

static void which_sinks_there_are_waits_for_the_next_start(void **state)
{
    (void)state;
    assert_string_equal(waits(TEST_SINK, TEST_SINK LOKI("a") "queue = 2M\n"), "the number of sinks");
    assert_string_equal(waits(TEST_SINK LOKI("a"), TEST_SINK), "the number of sinks");
    assert_string_equal(waits(TEST_SINK LOKI("a"), TEST_SINK LOKI("b")), "the name of a sink");
    assert_string_equal(waits(TEST_SINK LOKI("a"), TEST_SINK "primary = no\n" LOKI("a")),
                        "the choice of the first sink");
    assert_string_equal(waits(TEST_SINK LOKI("a"), LOKI("a") TEST_SINK), "the choice of the first sink");
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, test_make_dir, test_remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sink_has_the_defaults_of_the_table_and_takes_all),
        TEST(what_is_set_is_set_for_that_sink),
        TEST(the_first_is_the_first_primary_that_takes_all_and_the_others_keep_their_order),
        TEST(what_was_seen_of_a_sink_goes_with_it_to_the_first_place),
        TEST(where_primaries_share_the_records_one_of_ours_stands_before_them),
        TEST(it_takes_a_place_among_them),
        TEST(one_is_primary),
        TEST(nobody_may_ask_for_the_one_of_ours),
        TEST(a_later_file_says_more_of_the_same_sink_or_brings_another),
        TEST(a_second_value_is_one_in_the_same_section),
        TEST(each_sink_is_checked_with_its_own_lines),
        TEST(a_name_is_one_that_a_directory_can_have),
        TEST(services_are_names_and_globs_parted_by_commas),
        TEST(two_sinks_are_not_the_same_place),
        TEST(what_must_wait_for_a_cheaper_link_has_a_backlog),
        TEST(the_first_has_ring_and_backlog_instead_of_a_queue),
        TEST(a_queue_holds_several_of_the_longest_lines),
        TEST(a_secret_of_its_own_goes_before_the_common_one),
        TEST(one_secret_for_two_receivers_draws_a_warning),
        TEST(each_sink_that_shows_a_key_needs_one),
        TEST(a_further_sink_is_counted_with_all_that_is_its_own),
        TEST(the_ceiling_knows_the_files_of_a_further_sink),
        TEST(the_check_tells_what_each_further_sink_takes),
        TEST(most_of_any_sink_is_live),
        TEST(sizes_of_a_queue_wait_for_the_next_start),
        TEST(sinks_are_matched_by_name_not_by_place),
        TEST(which_sinks_there_are_waits_for_the_next_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
