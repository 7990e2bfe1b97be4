/* SPDX-License-Identifier: MIT */
/* What crosses intake.sock: packets that are believed and packets that are not, legal names, legal tags. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/proto.h"

static void a_packet_is_what_its_head_says_or_refused(void **state)
{
    struct lb_proto_taken packet = { .taken_bytes = 1 }, other;

    (void)state;
    lb_proto_head_init(&packet.head, LB_PROTO_TAKEN, sizeof packet);
    assert_int_equal(lb_proto_check(&packet, sizeof packet), LB_PROTO_TAKEN);
    for (size_t len = 0; len < sizeof packet; len++)
        assert_int_equal(lb_proto_check(&packet, len), -EBADMSG);
    other = packet;
    other.head.magic ^= 1;
    assert_int_equal(lb_proto_check(&other, sizeof other), -EBADMSG);
    other = packet;
    other.head.version++;
    assert_int_equal(lb_proto_check(&other, sizeof other), -EPROTONOSUPPORT);
    other = packet;
    other.head.length++;
    assert_int_equal(lb_proto_check(&other, sizeof other), -EBADMSG);
}

static void only_the_types_of_the_protocol_pass(void **state)
{
    struct lb_proto_head head;

    (void)state;
    for (unsigned type = 0; type <= UINT16_MAX; type++) {
        int is_known = type >= LB_PROTO_HELLO && type <= LB_PROTO_EXIT;

        lb_proto_head_init(&head, LB_PROTO_BYE, sizeof head);
        head.type = (uint16_t)type;
        assert_int_equal(lb_proto_check(&head, sizeof head), is_known ? (int)type : -EBADMSG);
    }
}

static void the_layout_has_no_holes_and_stays_as_it_is(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct lb_proto_head), 16);
    assert_int_equal(sizeof(struct lb_proto_hello), 40);
    assert_int_equal(sizeof(struct lb_proto_taken), 24);
    assert_int_equal(sizeof(struct lb_proto_data), 48);
    assert_int_equal(sizeof(struct lb_proto_exit), 96);
    assert_int_equal(offsetof(struct lb_proto_exit, reserved), 90);
}

static void service_names_have_1_to_128_bytes_of_a_small_alphabet(void **state)
{
    char name[LB_PROTO_SERVICE_MAX + 1];

    (void)state;
    memset(name, 'x', sizeof name);
    assert_false(lb_service_name_is_legal(name, 0));
    assert_true(lb_service_name_is_legal(name, 1));
    assert_true(lb_service_name_is_legal(name, LB_PROTO_SERVICE_MAX));
    assert_false(lb_service_name_is_legal(name, LB_PROTO_SERVICE_MAX + 1));
    for (int byte = 0; byte < 256; byte++) {
        int is_legal =
            byte && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/@:-", byte);

        name[1] = (char)byte;
        assert_int_equal(lb_service_name_is_legal(name, 3), is_legal);
    }
}

static void tags_are_keys_with_colons_parted_by_commas(void **state)
{
    static const struct {
        const char *text;
        int is_legal;
    } cases[] = {
        { "", 1 },      { "k:v", 1 },    { "k:", 1 },         { "k:v,l:w", 1 }, { "k:a:b", 1 },
        { "k", 0 },     { ":v", 0 },     { "k:v,", 0 },       { ",k:v", 0 },    { "k:v,,l:w", 0 },
        { "k:a b", 0 }, { "k:\"", 0 },   { "k:\\n", 0 },      { "k:a\tb", 0 },  { "k:\x7f", 0 },
        { "k:v,l", 0 }, { "k:v,:w", 0 }, { "k:\xc3\xa4", 1 },
    };
    char longest[LB_PROTO_TAGS_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(lb_tags_are_legal(cases[i].text, strlen(cases[i].text)), cases[i].is_legal);
    memset(longest, 'v', sizeof longest);
    longest[1] = ':';
    assert_true(lb_tags_are_legal(longest, LB_PROTO_TAGS_MAX));
    assert_false(lb_tags_are_legal(longest, LB_PROTO_TAGS_MAX + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_is_what_its_head_says_or_refused),
        cmocka_unit_test(only_the_types_of_the_protocol_pass),
        cmocka_unit_test(the_layout_has_no_holes_and_stays_as_it_is),
        cmocka_unit_test(service_names_have_1_to_128_bytes_of_a_small_alphabet),
        cmocka_unit_test(tags_are_keys_with_colons_parted_by_commas),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
