/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_SPOOL_SQL_H
#define LB_STORE_SPOOL_SQL_H

/*
 * The database in words. The two tables stand in the file as they stand here,
 * letter by letter: that is how a spool is known.
 *
 *   batch   one row a batch: what lies in it (spool_pack.h), and the segments, one behind the other
 *   book    one row: what is remembered beside them
 */
#define LB_SPOOL_SQL_APPLICATION "1279423344" /* "LBsp" */
#define LB_SPOOL_SQL_VERSION     "1"
#define LB_SPOOL_SQL_BATCH \
    "CREATE TABLE batch(id INTEGER PRIMARY KEY, head BLOB NOT NULL, body BLOB NOT NULL)"
#define LB_SPOOL_SQL_BOOK "CREATE TABLE book(id INTEGER PRIMARY KEY, text BLOB NOT NULL)"
#define LB_SPOOL_SQL_CREATE                                                                        \
    "PRAGMA application_id=" LB_SPOOL_SQL_APPLICATION ";PRAGMA user_version=" LB_SPOOL_SQL_VERSION \
    ";" LB_SPOOL_SQL_BATCH ";" LB_SPOOL_SQL_BOOK

#define LB_SPOOL_SQL_COUNT     "SELECT count(*) FROM batch"
#define LB_SPOOL_SQL_LAST_ID   "SELECT ifnull(max(id), 0) FROM batch"
#define LB_SPOOL_SQL_INSERT    "INSERT INTO batch(id, head, body) VALUES(?1, ?2, ?3)"
#define LB_SPOOL_SQL_DROP      "DELETE FROM batch WHERE id = ?1"
#define LB_SPOOL_SQL_LIST      "SELECT id, head, length(body) FROM batch ORDER BY id"
#define LB_SPOOL_SQL_READ_BOOK "SELECT text FROM book WHERE id = 1"
#define LB_SPOOL_SQL_BOOK_SET  "INSERT OR REPLACE INTO book(id, text) VALUES(1, ?1)"

#endif
