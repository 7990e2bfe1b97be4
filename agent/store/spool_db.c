/* SPDX-License-Identifier: MIT */
/*
 * The connection to SQLite. In: a path that was looked at. Out: a connection that does as facts/storage.md 7h
 * says, or an errno and a sentence. Always true: a setting that reads back as something else is an error,
 * since with another journal, or another sync, an acknowledgement would mean nothing.
 *
 * The file may have been made by anyone who can write to a card, so nothing in it runs: no triggers, no
 * views, and a schema that is not ours to the letter is no spool.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/store/spool_parts.h"
#include "agent/store/spool_sql.h"

#define CACHE_PAGES    (LB_SPOOL_WRITE_MAX / LB_SPOOL_PAGE_BYTES + 128) /* a whole transaction, and the tree */
#define LENGTH_MAX     (2 * LB_SPOOL_WRITE_MAX) /* of anything that a row can claim to hold */
#define IDENTITY_BYTES 1024

/* ---- errors ---- */

int lb_errno_from_sqlite(int code, int os_errno)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_SCHEMA:
        return -EUCLEAN;
    case SQLITE_READONLY: /* moved: somebody took the file away under us */
        return code == SQLITE_READONLY_DBMOVED ? -ENOENT : -EROFS;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return -EACCES;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (code == SQLITE_IOERR_NOMEM)
            return -ENOMEM;
        return os_errno == ENOSPC || os_errno == EDQUOT ? -ENOSPC : os_errno == EROFS ? -EROFS : -EIO;
    default:
        return -EPROTO;
    }
}

int lb_spool_db_failed(struct lb_spool *spool, const char *doing)
{
    int code = spool->db ? sqlite3_extended_errcode(spool->db) : SQLITE_NOMEM;
    int os_errno = spool->db ? sqlite3_system_errno(spool->db) : 0;
    int rc = lb_errno_from_sqlite(code, os_errno);
    char text[128];

    snprintf(text, sizeof text, "%s: %.70s (%d)", doing, sqlite3_errstr(code), code);
    return lb_spool_say(spool, rc ? rc : -EPROTO, text);
}

/* ---- small statements ---- */

int lb_spool_db_run(struct lb_spool *spool, const char *sql, const char *doing)
{
    return sqlite3_exec(spool->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : lb_spool_db_failed(spool, doing);
}

/* The first column of the first row as text; "" without a row. 0 | negative errno, nothing said. */
static int ask_text(sqlite3 *db, const char *sql, char *buf, size_t size)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

    buf[0] = '\0';
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && sqlite3_column_text(stmt, 0))
        snprintf(buf, size, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return lb_errno_from_sqlite(rc, sqlite3_system_errno(db));
}

static int ask_number(struct lb_spool *spool, const char *sql, uint64_t *ret_number)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(spool->db, sql, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_number = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? 0 : lb_spool_db_failed(spool, "cannot read");
}

int lb_spool_db_count(struct lb_spool *spool)
{
    int rc = ask_number(spool, "PRAGMA page_count", &spool->pages);

    spool->rows = 0;
    if (rc == 0)
        rc = ask_number(spool, "PRAGMA freelist_count", &spool->free_pages);
    if (rc == 0 && spool->has_schema)
        rc = ask_number(spool, LB_SPOOL_SQL_COUNT, &spool->rows);
    return rc;
}

/* ---- settings ---- */

static int is_set(struct lb_spool *spool, const char *set, const char *ask, const char *want)
{
    char sql[64], got[32], text[128];
    int rc;

    snprintf(sql, sizeof sql, "PRAGMA %s%s", ask, set);
    rc = lb_spool_db_run(spool, sql, "cannot set up");
    if (rc != 0)
        return rc;
    snprintf(sql, sizeof sql, "PRAGMA %s", ask);
    rc = ask_text(spool->db, sql, got, sizeof got);
    if (rc != 0)
        return lb_spool_db_failed(spool, "cannot set up");
    if (strcmp(got, want) == 0)
        return 0;
    snprintf(text, sizeof text, "this SQLite sets %s to %s instead of %s", ask, got, want);
    return lb_spool_say(spool, -ENOSYS, text);
}

/* Not in the table: chunk size, which costs a payload more with Debian's build, and the journal's limit. */
static int set_up(struct lb_spool *spool)
{
    static const struct {
        const char *set, *ask, *want;
    } rows[] = {
        { "=4096", "page_size", "4096" },          { "=NONE", "auto_vacuum", "0" },
        { "=OFF", "secure_delete", "0" },          { "=0", "mmap_size", "0" },
        { "=PERSIST", "journal_mode", "persist" }, { "=FULL", "synchronous", "2" },
        { "=MEMORY", "temp_store", "2" },          { "=OFF", "trusted_schema", "0" },
        { "=ON", "cell_size_check", "1" },
    };
    char set[32], want[32];
    uint64_t most = spool->max_bytes / LB_SPOOL_PAGE_BYTES;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sizeof rows / sizeof rows[0]; i++)
        rc = is_set(spool, rows[i].set, rows[i].ask, rows[i].want);
    snprintf(set, sizeof set, "=%u", CACHE_PAGES);
    if (rc == 0)
        rc = is_set(spool, set, "cache_size", set + 1);
    if (rc == 0) /* it reads back as a number of pages, and off as 0 */
        rc = is_set(spool, "=OFF", "cache_spill", "0");
    if (rc != 0)
        return rc;
    snprintf(set, sizeof set, "=%llu",
             (unsigned long long)most); /* a file that is larger already keeps its size */
    snprintf(want, sizeof want, "%llu", (unsigned long long)(spool->pages > most ? spool->pages : most));
    return is_set(spool, set, "max_page_count", want);
}

static int harden(struct lb_spool *spool)
{
    int was;

    sqlite3_limit(spool->db, SQLITE_LIMIT_LENGTH, LENGTH_MAX);
    sqlite3_limit(spool->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_busy_timeout(spool->db, 0);
    if (sqlite3_db_config(spool->db, SQLITE_DBCONFIG_DEFENSIVE, 1, &was) != SQLITE_OK ||
        sqlite3_db_config(spool->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, &was) != SQLITE_OK ||
        sqlite3_db_config(spool->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, &was) != SQLITE_OK)
        return lb_spool_say(spool, -ENOSYS,
                            "this SQLite cannot be told to run nothing that stands in a file");
    return 0;
}

/* ---- what is in the file ---- */

static int read_identity(struct lb_spool *spool)
{
    static const struct {
        const char *sql, *want;
    } rows[] = {
        { "PRAGMA application_id", LB_SPOOL_SQL_APPLICATION },
        { "PRAGMA user_version", LB_SPOOL_SQL_VERSION },
        { "PRAGMA page_size", "4096" },
        { "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema ORDER BY name)",
          LB_SPOOL_SQL_BATCH ";" LB_SPOOL_SQL_BOOK },
    };
    char got[IDENTITY_BYTES];
    int rc = ask_number(spool, "PRAGMA page_count", &spool->pages);

    spool->has_schema = rc == 0 && spool->pages > 0;
    for (size_t i = 0; rc == 0 && spool->has_schema && i < sizeof rows / sizeof rows[0]; i++) {
        rc = ask_text(spool->db, rows[i].sql, got, sizeof got);
        if (rc != 0)
            return lb_spool_db_failed(spool, "cannot read");
        if (strcmp(got, rows[i].want) != 0)
            return lb_spool_say(spool, -EUCLEAN, "not a spool of this version");
    }
    return rc;
}

/* The book of the file, if it has one that can be read. 0 | negative errno */
static int read_book(struct lb_spool *spool, struct lb_spool_book *ret_book, bool *ret_has_one)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(spool->db, LB_SPOOL_SQL_READ_BOOK, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    *ret_has_one = rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_BLOB &&
                   lb_spool_parse_book(sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0),
                                       ret_book) == 0;
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : lb_spool_db_failed(spool, "cannot read");
}

/*
 * Take over what the file says. What the caller knows of the rows stands as long as the file is at the very
 * transaction that it knows of.
 */
static int take_over(struct lb_spool *spool)
{
    struct lb_spool_book book = { .next_id = 1 };
    uint64_t known_rows = spool->rows, last_id = 0;
    bool has_one = true;
    int rc = spool->has_schema ? read_book(spool, &book, &has_one) : 0;

    if (rc == 0)
        rc = lb_spool_db_count(spool);
    if (rc == 0 && spool->has_schema)
        rc = ask_number(spool, LB_SPOOL_SQL_LAST_ID, &last_id);
    if (rc != 0)
        return rc;
    if (last_id >= book.next_id)
        book.next_id = last_id + 1;
    if (book.next_id < spool->book.next_id)
        book.next_id = spool->book.next_id; /* given out in this life */
    spool->book_is_lost = !has_one;
    if (!spool->has_schema && known_rows == 0)
        return 0; /* given back, or not there yet: the book in memory is the one */
    if (!has_one || book.serial != spool->book.serial)
        spool->is_stale = true;
    spool->book = book;
    return 0;
}

int lb_spool_db_open(struct lb_spool *spool)
{
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
    int rc;

    if (sqlite3_open_v2(spool->path, &spool->db, flags, spool->vfs) != SQLITE_OK) {
        rc = lb_spool_db_failed(spool, "cannot open");
        goto close_db; /* SQLite wants close even after a failed open */
    }
    rc = harden(spool);
    if (rc == 0) /* first of all, so that a transaction to be undone is undone under it */
        rc = is_set(spool, "=EXCLUSIVE", "locking_mode", "exclusive");
    if (rc == 0)
        rc = read_identity(spool);
    if (rc == 0)
        rc = set_up(spool);
    /* Takes the lock, and keeps it. In an empty file even that would write a page: there the first write
     * does. */
    if (rc == 0 && spool->pages > 0)
        rc = lb_spool_db_run(spool, "BEGIN EXCLUSIVE; COMMIT", "cannot lock");
    if (rc == 0)
        rc = take_over(spool);
    if (rc == 0)
        return 0;
close_db:
    lb_spool_db_close(spool);
    return rc;
}

void lb_spool_db_close(struct lb_spool *spool)
{
    sqlite3_close(spool->db); /* no statement is open, so it cannot refuse */
    spool->db = NULL;
}
