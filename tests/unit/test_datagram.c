/* SPDX-License-Identifier: MIT */
/*
 * Messages to a unix datagram socket, with a receiver that reads when it is told to. Time is a number that
 * the test hands to the transport's timer: nothing here waits.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/ship/transport.h"
#include "common/clock.h"

#define TIMEOUT_MS 500
#define TOO_LONG   (600 * 1024) /* more than the transport asks room for */
#define MANY       5000         /* more than a queue holds */

static char dir[] = "/dev/shm/logboom-datagram-XXXXXX";
static struct lb_loop loop;
static struct lb_transport transport;
static struct lb_target target;
static int receiver = -1;
static uint64_t now_ns;

static struct {
    unsigned count, slot;
    struct lb_answer answer;
    char reply[64];
    bool sends_again; /* the same, from within the first answer */
} heard;

static void on_done(void *ctx, unsigned slot, const struct lb_answer *answer)
{
    (void)ctx;
    heard.count++;
    heard.slot = slot;
    heard.answer = *answer;
    snprintf(heard.reply, sizeof heard.reply, "%.*s", (int)answer->reply_len,
             answer->reply ? answer->reply : "");
    if (heard.sends_again) {
        heard.sends_again = false;
        assert_int_equal(transport.send(transport.self, slot, "5 again", 7, ""), 0);
    }
}

/* What the loop would do when the timer is due. */
static void pass_ms(unsigned ms)
{
    now_ns += ms * LB_NS_PER_MS;
    loop.now_ns = now_ns;
    loop.timers->fire(loop.timers->arg, now_ns);
}

static void receiver_comes(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };

    snprintf(at.sun_path, sizeof at.sun_path, "%s", target.unix_path);
    receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(receiver, (const struct sockaddr *)&at, sizeof at), 0);
}

static void receiver_goes(void)
{
    close(receiver);
    receiver = -1;
    unlink(target.unix_path);
}

/* The next message; "" when there is none. */
static const char *read_one(void)
{
    static char text[256];
    ssize_t n = recv(receiver, text, sizeof text - 1, 0);

    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static unsigned read_all(void)
{
    unsigned count = 0;

    while (read_one()[0])
        count++;
    return count;
}

static void send_text(unsigned slot, const char *body)
{
    assert_int_equal(transport.send(transport.self, slot, body, strlen(body), ""), 0);
}

static char *many_messages(void)
{
    char *body = malloc(MANY * 8 + 1), *to = body;

    assert_non_null(body);
    for (unsigned i = 0; i < MANY; i++)
        to += sprintf(to, "5 %05u", i);
    return body;
}

static int set_up(void **state)
{
    struct lb_sink_config settings = { .timeout_ms = TIMEOUT_MS };

    (void)state;
    memset(&heard, 0, sizeof heard);
    snprintf(dir, sizeof dir, "/dev/shm/logboom-datagram-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(target.unix_path, sizeof target.unix_path, "%s/sock", dir);
    now_ns = LB_NS_PER_S;
    assert_int_equal(lb_loop_init(&loop), 0);
    loop.now_ns = now_ns;
    assert_int_equal(lb_datagram_open(&loop, &settings, &target, on_done, NULL, &transport), 0);
    receiver_comes();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    transport.close(transport.self);
    lb_loop_close(&loop);
    receiver_goes();
    rmdir(dir);
    return 0;
}

static void each_message_is_a_datagram_and_delivered_when_it_was_read(void **state)
{
    (void)state;
    send_text(3, "3 one5 two 2");
    assert_int_equal(heard.count, 0); /* no callback from within */
    pass_ms(0);
    assert_int_equal(heard.count, 0); /* they lie in its queue */
    assert_string_equal(read_one(), "one");
    pass_ms(2);
    assert_int_equal(heard.count, 0);
    assert_string_equal(read_one(), "two 2");
    pass_ms(2);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.slot, 3);
    assert_int_equal(heard.answer.error, 0);
    assert_int_equal(heard.answer.wire_bytes, 8);
    assert_int_equal(heard.answer.link_bytes, 0); /* it touches no network */
    assert_int_equal(heard.answer.reply_len, 0);
    assert_true(loop.timers->due_ns == LB_NEVER); /* at rest */
}

static void bodies_leave_one_after_the_other(void **state)
{
    (void)state;
    send_text(0, "1 a1 b");
    send_text(1, "1 c");
    send_text(2, "1 d");
    assert_true(transport.cancel(transport.self, 1));
    pass_ms(0);
    assert_string_equal(read_one(), "a");
    assert_string_equal(read_one(), "b");
    assert_string_equal(read_one(), "");
    pass_ms(2);
    assert_int_equal(heard.slot, 0);
    assert_string_equal(read_one(), "d");
    pass_ms(2);
    assert_int_equal(heard.count, 2);
    assert_int_equal(heard.slot, 2);
}

static void a_full_queue_is_waited_for_while_something_is_read(void **state)
{
    char *body = many_messages();
    unsigned messages = 0;

    (void)state;
    send_text(0, body);
    pass_ms(0);
    for (unsigned turn = 0; heard.count == 0 && turn < MANY; turn++) {
        assert_string_not_equal(read_one(), ""); /* one in nearly all the time that it has */
        messages++;
        pass_ms(TIMEOUT_MS - 1);
        if (turn % 100 == 99) {
            messages += read_all();
            pass_ms(2);
        }
    }
    assert_int_equal(messages, MANY); /* none is lost, none comes twice */
    assert_int_equal(heard.answer.error, 0);
    free(body);
}

static void a_receiver_that_reads_nothing_is_given_up(void **state)
{
    char *body = many_messages();

    (void)state;
    send_text(0, body);
    pass_ms(0);
    pass_ms(TIMEOUT_MS - 1);
    assert_int_equal(heard.count, 0);
    pass_ms(1);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.answer.error, ETIMEDOUT);
    assert_int_equal(heard.answer.broken, LB_STEP_ANSWER);
    free(body);
}

static void what_a_receiver_has_not_read_when_it_ends_is_not_delivered(void **state)
{
    (void)state;
    send_text(0, "1 a1 b");
    pass_ms(0);
    assert_string_equal(read_one(), "a");
    receiver_goes();
    receiver_comes(); /* at once, and nothing of ours is unread any more */
    pass_ms(2);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.answer.error, ECONNREFUSED);
    send_text(0, "1 a1 b");
    pass_ms(0);
    assert_int_equal(read_all(), 2);
    pass_ms(2);
    assert_int_equal(heard.answer.error, 0);
}

static void nobody_there_is_a_failure_and_whoever_comes_is_found(void **state)
{
    (void)state;
    receiver_goes();
    heard.sends_again = true;
    send_text(0, "5 first");
    pass_ms(0);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.answer.error, ENOENT);
    assert_int_equal(heard.answer.broken, LB_STEP_CONNECT);
    assert_non_null(strstr(heard.answer.text, "/sock: No such file or directory"));
    assert_true(loop.timers->due_ns <= now_ns); /* what was sent from within waits on */
    receiver_comes();
    pass_ms(0);
    assert_string_equal(read_one(), "again");
    pass_ms(2);
    assert_int_equal(heard.answer.error, 0);
}

static void one_that_took_the_place_of_another_gets_the_next_body(void **state)
{
    (void)state;
    send_text(0, "1 a");
    pass_ms(0);
    assert_int_equal(read_all(), 1);
    pass_ms(2);
    receiver_goes();
    receiver_comes();
    send_text(0, "1 b");
    pass_ms(0);
    assert_string_equal(read_one(), "b");
    pass_ms(2);
    assert_int_equal(heard.count, 2);
    assert_int_equal(heard.answer.error, 0); /* nobody has noticed */
}

static void a_message_that_is_too_long_is_passed_over_and_told(void **state)
{
    char *body = malloc(TOO_LONG + 64), *to = body;

    (void)state;
    assert_non_null(body);
    to += sprintf(to, "1 a%u ", TOO_LONG);
    memset(to, 'x', TOO_LONG);
    strcpy(to + TOO_LONG, "1 b");
    send_text(0, body);
    pass_ms(0);
    assert_string_equal(read_one(), "a");
    assert_string_equal(read_one(), "b");
    pass_ms(2);
    assert_int_equal(heard.answer.error, 0);
    assert_string_equal(heard.reply, "1 ");
    assert_int_equal(heard.answer.wire_bytes, 2);
    send_text(0, "1 c");
    pass_ms(0);
    assert_int_equal(read_all(), 1);
    pass_ms(2);
    assert_int_equal(heard.answer.reply_len, 0); /* of that body alone */
    free(body);
}

static void the_empty_body_asks_whether_somebody_is_there(void **state)
{
    (void)state;
    send_text(LB_TRANSPORT_PING, "");
    pass_ms(0);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.answer.error, 0);
    assert_string_equal(read_one(), "");
    receiver_goes();
    send_text(LB_TRANSPORT_PING, "");
    pass_ms(0);
    assert_int_equal(heard.answer.error, ENOENT);
    receiver_comes();
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(each_message_is_a_datagram_and_delivered_when_it_was_read),
        CASE(bodies_leave_one_after_the_other),
        CASE(a_full_queue_is_waited_for_while_something_is_read),
        CASE(a_receiver_that_reads_nothing_is_given_up),
        CASE(what_a_receiver_has_not_read_when_it_ends_is_not_delivered),
        CASE(nobody_there_is_a_failure_and_whoever_comes_is_found),
        CASE(one_that_took_the_place_of_another_gets_the_next_body),
        CASE(a_message_that_is_too_long_is_passed_over_and_told),
        CASE(the_empty_body_asks_whether_somebody_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
