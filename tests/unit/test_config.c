/* SPDX-License-Identifier: MIT */
/*
 * A configuration from its files. Each test writes the main file and conf.d/
 * into a directory of its own and loads them; what is wrong is compared as
 * text, with DIR for the directory, since file and line are what a user has.
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
#include "common/config.h"
#include "common/expand.h"
#include "common/keys.h"
#include "common/proto.h"

#define SINK "[sink out]\ntype = file\npath = /tmp/out\n" /* the least that loads */

static char dir[128];
static struct lb_config *config;
static struct lb_config_faults faults;

static const char *path_of(const char *name)
{
    static char path[192];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_dir(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    snprintf(dir, sizeof dir, "%s/logboom-config-XXXXXX", base ? base : "/dev/shm");
    if (!mkdtemp(dir))
        return -1;
    unsetenv("DD_API_KEY");
    unsetenv("CREDENTIALS_DIRECTORY");
    return mkdir(path_of("conf.d"), 0700);
}

static int remove_dir(void **state)
{
    static const char *const names[] = { "conf.d/10-a.ini",
                                         "conf.d/9-b.ini",
                                         "conf.d/.hidden.ini",
                                         "conf.d/note.txt",
                                         "main.ini",
                                         "key",
                                         "api_key",
                                         "part" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(path_of(names[i]));
    rmdir(path_of("conf.d"));
    lb_config_free(config);
    config = NULL;
    lb_config_faults_free(&faults);
    return rmdir(dir);
}

static int load_as(enum lb_config_mode mode)
{
    lb_config_free(config);
    config = NULL;
    lb_config_faults_free(&faults);
    return lb_config_load(path_of("main.ini"), mode, &config, &faults);
}

/* Load this text as the main file; it must be right. */
static const struct lb_config *config_of(const char *text)
{
    write_file("main.ini", text);
    if (load_as(LB_CONFIG_CHECK) != 0)
        fail_msg("%s", faults.text[0]);
    return config;
}

/* Join messages, a line each, with DIR for the directory. */
static const char *joined(char *const *texts, size_t count)
{
    static char out[65536];
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const char *text = texts[i];
        const char *where;

        while ((where = strstr(text, dir)) != NULL) {
            len += (size_t)snprintf(out + len, sizeof out - len, "%.*sDIR", (int)(where - text), text);
            text = where + strlen(dir);
        }
        len += (size_t)snprintf(out + len, sizeof out - len, "%s\n", text);
        assert_true(len < sizeof out);
    }
    return out;
}

/* Load this text as the main file; all faults of it. */
static const char *faults_of(const char *text)
{
    write_file("main.ini", text);
    assert_int_equal(load_as(LB_CONFIG_CHECK), -EINVAL);
    assert_null(config);
    return joined(faults.text, faults.count);
}

static const char *warnings_of(const char *text)
{
    config_of(text);
    return joined(faults.warnings, faults.warning_count);
}

/* "[section]\nkey = value\n" is refused with this text, in line 2. */
static void refused(const char *lines, const char *why)
{
    char text[1024], want[1024];

    snprintf(text, sizeof text, "%s\n%s", lines, strstr(lines, "[sink") ? "" : SINK);
    snprintf(want, sizeof want, "DIR/main.ini:2: %s\n", why);
    assert_string_equal(faults_of(text), want);
}

static void every_key_has_the_default_that_the_table_says(void **state)
{
    const struct lb_config *c = config_of("[agent]\nhostname = h\n" SINK);

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
    assert_int_equal(c->service_count, 0);
    assert_string_equal(c->default_service.source, "python");
    assert_string_equal(c->default_service.name, "");
    assert_int_equal(c->sink_count, 1);
    assert_string_equal(c->sinks[0].name, "out");
    assert_string_equal(c->sinks[0].site, "datadoghq.com");
    assert_int_equal(c->sinks[0].compression, LB_COMPRESSION_ZSTD);
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
    assert_int_equal(config_of(SINK)->sinks[0].sequence, LB_SEQUENCE_ALL);
    assert_int_equal(config_of(SINK "sequence = batch\n")->sinks[0].sequence, LB_SEQUENCE_BATCH);
    assert_int_equal(config_of("[sink d]\ntype = datadog\n")->sinks[0].sequence, LB_SEQUENCE_BATCH);
    assert_int_equal(config_of("[sink d]\ntype = datadog\nsequence = off\n")->sinks[0].sequence,
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
        } field = { .number = 0 };
        char why[512] = "";

        assert_true(strlen(keys[i].help) > 10);
        assert_non_null(strstr(keys[i].path, keys[i].name));
        assert_ptr_equal(lb_key_find(keys[i].section, keys[i].name), &keys[i]);
        assert_true(keys[i].type > LB_KEY_DURATION || keys[i].min < keys[i].max);
        if (keys[i].is_required)
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
    const struct lb_config *c = config_of("[capture]\nmax_stall = off\npipe_size = off\n" SINK
                                          "urgent_wait = off\nbody_lines = off\nwait = 7s\n");

    (void)state;
    assert_true(c->capture.max_stall_ms == LB_OFF);
    assert_int_equal(c->pipe_size_bytes, 0);
    assert_int_equal(c->sinks[0].urgent_wait_ms, 7000);
    assert_int_equal(c->sinks[0].body_lines, 1000);
    refused("[ring]\nsize = off", "size cannot be off: every record passes through it");
    refused("[agent]\nstop_timeout = off",
            "stop_timeout cannot be off: a stop must end; 0s keeps everything for "
            "the next start");
    for (size_t i = 0; i < count; i++)
        if (keys[i].type <= LB_KEY_DURATION && strcmp(keys[i].path, "sink.level") != 0)
            assert_true((keys[i].off_means != NULL) != (keys[i].off_never != NULL));
}

static void a_bad_value_is_named_with_file_and_line_but_never_shown(void **state)
{
    (void)state;
    refused("[capture]\nmax_line = sEcReT", "max_line must be a size, like 64K or 8M");
    refused("[capture]\nmax_line = 255", "max_line is out of range: 256 to 128K");
    refused("[capture]\nmax_line = 129K", "max_line is out of range: 256 to 128K");
    refused("[capture]\nmax_line = 99999999999999999999", "max_line is out of range: 256 to 128K");
    refused("[capture]\nmax_stall = 5", "max_stall must be a duration, like 500ms, 30s or 5m");
    refused("[capture]\nmax_streams = -1", "max_streams must be a whole number");
    refused("[capture]\nmax_streams =", "max_streams must be a whole number");
    refused("[capture]\noverload = block", "overload must be shed or wait");
    refused("[ring]\nlock = true", "lock must be yes or no");
    refused("[log]\nlevel = loud",
            "level must be emergency, alert, critical, error, warning, notice, info or debug");
    refused("[agent]\nruntime_dir = run", "runtime_dir must be an absolute path");
    refused("[agent]\nruntime_dir =", "runtime_dir must not be empty");
    refused("[sink d]\ntype = sEcReT", "type must be datadog or file");
    refused("[sink d]\napi_key_file = sEcReT\ntype = datadog", "api_key_file must be an absolute path");
    refused("[sink d]\napi_key = sEcReT\ntype = datadog", "unknown key \"api_key\" in [sink]");
    refused("[sink d]\nsite = data dog\ntype = datadog", "site holds a blank or a control character");
    refused("[sink d]\nsite = a/b\ntype = datadog",
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
        assert_string_equal(config_of(text)->sinks[0].url, right[i]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(text, sizeof text, "[sink d]\ntype = datadog\nurl = %s\n", wrong[i]);
        assert_non_null(strstr(faults_of(text), "main.ini:3: url "));
    }
    assert_null(strstr(faults_of("[sink d]\ntype = datadog\nurl = http://u:sEcReT@h/\n"), "sEcReT"));
}

static void unknown_words_cannot_be_taken_for_each_other(void **state)
{
    (void)state;
    assert_string_equal(faults_of("[agnet]\nx = 1\n[agent]\nhostnam = h\nsize = 4M\nnonsense = 1\nbroken\n"),
                        "DIR/main.ini:7: syntax: neither a [section], nor key = value, nor a comment\n"
                        "DIR/main.ini:1: unknown section [agnet]: is [agent] meant?\n"
                        "DIR/main.ini:4: unknown key \"hostnam\" in [agent]: is hostname meant?\n"
                        "DIR/main.ini:5: unknown key \"size\" in [agent]: it belongs in [ring]\n"
                        "DIR/main.ini:6: unknown key \"nonsense\" in [agent]\n");
    refused("[service a]\nmax_streams = 3",
            "unknown key \"max_streams\" in [service]: it belongs in [capture]");
    refused("[capture]\nurl = http://h", "unknown key \"url\" in [capture]: it belongs in [sink NAME]");
    assert_string_equal(
        faults_of("x = 1\n[agent x]\n[service]\n[service a b]\n" SINK),
        "DIR/main.ini:1: a key before any [section]\n"
        "DIR/main.ini:2: [agent] takes no name\n"
        "DIR/main.ini:3: [service] needs a name: [service NAME]\n"
        "DIR/main.ini:4: the name after [service must be 1 to 128 of A-Z a-z 0-9 . _ / @ : -\n");
}

static void a_second_value_in_one_file_names_the_first(void **state)
{
    (void)state;
    assert_string_equal(
        faults_of("[ring]\nsize = 1M\n[log]\n[ring]\nsize = 1M\n" SINK "wait = 1s\nwait = 2s\n"),
        "DIR/main.ini:5: a second value for size: the first is in line 2\n"
        "DIR/main.ini:10: a second value for wait: the first is in line 9\n");
}

static void a_section_may_be_repeated(void **state)
{
    const struct lb_config *c =
        config_of("[service a]\nsource = x\n" SINK "[service b]\n[service a]\ntags = k:v\n");

    (void)state;
    assert_int_equal(c->service_count, 2);
    assert_string_equal(c->services[0].source, "x");
    assert_string_equal(c->services[0].tags, "k:v");
    assert_string_equal(c->services[1].name, "b");
}

static void files_of_conf_d_override_in_byte_order(void **state)
{
    (void)state;
    write_file("conf.d/9-b.ini", "[ring]\nsize = 9M\n");
    write_file("conf.d/10-a.ini", "[ring]\nsize = 1M\n[log]\nlevel = debug\n");
    write_file("conf.d/.hidden.ini", "[ring]\nsize = 3M\n");
    write_file("conf.d/note.txt", "not an ini");
    assert_int_equal(config_of("[ring]\nsize = 2M\n" SINK)->ring_bytes, 9 << 20);
    assert_int_equal(config->log_level, LB_LEVEL_DEBUG);
    write_file("conf.d/9-b.ini", "[ring]\nsize = 9M\nsize = 8M\nlock = maybe\n[sink two]\ntype = file\n");
    assert_string_equal(faults_of(SINK),
                        "DIR/conf.d/9-b.ini:3: a second value for size: the first is in line 2\n"
                        "DIR/conf.d/9-b.ini:4: lock must be yes or no\n"
                        "DIR/conf.d/9-b.ini:5: a second sink, [sink two]: only one is allowed, and "
                        "[sink out] stands at DIR/main.ini:1\n");
}

static void there_is_exactly_one_sink_and_it_is_whole(void **state)
{
    (void)state;
    assert_string_equal(faults_of("[log]\n"),
                        "DIR/main.ini: no [sink NAME] section: the lines would have nowhere to go\n");
    assert_string_equal(faults_of("\n[sink a]\nwait = 1s\n"),
                        "DIR/main.ini:2: [sink a] needs a type: datadog or file\n");
    assert_string_equal(faults_of("[sink a]\ntype = file\n"),
                        "DIR/main.ini:2: [sink a] is of type file and needs a path\n");
    assert_string_equal(faults_of(SINK "retry_min = 1m\nretry_max = 1s\n"),
                        "DIR/main.ini:5: retry_max is below retry_min\n");
    assert_string_equal(faults_of(SINK "retry_min = 10m\n"),
                        "DIR/main.ini:1: retry_max is below retry_min\n");
    assert_string_equal(faults_of("[sink a]\ntype = datadog\ncompression = gzip\nlevel = 10\n"),
                        "DIR/main.ini:4: level is out of range: gzip has 1 to 9\n");
    assert_string_equal(warnings_of("[sink a]\ntype = datadog\npath = /x\nurl = http://h\nsite = h\n"),
                        "DIR/main.ini:3: warning: path has no effect in a sink of type datadog\n"
                        "DIR/main.ini:5: warning: site has no effect: url is set\n");
}

static void staging_and_ring_hold_several_of_the_longest_lines(void **state)
{
    (void)state;
    config_of("[capture]\nstaging = 256K\n[ring]\nsize = 256K\n" SINK);
    assert_string_equal(
        faults_of("[capture]\nstaging = 256K\n[ring]\nsize = 256K\n[service a]\nmax_line = 128K\n" SINK),
        "DIR/main.ini:2: staging must be at least 4 times the longest max_line, which is 128K\n"
        "DIR/main.ini:4: size must be more than 3 times the longest max_line, which is 128K (1024 "
        "bytes more for each)\n");
}

static void a_service_has_what_capture_says_where_it_says_nothing(void **state)
{
    const struct lb_config *c = config_of("[service a]\nmax_line = 1K\noverload = shed\n" SINK
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

#define TEXT_OF(number)    TEXT_OF_IT(number)
#define TEXT_OF_IT(number) #number

static void hostname_and_tags_expand_and_are_checked_afterwards(void **state)
{
    char text[512];

    (void)state;
    setenv("LB_TEST_SITE", "mill", 1);
    setenv("LB_TEST_BAD", "a b", 1);
    unsetenv("LB_TEST_NONE");
    write_file("part", "  fleet-7 \n");
    snprintf(text, sizeof text,
             "[agent]\nhostname = $LB_TEST_SITE-%%%%1\ntags = f:@%s,s:$LB_TEST_SITE,o:me@x\n" SINK,
             path_of("part"));
    assert_string_equal(config_of(text)->hostname, "mill-%1");
    assert_string_equal(config->tags, "f:fleet-7,s:mill,o:me@x");
    refused("[agent]\nhostname = $LB_TEST_NONE",
            "hostname: $LB_TEST_NONE is not set in the environment ($$ stands for $)");
    refused("[agent]\nhostname = %serail",
            "hostname: unknown %serail: there are %hostname, %machine_id, %serial, and %% for %");
    refused("[agent]\nhostname = 100%", "hostname: no name follows % (%% stands for %)");
    refused("[agent]\nhostname = $LB_TEST_BAD",
            "hostname must be at most 255 bytes without blanks, commas, quotes and backslashes");
    refused("[agent]\ntags = $LB_TEST_SITE",
            "tags must be k:v,k:v without blanks, quotes and backslashes, at most " TEXT_OF(
                LB_PROTO_TAGS_MAX) " bytes");
    refused("[agent]\ntags = a:@/nonexistent/x,b:c",
            "tags: @/nonexistent/x: cannot read /nonexistent/x: No such file or directory");
}

static void a_missing_or_empty_part_has_no_result(void **state)
{
    struct lb_expand_paths paths = { .machine_id = path_of("part"), .serial = { "/nonexistent", NULL } };
    char copy[256], buf[16], why[256];

    (void)state;
    snprintf(copy, sizeof copy, "%s", path_of("part"));
    paths.machine_id = copy;
    write_file("part", "0123456789\n");
    assert_int_equal(lb_expand("%machine_id", &paths, buf, sizeof buf, why, sizeof why), 0);
    assert_string_equal(buf, "0123456789");
    assert_int_equal(lb_expand("%machine_id%machine_id", &paths, buf, sizeof buf, why, sizeof why), -E2BIG);
    assert_int_equal(lb_expand("%serial", &paths, buf, sizeof buf, why, sizeof why), -EINVAL);
    assert_string_equal(why, "%serial: cannot read /nonexistent: No such file or directory");
    paths.serial[1] = copy;
    assert_int_equal(lb_expand("%serial", &paths, buf, sizeof buf, why, sizeof why), 0);
    write_file("part", " \n");
    assert_int_equal(lb_expand("%serial", &paths, buf, sizeof buf, why, sizeof why), -EINVAL);
    assert_string_equal(why, "%serial is empty or not one line of text");
    write_file("part", "one\ntwo\n");
    assert_int_equal(lb_expand("%machine_id", &paths, buf, sizeof buf, why, sizeof why), -EINVAL);
    assert_int_equal(lb_expand("$$a%%@b", &paths, buf, sizeof buf, why, sizeof why), 0);
    assert_string_equal(buf, "$a%@b");
}

static void the_hostname_of_an_unnamed_pi_draws_a_warning(void **state)
{
    (void)state;
    assert_string_equal(warnings_of("[agent]\nhostname = pi-7\n" SINK), "");
    assert_non_null(strstr(warnings_of("[agent]\nhostname = raspberrypi\n" SINK),
                           "DIR/main.ini:2: warning: hostname is raspberrypi, as on every device"));
}

static void a_file_that_is_none_is_a_fault(void **state)
{
    (void)state;
    unlink(path_of("main.ini"));
    assert_int_equal(load_as(LB_CONFIG_CHECK), -EINVAL);
    assert_string_equal(joined(faults.text, faults.count),
                        "DIR/main.ini: cannot read: No such file or directory\n");
    assert_int_equal(mkfifo(path_of("main.ini"), 0600), 0);
    assert_int_equal(load_as(LB_CONFIG_CHECK), -EINVAL);
    assert_string_equal(joined(faults.text, faults.count),
                        "DIR/main.ini: cannot read: No such device or address\n");
}

static void faults_beyond_the_tables_room_are_counted(void **state)
{
    char text[4096] = "";

    (void)state;
    for (int i = 0; i < 150; i++)
        strcat(text, "broken\n");
    faults_of(text);
    assert_int_equal(faults.count, LB_CONFIG_FAULTS_MAX);
    assert_int_equal(faults.more, 50);
}

static void a_fault_holds_no_byte_that_a_terminal_acts_on(void **state)
{
    (void)state;
    assert_string_equal(faults_of("[\033x]\n" SINK), "DIR/main.ini:1: unknown section [?x]\n");
    assert_string_equal(faults_of("[agent]\n\033[2J = 1\n" SINK),
                        "DIR/main.ini:2: unknown key \"?[2J\" in [agent]\n");
}

static void the_keys_that_wait_for_the_next_start_are_named(void **state)
{
    const char *names[16];
    struct lb_config *before;

    (void)state;
    config_of(SINK);
    before = config;
    config = NULL;
    config_of("[log]\nlevel = debug\n" SINK "wait = 1s\n");
    assert_int_equal(lb_config_restart_keys(before, config, names, 16), 0);
    config_of("[agent]\nruntime_dir = /run/x\n[ring]\nsize = 1M\nlock = no\n[service a]\nmax_line = 1K\n" SINK
              "body_bytes = 16K\n");
    assert_int_equal(lb_config_restart_keys(before, config, names, 16), 5);
    assert_string_equal(names[0], "agent.runtime_dir");
    assert_string_equal(names[1], "capture.max_line");
    assert_string_equal(names[2], "ring.size");
    assert_string_equal(names[3], "ring.lock");
    assert_string_equal(names[4], "sink.body_bytes");
    assert_int_equal(lb_config_restart_keys(before, config, names, 2), 2);
    lb_config_free(before);
}

static void the_secret_is_sought_in_three_places(void **state)
{
    char file[256], secret[40];
    struct lb_sink_config sink = { .api_key_file = file };
    const char *where = NULL;

    (void)state;
    snprintf(file, sizeof file, "%s", path_of("key"));
    assert_int_equal(lb_config_read_secret(&sink, secret, sizeof secret, &where), -ENOENT);
    setenv("DD_API_KEY", "from-env", 1);
    assert_int_equal(lb_config_read_secret(&sink, secret, sizeof secret, &where), 0);
    assert_string_equal(secret, "from-env");
    assert_string_equal(where, "$DD_API_KEY");
    setenv("CREDENTIALS_DIRECTORY", dir, 1);
    write_file("api_key", "from-credential\n");
    assert_int_equal(lb_config_read_secret(&sink, secret, sizeof secret, &where), 0);
    assert_string_equal(secret, "from-credential");
    write_file("key", " \tfrom-file\r\n\n");
    assert_int_equal(lb_config_read_secret(&sink, secret, sizeof secret, &where), 0);
    assert_string_equal(secret, "from-file");
    assert_ptr_equal(where, file);
    assert_int_equal(lb_config_read_secret(&sink, secret, strlen("from-file"), &where), -E2BIG);
    write_file("key", "two\nlines\n");
    assert_int_equal(lb_config_read_secret(&sink, secret, sizeof secret, &where), -EINVAL);
    write_file("key", " \n");
    assert_int_equal(lb_config_read_secret(&sink, secret, sizeof secret, &where), -EINVAL);
    snprintf(file, sizeof file, "%s", dir);
    assert_int_equal(lb_config_read_secret(&sink, secret, sizeof secret, &where), -EISDIR);
    unsetenv("DD_API_KEY");
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void a_run_needs_the_key_and_a_check_does_not(void **state)
{
    char text[512];

    (void)state;
    snprintf(text, sizeof text, "[sink d]\ntype = datadog\napi_key_file = %s\n", path_of("key"));
    config_of(text);
    assert_int_equal(load_as(LB_CONFIG_RUN), -EINVAL);
    assert_string_equal(
        joined(faults.text, faults.count),
        "DIR/main.ini:3: no API key: neither DIR/key, nor api_key in $CREDENTIALS_DIRECTORY, nor "
        "$DD_API_KEY is there\n");
    write_file("key", "sEcReT\nx\n");
    assert_int_equal(load_as(LB_CONFIG_RUN), -EINVAL);
    assert_string_equal(joined(faults.text, faults.count),
                        "DIR/main.ini:3: no API key: DIR/key: empty, or more than one line\n");
    write_file("key", "k\n");
    assert_int_equal(load_as(LB_CONFIG_RUN), 0);
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
    config_of(text);
    assert_string_equal(config->sinks[0].type, "datadog");
    assert_string_equal(config->sinks[0].api_key_file, "/etc/logboom/api_key");
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
    config_of(text);
    assert_int_equal(config->service_count, 1);
    free(text);
}

static void the_check_prints_faults_or_the_ceiling(void **state)
{
    char *out_text = NULL, *err_text = NULL;
    size_t out_size = 0, err_size = 0;
    FILE *out = open_memstream(&out_text, &out_size), *err = open_memstream(&err_text, &err_size);
    struct lb_memory_part parts[LB_MEMORY_PARTS];

    (void)state;
    write_file("main.ini", "[ring]\nsize = x\n" SINK);
    assert_int_equal(lb_offline_check(path_of("main.ini"), out, err), 2);
    fflush(out), fflush(err);
    assert_string_equal(out_text, "");
    assert_non_null(strstr(err_text, "main.ini:2: size must be a size"));
    config_of("[sink d]\ntype = datadog\n");
    assert_int_equal(lb_offline_check(path_of("main.ini"), out, err), 0);
    fclose(out), fclose(err);
    assert_non_null(strstr(out_text, "main.ini: ok\nmemory ceiling: 9.7 MiB\n"));
    /* 2 MiB staging + 4 MiB ring + 644 KiB to encode + 600 KiB zstd + 2 bodies + 2 connections + 256 KiB */
    assert_int_equal(lb_config_memory_ceiling(config, parts),
                     (6 << 20) + (644 + 600 + 1024 + 256) * 1024 + 2 * (659456 + 6594 + 1024));
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
        FILE *file = fopen(path_of("main.ini"), "w");

        for (int change = 0; change < 8; change++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            text[random % len] = (char)(random >> 32);
        }
        assert_non_null(file);
        assert_int_equal(fwrite(text, 1, len, file), len);
        fclose(file);
        free(text);
        assert_true((load_as(LB_CONFIG_CHECK) == 0) == (faults.count == 0));
    }
    free(sample);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, make_dir, remove_dir)

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
        TEST(there_is_exactly_one_sink_and_it_is_whole),
        TEST(staging_and_ring_hold_several_of_the_longest_lines),
        TEST(a_service_has_what_capture_says_where_it_says_nothing),
        TEST(hostname_and_tags_expand_and_are_checked_afterwards),
        TEST(a_missing_or_empty_part_has_no_result),
        TEST(the_hostname_of_an_unnamed_pi_draws_a_warning),
        TEST(a_file_that_is_none_is_a_fault),
        TEST(faults_beyond_the_tables_room_are_counted),
        TEST(a_fault_holds_no_byte_that_a_terminal_acts_on),
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
