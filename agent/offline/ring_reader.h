/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_RING_READER_H
#define LB_OFFLINE_RING_READER_H

#include "agent/offline/backlog_reader.h"
#include "agent/offline/held_reader.h"
#include "agent/store/ring.h"
#include "common/proto.h"

/* The rings of a running agent, mapped for reading, oldest first, and its held pool and backlog beside them.
 */
struct lb_ring_reader {
    bool wants_backlog;
    struct lb_backlog_wish wish; /* of it; both set before it is opened */
    struct lb_backlog_reader backlog;
    struct lb_held_reader held;
    struct lb_ring ring[LB_CONTROL_FDS_MAX];
    uint64_t pos[LB_CONTROL_FDS_MAX]; /* where to read on */
    unsigned rings;
    struct lb_record *record; /* the copy that lb_ring_reader_next() made */
    bool has_record;          /* it is not given out yet: one of the backlog is older */
    uint64_t record_ring_id;
    bool must_take_moved; /* the one that was given out last is of the backlog */
    size_t record_room;
    uint64_t skipped;       /* times that the writer came round while we read */
    char config_path[4096]; /* the agent's; "" unknown */
};

/*
 * Ask the agent for its rings and map them.
 *   reader   zero, but for wants_backlog and wish
 *   returns  0 | -ENOMEM | -EPROTO a ring of another format | negative errno of connect
 *   calls    main thread of an offline mode; blocks for at most ten seconds
 */
int lb_ring_reader_open(struct lb_ring_reader *reader);

/*
 * The same with a bound of one's own.
 *   patience_ms  that each step may take, above 0
 */
int lb_ring_reader_open_within(struct lb_ring_reader *reader, unsigned patience_ms);

/*
 * Connect to an agent's control.sock and send a request.
 *   request      a line, with LF
 *   patience_ms  that each step of what follows on the socket may take; 0: nothing waits
 *   returns      a socket, the caller's | negative errno of connect or send
 *   calls        any thread of an offline mode
 */
int lb_agent_connect(const char *request, unsigned patience_ms);

/*
 * The next record in order, as a copy; those of the backlog, where they are
 * wanted, among those of the rings by the time that they were captured at.
 *   returns  it, valid until the next call | NULL: none now
 *   calls    main thread of an offline mode
 */
const struct lb_record *lb_ring_reader_next(struct lb_ring_reader *reader, uint64_t *ret_ring_id);

/*
 * How far was read, in bytes over all rings: what it grows by is what was read and what was passed over.
 *   calls    main thread of an offline mode
 */
uint64_t lb_ring_reader_pos(const struct lb_ring_reader *reader);

/*
 * Pass over all that is there now.
 *   calls    main thread of an offline mode
 */
void lb_ring_reader_skip(struct lb_ring_reader *reader);

/*
 * Unmap and free.
 */
void lb_ring_reader_close(struct lb_ring_reader *reader);

#endif
