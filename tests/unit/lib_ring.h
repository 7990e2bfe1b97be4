/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_RING_H
#define TESTS_LIB_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/files.h"
#include "agent/store/link.h"
#include "common/config.h"

/*
 * What shipping is tested on: state, rings and link of a runtime directory of
 * the test's own, with a fast side that only puts lines and tells losses. A
 * line's text is its number, "L1" and so on, padded with dots, so that it is
 * known again wherever it comes out. Cannot fail: a fault in here ends the
 * test program.
 */
#define RING_LINES_MAX 65536

struct rig {
    char path[64];
    struct lb_files files;
    struct lb_link link;
    uint64_t boot_ns;             /* stamp of the next record */
    uint32_t lines;               /* put so far; the last one was L<lines> */
    uint64_t in_lines;            /* the books of the rig itself, to compare */
    uint8_t lane[RING_LINES_MAX]; /* and where each line got its number */
    uint64_t n[RING_LINES_MAX];
};

/* The books of all services. */
struct rig_books {
    uint64_t queued, queued_bytes, own, delivered, delivered_bytes, shed, shed_bytes, rejected,
        rejected_bytes, expired, own_delivered, own_shed;
};

/*
 * Make a directory under /dev/shm with a new ring of this size in it, and an
 * end to it.
 */
void rig_begin(struct rig *rig, uint64_t ring_bytes);
void rig_end(struct rig *rig);

/*
 * As after a kill and a start.
 */
void rig_restart(struct rig *rig);

/*
 * A configuration of this text, with a sink of type file where it has none.
 * The caller frees it.
 */
struct lb_config *rig_config(struct rig *rig, const char *text);

/*
 * Put the next line of a service into the ring and publish. Warnings and
 * worse are urgent.
 *   len       of the text, at least 8
 *   returns   its number | 0 the ring had no room
 */
uint32_t rig_put(struct rig *rig, const char *service, enum lb_level level, size_t len);

/*
 * Put a record with a text of the caller's choice.
 *   returns   what lb_ring_put() says
 */
int rig_put_text(struct rig *rig, const char *service, const char *tags, enum lb_level level,
                 const char *text, size_t len);

/*
 * The fast side's part of losses: a receipt for each row that waits.
 *   returns   how many receipts were put
 */
unsigned rig_tell(struct rig *rig);

/*
 * Sum of both sides' books.
 */
struct rig_books rig_books(const struct rig *rig);

/*
 * Lines, and records of our own, that lie in the rings and are not final.
 */
void rig_count_pending(const struct rig *rig, uint64_t *ret_lines, uint64_t *ret_own);

/*
 * Lines that the loss table has in rows which no receipt has told yet.
 */
uint64_t rig_untold(const struct rig *rig);

/*
 * The record at a position, and the position behind it.
 */
const struct lb_record *rig_record(const struct rig *rig, uint64_t *pos);

#endif
