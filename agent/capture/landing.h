/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_LANDING_H
#define LB_CAPTURE_LANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "agent/store/commit.h"
#include "agent/store/mapfile.h"

/*
 * Where a datagram lands: a file in tmpfs with room for one, so that what was
 * received and is in no record yet survives a kill (design.md, capture).
 *
 * Invariants:
 * - before a receive the room is all 0xFF, so that the true end of what came is
 *   found even when its length was not stored any more (an empty datagram, and
 *   a run of 0xFF at the very end, are the stated losses);
 * - a landing has a number; its bytes are live while the committed number of the
 *   last one taken is lower. So a record and "this datagram is taken" become
 *   true in one step.
 */
#define LB_LANDING_FORMAT 1
#define LB_LANDING_BYTES \
    (4 * LB_MAP_ALIGN) /* more than a default socket buffer lets through (facts/sinks.md 8.2) */
#define LB_LANDING_CONTROL 128u

struct lb_landing_header {
    char magic[8]; /* "LBLAND" */
    uint64_t format;
    uint64_t number; /* of the datagram that is here, or is about to come */
    uint64_t len;    /* 0: nothing came, or killed before it was stored; else 1 + its length */
    uint64_t was_cut;
    uint64_t boot_ns;
    uint64_t pid; /* by the kernel */
    uint64_t uid;
    _Alignas(8) char control[LB_LANDING_CONTROL]; /* as the kernel wrote it */
};

struct lb_landing {
    struct lb_mapfile map;
    struct lb_landing_header *header;
    struct lb_commit *commit;
    char *text; /* LB_LANDING_BYTES */
};

/*
 * Open or make the file; a damaged one is replaced. What is in it is looked at
 * by lb_landing_recover().
 *   commit    the fast side's, recovered
 *   returns   0 | -ENOSPC | other negative errno
 *   calls     before the threads start
 */
int lb_landing_open(int dir_fd, bool lock, struct lb_commit *commit, struct lb_landing *ret_landing);

/*
 * Close; the file stays.
 *   calls     main thread, after the last turn
 */
void lb_landing_close(struct lb_landing *landing);

/*
 * Is there a datagram that no record has, received by an agent before this one?
 *   returns   true: it is as if lb_landing_receive() had just returned its length | false
 *   calls     fast side, once, before the first receive
 */
bool lb_landing_recover(struct lb_landing *landing);

/*
 * Receive one datagram, without waiting.
 *   fd        a unix datagram socket with SO_PASSCRED
 *   now_ns    boot time
 *   returns   0 one is here | -EAGAIN there is none | other negative errno of recvmsg
 *   calls     fast side, while nothing is here
 */
int lb_landing_receive(struct lb_landing *landing, int fd, uint64_t now_ns);

/*
 * Is a datagram here that is not taken?
 *   calls     fast side
 */
bool lb_landing_is_live(const struct lb_landing *landing);

/*
 * Its length, and how much of it is in records already.
 *   calls     fast side
 */
size_t lb_landing_length(const struct lb_landing *landing);
size_t lb_landing_done(const struct lb_landing *landing);

/*
 * So much more of it is in a record, with the next publish; with is_last: it is
 * taken, and lb_landing_clear() follows that publish.
 *   calls     fast side
 */
void lb_landing_take(struct lb_landing *landing, size_t bytes, bool is_last);

/*
 * After the publish: wipe what was here, ready for the next one.
 *   calls     fast side
 */
void lb_landing_clear(struct lb_landing *landing);

#endif
