/* SPDX-License-Identifier: MIT */
/*
 * Secrets are taken out.
 *
 * The story: services print what they should not. What a rule names is gone before a line is stored, what
 * only looks like it stays, and a line that was masked stays as it is. The shared cases are in tests/e2e.
 */
#include "agent/shape/redact.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_store.h"

static struct lb_redact *redact;
static uint8_t stream_state;
static struct lb_redact_result result;
static char out[8192];

static void compile(const char *builtin, const struct lb_redact_rule_text *rules, unsigned count)
{
    char why[256] = "";

    lb_redact_free(redact);
    if (lb_redact_compile(builtin, rules, count, &redact, why, sizeof why) != 0)
        fail_msg("%s", why);
}

static int begin(void **state)
{
    (void)state;
    redact = NULL;
    stream_state = 0;
    compile("all", NULL, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    lb_redact_free(redact);
    return 0;
}

/* The room has an end that the sanitizer knows. */
static const char *masked_into(const char *text, size_t len, size_t room_size)
{
    char *copy = malloc(len ? len : 1), *room = malloc(room_size ? room_size : 1);

    memcpy(copy, text, len);
    lb_redact_apply(redact, &stream_state, copy, len, room, room_size, &result);
    assert_true(result.len <= (result.was_changed ? room_size : len));
    memcpy(out, result.text, result.len);
    out[result.len] = '\0';
    free(copy);
    free(room);
    return out;
}

static const char *masked(const char *text)
{
    return masked_into(text, strlen(text), strlen(text) + 1000);
}

static void becomes(const char *text, const char *expected)
{
    char once[sizeof out];

    assert_string_equal(masked(text), expected);
    strcpy(once, out);
    assert_string_equal(masked(once), once);
}

static void stays(const char *text)
{
    assert_string_equal(masked(text), text);
    assert_false(result.was_changed);
    assert_int_equal(result.rules, 0);
}

static void a_keys_value_is_masked_however_it_is_written(void **state)
{
    (void)state;
    becomes("password=hunter2", "password=[redacted]");
    becomes("DB_PASSWORD='a b c' x", "DB_PASSWORD='[redacted]' x");
    becomes("{\"user\": \"ann\", \"password\": \"x\\\"y\", \"n\": 3}",
            "{\"user\": \"ann\", \"password\": \"[redacted]\", \"n\": 3}");
    becomes("{\\\"password\\\":\\\"hunter2\\\",\\\"n\\\":3}",
            "{\\\"password\\\":\\\"[redacted]\\\",\\\"n\\\":3}");
    becomes("{'token': b'abcdef', 'a': 1}", "{'token': b'[redacted]', 'a': 1}");
    becomes("secret => s3cr3t, next", "secret => [redacted], next");
    becomes("Server=db;Password=x1;Port=3", "Server=db;Password=[redacted];Port=3");
    becomes("GET /cb?access_token=abc123&state=3", "GET /cb?access_token=[redacted]&state=3");
    becomes("X-Api-Key: k-123 sent", "X-Api-Key: [redacted] sent");
    becomes("clientSecret: abc", "clientSecret: [redacted]");
    becomes("<password>hunter2</password><n>3</n>", "<password>[redacted]</password><n>3</n>");
    becomes("{'password': ['hunter2'], 'n': 3}", "{'password': ['[redacted]'], 'n': 3}");
    becomes("password1=hunter2", "password1=[redacted]");
    becomes("the_very_long_user_password_for_all=x", "the_very_long_user_password_for_all=[redacted]");
    becomes("/c?sv=2020&sig=abcdefghijklmnop%3D&se=1", "/c?sv=2020&sig=[redacted]&se=1");
    becomes("api_key: aaaa\nline two\ntoken: bbbb", "api_key: [redacted]\nline two\ntoken: [redacted]");
    becomes("AccountKey=abc/def+==;Endpoint=x", "AccountKey=[redacted];Endpoint=x");
}

static void what_is_said_about_secrets_stays(void **state)
{
    (void)state;
    stays("PASS: tests/foo.sh, pass: 12 fail: 0");
    stays("    token = self.get_token(user)");
    stays("    def login(self, password: str) -> bool:");
    stays("password_hash_rounds=12 password=%s pwd=/srv/app");
    stays("the password prompt was shown");
    stays("password changed for user bob");
    stays("password_policy: strict, password_file: /etc/pw");
    stays("tokens=512 secrets_loaded=3 max_tokens: 100");
    stays("token: 17");
    stays("bypass=1 compass: north passenger: 3 author=ann secretary: bob");
    stays("password: null, token=None, secret: ${SECRET}, api_key = \"\"");
    stays("key=12 monkey: banana");
    stays("ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/bin/tail secure");
    stays("2026-01-15 10:00:00,001 INFO a.b:c: took 12.5ms");
}

static void headers_lose_their_credentials(void **state)
{
    (void)state;
    becomes("Authorization: Basic dXNlcjpwYXNz", "Authorization: [redacted]");
    becomes("{\"Authorization\": \"Bearer abc\", \"n\": 1}", "{\"Authorization\": \"[redacted]\", \"n\": 1}");
    becomes("sent 'authorization: Digest username=\"u\"'", "sent 'authorization: [redacted]'");
    becomes("Authorization: Digest username=\"u\", response=\"0123abcd\", qop=auth",
            "Authorization: [redacted]");
    becomes("\"Authorization: Basic abc\" \"Mozilla\"", "\"Authorization: [redacted]\" \"Mozilla\"");
    becomes("{\"m\": \"Authorization: Basic abc\", \"n\": 1}",
            "{\"m\": \"Authorization: [redacted]\", \"n\": 1}");
    becomes("with Bearer abcdefghijklmnop1234 ok", "with Bearer [redacted] ok");
    becomes("Cookie: a=1234567; theme=dark1", "Cookie: a=[redacted]; theme=[redacted]");
    becomes("Set-Cookie: sid=abcdef; Path=/; HttpOnly", "Set-Cookie: sid=[redacted]; Path=/; HttpOnly");
    stays("AuthBearer abcdefghijklmnopqrstu");
}

static void urls_lose_their_passwords(void **state)
{
    (void)state;
    becomes("at postgres://joe:sesame@db/x", "at postgres://joe:[redacted]@db/x");
    becomes("redis://:p@ss@host:6379", "redis://:[redacted]@host:6379");
    becomes("https://abcdefghijklmnop1234@git.example.org/a", "https://[redacted]@git.example.org/a");
    stays("http://host:8080/path?page=2 and https://user@host/");
}

static void tokens_are_known_by_their_shape(void **state)
{
    (void)state;
    becomes("https://api.telegram.org/bot123456789:AAabcdefghijklmnopqrstuvwxyz0123456/getMe",
            "https://api.telegram.org/[redacted]/getMe");
    stays("d123456789:AAabcdefghijklmnopqrstuvwxyz0123456 123456789:AAabcdefghijklmnopqrstuvwxyz01234567");
    becomes("key AKIAZZZZZZZZZZZZZZZZ now", "key [redacted] now");
    becomes("clone /ghp_0123456789abcdefghij0123456789abcdef", "clone /[redacted]");
    becomes("a xoxb-123456789012-abcdefghijkl b", "a [redacted] b");
    becomes("x=sk_live_0123456789abcdef", "x=[redacted]");
    becomes("(eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl)", "([redacted])");
    becomes("bot 123456789:AAabcdefghijklmnopqrstuvwxyz0123456", "bot [redacted]");
    stays("commit 9fceb02d0ae598e95dc970b74767f19372d61af8");
    stays("md5 d41d8cd98f00b204e9800998ecf8427e, akiazzzzzzzzzzzzzzzz, AKIAZZZ");
    stays("/usr/lib/python3.11/site-packages/requests/adapters.py");
    stays("id 123e4567-e89b-12d3-a456-426614174000");
}

static void numbers_are_known_by_their_check_digits(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 9; at++) {
        char from[64], to[64];

        snprintf(from, sizeof from, "%.*sNL91ABNA0417164300, MT84MALT011000012345MTLCAST001S", at,
                 "         ");
        snprintf(to, sizeof to, "%.*s[redacted], [redacted]", at, "         ");
        becomes(from, to);
    }
    becomes("paid with 4111 1111 1111 1111.", "paid with [redacted].");
    becomes("pan=5500005555555559", "pan=[redacted]");
    becomes("amex 3782-822463-10005", "amex [redacted]");
    becomes("to DE89370400440532013000 ok", "to [redacted] ok");
    becomes("to GB82 WEST 1234 5698 7654 32 ok", "to [redacted] ok");
    stays("order 4111111111111112, epoch 1767225600000000, 1767225600123");
    stays("DE00370400440532013000");
    stays("2026-01-15 10:00:00 4111 1111 1111 1112");
}

static void mail_and_addresses_go_where_their_rules_are_on(void **state)
{
    (void)state;
    stays("getty@tty1.service, user@1000.service, icon@2x.png, git@github.com:org/repo.git");
    becomes("from joe.doe+x@mail.example.org.", "from [redacted].");
    stays("decorator @property and a@b, user@host");
    stays("at 10.0.0.1 and fe80::1");
    compile("ipv4 ipv6", NULL, 0);
    becomes("at 10.0.0.1:443 and fe80::1%eth0", "at [redacted]:443 and [redacted]%eth0");
    stays("version 1.2.3, 1.2.3.4.5, 10:00:00, 300.1.1.1, a::b::c");
    stays("joe@example.org password=x");
}

static void a_private_key_is_masked_over_lines_and_over_records(void **state)
{
    (void)state;
    becomes("k: -----BEGIN PRIVATE KEY-----\nMIIEvQ\nabc=\n-----END PRIVATE KEY----- end",
            "k: -----BEGIN PRIVATE KEY-----[redacted]-----END PRIVATE KEY----- end");
    becomes("-----BEGIN RSA PRIVATE KEY-----\\nMIIE\\n-----END RSA PRIVATE KEY-----\\n",
            "-----BEGIN RSA PRIVATE KEY-----[redacted]-----END RSA PRIVATE KEY-----\\n");
    stays("-----BEGIN CERTIFICATE-----");
    assert_int_equal(stream_state, 0);
    assert_string_equal(masked("-----BEGIN EC PRIVATE KEY-----"), "-----BEGIN EC PRIVATE KEY-----");
    assert_int_equal(stream_state, 1);
    assert_string_equal(masked("Proc-Type: 4,ENCRYPTED"), "[redacted]");
    assert_string_equal(masked("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"), "[redacted]");
    assert_string_equal(masked("abc="), "[redacted]");
    assert_string_equal(masked("-----END EC PRIVATE KEY-----"), "-----END EC PRIVATE KEY-----");
    assert_int_equal(stream_state, 0);
    stays("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC");
}

static void a_key_without_an_end_masks_little(void **state)
{
    (void)state;
    masked("-----BEGIN PRIVATE KEY-----");
    assert_string_equal(masked("abcd"), "[redacted]");
    assert_string_equal(masked("INFO:app:it goes on"), "INFO:app:it goes on");
    stays("abcd");
    masked("-----BEGIN PRIVATE KEY-----");
    for (unsigned i = 1; i < LB_REDACT_PEM_LINES; i++)
        assert_string_equal(masked("abcd"), "[redacted]");
    stays("abcd");
}

static void own_rules_come_behind_the_built_in_ones(void **state)
{
    const struct lb_redact_rule_text rules[] = { { "pin", "PIN (\\d)\\d{3}", "PIN $1***" },
                                                 { "x", "x+", NULL } };

    (void)state;
    compile("all", rules, 2);
    becomes("PIN 1234 and PIN 5678", "PIN 1*** and PIN 5***");
    becomes("axxxb password=q", "a[redacted]b password=[redacted]");
    masked("PIN 1234");
    assert_string_equal(lb_redact_rule_name(redact, (unsigned)__builtin_ctzll(result.rules)), "pin");
    compile("off", rules, 2);
    becomes("PIN 1234 password=q", "PIN 1*** password=q");
}

static void a_rule_that_matches_nothing_at_all_ends(void **state)
{
    const struct lb_redact_rule_text rules[] = { { "empty", "a*|b*", "-" } };

    (void)state;
    compile("off", rules, 1);
    assert_string_equal(masked("caab"), "c--");
}

static void a_rule_that_takes_too_long_costs_its_text(void **state)
{
    static char text[4000];
    const struct lb_redact_rule_text rules[] = { { "evil", "^(a+)+[bc]$", NULL } };

    (void)state;
    memset(text, 'a', sizeof text - 1);
    compile("off", rules, 1);
    assert_string_equal(masked(text), LB_REDACT_UNCHECKED);
}

static void a_rule_that_matches_too_often_costs_its_text(void **state)
{
    static char text[4000];
    const struct lb_redact_rule_text rules[] = { { "all of it", "\\d(?=.*z)", NULL } };

    (void)state;
    memset(text, '1', sizeof text - 1);
    text[sizeof text - 2] = 'z';
    compile("off", rules, 1);
    assert_string_equal(masked(text), LB_REDACT_UNCHECKED);
}

static void an_own_rule_leaves_markers_alone(void **state)
{
    const struct lb_redact_rule_text rules[] = { { "words", "\\w+", NULL } };

    (void)state;
    compile("all", rules, 1);
    becomes("abc password=x", "[redacted] [redacted]=[redacted]");
    becomes("[redacted]", "[redacted]");
}

static void what_is_wrong_is_told(void **state)
{
    const struct lb_redact_rule_text bad = { "bad", "a(b", NULL };
    struct lb_redact *none;
    char why[256];

    (void)state;
    assert_int_equal(lb_redact_compile("all -emial", NULL, 0, &none, why, sizeof why), -EINVAL);
    assert_string_equal(why, "there is no rule \"-emial\"");
    assert_int_equal(lb_redact_compile("off", &bad, 1, &none, why, sizeof why), -EINVAL);
    assert_non_null(strstr(why, "at character 4"));
    assert_int_equal(lb_redact_compile("off", NULL, 0, &none, why, sizeof why), 0);
    assert_null(none);
}

static void rules_can_be_taken_away(void **state)
{
    (void)state;
    compile("all -email", NULL, 0);
    stays("joe@example.org");
    becomes("password=x", "password=[redacted]");
    compile("email", NULL, 0);
    stays("password=x");
}

static void no_room_leaves_no_secret(void **state)
{
    static const char text[] = "a password=hunter2 b password=hunter3 c";

    (void)state;
    for (size_t room = 0; room < sizeof text + 20; room++)
        assert_null(strstr(masked_into(text, sizeof text - 1, room), "hunter"));
}

static void more_secrets_than_can_be_counted_are_all_masked(void **state)
{
    char text[6000], *to = text;

    (void)state;
    for (unsigned i = 0; i < 200; i++)
        to += sprintf(to, "password=hunter%u ", i);
    assert_null(strstr(masked(text), "hunter"));
}

/* Any text made of pieces: no secret of it comes out, and masking it again changes nothing. */
static void a_random_text_is_masked_once_and_for_all(void **state)
{
    static const char *const pieces[] = {
        "password=",
        "S3CR3T-value",
        " ",
        "\n",
        "token: ",
        "\"",
        "'",
        "://u:S3CR3T@h",
        "@",
        "=",
        ":",
        ",",
        "{",
        "}",
        "[redacted]",
        "Authorization: ",
        "Bearer S3CR3Tabcdefghijk",
        "-----BEGIN PRIVATE KEY-----",
        "S3CR3T",
        "-----END PRIVATE KEY-----",
        "\\",
        "\\\"",
        " AKIAZZZZZZZZZZZZZZZZ ",
        "4111111111111111",
        "Cookie: a=",
        ";",
        "\xff",
        "\xc3\xa4",
        "INFO",
        "key=",
    };

    (void)state;
    random_begin();
    for (unsigned turn = 0; turn < 20000; turn++) {
        char text[2048], once[sizeof out];
        size_t len = 0;

        for (uint64_t i = random_below(12); i > 0; i--)
            len += (size_t)sprintf(text + len, "%s", pieces[random_below(sizeof pieces / sizeof pieces[0])]);
        text[len] = '\0';
        stream_state = 0;
        masked_into(text, len, len + 400);
        memcpy(once, out, result.len + 1);
        assert_null(strstr(once, "AKIAZZZZZZZZZZZZZZZZ"));
        assert_null(strstr(once, "u:S3CR3T@"));
        stream_state = 0;
        masked_into(once, strlen(once), strlen(once) + 400);
        if (strcmp(out, once) != 0)
            fail_msg("%s ==> %s ==> %s", text, once, out);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_keys_value_is_masked_however_it_is_written),
        TEST(what_is_said_about_secrets_stays),
        TEST(headers_lose_their_credentials),
        TEST(urls_lose_their_passwords),
        TEST(tokens_are_known_by_their_shape),
        TEST(numbers_are_known_by_their_check_digits),
        TEST(mail_and_addresses_go_where_their_rules_are_on),
        TEST(a_private_key_is_masked_over_lines_and_over_records),
        TEST(a_key_without_an_end_masks_little),
        TEST(own_rules_come_behind_the_built_in_ones),
        TEST(a_rule_that_matches_nothing_at_all_ends),
        TEST(a_rule_that_takes_too_long_costs_its_text),
        TEST(a_rule_that_matches_too_often_costs_its_text),
        TEST(an_own_rule_leaves_markers_alone),
        TEST(what_is_wrong_is_told),
        TEST(rules_can_be_taken_away),
        TEST(no_room_leaves_no_secret),
        TEST(more_secrets_than_can_be_counted_are_all_masked),
        TEST(a_random_text_is_masked_once_and_for_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
