/* SPDX-License-Identifier: MIT */
/*
 * Where a datagram lands: what was received is there after a kill, once, with what the kernel says of its
 * sender. A kill is a close without a publish; what the kernel did in between is written into the file by
 * hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/capture/landing.h"
#include "tests/unit/lib_store.h"

static struct store store;
static struct lb_landing landing;
static int ends[2]; /* 0: ours */

static void open_landing(void)
{
    assert_int_equal(lb_landing_open(store.dir_fd, false, &store.state.fast, &landing), 0);
}

static int begin(void **state)
{
    int one = 1;

    (void)state;
    store_begin(&store, 65536, 0, 1);
    open_landing();
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof one), 0);
    assert_false(lb_landing_recover(&landing));
    return 0;
}

static int end(void **state)
{
    (void)state;
    lb_landing_close(&landing);
    unlinkat(store.dir_fd, "datagram", 0);
    store_end(&store);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* Killed, and started again: true where a datagram is left to be taken. */
static bool restart(void)
{
    lb_landing_close(&landing);
    store_restart(&store);
    open_landing();
    return lb_landing_recover(&landing);
}

static void receive(const char *text)
{
    assert_int_equal(send(ends[1], text, strlen(text), 0), strlen(text));
    assert_int_equal(lb_landing_receive(&landing, ends[0], 5), 0);
}

static void assert_here(const char *text)
{
    assert_true(lb_landing_is_live(&landing));
    assert_int_equal(lb_landing_length(&landing), strlen(text));
    assert_memory_equal(landing.text, text, strlen(text));
    assert_int_equal(landing.header->pid, getpid());
    assert_int_equal(landing.header->uid, getuid());
}

static void assert_wiped(void)
{
    assert_false(lb_landing_is_live(&landing));
    for (size_t i = 0; i < LB_LANDING_BYTES; i++)
        assert_int_equal((unsigned char)landing.text[i], 0xff);
}

static void what_was_received_is_here_with_its_sender(void **state)
{
    (void)state;
    assert_int_equal(lb_landing_receive(&landing, ends[0], 5), -EAGAIN);
    receive("<14>hello");
    assert_here("<14>hello");
    assert_int_equal(landing.header->boot_ns, 5);
}

static void an_empty_one_is_here_too(void **state)
{
    (void)state;
    receive("");
    assert_here("");
}

static void taken_and_published_it_is_gone_for_good(void **state)
{
    (void)state;
    receive("one");
    lb_landing_take(&landing, 3, true);
    lb_commit_publish(&store.state.fast);
    lb_landing_clear(&landing);
    assert_wiped();
    receive("two");
    assert_here("two");
    assert_true(restart());
    assert_here("two");
}

static void killed_before_it_is_taken_it_is_here_again(void **state)
{
    (void)state;
    receive("one");
    lb_landing_take(&landing, 3, true); /* not published */
    assert_true(restart());
    assert_here("one");
}

static void killed_between_the_commit_and_the_wiping_it_does_not_come_twice(void **state)
{
    (void)state;
    receive("one");
    lb_landing_take(&landing, 3, true);
    lb_commit_publish(&store.state.fast);
    assert_false(restart());
    assert_wiped();
    receive("two");
    assert_here("two");
}

static void killed_before_its_length_was_stored_its_end_is_found(void **state)
{
    (void)state;
    receive("one");
    landing.header->len = 0;
    landing.header->pid = landing.header->uid = 0;
    assert_true(restart());
    assert_here("one");
}

static void killed_before_anything_came_nothing_is_here(void **state)
{
    (void)state;
    assert_int_equal(lb_landing_receive(&landing, ends[0], 5), -EAGAIN);
    assert_false(restart());
    assert_wiped();
}

static void what_was_taken_of_a_long_one_is_not_taken_again(void **state)
{
    (void)state;
    receive("one and two");
    lb_landing_take(&landing, 4, false);
    lb_commit_publish(&store.state.fast);
    assert_true(restart());
    assert_int_equal(lb_landing_done(&landing), 4);
    lb_landing_take(&landing, 7, true);
    lb_commit_publish(&store.state.fast);
    assert_int_equal(lb_landing_done(&landing), 0);
    assert_false(lb_landing_is_live(&landing));
}

static void a_file_that_is_none_of_ours_is_replaced(void **state)
{
    (void)state;
    memset(landing.header->magic, 'x', sizeof landing.header->magic);
    assert_false(restart());
    receive("one");
    assert_here("one");
}

int main(void)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CLAIM(what_was_received_is_here_with_its_sender),
        CLAIM(an_empty_one_is_here_too),
        CLAIM(taken_and_published_it_is_gone_for_good),
        CLAIM(killed_before_it_is_taken_it_is_here_again),
        CLAIM(killed_between_the_commit_and_the_wiping_it_does_not_come_twice),
        CLAIM(killed_before_its_length_was_stored_its_end_is_found),
        CLAIM(killed_before_anything_came_nothing_is_here),
        CLAIM(what_was_taken_of_a_long_one_is_not_taken_again),
        CLAIM(a_file_that_is_none_of_ours_is_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
