/* SPDX-License-Identifier: MIT */
/*
 * The program's own log. stderr is replaced by a pipe, a socket or a file of
 * the test's and read back; the throttle is tested alone, with its time given.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/log_limit.h"

#define THREADS        4
#define LINES_PER_TEST 500

static int real_stderr;
static int far_end; /* where the test reads what went to stderr */

static int put_stderr_aside(void **state)
{
    (void)state;
    unsetenv("JOURNAL_STREAM");
    real_stderr = dup(STDERR_FILENO);
    return real_stderr < 0 ? -1 : 0;
}

static int put_stderr_back(void **state)
{
    (void)state;
    assert_int_equal(dup2(real_stderr, STDERR_FILENO), STDERR_FILENO);
    close(real_stderr);
    close(far_end);
    unsetenv("JOURNAL_STREAM");
    lb_log_open("test", LB_LEVEL_INFO); /* let go of the pipe */
    return 0;
}

static void stderr_becomes(int fd)
{
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    close(fd);
}

static void stderr_becomes_a_pipe(void)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    far_end = ends[0];
    assert_int_equal(fcntl(far_end, F_SETFL, O_NONBLOCK), 0);
    stderr_becomes(ends[1]);
}

static const char *written(void)
{
    static char text[1 << 17];
    ssize_t got = read(far_end, text, sizeof text - 1);

    text[got > 0 ? got : 0] = '\0';
    return text;
}

static void a_line_has_the_program_and_the_level(void **state)
{
    (void)state;
    stderr_becomes_a_pipe();
    lb_log_open("logboomd", LB_LEVEL_INFO);
    lb_log(LB_LEVEL_WARNING, "ring is %d %% full", 90);
    assert_string_equal(written(), "logboomd: warning: ring is 90 % full\n");
}

static void under_systemd_a_line_has_the_number_of_its_level(void **state)
{
    char stream[64];
    struct stat st;

    (void)state;
    stderr_becomes_a_pipe();
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    lb_log_open("logboomd", LB_LEVEL_INFO);
    lb_log(LB_LEVEL_ERROR, "gone");
    assert_string_equal(written(), "<3>gone\n");
}

static void the_journal_of_another_stderr_is_not_ours(void **state)
{
    static const char *const streams[] = { "", "1", "1:", ":1", "1:2", "x:y", "1:2:3" };

    (void)state;
    stderr_becomes_a_pipe();
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        setenv("JOURNAL_STREAM", streams[i], 1);
        lb_log_open("logboomd", LB_LEVEL_INFO);
        lb_log(LB_LEVEL_ERROR, "gone");
        assert_string_equal(written(), "logboomd: error: gone\n");
    }
}

static void less_severe_lines_than_the_level_are_not_written(void **state)
{
    (void)state;
    stderr_becomes_a_pipe();
    lb_log_open("logboomd", LB_LEVEL_WARNING);
    lb_log(LB_LEVEL_NOTICE, "no");
    assert_string_equal(written(), "");
    lb_log_set_level(LB_LEVEL_DEBUG);
    lb_log(LB_LEVEL_DEBUG, "yes");
    assert_string_equal(written(), "logboomd: debug: yes\n");
}

static void a_message_is_one_line_whatever_it_holds(void **state)
{
    char longer[5000];

    (void)state;
    stderr_becomes_a_pipe();
    lb_log_open("logboomd", LB_LEVEL_INFO);
    lb_log(LB_LEVEL_INFO, "a\nb\r\033[2J\x7f\t\xc3\xa9");
    assert_string_equal(written(), "logboomd: info: a?b??[2J?\t\xc3\xa9\n");
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    lb_log(LB_LEVEL_INFO, "%s", longer);
    assert_in_range(strlen(written()), 2000, 2048);
    lb_log(LB_LEVEL_INFO, "next");
    assert_string_equal(written(), "logboomd: info: next\n");
}

static void errno_is_as_before_and_can_be_printed(void **state)
{
    (void)state;
    stderr_becomes_a_pipe();
    lb_log_open("logboomd", LB_LEVEL_INFO);
    errno = ENOSPC;
    lb_log(LB_LEVEL_ERROR, "ring: %m");
    assert_int_equal(errno, ENOSPC);
    assert_string_equal(written(), "logboomd: error: ring: No space left on device\n");
}

static void a_full_pipe_is_not_waited_for_and_the_loss_is_told(void **state)
{
    char block[4096];
    int flags;

    (void)state;
    stderr_becomes_a_pipe();
    assert_int_equal(fcntl(STDERR_FILENO, F_SETPIPE_SZ, 4096), 4096);
    memset(block, 'x', sizeof block);
    assert_int_equal(write(STDERR_FILENO, block, sizeof block), sizeof block);
    lb_log_open("logboomd", LB_LEVEL_INFO);
    lb_log(LB_LEVEL_ERROR, "one");
    lb_log(LB_LEVEL_ERROR, "two");
    assert_int_equal(strlen(written()), sizeof block);
    lb_log(LB_LEVEL_ERROR, "three");
    assert_string_equal(written(), "logboomd: warning: 2 messages were held back\nlogboomd: error: three\n");
    flags = fcntl(STDERR_FILENO, F_GETFL);
    assert_false(flags & O_NONBLOCK); /* whoever shares stderr with us must not notice */
}

static void a_full_socket_is_not_waited_for(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    far_end = ends[0];
    stderr_becomes(ends[1]);
    lb_log_open("logboomd", LB_LEVEL_INFO);
    while (send(STDERR_FILENO, "x", 1, MSG_DONTWAIT) == 1)
        ;
    lb_log(LB_LEVEL_ERROR, "lost");
    assert_int_equal(errno, EAGAIN);
}

static void a_file_gets_every_line(void **state)
{
    char path[] = "/dev/shm/logboom-log-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    far_end = open(path, O_RDONLY);
    unlink(path);
    stderr_becomes(fd);
    lb_log_open("logboomd", LB_LEVEL_INFO);
    while (*written() != '\0')
        ;
    lb_log(LB_LEVEL_ERROR, "one");
    lb_log(LB_LEVEL_ERROR, "two");
    assert_non_null(strstr(written(), "logboomd: error: one\nlogboomd: error: two\n"));
}

static void chatter_is_held_back_and_errors_still_pass(void **state)
{
    struct lb_log_limit limit = { 0 };
    uint64_t held = 0, now_ms = 5000;

    (void)state;
    for (int i = 0; i < LB_LOG_BURST; i++)
        assert_true(lb_log_limit_admit(&limit, LB_LEVEL_INFO, now_ms, &held));
    assert_false(lb_log_limit_admit(&limit, LB_LEVEL_INFO, now_ms, &held));
    assert_false(lb_log_limit_admit(&limit, LB_LEVEL_NOTICE, now_ms + LB_LOG_WINDOW_MS - 1, &held));
    assert_true(lb_log_limit_admit(&limit, LB_LEVEL_WARNING, now_ms, &held));
    assert_int_equal(held, 2);
    for (int i = 1; i < 4 * LB_LOG_BURST; i++)
        assert_true(lb_log_limit_admit(&limit, LB_LEVEL_ERROR, now_ms, &held));
    assert_int_equal(held, 0);
    assert_false(lb_log_limit_admit(&limit, LB_LEVEL_EMERGENCY, now_ms, &held));

    assert_true(lb_log_limit_admit(&limit, LB_LEVEL_INFO, now_ms + LB_LOG_WINDOW_MS, &held));
    assert_int_equal(held, 1);
}

struct crowd {
    struct lb_log_limit limit;
    _Atomic uint64_t passed, told;
};

static void *press(void *arg)
{
    struct crowd *crowd = arg;

    for (int i = 0; i < LINES_PER_TEST; i++) {
        uint64_t held = 0;

        if (lb_log_limit_admit(&crowd->limit, LB_LEVEL_INFO, 1, &held)) {
            atomic_fetch_add(&crowd->passed, 1);
            atomic_fetch_add(&crowd->told, held);
        }
    }
    return NULL;
}

static void many_threads_lose_no_count(void **state)
{
    struct crowd crowd = { 0 };
    pthread_t threads[THREADS];

    (void)state;
    crowd.limit.window_end_ms = LB_LOG_WINDOW_MS; /* a window is open: its turn may let one more through */
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, press, &crowd), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.passed, LB_LOG_BURST);
    assert_int_equal(crowd.passed + crowd.told + crowd.limit.held, THREADS * LINES_PER_TEST);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, put_stderr_aside, put_stderr_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_has_the_program_and_the_level),
        TEST(under_systemd_a_line_has_the_number_of_its_level),
        TEST(the_journal_of_another_stderr_is_not_ours),
        TEST(less_severe_lines_than_the_level_are_not_written),
        TEST(a_message_is_one_line_whatever_it_holds),
        TEST(errno_is_as_before_and_can_be_printed),
        TEST(a_full_pipe_is_not_waited_for_and_the_loss_is_told),
        TEST(a_full_socket_is_not_waited_for),
        TEST(a_file_gets_every_line),
        cmocka_unit_test(chatter_is_held_back_and_errors_still_pass),
        cmocka_unit_test(many_threads_lose_no_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
