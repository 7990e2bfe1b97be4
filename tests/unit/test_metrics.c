/* SPDX-License-Identifier: MIT */
/*
 * Before a number is served: addresses that only this machine can reach, heads of requests, values of labels.
 * The server itself and what it says is asked over real sockets in tests/e2e/test_metrics.py.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "agent/control/http_request.h"
#include "agent/control/metrics.h"
#include "common/listen.h"
#include "tests/unit/lib_config.h"

/* ---- where ---- */

static void loopback_and_paths_are_taken(void **state)
{
    struct lb_listen_address address;
    const struct sockaddr_in *four = (const void *)&address.socket;
    const struct sockaddr_in6 *six = (const void *)&address.socket;
    const struct sockaddr_un *name = (const void *)&address.socket;
    const char *why;
    char longest[5 + 107 + 1] = "unix:/";

    (void)state;
    assert_int_equal(lb_listen_parse("off", &address, &why), 0);
    assert_true(address.is_off);
    assert_int_equal(lb_listen_parse("127.0.0.1:9464", &address, &why), 0);
    assert_false(address.is_off);
    assert_int_equal(four->sin_family, AF_INET);
    assert_int_equal(ntohs(four->sin_port), 9464);
    assert_int_equal(lb_listen_parse("127.255.3.4:65535", &address, &why), 0);
    assert_int_equal(lb_listen_parse("[::1]:1", &address, &why), 0);
    assert_int_equal(six->sin6_family, AF_INET6);
    assert_int_equal(ntohs(six->sin6_port), 1);
    assert_int_equal(lb_listen_parse("unix:/run/x.sock", &address, &why), 0);
    assert_string_equal(name->sun_path, "/run/x.sock");
    assert_int_equal(lb_listen_parse("/run/y", &address, &why), 0);
    assert_string_equal(name->sun_path, "/run/y");
    memset(longest + 6, 'x', sizeof longest - 7);
    assert_int_equal(lb_listen_parse(longest, &address, &why), 0);
}

static void all_else_is_refused_with_a_reason(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        { "", "must be off" },
        { "on", "must be off" },
        { "9464", "must be off" },
        { ":9464", "must be off" },
        { "localhost:9464", "must be off" },
        { "0.0.0.0:9464", "loopback" },
        { "192.168.1.7:9464", "loopback" },
        { "128.0.0.1:9464", "loopback" },
        { "[::]:9464", "loopback" },
        { "[fe80::1]:9464", "loopback" },
        { "[::ffff:127.0.0.1]:9464", "loopback" },
        { "::1:9464", "must be off" },
        { "[::1:9464", "must be off" },
        { "[::1]9464", "must" },
        { "127.0.0.1", "must be off" },
        { "127.0.0.1:", "port" },
        { "127.0.0.1:0", "port" },
        { "127.0.0.1:65536", "port" },
        { "127.0.0.1:94x", "port" },
        { "127.0.0.1:-1", "port" },
        { "127.1:9464", "must be off" },
        { "http://127.0.0.1:9464", "must be off" },
        { "unix:run/x", "absolute" },
        { "unix:", "absolute" },
    };
    char too_long[5 + 108 + 1] = "unix:/";
    struct lb_listen_address address;
    const char *why = NULL;

    (void)state;
    memset(&address, 7, sizeof address);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(lb_listen_parse(rows[i].text, &address, &why), -EINVAL);
        if (!strstr(why, rows[i].why))
            fail_msg("%s: %s", rows[i].text, why);
    }
    memset(too_long + 6, 'x', sizeof too_long - 7);
    assert_int_equal(lb_listen_parse(too_long, &address, &why), -EINVAL);
    assert_non_null(strstr(why, "too long"));
    assert_int_equal(address.len, 0x07070707); /* untouched */
}

static void the_key_is_checked_when_the_configuration_is_read(void **state)
{
    (void)state;
    assert_string_equal(test_config_of(TEST_SINK)->metrics_listen, "off");
    assert_string_equal(test_config_of("[metrics]\nlisten = [::1]:9464\n" TEST_SINK)->metrics_listen,
                        "[::1]:9464");
    test_refused(
        "[metrics]\nlisten = 0.0.0.0:9464\n",
        "listen must be an address of loopback (127.0.0.1 or [::1]): it is read without a password, so it "
        "stays on the machine; a proxy may take it further");
    test_refused("[metrics]\nlisten = yes\n", "listen must be off, unix:/path, 127.0.0.1:PORT or [::1]:PORT");
}

/* ---- requests ---- */

static int ask(const char *text, struct lb_http_request *ret_request)
{
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1); /* a sanitizer sees a read beyond it */
    int rc;

    memcpy(copy, text, len);
    rc = lb_http_request_read(copy, len, ret_request);
    if (rc > 0 && ret_request->path >= copy && ret_request->path < copy + len)
        ret_request->path = text + (ret_request->path - copy);
    free(copy);
    return rc;
}

static void whole_heads_give_method_and_path(void **state)
{
    static const struct {
        const char *text, *path;
        enum lb_http_method method;
    } rows[] = {
        { "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "/metrics", LB_HTTP_GET },
        { "HEAD /metrics HTTP/1.1\r\nhOST:\r\n\r\n", "/metrics", LB_HTTP_HEAD },
        { "GET /metrics HTTP/1.0\r\n\r\n", "/metrics", LB_HTTP_GET },
        { "\r\nGET /metrics HTTP/1.0\n\n", "/metrics", LB_HTTP_GET },
        { "POST /metrics?x=/a HTTP/1.1\nHost:a\n\n", "/metrics", LB_HTTP_OTHER },
        { "get /x HTTP/1.0\r\n\r\n", "/x", LB_HTTP_OTHER },
        { "GET http://h:1/metrics?y HTTP/1.1\r\nHost: h\r\nA: b\tc\r\nEmpty:\r\n\r\n", "/metrics",
          LB_HTTP_GET },
        { "GET HTTP://h HTTP/1.1\r\nHost: h\r\n\r\n", "/", LB_HTTP_GET },
        { "GET http://h?x HTTP/1.0\r\n\r\n", "/", LB_HTTP_GET },
        { "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "*", LB_HTTP_OTHER },
        { "GET /\xc3\xa9 HTTP/1.0\r\nX: \xff\r\n\r\n", "/\xc3\xa9", LB_HTTP_GET },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct lb_http_request request = { 0 };
        size_t len = strlen(rows[i].text);

        if (ask(rows[i].text, &request) != (int)len)
            fail_msg("not a whole request: %s", rows[i].text);
        assert_int_equal(request.method, rows[i].method);
        assert_int_equal(request.path_len, strlen(rows[i].path));
        assert_memory_equal(request.path, rows[i].path, request.path_len);
        for (size_t cut = 0; cut < len; cut++)
            assert_int_equal(lb_http_request_read(rows[i].text, cut, &request), 0);
    }
}

static void what_comes_behind_a_head_is_not_looked_at(void **state)
{
    struct lb_http_request request;

    (void)state;
    assert_int_equal(ask("GET / HTTP/1.0\r\n\r\n\x01\x02\r\r", &request), 18);
}

static void what_is_no_request_is_refused_at_once(void **state)
{
    static const char *const rows[] = {
        "GET\r\n",
        "GET /\r\n",
        " GET / HTTP/1.1\r\n",
        "GET  / HTTP/1.1\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET / x HTTP/1.1 x\r\n",
        "GET / HTTP/2.0\r\n",
        "GET / HTTP/1.2\r\n",
        "GET / http/1.1\r\n",
        "GET /a\tb HTTP/1.1\r\n",
        "G\x01T / HTTP/1.1\r\n",
        "G@T / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\r\n",
        "GET / HTTP/1.1\rX",
        "\x16\x03\x01\x02",
        "GET /\x7f",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n",
        "GET / HTTP/1.1\r\n: a\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n",
        "GET / HTTP/1.1\r\nA: b\x02\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHOST: b\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n\r\n",
    };
    struct lb_http_request request;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (ask(rows[i], &request) != -EBADMSG)
            fail_msg("taken: %s", rows[i]);
    assert_int_equal(lb_http_request_read("GET /\0", 6, &request), -EBADMSG);
}

/* ---- labels ---- */

static void labels_are_escaped(void **state)
{
    static const char text[] = "a\\b\"c\nd\te\x01\xc3\xa9~";
    char *got = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&got, &len);

    (void)state;
    lb_metrics_put_label(out, text, sizeof text - 1);
    fclose(out);
    assert_string_equal(got, "a\\\\b\\\"c\\nd?e???~");
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_and_paths_are_taken),
        cmocka_unit_test(all_else_is_refused_with_a_reason),
        cmocka_unit_test_setup_teardown(the_key_is_checked_when_the_configuration_is_read, test_make_dir,
                                        test_remove_dir),
        cmocka_unit_test(whole_heads_give_method_and_path),
        cmocka_unit_test(what_comes_behind_a_head_is_not_looked_at),
        cmocka_unit_test(what_is_no_request_is_refused_at_once),
        cmocka_unit_test(labels_are_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
