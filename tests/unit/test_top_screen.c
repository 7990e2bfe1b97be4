/* SPDX-License-Identifier: MIT */
/*
 * The screen of `logboom top` as text: what a device shows on an ordinary day, while its sink is away, with
 * quotas, filtered, paused, and asked for help. The texts are in tests/unit/screens; with LB_WRITE_SCREENS
 * set they are written anew, to be read before they are kept. Then what must hold for every size and any
 * text.
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <cmocka.h>

#include "agent/offline/top_screen.h"

#define SCREENS "tests/unit/screens/"

static struct lb_top_status before, now;
static struct lb_top_pattern pattern[64];
static struct lb_top_keys keys;
static struct lb_top_view view;
static struct lb_top_canvas canvas;
static char drawn[LB_TOP_TEXT_MAX + LB_TOP_LINES_MAX];

static void add_service(const char *name, uint64_t lines_s, uint64_t bytes_s, uint64_t suppressed_s,
                        uint64_t pending, uint64_t held, uint64_t lost)
{
    struct lb_top_book *then = &before.service[before.services++], *book = &now.service[now.services++];

    snprintf(then->name, sizeof then->name, "%s", name);
    then->in = 100000;
    then->in_bytes = 100000000;
    then->delivered = 90000;
    then->suppressed = 5000;
    *book = *then;
    book->in += 2 * lines_s;
    book->in_bytes += 2 * bytes_s;
    book->delivered += 2 * (lines_s - suppressed_s);
    book->suppressed += 2 * suppressed_s;
    book->pending = pending;
    book->held = held;
    book->lost = lost;
}

static void add_up(struct lb_top_status *status)
{
    memset(&status->all, 0, sizeof status->all);
    for (unsigned i = 0; i < status->services; i++) {
        status->all.in += status->service[i].in;
        status->all.in_bytes += status->service[i].in_bytes;
        status->all.delivered += status->service[i].delivered;
        status->all.suppressed += status->service[i].suppressed;
        status->all.pending += status->service[i].pending;
        status->all.held += status->service[i].held;
        status->all.lost += status->service[i].lost;
    }
}

static void add_pattern(const char *service, const char *template, double lines_s, double held_s,
                        uint64_t total)
{
    pattern[view.patterns++] = (struct lb_top_pattern) {
        service, template, (unsigned)strlen(service), (unsigned)strlen(template), lines_s, held_s, total
    };
}

/* An ordinary day. */
static int set_up(void **state)
{
    struct lb_top_sink sink = { .name = "datadog",
                                .type = "datadog",
                                .state = "ok",
                                .last_delivery_s = 1.23,
                                .next_try_s = -1,
                                .wire_bytes = 12000000,
                                .wire_bytes_today = 4200000,
                                .has_today = true };

    (void)state;
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    memset(&before, 0, sizeof before);
    memset(&now, 0, sizeof now);
    memset(&keys, 0, sizeof keys);
    view = (struct lb_top_view) { .now = &now,
                                  .before = &before,
                                  .pattern = pattern,
                                  .window_s = 10,
                                  .share = 1,
                                  .interval_s = 2,
                                  .keys = &keys,
                                  .is_live = true };
    add_service("checkout", 812, 98500, 300, 120, 4012, 0);
    add_service("web/frontend", 60, 4600, 0, 37, 0, 3);
    add_service("kiosk@2.service", 0, 0, 0, 0, 0, 0);
    add_service("payments-gateway-with-a-rather-long-name", 3, 313, 0, 2, 0, 0);
    add_service("logboom", 0, 0, 0, 0, 0, 0);
    before.service[4].in = now.service[4].in = 0; /* none but its own */
    before.boot_ms = 270000000;
    now.boot_ms = before.boot_ms + 2000;
    now.wall_ms = 1764252131000;
    now.uptime_s = 271234.5;
    strcpy(now.version, "0.1.0");
    strcpy(now.hostname, "device-0042");
    strcpy(now.clock_state, "exact");
    now.sink[0] = before.sink[0] = sink;
    now.sinks = before.sinks = 1;
    now.sink[0].wire_bytes += 5120;
    now.ring = (struct lb_top_fill) { true, 4 << 20, 900000 };
    now.held = (struct lb_top_fill) { true, 4 << 20, 1700000 };
    now.staging = (struct lb_top_fill) { true, 2 << 20, 81920 };
    add_up(&before);
    add_up(&now);
    add_pattern("checkout", "<time> INFO checkout: GET <path> <num> in <num>", 512.25, 298.5, 51000);
    add_pattern("checkout", "<time> INFO checkout: user <name> logged in from <ip>", 96.1, 0, 9610);
    add_pattern("web/frontend",
                "cache miss for <num> after <num> tries, which is a long text that goes on and on", 4.5, 0,
                450);
    add_pattern("payments-gateway-with-a-rather-long-name", "grüße aus 東京 <num>", 0.25, 0, 12);
    add_pattern("kiosk@2.service", "door opened", 0, 0, 3);
    return 0;
}

/* The lines, each with a line end; blanks at a line's end are no part of what is seen. */
static const char *draw(unsigned width, unsigned height)
{
    size_t len = 0;

    lb_top_canvas_clear(&canvas, width, height, true);
    lb_top_screen_draw(&view, &canvas);
    for (unsigned i = 0; i < canvas.lines; i++) {
        memcpy(drawn + len, canvas.text + canvas.line[i].at, canvas.line[i].len);
        len += canvas.line[i].len;
        while (len > 0 && drawn[len - 1] == ' ')
            len--;
        drawn[len++] = '\n';
    }
    drawn[len] = '\0';
    return drawn;
}

static void assert_screen(const char *name, unsigned width, unsigned height)
{
    static char wanted[sizeof drawn];
    const char *got = draw(width, height);
    char path[256];
    size_t len = 0;
    FILE *file;

    snprintf(path, sizeof path, SCREENS "%s-%ux%u.txt", name, width, height);
    if (getenv("LB_WRITE_SCREENS")) {
        file = fopen(path, "w");
        assert_non_null(file);
        fputs(got, file);
        fclose(file);
        return;
    }
    file = fopen(path, "r");
    if (!file)
        fail_msg("%s cannot be read: run this from the top of the repository", path);
    len = fread(wanted, 1, sizeof wanted - 1, file);
    fclose(file);
    wanted[len] = '\0';
    if (strcmp(got, wanted) != 0)
        fail_msg("%s is another screen now:\n%s", path, got);
}

static void an_ordinary_day(void **state)
{
    (void)state;
    assert_screen("ordinary", 80, 24);
    assert_screen("ordinary", 200, 50);
}

static void the_first_look_has_no_rates_yet(void **state)
{
    (void)state;
    view.before = NULL;
    view.patterns = 0;
    view.window_s = 0;
    view.no_rings = "not looked yet";
    assert_screen("first", 80, 24);
}

static void a_sink_that_is_away_and_a_ring_that_fills_up(void **state)
{
    (void)state;
    strcpy(now.sink[0].state, "away");
    now.sink[0].last_delivery_s = 192;
    now.sink[0].next_try_s = 11.6;
    now.sink[0].has_today = false;
    strcpy(now.sink[0].last_error, "503 Service Unavailable");
    strcpy(now.clock_state, "unknown");
    now.ring.used = 3500000;
    now.backlog = (struct lb_top_fill) { true, 16 << 20, 1 << 20 };
    now.service[0].lost = now.all.lost = 1234567;
    keys.sort = LB_TOP_BY_LOST;
    view.share = 0.123;
    assert_screen("away", 80, 24);
    assert_screen("away", 200, 50);
}

static void quotas_of_the_link_and_of_services(void **state)
{
    (void)state;
    now.quota = (struct lb_top_quota) { true, "day", 50 << 20, 17 << 20, 1764252131 + 33000, 2 };
    now.service[1].quota = (struct lb_top_quota) { true, "month", 500 << 20, 450 << 20, 0, 0 };
    now.pressure = 1;
    assert_screen("quota", 80, 24);
    assert_screen("quota", 200, 50);
}

static void no_agent_paused_and_filtered(void **state)
{
    (void)state;
    view.trouble = "NO AGENT for 12 s (Connection refused): trying again; what is below is old";
    keys.is_paused = true;
    strcpy(keys.filter, "CHECK");
    assert_screen("trouble", 80, 24);
    keys.mode = LB_TOP_TYPING;
    assert_screen("typing", 80, 24);
    keys.mode = LB_TOP_HELPING;
    assert_screen("help", 80, 24);
}

static void more_services_than_lines(void **state)
{
    char name[32];

    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "worker-%02u", i);
        add_service(name, i, 100 * i, 0, i, 0, 0);
    }
    assert_screen("many", 80, 24);
    view.patterns = 0;
    assert_screen("many-alone", 80, 24);
    view.is_live = false;
    lb_top_canvas_clear(&canvas, 80, LB_TOP_LINES_MAX, true);
    lb_top_screen_draw(&view, &canvas);
    assert_true(canvas.lines > 64);
}

/* ---- what holds for every size and any text ---- */

static unsigned columns_of(const char *text, size_t len)
{
    unsigned columns = 0;
    mbstate_t shift = { 0 };

    for (size_t at = 0; at < len;) {
        wchar_t c;
        size_t bytes = mbrtowc(&c, text + at, len - at, &shift);

        assert_true(bytes > 0 && bytes <= 4);
        assert_true(wcwidth(c) >= 0);
        columns += (unsigned)wcwidth(c);
        at += bytes;
    }
    return columns;
}

static void assert_fits(unsigned width, unsigned height)
{
    draw(width, height);
    assert_int_equal(canvas.lines, height);
    for (unsigned i = 0; i < canvas.lines; i++) {
        unsigned columns = columns_of(canvas.text + canvas.line[i].at, canvas.line[i].len);

        assert_int_equal(columns, canvas.line[i].columns);
        assert_true(columns <= width);
    }
}

static void every_size_has_its_lines_and_none_is_too_wide(void **state)
{
    (void)state;
    now.quota = (struct lb_top_quota) { true, "day", 50 << 20, 17 << 20, 0, 1 };
    now.service[1].quota = now.quota;
    view.trouble = "trouble";
    for (unsigned mode = LB_TOP_LOOKING; mode <= LB_TOP_HELPING; mode++)
        for (unsigned width = 1; width <= 130; width++)
            for (unsigned height = 1; height <= 40; height++) {
                keys.mode = (enum lb_top_mode)mode;
                assert_fits(width, height);
            }
    assert_fits(LB_TOP_COLUMNS_MAX, LB_TOP_LINES_MAX);
}

/* Each byte at its place: control characters, halves of characters, what turns text around. */
static void no_text_reaches_the_terminal_raw(void **state)
{
    static char text[64];

    (void)state;
    for (unsigned byte = 1; byte < 256; byte++) {
        snprintf(text, sizeof text, "a%cb%c\x1b[2J\x1b]0;x\x07", (int)byte, (int)byte);
        pattern[0].template = pattern[0].service = text;
        pattern[0].template_len = pattern[0].service_len = (unsigned)strlen(text);
        snprintf(now.hostname, sizeof now.hostname, "%s", text);
        snprintf(now.sink[0].name, sizeof now.sink[0].name, "%s", text);
        snprintf(now.sink[0].state, sizeof now.sink[0].state, "%.8s", text);
        snprintf(now.sink[0].last_error, sizeof now.sink[0].last_error, "%s", text);
        snprintf(keys.filter, sizeof keys.filter, "%s", text);
        keys.mode = byte % 2 ? LB_TOP_TYPING : LB_TOP_LOOKING;
        assert_fits(80, 24);
        for (size_t i = 0; i < canvas.len; i++)
            assert_true((unsigned char)canvas.text[i] >= ' ' && canvas.text[i] != 0x7f);
    }
}

static const char *put(const char *text, unsigned columns, bool is_utf8)
{
    lb_top_canvas_clear(&canvas, 80, 1, is_utf8);
    lb_top_canvas_line(&canvas, LB_TOP_PLAIN);
    lb_top_canvas_put(&canvas, text, strlen(text), columns);
    canvas.text[canvas.len] = '\0';
    return canvas.text;
}

static void characters_are_cut_whole_and_only_shown_ones_pass(void **state)
{
    (void)state;
    assert_string_equal(put("grüße", 4, true), "grüß");
    assert_string_equal(put("東京都", 5, true), "東京");
    assert_string_equal(put("e\xcc\x81t\xc3\xa9", 2, true), "e\xcc\x81t");
    assert_string_equal(put("\xff\xc3;\xe2\x82", 80, true), "??;??");
    assert_string_equal(put("a\xe2\x80\xae"
                            "b\xc2\x9b"
                            "c\xe2\x80\x8b",
                            80, true),
                        "a?b?c?");
    assert_string_equal(put("tab\there\x1b[31m", 80, true), "tab?here?[31m");
    assert_string_equal(put("grüße 東", 80, false), "gr????e ???");
    assert_string_equal(put("plain", 0, true), "");
}

static void numbers_take_six_columns_at_most(void **state)
{
    static const struct {
        double number;
        const char *rate, *bytes;
    } rows[] = {
        { -1, "-", "-" },
        { 0, "0", "0" },
        { 0.004, "0", "0" },
        { 0.25, "0.25", "0" },
        { 9.994, "9.99", "10" },
        { 9.996, "10.0", "10" },
        { 99.94, "99.9", "100" },
        { 99.96, "100", "100" },
        { 1023.4, "1023", "1023" },
        { 1023.6, "1024", "1.0K" },
        { 99999, "99999", "97.7K" },
        { 99999.6, "100.0k", "97.7K" },
        { 999949, "999.9k", "976.5K" },
        { 1e6, "1.0M", "976.6K" },
        { 1.5e9, "1.5G", "1.4G" },
        { 1e12, "1.0T", "931.3G" },
    };
    char buf[32];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(lb_top_rate(rows[i].number, buf, sizeof buf), rows[i].rate);
        assert_string_equal(lb_top_bytes(rows[i].number, buf, sizeof buf), rows[i].bytes);
    }
    assert_string_equal(lb_top_count(99999, buf, sizeof buf), "99999");
    assert_string_equal(lb_top_count(100000, buf, sizeof buf), "100.0k");
    assert_string_equal(lb_top_time(-3, buf, sizeof buf), "0.0 s");
    assert_string_equal(lb_top_time(9.94, buf, sizeof buf), "9.9 s");
    assert_string_equal(lb_top_time(59.9, buf, sizeof buf), "59 s");
    assert_string_equal(lb_top_time(3599, buf, sizeof buf), "59 m 59 s");
    assert_string_equal(lb_top_time(86399, buf, sizeof buf), "23 h 59 m");
    assert_string_equal(lb_top_time(90000, buf, sizeof buf), "1 d 1 h");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_ordinary_day, set_up),
        cmocka_unit_test_setup(the_first_look_has_no_rates_yet, set_up),
        cmocka_unit_test_setup(a_sink_that_is_away_and_a_ring_that_fills_up, set_up),
        cmocka_unit_test_setup(quotas_of_the_link_and_of_services, set_up),
        cmocka_unit_test_setup(no_agent_paused_and_filtered, set_up),
        cmocka_unit_test_setup(more_services_than_lines, set_up),
        cmocka_unit_test_setup(every_size_has_its_lines_and_none_is_too_wide, set_up),
        cmocka_unit_test_setup(no_text_reaches_the_terminal_raw, set_up),
        cmocka_unit_test_setup(characters_are_cut_whole_and_only_shown_ones_pass, set_up),
        cmocka_unit_test_setup(numbers_take_six_columns_at_most, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
