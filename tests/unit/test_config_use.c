/* SPDX-License-Identifier: MIT */
/*
 * What is made of a configuration once it is read: names expanded, the key
 * found, a reload judged, the sample printed, the memory ceiling told.
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

#include "agent/offline/check.h"
#include "common/expand.h"
#include "common/keys.h"
#include "common/proto.h"
#include "tests/unit/lib_config.h"

#define TEXT_OF(number)    TEXT_OF_IT(number)
#define TEXT_OF_IT(number) #number

static void hostname_and_tags_expand_and_are_checked_afterwards(void **state)
{
    char text[512];

    (void)state;
    setenv("LB_TEST_SITE", "mill", 1);
    setenv("LB_TEST_BAD", "a b", 1);
    unsetenv("LB_TEST_NONE");
    test_write("part", "  fleet-7 \n");
    snprintf(text, sizeof text,
             "[agent]\nhostname = $LB_TEST_SITE-%%%%1\ntags = f:@%s,s:$LB_TEST_SITE,o:me@x\n" TEST_SINK,
             test_path("part"));
    assert_string_equal(test_config_of(text)->hostname, "mill-%1");
    assert_string_equal(test_config->tags, "f:fleet-7,s:mill,o:me@x");
    test_refused("[agent]\nhostname = $LB_TEST_NONE",
                 "hostname: $LB_TEST_NONE is not set in the environment ($$ stands for $)");
    test_refused("[agent]\nhostname = %serail",
                 "hostname: unknown %serail: there are %hostname, %machine_id, %serial, and %% for %");
    test_refused("[agent]\nhostname = 100%", "hostname: no name follows % (%% stands for %)");
    test_refused("[agent]\nhostname = $LB_TEST_BAD",
                 "hostname must be at most 255 bytes without blanks, commas, quotes and backslashes");
    test_refused("[agent]\ntags = $LB_TEST_SITE",
                 "tags must be k:v,k:v without blanks, quotes and backslashes, at most " TEXT_OF(
                     LB_PROTO_TAGS_MAX) " bytes");
    test_refused("[agent]\ntags = a:@/nonexistent/x,b:c",
                 "tags: @/nonexistent/x: cannot read /nonexistent/x: No such file or directory");
}

static void a_missing_or_empty_part_has_no_result(void **state)
{
    struct lb_expand_paths paths = { .machine_id = test_path("part"), .serial = { "/nonexistent", NULL } };
    char copy[256], buf[16], why[256];

    (void)state;
    snprintf(copy, sizeof copy, "%s", test_path("part"));
    paths.machine_id = copy;
    test_write("part", "0123456789\n");
    assert_int_equal(lb_expand("%machine_id", &paths, buf, sizeof buf, why, sizeof why), 0);
    assert_string_equal(buf, "0123456789");
    assert_int_equal(lb_expand("%machine_id%machine_id", &paths, buf, sizeof buf, why, sizeof why), -E2BIG);
    assert_int_equal(lb_expand("%serial", &paths, buf, sizeof buf, why, sizeof why), -EINVAL);
    assert_string_equal(why, "%serial: cannot read /nonexistent: No such file or directory");
    paths.serial[1] = copy;
    assert_int_equal(lb_expand("%serial", &paths, buf, sizeof buf, why, sizeof why), 0);
    test_write("part", " \n");
    assert_int_equal(lb_expand("%serial", &paths, buf, sizeof buf, why, sizeof why), -EINVAL);
    assert_string_equal(why, "%serial is empty or not one line of text");
    test_write("part", "one\ntwo\n");
    assert_int_equal(lb_expand("%machine_id", &paths, buf, sizeof buf, why, sizeof why), -EINVAL);
    assert_int_equal(lb_expand("$$a%%@b", &paths, buf, sizeof buf, why, sizeof why), 0);
    assert_string_equal(buf, "$a%@b");
}

static void the_hostname_of_an_unnamed_pi_draws_a_warning(void **state)
{
    (void)state;
    assert_string_equal(test_warnings_of("[agent]\nhostname = pi-7\n" TEST_SINK), "");
    assert_non_null(strstr(test_warnings_of("[agent]\nhostname = raspberrypi\n" TEST_SINK),
                           "DIR/main.ini:2: warning: hostname is raspberrypi, as on every device"));
}

static void a_spool_has_a_budget_or_none_and_does_not_lie_in_ram(void **state)
{
    const struct lb_config *c;

    (void)state;
    c = test_config_of("[spool]\nfree_floor = off\nwear_budget = auto\nstop_budget = off\npersist = off\n"
                       "persist_interval = off\n[wear]\nendurance = 30T\n" TEST_SINK);
    assert_int_equal(c->spool_free_floor_percent, 0);
    assert_true(c->spool_wear_budget_bytes_per_day == LB_AUTO);
    assert_int_equal(c->spool_stop_budget_bytes, 0);
    assert_int_equal(c->spool_persist, -1);
    assert_int_equal(c->spool_persist_interval_ms, 0);
    assert_int_equal(c->wear_endurance_bytes, 30ull << 40);
    c = test_config_of("[spool]\nwear_budget = off\n" TEST_SINK);
    assert_int_equal(c->spool_wear_budget_bytes_per_day, 0);
    test_refused("[spool]\nfree_floor = 91%", "free_floor is out of range: 0% to 90%");
    test_refused("[spool]\nfree_floor = 10", "free_floor must be a percentage, like 10%");
    test_refused("[spool]\nwear_budget = lots",
                 "wear_budget must be a rate, like 200/s, 20/min or 50M/day, or auto");
    test_refused("[spool]\nstop_budget = auto", "stop_budget must be a size, like 64K or 8M");
    test_refused("[spool]\npath = /run/logboom/spool.db",
                 "path is below runtime_dir, and what lies there goes with a reboot");
}

static void wear_has_limits_by_the_hour_and_names_of_disks(void **state)
{
    const struct lb_config *c;

    (void)state;
    c = test_config_of(TEST_SINK);
    assert_string_equal(c->wear_devices, "auto");
    assert_int_equal(c->wear_alert_bytes_per_day, 24 * (500ull << 20));
    assert_int_equal(c->wear_sample_ms, 60000);
    c = test_config_of("[wear]\ndevices = mmcblk0 sda\nsample = off\nalert = off\nprogram_alert = 1G/day\n"
                       "life_warn = off\nhistory = 7d\n" TEST_SINK);
    assert_string_equal(c->wear_devices, "mmcblk0 sda");
    assert_int_equal(c->wear_sample_ms, 0);
    assert_true(c->wear_alert_bytes_per_day == LB_OFF);
    assert_int_equal(c->wear_program_alert_bytes_per_day, 1ull << 30);
    assert_int_equal(c->wear_life_warn_ms, 0);
    test_refused("[wear]\ndevices = /dev/mmcblk0",
                 "devices takes names as in /sys/block, parted by blanks, like mmcblk0 sda");
    test_refused("[wear]\nhistory = off", "history cannot be off: it takes no more room for being longer");
    test_refused("[wear]\nsample = 10ms", "sample is out of range: 1s to 1h");
}

static void the_keys_that_wait_for_the_next_start_are_named(void **state)
{
    const char *names[16];
    struct lb_config *before;

    (void)state;
    test_config_of(TEST_SINK);
    before = test_config;
    test_config = NULL;
    test_config_of("[log]\nlevel = debug\n" TEST_SINK "wait = 1s\n");
    assert_int_equal(lb_config_restart_keys(before, test_config, names, 16), 0);
    test_config_of(
        "[agent]\nruntime_dir = /run/x\n[ring]\nsize = 1M\nlock = no\n[service a]\nmax_line = 1K\n" TEST_SINK
        "body_bytes = 16K\n");
    assert_int_equal(lb_config_restart_keys(before, test_config, names, 16), 3);
    assert_string_equal(names[0], "agent.runtime_dir");
    assert_string_equal(names[1], "ring.size");
    assert_string_equal(names[2], "ring.lock");
    assert_int_equal(lb_config_restart_keys(before, test_config, names, 2), 2);
    lb_config_free(before);
}

static void the_secret_is_sought_in_three_places(void **state)
{
    char file[256], secret[40];
    struct lb_sink_config sink = { .type = (char *)(uintptr_t) "datadog", .api_key_file = file };
    const char *where = NULL;

    (void)state;
    snprintf(file, sizeof file, "%s", test_path("key"));
    assert_int_equal(lb_config_read_secret(&sink, secret, sizeof secret, &where), -ENOENT);
    setenv("DD_API_KEY", "from-env", 1);
    assert_int_equal(lb_config_read_secret(&sink, secret, sizeof secret, &where), 0);
    assert_string_equal(secret, "from-env");
    assert_string_equal(where, "$DD_API_KEY");
    setenv("CREDENTIALS_DIRECTORY", test_dir, 1);
    test_write("api_key", "from-credential\n");
    assert_int_equal(lb_config_read_secret(&sink, secret, sizeof secret, &where), 0);
    assert_string_equal(secret, "from-credential");
    test_write("api_key", "\n"); /* what the packaged unit puts where root keeps no key */
    assert_int_equal(lb_config_read_secret(&sink, secret, sizeof secret, &where), 0);
    assert_string_equal(secret, "from-env");
    test_write("key", " \tfrom-file\r\n\n");
    assert_int_equal(lb_config_read_secret(&sink, secret, sizeof secret, &where), 0);
    assert_string_equal(secret, "from-file");
    assert_ptr_equal(where, file);
    assert_int_equal(lb_config_read_secret(&sink, secret, strlen("from-file"), &where), -E2BIG);
    test_write("key", "two\nlines\n");
    assert_int_equal(lb_config_read_secret(&sink, secret, sizeof secret, &where), -EINVAL);
    test_write("key", " \n");
    assert_int_equal(lb_config_read_secret(&sink, secret, sizeof secret, &where), -EINVAL);
    snprintf(file, sizeof file, "%s", test_dir);
    assert_int_equal(lb_config_read_secret(&sink, secret, sizeof secret, &where), -EISDIR);
    unsetenv("DD_API_KEY");
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void a_run_needs_the_key_and_a_check_does_not(void **state)
{
    char text[512];

    (void)state;
    snprintf(text, sizeof text, "[sink d]\ntype = datadog\napi_key_file = %s\n", test_path("key"));
    test_config_of(text);
    assert_int_equal(test_load(LB_CONFIG_RUN), -EINVAL);
    assert_string_equal(
        test_faults_text(),
        "DIR/main.ini:3: no API key: neither DIR/key, nor d.api_key or api_key in $CREDENTIALS_DIRECTORY, "
        "nor $DD_API_KEY is there\n");
    test_write("key", "sEcReT\nx\n");
    assert_int_equal(test_load(LB_CONFIG_RUN), -EINVAL);
    assert_string_equal(test_faults_text(),
                        "DIR/main.ini:3: no API key: DIR/key: empty, or more than one line\n");
    test_write("key", "k\n");
    assert_int_equal(test_load(LB_CONFIG_RUN), 0);
}

/* Everything that a function prints to a FILE. */
static char *print_sample(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    lb_config_print_sample(out);
    fclose(out);
    return text;
}

static void the_sample_loads_and_shows_every_key(void **state)
{
    char *text = print_sample();
    size_t count;
    const struct lb_key *keys = lb_keys(&count);

    (void)state;
    test_config_of(text);
    assert_string_equal(test_config->sinks[0].type, "datadog");
    assert_string_equal(test_config->sinks[0].api_key_file, "/etc/logboom/api_key");
    for (size_t i = 0; i < count; i++) {
        char line[128];

        snprintf(line, sizeof line, "\n%s%s =", keys[i].sample ? "" : "#", keys[i].name);
        assert_non_null(strstr(text, line));
    }
    free(text);
}

static void the_sample_with_every_comment_sign_taken_away_loads_too(void **state)
{
    char *text = print_sample();
    char *to = text;

    (void)state;
    for (char *from = text; *from != '\0'; from++)
        if (*from != '#' || (from > text && from[-1] != '\n') || from[1] == ' ' || from[1] == '\n')
            *to++ = *from;
    *to = '\0';
    test_config_of(text);
    assert_int_equal(test_config->service_count, 1);
    free(text);
}

static void the_check_prints_faults_or_the_ceiling(void **state)
{
    char *out_text = NULL, *err_text = NULL;
    size_t out_size = 0, err_size = 0;
    FILE *out = open_memstream(&out_text, &out_size), *err = open_memstream(&err_text, &err_size);
    struct lb_memory_part parts[LB_MEMORY_PARTS];

    (void)state;
    test_write("main.ini", "[ring]\nsize = x\n" TEST_SINK);
    assert_int_equal(lb_offline_check(test_path("main.ini"), out, err), 2);
    fflush(out), fflush(err);
    assert_string_equal(out_text, "");
    assert_non_null(strstr(err_text, "main.ini:2: size must be a size"));
    test_config_of("[sink d]\ntype = datadog\n");
    assert_int_equal(lb_offline_check(test_path("main.ini"), out, err), 0);
    fclose(out), fclose(err);
    assert_non_null(strstr(out_text, "main.ini: ok\nmemory ceiling: 44.3 MiB\n"));
    /* 2 MiB staging + 4 MiB ring + 4 MiB held + 1028 KiB to encode + 600 KiB zstd + 2 bodies + 2 connections
     * + tables, texts; a backlog of 16 MiB with its rows, and what works on it: a body, to encode, zstd
     * twice; disks and programs */
    assert_int_equal(lb_config_memory_ceiling(test_config, parts),
                     (10 << 20) + (1028 + 600 + 1024 + 608 + 736) * 1024 + 2 * (1052672 + 10526 + 1024) +
                         (16 << 20) + (16 << 20) / 24 + (6180 + 600 + 600 + 1028) * 1024 + 1052672 + 10526 +
                         1024 + 2496 * 1024);
    free(out_text);
    free(err_text);
}

static void any_bytes_are_a_configuration_or_a_list_of_faults(void **state)
{
    char *sample = print_sample();
    size_t len = strlen(sample);
    uint64_t random = 88172645463325252ull;

    (void)state;
    for (size_t i = 0; i < len; i++) /* all keys in effect, so that a change hits one */
        if (sample[i] == '#' && (i == 0 || sample[i - 1] == '\n') && sample[i + 1] != ' ')
            sample[i] = '\n';
    for (int round = 0; round < 300; round++) {
        char *text = strdup(sample);
        FILE *file = fopen(test_path("main.ini"), "w");

        for (int change = 0; change < 8; change++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            text[random % len] = (char)(random >> 32);
        }
        assert_non_null(file);
        assert_int_equal(fwrite(text, 1, len, file), len);
        fclose(file);
        free(text);
        assert_true((test_load(LB_CONFIG_CHECK) == 0) == (test_faults.count == 0));
    }
    free(sample);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, test_make_dir, test_remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hostname_and_tags_expand_and_are_checked_afterwards),
        TEST(a_missing_or_empty_part_has_no_result),
        TEST(the_hostname_of_an_unnamed_pi_draws_a_warning),
        TEST(a_spool_has_a_budget_or_none_and_does_not_lie_in_ram),
        TEST(wear_has_limits_by_the_hour_and_names_of_disks),
        TEST(the_keys_that_wait_for_the_next_start_are_named),
        TEST(the_secret_is_sought_in_three_places),
        TEST(a_run_needs_the_key_and_a_check_does_not),
        TEST(the_sample_loads_and_shows_every_key),
        TEST(the_sample_with_every_comment_sign_taken_away_loads_too),
        TEST(the_check_prints_faults_or_the_ceiling),
        TEST(any_bytes_are_a_configuration_or_a_list_of_faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
