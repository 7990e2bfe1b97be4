/* SPDX-License-Identifier: MIT */
/*
 * The landing of datagrams. In: a socket. Out: one datagram in tmpfs, and what the kernel says of its sender.
 *
 * Crash story. Killed before recvmsg(2) returned: the kernel's queue has it still, or the room holds it and
 * its end is found over the 0xFF. Killed before the commit that takes it: it is found by its number, and
 * taken then. Killed between that commit and the wiping: its number is not above the committed one, so it is
 * wiped unseen. What the kernel says of the sender lies in the file too, because it cannot be asked for
 * again.
 */
#include "agent/capture/landing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/killpoint.h"
#include "agent/store/state.h"

static const char magic[8] = "LBLAND";

/* Row of the inputs' table that is ours. */
#define ROW        (LB_INPUT_CURSORS - 1)
#define WORD(name) (ROW * LB_INPUT_WORDS + (name))
enum { WORD_TAKEN = 1, WORD_DONE };

static uint64_t get(const struct lb_landing *landing, unsigned word)
{
    return lb_commit_get(landing->commit, LB_FAST_INPUTS, WORD(word));
}

static void set(struct lb_landing *landing, unsigned word, uint64_t value)
{
    lb_commit_set(landing->commit, LB_FAST_INPUTS, WORD(word), value);
}

static int make(int dir_fd, unsigned flags, struct lb_mapfile *ret_map)
{
    struct lb_landing_header *header;
    int rc = lb_mapfile_create(dir_fd, "datagram", LB_MAP_ALIGN, LB_LANDING_BYTES, flags, ret_map);

    if (rc < 0)
        return rc;
    header = (struct lb_landing_header *)(void *)ret_map->header;
    memcpy(header->magic, magic, sizeof magic);
    header->format = LB_LANDING_FORMAT;
    memset(ret_map->data, 0xff, LB_LANDING_BYTES);
    rc = lb_mapfile_publish(dir_fd, "datagram");
    if (rc < 0)
        lb_mapfile_close(ret_map);
    return rc;
}

static bool is_ours(const struct lb_mapfile *map)
{
    const struct lb_landing_header *header = (const struct lb_landing_header *)(void *)map->header;

    return memcmp(header->magic, magic, sizeof magic) == 0 && header->format == LB_LANDING_FORMAT &&
           map->data_bytes == LB_LANDING_BYTES;
}

int lb_landing_open(int dir_fd, bool lock, struct lb_commit *commit, struct lb_landing *landing)
{
    unsigned flags = lock ? LB_MAP_LOCK : 0;
    int rc = lb_mapfile_open(dir_fd, "datagram", LB_MAP_ALIGN, flags, &landing->map);

    if (rc == 0 && !is_ours(&landing->map)) {
        lb_mapfile_close(&landing->map);
        rc = -ENOENT;
    }
    if (rc == -ENOENT || rc == -EINVAL)
        rc = make(dir_fd, flags, &landing->map);
    if (rc < 0)
        return rc;
    landing->header = (struct lb_landing_header *)(void *)landing->map.header;
    landing->text = (char *)landing->map.data;
    landing->commit = commit;
    return 0;
}

void lb_landing_close(struct lb_landing *landing)
{
    lb_mapfile_close(&landing->map);
    landing->header = NULL;
}

/* Who sent it, as the kernel wrote it into the file. */
static void read_sender(struct lb_landing_header *header)
{
    struct msghdr message = { .msg_control = header->control, .msg_controllen = sizeof header->control };
    struct ucred who = { .pid = 0, .uid = (uid_t)-1 };

    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c && c->cmsg_len >= CMSG_LEN(0);
         c = CMSG_NXTHDR(&message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS &&
            c->cmsg_len >= CMSG_LEN(sizeof who))
            memcpy(&who, CMSG_DATA(c), sizeof who);
    header->pid = (uint64_t)(who.pid > 0 ? who.pid : 0);
    header->uid = who.uid;
}

/* Nobody asked for descriptors: what a sender passes along is ours to close, or it would cost us all we may
 * have. Not after a recovery, where the numbers in the file are those of another process. */
static void close_passed(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
            close(fd);
        }
    }
}

static size_t true_end(const struct lb_landing *landing)
{
    size_t len = LB_LANDING_BYTES;

    while (len > 0 && (unsigned char)landing->text[len - 1] == 0xff)
        len--;
    return len;
}

bool lb_landing_recover(struct lb_landing *landing)
{
    struct lb_landing_header *header = landing->header;
    bool is_taken = header->number <= get(landing, WORD_TAKEN), was_stored = header->len > 0;

    if (!is_taken && !was_stored && true_end(landing) > 0) {
        read_sender(header);
        header->len = 1 + true_end(landing);
    }
    if (!is_taken && header->len > 0 && header->len - 1 <= LB_LANDING_BYTES)
        return true;
    memset(landing->text, 0xff, LB_LANDING_BYTES);
    lb_landing_clear(landing);
    return false;
}

int lb_landing_receive(struct lb_landing *landing, int fd, uint64_t now_ns)
{
    struct lb_landing_header *header = landing->header;
    struct iovec room = { landing->text, LB_LANDING_BYTES };
    struct msghdr message = { .msg_iov = &room,
                              .msg_iovlen = 1,
                              .msg_control = header->control,
                              .msg_controllen = sizeof header->control };
    ssize_t got;

    if (header->number <= get(landing, WORD_TAKEN)) {
        header->boot_ns = now_ns;
        lb_store(&header->number, get(landing, WORD_TAKEN) + 1);
    }
    got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0)
        return -errno;
    lb_killpoint();
    close_passed(&message);
    header->boot_ns = now_ns;
    header->was_cut = (message.msg_flags & MSG_TRUNC) != 0;
    read_sender(header);
    lb_store(&header->len, 1 + (uint64_t)got);
    return 0;
}

bool lb_landing_is_live(const struct lb_landing *landing)
{
    return landing->header->len > 0 && landing->header->number > get(landing, WORD_TAKEN);
}

size_t lb_landing_length(const struct lb_landing *landing)
{
    return landing->header->len - 1;
}

size_t lb_landing_done(const struct lb_landing *landing)
{
    return get(landing, WORD_DONE);
}

void lb_landing_take(struct lb_landing *landing, size_t bytes, bool is_last)
{
    set(landing, WORD_DONE, is_last ? 0 : get(landing, WORD_DONE) + bytes);
    if (is_last)
        set(landing, WORD_TAKEN, landing->header->number);
}

void lb_landing_clear(struct lb_landing *landing)
{
    struct lb_landing_header *header = landing->header;
    size_t used = header->len > 0 && header->len - 1 <= LB_LANDING_BYTES ? header->len - 1 : LB_LANDING_BYTES;

    memset(landing->text, 0xff, used);
    lb_killpoint();
    memset(header->control, 0, sizeof header->control);
    header->was_cut = 0;
    lb_store(&header->len, 0);
}
