/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_RING_READER_H
#define LB_OFFLINE_RING_READER_H

#include "agent/offline/held_reader.h"
#include "agent/store/ring.h"
#include "common/proto.h"

/* The rings of a running agent, mapped for reading, oldest first, and its held pool beside them. */
struct lb_ring_reader {
    struct lb_held_reader held;
    struct lb_ring ring[LB_CONTROL_FDS_MAX];
    uint64_t pos[LB_CONTROL_FDS_MAX]; /* where to read on */
    unsigned rings;
    struct lb_record *record; /* the copy that lb_ring_reader_next() made */
    size_t record_room;
    uint64_t skipped;       /* times that the writer came round while we read */
    char config_path[4096]; /* the agent's; "" unknown */
};

/*
 * Ask the agent for its rings and map them.
 *   returns  0 | -ENOMEM | -EPROTO a ring of another format | negative errno of connect
 *   calls    main thread of an offline mode; blocks for at most ten seconds
 */
int lb_ring_reader_open(struct lb_ring_reader *reader);

/*
 * The next record in order, as a copy.
 *   returns  it, valid until the next call | NULL: none now
 *   calls    main thread of an offline mode
 */
const struct lb_record *lb_ring_reader_next(struct lb_ring_reader *reader, uint64_t *ret_ring_id);

/*
 * Unmap and free.
 */
void lb_ring_reader_close(struct lb_ring_reader *reader);

#endif
