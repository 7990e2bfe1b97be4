/* SPDX-License-Identifier: MIT */
/*
 * The watch on the network. In: the kernel's messages about addresses and routes. Out: one call a turn when
 * some of them may have opened a way. Always true: at most READS messages are read a turn (the loop comes
 * back for the rest), nothing is read beyond what recv() gave, and what is not understood is passed over.
 *
 * Some of the rules are measured, on Linux 6.18 in a namespace: an IPv4 address whose lifetime is set anew is
 * told as RTM_NEWADDR with no flag that says so, only its time of update is later than that of its making; an
 * IPv4 route that replaces itself is not told at all, one that replaces another is, with NLM_F_REPLACE.
 */
#include "agent/ship/netwatch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"

#define READS 16 /* a turn */
#define BUFFER_BYTES                                                                                      \
    8192                 /* the kernel's notifications have a page at most, but for routes over many hops \
                          */
#define LOOPBACK_INDEX 1 /* in every network namespace */

/* The attribute of this type with at least min_len bytes; NULL: there is none before the first that is cut.
 */
static const void *find_attr(const void *attrs, unsigned len, unsigned short type, unsigned min_len)
{
    const uint8_t *at = attrs;
    struct rtattr attr;

    while (len >= sizeof attr) {
        memcpy(&attr, at, sizeof attr);
        if (attr.rta_len < sizeof attr || attr.rta_len > len)
            return NULL;
        if (attr.rta_type == type && attr.rta_len - sizeof attr >= min_len)
            return at + sizeof attr;
        if (RTA_ALIGN(attr.rta_len) >= len)
            return NULL;
        at += RTA_ALIGN(attr.rta_len);
        len -= RTA_ALIGN(attr.rta_len);
    }
    return NULL;
}

/* A 32-bit attribute, or what the older field beside it says. */
static uint32_t attr_u32(const void *attrs, unsigned len, unsigned short type, uint32_t otherwise)
{
    const void *value = find_attr(attrs, len, type, sizeof otherwise);

    if (value)
        memcpy(&otherwise, value, sizeof otherwise);
    return otherwise;
}

static bool address_counts(const void *body, unsigned len)
{
    struct ifaddrmsg address;
    struct ifa_cacheinfo made = { 0 };
    const void *attrs = (const uint8_t *)body + NLMSG_ALIGN(sizeof address), *info;
    uint32_t flags;

    if (len < NLMSG_ALIGN(sizeof address))
        return false;
    len -= NLMSG_ALIGN(sizeof address);
    memcpy(&address, body, sizeof address);
    if ((address.ifa_family != AF_INET && address.ifa_family != AF_INET6) ||
        address.ifa_index == LOOPBACK_INDEX || address.ifa_scope >= RT_SCOPE_HOST ||
        (address.ifa_family == AF_INET6 && address.ifa_scope == RT_SCOPE_LINK))
        return false;
    flags = attr_u32(attrs, len, IFA_FLAGS, address.ifa_flags);
    if (flags & IFA_F_DADFAILED || (flags & IFA_F_TENTATIVE && !(flags & IFA_F_OPTIMISTIC)))
        return false;
    info = find_attr(attrs, len, IFA_CACHEINFO, sizeof made);
    if (info)
        memcpy(&made, info, sizeof made);
    return made.tstamp - made.cstamp <= LB_NETWATCH_NEW_CS;
}

static bool route_counts(const void *body, unsigned len, unsigned nlmsg_flags)
{
    struct rtmsg route;
    const void *attrs = (const uint8_t *)body + NLMSG_ALIGN(sizeof route);
    const uint8_t *to;

    if (len < NLMSG_ALIGN(sizeof route))
        return false;
    len -= NLMSG_ALIGN(sizeof route);
    memcpy(&route, body, sizeof route);
    if ((route.rtm_family != AF_INET && route.rtm_family != AF_INET6) || route.rtm_type != RTN_UNICAST ||
        route.rtm_flags & RTM_F_CLONED || (route.rtm_family == AF_INET6 && nlmsg_flags & NLM_F_REPLACE))
        return false;
    if (attr_u32(attrs, len, RTA_TABLE, route.rtm_table) != RT_TABLE_MAIN ||
        attr_u32(attrs, len, RTA_OIF, 0) == LOOPBACK_INDEX)
        return false;
    to = route.rtm_family == AF_INET6 && route.rtm_dst_len >= 10 ? find_attr(attrs, len, RTA_DST, 16) : NULL;
    return !to || to[0] != 0xfe || (to[1] & 0xc0) != 0x80; /* fe80::/10 */
}

unsigned lb_netwatch_count(const void *buf, unsigned len)
{
    const uint8_t *at = buf;
    struct nlmsghdr head;
    unsigned count = 0;

    while (len >= sizeof head) {
        memcpy(&head, at, sizeof head);
        if (head.nlmsg_len < sizeof head || head.nlmsg_len > len)
            break;
        if (head.nlmsg_type == RTM_NEWADDR)
            count += address_counts(at + sizeof head, head.nlmsg_len - sizeof head);
        if (head.nlmsg_type == RTM_NEWROUTE)
            count += route_counts(at + sizeof head, head.nlmsg_len - sizeof head, head.nlmsg_flags);
        if (NLMSG_ALIGN(head.nlmsg_len) >= len)
            break;
        at += NLMSG_ALIGN(head.nlmsg_len);
        len -= NLMSG_ALIGN(head.nlmsg_len);
    }
    return count;
}

/* One read. Returns how many messages in it counted, or negative errno. */
static int hear(int fd)
{
    union {
        struct nlmsghdr align;
        uint8_t bytes[BUFFER_BYTES];
    } buffer;
    struct sockaddr_nl from = { 0 };
    struct iovec part = { buffer.bytes, sizeof buffer.bytes };
    struct msghdr message = {
        .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1
    };
    ssize_t got = recvmsg(fd, &message, 0);

    if (got < 0)
        return errno == ENOBUFS ? 1 : -errno;
    if (message.msg_namelen != sizeof from || from.nl_family != AF_NETLINK || from.nl_pid != 0)
        return 0; /* another process may write to us; only the kernel is believed */
    if (message.msg_flags & MSG_TRUNC)
        return 1; /* what is cut off may have counted */
    return (int)lb_netwatch_count(buffer.bytes, (unsigned)got);
}

static void hear_some(void *arg, uint32_t events)
{
    struct lb_netwatch *watch = arg;
    uint64_t heard = 0;

    (void)events; /* an error is told by recvmsg() too */
    for (int i = 0; i < READS; i++) {
        int count = hear(watch->watch.fd);

        if (count >= 0) {
            heard += (uint64_t)count;
        } else if (count != -EINTR) {
            if (count == -EAGAIN)
                break;
            lb_log(LB_LEVEL_WARNING, "the network is no longer watched: %s", strerror(-count));
            lb_netwatch_close(watch);
            break;
        }
    }
    watch->heard += heard;
    if (heard > 0)
        watch->changed(watch->ctx);
}

int lb_netwatch_open(struct lb_netwatch *watch, struct lb_loop *loop, void (*changed)(void *ctx), void *ctx)
{
    struct sockaddr_nl groups = { .nl_family = AF_NETLINK,
                                  .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
                                               RTMGRP_IPV6_ROUTE };
    int fd, rc;

    *watch = (struct lb_netwatch) { .changed = changed, .ctx = ctx };
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return -errno;
    watch->watch = (struct lb_watch) { .fd = fd, .ready = hear_some, .arg = watch };
    if (bind(fd, (const struct sockaddr *)&groups, sizeof groups) != 0) {
        rc = -errno;
        goto close_fd;
    }
    rc = lb_loop_add(loop, &watch->watch, EPOLLIN);
    if (rc != 0)
        goto close_fd;
    watch->loop = loop;
    return 0;
close_fd:
    close(fd);
    return rc;
}

void lb_netwatch_close(struct lb_netwatch *watch)
{
    if (!watch->loop)
        return;
    lb_loop_remove(watch->loop, &watch->watch);
    close(watch->watch.fd);
    watch->loop = NULL;
}
