/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_SPOOL_H
#define LB_STORE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/spool_pack.h"

/*
 * The spool: batches of segments on the card, in one SQLite database
 * (design.md, spool; facts/storage.md 7). A batch is a row; it is written once,
 * read in parts, and deleted as a whole.
 *
 * Acknowledged means: lb_spool_write() returned 0. Then what it inserted is
 * there after a power cut, and what it deleted is not.
 *
 * Invariants:
 * - the file is made by the first write, never before, and opening one that is
 *   there writes nothing (unless a power cut left a transaction to be undone);
 * - a transaction is there as a whole or not at all, and the book (ledger, last
 *   numbers, progress) is part of each;
 * - the file never grows beyond its bound, nor into the part of the file system
 *   that is to stay free;
 * - what cannot be read is set aside, once, beside the spool, and told; it costs
 *   the lines in it, never the agent.
 *
 * Life: open ── write, list, read ... ── close. In between the database itself may
 * be closed and opened any number of times: after a failure, when it was given
 * back, when it was set aside. That is not seen from outside, but for -ESTALE:
 *
 *   A write whose outcome is not known (the card failed in the moment of commit
 *   and cannot be asked either), or that found the database damaged, makes what
 *   the caller knows of the rows worthless. Until it has listed them again,
 *   lb_spool_write() answers -ESTALE and does nothing.
 *
 * All of it is the card side's, and may block for as long as the card likes.
 */
#define LB_SPOOL_BATCH_BYTES (256u << 10) /* what a batch should have, copies excepted: see ledger.h */
#define LB_SPOOL_WRITE_MAX   (4u << 20)   /* what one transaction may insert: bounds its memory */
#define LB_SPOOL_KEPT_BYTES  (1u << 20)   /* an empty file that is no larger is kept */
#define LB_SPOOL_WHY_BYTES   256
#define LB_SPOOL_DISK_BYTES  32

struct lb_spool;

struct lb_spool_settings {
    const char *path;            /* absolute; copied */
    uint64_t max_bytes;          /* of the database; its journal, 100 KiB as a rule, is beside it */
    unsigned free_floor_percent; /* of the file system that stays free; 0: it may be filled */
    /* For tests: */
    const char *vfs;  /* of SQLite; NULL: its own */
    const char *root; /* what stands before /sys and /proc; NULL: nothing */
    bool any_ground;  /* do not ask what the path lies on */
};

/*
 * Make ready to spool: look at the place, and open the database if there is one.
 *   ret_spool  set on success; closed by lb_spool_close()
 *   why        LB_SPOOL_WHY_BYTES; on an error a sentence that names the path and what is wrong
 *   returns    0, also where the database was damaged (see lb_spool_view.damaged)
 *              | -EOPNOTSUPP it lies in RAM, or on a file system that does not keep what was synced
 *              | -EROFS mounted read-only | -ENOENT, -ENOTDIR, -EACCES no directory to write in
 *              | -ELOOP, -EPERM the file is a symbolic link, no file, or somebody else's
 *              | -EPERM others may write in its directory | -EBUSY another process has it open
 *              | -ENOSYS this SQLite does not do as it is told | -EIO ... as lb_errno_from_sqlite() | -ENOMEM
 *   calls      card side
 */
int lb_spool_open(const struct lb_spool_settings *settings, struct lb_spool **ret_spool, char *why);

/*
 * Close. Nothing that was acknowledged needs this.
 *   spool      may be NULL
 *   calls      card side
 */
void lb_spool_close(struct lb_spool *spool);

/* ---- writing ---- */

struct lb_spool_batch {
    const struct lb_spool_part *parts; /* with data; the caller's */
    unsigned count;                    /* 1 to LB_SPOOL_PARTS_MAX */
    uint64_t ret_id; /* its row, once it is acknowledged; ids grow and are never given again */
};

/* What one transaction changes. All of it is the caller's, and may be empty. */
struct lb_spool_change {
    struct lb_spool_batch *insert;
    unsigned insert_count;
    const uint64_t *drop; /* rows; one that is not there is passed over */
    unsigned drop_count;
    const uint64_t *words;                    /* the ledger as it will be; NULL: as before */
    unsigned word_count;                      /* at most LB_SPOOL_WORDS_MAX */
    const struct lb_spool_boot *boot;         /* NULL: as before */
    const struct lb_spool_progress *progress; /* all there is, of rows that stay; NULL: as before */
    unsigned progress_count;                  /* at most LB_SPOOL_PROGRESS_MAX */
};

/*
 * Change all of that, or nothing of it.
 *   returns  0 it is on the card
 *            | -EMSGSIZE more than LB_SPOOL_WRITE_MAX, or a batch that cannot be packed
 *            | -EFBIG the spool is full: it may not grow beyond its bound
 *            | -EDQUOT it would leave less of the file system free than is to stay free
 *            | -ENOSPC the file system is full | -EROFS | -EIO the card fails | -ENOMEM
 *            | -EUCLEAN the database is damaged: set aside, the next write makes a new one
 *            | -ESTALE list the rows first (above)
 *            | others as lb_spool_open(), where the database had to be opened again.
 *            On an error nothing was acknowledged; the spool can be used again at once, though the card
 *            may need a pause (lb_spool_retry). lb_spool_why() has a sentence
 *   calls    card side
 */
int lb_spool_write(struct lb_spool *spool, struct lb_spool_change *change);

/*
 * How many bytes lb_spool_write() would put into the database: what is
 * inserted, in whole pages. For the ledger, which adds what a transaction costs.
 *   calls    any thread; a pure function
 */
uint64_t lb_spool_payload_bytes(const struct lb_spool_change *change);

/*
 * Give the room back: if no row is left and the file is larger than
 * LB_SPOOL_KEPT_BYTES, remove it, which costs the card next to nothing. The
 * ledger and the last numbers go with it, so ask lb_ledger_is_forgettable()
 * first.
 *   returns  1 it is gone | 0 it stays | negative errno
 *   calls    card side
 */
int lb_spool_give_back(struct lb_spool *spool);

/* ---- reading ---- */

struct lb_spool_row {
    uint64_t id;
    uint64_t bytes;                    /* of its parts together */
    uint64_t done;                     /* bit n: part n needs no sending (lb_spool_progress) */
    const struct lb_spool_part *parts; /* without data; lives until the call returns */
    unsigned count; /* 0: its head is damaged; nothing can be read of it, and the caller drops it */
};

/*
 * Go through the rows from the oldest on. Reads heads only, not the segments.
 *   each     called for each row; must not call the spool
 *   returns  0, also where there is no database | negative errno as lb_spool_write(); what was
 *            given so far is right
 *   calls    card side
 */
int lb_spool_list(struct lb_spool *spool, void (*each)(void *arg, const struct lb_spool_row *row), void *arg);

/*
 * Read a piece of a row, as a rule one part of it.
 *   buf      len bytes
 *   returns  0 | -ENOENT no such row | -ERANGE it is not that long | negative errno as lb_spool_write()
 *   calls    card side
 */
int lb_spool_read(struct lb_spool *spool, uint64_t id, uint32_t offset, void *buf, uint32_t len);

/*
 * What the last transaction left in the book: after a reboot the ledger and the
 * last numbers.
 *   returns  never NULL, until the next call of the spool; all zero where there was no database
 *   calls    card side
 */
const struct lb_spool_book *lb_spool_book(const struct lb_spool *spool);

struct lb_spool_view {
    bool is_there;                  /* there is a database */
    uint64_t rows;                  /* as of the last time it was open */
    uint64_t bytes_used;            /* pages in use */
    uint64_t bytes_disk;            /* of the file and of its journal */
    bool book_is_lost;              /* rows are there, and the book is not: nobody knows what was spent */
    uint64_t damaged;               /* files set aside since lb_spool_open() began */
    uint64_t commits;               /* acknowledged transactions since then */
    char disk[LB_SPOOL_DISK_BYTES]; /* /sys/block's name of what it wears; "" not known */
};

/*
 * How it is, for status and for the ledger.
 *   calls    card side
 */
void lb_spool_look(const struct lb_spool *spool, struct lb_spool_view *ret_view);

/*
 * A sentence on the last error of this spool, with the path in it.
 *   returns  never NULL, until the next call of the spool; "" when there was none
 *   calls    card side
 */
const char *lb_spool_why(const struct lb_spool *spool);

/*
 * A result of SQLite as an errno.
 *   code     extended or not
 *   os_errno what the system said (sqlite3_system_errno()), or 0
 *   returns  0 | -ENOSPC | -EROFS | -EIO | -EUCLEAN damaged or not a database | -EBUSY | -EACCES | -ENOMEM
 *            | -EPROTO what should never come
 *   calls    any thread; a pure function
 */
int lb_errno_from_sqlite(int code, int os_errno);

/* ---- when to try again ---- */

#define LB_SPOOL_PAUSE_MIN_MS 60000u
#define LB_SPOOL_PAUSE_MAX_MS 3600000u

/* The pauses after failures. Zero it to begin. */
struct lb_spool_retry {
    uint64_t next_ms, pause_ms;
    int error; /* negative errno of the last failure; 0: it works */
};

/*
 * A failure, or a success, at now_ms of the boot clock. Pauses grow from a minute
 * to an hour.
 *   rc       what the spool answered
 *   returns  true: it is news, to be said: it fails, fails in another way, or works again
 *   calls    any thread; a pure function of its arguments
 */
bool lb_spool_retry_note(struct lb_spool_retry *retry, int rc, uint64_t now_ms);

/*
 * May it be tried?
 *   calls    any thread; a pure function
 */
bool lb_spool_retry_is_due(const struct lb_spool_retry *retry, uint64_t now_ms);

#endif
