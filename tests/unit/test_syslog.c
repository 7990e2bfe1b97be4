/* SPDX-License-Identifier: MIT */
/*
 * Datagrams taken apart: what real senders send, what is not well formed, and all shared cases. A case that
 * is not valid must keep its text, whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "agent/shape/syslog.h"
#include "common/json_scan.h"
#include "common/level.h"

#define CASES "../shared/data/syslog/cases.jsonl"

/* From a block that ends where the text ends, so that a sanitizer sees a read past it. */
static struct lb_syslog parse(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);
    struct lb_syslog found;

    memcpy(copy, text, len);
    lb_syslog_parse(copy, len, &found);
    free(copy);
    return found;
}

struct message {
    const char *text; /* one NUL is added: as SysLogHandler does, and no more than one is taken off */
    enum lb_syslog_form form;
    const char *host, *tag, *pid, *message;
};

static int is_part(const char *text, struct lb_syslog_span span, const char *wanted)
{
    return span.len == strlen(wanted) && memcmp(text + span.at, wanted, span.len) == 0;
}

static void check(const struct message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct message *m = &messages[i];
        struct lb_syslog s = parse(m->text, strlen(m->text) + 1);

        if (s.form != m->form || !is_part(m->text, s.hostname, m->host) ||
            !is_part(m->text, s.appname, m->tag) || !is_part(m->text, s.procid, m->pid) ||
            !is_part(m->text, s.message, m->message))
            fail_msg("form %d, host %.*s, tag %.*s, pid %.*s, message %.*s: %s", s.form, (int)s.hostname.len,
                     m->text + s.hostname.at, (int)s.appname.len, m->text + s.appname.at, (int)s.procid.len,
                     m->text + s.procid.at, (int)s.message.len, m->text + s.message.at, m->text);
    }
}
#define CHECK(messages) check(messages, sizeof(messages) / sizeof(messages)[0])

static void local_senders_are_understood(void **state)
{
    static const struct message messages[] = {
        { "<13>Nov 22 19:14:49 ident[77]: msg", LB_SYSLOG_3164, "", "ident", "77", "msg" },
        { "<13>Nov  2 19:14:49 ident: a: b", LB_SYSLOG_3164, "", "ident", "", "a: b" },
        { "<30>Nov 22 19:14:49 (sd-pam)[1]: msg", LB_SYSLOG_3164, "", "(sd-pam)", "1", "msg" },
        { "<30>Nov 22 19:14:49 docker/web.1/0af7651916cd[812]: msg", LB_SYSLOG_3164, "",
          "docker/web.1/0af7651916cd", "812", "msg" },
        { "<30>Nov 22 19:14:49 sshd(pam_unix)[9]:", LB_SYSLOG_3164, "", "sshd(pam_unix)", "9", "" },
        { "<13>Nov 22 19:14:49 host ident[77]: msg\n", LB_SYSLOG_3164, "host", "ident", "77", "msg" },
        { "<13>Nov 22 19:14:49 10.0.0.99 Use the BFG!", LB_SYSLOG_3164, "10.0.0.99", "", "", "Use the BFG!" },
        { "<13>Nov 22 19:14:49 Use the BFG!", LB_SYSLOG_3164, "", "", "", "Use the BFG!" },
        { "<13>2026-11-22T19:14:49.1+01:00 host ident: msg", LB_SYSLOG_3164, "host", "ident", "", "msg" },
        { "<13>1 2026-11-22T19:14:49.123456+00:00 host root - - [timeQuality tzKnown=\"1\" isSynced=\"0\"] "
          "msg",
          LB_SYSLOG_5424, "host", "root", "", "msg" },
        { "<30>1 2026-11-22T19:14:49Z host 0af7651916cd 812 0af7651916cd - msg", LB_SYSLOG_5424, "host",
          "0af7651916cd", "812", "msg" },
    };

    (void)state;
    CHECK(messages);
}

static void stamps_of_other_senders_are_taken_off(void **state)
{
    static const struct message messages[] = {
        { "<0>Oct 22 10:52:01 2026 10.1.2.3 sched[0]: msg", LB_SYSLOG_3164, "10.1.2.3", "sched", "0", "msg" },
        { "<13>Nov  2 19:14:49 CET host ident: msg", LB_SYSLOG_3164, "host", "ident", "", "msg" },
        { "<13>Nov  2 19:14:49 CST 1987 host ident[10]: msg", LB_SYSLOG_3164, "host", "ident", "10", "msg" },
        { "<13>Nov  2 19:14:49 ABC ident: msg", LB_SYSLOG_3164, "ABC", "ident", "", "msg" },
        { "<13>Nov  2 19:14:49 GET request came", LB_SYSLOG_3164, "", "", "", "GET request came" },
        { "<13>Nov  2 2026 19:14:49: %ASA-6-302013: msg", LB_SYSLOG_3164, "", "%ASA-6-302013", "", "msg" },
        { "<13>Nov  2 19:14:49.123 host ident: msg", LB_SYSLOG_3164, "host", "ident", "", "msg" },
        { "<13>Nov  2 19:14:49 host ident[7]:msg", LB_SYSLOG_3164, "host", "ident", "7", "msg" },
        { "<13>Nov  2 19:14:49 host ident:msg", LB_SYSLOG_3164, "", "", "", "host ident:msg" },
        { "Oct 22 10:52:01 10.1.2.3 sched[0]: msg", LB_SYSLOG_3164, "10.1.2.3", "sched", "0", "msg" },
        { "Oct 22 10:52:01 pump is on", LB_SYSLOG_TEXT, "", "", "", "Oct 22 10:52:01 pump is on" },
        { "sched[0]: msg", LB_SYSLOG_TEXT, "", "", "", "sched[0]: msg" },
    };

    (void)state;
    CHECK(messages);
}

static void python_s_handler_sends_any_text(void **state)
{
    static const struct message messages[] = {
        { "<14>msg", LB_SYSLOG_BARE, "", "", "", "msg" },
        { "<14>", LB_SYSLOG_BARE, "", "", "", "" },
        { "<14> msg", LB_SYSLOG_BARE, "", "", "", " msg" },
        { "<14>app: msg", LB_SYSLOG_3164, "", "app", "", "msg" },
        { "<14>hello: world", LB_SYSLOG_3164, "", "hello", "", "world" },
        { "<14>MyApp[77]: msg\nTraceback (most recent call last):\n  x", LB_SYSLOG_3164, "", "MyApp", "77",
          "msg\nTraceback (most recent call last):\n  x" },
        { "<14>my.module: ERROR x", LB_SYSLOG_3164, "", "my.module", "", "ERROR x" },
        { "<14>ValueError: bad", LB_SYSLOG_BARE, "", "", "", "ValueError: bad" },
        { "<14>json.decoder.JSONDecodeError: bad", LB_SYSLOG_BARE, "", "", "",
          "json.decoder.JSONDecodeError: bad" },
        { "<14>http://x: y", LB_SYSLOG_BARE, "", "", "", "http://x: y" },
        { "<14>error: y", LB_SYSLOG_BARE, "", "", "", "error: y" },
        { "<14>INFO:root:x", LB_SYSLOG_BARE, "", "", "", "INFO:root:x" },
        { "<14>Temperature: 21", LB_SYSLOG_BARE, "", "", "", "Temperature: 21" },
        { "<14>12: 21", LB_SYSLOG_BARE, "", "", "", "12: 21" },
        { "<14>app:msg", LB_SYSLOG_BARE, "", "", "", "app:msg" },
        { "<14>app:", LB_SYSLOG_BARE, "", "", "", "app:" },
        { "<14>no app: here", LB_SYSLOG_BARE, "", "", "", "no app: here" },
        { "<14>1 error found", LB_SYSLOG_BARE, "", "", "", "1 error found" },
        { "<14>2026-11-22 19:14:49,123 INFO x", LB_SYSLOG_BARE, "", "", "",
          "2026-11-22 19:14:49,123 INFO x" },
        { "<14>\xef\xbb\xbfmsg", LB_SYSLOG_BARE, "", "", "", "msg" },
        { "app: msg", LB_SYSLOG_TEXT, "", "", "", "app: msg" },
    };
    struct lb_syslog s;

    (void)state;
    CHECK(messages);
    s = parse("<14>a\0b\0\n", 8);
    assert_int_equal(s.message.len, 3);
    assert_int_equal(s.severity, LB_LEVEL_INFO);
    assert_int_equal(s.facility, 1);
    s = parse("", 0);
    assert_int_equal(s.form, LB_SYSLOG_TEXT);
    assert_int_equal(s.severity, -1);
    assert_int_equal(s.facility, -1);
}

/* ---- the shared cases ---- */

static size_t decode_base64(char *to, const char *text, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned count = 0;
    size_t out = 0;

    for (size_t i = 0; i < len && text[i] != '='; i++) {
        bits = bits << 6 | (uint32_t)(strchr(digits, text[i]) - digits);
        count += 6;
        if (count >= 8) {
            count -= 8;
            to[out++] = (char)(bits >> count);
        }
    }
    return out;
}

/* Without the bytes that are not ASCII, where the truth has U+FFFD for some of them. */
static size_t without_bytes(char *to, const char *text, size_t len, int is_lossy)
{
    size_t out = 0;

    for (size_t i = 0; i < len; i++)
        if (!is_lossy || (unsigned char)text[i] < 0x80)
            to[out++] = text[i];
    return out;
}

static int is_same(const char *text, struct lb_syslog_span span, const struct lb_json_member *member)
{
    static char wanted[4096], have[4096];
    ssize_t len = lb_json_unescape(wanted, sizeof wanted, member->value, member->value_len);
    const char *from = wanted;
    size_t have_len;
    int is_lossy;

    assert_true(len >= 0 && span.len < sizeof have);
    if (len >= 3 && memcmp(from, "\xef\xbb\xbf", 3) == 0) {
        from += 3;
        len -= 3;
    }
    is_lossy = memmem(from, (size_t)len, "\xef\xbf\xbd", 3) != NULL;
    have_len = without_bytes(have, text + span.at, span.len, is_lossy);
    len = (ssize_t)without_bytes(wanted, from, (size_t)len, is_lossy);
    return have_len == (size_t)len && memcmp(have, wanted, have_len) == 0;
}

/* The stamp as the C library reads it. */
static uint64_t stamp_of(const char *text, size_t len)
{
    struct tm tm = { 0 };
    char copy[64];
    const char *rest;
    double fraction = 0;
    int hours = 0, minutes = 0;

    snprintf(copy, sizeof copy, "%.*s", (int)len, text);
    rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return 0;
    if (*rest == '.')
        fraction = strtod(rest, (char **)(uintptr_t)&rest);
    if (*rest == '+' || *rest == '-') {
        hours = (int)strtol((char[]) { rest[1], rest[2], 0 }, NULL, 10);
        minutes = (int)strtol(rest + 4, NULL, 10) + hours * 60;
        minutes = *rest == '-' ? -minutes : minutes;
    }
    return (uint64_t)(timegm(&tm) - minutes * 60) * 1000 + (uint64_t)(fraction * 1000 + 1e-6);
}

/* Structured data is given as written, so each of its names and values must stand in it as it is expected. */
static int has_elements(const char *text, struct lb_syslog_span span, struct lb_json_scan *scan)
{
    struct lb_json_member member;
    char wanted[512];
    ssize_t len;

    while (lb_json_scan_next(scan, &member)) {
        snprintf(wanted, sizeof wanted, "[%.*s", (int)member.key_len, member.key);
        if (!memmem(text + span.at, span.len, wanted, strlen(wanted)))
            return 0;
        lb_json_scan_open(scan);
        while (lb_json_scan_next(scan, &member)) {
            len = snprintf(wanted, sizeof wanted, " %.*s=\"", (int)member.key_len, member.key);
            len +=
                lb_json_unescape(wanted + len, sizeof wanted - (size_t)len, member.value, member.value_len);
            if (!memmem(text + span.at, span.len, wanted, (size_t)len))
                return 0;
        }
    }
    return 1;
}

static int fits_member(const char *text, const struct lb_syslog *s, const struct lb_json_member *member)
{
    const struct {
        const char *name;
        struct lb_syslog_span span;
    } spans[] = { { "hostname", s->hostname },
                  { "appname", s->appname },
                  { "procid", s->procid },
                  { "msgid", s->msgid },
                  { "message", s->message } };
    const char *status = lb_level_name(s->severity);
    uint64_t pri = strtoull(member->value, NULL, 10);

    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++)
        if (strlen(spans[i].name) == member->key_len &&
            memcmp(spans[i].name, member->key, member->key_len) == 0)
            return is_same(text, spans[i].span, member);
    if (member->key_len == 8) /* priority; RFC 3164 gives 13 to what has none */
        return s->severity < 0 ? pri == 13 : pri == (uint64_t)(s->facility * 8 + s->severity);
    if (member->key_len == 6)
        return strlen(status) == member->value_len && memcmp(status, member->value, member->value_len) == 0;
    assert_int_equal(member->key_len, strlen("timestamp_text"));
    return s->stamp_ms == stamp_of(member->value, member->value_len);
}

static int is_case_right(const char *text, size_t len, struct lb_json_scan *scan, int is_valid)
{
    struct lb_syslog s = parse(text, len);
    struct lb_json_member member;
    int is_right = 1;

    while (lb_json_scan_next(scan, &member)) {
        if (member.kind == LB_JSON_OBJECT) {
            lb_json_scan_open(scan);
            is_right &= has_elements(text, s.structured_data, scan);
        } else {
            is_right &= fits_member(text, &s, &member);
        }
    }
    if (is_valid)
        return is_right;
    if (s.form == LB_SYSLOG_5424) /* well formed but for an SD-ID that comes twice */
        return s.structured_data.len > 0;
    return s.message.at + s.message.len == len && (s.form == LB_SYSLOG_BARE || s.message.at == 0);
}

static void all_shared_cases_are_right(void **state)
{
    static char json[65536], text[8192];
    unsigned right[2] = { 0, 0 }, all[2] = { 0, 0 };
    FILE *file = fopen(CASES, "r");

    (void)state;
    if (!file)
        fail_msg(CASES " cannot be read: the test runs in the checkout, with shared/ beside it");
    while (fgets(json, sizeof json, file)) {
        struct lb_json_scan scan, expect = { 0 };
        struct lb_json_member member;
        size_t len = 0;
        int is_valid = 0, is_right;

        assert_true(lb_json_scan_begin(&scan, json, strlen(json)));
        while (lb_json_scan_next(&scan, &member)) {
            if (member.key_len == 9 && memcmp(member.key, "input_b64", 9) == 0)
                len = decode_base64(text, member.value, member.value_len);
            else if (member.key_len == 5 && memcmp(member.key, "valid", 5) == 0)
                is_valid = member.value[0] == 't';
            else if (member.key_len == 6 && memcmp(member.key, "expect", 6) == 0)
                expect = scan;
        }
        assert_true(len > 0 && expect.at);
        lb_json_scan_open(&expect);
        is_right = is_case_right(text, len, &expect, is_valid);
        all[is_valid]++;
        right[is_valid] += (unsigned)is_right;
        if (!is_right)
            print_message("wrong: %.*s\n", (int)len, text);
    }
    fclose(file);
    print_message("%4u of %3u  valid\n%4u of %3u  not valid\n", right[1], all[1], right[0], all[0]);
    assert_int_equal(all[0] + all[1], 85);
    assert_int_equal(right[0] + right[1], all[0] + all[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_senders_are_understood),
        cmocka_unit_test(stamps_of_other_senders_are_taken_off),
        cmocka_unit_test(python_s_handler_sends_any_text),
        cmocka_unit_test(all_shared_cases_are_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
