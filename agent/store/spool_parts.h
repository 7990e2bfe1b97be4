/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_SPOOL_PARTS_H
#define LB_STORE_SPOOL_PARTS_H

#include <limits.h>
#include <sqlite3.h>

#include "agent/store/spool.h"

/*
 * What the files of the spool share. spool.c has the life cycle and the story,
 * spool_place.c says where it may lie, spool_db.c has the connection,
 * spool_write.c and spool_read.c the statements.
 */
#define LB_SPOOL_PAGE_BYTES 4096u

struct lb_spool {
    char path[PATH_MAX], journal[PATH_MAX]; /* without symbolic links in their directory */
    char dir[PATH_MAX];
    uint64_t max_bytes;
    unsigned free_floor_percent;
    char *vfs, *root;
    bool any_ground;
    sqlite3 *db;     /* NULL: closed */
    bool has_schema; /* the database has our tables: something was committed */
    bool is_stale;   /* what the caller knows of the rows is not so any more */
    bool book_is_lost;
    struct lb_spool_book book; /* as committed; outlives the file */
    uint64_t rows, pages, free_pages;
    uint64_t damaged, commits;
    char disk[LB_SPOOL_DISK_BYTES];
    char why[LB_SPOOL_WHY_BYTES];
};

/*
 * Keep a sentence: "PATH: TEXT".
 *   returns  rc
 */
int lb_spool_say(struct lb_spool *spool, int rc, const char *text);

/*
 * Find out what the last call of SQLite failed of, and keep a sentence.
 *   doing    "cannot commit"
 *   returns  negative errno
 */
int lb_spool_db_failed(struct lb_spool *spool, const char *doing);

/*
 * Look at the place, and settle the paths.
 *   returns  as lb_spool_open(), with the sentence kept
 */
int lb_spool_place(struct lb_spool *spool, const char *path);

/*
 * Look at the file itself, and at its journal.
 *   returns  1 it is there, and ours | 0 there is none | -ELOOP, -EPERM, other negative errno
 */
int lb_spool_file(struct lb_spool *spool);

/*
 * Would so many more bytes be too many for the file system?
 *   returns  0 | -EDQUOT | negative errno of statvfs
 */
int lb_spool_floor(struct lb_spool *spool, uint64_t more_bytes);

/*
 * Open the connection to a file that is there, and read its identity and its
 * book. Tells by is_stale whether it is another state than the one known.
 *   returns  0 | -EUCLEAN not ours, or damaged | other negative errno; on error the connection is closed
 */
int lb_spool_db_open(struct lb_spool *spool);

/*
 * Close the connection, if there is one.
 */
void lb_spool_db_close(struct lb_spool *spool);

/*
 * Run a statement without rows.
 *   returns  0 | negative errno, with the sentence kept
 */
int lb_spool_db_run(struct lb_spool *spool, const char *sql, const char *doing);

/*
 * Read again how many rows and pages there are.
 *   returns  0 | negative errno, with the sentence kept
 */
int lb_spool_db_count(struct lb_spool *spool);

/*
 * Make sure that the connection is open.
 *   for_write  make the file if there is none
 *   returns    0; without for_write the connection may still be closed: there is no file
 *              | -ESTALE | negative errno as lb_spool_open()
 */
int lb_spool_ready(struct lb_spool *spool, bool for_write);

/*
 * A call failed: give the connection up, set a damaged file aside, and find out
 * what is there now.
 *   rc       what it failed of
 *   returns  rc
 */
int lb_spool_give_up(struct lb_spool *spool, int rc);

#endif
