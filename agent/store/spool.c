/* SPDX-License-Identifier: MIT */
/*
 * The spool's life cycle.
 *
 * Happy path. The place is looked at once. A file that is there is opened, and its book read; one that is not
 * is made by the first write, empty, and gets its tables in the same transaction as its first rows. Each
 * write is one transaction: rows out, rows in, the book. Acknowledged is what COMMIT said yes to. When no row
 * is left and the file is large it is removed, which costs the card next to nothing.
 *
 * Crash story. PERSIST with FULL: the journal holds what a transaction overwrites, is synced before the
 * database is touched, and is made void by a synced write of its head, behind the sync of the database. A cut
 * before that finds a journal that is whole and undoes the transaction at the next open; a cut behind it
 * finds the new state. The connection is exclusive, so nobody else can be in between.
 *
 * Failure modes. A call that fails costs the connection: it is closed, which undoes what was begun, and
 * opened anew, which tells by the book's serial number what the file says now. Where that cannot be told,
 * because the card does not answer, what the caller knows of the rows is not worth anything until it has
 * listed them. A file that is damaged is set aside under another name, one at most, and a new one is made by
 * the next write.
 */
#include "agent/store/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/spool_parts.h"

/* ---- open and close ---- */

static char *copy_of(const char *text)
{
    return strdup(text ? text : "");
}

static void free_spool(struct lb_spool *spool)
{
    if (!spool)
        return;
    free(spool->vfs);
    free(spool->root);
    free(spool);
}

static int set_up(struct lb_spool *spool, const struct lb_spool_settings *settings)
{
    spool->max_bytes = settings->max_bytes;
    spool->free_floor_percent = settings->free_floor_percent;
    spool->any_ground = settings->any_ground;
    spool->vfs = settings->vfs ? copy_of(settings->vfs) : NULL;
    spool->root = copy_of(settings->root);
    spool->book.next_id = 1;
    if (!spool->root || (settings->vfs && !spool->vfs))
        return -ENOMEM;
    return lb_spool_place(spool, settings->path);
}

int lb_spool_open(const struct lb_spool_settings *settings, struct lb_spool **ret_spool, char *why)
{
    struct lb_spool *spool = calloc(1, sizeof *spool);
    int rc = spool ? set_up(spool, settings) : -ENOMEM;

    if (rc == 0)
        rc = lb_spool_ready(spool, false);
    if (rc < 0) {
        snprintf(why, LB_SPOOL_WHY_BYTES, "%s", spool && spool->why[0] ? spool->why : strerror(-rc));
        free_spool(spool);
        return rc;
    }
    spool->is_stale = false; /* nobody knows of any row yet */
    *ret_spool = spool;
    return 0;
}

void lb_spool_close(struct lb_spool *spool)
{
    if (!spool)
        return;
    lb_spool_db_close(spool);
    free_spool(spool);
}

/* ---- the connection ---- */

static void forget_file(struct lb_spool *spool)
{
    spool->has_schema = false;
    spool->rows = spool->pages = spool->free_pages = 0;
}

/* The file, and its journal, under other names: an older one there makes way. */
static void set_aside(struct lb_spool *spool)
{
    char to[PATH_MAX + 16];

    snprintf(to, sizeof to, "%s.damaged", spool->path);
    if (rename(spool->path, to) != 0)
        unlink(spool->path);
    snprintf(to, sizeof to, "%s.damaged-journal", spool->path);
    if (rename(spool->journal, to) != 0)
        unlink(spool->journal);
    spool->damaged++;
    spool->is_stale = true;
    forget_file(spool);
}

/* SQLite would make it as well, but with the rights that the process happens to give. */
static int make_file(struct lb_spool *spool)
{
    int fd = open(spool->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), dir_fd;

    if (fd < 0)
        return lb_spool_say(spool, -errno, strerror(errno));
    close(fd);
    dir_fd = open(spool->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0 || fsync(dir_fd) != 0) {
        int rc = lb_spool_say(spool, -errno, strerror(errno));

        if (dir_fd >= 0)
            close(dir_fd);
        return rc;
    }
    close(dir_fd);
    return 0;
}

int lb_spool_ready(struct lb_spool *spool, bool for_write)
{
    int rc;

    if (spool->db)
        return for_write && spool->is_stale ? -ESTALE : 0;
    rc = lb_spool_file(spool);
    if (rc == 1) {
        rc = lb_spool_db_open(spool);
        if (rc == -EUCLEAN) {
            set_aside(spool);
            rc = 0;
        }
    } else if (rc == 0 && spool->rows > 0) { /* somebody took it away */
        spool->is_stale = true;
        forget_file(spool);
    }
    if (rc < 0)
        return rc;
    if (for_write && spool->is_stale)
        return -ESTALE;
    if (!for_write || spool->db)
        return 0;
    forget_file(spool);
    rc = make_file(spool);
    return rc == 0 ? lb_spool_db_open(spool) : rc;
}

int lb_spool_give_up(struct lb_spool *spool, int rc)
{
    char why[LB_SPOOL_WHY_BYTES];

    lb_spool_db_close(spool);
    if (rc == -EUCLEAN) {
        set_aside(spool);
        return rc;
    }
    memcpy(why, spool->why, sizeof why);
    if (lb_spool_file(spool) == 1 && lb_spool_db_open(spool) < 0)
        spool->is_stale = true; /* it cannot be asked what became of it */
    memcpy(spool->why, why, sizeof why);
    return rc;
}

/* ---- what it is like ---- */

int lb_spool_give_back(struct lb_spool *spool)
{
    if (!spool->db || spool->rows > 0 || spool->pages * LB_SPOOL_PAGE_BYTES <= LB_SPOOL_KEPT_BYTES)
        return 0;
    lb_spool_db_close(spool);
    forget_file(spool);
    if (unlink(spool->path) != 0)
        return lb_spool_say(spool, -errno, strerror(errno));
    unlink(spool->journal);
    return 1;
}

const struct lb_spool_book *lb_spool_book(const struct lb_spool *spool)
{
    return &spool->book;
}

static uint64_t size_of(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

void lb_spool_look(const struct lb_spool *spool, struct lb_spool_view *ret_view)
{
    memset(ret_view, 0, sizeof *ret_view);
    ret_view->is_there = spool->has_schema;
    ret_view->rows = spool->rows;
    ret_view->bytes_used = (spool->pages - spool->free_pages) * LB_SPOOL_PAGE_BYTES;
    ret_view->bytes_disk = size_of(spool->path) + size_of(spool->journal);
    ret_view->book_is_lost = spool->book_is_lost;
    ret_view->damaged = spool->damaged;
    ret_view->commits = spool->commits;
    memcpy(ret_view->disk, spool->disk, sizeof ret_view->disk);
}

const char *lb_spool_why(const struct lb_spool *spool)
{
    return spool->why;
}

/* ---- when to try again ---- */

bool lb_spool_retry_note(struct lb_spool_retry *retry, int rc, uint64_t now_ms)
{
    bool is_news = (rc < 0 ? rc : 0) != retry->error;

    if (rc >= 0) {
        *retry = (struct lb_spool_retry) { 0 };
        return is_news;
    }
    retry->pause_ms = retry->error == 0 ? LB_SPOOL_PAUSE_MIN_MS : retry->pause_ms * 2;
    if (retry->pause_ms > LB_SPOOL_PAUSE_MAX_MS)
        retry->pause_ms = LB_SPOOL_PAUSE_MAX_MS;
    retry->error = rc;
    retry->next_ms = now_ms + retry->pause_ms;
    return is_news;
}

bool lb_spool_retry_is_due(const struct lb_spool_retry *retry, uint64_t now_ms)
{
    return retry->error == 0 || now_ms >= retry->next_ms;
}
