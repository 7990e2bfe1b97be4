/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_STATE_H
#define LB_STORE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/store/commit.h"
#include "agent/store/mapfile.h"
#include "agent/store/record.h"

/*
 * The file `state` of the runtime directory: the redo block of each side, the
 * books and the tables of untold losses. All of fixed size, all under a
 * commit except the names of services, which are written once before any word
 * refers to them.
 */
#define LB_STATE_FORMAT   1
#define LB_SERVICES_BOOKS 256 /* services that have books of their own; later ones share the last row */
#define LB_LOSS_SLOTS     32

/* Regions of the fast side's commit, over all files. Part of the format. */
enum {
    LB_FAST_RING = 0,
    LB_FAST_STREAMS,
    LB_FAST_CHUNKS,
    LB_FAST_LANDING,
    LB_FAST_BOOKS,
    LB_FAST_TOLD,
};

/* Regions of the slow side's commit. The ring numbers double as those of lb_commit_range(). */
enum {
    LB_SLOW_RING = 0,
    LB_SLOW_OLD_RING,
    LB_SLOW_BOOKS,
    LB_SLOW_LOSS,
};

/* Why the fast side drops a line (books: dropped, by reason). */
enum lb_drop {
    LB_DROP_BLANK = 0, /* an empty line outside a join */
    LB_DROP_OVERLOAD,  /* no room in the ring and nothing moved */
    LB_DROP_CLIENT,    /* the client's buffer overflowed while no agent ran */
    LB_DROP_COUNT
};

/* Losses of the fast side that have no number, told when the ring has room. */
enum lb_untold { LB_UNTOLD_OVERLOAD = 0, LB_UNTOLD_CLIENT, LB_UNTOLD_COUNT };

enum {
    LB_UNTOLD_LINES = 0,
    LB_UNTOLD_BYTES,
    LB_UNTOLD_FIRST_NS,
    LB_UNTOLD_LAST_NS,
    LB_UNTOLD_BY_SEVERITY,
    LB_UNTOLD_WORDS = 12
};

/* Words of one service in the fast side's books. */
enum {
    LB_BOOK_QUEUED_LINES = 0,
    LB_BOOK_QUEUED_BYTES,
    LB_BOOK_OWN_LINES,
    LB_BOOK_OWN_BYTES,
    LB_BOOK_DROPPED, /* LB_DROP_COUNT pairs of lines and bytes */
    LB_BOOK_UNTOLD = LB_BOOK_DROPPED + 2 * LB_DROP_COUNT,
    LB_BOOK_FAST_WORDS = LB_BOOK_UNTOLD + LB_UNTOLD_COUNT * LB_UNTOLD_WORDS,
};

/* Words of one service in the slow side's books: pairs of lines and bytes. */
enum {
    LB_BOOK_DELIVERED = 0,
    LB_BOOK_SHED = 2,
    LB_BOOK_REJECTED = 4,
    LB_BOOK_OWN_DELIVERED = 6,
    LB_BOOK_OWN_SHED = 8,
    LB_BOOK_SLOW_WORDS = 10,
};

/* A row of the slow side's loss table: state, telling number, then a struct lb_receipt. */
enum {
    LB_LOSS_STATE = 0,
    LB_LOSS_TELL,
    LB_LOSS_RECEIPT,
    LB_LOSS_WORDS = LB_LOSS_RECEIPT + (int)LB_RECEIPT_WORDS
};

struct lb_state_name {
    uint64_t len; /* 0: the row is free; stored after text */
    char text[128];
};

struct lb_state_file {
    char magic[8]; /* "LBSTATE" */
    uint64_t format;
    uint64_t bytes;
    uint64_t spare[5];
    struct lb_commit_block fast_block;
    struct lb_commit_block slow_block;
    struct lb_state_name name[LB_SERVICES_BOOKS];
    uint64_t books_fast[LB_SERVICES_BOOKS * LB_BOOK_FAST_WORDS];
    uint64_t books_slow[LB_SERVICES_BOOKS * LB_BOOK_SLOW_WORDS];
    uint64_t told[LB_LOSS_SLOTS];
    uint64_t loss[LB_LOSS_SLOTS * LB_LOSS_WORDS];
};

struct lb_state {
    struct lb_mapfile map;
    struct lb_state_file *file;
    struct lb_commit fast;
    struct lb_commit slow;
    bool is_new;
    bool was_damaged; /* a file that was no state file was set aside as state.damaged */
};

/*
 * Open or make the state file and start both commits with its tables as
 * regions. The caller adds its own regions and then recovers both.
 *   apply_range, ctx  for the slow commit, see lb_commit_init()
 *   returns   0 | -ENOSPC | -ENOMEM | other negative errno
 *   calls     before the threads start
 */
int lb_state_open(int dir_fd, bool lock, lb_commit_apply_range apply_range, void *ctx,
                  struct lb_state *ret_state);

/*
 * Close; the file stays.
 *   calls     when both sides have stopped
 */
void lb_state_close(struct lb_state *state);

/*
 * The row of a service in the books, made if need be. When all rows are taken
 * the last one, "(others)", is shared.
 *   name      len bytes, 1..128
 *   returns   0..LB_SERVICES_BOOKS-1
 *   calls     fast side only
 */
uint32_t lb_state_service(struct lb_state *state, const char *name, size_t len);

/*
 * Find a service's row without making one, trying hint first.
 *   returns   a row, or the shared last one
 *   calls     slow side, any reader
 */
uint32_t lb_state_find_service(const struct lb_state *state, const char *name, size_t len, uint32_t hint);

#endif
