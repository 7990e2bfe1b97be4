/* SPDX-License-Identifier: MIT */
/*
 * Lines of an INI file: the rules of design.md 4, judged by our own cases, by
 * files that others wrote (../shared/data/ini), and by random text, which must
 * read back exactly or be refused, and never crash.
 *
 * Where those files go by inih's habits, our rules win: `:` does not separate,
 * ` ;` is part of the value, a line that starts with a blank is a fault, and a
 * section's name is not cut at 49 bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/ini_read.h"

#define DATA_DIR      "../shared/data/ini"
#define INIH_NAME_MAX 49

/* What was read, as text: "[section]\n", "section/key=value\n", "!LINE\n" for a fault. */
struct heard {
    char text[1 << 20];
    size_t len;
    int first_fault;
    int stop_at; /* line at which the handler asks to stop; 0: never */
};

static struct heard heard;

static void hear(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void hear(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    heard.len += (size_t)vsnprintf(heard.text + heard.len, sizeof heard.text - heard.len, format, args);
    va_end(args);
    assert_true(heard.len < sizeof heard.text);
}

static int hear_line(void *arg, const struct lb_ini_line *line)
{
    (void)arg;
    if (line->key)
        hear("%s/%s=%s%s\n", line->section, line->key, line->value, line->is_in_doubt ? " (in doubt)" : "");
    else
        hear("[%s]\n", line->section);
    return line->line == heard.stop_at ? 42 : 0;
}

static void hear_fault(void *arg, int line, const char *text)
{
    (void)arg;
    assert_true(strlen(text) > 0);
    if (heard.first_fault == 0)
        heard.first_fault = line;
    hear("!%d\n", line);
}

/* Read len bytes from a block that ends where they end, so that a sanitizer sees a read past them. */
static int read_bytes(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);
    int rc;

    assert_non_null(copy);
    memcpy(copy, text, len);
    heard.len = 0;
    heard.text[0] = '\0';
    heard.first_fault = 0;
    rc = lb_ini_read(copy, len, hear_line, hear_fault, NULL);
    free(copy);
    return rc;
}

static const char *reading_of(const char *text)
{
    heard.stop_at = 0;
    assert_int_equal(read_bytes(text, strlen(text)), 0);
    return heard.text;
}

static void keys_and_sections_are_told_in_order(void **state)
{
    (void)state;
    assert_string_equal(reading_of("a = 1\n[agent]\n b\n[log]\nlevel=info\n[empty]\n"),
                        "/a=1\n[agent]\n!3\n[log]\nlog/level=info\n[empty]\n");
}

static void only_the_first_equals_sign_separates(void **state)
{
    (void)state;
    assert_string_equal(reading_of("[s]\nurl = http://h:1/?a=b;c ; d # e\nfoo: bar = 1\nx =\ny=: z\n"),
                        "[s]\ns/url=http://h:1/?a=b;c ; d # e\ns/foo: bar=1\ns/x=\ns/y=: z\n");
}

static void a_comment_has_a_line_of_its_own(void **state)
{
    (void)state;
    assert_string_equal(reading_of("# one\n; two = 2\n[s]\na = 1 ; not a comment\n#b = 2\n"),
                        "[s]\ns/a=1 ; not a comment\n");
}

static void a_line_that_starts_with_a_blank_is_a_fault_and_a_line_of_blanks_is_not(void **state)
{
    (void)state;
    assert_string_equal(reading_of("[s]\na = 1\n  2\n\t# x\n \t \n\r\n\nb = 3\n"),
                        "[s]\ns/a=1\n!3\n!4\ns/b=3\n");
}

static void a_bad_section_line_leaves_its_keys_in_doubt(void **state)
{
    (void)state;
    assert_string_equal(reading_of("[a]\n[b\nk = 1\n[c] x\n[]\nk = 2\n[d]\nk = 3"),
                        "[a]\n!2\na/k=1 (in doubt)\n!4\n!5\na/k=2 (in doubt)\n[d]\nd/k=3\n");
}

static void what_is_no_line_of_an_ini_is_a_fault(void **state)
{
    static const char nul[] = "[s]\na = x\0y\n# \0\nb = 1\n";

    (void)state;
    assert_string_equal(reading_of("[s]\nname\n= x\n   = y\n=\n"), "[s]\n!2\n!3\n!4\n!5\n");
    assert_int_equal(read_bytes(nul, sizeof nul - 1), 0);
    assert_string_equal(heard.text, "[s]\n!2\n!3\ns/b=1\n");
}

static void a_byte_order_mark_and_carriage_returns_are_passed_over(void **state)
{
    (void)state;
    assert_string_equal(reading_of("\xef\xbb\xbf[s]\r\na = 1\r\nb = 2\r"), "[s]\ns/a=1\ns/b=2\n");
    assert_string_equal(reading_of("\xef\xbb\xbf"), "");
    assert_string_equal(reading_of(""), "");
}

static void blanks_at_both_ends_are_cut_however_many(void **state)
{
    char text[3000];

    (void)state;
    memset(text, ' ', sizeof text);
    memcpy(text, "key", 3);
    text[600] = '=';
    memcpy(text + 1500, "a  b", 4);
    text[sizeof text - 1] = '\0';
    assert_string_equal(reading_of(text), "/key=a  b\n");
    assert_string_equal(reading_of("[  a b\t]  \n"), "[a b]\n");
}

/* "[SSS]\nKKK=VVV" with names and a value of these lengths. */
static const char *text_of(size_t section_len, size_t key_len, size_t value_len)
{
    static char text[8192];
    char *at = text;

    *at++ = '[';
    at = (char *)memset(at, 's', section_len) + section_len;
    *at++ = ']', *at++ = '\n';
    at = (char *)memset(at, 'k', key_len) + key_len;
    *at++ = '=';
    at = (char *)memset(at, 'v', value_len) + value_len;
    *at = '\0';
    return text;
}

static void names_and_values_are_whole_up_to_their_bounds_and_faults_beyond(void **state)
{
    (void)state;
    reading_of(text_of(LB_INI_SECTION_MAX, LB_INI_KEY_MAX, LB_VALUE_MAX));
    assert_int_equal(heard.first_fault, 0);
    assert_int_equal(heard.len, 3 + 2 * LB_INI_SECTION_MAX + 1 + LB_INI_KEY_MAX + 1 + LB_VALUE_MAX + 1);
    reading_of(text_of(LB_INI_SECTION_MAX + 1, 1, 1));
    assert_int_equal(heard.first_fault, 1);
    reading_of(text_of(1, LB_INI_KEY_MAX + 1, 1));
    assert_int_equal(heard.first_fault, 2);
    reading_of(text_of(1, 1, LB_VALUE_MAX + 1));
    assert_int_equal(heard.first_fault, 2);
}

static void every_piece_length_reads_back(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 300; len++) {
        char want[1024];

        snprintf(want, sizeof want, "[s]\ns/k=%.*s\n", (int)len, strrchr(text_of(1, 1, len), '=') + 1);
        assert_string_equal(reading_of(text_of(1, 1, len)), want);
    }
}

static void the_handler_can_stop_the_reading(void **state)
{
    static const char text[] = "[a]\nx = 1\nbroken\ny = 2\nalso broken\n";

    (void)state;
    heard.stop_at = 2;
    assert_int_equal(read_bytes(text, strlen(text)), 42);
    assert_string_equal(heard.text, "[a]\na/x=1\n");
    heard.stop_at = 1;
    assert_int_equal(read_bytes(text, strlen(text)), 42);
    assert_string_equal(heard.text, "[a]\n");
    heard.stop_at = 0;
}

/* ---- the files of others ---- */

/* Copy the JSON string that starts at *at (a quote) and move *at past it. Only \uXXXX and plain escapes. */
static void take_json_string(const char **at, char *out, size_t size)
{
    const char *c = *at + 1;
    size_t len = 0;

    for (; *c != '"'; c++) {
        unsigned int code = (unsigned char)*c;

        assert_true(*c != '\0' && len + 4 < size);
        if (*c != '\\') {
            out[len++] = *c;
            continue;
        }
        c++;
        if (*c != 'u') {
            out[len++] = *c;
            continue;
        }
        assert_int_equal(sscanf(c + 1, "%4x", &code), 1);
        c += 4;
        if (code >= 0x800)
            out[len++] = (char)(0xe0 | code >> 12);
        if (code >= 0x80)
            out[len++] =
                (char)((code >= 0x800 ? 0x80 : 0xc0) | ((code >> 6) & (code >= 0x800 ? 0x3f : 0x1f)));
        out[len++] = (char)(code >= 0x80 ? 0x80 | (code & 0x3f) : code);
    }
    out[len] = '\0';
    *at = c + 1;
}

/* The pairs of one case, in the form of hear_line(), sections cut as inih cuts them. */
static void print_pairs(const char *json, char *out, size_t size)
{
    const char *at = strstr(json, "\"pairs\": [");
    size_t len = 0;

    out[0] = '\0';
    if (!at)
        return;
    at += strlen("\"pairs\": [");
    while (*at == '[' || *at == ',' || *at == ' ') {
        char part[3][512];

        if (*at++ != '[')
            continue;
        for (int i = 0; i < 3; i++) {
            at += strspn(at, ", ");
            take_json_string(&at, part[i], sizeof part[i]);
        }
        at++; /* ] */
        len += (size_t)snprintf(out + len, size - len, "%s/%s=%s\n", part[0], part[1], part[2]);
        assert_true(len < size);
    }
}

static int hear_pair(void *arg, const struct lb_ini_line *line)
{
    (void)arg;
    if (line->key)
        hear("%.*s/%s=%s\n", INIH_NAME_MAX, line->section, line->key, line->value);
    return 0;
}

static void note_first_fault(void *arg, int line, const char *text)
{
    (void)arg, (void)text;
    if (heard.first_fault == 0)
        heard.first_fault = line;
}

static void judge_case(const char *json)
{
    static char bytes[65536], pairs[65536];
    char name[128], path[256];
    const char *at = strstr(json, "\"file\": ") + strlen("\"file\": ");
    const char *line = strstr(json, "\"error_line\": ") + strlen("\"error_line\": ");
    size_t len;
    FILE *file;

    take_json_string(&at, name, sizeof name);
    snprintf(path, sizeof path, DATA_DIR "/%s", name);
    file = fopen(path, "r");
    assert_non_null(file);
    len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    heard.len = 0;
    heard.text[0] = '\0';
    heard.first_fault = 0;
    assert_int_equal(lb_ini_read(bytes, len, hear_pair, note_first_fault, NULL), 0);

    print_message("%s\n", name);
    if (strcmp(name, "inih-normal.ini") ==
        0) { /* inline comments, leading blanks and `:`, by design refused */
        assert_int_equal(heard.first_fault, 2);
        return;
    }
    if (strcmp(name, "own-bad-number.ini") == 0) { /* its fault is one of values: test_config.c */
        assert_int_equal(heard.first_fault, 0);
        return;
    }
    if (strncmp(line, "null", 4) != 0)
        assert_int_equal(heard.first_fault, atoi(line));
    /* Line 4 of it has its ] within an inline comment: a section to us, a second fault to inih. */
    if (strstr(json, "\"pairs\"") && strcmp(name, "inih-bad_section.ini") != 0) {
        print_pairs(json, pairs, sizeof pairs);
        assert_string_equal(heard.text, pairs);
    }
}

static void the_files_of_others_read_as_they_say(void **state)
{
    FILE *cases = fopen(DATA_DIR "/cases.jsonl", "r");
    char *line = NULL;
    size_t size = 0;
    int count = 0;

    (void)state;
    if (!cases)
        fail_msg(DATA_DIR
                 "/cases.jsonl cannot be read: the test runs in the checkout, with shared/ beside it");
    while (getline(&line, &size, cases) > 0) {
        judge_case(line);
        count++;
    }
    assert_int_equal(count, 16);
    free(line);
    fclose(cases);
}

/* ---- random text ---- */

static uint64_t random_state;

static uint64_t random_below(uint64_t bound)
{
    random_state ^= random_state << 13; /* xorshift64 */
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % bound;
}

static void seed_random(void)
{
    const char *text = getenv("LB_TEST_SEED");

    random_state = text ? strtoull(text, NULL, 0) : 20240229;
    print_message("LB_TEST_SEED=%llu\n", (unsigned long long)random_state);
    random_state = random_state ? random_state : 1;
}

/* A random text of exactly len bytes that neither starts nor ends with a blank and has no byte of `without`.
 */
static void random_text(char *out, size_t len, const char *without)
{
    static const char favourites[] = ";#:=[]\"' \t\\%$@\r\v\xff\xc3\xa9";

    for (size_t i = 0; i < len; i++) {
        bool is_end = i == 0 || i + 1 == len;

        do
            out[i] = random_below(2) ? favourites[random_below(sizeof favourites - 1)]
                                     : (char)(1 + random_below(255));
        while (out[i] == '\n' || strchr(without, out[i]) || (is_end && strchr(" \t\r\v\f", out[i])));
    }
    out[len] = '\0';
}

static void random_pairs_read_back_exactly(void **state)
{
    static char text[1 << 20], want[1 << 20];
    static const char *const ends[] = { "\n", "\r\n", "  \t\n", "\n\n# note = 1\n" };

    (void)state;
    seed_random();
    for (int round = 0; round < 200; round++) {
        size_t len = 0, want_len = 0;
        char section[LB_INI_SECTION_MAX + 1] = "";

        for (int i = 0; i < 40; i++) {
            char key[LB_INI_KEY_MAX + 1], value[LB_VALUE_MAX + 1];
            size_t most = random_below(4) ? 300 : LB_VALUE_MAX;

            if (random_below(5) == 0) {
                random_text(section, 1 + random_below(LB_INI_SECTION_MAX), "]");
                len += (size_t)snprintf(text + len, sizeof text - len, "[%s]\n", section);
                want_len += (size_t)snprintf(want + want_len, sizeof want - want_len, "[%s]\n", section);
            }
            do
                random_text(key, 1 + random_below(LB_INI_KEY_MAX), "=");
            while (strchr("[#;\xef", key[0]));
            random_text(value, random_below(most + 1), "");
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s=%s%s%s", key,
                                    random_below(2) ? "" : " ", random_below(2) ? "" : "\t ", value,
                                    ends[random_below(4)]);
            want_len +=
                (size_t)snprintf(want + want_len, sizeof want - want_len, "%s/%s=%s\n", section, key, value);
        }
        assert_true(len < sizeof text && want_len < sizeof want);
        assert_string_equal(reading_of(text), want);
    }
}

static void random_bytes_never_crash(void **state)
{
    static const char favourites[] = "[]=\n\n\n;# \t\r\0ab";
    static char text[4096];

    (void)state;
    seed_random();
    for (int round = 0; round < 5000; round++) {
        size_t len = random_below(sizeof text);

        if (round % 2)
            len %= 100;
        for (size_t i = 0; i < len; i++)
            text[i] =
                random_below(3) ? favourites[random_below(sizeof favourites - 1)] : (char)random_below(256);
        assert_int_equal(read_bytes(text, len), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_sections_are_told_in_order),
        cmocka_unit_test(only_the_first_equals_sign_separates),
        cmocka_unit_test(a_comment_has_a_line_of_its_own),
        cmocka_unit_test(a_line_that_starts_with_a_blank_is_a_fault_and_a_line_of_blanks_is_not),
        cmocka_unit_test(a_bad_section_line_leaves_its_keys_in_doubt),
        cmocka_unit_test(what_is_no_line_of_an_ini_is_a_fault),
        cmocka_unit_test(a_byte_order_mark_and_carriage_returns_are_passed_over),
        cmocka_unit_test(blanks_at_both_ends_are_cut_however_many),
        cmocka_unit_test(names_and_values_are_whole_up_to_their_bounds_and_faults_beyond),
        cmocka_unit_test(every_piece_length_reads_back),
        cmocka_unit_test(the_handler_can_stop_the_reading),
        cmocka_unit_test(the_files_of_others_read_as_they_say),
        cmocka_unit_test(random_pairs_read_back_exactly),
        cmocka_unit_test(random_bytes_never_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
