/* SPDX-License-Identifier: MIT */
/*
 * Protocol buffers: bytes as the specification's own examples have them, and what is read of bytes that may
 * be anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ship/protobuf.h"
#include "common/utf8.h"

static char room[256];

#define WRITTEN(end, literal)                                    \
    do {                                                         \
        assert_int_equal((end)-room, sizeof(literal) - 1);       \
        assert_memory_equal(room, literal, sizeof(literal) - 1); \
    } while (0)

static void fields_are_written_as_the_specification_s_examples(void **state)
{
    (void)state;
    WRITTEN(lb_protobuf_number(room, 1, 150), "\x08\x96\x01");
    WRITTEN(lb_protobuf_text(room, 2, "testing", 7), "\x12\x07testing");
    WRITTEN(lb_protobuf_bytes(room, 16, "\0\xff", 2), "\x82\x01\x02\0\xff");
    WRITTEN(lb_protobuf_fixed64(room, 11, 0x0102030405060708ull), "\x59\x08\x07\x06\x05\x04\x03\x02\x01");
    WRITTEN(lb_protobuf_number(room, 3, UINT64_MAX), "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    WRITTEN(lb_protobuf_text(room, 1, "", 0), "\x0a\0");
}

static void a_varint_is_as_long_as_it_says(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++)
        for (int less = 0; less < 2; less++) {
            uint64_t number = (1ull << bit) - (uint64_t)less;

            assert_int_equal(lb_protobuf_varint(room, number) - room, lb_protobuf_varint_len(number));
        }
}

static void a_string_is_clean_and_as_long_as_its_head_says(void **state)
{
    static const char *const texts[] = { "plain",
                                         "\xff",
                                         "a\xc3",
                                         "\xe2\x82\xac",
                                         "\xed\xa0\x80",
                                         "\xf0\x9f\x98\x80!",
                                         "\xf4\x90\x80\x80",
                                         "sixteen bytes ok\xc0\xaf",
                                         "\xe0\x80\x80" };
    static const char *const clean[] = { "plain",
                                         "\xef\xbf\xbd",
                                         "a\xef\xbf\xbd",
                                         "\xe2\x82\xac",
                                         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
                                         "\xf0\x9f\x98\x80!",
                                         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
                                         "sixteen bytes ok\xef\xbf\xbd\xef\xbf\xbd",
                                         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t len = strlen(clean[i]);
        char *end = lb_protobuf_text(room, 1, texts[i], strlen(texts[i]));

        assert_int_equal(lb_utf8_clean_len(texts[i], strlen(texts[i])), len);
        assert_int_equal(end - room, 2 + len);
        assert_int_equal((unsigned char)room[1], len);
        assert_memory_equal(room + 2, clean[i], len);
        assert_int_equal(lb_utf8_clean_len(clean[i], len), len);
    }
}

static void a_message_is_closed_when_its_end_is_known_and_again_when_it_moves(void **state)
{
    char *mark, *end = lb_protobuf_open(room, 1, &mark);

    (void)state;
    end = lb_protobuf_number(end, 1, 1);
    lb_protobuf_close(mark, end);
    WRITTEN(end, "\x0a\x82\x80\x80\x00\x08\x01");
    assert_int_equal(lb_protobuf_closed_len(mark), 2);
    end = lb_protobuf_text(end, 2, "more", 4);
    lb_protobuf_close(mark, end);
    WRITTEN(end, "\x0a\x88\x80\x80\x00\x08\x01\x12\x04more");
    lb_protobuf_close(mark, mark + LB_PROTOBUF_LENGTH + 300);
    assert_memory_equal(mark, "\xac\x82\x80\x00", 4);
    assert_int_equal(lb_protobuf_closed_len(mark), 300);
}

/* ---- reading ---- */

static struct lb_protobuf_reader reader;
static struct lb_protobuf_field field;
static char *copy; /* of what is read, in a block of its own: a sanitizer sees a read beyond it */

static void read_from(const char *bytes, size_t len)
{
    free(copy);
    copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    reader = (struct lb_protobuf_reader) { copy, copy + len, false };
}

#define READ(literal) read_from(literal, sizeof(literal) - 1)

static int forget(void **state)
{
    (void)state;
    free(copy);
    copy = NULL;
    return 0;
}

static void fields_of_all_forms_are_read_one_after_the_other(void **state)
{
    (void)state;
    READ("\x08\x96\x01\x12\x03yes\x59\x08\x07\x06\x05\x04\x03\x02\x01\x45\x04\x03\x02\x01\x0a\x82\x80\x80\x00"
         "hi");
    assert_true(lb_protobuf_next(&reader, &field));
    assert_true(field.number == 1 && field.form == LB_PROTOBUF_VARINT && field.value == 150);
    assert_true(lb_protobuf_next(&reader, &field));
    assert_true(field.number == 2 && field.form == LB_PROTOBUF_BYTES && field.len == 3);
    assert_memory_equal(field.bytes, "yes", 3);
    assert_true(lb_protobuf_next(&reader, &field));
    assert_true(field.number == 11 && field.form == LB_PROTOBUF_FIXED64 &&
                field.value == 0x0102030405060708ull);
    assert_true(lb_protobuf_next(&reader, &field));
    assert_true(field.number == 8 && field.form == LB_PROTOBUF_FIXED32 && field.value == 0x01020304);
    assert_true(lb_protobuf_next(&reader, &field)); /* a padded length */
    assert_true(field.len == 2 && memcmp(field.bytes, "hi", 2) == 0);
    assert_false(lb_protobuf_next(&reader, &field));
    assert_false(reader.is_broken);
}

static void what_is_no_field_is_broken(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
#define CASE(literal) { literal, sizeof(literal) - 1 }
        CASE("\x80"),                                             /* a tag that is cut */
        CASE("\x08"),                                             /* a number that is not there */
        CASE("\x08\xff\xff"),                                     /* one that is cut */
        CASE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),     /* 65 bits */
        CASE("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), /* 11 bytes */
        CASE("\x00\x01"),                                         /* number 0 */
        CASE("\xf8\xff\xff\xff\xff\x01\x01"),                     /* number above all that there are */
        CASE("\x0b"),
        CASE("\x0c"),
        CASE("\x0e\x01"),
        CASE("\x0f\x01"), /* groups, and forms that there are none of */
        CASE("\x09\x01\x02\x03\x04\x05\x06\x07"),
        CASE("\x0d\x01\x02\x03"), /* fixed, and cut */
        CASE("\x0a"),             /* a length that is not there */
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        read_from(cases[i].bytes, cases[i].len);
        assert_false(lb_protobuf_next(&reader, &field));
        assert_true(reader.is_broken);
        assert_false(lb_protobuf_next(&reader, &field));
    }
}

static void ten_bytes_are_the_longest_varint(void **state)
{
    (void)state;
    READ("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    assert_true(lb_protobuf_next(&reader, &field));
    assert_true(field.value == UINT64_MAX);
}

static void bytes_beyond_the_end_are_given_as_far_as_they_are_there(void **state)
{
    (void)state;
    READ("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01ye");
    assert_true(lb_protobuf_next(&reader, &field));
    assert_int_equal(field.len, 2);
    assert_false(lb_protobuf_next(&reader, &field));
    assert_true(reader.is_broken);
}

static void of_nothing_nothing_is_read(void **state)
{
    (void)state;
    READ("");
    assert_false(lb_protobuf_next(&reader, &field));
    assert_false(reader.is_broken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_written_as_the_specification_s_examples),
        cmocka_unit_test(a_varint_is_as_long_as_it_says),
        cmocka_unit_test(a_string_is_clean_and_as_long_as_its_head_says),
        cmocka_unit_test(a_message_is_closed_when_its_end_is_known_and_again_when_it_moves),
        cmocka_unit_test_teardown(fields_of_all_forms_are_read_one_after_the_other, forget),
        cmocka_unit_test_teardown(what_is_no_field_is_broken, forget),
        cmocka_unit_test_teardown(ten_bytes_are_the_longest_varint, forget),
        cmocka_unit_test_teardown(bytes_beyond_the_end_are_given_as_far_as_they_are_there, forget),
        cmocka_unit_test_teardown(of_nothing_nothing_is_read, forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
