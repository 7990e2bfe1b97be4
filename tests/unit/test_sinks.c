/* SPDX-License-Identifier: MIT */
/* What each sink says of itself: where its bodies go, how they are framed, what an answer means. Pure
 * functions. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ship/sinks/sink.h"
#include "agent/ship/transport.h"

static struct lb_target target;

static struct lb_sink_config settings_of(const char *site, const char *url, const char *path)
{
    return (struct lb_sink_config) { .site = (char *)(uintptr_t)site,
                                     .url = (char *)(uintptr_t)url,
                                     .path = (char *)(uintptr_t)path };
}

static bool has_header(const char *line)
{
    for (unsigned i = 0; i < target.headers; i++)
        if (strcmp(target.header[i], line) == 0)
            return true;
    return false;
}

static void sinks_are_found_by_their_type(void **state)
{
    (void)state;
    assert_string_equal(lb_sink_find("datadog")->type, "datadog");
    assert_string_equal(lb_sink_find("file")->type, "file");
    assert_string_equal(lb_sink_find("loki")->type, "loki");
    assert_string_equal(lb_sink_find("syslog")->type, "syslog");
    assert_null(lb_sink_find("pigeon"));
    assert_null(lb_sink_find(""));
    assert_null(lb_sink_find("Datadog"));
}

static void datadog_s_site_becomes_an_address(void **state)
{
    struct lb_sink_config settings = settings_of("us3.datadoghq.com", "", "");

    (void)state;
    assert_int_equal(lb_sink_find("datadog")->aim(&settings, "k3y", &target), 0);
    assert_string_equal(target.url, "https://http-intake.logs.us3.datadoghq.com/api/v2/logs");
    assert_true(has_header("DD-API-KEY: k3y"));
    assert_true(has_header("Content-Type: application/json"));
    assert_true(has_header("DD-EVP-ORIGIN: logboom"));
    assert_true(target.headers <= LB_SINK_HEADERS_MAX);
}

static void an_address_in_full_is_taken_as_it_is(void **state)
{
    struct lb_sink_config settings = settings_of("datadoghq.com", "http://127.0.0.1:8080/x?y=z", "");

    (void)state;
    assert_int_equal(lb_sink_find("datadog")->aim(&settings, "k3y", &target), 0);
    assert_string_equal(target.url, "http://127.0.0.1:8080/x?y=z");
}

static void aiming_twice_is_aiming_once(void **state)
{
    struct lb_sink_config settings = settings_of("datadoghq.com", "", "");
    unsigned headers;

    (void)state;
    assert_int_equal(lb_sink_find("datadog")->aim(&settings, "one", &target), 0);
    headers = target.headers;
    assert_int_equal(lb_sink_find("datadog")->aim(&settings, "two", &target), 0);
    assert_int_equal(target.headers, headers);
    assert_false(has_header("DD-API-KEY: one"));
}

static void what_is_too_long_is_refused_not_cut(void **state)
{
    static char url[LB_SINK_URL_LEN + 8], key[LB_SINK_HEADER_LEN + 8];
    struct lb_sink_config settings = settings_of("datadoghq.com", url, url);

    (void)state;
    memset(url, 'u', sizeof url - 1);
    assert_int_equal(lb_sink_find("datadog")->aim(&settings, "k", &target), -E2BIG);
    assert_int_equal(lb_sink_find("file")->aim(&settings, NULL, &target), -E2BIG);
    url[LB_SINK_URL_LEN - 1] = '\0';
    assert_int_equal(lb_sink_find("datadog")->aim(&settings, "k", &target), 0);
    assert_int_equal(strlen(target.url), LB_SINK_URL_LEN - 1);
    memset(key, 'k', sizeof key - 1);
    assert_int_equal(lb_sink_find("datadog")->aim(&settings, key, &target), -E2BIG);
    key[LB_SINK_HEADER_LEN - 1 - strlen("DD-API-KEY: ")] = '\0';
    assert_int_equal(lb_sink_find("datadog")->aim(&settings, key, &target), 0);
}

static void a_file_is_aimed_at_by_its_path_and_has_no_headers(void **state)
{
    struct lb_sink_config settings = settings_of("", "", "/var/log/x.ndjson");

    (void)state;
    assert_int_equal(lb_sink_find("file")->aim(&settings, NULL, &target), 0);
    assert_string_equal(target.url, "/var/log/x.ndjson");
    assert_int_equal(target.headers, 0);
}

static enum lb_verdict verdict_of(long status)
{
    struct lb_answer answer = { .status = status };

    return lb_sink_find("datadog")->judge(&answer);
}

static void datadog_s_table_of_answers(void **state)
{
    static const struct {
        long from, to;
        enum lb_verdict verdict;
    } table[] = {
        { 200, 205, LB_VERDICT_DELIVERED }, { 206, 299, LB_VERDICT_PAUSE },  { 300, 399, LB_VERDICT_PAUSE },
        { 400, 400, LB_VERDICT_BISECT },    { 401, 405, LB_VERDICT_PAUSE },  { 406, 406, LB_VERDICT_BISECT },
        { 407, 407, LB_VERDICT_PAUSE },     { 408, 408, LB_VERDICT_RETRY },  { 409, 412, LB_VERDICT_PAUSE },
        { 413, 413, LB_VERDICT_SPLIT },     { 414, 414, LB_VERDICT_PAUSE },  { 415, 415, LB_VERDICT_RECODE },
        { 416, 421, LB_VERDICT_PAUSE },     { 422, 422, LB_VERDICT_BISECT }, { 423, 424, LB_VERDICT_PAUSE },
        { 425, 425, LB_VERDICT_RETRY },     { 426, 428, LB_VERDICT_PAUSE },  { 429, 429, LB_VERDICT_RETRY },
        { 430, 499, LB_VERDICT_PAUSE },     { 500, 699, LB_VERDICT_RETRY },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        for (long status = table[i].from; status <= table[i].to; status++)
            assert_int_equal(verdict_of(status), table[i].verdict);
}

static void for_datadog_no_answer_is_tried_again_whatever_status_had_come(void **state)
{
    (void)state;
    for (long status = 0; status < 700; status++) {
        struct lb_answer answer = { .status = status, .error = 28 };

        assert_int_equal(lb_sink_find("datadog")->judge(&answer), LB_VERDICT_RETRY);
        answer.is_clock_fault = true; /* but a certificate that our clock may have misjudged */
        assert_int_equal(lb_sink_find("datadog")->judge(&answer), LB_VERDICT_CLOCK);
    }
}

static void the_key_is_checked_at_datadog_s_own_address_and_nowhere_else(void **state)
{
    struct lb_sink_config settings = settings_of("datadoghq.eu", "", "");

    (void)state;
    assert_int_equal(lb_sink_find("datadog")->aim_check(&settings, "k3y", &target), 0);
    assert_string_equal(target.url, "https://api.datadoghq.eu/api/v1/validate");
    assert_int_equal(target.headers, 1);
    assert_string_equal(target.header[0], "DD-API-KEY: k3y");
    settings = settings_of("datadoghq.eu", "http://127.0.0.1:8080/x", "");
    assert_int_equal(lb_sink_find("datadog")->aim_check(&settings, "k3y", &target), -ENOENT);
    assert_null(lb_sink_find("file")->aim_check);
}

static void a_file_has_it_when_there_was_no_error(void **state)
{
    struct lb_answer answer = { 0 };

    (void)state;
    assert_int_equal(lb_sink_find("file")->judge(&answer), LB_VERDICT_DELIVERED);
    answer.error = ENOSPC;
    assert_int_equal(lb_sink_find("file")->judge(&answer), LB_VERDICT_RETRY);
}

static void limits_stay_under_what_the_intake_takes(void **state)
{
    const struct lb_sink *sink = lb_sink_find("datadog");

    (void)state;
    assert_true(sink->limits.body_bytes < 5000000 && sink->limits.body_lines <= 1000);
    assert_true(sink->limits.record_bytes < 1000000);
    /* The longest line that a configuration allows, every byte \u00xx, with the longest tags: never cut
     * there. */
    assert_true(6 * 131072 + 6 * (4 * 256 + 255 + 128 + 512) + 2048 < sink->limits.record_bytes);
}

/* ---- the file sink's transport ---- */

static struct lb_card card;
static struct lb_loop loop;
static unsigned answers;
static int last_error;

static void on_done(void *ctx, unsigned slot, const struct lb_answer *answer)
{
    (void)ctx;
    (void)slot;
    answers++;
    last_error = answer->error;
}

static void drop(struct lb_transport *transport, const char *text)
{
    unsigned before = answers;

    assert_int_equal(transport->send(transport->self, 0, text, strlen(text), ""), 0);
    assert_int_equal(answers, before); /* never from within */
    assert_false(transport->cancel(transport->self, 0));
    while (answers == before)
        assert_int_equal(lb_loop_turn(&loop, true), 0);
}

static const char *content(const char *path)
{
    static char text[256];
    FILE *file = fopen(path, "r");
    size_t len = fread(text, 1, sizeof text - 1, file);

    text[len] = '\0';
    fclose(file);
    return text;
}

static void a_body_is_appended_whole_after_what_a_killed_agent_left(void **state)
{
    static const char *const before[][2] = {
        { "", "NEW\n" },
        { "{\"a\":1}\n", "{\"a\":1}\nNEW\n" },
        { "{\"a\":1}\n{\"mess", "{\"a\":1}\nNEW\n" }, /* half a line of ours: it comes again */
        { "{\"mess", "NEW\n" },
        { "of somebody else", "of somebody else\nNEW\n" },
    };
    const struct lb_sink_config settings = { .rotate_bytes = LB_OFF };
    struct lb_transport transport;
    char path[] = "/dev/shm/logboom-sink-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(lb_loop_init(&loop), 0);
    assert_int_equal(lb_card_start(&card), 0);
    assert_int_equal(lb_card_listen(&card, LB_CARD_SLOW, &loop), 0);
    snprintf(target.url, sizeof target.url, "%s", path);
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        FILE *file = fopen(path, "w");

        fputs(before[i][0], file);
        fclose(file);
        assert_int_equal(lb_filedrop_open(&card, &settings, &target, on_done, NULL, &transport), 0);
        drop(&transport, "NEW\n");
        assert_int_equal(last_error, 0);
        assert_string_equal(content(path), before[i][1]);
        drop(&transport, "");
        assert_string_equal(content(path), before[i][1]);
        transport.close(transport.self);
    }
    snprintf(target.url, sizeof target.url, "%s/no", path);
    assert_int_equal(lb_filedrop_open(&card, &settings, &target, on_done, NULL, &transport), 0);
    drop(&transport, "NEW\n");
    assert_int_equal(last_error, ENOTDIR);
    transport.close(transport.self);
    assert_true(lb_card_stop(&card, 1000));
    lb_loop_close(&loop);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sinks_are_found_by_their_type),
        cmocka_unit_test(datadog_s_site_becomes_an_address),
        cmocka_unit_test(an_address_in_full_is_taken_as_it_is),
        cmocka_unit_test(aiming_twice_is_aiming_once),
        cmocka_unit_test(what_is_too_long_is_refused_not_cut),
        cmocka_unit_test(a_file_is_aimed_at_by_its_path_and_has_no_headers),
        cmocka_unit_test(datadog_s_table_of_answers),
        cmocka_unit_test(for_datadog_no_answer_is_tried_again_whatever_status_had_come),
        cmocka_unit_test(the_key_is_checked_at_datadog_s_own_address_and_nowhere_else),
        cmocka_unit_test(a_file_has_it_when_there_was_no_error),
        cmocka_unit_test(limits_stay_under_what_the_intake_takes),
        cmocka_unit_test(a_body_is_appended_whole_after_what_a_killed_agent_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
