/* SPDX-License-Identifier: MIT */
/*
 * `logboom wear`, for programs and for people.
 *
 * The story: somebody asks what wears the card, of a device that works, one that has just begun, one that is
 * worn out, one that hangs, and one whose disks and programs have names that would take over a terminal. What
 * is printed can be read by any JSON reader, adds up, and says of what is not known that it is not.
 */
#include <ctype.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/control/wear_print.h"
#include "common/clock.h"
#include "tests/unit/lib_report.h"

static const char *const names[] = { "busy", "fresh", "worn", "outage", "hostile", "full", "none", "nodisk" };
#define VIEWS (sizeof names / sizeof names[0])

static char *printed;
static size_t printed_len;
static struct lb_wear_view *view;

static int forget(void **state)
{
    (void)state;
    free(printed);
    printed = NULL;
    return 0;
}

/* Two seconds after its look. */
static const char *print_as(void (*print)(const struct lb_wear_view *, uint64_t, uint64_t, FILE *),
                            const struct lb_wear_view *of, uint64_t hangs_s)
{
    FILE *out;

    forget(NULL);
    out = open_memstream(&printed, &printed_len);
    assert_non_null(out);
    print(of, of->sampled_ns + 2 * LB_NS_PER_S, hangs_s, out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(strlen(printed), printed_len);
    return printed;
}

static const char *json_of(const char *name)
{
    view = test_wear_view(name);
    return print_as(lb_wear_print_json, view, 0);
}

static const char *text_of(const char *name)
{
    view = test_wear_view(name);
    return print_as(lb_wear_print_text, view, 0);
}

static void has(const char *part)
{
    if (!strstr(printed, part))
        fail_msg("%s is not in %s", part, printed);
}

static void has_not(const char *part)
{
    if (strstr(printed, part))
        fail_msg("%s is in %s", part, printed);
}

/* ---- a strict reader of JSON (RFC 8259); each returns what follows, NULL: it is none ---- */

static const char *read_value(const char *at, unsigned depth);

static const char *read_string(const char *at)
{
    if (*at++ != '"')
        return NULL;
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < ' ')
            return NULL;
        if (*at != '\\')
            continue;
        at++;
        if (*at == '\0' || !strchr("\"\\/bfnrtu", *at))
            return NULL;
        for (unsigned i = 0; *at == 'u' && i < 4; i++)
            if (!isxdigit((unsigned char)at[i + 1]))
                return NULL;
    }
    return at + 1;
}

static const char *read_number(const char *at)
{
    at += *at == '-';
    if (!isdigit((unsigned char)*at) || (*at == '0' && isdigit((unsigned char)at[1])))
        return NULL;
    at += strspn(at, "0123456789");
    if (*at != '.')
        return at;
    return isdigit((unsigned char)at[1]) ? at + 1 + strspn(at + 1, "0123456789") : NULL;
}

static const char *read_list(const char *at, unsigned depth)
{
    char end = *at == '{' ? '}' : ']';
    bool has_keys = *at == '{';

    if (*++at == end)
        return at + 1;
    for (;; at++) {
        if (has_keys && (!(at = read_string(at)) || *at++ != ':'))
            return NULL;
        at = read_value(at, depth + 1);
        if (!at || *at == end)
            return at ? at + 1 : NULL;
        if (*at != ',')
            return NULL;
    }
}

static const char *read_value(const char *at, unsigned depth)
{
    static const char *const words[] = { "true", "false", "null" };

    if (depth > 8)
        return NULL;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strncmp(at, words[i], strlen(words[i])) == 0)
            return at + strlen(words[i]);
    if (*at == '"')
        return read_string(at);
    return *at == '{' || *at == '[' ? read_list(at, depth) : read_number(at);
}

static void is_json(const char *text)
{
    const char *end = read_value(text, 0);

    if (!end || strcmp(end, "\n") != 0)
        fail_msg("no JSON: %s", text);
}

/* The number behind a key, from a place on; fails where it is no number. */
static uint64_t number_at(const char *at, const char *key, const char **ret_end)
{
    const char *found = strstr(at, key);
    char *end;
    uint64_t number;

    assert_non_null(found);
    number = strtoull(found + strlen(key), &end, 10);
    assert_true(end > found + strlen(key));
    if (ret_end)
        *ret_end = end;
    return number;
}

/* ---- JSON ---- */

static void each_view_is_one_object_of_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < VIEWS; i++)
        is_json(json_of(names[i]));
}

static void the_shares_of_each_disk_add_up_to_what_was_watched(void **state)
{
    (void)state;
    for (size_t i = 0; i < VIEWS; i++) {
        const char *at = json_of(names[i]), *programs_end;
        unsigned disks = 0;

        while ((at = strstr(at, ",\"watched\":"))) {
            uint64_t watched = number_at(at, ",\"watched\":", &at),
                     sum = number_at(at, "\"unattributed\":", &at);
            uint64_t before = UINT64_MAX;

            programs_end = strstr(strstr(at, "\"programs\":["), "]}");
            for (const char *program = strstr(at, "\"bytes\":"); program && program < programs_end;
                 program = strstr(program, "\"bytes\":")) {
                uint64_t bytes = number_at(program, "\"bytes\":", &program);

                assert_in_range(bytes, 1, before); /* most first */
                before = bytes;
                sum += bytes;
            }
            assert_int_equal(sum, watched);
            disks++;
        }
        assert_int_equal(disks, view->disks);
    }
}

static void what_is_known_is_told_as_it_is(void **state)
{
    (void)state;
    json_of("busy");
    has("{\"hostname\":\"greenhouse-07\",\"sampled_s\":2,");
    has("\"watched_s\":93600,");
    has("\"hangs_s\":0,");
    has("{\"name\":\"mmcblk0\",\"model\":\"SC32G (manfid 0x03)\"");
    has("\"kind\":\"sd\"");
    has("\"unit\":4194304");
    has("\"present\":true");
    has("\"health\":null"); /* an SD card tells none */
    has("\"ours\":true");
    json_of("worn");
    has("\"kind\":\"emmc\"");
    has("\"health\":{\"a\":4,\"b\":10,\"pre_eol\":2}");
    has("\"endurance_told\":true");
    has("\"life_left_s\":3542400");
    has("\"read_only\":true,\"gone_read_only\":true");
    has("\"errors\":17");
    has("\"hours_left\":120.7");
}

static void what_is_not_known_is_null_and_not_nought(void **state)
{
    (void)state;
    json_of("fresh");
    has("\"rate_per_day\":null");
    has("\"life_left_s\":null");
    has("\"hours_left\":null");
    for (size_t i = 0; i < VIEWS; i++) {
        json_of(names[i]);
        has_not("18446744073709551615");
        has_not("nan");
        has_not("inf");
    }
    view->disks = 1;
    view->disk[0] = (struct lb_disk) { .flushes = LB_WEAR_UNKNOWN, .lifetime_bytes = LB_WEAR_UNKNOWN };
    view->figures[0].endurance_bytes = LB_WEAR_UNKNOWN;
    is_json(print_as(lb_wear_print_json, view, 0));
    has("\"capacity\":null,\"unit\":null");
    has("\"flushes\":null");
    has("\"lifetime\":null,\"endurance\":null");
}

static void before_the_first_look_nothing_is_known(void **state)
{
    (void)state;
    json_of("none");
    has("\"sampled_s\":null");
    has("\"watched_s\":0");
    has("\"disks\":[],");
    has("\"buckets\":[]}}\n");
}

static void a_clock_that_is_behind_the_look_makes_no_large_numbers(void **state)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    assert_non_null(out);
    view = test_wear_view("fresh");
    lb_wear_print_json(view, view->bucket[view->buckets - 1].start_ns - 1, 0, out);
    assert_int_equal(fclose(out), 0);
    is_json(text);
    assert_non_null(strstr(text, "\"sampled_s\":0,"));
    assert_non_null(strstr(text, "{\"at_s\":0,"));
    free(text);
}

static void a_look_that_hangs_is_told(void **state)
{
    (void)state;
    view = test_wear_view("busy");
    is_json(print_as(lb_wear_print_json, view, 300));
    has("\"hangs_s\":300");
    print_as(lb_wear_print_text, view, 300);
    assert_int_equal(strncmp(printed, "A look has not come back for ", 29), 0);
}

static void a_disk_that_is_of_no_list_has_no_name(void **state)
{
    (void)state;
    view = test_wear_view("busy");
    view->filesystem[0].disk = view->finding[0].disk = UINT32_MAX;
    is_json(print_as(lb_wear_print_json, view, 0));
    has("\"disk\":\"\",\"read_only\"");
    has("{\"disk\":\"\",\"what\"");
}

/* ---- for people ---- */

static void each_view_is_text_without_a_byte_that_a_terminal_obeys(void **state)
{
    (void)state;
    for (size_t i = 0; i < VIEWS; i++) {
        text_of(names[i]);
        assert_true(printed_len > 0 && printed[printed_len - 1] == '\n');
        for (size_t at = 0; at < printed_len; at++)
            assert_true(printed[at] == '\n' || ((unsigned char)printed[at] >= ' ' && printed[at] != 0x7f));
        has_not("\xe2\x80\xae"); /* which turns the direction of what follows */
        has_not("\xff");
        has_not("\xc0\x80");
        has_not("18446744073709551615");
    }
}

static void controls_of_two_bytes_are_replaced_too(void **state)
{
    (void)state;
    view = test_wear_view("busy");
    strcpy(view->program[0].name, "a\xc2\x9b"
                                  "31mb");
    strcpy(view->disk[0].made, "\x1b[2J");
    strcpy(view->missing, "\xc2\x85x");
    print_as(lb_wear_print_text, view, 0);
    has_not("\xc2\x9b");
    has_not("\xc2\x85");
    has_not("\x1b");
    has("a\xef\xbf\xbd"
        "31mb");
}

static void names_that_are_only_odd_are_shown(void **state)
{
    (void)state;
    view = test_wear_view("busy");
    strcpy(view->program[0].name, "<b>&\"caf\xc3\xa9\"");
    print_as(lb_wear_print_text, view, 0);
    has("<b>&\"caf\xc3\xa9\" (");
}

static void a_person_is_told_what_there_is_not(void **state)
{
    (void)state;
    text_of("none");
    assert_string_equal(printed, "Nothing was looked at yet.\n");
    text_of("nodisk");
    has("No disk is watched (see devices in [wear]).\n");
    text_of("fresh");
    has("not yet known how much a day");
    has("life left: not known yet, of ");
    has("(estimated: set [wear] endurance)");
    text_of("full");
    has("7 more disks are not watched");
    has("more programs\n");
}

static void a_person_is_told_of_health_and_of_disks_that_were_taken_out(void **state)
{
    (void)state;
    text_of("worn");
    has("its health register: 90 to 100 % of its life is used, 80 % of the spare blocks\n");
    has_not("estimated");
    view->disk[0].is_present = false;
    view->disk[0].is_flash = false;
    view->figures[0].life_left_s = 0;
    print_as(lb_wear_print_text, view, 0);
    has(", not known to be flash (eMMC), taken out\n");
    has("life left: none at this rate");
}

/* ---- order ---- */

static void programs_are_ordered_by_what_they_wrote_to_a_disk(void **state)
{
    struct lb_wear_view *of = calloc(1, sizeof *of);
    uint32_t order[LB_WEAR_PROGRAMS];

    (void)state;
    assert_non_null(of);
    of->programs = 4;
    of->program[0].bytes[1] = 5;
    of->program[1].bytes[0] = 9; /* another disk's */
    of->program[2].bytes[1] = 7;
    of->program[3].bytes[1] = 5;
    assert_int_equal(lb_wear_order(of, 1, order), 3);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 0); /* of two that are equal the first */
    assert_int_equal(order[2], 3);
    free(of);
}

#define CLAIM(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(each_view_is_one_object_of_json),
        CLAIM(the_shares_of_each_disk_add_up_to_what_was_watched),
        CLAIM(what_is_known_is_told_as_it_is),
        CLAIM(what_is_not_known_is_null_and_not_nought),
        CLAIM(before_the_first_look_nothing_is_known),
        CLAIM(a_clock_that_is_behind_the_look_makes_no_large_numbers),
        CLAIM(a_look_that_hangs_is_told),
        CLAIM(a_disk_that_is_of_no_list_has_no_name),
        CLAIM(each_view_is_text_without_a_byte_that_a_terminal_obeys),
        CLAIM(controls_of_two_bytes_are_replaced_too),
        CLAIM(names_that_are_only_odd_are_shown),
        CLAIM(a_person_is_told_what_there_is_not),
        CLAIM(a_person_is_told_of_health_and_of_disks_that_were_taken_out),
        CLAIM(programs_are_ordered_by_what_they_wrote_to_a_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
