/* SPDX-License-Identifier: MIT */
/*
 * The file of a file sink.
 *
 * The story: bodies come, plain or packed; the file grows, is put aside, and again; an agent is killed in a
 * write; the file would lie on a card.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

#include "agent/ship/dropfile.h"
#include "tests/unit/lib_board.h"

static struct lb_dropfile file;
static char why[200];

static int begin(void **state)
{
    if (board_begin(state) != 0)
        return -1;
    file = (struct lb_dropfile) { .rotate_bytes = LB_OFF, .keep = 2, .root = "" };
    snprintf(file.path, sizeof file.path, "%s/lines", board_root);
    return 0;
}

static int append(const char *body)
{
    return lb_dropfile_append(&file, body, strlen(body), why, sizeof why);
}

/* What is in PATH or PATH.n; NULL: there is none. */
static const char *content(unsigned n)
{
    static char text[4][256];
    char name[128];
    FILE *from;

    snprintf(name, sizeof name, n > 0 ? "%s/lines.%u" : "%s/lines", board_root, n);
    from = fopen(name, "re");
    if (!from)
        return NULL;
    text[n][fread(text[n], 1, sizeof text[n] - 1, from)] = '\0';
    fclose(from);
    return text[n];
}

static void bodies_come_one_behind_the_other(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(append("a\n"), 0);
    assert_int_equal(append("b\nc\n"), 0);
    assert_string_equal(content(0), "a\nb\nc\n");
    assert_string_equal(why, "");
    assert_int_equal(stat(file.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_full_file_is_put_aside_and_the_oldest_goes(void **state)
{
    (void)state;
    file.rotate_bytes = 8;
    assert_int_equal(append("1111\n"), 0);
    assert_int_equal(append("22\n"), 0);
    assert_string_equal(content(0), "1111\n22\n");
    assert_int_equal(append("3\n"), 0);
    assert_string_equal(content(0), "3\n");
    assert_string_equal(content(1), "1111\n22\n");
    assert_int_equal(append("4444444\n"), 0);
    assert_int_equal(append("5\n"), 0);
    assert_string_equal(content(0), "5\n");
    assert_string_equal(content(1), "4444444\n");
    assert_string_equal(content(2), "3\n");
    assert_null(content(3));
}

static void a_body_that_is_longer_than_a_file_has_one_of_its_own(void **state)
{
    (void)state;
    file.rotate_bytes = 4;
    assert_int_equal(append("123456789\n"), 0);
    assert_string_equal(content(0), "123456789\n");
    assert_null(content(1));
    assert_int_equal(append("1\n"), 0);
    assert_string_equal(content(1), "123456789\n");
}

static void where_none_is_kept_the_full_one_is_removed(void **state)
{
    (void)state;
    file.rotate_bytes = 4;
    file.keep = 0;
    assert_int_equal(append("111\n"), 0);
    assert_int_equal(append("222\n"), 0);
    assert_string_equal(content(0), "222\n");
    assert_null(content(1));
}

static void a_file_that_cannot_be_put_aside_stays_and_is_said(void **state)
{
    (void)state;
    file.rotate_bytes = 4;
    board_put("/lines.2/in", "the way");
    assert_int_equal(append("111\n"), 0);
    board_put("/lines.1", "old");
    assert_int_equal(append("222\n"), EISDIR);
    assert_non_null(strstr(why, "aside"));
    assert_string_equal(content(0), "111\n");
}

/* A frame of its own for a text. */
static size_t pack(const char *text, char *to, size_t size)
{
    size_t len = ZSTD_compress(to, size, text, strlen(text), 1);

    assert_false(ZSTD_isError(len));
    return len;
}

static void of_a_packed_file_a_frame_that_is_not_whole_is_cut_off(void **state)
{
    char first[128], second[128], both[256];
    size_t first_len = pack("{\"a\":1}\n", first, sizeof first);
    size_t second_len = pack("{\"b\":2}\n{\"c\":3}\n", second, sizeof second);

    (void)state;
    for (size_t left = 0; left <= second_len; left++) {
        struct stat st;

        memcpy(both, first, first_len);
        memcpy(both + first_len, second, left);
        board_put_bytes("/lines", both, first_len + left);
        file.is_known = false;
        assert_int_equal(lb_dropfile_append(&file, first, first_len, why, sizeof why), 0);
        assert_int_equal(stat(file.path, &st), 0);
        assert_int_equal(st.st_size, 2 * first_len + (left == second_len ? second_len : 0));
    }
}

static bool is_worn(const char *disk)
{
    struct lb_ground_view view = { .ground = LB_GROUND_FLASH };

    snprintf(view.disk, sizeof view.disk, "%s", disk);
    return lb_dropfile_is_worn(board_root, &view);
}

static void cards_and_what_hangs_on_usb_are_worn_by_lines(void **state)
{
    const struct lb_ground_view ram = { .ground = LB_GROUND_RAM }, other = { .disk = "vda" };

    (void)state;
    board_make(&pi4_usb_ssds);
    assert_true(is_worn("mmcblk0"));
    assert_true(is_worn("mtdblock0"));
    assert_true(is_worn("sda"));
    assert_false(is_worn("nvme0n1"));
    assert_false(is_worn("sdz"));
    assert_false(lb_dropfile_is_worn(board_root, &ram));
    assert_false(lb_dropfile_is_worn(board_root, &other));
}

static void a_sata_disk_is_not(void **state)
{
    (void)state;
    board_make(&pc_sata_nvme);
    assert_false(is_worn("sda"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, board_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bodies_come_one_behind_the_other),
        TEST(a_full_file_is_put_aside_and_the_oldest_goes),
        TEST(a_body_that_is_longer_than_a_file_has_one_of_its_own),
        TEST(where_none_is_kept_the_full_one_is_removed),
        TEST(a_file_that_cannot_be_put_aside_stays_and_is_said),
        TEST(of_a_packed_file_a_frame_that_is_not_whole_is_cut_off),
        TEST(cards_and_what_hangs_on_usb_are_worn_by_lines),
        TEST(a_sata_disk_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
