/* SPDX-License-Identifier: MIT */
/*
 * The kernel's last words.
 *
 * The story: a kernel panics, and what it said last is in pstore after the reboot. It is told once, however
 * often the agent starts; its file goes when it was delivered, and not before; and what stands there that is
 * no record, or cannot be read or removed, does no harm.
 */
#include "agent/wear/last_words.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/lib_board.h"

#define PSTORE "/sys/fs/pstore/"
#define NOTE   "/run/last-words"
#define ONE    "dmesg-ramoops-0"
#define WORD   (words.word[0])

static struct lb_last_words words;
static int dir_fd;

static int pstore_is_empty(void **state)
{
    char path[128];

    if (board_begin(state) < 0)
        return -1;
    board_put(PSTORE "console-ramoops-0", "not ours\n");
    board_put("/run/x", "");
    snprintf(path, sizeof path, "%s/run", board_root);
    dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    memset(&words, 0, sizeof words);
    return dir_fd < 0 ? -1 : 0;
}

static int end(void **state)
{
    lb_last_words_free(&words);
    close(dir_fd);
    return board_end(state);
}

static int is_there(const char *path)
{
    char full[256];

    snprintf(full, sizeof full, "%s%s", board_root, path);
    return access(full, F_OK) == 0;
}

/* What a file holds, as text. */
static const char *text_of(const char *path)
{
    static char text[4096];
    char full[256];
    FILE *file;
    size_t len;

    snprintf(full, sizeof full, "%s%s", board_root, path);
    file = fopen(full, "re");
    assert_non_null(file);
    len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    return text;
}

/* An agent starts. */
static void start(size_t max_bytes)
{
    lb_last_words_free(&words);
    lb_last_words_look(&words, board_root, dir_fd, max_bytes);
}

static void settle(void)
{
    lb_last_words_settle(&words, board_root, dir_fd);
}

/* What its owner does when there is a record of it. */
static void queue(struct lb_last_word *word, uint64_t n)
{
    word->state = LB_LAST_WORD_QUEUED;
    word->ring_id = 0xfeedc0ffee;
    word->lane = 1;
    word->n = n;
    words.is_changed = true;
    settle();
}

static void says(const struct lb_last_word *word, const char *text)
{
    assert_int_equal(word->state, LB_LAST_WORD_READ);
    assert_int_equal(word->len, strlen(text));
    assert_memory_equal(word->text, text, word->len);
}

/* ---- texts ---- */

static void each_record_is_a_text_without_the_newlines_behind_it(void **state)
{
    (void)state;
    board_put(PSTORE ONE, "Panic#1 Part1\n<0>[ 12.5] Kernel panic\n\n\n");
    board_put(PSTORE "dmesg-efi-169", "Oops#1\n");
    start(1000);
    assert_int_equal(words.count, 2);
    assert_int_equal(words.error, 0);
    assert_true(words.was_looked_at);
    assert_string_equal(words.word[0].name, "dmesg-efi-169");
    says(&words.word[0], "Oops#1");
    assert_string_equal(words.word[1].name, ONE);
    says(&words.word[1], "Panic#1 Part1\n<0>[ 12.5] Kernel panic");
}

static void a_long_text_is_cut_to_its_end_at_the_start_of_a_line(void **state)
{
    static const struct {
        size_t max_bytes;
        const char *text;
    } cases[] = {
        { 14, "one\ntwo\nthree!" },
        { 13, "two\nthree!" },
        { 10, "two\nthree!" },
        { 9, "three!" },
        { 6, "three!" },
        { 5, "hree!" },
    };

    (void)state;
    board_put(PSTORE ONE, "one\ntwo\nthree!\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        start(cases[i].max_bytes);
        assert_int_equal(words.count, 1);
        says(&WORD, cases[i].text);
    }
    start(0);
    assert_int_equal(words.count, 0);
}

static void a_text_longer_than_any_record_ends(void **state)
{
    char *bytes = malloc(300000);

    (void)state;
    assert_non_null(bytes);
    memset(bytes, 'x', 300000);
    board_put_bytes(PSTORE ONE, bytes, 300000);
    free(bytes);
    start(LB_LAST_WORDS_BYTES);
    assert_int_equal(WORD.len, LB_LAST_WORDS_BYTES);
}

static void a_text_may_be_any_bytes(void **state)
{
    (void)state;
    board_put_bytes(PSTORE ONE, "\0\xff\x1b[31m\nx\0y\0\0\n\0", 15);
    start(1000);
    assert_int_equal(WORD.len, 11);
    assert_memory_equal(WORD.text, "\0\xff\x1b[31m\nx\0y", 11);
}

/* ---- what is no text ---- */

static void what_has_nothing_in_it_or_cannot_be_read_is_left(void **state)
{
    char path[128];

    (void)state;
    board_put(PSTORE "dmesg-1", "");
    board_put(PSTORE "dmesg-2", "\n\n\n");
    board_put(PSTORE "dmesg-3/x", "a directory");
    snprintf(path, sizeof path, "%s" PSTORE "dmesg-4", board_root);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    snprintf(path, sizeof path, "%s" PSTORE "dmesg-5", board_root);
    assert_int_equal(mkfifo(path, 0600), 0);
    board_put(PSTORE "dmesg-6", "this one is read\n");
    start(1000);
    assert_int_equal(words.count, 1);
    says(&WORD, "this one is read");
    settle();
    assert_true(is_there(PSTORE "dmesg-1"));
    assert_true(is_there(PSTORE "dmesg-3/x"));
}

static void names_that_pstore_does_not_give_are_left(void **state)
{
    char name[128] = PSTORE "dmesg-";

    (void)state;
    memset(name + strlen(name), 'x', LB_LAST_WORDS_NAME - 6);
    board_put(name, "too long");
    board_put(PSTORE "dmesg-a b", "x");
    board_put(PSTORE "dmesg-a\tb", "x");
    board_put(PSTORE "dmesg-a\nb", "x");
    board_put(PSTORE "dmesg", "x");
    board_put(PSTORE "pmsg-ramoops-0", "x");
    start(1000);
    assert_int_equal(words.count, 0);
}

static void more_than_there_is_room_for_wait_for_the_next_start(void **state)
{
    char name[64];

    (void)state;
    for (unsigned i = 0; i < LB_LAST_WORDS_MAX + 3; i++) {
        snprintf(name, sizeof name, PSTORE "dmesg-%02u", i);
        board_put(name, name);
    }
    start(1000);
    assert_int_equal(words.count, LB_LAST_WORDS_MAX);
    for (unsigned i = 0; i < words.count; i++) {
        queue(&words.word[i], i + 1);
        words.word[i].state = LB_LAST_WORD_FINAL;
    }
    settle();
    start(1000);
    assert_int_equal(words.count, 3);
    says(&words.word[2], PSTORE "dmesg-10");
}

static void without_pstore_there_is_nothing_to_tell(void **state)
{
    (void)state;
    board_remove("/sys");
    start(1000);
    assert_int_equal(words.error, -ENOENT);
    assert_int_equal(words.count, 0);
    settle();
    assert_false(is_there(NOTE));
}

static void a_directory_that_may_not_be_read_is_an_error_and_the_note_is_known(void **state)
{
    bool is_root = geteuid() == 0;
    char path[128];

    (void)state;
    board_put(NOTE, ONE " feedc0ffee 1 7\n");
    snprintf(path, sizeof path, "%s" PSTORE, board_root);
    assert_int_equal(chmod(path, 0), 0);
    snprintf(path, sizeof path, "%s", board_root);
    assert_int_equal(chmod(path, 0755), 0);
    snprintf(path, sizeof path, "%s" NOTE, board_root);
    assert_int_equal(chmod(path, 0644), 0);
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    start(1000);
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    snprintf(path, sizeof path, "%s" PSTORE, board_root);
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(words.error, -EACCES);
    assert_int_equal(words.count, 1);
    assert_int_equal(WORD.state, LB_LAST_WORD_QUEUED);
}

static void a_path_that_is_too_long_is_an_error(void **state)
{
    char root[5000];

    (void)state;
    memset(root, '/', sizeof root - 1);
    root[sizeof root - 1] = '\0';
    lb_last_words_look(&words, root, dir_fd, 1000);
    assert_int_equal(words.error, -ENAMETOOLONG);
}

/* ---- once ---- */

static void an_agent_that_starts_anew_reads_nothing_twice(void **state)
{
    (void)state;
    board_put(PSTORE ONE, "panic\n");
    start(1000);
    queue(&WORD, 77);
    assert_string_equal(text_of(NOTE), ONE " feedc0ffee 1 77\n");
    start(1000);
    assert_int_equal(words.count, 1);
    assert_int_equal(WORD.state, LB_LAST_WORD_QUEUED);
    assert_null(WORD.text);
    assert_string_equal(WORD.name, ONE);
    assert_int_equal(WORD.ring_id, 0xfeedc0ffee);
    assert_int_equal(WORD.lane, 1);
    assert_int_equal(WORD.n, 77);
    assert_true(is_there(PSTORE ONE));
}

static void one_that_was_not_queued_is_read_again(void **state)
{
    (void)state;
    board_put(PSTORE ONE, "panic\n");
    start(1000);
    settle();
    assert_false(is_there(NOTE));
    start(1000);
    says(&WORD, "panic");
}

static void a_file_goes_when_its_record_is_final_and_the_note_with_the_last(void **state)
{
    (void)state;
    board_put(PSTORE "dmesg-1", "one");
    board_put(PSTORE "dmesg-2", "two");
    start(1000);
    queue(&words.word[0], 1);
    queue(&words.word[1], 2);
    words.word[0].state = LB_LAST_WORD_FINAL;
    settle();
    assert_int_equal(words.word[0].state, LB_LAST_WORD_GONE);
    assert_false(is_there(PSTORE "dmesg-1"));
    assert_true(is_there(PSTORE "dmesg-2"));
    assert_string_equal(text_of(NOTE), "dmesg-2 feedc0ffee 1 2\n");
    words.word[1].state = LB_LAST_WORD_FINAL;
    settle();
    assert_false(is_there(PSTORE "dmesg-2"));
    assert_false(is_there(NOTE));
    assert_false(is_there(NOTE ".new"));
    assert_true(is_there(PSTORE "console-ramoops-0"));
    start(1000);
    assert_int_equal(words.count, 0);
}

static void a_file_that_another_removed_is_gone(void **state)
{
    (void)state;
    board_put(PSTORE ONE, "panic\n");
    start(1000);
    queue(&WORD, 1);
    board_remove(PSTORE ONE);
    WORD.state = LB_LAST_WORD_FINAL;
    settle();
    assert_int_equal(WORD.state, LB_LAST_WORD_GONE);
    assert_false(is_there(NOTE));
}

static void a_file_that_cannot_be_removed_is_not_read_again(void **state)
{
    (void)state;
    board_put(PSTORE ONE, "panic\n");
    start(1000);
    queue(&WORD, 1);
    board_remove(PSTORE ONE);
    board_put(PSTORE ONE "/x", "a directory, which unlink does not remove");
    WORD.state = LB_LAST_WORD_FINAL;
    words.is_changed = true; /* another has, and the note is written anew */
    settle();
    assert_int_equal(WORD.state, LB_LAST_WORD_FINAL);
    assert_string_equal(text_of(NOTE), ONE " feedc0ffee 1 1\n");
    board_remove(PSTORE ONE);
    board_put(PSTORE ONE, "panic\n");
    start(1000);
    assert_int_equal(words.count, 1);
    assert_int_equal(WORD.state, LB_LAST_WORD_QUEUED);
}

static void without_its_directory_a_file_waits_to_be_removed(void **state)
{
    (void)state;
    board_put(PSTORE ONE, "panic\n");
    start(1000);
    queue(&WORD, 1);
    board_remove("/sys");
    WORD.state = LB_LAST_WORD_FINAL;
    settle();
    assert_int_equal(WORD.state, LB_LAST_WORD_FINAL);
    assert_true(is_there(NOTE));
}

/* ---- the note ---- */

static void lines_of_a_note_that_are_none_of_ours_are_passed_over(void **state)
{
    (void)state;
    board_put(NOTE, "\n"
                    "dmesg-1\n"
                    "dmesg-2 xyz 1 2\n"
                    "dmesg-3 1f 1\n"
                    "../../etc/passwd 1f 1 2\n"
                    "dmesg-/../../x 1f 1 2\n"
                    "console-ramoops-0 1f 1 2\n" /* pstore's, and not to be removed by us */
                    "dmesg-4 1f 2 2\n"           /* no ring has this lane */
                    "dmesg-5 1f 4294967297 2\n"
                    "dmesg-6 1f -1 2\n"
                    "dmesg-7 1f 0 9\n"
                    "dmesg-7 1f 1 10\n"
                    "dmesg-8 1f 1 11"); /* cut, and yet whole */
    start(1000);
    for (unsigned i = 0; i < words.count; i++)
        assert_in_range(words.word[i].lane, 0, LB_LAST_WORDS_LANES - 1);
    assert_int_equal(words.count, 2);
    assert_string_equal(words.word[0].name, "dmesg-7");
    assert_int_equal(words.word[0].n, 9);
    assert_string_equal(words.word[1].name, "dmesg-8");
}

static void a_note_of_any_bytes_does_no_harm(void **state)
{
    char bytes[4096];
    uint32_t x = 1;

    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            x = x * 1664525 + 1013904223;
            bytes[i] = "dmesg- 0123456789\n\0\xff/"[(x >> 24) % 21];
        }
        board_put_bytes(NOTE, bytes, sizeof bytes);
        board_put(PSTORE ONE, "panic\n");
        start(1000);
        for (unsigned i = 0; i < words.count; i++)
            assert_int_equal(strncmp(words.word[i].name, "dmesg-", 6), 0);
    }
}

static void a_note_that_could_not_be_written_is_tried_again(void **state)
{
    (void)state;
    board_put(PSTORE ONE, "panic\n");
    board_put(NOTE "/x", "a directory, over which no file can be renamed");
    start(1000);
    queue(&WORD, 1);
    assert_true(words.is_changed);
    board_remove(NOTE);
    settle();
    assert_false(words.is_changed);
    assert_string_equal(text_of(NOTE), ONE " feedc0ffee 1 1\n");
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, pstore_is_empty, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(each_record_is_a_text_without_the_newlines_behind_it),
        CLAIM(a_long_text_is_cut_to_its_end_at_the_start_of_a_line),
        CLAIM(a_text_longer_than_any_record_ends),
        CLAIM(a_text_may_be_any_bytes),
        CLAIM(what_has_nothing_in_it_or_cannot_be_read_is_left),
        CLAIM(names_that_pstore_does_not_give_are_left),
        CLAIM(more_than_there_is_room_for_wait_for_the_next_start),
        CLAIM(without_pstore_there_is_nothing_to_tell),
        CLAIM(a_directory_that_may_not_be_read_is_an_error_and_the_note_is_known),
        CLAIM(a_path_that_is_too_long_is_an_error),
        CLAIM(an_agent_that_starts_anew_reads_nothing_twice),
        CLAIM(one_that_was_not_queued_is_read_again),
        CLAIM(a_file_goes_when_its_record_is_final_and_the_note_with_the_last),
        CLAIM(a_file_that_another_removed_is_gone),
        CLAIM(a_file_that_cannot_be_removed_is_not_read_again),
        CLAIM(without_its_directory_a_file_waits_to_be_removed),
        CLAIM(lines_of_a_note_that_are_none_of_ours_are_passed_over),
        CLAIM(a_note_of_any_bytes_does_no_harm),
        CLAIM(a_note_that_could_not_be_written_is_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
