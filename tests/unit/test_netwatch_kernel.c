/* SPDX-License-Identifier: MIT */
/*
 * The watch on the network and the kernel's own messages: a child goes into a network namespace of its own,
 * makes a device there by rtnetlink(7), and changes addresses and routes. The kernel tells of them before its
 * answer to the request is out, so that nothing here waits. Exit 77 where namespaces or devices are not
 * allowed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/ship/netwatch.h"

#define CANNOT_RUN 77
#define DEVICE     "lbtest"

/* A namespace with one device that is up, a loop with a watch in it, and a way to ask the kernel for changes.
 */
static struct world {
    struct lb_loop loop;
    struct lb_netwatch watch;
    unsigned calls;
    int ask_fd;
    uint32_t device; /* its index */
} world;

#define MUST(claim)                                                             \
    do {                                                                        \
        if (!(claim)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #claim); \
            _exit(1);                                                           \
        }                                                                       \
    } while (0)

static void cannot_run(const char *why)
{
    fprintf(stderr, "%s: %s\n", why, strerror(errno));
    _exit(CANNOT_RUN);
}

static void changed(void *ctx)
{
    MUST(ctx == &world);
    world.calls++;
}

/* ---- asking the kernel ---- */

struct request {
    struct nlmsghdr head;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg address;
        struct rtmsg route;
        uint8_t bytes[256];
    } body;
};

static struct request request_of(unsigned type, unsigned flags, unsigned body_len)
{
    return (struct request) { .head = { .nlmsg_len = NLMSG_LENGTH(body_len),
                                        .nlmsg_type = (uint16_t)type,
                                        .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags) } };
}

static void add_attr(struct request *request, unsigned type, const void *data, unsigned len)
{
    struct rtattr attr = { .rta_type = (uint16_t)type, .rta_len = (uint16_t)RTA_LENGTH(len) };
    uint8_t *at = (uint8_t *)request + NLMSG_ALIGN(request->head.nlmsg_len);

    memcpy(at, &attr, sizeof attr);
    memcpy(at + sizeof attr, data, len);
    request->head.nlmsg_len = NLMSG_ALIGN(request->head.nlmsg_len) + RTA_LENGTH(len);
}

/* Returns 0, or negative errno as the kernel says it. */
static int ask(const struct request *request)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr verdict;
        uint8_t rest[512];
    } answer;

    MUST(send(world.ask_fd, request, request->head.nlmsg_len, 0) == (ssize_t)request->head.nlmsg_len);
    MUST(recv(world.ask_fd, &answer, sizeof answer, 0) >= (ssize_t)NLMSG_LENGTH(sizeof answer.verdict));
    MUST(answer.head.nlmsg_type == NLMSG_ERROR);
    return answer.verdict.error;
}

static int make_device(const char *kind)
{
    struct request request = request_of(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
    struct {
        struct rtattr attr;
        char name[12];
    } info = { .attr = { .rta_type = IFLA_INFO_KIND, .rta_len = (uint16_t)RTA_LENGTH(strlen(kind)) } };

    memcpy(info.name, kind, strlen(kind));
    add_attr(&request, IFLA_IFNAME, DEVICE, sizeof DEVICE);
    add_attr(&request, IFLA_LINKINFO, &info, info.attr.rta_len);
    return ask(&request);
}

static void set_up(uint32_t device)
{
    struct request request = request_of(RTM_NEWLINK, 0, sizeof(struct ifinfomsg));

    request.body.link.ifi_index = (int)device;
    request.body.link.ifi_flags = request.body.link.ifi_change = IFF_UP;
    MUST(ask(&request) == 0);
}

/* The n-th address of 10/8, on a device. */
static void address(unsigned type, unsigned flags, uint32_t device, uint32_t n)
{
    struct request request = request_of(type, flags, sizeof(struct ifaddrmsg));
    uint8_t octets[4] = { 10, (uint8_t)(n >> 8), (uint8_t)n, 1 };

    request.body.address =
        (struct ifaddrmsg) { .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = device };
    add_attr(&request, IFA_LOCAL, octets, sizeof octets);
    MUST(ask(&request) == 0);
}

/* A default route through the device, of this metric and with this source. */
static void route(unsigned type, unsigned flags, unsigned table, uint32_t source)
{
    struct request request = request_of(type, flags, sizeof(struct rtmsg));
    uint8_t octets[4] = { 10, 0, (uint8_t)source, 1 };

    request.body.route = (struct rtmsg) { .rtm_family = AF_INET,
                                          .rtm_table = (uint8_t)table,
                                          .rtm_protocol = RTPROT_STATIC,
                                          .rtm_scope = RT_SCOPE_LINK,
                                          .rtm_type = RTN_UNICAST };
    add_attr(&request, RTA_OIF, &world.device, sizeof world.device);
    add_attr(&request, RTA_PREFSRC, octets, sizeof octets);
    MUST(ask(&request) == 0);
}

/* ---- the world ---- */

static void enter_world(void)
{
    static const char *const kinds[] = { "dummy", "veth", "bridge", "ifb" };
    int rc = -ENODEV;

    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        cannot_run("no network namespace");
    world.ask_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    MUST(world.ask_fd >= 0);
    for (size_t i = 0; rc != 0 && i < sizeof kinds / sizeof *kinds; i++)
        rc = make_device(kinds[i]);
    errno = -rc;
    if (rc != 0)
        cannot_run("no device can be made");
    world.device = if_nametoindex(DEVICE);
    MUST(world.device > 1);
    MUST(lb_loop_init(&world.loop) == 0);
    MUST(lb_netwatch_open(&world.watch, &world.loop, changed, &world) == 0);
}

/* Turns until nothing is left to hear, and returns how many messages counted since the last time. */
static uint64_t heard(void)
{
    static uint64_t before;
    uint64_t turns = 0, count;
    char byte;

    do {
        MUST(lb_loop_turn(&world.loop, false) == 0 && turns++ < 1000);
    } while (recv(world.watch.watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno == ENOBUFS);
    count = world.watch.heard - before;
    before = world.watch.heard;
    return count;
}

/* ---- what is claimed, each in a child that has entered its own world ---- */

static void addresses_and_routes_are_heard(void)
{
    MUST(heard() == 0);
    set_up(1);
    MUST(heard() == 0); /* 127.0.0.1, ::1 and their routes */
    set_up(world.device);
    heard();
    address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, 1, 9);
    MUST(heard() == 0); /* on lo */
    world.calls = 0;
    address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, world.device, 1);
    address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, world.device, 2);
    MUST(heard() == 2 && world.calls == 1); /* and their routes in the local table, which do not count */
    route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, RT_TABLE_MAIN, 1);
    MUST(heard() == 1 && world.calls == 2);
    route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, 100, 1);
    MUST(heard() == 0);
    route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, RT_TABLE_MAIN, 1);
    MUST(heard() == 0); /* itself */
    route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, RT_TABLE_MAIN, 2);
    MUST(heard() == 1); /* another one */
    route(RTM_DELROUTE, 0, RT_TABLE_MAIN, 2);
    address(RTM_DELADDR, 0, world.device, 2);
    MUST(heard() == 0);
}

static void a_burst_is_one_call_a_turn_and_a_turn_is_bounded(void)
{
    uint64_t last = 0;
    unsigned turns = 0;

    for (uint32_t n = 0; n < 100; n++) /* the device is down: no routes come with them */
        address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, world.device, n);
    for (; last < 100; turns++) {
        MUST(turns < 100 && lb_loop_turn(&world.loop, false) == 0);
        MUST(world.watch.heard > last && world.watch.heard - last <= 20);
        MUST(world.calls == turns + 1);
        last = world.watch.heard;
    }
    MUST(lb_loop_turn(&world.loop, false) == 0 && world.calls == turns);
}

/* Only messages that do not count are lost here, so that the loss itself is what is heard. */
static void messages_that_were_lost_count_as_one(void)
{
    int bytes = 1; /* the kernel makes it what is least */

    for (uint32_t n = 0; n < 300; n++) {
        address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, world.device, n);
        heard();
    }
    MUST(setsockopt(world.watch.watch.fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) == 0);
    for (uint32_t n = 0; n < 300; n++)
        address(RTM_DELADDR, 0, world.device, n);
    world.calls = 0;
    MUST(heard() == 1 && world.calls == 1);
    address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, world.device, 0);
    MUST(heard() == 1); /* and it goes on */
}

static void only_the_kernel_is_believed(void)
{
    struct request forged = request_of(RTM_NEWADDR, 0, sizeof(struct ifaddrmsg));
    struct sockaddr_nl to;
    socklen_t len = sizeof to;
    char byte;

    forged.body.address = (struct ifaddrmsg) { .ifa_family = AF_INET, .ifa_index = world.device };
    MUST(lb_netwatch_count(&forged, forged.head.nlmsg_len) == 1);
    MUST(getsockname(world.watch.watch.fd, (struct sockaddr *)&to, &len) == 0);
    to.nl_groups = 0;
    MUST(sendto(world.ask_fd, &forged, forged.head.nlmsg_len, 0, (struct sockaddr *)&to, len) ==
         (ssize_t)forged.head.nlmsg_len);
    MUST(recv(world.watch.watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1); /* it is there */
    MUST(heard() == 0 && world.calls == 0);
    MUST(recv(world.watch.watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0); /* and read */
}

static void what_is_closed_hears_nothing_and_may_be_opened_again(void)
{
    struct lb_netwatch never = { .heard = 0 };
    int fd = world.watch.watch.fd, null = open("/dev/null", O_RDONLY);

    lb_netwatch_close(&world.watch);
    MUST(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
    address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, world.device, 1);
    MUST(lb_loop_turn(&world.loop, false) == 0 && world.calls == 0);
    MUST(dup2(null, fd) == fd); /* somebody else's by now */
    lb_netwatch_close(&world.watch);
    MUST(fcntl(fd, F_GETFD) >= 0);
    MUST(dup2(null, 0) == 0);
    lb_netwatch_close(&never);
    MUST(fcntl(0, F_GETFD) >= 0);
    MUST(lb_netwatch_open(&world.watch, &world.loop, changed, &world) == 0);
    address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, world.device, 2);
    MUST(lb_loop_turn(&world.loop, false) == 0 && world.calls == 1);
}

/* ---- parent ---- */

static int worst; /* exit status: CANNOT_RUN when a child said so */

static void run(void (*claim)(void))
{
    pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        enter_world();
        claim();
        lb_netwatch_close(&world.watch);
        lb_loop_close(&world.loop);
        close(world.ask_fd);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CANNOT_RUN) {
        worst = CANNOT_RUN;
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define CLAIM(name)                       \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        run(name);                        \
    }

CLAIM(addresses_and_routes_are_heard)
CLAIM(a_burst_is_one_call_a_turn_and_a_turn_is_bounded)
CLAIM(messages_that_were_lost_count_as_one)
CLAIM(only_the_kernel_is_believed)
CLAIM(what_is_closed_hears_nothing_and_may_be_opened_again)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_and_routes_are_heard),
        cmocka_unit_test(test_a_burst_is_one_call_a_turn_and_a_turn_is_bounded),
        cmocka_unit_test(test_messages_that_were_lost_count_as_one),
        cmocka_unit_test(test_only_the_kernel_is_believed),
        cmocka_unit_test(test_what_is_closed_hears_nothing_and_may_be_opened_again),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    if (worst == CANNOT_RUN)
        fprintf(stderr, "no network namespace, or no device can be made in it\n");
    return failed ? failed : worst;
}
