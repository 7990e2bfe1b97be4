/* SPDX-License-Identifier: MIT */
/*
 * A configuration from its files: keys, values, sections, and what is said of
 * those that are wrong. That is compared as text, with DIR for the directory,
 * since file and line are what a user has.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/keys.h"
#include "tests/unit/lib_config.h"

static void every_key_has_the_default_that_the_table_says(void **state)
{
    const struct lb_config *c = test_config_of("[agent]\nhostname = h\n" TEST_SINK);

    (void)state;
    assert_string_equal(c->hostname, "h");
    assert_string_equal(c->tags, "");
    assert_string_equal(c->runtime_dir, "/run/logboom");
    assert_int_equal(c->stop_timeout_ms, 10000);
    assert_int_equal(c->log_level, LB_LEVEL_INFO);
    assert_int_equal(c->capture.max_line_bytes, 65536);
    assert_int_equal(c->capture.max_stall_ms, 25);
    assert_int_equal(c->capture.overload, LB_OVERLOAD_SHED);
    assert_int_equal(c->capture.stdout_level, LB_LEVEL_INFO);
    assert_int_equal(c->capture.stderr_level, LB_LEVEL_INFO);
    assert_int_equal(c->max_streams, 256);
    assert_int_equal(c->staging_bytes, 2 << 20);
    assert_int_equal(c->pipe_size_bytes, 256 << 10);
    assert_int_equal(c->ring_bytes, 4 << 20);
    assert_true(c->ring_lock);
    assert_int_equal(c->ring_urgent, LB_LEVEL_WARNING);
    assert_true(c->has_spool);
    assert_string_equal(c->spool_path, "/var/lib/logboom/spool.db");
    assert_int_equal(c->spool_max_bytes, 64 << 20);
    assert_int_equal(c->spool_free_floor_percent, 10);
    assert_int_equal(c->spool_wear_budget_bytes_per_day, 20 << 20);
    assert_int_equal(c->spool_stop_budget_bytes, 4 << 20);
    assert_int_equal(c->spool_persist, LB_LEVEL_CRITICAL);
    assert_int_equal(c->spool_persist_after_ms, 10000);
    assert_int_equal(c->spool_persist_interval_ms, 30000);
    assert_false(c->spool_routine);
    assert_true(c->wear_endurance_bytes == LB_AUTO);
    assert_int_equal(c->wear_life_ms, 5ull * 365 * 86400 * 1000);
    assert_int_equal(c->service_count, 0);
    assert_string_equal(c->default_service.source, "python");
    assert_string_equal(c->default_service.name, "");
    assert_int_equal(c->sink_count, 1);
    assert_string_equal(c->sinks[0].name, "out");
    assert_string_equal(c->sinks[0].site, "datadoghq.com");
    assert_int_equal(c->sinks[0].compression, LB_COMPRESSION_NONE); /* it is a file */
    assert_int_equal(c->sinks[0].level, 1);
    assert_int_equal(c->sinks[0].body_bytes, 256 << 10);
    assert_int_equal(c->sinks[0].body_lines, 1000);
    assert_int_equal(c->sinks[0].wait_ms, 15000);
    assert_int_equal(c->sinks[0].urgent_wait_ms, 2000);
    assert_int_equal(c->sinks[0].concurrency, 2);
    assert_int_equal(c->sinks[0].timeout_ms, 30000);
    assert_int_equal(c->sinks[0].retry_min_ms, 1000);
    assert_int_equal(c->sinks[0].retry_max_ms, 300000);
    assert_string_equal(c->sinks[0].path, "/tmp/out");
}

static void sequence_is_all_for_a_file_and_batch_for_the_network_unless_set(void **state)
{
    (void)state;
    assert_int_equal(test_config_of(TEST_SINK)->sinks[0].sequence, LB_SEQUENCE_ALL);
    assert_int_equal(test_config_of(TEST_SINK "sequence = batch\n")->sinks[0].sequence, LB_SEQUENCE_BATCH);
    assert_int_equal(test_config_of("[sink d]\ntype = datadog\n")->sinks[0].sequence, LB_SEQUENCE_BATCH);
    assert_int_equal(test_config_of("[sink d]\ntype = datadog\nsequence = off\n")->sinks[0].sequence,
                     LB_SEQUENCE_OFF);
}

static void every_row_of_the_table_is_whole_and_its_default_is_a_legal_value(void **state)
{
    size_t count;
    const struct lb_key *keys = lb_keys(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        union {
            char *text;
            uint64_t number;
            struct lb_quota quota;
        } field = { .number = 0 };
        char why[512] = "";

        assert_true(strlen(keys[i].help) > 10);
        assert_non_null(strstr(keys[i].path, keys[i].name));
        assert_ptr_equal(lb_key_find(keys[i].section, keys[i].name), &keys[i]);
        assert_true(keys[i].type > LB_KEY_SHARE || keys[i].min < keys[i].max);
        if (keys[i].is_required || keys[i].type == LB_KEY_RULES)
            continue;
        if (lb_key_store(&keys[i], keys[i].dflt, &field, why, sizeof why) != 0)
            fail_msg("%s: %s", keys[i].path, why);
        if (lb_key_is_text(&keys[i]))
            free(field.text);
    }
}

static void off_means_something_or_is_refused_with_the_reason(void **state)
{
    size_t count;
    const struct lb_key *keys = lb_keys(&count);
    const struct lb_config *c = test_config_of("[capture]\nmax_stall = off\npipe_size = off\n" TEST_SINK
                                               "urgent_wait = off\nbody_lines = off\nwait = 7s\n");

    (void)state;
    assert_true(c->capture.max_stall_ms == LB_OFF);
    assert_int_equal(c->pipe_size_bytes, 0);
    assert_int_equal(c->sinks[0].urgent_wait_ms, 7000);
    assert_int_equal(c->sinks[0].body_lines, 1000);
    test_refused("[ring]\nsize = off", "size cannot be off: every record passes through it");
    test_refused("[agent]\nstop_timeout = off",
                 "stop_timeout cannot be off: a stop must end; 0s keeps everything for "
                 "the next start");
    for (size_t i = 0; i < count; i++)
        if (keys[i].type <= LB_KEY_SHARE && strcmp(keys[i].name, "level") != 0)
            assert_true((keys[i].off_means != NULL) != (keys[i].off_never != NULL));
}

static void a_bad_value_is_named_with_file_and_line_but_never_shown(void **state)
{
    (void)state;
    test_refused("[capture]\nmax_line = sEcReT", "max_line must be a size, like 64K or 8M");
    test_refused("[capture]\nmax_line = 255", "max_line is out of range: 256 to 128K");
    test_refused("[capture]\nmax_line = 129K", "max_line is out of range: 256 to 128K");
    test_refused("[capture]\nmax_line = 99999999999999999999", "max_line is out of range: 256 to 128K");
    test_refused("[capture]\nmax_stall = 5", "max_stall must be a duration, like 500ms, 30s or 5m");
    test_refused("[capture]\nmax_streams = -1", "max_streams must be a whole number");
    test_refused("[capture]\nmax_streams =", "max_streams must be a whole number");
    test_refused("[capture]\noverload = block", "overload must be shed or wait");
    test_refused("[ring]\nlock = true", "lock must be yes or no");
    test_refused("[log]\nlevel = loud",
                 "level must be emergency, alert, critical, error, warning, notice, info or debug");
    test_refused("[agent]\nruntime_dir = run", "runtime_dir must be an absolute path");
    test_refused("[agent]\nruntime_dir =", "runtime_dir must not be empty");
    test_refused("[sink d]\ntype = sEcReT",
                 "type must be datadog, loki, otlp, elasticsearch, splunk, http, syslog, mqtt or file");
    test_refused("[sink d]\napi_key_file = sEcReT\ntype = datadog", "api_key_file must be an absolute path");
    test_refused("[sink d]\napi_key = sEcReT\ntype = datadog", "unknown key \"api_key\" in [sink]");
    test_refused("[sink d]\nsite = data dog\ntype = datadog", "site holds a blank or a control character");
    test_refused("[sink d]\nsite = a/b\ntype = datadog",
                 "site must be a host name (letters, digits, dots and hyphens)");
}

static void a_url_is_http_or_https_with_a_host_and_without_a_password(void **state)
{
    static const char *const right[] = { "http://h",          "https://h.example:8443/v1/input?a=b",
                                         "HTTPS://h",         "http://127.0.0.1:1/",
                                         "http://[::1]:80/x", "http://h/a@b" };
    static const char *const wrong[] = { "ftp://h",        "h",           "http://",
                                         "http:///x",      "http://h:0/", "http://h:/",
                                         "http://h:99999", "http://h:8x", "http://[::1",
                                         "http://[::1]x/", "file:///etc", "http://a_b/" };
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        snprintf(text, sizeof text, "[sink d]\ntype = datadog\nurl = %s\n", right[i]);
        assert_string_equal(test_config_of(text)->sinks[0].url, right[i]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(text, sizeof text, "[sink d]\ntype = datadog\nurl = %s\n", wrong[i]);
        assert_non_null(strstr(test_faults_of(text), "main.ini:3: url "));
    }
    assert_null(strstr(test_faults_of("[sink d]\ntype = datadog\nurl = http://u:sEcReT@h/\n"), "sEcReT"));
}

static void unknown_words_cannot_be_taken_for_each_other(void **state)
{
    (void)state;
    assert_string_equal(
        test_faults_of("[agnet]\nx = 1\n[agent]\nhostnam = h\nsize = 4M\nnonsense = 1\nbroken\n"),
        "DIR/main.ini:7: syntax: neither a [section], nor key = value, nor a comment\n"
        "DIR/main.ini:1: unknown section [agnet]: is [agent] meant?\n"
        "DIR/main.ini:4: unknown key \"hostnam\" in [agent]: is hostname meant?\n"
        "DIR/main.ini:5: unknown key \"size\" in [agent]: it belongs in [ring]\n"
        "DIR/main.ini:6: unknown key \"nonsense\" in [agent]\n");
    test_refused("[service a]\nmax_streams = 3",
                 "unknown key \"max_streams\" in [service]: it belongs in [capture]");
    test_refused("[capture]\nurl = http://h", "unknown key \"url\" in [capture]: it belongs in [sink NAME]");
    assert_string_equal(
        test_faults_of("x = 1\n[agent x]\n[service]\n[service a b]\n" TEST_SINK),
        "DIR/main.ini:1: a key before any [section]\n"
        "DIR/main.ini:2: [agent] takes no name\n"
        "DIR/main.ini:3: [service] needs a name: [service NAME]\n"
        "DIR/main.ini:4: the name after [service must be 1 to 128 of A-Z a-z 0-9 . _ / @ : -\n");
}

static void a_second_value_in_one_file_names_the_first(void **state)
{
    (void)state;
    assert_string_equal(
        test_faults_of("[ring]\nsize = 1M\n[log]\n[ring]\nsize = 1M\n" TEST_SINK "wait = 1s\nwait = 2s\n"),
        "DIR/main.ini:5: a second value for size: the first is in line 2\n"
        "DIR/main.ini:10: a second value for wait: the first is in line 9\n");
}

static void a_section_may_be_repeated(void **state)
{
    const struct lb_config *c =
        test_config_of("[service a]\nsource = x\n" TEST_SINK "[service b]\n[service a]\ntags = k:v\n");

    (void)state;
    assert_int_equal(c->service_count, 2);
    assert_string_equal(c->services[0].source, "x");
    assert_string_equal(c->services[0].tags, "k:v");
    assert_string_equal(c->services[1].name, "b");
}

static void files_of_conf_d_override_in_byte_order(void **state)
{
    (void)state;
    test_write("conf.d/9-b.ini", "[ring]\nsize = 9M\n");
    test_write("conf.d/10-a.ini", "[ring]\nsize = 1M\n[log]\nlevel = debug\n");
    test_write("conf.d/.hidden.ini", "[ring]\nsize = 3M\n");
    test_write("conf.d/note.txt", "not an ini");
    assert_int_equal(test_config_of("[ring]\nsize = 2M\n" TEST_SINK)->ring_bytes, 9 << 20);
    assert_int_equal(test_config->log_level, LB_LEVEL_DEBUG);
    test_write("conf.d/9-b.ini", "[ring]\nsize = 9M\nsize = 8M\nlock = maybe\n[sink .]\ntype = file\n");
    assert_string_equal(test_faults_of(TEST_SINK),
                        "DIR/conf.d/9-b.ini:3: a second value for size: the first is in line 2\n"
                        "DIR/conf.d/9-b.ini:4: lock must be yes or no\n"
                        "DIR/conf.d/9-b.ini:5: the name after [sink must be one that a directory can have, "
                        "without /\n");
}

static void there_is_a_sink_and_it_is_whole(void **state)
{
    (void)state;
    assert_string_equal(test_faults_of("[log]\n"),
                        "DIR/main.ini: no [sink NAME] section: the lines would have nowhere to go\n");
    assert_string_equal(test_faults_of("\n[sink a]\nwait = 1s\n"),
                        "DIR/main.ini:2: [sink a] needs a type: datadog, loki, otlp, elasticsearch, splunk, "
                        "http, syslog, mqtt or file\n");
    assert_string_equal(test_faults_of("[sink a]\ntype = file\n"),
                        "DIR/main.ini:2: [sink a] is of type file and needs a path\n");
    assert_string_equal(test_faults_of(TEST_SINK "retry_min = 1m\nretry_max = 1s\n"),
                        "DIR/main.ini:5: retry_max is below retry_min\n");
    assert_string_equal(test_faults_of(TEST_SINK "retry_min = 10m\n"),
                        "DIR/main.ini:1: retry_max is below retry_min\n");
    assert_string_equal(test_faults_of("[sink a]\ntype = datadog\ncompression = gzip\nlevel = 10\n"),
                        "DIR/main.ini:4: level is out of range: gzip has 1 to 9\n");
    assert_string_equal(test_warnings_of("[sink a]\ntype = datadog\npath = /x\nurl = http://h\nsite = h\n"),
                        "DIR/main.ini:3: warning: path has no effect in a sink of type datadog\n"
                        "DIR/main.ini:5: warning: site has no effect: url is set\n");
}

static const struct lb_sink_config *sink_of(const char *lines)
{
    char text[512];

    snprintf(text, sizeof text, "[sink a]\n%s", lines);
    return &test_config_of(text)->sinks[0];
}

static void a_type_brings_its_own_defaults(void **state)
{
    (void)state;
    assert_int_equal(sink_of("type = datadog\n")->compression, LB_COMPRESSION_ZSTD);
    assert_int_equal(sink_of("type = loki\nurl = http://h\n")->compression, LB_COMPRESSION_GZIP);
    assert_int_equal(sink_of("type = loki\nurl = http://h\n")->max_age_ms, 6 * 86400 * 1000ull);
    assert_int_equal(sink_of("type = loki\nurl = http://h\nmax_age = 1h\n")->max_age_ms, 3600 * 1000ull);
    assert_int_equal(sink_of("type = otlp\nurl = http://h\ncompression = zstd\n")->compression,
                     LB_COMPRESSION_ZSTD);
    assert_int_equal(sink_of("type = http\nurl = http://h\n")->sequence, LB_SEQUENCE_BATCH);
    assert_int_equal(sink_of("type = file\npath = /x\n")->sequence, LB_SEQUENCE_ALL);
}

static void a_text_of_a_sink_has_its_form_or_is_named(void **state)
{
    static const char *const faulty[][2] = {
        { "type = http\nheaders = sEcReT\n", "headers takes NAME: VALUE; NAME: VALUE" },
        { "type = http\nheaders = A: b; two words: c\n", "headers takes NAME: VALUE; NAME: VALUE" },
        { "type = http\nheaders = A: b; : c\n", "headers takes NAME: VALUE; NAME: VALUE" },
        { "type = http\nheaders = a:1;b:1;c:1;d:1;e:1;f:1;g:1;h:1;i:1;j:1;k:1\n",
          "headers takes at most 10" },
        { "type = http\nok = abc\n", "ok takes HTTP statuses: 200,202 or 200-299" },
        { "type = http\nok = 299-200\n", "ok takes HTTP statuses: 200,202 or 200-299" },
        { "type = http\nok = 200,\n", "ok takes HTTP statuses: 200,202 or 200-299" },
        { "type = http\nok = 20\n", "ok takes HTTP statuses: 200,202 or 200-299" },
        { "type = syslog\naddress = udp://h:514\n",
          "address takes tls://HOST:PORT, tcp://HOST:PORT, unix:PATH or unix-dgram:PATH" },
        { "type = syslog\naddress = tcp://h:514x\n",
          "address takes tls://HOST:PORT, tcp://HOST:PORT, unix:PATH or unix-dgram:PATH" },
        { "type = syslog\naddress = tls://h\n",
          "address takes tls://HOST:PORT, tcp://HOST:PORT, unix:PATH or unix-dgram:PATH" },
        { "type = syslog\naddress = unix:sock\n",
          "address takes tls://HOST:PORT, tcp://HOST:PORT, unix:PATH or unix-dgram:PATH" },
    };
    char text[512], want[256];

    (void)state;
    for (size_t i = 0; i < sizeof faulty / sizeof faulty[0]; i++) {
        snprintf(text, sizeof text, "[sink a]\n%s%s", faulty[i][0],
                 strstr(faulty[i][0], "http") ? "url = http://h\n" : "");
        snprintf(want, sizeof want, "DIR/main.ini:3: %s\n", faulty[i][1]);
        assert_string_equal(test_faults_of(text), want);
    }
    sink_of("type = http\nurl = http://h\nheaders = X-Team: a b:c;  Y: ;\nok = 200,202,250-299\n");
    sink_of("type = syslog\naddress = unix:/run/s\n");
    sink_of("type = syslog\naddress = unix-dgram:/dev/log\n");
    sink_of("type = syslog\naddress = tls://[::1]:6514\n");
    assert_string_equal(test_faults_of("[sink a]\ntype = elasticsearch\nurl = http://h\n"),
                        "DIR/main.ini:1: [sink a] is of type elasticsearch and needs an index\n");
    assert_string_equal(
        test_warnings_of("[sink a]\ntype = elasticsearch\nurl = http://h/i/_bulk\nindex = j\n"),
        "DIR/main.ini:4: warning: index has no effect: url names a path\n");
}

static void labels_are_expanded_as_tags_are(void **state)
{
    (void)state;
    setenv("FLEET", "north", 1);
    assert_string_equal(sink_of("type = loki\nurl = http://h\nlabels = fleet:$FLEET,a:b\n")->labels,
                        "fleet:north,a:b");
    assert_string_equal(
        test_faults_of("[sink a]\ntype = loki\nurl = http://h\nlabels = a b\n"),
        "DIR/main.ini:4: labels must be k:v,k:v without blanks, quotes and backslashes, at most "
        "256 bytes\n");
    unsetenv("FLEET");
}

static void what_a_type_needs_or_cannot_is_told(void **state)
{
    (void)state;
    assert_string_equal(test_faults_of("[sink a]\ntype = loki\n"),
                        "DIR/main.ini:2: [sink a] is of type loki and needs a url\n");
    assert_string_equal(test_faults_of("[sink a]\ntype = splunk\nurl = http://h\ncompression = zstd\n"),
                        "DIR/main.ini:4: compression: a sink of type splunk does not read that\n");
    assert_string_equal(test_faults_of("[sink a]\ntype = otlp\nurl = http://h\ntls_cert = /x\n"),
                        "DIR/main.ini:2: [sink a]: tls_cert and tls_key go together\n");
    assert_string_equal(test_warnings_of("[sink a]\ntype = http\nurl = http://h\ntenant = x\nlabels = a:b\n"),
                        "DIR/main.ini:5: warning: labels has no effect in a sink of type http\n"
                        "DIR/main.ini:4: warning: tenant has no effect in a sink of type http\n");
}

static void staging_and_ring_hold_several_of_the_longest_lines(void **state)
{
    (void)state;
    test_config_of("[capture]\nstaging = 256K\n[ring]\nsize = 256K\n" TEST_SINK);
    assert_string_equal(
        test_faults_of(
            "[capture]\nstaging = 256K\n[ring]\nsize = 256K\n[service a]\nmax_line = 128K\n" TEST_SINK),
        "DIR/main.ini:2: staging must be at least 4 times the longest max_line or join_bytes, which is 128K\n"
        "DIR/main.ini:4: size must be more than 3 times the longest max_line or join_bytes, which is 128K "
        "(6144 bytes more for each)\n");
}

static void a_service_has_what_capture_says_where_it_says_nothing(void **state)
{
    const struct lb_config *c = test_config_of("[service a]\nmax_line = 1K\noverload = shed\n" TEST_SINK
                                               "[capture]\noverload = wait\nmax_stall = 1s\n");
    const struct lb_service_config *a = lb_config_service(c, "a.b", 1);

    (void)state;
    assert_string_equal(a->name, "a");
    assert_int_equal(a->capture.max_line_bytes, 1024);
    assert_int_equal(a->capture.overload, LB_OVERLOAD_SHED);
    assert_int_equal(a->capture.max_stall_ms, 1000);
    assert_ptr_equal(lb_config_service(c, "b", 1), &c->default_service);
    assert_int_equal(c->default_service.capture.overload, LB_OVERLOAD_WAIT);
}

static void a_file_that_is_none_is_a_fault(void **state)
{
    (void)state;
    unlink(test_path("main.ini"));
    assert_int_equal(test_load(LB_CONFIG_CHECK), -EINVAL);
    assert_string_equal(test_faults_text(), "DIR/main.ini: cannot read: No such file or directory\n");
    assert_int_equal(mkfifo(test_path("main.ini"), 0600), 0);
    assert_int_equal(test_load(LB_CONFIG_CHECK), -EINVAL);
    assert_string_equal(test_faults_text(), "DIR/main.ini: cannot read: No such device or address\n");
}

static void faults_beyond_the_tables_room_are_counted(void **state)
{
    char text[4096] = "";

    (void)state;
    for (int i = 0; i < 150; i++)
        strcat(text, "broken\n");
    test_faults_of(text);
    assert_int_equal(test_faults.count, LB_CONFIG_FAULTS_MAX);
    assert_int_equal(test_faults.more, 50);
}

static void a_fault_holds_no_byte_that_a_terminal_acts_on(void **state)
{
    (void)state;
    assert_string_equal(test_faults_of("[\033x]\n" TEST_SINK), "DIR/main.ini:1: unknown section [?x]\n");
    assert_string_equal(test_faults_of("[agent]\n\033[2J = 1\n" TEST_SINK),
                        "DIR/main.ini:2: unknown key \"?[2J\" in [agent]\n");
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, test_make_dir, test_remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_key_has_the_default_that_the_table_says),
        TEST(sequence_is_all_for_a_file_and_batch_for_the_network_unless_set),
        TEST(every_row_of_the_table_is_whole_and_its_default_is_a_legal_value),
        TEST(off_means_something_or_is_refused_with_the_reason),
        TEST(a_bad_value_is_named_with_file_and_line_but_never_shown),
        TEST(a_url_is_http_or_https_with_a_host_and_without_a_password),
        TEST(unknown_words_cannot_be_taken_for_each_other),
        TEST(a_second_value_in_one_file_names_the_first),
        TEST(a_section_may_be_repeated),
        TEST(files_of_conf_d_override_in_byte_order),
        TEST(there_is_a_sink_and_it_is_whole),
        TEST(a_type_brings_its_own_defaults),
        TEST(a_text_of_a_sink_has_its_form_or_is_named),
        TEST(labels_are_expanded_as_tags_are),
        TEST(what_a_type_needs_or_cannot_is_told),
        TEST(staging_and_ring_hold_several_of_the_longest_lines),
        TEST(a_service_has_what_capture_says_where_it_says_nothing),
        TEST(a_file_that_is_none_is_a_fault),
        TEST(faults_beyond_the_tables_room_are_counted),
        TEST(a_fault_holds_no_byte_that_a_terminal_acts_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
