/* SPDX-License-Identifier: MIT */
/*
 * Messages to and from intake.sock. In: fields. Out: packets, and the other
 * way round. Always true: a packet is sent whole or not at all (SOCK_SEQPACKET),
 * and what the agent sends is checked before it is believed.
 */
#include "agent/cli/intake_link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "agent/cli/cli.h"

int lb_intake_link_connect(void)
{
    struct sockaddr_un address;
    int error = lb_cli_socket_address("intake.sock", &address);
    int fd;

    if (error != 0)
        return error;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

/* 0 | -errno */
static int send_packet(int socket_fd, const struct msghdr *message)
{
    ssize_t n;

    do
        n = sendmsg(socket_fd, message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

/* An iovec that is only read: the type has no const of its own. */
static struct iovec part_of(const void *bytes, size_t len)
{
    union {
        const void *in;
        void *out;
    } cast = { .in = bytes };

    return (struct iovec) { .iov_base = cast.out, .iov_len = len };
}

union rights {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

/* Let a descriptor go along with a message. */
static void attach(struct msghdr *message, union rights *rights, int fd)
{
    struct cmsghdr *head;

    memset(rights, 0, sizeof *rights);
    message->msg_control = rights->bytes;
    message->msg_controllen = sizeof rights->bytes;
    head = CMSG_FIRSTHDR(message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
}

int lb_intake_link_send_hello(int socket_fd, const struct lb_intake_source *source, uint64_t stream_id)
{
    size_t service_len = strlen(source->service), tags_len = strlen(source->tags);
    struct lb_proto_hello hello = {
        .stream_id = stream_id,
        .kind = source->kind,
        .service_len = (uint16_t)service_len,
        .tags_len = (uint16_t)tags_len,
        .source_pid = (uint32_t)source->source_pid,
    };
    struct iovec parts[] = { part_of(&hello, sizeof hello), part_of(source->service, service_len),
                             part_of(source->tags, tags_len) };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };
    union rights rights;

    attach(&message, &rights, source->pipe_fd);
    lb_proto_head_init(&hello.head, LB_PROTO_HELLO, sizeof hello + service_len + tags_len);
    return send_packet(socket_fd, &message);
}

int lb_intake_link_send_data(int socket_fd, const struct lb_drain_piece *piece)
{
    struct lb_proto_data data = {
        .first_byte = piece->first_byte,
        .boot_ns = piece->boot_ns,
        .lost_lines = piece->lost_lines,
        .lost_bytes = piece->lost_bytes,
    };
    struct iovec parts[] = { part_of(&data, sizeof data), part_of(piece->bytes, piece->len) };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

    lb_proto_head_init(&data.head, LB_PROTO_DATA, sizeof data + piece->len);
    return send_packet(socket_fd, &message);
}

int lb_intake_link_send_pipe(int socket_fd, int pipe_fd)
{
    union rights rights;
    struct lb_proto_head head;
    struct iovec part = part_of(&head, sizeof head);
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    attach(&message, &rights, pipe_fd);
    lb_proto_head_init(&head, LB_PROTO_PIPE, sizeof head);
    return send_packet(socket_fd, &message);
}

int lb_intake_link_send_bye(int socket_fd)
{
    struct lb_proto_head head;
    struct iovec part = part_of(&head, sizeof head);
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    lb_proto_head_init(&head, LB_PROTO_BYE, sizeof head);
    return send_packet(socket_fd, &message);
}

/* A reason for a person's eyes: whatever could move their cursor is made harmless. */
static void copy_reason(char *reason, const char *text, size_t len)
{
    if (len > LB_PROTO_REASON_MAX)
        len = LB_PROTO_REASON_MAX;
    for (size_t i = 0; i < len; i++)
        reason[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
    reason[len] = '\0';
}

int lb_intake_link_receive(int socket_fd, struct lb_intake_answer *ret_answer)
{
    union {
        struct lb_proto_head head;
        struct lb_proto_taken taken;
        char bytes[sizeof(struct lb_proto_head) + LB_PROTO_REASON_MAX];
    } packet;
    bool was_reset = false;
    ssize_t n;
    int type;

    /* An agent that hung up before it read all of ours resets the connection, and that is told first, once.
     * What it said before, which is why, lies behind it. */
    for (;;) {
        n = recv(socket_fd, &packet, sizeof packet, MSG_DONTWAIT);
        if (n >= 0 || (errno != EINTR && (errno != ECONNRESET || was_reset)))
            break;
        was_reset |= errno == ECONNRESET;
    }
    if (n == 0)
        return -ECONNRESET;
    if (n < 0)
        return errno == EAGAIN ? -EAGAIN : -ECONNRESET;
    type = lb_proto_check(&packet, (size_t)n);
    if (type < 0)
        return type;
    if ((type == LB_PROTO_WELCOME || type == LB_PROTO_TAKEN) && (size_t)n != sizeof packet.taken)
        return -EBADMSG;
    *ret_answer = (struct lb_intake_answer) { .type = (enum lb_proto_type)type };
    if (type == LB_PROTO_WELCOME || type == LB_PROTO_TAKEN)
        ret_answer->taken_bytes = packet.taken.taken_bytes;
    if (type == LB_PROTO_REFUSED)
        copy_reason(ret_answer->reason, packet.bytes + sizeof packet.head, (size_t)n - sizeof packet.head);
    return 0;
}
