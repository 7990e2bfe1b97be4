/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_UNPACKED_H
#define LB_SHIP_UNPACKED_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/store/backlog.h"
#include "agent/store/ring.h"

/*
 * Segments of the backlog, unpacked into a ring in private memory: so what
 * ships, sheds and books records of the ring does the same with these. The
 * segments stay in the backlog until their records are final; how far that is
 * goes into their rows, in the publish that makes it true.
 *
 * Its tail and its ranges are in the slow side's commit as those of any ring
 * are, and die with the process: recovery passes over what it does not know.
 */
#define LB_UNPACKED_PARTS 32

struct lb_unpacked {
    struct lb_ring ring;
    struct lb_ring_header header;
    struct lb_backlog *backlog;
    uint8_t *room, *packed; /* NULL: nothing is unpacked */
    uint64_t packed_room;
    uint64_t wall_ns; /* of the boot that the records are of, as in their rows; 0: of this one */
    unsigned trust;
    struct lb_unpacked_part {
        uint32_t row;
        uint64_t from, to; /* positions */
    } part[LB_UNPACKED_PARTS];
    unsigned parts;
    uint64_t base;     /* where the room begins */
    uint64_t told_pos; /* the rows know of what is before it */
};

/*
 * Tie it to a backlog.
 *   region    LB_SLOW_DRAIN or LB_SLOW_SETTLE
 *   returns   0 | -ENOMEM
 *   calls     before the slow side starts, after the commit recovered; does not move afterwards
 */
int lb_unpacked_init(struct lb_unpacked *unpacked, struct lb_backlog *backlog, unsigned region);

/*
 * Begin anew, empty, with room for so many bytes of records.
 *   ring_id   of all that will be in it
 *   returns   0 | -ENOMEM: it is as empty, with no room
 *   calls     slow side, when nothing of it is on its way
 */
int lb_unpacked_begin(struct lb_unpacked *unpacked, uint64_t ring_id, uint64_t bytes);

/*
 * Unpack a segment behind what is there. What is final in it already is passed.
 *   returns   0 | -ENOBUFS no room, or too many parts | -EXDEV of another ring, or boot | -EBADMSG it is
 *             damaged | -ENOMEM
 *   calls     slow side
 */
int lb_unpacked_add(struct lb_unpacked *unpacked, struct lb_segment_packer *packer, uint32_t row);

/*
 * How many bytes a row's records take, unpacked.
 *   returns   0: the segment is damaged
 *   calls     slow side
 */
uint64_t lb_unpacked_size(const struct lb_unpacked *unpacked, uint32_t row);

/*
 * Pass on to the rows what has become final, to be published with it.
 *   calls     slow side, right before a publish
 */
void lb_unpacked_tell(struct lb_unpacked *unpacked);

/*
 * Is a row unpacked here, and not done yet?
 *   calls     slow side
 */
bool lb_unpacked_holds(const struct lb_unpacked *unpacked, uint32_t row);

/*
 * Is all in it final?
 *   calls     slow side
 */
bool lb_unpacked_is_empty(const struct lb_unpacked *unpacked);

/*
 * Forget what is unpacked, and free its memory; the segments stay.
 *   calls     slow side, when nothing of it is on its way
 */
void lb_unpacked_free(struct lb_unpacked *unpacked);

#endif
