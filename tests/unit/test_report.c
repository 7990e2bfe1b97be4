/* SPDX-License-Identifier: MIT */
/*
 * The wear report as text. Whatever is known or not, and whatever a program is
 * called, the page is well-formed, refers to nothing, says in one sentence who
 * wears the card, and shows the view's own figures. How it looks is asked of a
 * browser (tests/e2e/test_report.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/wear/report.h"
#include "tests/unit/lib_report.h"

#define PAGE_BYTES_MAX 250000
#define DEPTH_MAX      64

static const char *const names[] = { "busy", "fresh", "worn", "outage", "hostile", "full", "none", "nodisk" };
#define NAMES (sizeof names / sizeof names[0])

static char *page;
static size_t page_len;

static const char *print(const struct lb_wear_view *view)
{
    FILE *out;

    free(page);
    page = NULL;
    out = open_memstream(&page, &page_len);
    assert_non_null(out);
    lb_report_print(view, out);
    assert_false(ferror(out));
    assert_int_equal(fclose(out), 0);
    return page;
}

static const char *print_named(const char *name)
{
    struct lb_wear_view *view = test_wear_view(name);

    assert_non_null(view);
    return print(view);
}

/* What a page says between two texts, tags left out. Static, until the next call. */
static const char *words_between(const char *from, const char *to)
{
    static char words[4096];
    const char *at = strstr(page, from), *end = at ? strstr(at, to) : NULL;
    size_t len = 0;
    int depth = from[0] == '<'; /* then it begins within a tag */

    assert_non_null(end);
    for (at += strlen(from); at < end && len + 1 < sizeof words; at++) {
        depth += *at == '<';
        if (depth == 0)
            words[len++] = *at;
        depth -= *at == '>';
    }
    words[len] = '\0';
    return words;
}

static const char *verdict(void)
{
    return words_between("<div class=\"verdict", "</div>");
}

#define assert_says(text, what)                              \
    do {                                                     \
        if (!strstr(text, what))                             \
            fail_msg("\"%s\" is not in \"%s\"", what, text); \
    } while (0)
#define assert_says_not(text, what) assert_null(strstr(text, what))

/* ---- form ---- */

/* Every tag is closed by its own, in order; returns how many there are. */
static unsigned check_tags(const char *text)
{
    char open[DEPTH_MAX][16];
    unsigned depth = 0, tags = 0;

    for (const char *at = strchr(text, '<'); at; at = strchr(at + 1, '<')) {
        const char *end = strchr(at, '>');
        size_t len;

        assert_non_null(end);
        if (at[1] == '!')
            continue;
        tags++;
        if (at[1] == '/') {
            assert_true(depth > 0);
            depth--;
            len = strlen(open[depth]);
            if (strncmp(at + 2, open[depth], len) != 0 || at[2 + len] != '>')
                fail_msg("<%s> is closed by %.20s", open[depth], at);
            continue;
        }
        if (end[-1] == '/')
            continue;
        len = strcspn(at + 1, " >\n");
        assert_true(len > 0 && len < sizeof open[0] && depth < DEPTH_MAX);
        memcpy(open[depth], at + 1, len);
        open[depth++][len] = '\0';
    }
    assert_int_equal(depth, 0);
    return tags;
}

static void every_page_is_well_formed(void **state)
{
    (void)state;
    for (size_t i = 0; i < NAMES; i++)
        assert_true(check_tags(print_named(names[i])) > 50);
}

static void no_page_refers_to_anything(void **state)
{
    static const char *const wrong[] = { "http:",   "https:", "src=",  "href", "<script",
                                         "@import", "url(",   "<link", "<img" };

    (void)state;
    for (size_t i = 0; i < NAMES; i++) {
        if (strcmp(names[i], "hostile") == 0) /* its names say such things, as text */
            continue;
        print_named(names[i]);
        for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++)
            assert_says_not(page, wrong[w]);
        assert_says(page, "default-src 'none'; style-src 'unsafe-inline'");
        assert_says(page, "<html lang=\"en\">");
        assert_says(page, "name=\"viewport\"");
    }
}

static void a_name_is_text_whatever_bytes_it_has(void **state)
{
    const unsigned char *at;

    (void)state;
    print_named("hostile");
    assert_says_not(page, "<script");
    assert_says(page, "&lt;/title&gt;&lt;script");
    assert_says(
        page,
        "&#34;&#39;&amp; "
        "\xef\xbf\xbd\xef\xbf\xbd[31m\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xf0\x9f\x92\xa9]]&gt;");
    for (at = (const unsigned char *)page; *at; at++)
        assert_true((*at >= 0x20 || *at == '\n') && *at != 0x7f && *at < 0xf8);
    assert_int_equal((const char *)at - page, page_len); /* no NUL within */
}

static void no_page_is_larger_than_its_bound(void **state)
{
    struct lb_wear_view *view = test_wear_view("full");

    (void)state;
    print(view);
    print_message("with everything full: %zu bytes\n", page_len);
    assert_in_range(page_len, PAGE_BYTES_MAX / 2, PAGE_BYTES_MAX);
    view->wall_offset_ns = 0; /* "23 h 40 min ago" is longer than "14:10" */
    print(view);
    assert_in_range(page_len, PAGE_BYTES_MAX / 2, PAGE_BYTES_MAX);
}

/* Counts beyond the arrays are a bug elsewhere; the page must not read past them. */
static void counts_beyond_the_arrays_are_cut(void **state)
{
    struct lb_wear_view *view = test_wear_view("full");

    (void)state;
    view->disks = view->filesystems = view->findings = view->programs = view->buckets = 1000000;
    view->filesystem[0].disk = 1000000;
    check_tags(print(view));
}

/* ---- empty states ---- */

static void what_is_not_there_says_so(void **state)
{
    struct lb_wear_view *view;

    (void)state;
    print_named("none");
    assert_says(verdict(), "have not been looked at yet");
    assert_says(page, "There is no history yet");
    assert_says(page, "uptime 3 h 12 min, the clock is not known");
    assert_says_not(page, "<svg");

    print_named("nodisk");
    assert_says(verdict(), "No disk is watched");
    assert_says_not(page, "<svg");

    view = test_wear_view("busy");
    memset(view->bucket, 0, sizeof view->bucket);
    view->buckets = 1;
    view->bucket[0].start_ns = view->sampled_ns;
    view->hostname[0] = '\0';
    print(view);
    assert_says(page, "Nothing was written in this time");
    assert_says(page, "No line came in during this time");
    assert_says(page, "This machine");
}

static void what_is_not_known_is_not_shown_as_nothing(void **state)
{
    struct lb_wear_view *view = test_wear_view("fresh");

    (void)state;
    view->disk[0].capacity_bytes = 0;
    print(view);
    assert_says(words_between("Life left", "</dd>"), "not known");
    assert_says(words_between("Written in its life", "</dd>"), "not known");
    assert_says(words_between("Capacity", "</dd>"), "not known");
    assert_says(words_between("A day, at this rate", "</dd>"), "not known");
    assert_says(words_between("Write requests", "</dd>"), "does not count flushes");
    assert_says(page, "is not known.</p>"); /* the hours of an outage */
    assert_says(page, ">now</span>");
    assert_says(page, ">-60 min</span>");
}

/* ---- the verdict ---- */

static void the_verdict_says_rate_life_and_who(void **state)
{
    struct lb_wear_view *view = test_wear_view("busy");

    (void)state;
    view->figures[0].rate_per_day = 1200000000;
    view->figures[0].life_left_s = 8ull * 31557600 + 86400;
    print(view);
    assert_says(verdict(), "Fine");
    assert_says(verdict(), "mmcblk0 takes 1.2 GB a day; at this rate it lasts 8 years.");
    assert_says(verdict(), "The largest part (41 %) comes from python3 (telemetry.service).");

    view->program[1].bytes[0] = view->figures[0].looked_bytes * 9 / 10;
    print(view);
    assert_says(verdict(), "Most of it (90 %) comes from python3 (telemetry.service).");

    view->program[1].is_ours = true;
    print(view);
    assert_says(verdict(), "which is logboom itself.");

    view->figures[0].unattributed_bytes = view->figures[0].looked_bytes;
    print(view);
    assert_says(verdict(), "Most of it (100 %) comes from the kernel");

    view->figures[0].life_left_s = 200 * 86400;
    print(view);
    assert_says(verdict(), "Look at it");
    assert_says(verdict(), "it lasts 6 months.");

    view->figures[0].life_left_s = 0;
    print(view);
    assert_says(verdict(), "Act now");
    assert_says(verdict(), "mmcblk0 has taken more than it can be expected to");
}

static void the_verdict_of_little_history_gives_no_rate(void **state)
{
    (void)state;
    print_named("fresh");
    assert_says(verdict(), "Not known yet");
    assert_says(verdict(),
                "mmcblk0 took 10 MB in the 14 min that it has been watched: too little history for a rate.");
    assert_says_not(verdict(), "a day");
}

static void what_cannot_wait_comes_first(void **state)
{
    struct lb_wear_view *view = test_wear_view("worn");
    const char *read_only, *worn, *rate;

    (void)state;
    print(view);
    read_only = strstr(verdict(), "The file system /var/lib/postgresql on mmcblk2 went read-only");
    worn = strstr(verdict(), "mmcblk2 says that it is in the last tenth of its life");
    rate = strstr(verdict(), "mmcblk2 takes 31.1 GB a day; at this rate it lasts 41 days.");
    assert_true(read_only && worn && rate && read_only < worn && worn < rate);
    assert_says(verdict(), "Act now");

    view->filesystem[1].was_writable = false; /* it is meant to be read-only */
    view->disk[0].life_b = 9;
    print(view);
    assert_says_not(verdict(), "went read-only");
    assert_says(verdict(), "80 % of its spare blocks are used");
    assert_says(verdict(), "Look at it");

    view->disk[0].life_a = 11;
    print(view);
    assert_says(verdict(), "past the life its maker gave it");
    assert_says(page, "Type A cells: past 100 % used");

    view->disk[0].is_present = false; /* whoever took it out knows */
    print(view);
    assert_says_not(verdict(), "its maker");
    assert_says(verdict(), "Not known yet");
}

static void a_disk_that_does_not_wear_has_no_life_left(void **state)
{
    struct lb_wear_view *view = test_wear_view("busy");

    (void)state;
    view->disks = 1;
    view->disk[0].is_flash = false;
    view->figures[0].life_left_s = view->figures[0].endurance_bytes = LB_WEAR_UNKNOWN;
    print(view);
    assert_says(verdict(), "no life is reckoned");
    view->figures[0].rate_per_day = view->figures[0].looked_bytes = 0;
    print(view);
    assert_says(verdict(), "mmcblk0 takes nothing: it was not written to.");
    view->disk[0].is_present = false;
    print(view);
    assert_says(verdict(), "which was taken out");
}

static void the_disk_with_the_least_life_comes_first(void **state)
{
    struct lb_wear_view *view = test_wear_view("busy");

    (void)state;
    view->figures[1].life_left_s = 86400 * 100;
    print(view);
    assert_says(verdict(), "sda takes 743 MB a day");
    assert_true(strstr(page, "<h3>sda") < strstr(page, "<h3>mmcblk0"));
    assert_says(page, "Bytes written to <b>sda</b>");
    view->disk[1].is_present = false;
    print(view);
    assert_says(page, "Bytes written to <b>mmcblk0</b>");
}

/* ---- figures ---- */

/* The sum of all exact values between two places of the page. */
static uint64_t sum_between(const char *from, const char *to)
{
    const char *at = strstr(page, from), *end = at ? strstr(at, to) : NULL;
    uint64_t sum = 0;

    assert_non_null(end);
    while ((at = strstr(at, "<data value=\"")) && at < end) {
        at += strlen("<data value=\"");
        sum += strtoull(at, NULL, 10);
    }
    return sum;
}

static void the_shares_add_up_to_what_the_disk_took(void **state)
{
    static const char *const sums[] = { "busy", "fresh", "worn", "outage", "hostile" };

    (void)state;
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        struct lb_wear_view *view = test_wear_view(sums[i]);

        print(view);
        assert_int_equal(sum_between("<ol class=\"shares\">", "</ol>"), view->figures[0].looked_bytes);
    }
}

static void the_chart_adds_up_to_what_the_disk_counted(void **state)
{
    static const char *const sums[] = { "busy", "fresh", "worn", "outage", "hostile" };

    (void)state;
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        struct lb_wear_view *view = test_wear_view(sums[i]);
        uint64_t bytes = 0;

        for (uint32_t b = 0; b < view->buckets; b++)
            bytes += view->bucket[b].disk_bytes[0];
        print(view);
        assert_int_equal(sum_between("<ol class=\"legend\">", "</ol>"), bytes);
    }
}

static int tear_down(void **state)
{
    (void)state;
    free(page);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_page_is_well_formed),
        cmocka_unit_test(no_page_refers_to_anything),
        cmocka_unit_test(a_name_is_text_whatever_bytes_it_has),
        cmocka_unit_test(no_page_is_larger_than_its_bound),
        cmocka_unit_test(counts_beyond_the_arrays_are_cut),
        cmocka_unit_test(what_is_not_there_says_so),
        cmocka_unit_test(what_is_not_known_is_not_shown_as_nothing),
        cmocka_unit_test(the_verdict_says_rate_life_and_who),
        cmocka_unit_test(the_verdict_of_little_history_gives_no_rate),
        cmocka_unit_test(what_cannot_wait_comes_first),
        cmocka_unit_test(a_disk_that_does_not_wear_has_no_life_left),
        cmocka_unit_test(the_disk_with_the_least_life_comes_first),
        cmocka_unit_test(the_shares_add_up_to_what_the_disk_took),
        cmocka_unit_test(the_chart_adds_up_to_what_the_disk_counted),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
