/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_HELD_READER_H
#define LB_OFFLINE_HELD_READER_H

#include "agent/store/held.h"

/*
 * The held pool of a running agent, mapped for reading. The agent does not wait
 * for us: a record is copied, and then looked at whether it was still there.
 */
struct lb_held_reader {
    struct lb_mapfile map; /* fd -1: there is none */
    const struct lb_held_header *header;
    uint32_t chunks;
    struct lb_held_seen {
        uint64_t seq; /* of what the chunk held when we last looked */
        uint64_t at;  /* and how far we have read that */
    } * seen;
    struct lb_record *record; /* the copy of the next one */
    bool has_record;
    uint64_t newest_seq; /* as lb_held_reader_skip() last saw it */
};

/*
 * Map it.
 *   fd       becomes the reader's on success
 *   returns  0 | -EPROTO it is no pool of this format | -ENOMEM | negative errno of mmap
 *   calls    main thread of an offline mode
 */
int lb_held_reader_open(struct lb_held_reader *reader, int fd);

/*
 * The oldest record that was not taken yet.
 *   returns  it, the same one until lb_held_reader_take() | NULL: none now
 *   calls    main thread of an offline mode
 */
const struct lb_record *lb_held_reader_peek(struct lb_held_reader *reader);

/*
 * It was dealt with.
 */
void lb_held_reader_take(struct lb_held_reader *reader);

/*
 * Pass over all that is there now.
 *   returns  how many bytes of records that were, with those of chunks that were filled and given up again
 *            since the last call of this
 *   calls    main thread of an offline mode
 */
uint64_t lb_held_reader_skip(struct lb_held_reader *reader);

/*
 * Unmap and free.
 */
void lb_held_reader_close(struct lb_held_reader *reader);

#endif
