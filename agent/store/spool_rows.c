/* SPDX-License-Identifier: MIT */
/*
 * Rows of the spool. In: changes. Out: one transaction, or none; heads and pieces of what is there. Always
 * true: a write is acknowledged only when COMMIT said so, or when the file, asked again, says that it
 * happened.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/spool_parts.h"
#include "agent/store/spool_sql.h"

/* ---- sizes ---- */

static uint64_t body_bytes(const struct lb_spool_batch *batch)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < batch->count; i++)
        bytes += batch->parts[i].len;
    return bytes;
}

static uint64_t pages_of(uint64_t bytes)
{
    return (bytes + LB_SPOOL_PAGE_BYTES - 1) / LB_SPOOL_PAGE_BYTES;
}

uint64_t lb_spool_payload_bytes(const struct lb_spool_change *change)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < change->insert_count; i++)
        pages += pages_of(body_bytes(&change->insert[i]) + LB_SPOOL_HEAD_BYTES(change->insert[i].count)) + 1;
    return pages * LB_SPOOL_PAGE_BYTES;
}

/* Is it small enough for a transaction, for the file, and for the file system? */
static int check_room(struct lb_spool *spool, const struct lb_spool_change *change)
{
    uint64_t want = lb_spool_payload_bytes(change), free_bytes = spool->free_pages * LB_SPOOL_PAGE_BYTES;
    uint64_t more = want > free_bytes ? want - free_bytes : 0;

    if (want > LB_SPOOL_WRITE_MAX + 64 * LB_SPOOL_PAGE_BYTES)
        return lb_spool_say(spool, -EMSGSIZE, "too much for one transaction");
    if (change->insert_count == 0)
        return 0;
    if ((spool->pages + pages_of(more)) * LB_SPOOL_PAGE_BYTES > spool->max_bytes)
        return lb_spool_say(spool, -EFBIG, "it is full: [spool] size");
    return lb_spool_floor(spool, more);
}

/* ---- one transaction ---- */

static int step_once(struct lb_spool *spool, sqlite3_stmt *stmt, const char *doing)
{
    int rc = sqlite3_step(stmt) == SQLITE_DONE ? 0 : lb_spool_db_failed(spool, doing);

    sqlite3_finalize(stmt);
    return rc;
}

static int drop(struct lb_spool *spool, uint64_t id)
{
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(spool->db, LB_SPOOL_SQL_DROP, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_bind_int64(stmt, 1, (sqlite3_int64)id) != SQLITE_OK) {
        sqlite3_finalize(stmt);
        return lb_spool_db_failed(spool, "cannot drop");
    }
    return step_once(spool, stmt, "cannot drop");
}

static uint8_t *join(const struct lb_spool_batch *batch, uint64_t bytes)
{
    uint8_t *body = malloc(bytes + 1), *to = body; /* a batch without bytes is refused elsewhere */

    for (unsigned i = 0; body && i < batch->count; i++) {
        memcpy(to, batch->parts[i].data, batch->parts[i].len);
        to += batch->parts[i].len;
    }
    return body;
}

static int insert(struct lb_spool *spool, const struct lb_spool_batch *batch, uint64_t id)
{
    uint8_t head[LB_SPOOL_HEAD_BYTES(LB_SPOOL_PARTS_MAX)], *body;
    size_t head_len = lb_spool_pack_head(batch->parts, batch->count, head);
    uint64_t bytes = body_bytes(batch);
    sqlite3_stmt *stmt = NULL;

    if (head_len == 0)
        return lb_spool_say(spool, -EMSGSIZE, "a batch that cannot be packed");
    body = join(batch, bytes);
    if (!body)
        return lb_spool_say(spool, -ENOMEM, "out of memory");
    if (sqlite3_prepare_v2(spool->db, LB_SPOOL_SQL_INSERT, -1, &stmt, NULL) != SQLITE_OK) {
        free(body);
        return lb_spool_db_failed(spool, "cannot insert");
    }
    if (sqlite3_bind_blob64(stmt, 3, body, bytes, free) != SQLITE_OK || /* SQLite's from here on */
        sqlite3_bind_int64(stmt, 1, (sqlite3_int64)id) != SQLITE_OK ||
        sqlite3_bind_blob64(stmt, 2, head, head_len, SQLITE_TRANSIENT) != SQLITE_OK) {
        sqlite3_finalize(stmt);
        return lb_spool_db_failed(spool, "cannot insert");
    }
    return step_once(spool, stmt, "cannot insert");
}

static int set_book(struct lb_spool *spool, const struct lb_spool_book *book)
{
    uint8_t text[LB_SPOOL_BOOK_BYTES];
    size_t len = lb_spool_pack_book(book, text);
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(spool->db, LB_SPOOL_SQL_BOOK_SET, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_bind_blob64(stmt, 1, text, len, SQLITE_TRANSIENT) != SQLITE_OK) {
        sqlite3_finalize(stmt);
        return lb_spool_db_failed(spool, "cannot keep the book");
    }
    return step_once(spool, stmt, "cannot keep the book");
}

static struct lb_spool_book next_book(const struct lb_spool *spool, const struct lb_spool_change *change)
{
    struct lb_spool_book book = spool->book;

    book.serial++;
    book.next_id += change->insert_count;
    if (change->boot)
        book.boot = *change->boot;
    if (change->words) {
        book.word_count = change->word_count < LB_SPOOL_WORDS_MAX ? change->word_count : LB_SPOOL_WORDS_MAX;
        memcpy(book.words, change->words, book.word_count * sizeof book.words[0]);
    }
    if (change->progress) {
        book.progress_count =
            change->progress_count < LB_SPOOL_PROGRESS_MAX ? change->progress_count : LB_SPOOL_PROGRESS_MAX;
        memcpy(book.progress, change->progress, book.progress_count * sizeof book.progress[0]);
    }
    return book;
}

static int change_all(struct lb_spool *spool, const struct lb_spool_change *change,
                      const struct lb_spool_book *book)
{
    int rc = lb_spool_db_run(spool, "BEGIN EXCLUSIVE", "cannot begin");

    if (rc == 0 && !spool->has_schema)
        rc = lb_spool_db_run(spool, LB_SPOOL_SQL_CREATE, "cannot make the tables");
    for (unsigned i = 0; rc == 0 && i < change->insert_count; i++)
        rc = insert(spool, &change->insert[i], spool->book.next_id + i);
    /* Only then: pages that are freed and taken in one transaction would go through the journal, all of them.
     */
    for (unsigned i = 0; rc == 0 && i < change->drop_count; i++)
        rc = drop(spool, change->drop[i]);
    if (rc == 0)
        rc = set_book(spool, book);
    return rc;
}

/*
 * COMMIT failed: did it happen after all? The file is opened anew, which undoes what was not committed; its
 * book says which transaction was the last.
 */
static int ask_after_commit(struct lb_spool *spool, int rc, const struct lb_spool_book *book)
{
    uint64_t before = spool->book.serial;

    rc = lb_spool_give_up(spool, rc);
    if (spool->db && spool->book.serial == book->serial) {
        spool->is_stale = false; /* it is as the caller wanted it */
        return 0;
    }
    if (spool->db && spool->book.serial == before)
        spool->is_stale = false;
    return rc;
}

int lb_spool_write(struct lb_spool *spool, struct lb_spool_change *change)
{
    struct lb_spool_book book;
    uint64_t first_id;
    int rc = lb_spool_ready(spool, true);

    if (rc == 0)
        rc = check_room(spool, change);
    if (rc < 0)
        return rc;
    first_id = spool->book.next_id;
    book = next_book(spool, change);
    rc = change_all(spool, change, &book);
    if (rc < 0) {
        lb_spool_give_up(spool, rc); /* closed: what was begun is undone */
        return rc;
    }
    rc = lb_spool_db_run(spool, "COMMIT", "cannot commit");
    if (rc < 0)
        rc = ask_after_commit(spool, rc, &book);
    if (rc < 0)
        return rc;
    spool->has_schema = true;
    spool->book = book;
    spool->book_is_lost = false;
    spool->commits++;
    for (unsigned i = 0; i < change->insert_count; i++)
        change->insert[i].ret_id = first_id + i;
    if (spool->db && lb_spool_db_count(spool) < 0)
        lb_spool_give_up(spool, -EIO); /* it is on the card; the next call finds out more */
    return 0;
}

/* ---- reading ---- */

static uint64_t done_of(const struct lb_spool *spool, uint64_t id)
{
    for (uint32_t i = 0; i < spool->book.progress_count; i++)
        if (spool->book.progress[i].id == id)
            return spool->book.progress[i].done;
    return 0;
}

static void give_row(const struct lb_spool *spool, sqlite3_stmt *stmt,
                     void (*each)(void *arg, const struct lb_spool_row *row), void *arg)
{
    struct lb_spool_part parts[LB_SPOOL_PARTS_MAX];
    struct lb_spool_row row = { .id = (uint64_t)sqlite3_column_int64(stmt, 0),
                                .bytes = (uint64_t)sqlite3_column_int64(stmt, 2),
                                .parts = parts };
    int count = sqlite3_column_type(stmt, 1) == SQLITE_BLOB
                    ? lb_spool_parse_head(sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1),
                                          row.bytes, parts)
                    : -EBADMSG;

    row.count = count > 0 ? (unsigned)count : 0;
    row.done = done_of(spool, row.id);
    each(arg, &row);
}

int lb_spool_list(struct lb_spool *spool, void (*each)(void *arg, const struct lb_spool_row *row), void *arg)
{
    sqlite3_stmt *stmt = NULL;
    int rc = lb_spool_ready(spool, false), got;

    if (rc < 0)
        return rc;
    if (spool->db && spool->has_schema) {
        got = sqlite3_prepare_v2(spool->db, LB_SPOOL_SQL_LIST, -1, &stmt, NULL);
        while (got == SQLITE_OK || got == SQLITE_ROW) {
            got = sqlite3_step(stmt);
            if (got == SQLITE_ROW)
                give_row(spool, stmt, each, arg);
            else
                break;
        }
        if (got != SQLITE_DONE)
            rc = lb_spool_db_failed(spool, "cannot list");
        sqlite3_finalize(stmt);
    }
    if (rc < 0)
        return lb_spool_give_up(spool, rc);
    spool->is_stale = false;
    return 0;
}

int lb_spool_read(struct lb_spool *spool, uint64_t id, uint32_t offset, void *buf, uint32_t len)
{
    sqlite3_blob *blob = NULL;
    int rc = lb_spool_ready(spool, false);

    if (rc < 0)
        return rc;
    if (!spool->db || !spool->has_schema)
        return -ENOENT;
    rc = sqlite3_blob_open(spool->db, "main", "batch", "body", (sqlite3_int64)id, 0, &blob);
    if (rc == SQLITE_ERROR) { /* what it says where there is no such row */
        sqlite3_blob_close(blob);
        return -ENOENT;
    }
    if (rc == SQLITE_OK && (uint64_t)offset + len > (uint64_t)sqlite3_blob_bytes(blob)) {
        sqlite3_blob_close(blob);
        return -ERANGE;
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_blob_read(blob, buf, (int)len, (int)offset);
    if (rc == SQLITE_OK) {
        sqlite3_blob_close(blob);
        return 0;
    }
    rc = lb_spool_db_failed(spool, "cannot read");
    sqlite3_blob_close(blob);
    return lb_spool_give_up(spool, rc);
}
