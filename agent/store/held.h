/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_HELD_H
#define LB_STORE_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "agent/store/commit.h"
#include "agent/store/mapfile.h"
#include "agent/store/record.h"
#include "agent/store/state.h"

/*
 * The held pool: a file in tmpfs in which throttled records wait until they are
 * overwritten, or an error makes them worth sending (design.md, shape). It is
 * cut into chunks; a service owns a queue of them and fills the last one.
 *
 *     service A:  [chunk 7 |rrrr][chunk 2 |rrr..]      free: 0 3 4 ...
 *     service B:  [chunk 1 |rr..]
 *
 * Invariants:
 * - owner, order and fill of a chunk are words of the fast side's commit; what
 *   lies beyond a chunk's fill does not exist;
 * - bytes are written only into room that is free in the committed words: a
 *   chunk that was given up or emptied is free behind the next publish;
 * - the books' `held` (LB_THROTTLE_HELD) are the sums over the records here, by
 *   the service that owns the chunk and the reason in the record's state byte.
 *
 * A record here is as in the ring (record.h), but: `state` is why it was held,
 * counted from LB_DROP_FILTER; `n` is its bytes in the books; `lane` says nothing.
 */
#define LB_HELD_CHUNK_BYTES 16384u
#define LB_HELD_FORMAT      1
#define LB_HELD_CHUNKS_MAX  256u /* of one service: all of them are taken in one commit */

/* Words of a chunk. */
enum { LB_HELD_OWNER = 0 /* 1 + row of the books; 0: free */, LB_HELD_SEQ, LB_HELD_USED, LB_HELD_WORDS };

struct lb_held_header {
    char magic[8]; /* "LBHELD" */
    uint32_t format;
    uint32_t chunk_bytes;
    uint64_t chunks;
    uint64_t check; /* XXH3 of the four fields before */
    uint64_t spare[4];
    uint64_t words[]; /* LB_HELD_WORDS for each chunk */
};

/* The queue of a service, in chunk numbers + 1; 0: none. */
struct lb_held_queue {
    uint32_t first, last, count;
    bool is_sealed; /* the last chunk is not written to any more: what lies behind its fill is not known */
};

struct lb_held {
    struct lb_mapfile map; /* fd -1: there is none */
    struct lb_held_header *header;
    struct lb_commit *fast;
    uint32_t chunks;
    uint64_t next_seq;
    uint32_t *next;            /* by chunk: the one behind it, + 1 */
    uint32_t free, free_count; /* a list by next */
    uint32_t freed;            /* a list by next: free behind the next publish */
    struct lb_held_queue queue[LB_SERVICES_BOOKS];
    bool was_damaged; /* a file that was none is set aside as held.damaged */
};

/*
 * Open the pool, or make one.
 *   bytes     wanted size, rounded up to whole chunks; an existing pool keeps its own until
 *             lb_held_resize(); 0 and no file: there is none, and lb_held_put() says so
 *   fast      gets the chunks' words as region LB_FAST_HELD
 *   returns   0 | -ENOMEM | -ENOSPC | other negative errno
 *   calls     before the threads start, before lb_commit_recover()
 */
int lb_held_open(int dir_fd, uint64_t bytes, bool lock, struct lb_commit *fast, struct lb_held *ret_held);

/* What a walk over records adds up. */
struct lb_held_sum {
    uint64_t lines, bytes; /* as in the books */
    uint64_t ring_bytes;   /* room that they take in the ring */
};

/*
 * Take over what an agent before us held: queues are made from the chunks'
 * words, damage ends a chunk where it begins, and what the books say to be held
 * and is not there is dropped as lost. Publishes.
 *   state_is_new  the rows of the books are not those that the chunks name: nothing is taken over
 *   ret_lost      by row of the books, LB_SERVICES_BOOKS of them: what was lost, for receipts; NULL: nobody
 *                 wants to know
 *   calls         before the threads start, after lb_commit_recover()
 */
void lb_held_recover(struct lb_held *held, bool state_is_new, struct lb_held_sum *ret_lost);

/*
 * Make the pool another size, if it has another: what is held then is given up.
 *   returns   0 | -ENOSPC | other negative errno: it is as before, or gone
 *   calls     before the threads start, after lb_held_recover()
 */
int lb_held_resize(struct lb_held *held, int dir_fd, uint64_t bytes, bool lock);

/*
 * Close; the file stays.
 *   calls     when the fast side has stopped
 */
void lb_held_close(struct lb_held *held);

/* Bytes of the header of a pool of so many chunks. */
size_t lb_held_header_bytes(uint64_t chunks);

/*
 * Hold a record, with the next publish; it counts as held in the books then.
 *   row       of the service in the books
 *   bytes_max  a service that holds more than this, beside its oldest chunk, gives that one up for a new one
 *   head      as for lb_ring_put(); lines are counted
 *   why       LB_DROP_FILTER and later
 *   bytes     of it, for the books
 *   service, tags, body  as for lb_ring_put()
 *   returns   0 | -EMSGSIZE longer than a chunk, or there is no pool: it is to be dropped
 *             | -ENOBUFS no room: lb_held_give_up(), publish, and offer it again
 *   calls     fast side
 */
int lb_held_put(struct lb_held *held, uint32_t row, uint64_t bytes_max, const struct lb_record *head,
                enum lb_drop why, uint64_t bytes, const struct iovec *service, const struct iovec *tags,
                const struct iovec *body, unsigned pieces);

/*
 * Give up the oldest chunk: of the service itself, where it holds bytes_max
 * beside that, else of the one that owns most. Its records are dropped, in the books, each
 * for the reason that it was held for.
 *   calls     fast side; publish before the next put
 */
void lb_held_give_up(struct lb_held *held, uint32_t row, uint64_t bytes_max);

/*
 * What was given up before this publish is free now.
 *   calls     fast side, after each publish
 */
void lb_held_after_publish(struct lb_held *held);

/* A place in a service's queue. */
struct lb_held_place {
    uint32_t chunk; /* + 1; 0: the end */
    uint32_t at;
};
/*
 * Where do the newest records of a service begin that are not older than
 * since_ns, are bytes_max in the books and ring_bytes_max in the ring at most?
 *   ret_from  the first of them
 *   ret_sum   of them
 *   calls     fast side
 */
void lb_held_reach(const struct lb_held *held, uint32_t row, uint64_t since_ns, uint64_t bytes_max,
                   uint64_t ring_bytes_max, struct lb_held_place *ret_from, struct lb_held_sum *ret_sum);

/*
 * The record at a place; moves the place to the one behind it.
 *   returns   a record, valid until its chunk is written to again | NULL: that was all
 *   calls     fast side
 */
const struct lb_record *lb_held_next(const struct lb_held *held, struct lb_held_place *place);

/*
 * No record of a service is held any more, with the next publish: those from a
 * place on go out of the books' held, and the caller sees where to; those in
 * front of it are dropped, each for its reason, since what is sent later must
 * not be older than what was sent before.
 *   calls     fast side
 */
void lb_held_take(struct lb_held *held, uint32_t row, const struct lb_held_place *from);

/*
 * Check an identity as read from a header.
 *   bytes     of the file
 *   returns   how many chunks there are | 0: it is no pool
 *   calls     any thread
 */
uint32_t lb_held_check_identity(const struct lb_held_header *header, size_t bytes);

#endif
