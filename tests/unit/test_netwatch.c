/* SPDX-License-Identifier: MIT */
/*
 * The watch on the network: which messages of the kernel count. Made by hand here, as rtnetlink(7) lays them
 * out; test_netwatch_kernel.c has the kernel's own.
 */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "agent/ship/netwatch.h"

#define LO  1
#define ETH 7

/* Messages, one behind the other. */
struct batch {
    union {
        struct nlmsghdr align;
        uint8_t bytes[2048];
    } at;
    unsigned len;   /* of all of them */
    unsigned start; /* of the last one */
};

static void add_bytes(struct batch *batch, const void *data, unsigned len)
{
    struct nlmsghdr *head = (struct nlmsghdr *)(void *)(batch->at.bytes + batch->start);

    memcpy(batch->at.bytes + batch->len, data, len);
    batch->len += len;
    head->nlmsg_len = batch->len - batch->start;
    batch->len = NLMSG_ALIGN(batch->len);
}

static void add_message(struct batch *batch, unsigned type, unsigned flags, const void *body, unsigned len)
{
    struct nlmsghdr head = { .nlmsg_type = (uint16_t)type, .nlmsg_flags = (uint16_t)flags };

    batch->start = batch->len;
    memcpy(batch->at.bytes + batch->start, &head, sizeof head);
    batch->len += sizeof head;
    add_bytes(batch, body, len);
}

static void add_attr(struct batch *batch, unsigned type, const void *data, unsigned len)
{
    struct rtattr attr = { .rta_type = (uint16_t)type, .rta_len = (uint16_t)RTA_LENGTH(len) };
    uint8_t both[256];

    memcpy(both, &attr, sizeof attr);
    memcpy(both + sizeof attr, data, len);
    add_bytes(batch, both, (unsigned)sizeof attr + len);
}

static void add_u32(struct batch *batch, unsigned type, uint32_t value)
{
    add_attr(batch, type, &value, sizeof value);
}

static unsigned count(const struct batch *batch)
{
    return lb_netwatch_count(batch->at.bytes, batch->len);
}

/* What a message of an address says; all of it may be changed before it is made. */
struct address {
    unsigned type, family, scope, index;
    uint32_t flags;     /* more than eight bits: as an attribute */
    uint32_t old_flags; /* the eight bits in the message */
    uint32_t made_cs, updated_cs;
    bool is_bare; /* no attribute, as a very old kernel */
};

static struct address IPV4 = { .type = RTM_NEWADDR,
                               .family = AF_INET,
                               .scope = RT_SCOPE_UNIVERSE,
                               .index = ETH,
                               .flags = IFA_F_PERMANENT,
                               .made_cs = 1000,
                               .updated_cs = 1000 };

static void add_address(struct batch *batch, const struct address *address)
{
    struct ifaddrmsg body = { .ifa_family = (uint8_t)address->family,
                              .ifa_prefixlen = 24,
                              .ifa_flags = (uint8_t)address->old_flags,
                              .ifa_scope = (uint8_t)address->scope,
                              .ifa_index = address->index };
    struct ifa_cacheinfo info = { 3600, 3600, address->made_cs, address->updated_cs };

    add_message(batch, address->type, 0, &body, sizeof body);
    if (address->is_bare)
        return;
    add_attr(batch, IFA_LABEL, "eth0", 5);
    add_u32(batch, IFA_FLAGS, address->flags);
    add_attr(batch, IFA_CACHEINFO, &info, sizeof info);
}

static unsigned count_address(struct address address)
{
    struct batch batch = { .len = 0 };

    add_address(&batch, &address);
    return count(&batch);
}

struct route {
    unsigned type, flags, family, table, kind, route_flags, dst_len;
    uint32_t wide_table, oif; /* 0: no such attribute */
    uint8_t dst[16];
};

static struct route DEFAULT = { .type = RTM_NEWROUTE,
                                .flags = NLM_F_CREATE | NLM_F_EXCL,
                                .family = AF_INET,
                                .table = RT_TABLE_MAIN,
                                .kind = RTN_UNICAST,
                                .oif = ETH };

static void add_route(struct batch *batch, const struct route *route)
{
    struct rtmsg body = { .rtm_family = (uint8_t)route->family,
                          .rtm_dst_len = (uint8_t)route->dst_len,
                          .rtm_table = (uint8_t)route->table,
                          .rtm_type = (uint8_t)route->kind,
                          .rtm_flags = route->route_flags };

    add_message(batch, route->type, route->flags, &body, sizeof body);
    if (route->wide_table)
        add_u32(batch, RTA_TABLE, route->wide_table);
    if (route->dst_len)
        add_attr(batch, RTA_DST, route->dst, route->family == AF_INET ? 4 : 16);
    if (route->oif)
        add_u32(batch, RTA_OIF, route->oif);
}

static unsigned count_route(struct route route)
{
    struct batch batch = { .len = 0 };

    add_route(&batch, &route);
    return count(&batch);
}

/* As base, but for one field: count_address(WITH(IPV4, scope, RT_SCOPE_HOST)). */
#define WITH(base, field, value)        \
    ({                                  \
        __typeof__(base) other_ = base; \
        other_.field = value;           \
        other_;                         \
    })

/* ---- addresses ---- */

static void a_new_address_counts(void **state)
{
    (void)state;
    assert_int_equal(count_address(IPV4), 1);
    assert_int_equal(count_address(WITH(IPV4, family, AF_INET6)), 1);
    assert_int_equal(count_address(WITH(IPV4, is_bare, true)), 1);
    assert_int_equal(count_address(WITH(IPV4, scope, RT_SCOPE_LINK)), 1); /* 169.254/16 may be all there is */
}

static void what_goes_away_does_not(void **state)
{
    (void)state;
    assert_int_equal(count_address(WITH(IPV4, type, RTM_DELADDR)), 0);
    assert_int_equal(count_route(WITH(DEFAULT, type, RTM_DELROUTE)), 0);
}

static void loopback_does_not(void **state)
{
    (void)state;
    assert_int_equal(count_address(WITH(IPV4, scope, RT_SCOPE_HOST)), 0);
    assert_int_equal(count_address(WITH(IPV4, index, LO)), 0);
    assert_int_equal(count_route(WITH(DEFAULT, oif, LO)), 0);
}

static void an_ipv6_address_counts_when_it_may_be_used(void **state)
{
    struct address ipv6 = WITH(IPV4, family, AF_INET6);
    struct address old_kernel = WITH(ipv6, is_bare, true);

    (void)state;
    assert_int_equal(count_address(WITH(ipv6, flags, IFA_F_TENTATIVE | IFA_F_PERMANENT)), 0);
    assert_int_equal(count_address(WITH(ipv6, flags, IFA_F_TENTATIVE | IFA_F_DADFAILED)), 0);
    assert_int_equal(count_address(WITH(ipv6, flags, IFA_F_OPTIMISTIC | IFA_F_DADFAILED)), 0);
    assert_int_equal(count_address(WITH(ipv6, flags, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)), 1);
    assert_int_equal(count_address(WITH(ipv6, flags, IFA_F_NOPREFIXROUTE)), 1);
    old_kernel.old_flags = IFA_F_TENTATIVE;
    assert_int_equal(count_address(old_kernel), 0);
    assert_int_equal(count_address(WITH(ipv6, old_flags, IFA_F_TENTATIVE)), 1); /* the attribute wins */
}

/* Each interface of each container has one. */
static void an_ipv6_link_local_address_and_its_route_do_not(void **state)
{
    struct address ipv6 = WITH(IPV4, family, AF_INET6);
    struct route to = WITH(DEFAULT, family, AF_INET6);

    (void)state;
    assert_int_equal(count_address(WITH(ipv6, scope, RT_SCOPE_LINK)), 0);
    to.dst_len = 64;
    memcpy(to.dst, "\xfe\x80", 2);
    assert_int_equal(count_route(to), 0);
    memcpy(to.dst, "\xfe\xbf", 2);
    assert_int_equal(count_route(to), 0);
    memcpy(to.dst, "\xfe\xc0", 2);
    assert_int_equal(count_route(to), 1);
    memcpy(to.dst, "\x20\x01", 2);
    assert_int_equal(count_route(to), 1);
}

/* Router advertisements come every few seconds where the router is in a hurry, and leases are renewed. */
static void an_address_that_is_refreshed_is_not_new(void **state)
{
    struct address after_497_days = WITH(IPV4, made_cs, UINT32_MAX);

    (void)state;
    assert_int_equal(count_address(WITH(IPV4, updated_cs, 1000 + LB_NETWATCH_NEW_CS)), 1);
    assert_int_equal(count_address(WITH(IPV4, updated_cs, 1000 + LB_NETWATCH_NEW_CS + 1)), 0);
    assert_int_equal(count_address(WITH(after_497_days, updated_cs, 1)), 1);
}

/* ---- routes ---- */

static void a_new_route_counts_in_the_main_table_only(void **state)
{
    struct route wide = WITH(DEFAULT, table, RT_TABLE_COMPAT);

    (void)state;
    assert_int_equal(count_route(DEFAULT), 1);
    assert_int_equal(count_route(WITH(DEFAULT, family, AF_INET6)), 1);
    assert_int_equal(count_route(WITH(DEFAULT, oif, 0)), 1); /* over many hops */
    assert_int_equal(count_route(WITH(DEFAULT, table, RT_TABLE_LOCAL)), 0);
    assert_int_equal(count_route(WITH(DEFAULT, table, 100)), 0);
    assert_int_equal(count_route(WITH(wide, wide_table, 51820)), 0);
    assert_int_equal(count_route(WITH(wide, wide_table, RT_TABLE_MAIN)), 1);
    assert_int_equal(count_route(WITH(DEFAULT, wide_table, 256 + RT_TABLE_MAIN)), 0);
}

static void only_unicast_routes_that_stay_lead_anywhere(void **state)
{
    static const unsigned others[] = { RTN_LOCAL,     RTN_BROADCAST,   RTN_ANYCAST,  RTN_MULTICAST,
                                       RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT, RTN_THROW };

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(count_route(WITH(DEFAULT, kind, others[i])), 0);
    assert_int_equal(count_route(WITH(DEFAULT, route_flags, RTM_F_CLONED)), 0);
    assert_int_equal(count_route(WITH(DEFAULT, family, RTNL_FAMILY_IPMR)), 0); /* the multicast router's */
    assert_int_equal(count_route(WITH(DEFAULT, family, RTNL_FAMILY_IP6MR)), 0);
}

static void a_route_that_is_put_in_its_own_place_is_not_new(void **state)
{
    struct route replaced = WITH(DEFAULT, flags, NLM_F_REPLACE);

    (void)state;
    assert_int_equal(count_route(WITH(replaced, family, AF_INET6)), 0);
    assert_int_equal(count_route(replaced), 1); /* IPv4: told only where it is another one */
}

/* ---- what may come in ---- */

static void a_burst_is_counted_to_its_end(void **state)
{
    struct address gone = WITH(IPV4, type, RTM_DELADDR);
    struct batch batch = { .len = 0 };
    uint32_t done = 0;

    (void)state;
    assert_int_equal(lb_netwatch_count(NULL, 0), 0);
    add_address(&batch, &IPV4);
    add_address(&batch, &gone);
    add_route(&batch, &DEFAULT);
    add_message(&batch, NLMSG_NOOP, 0, &done, sizeof done);
    add_message(&batch, RTM_NEWLINK, 0, &(struct ifinfomsg) { .ifi_index = ETH }, sizeof(struct ifinfomsg));
    add_message(&batch, NLMSG_DONE, NLM_F_MULTI, &done, sizeof done);
    add_address(&batch, &IPV4);
    assert_int_equal(count(&batch), 3);
}

/* Each cut is its own block of memory, so that the sanitizer sees a read beyond it. */
static void a_message_that_is_cut_ends_the_look_wherever_it_is_cut(void **state)
{
    struct batch batch = { .len = 0 };
    unsigned first_len;

    (void)state;
    add_address(&batch, &IPV4);
    first_len = batch.len;
    add_route(&batch, &DEFAULT);
    for (unsigned len = 0; len <= batch.len; len++) {
        uint8_t *cut = malloc(len ? len : 1);

        assert_non_null(cut);
        memcpy(cut, batch.at.bytes, len);
        assert_int_equal(lb_netwatch_count(cut, len), (len >= first_len) + (len == batch.len));
        free(cut);
    }
}

static void the_last_message_need_not_be_rounded_up(void **state)
{
    struct address bare = WITH(IPV4, is_bare, true);
    struct batch batch = { .len = 0 };
    unsigned len;
    uint8_t *exact;

    (void)state;
    add_address(&batch, &bare);
    add_attr(&batch, IFA_LABEL, "x", 1); /* what is looked for would stand behind it */
    len = batch.at.align.nlmsg_len;
    assert_true(len % NLMSG_ALIGNTO != 0);
    exact = malloc(len);
    assert_non_null(exact);
    memcpy(exact, batch.at.bytes, len);
    assert_int_equal(lb_netwatch_count(exact, len), 1);
    free(exact);
}

static void wrong_lengths_are_harmless(void **state)
{
    struct batch batch = { .len = 0 };

    (void)state;
    add_address(&batch, &IPV4);
    for (uint32_t more = 1; more < 300; more++) {
        batch.at.align.nlmsg_len = batch.len + more;
        assert_int_equal(count(&batch), 0);
        batch.at.align.nlmsg_len = UINT32_MAX - more + 1; /* would wrap when it is rounded up */
        assert_int_equal(count(&batch), 0);
    }
    for (uint32_t len = 0; len < sizeof(struct nlmsghdr); len++) {
        batch.at.align.nlmsg_len = len;
        assert_int_equal(count(&batch), 0);
    }
}

static void a_message_without_what_each_has_counts_for_nothing(void **state)
{
    struct batch address = { .len = 0 }, route = { .len = 0 };

    (void)state;
    add_address(&address, &IPV4);
    add_route(&route, &DEFAULT);
    for (unsigned body = 0; body < sizeof(struct ifaddrmsg); body++) {
        address.at.align.nlmsg_len = NLMSG_LENGTH(body);
        assert_int_equal(lb_netwatch_count(address.at.bytes, NLMSG_LENGTH(body)), 0);
    }
    for (unsigned body = 0; body < sizeof(struct rtmsg); body++) {
        route.at.align.nlmsg_len = NLMSG_LENGTH(body);
        assert_int_equal(lb_netwatch_count(route.at.bytes, NLMSG_LENGTH(body)), 0);
    }
}

/* What an attribute says that lies about its length is not believed: the message is judged by the rest. */
static void wrong_lengths_of_attributes_are_harmless(void **state)
{
    static const uint16_t wrong[] = { 0, 1, 3, 4, 7, 1000, UINT16_MAX };
    struct address tentative = WITH(IPV4, flags, IFA_F_TENTATIVE);

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct batch batch = { .len = 0 };
        unsigned flags_at;

        add_address(&batch, &tentative);
        assert_int_equal(count(&batch), 0);
        flags_at = NLMSG_LENGTH(sizeof(struct ifaddrmsg)) + RTA_SPACE(5);
        memcpy(batch.at.bytes + flags_at, &wrong[i], sizeof wrong[i]);
        assert_int_equal(count(&batch), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_address_counts),
        cmocka_unit_test(what_goes_away_does_not),
        cmocka_unit_test(loopback_does_not),
        cmocka_unit_test(an_ipv6_address_counts_when_it_may_be_used),
        cmocka_unit_test(an_ipv6_link_local_address_and_its_route_do_not),
        cmocka_unit_test(an_address_that_is_refreshed_is_not_new),
        cmocka_unit_test(a_new_route_counts_in_the_main_table_only),
        cmocka_unit_test(only_unicast_routes_that_stay_lead_anywhere),
        cmocka_unit_test(a_route_that_is_put_in_its_own_place_is_not_new),
        cmocka_unit_test(a_burst_is_counted_to_its_end),
        cmocka_unit_test(a_message_that_is_cut_ends_the_look_wherever_it_is_cut),
        cmocka_unit_test(the_last_message_need_not_be_rounded_up),
        cmocka_unit_test(wrong_lengths_are_harmless),
        cmocka_unit_test(a_message_without_what_each_has_counts_for_nothing),
        cmocka_unit_test(wrong_lengths_of_attributes_are_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
