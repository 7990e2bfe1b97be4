/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_FAULTVFS_H
#define TESTS_LIB_FAULTVFS_H

#include <stdint.h>

/*
 * A VFS of SQLite that passes everything on to the system's, counts what
 * changes the disk, and fails one of these calls, or all from one on, as a card
 * does. Cannot fail itself.
 */
#define FAULTVFS "logboom-fault"

struct faultvfs {
    uint64_t calls;   /* that change the disk, so far: opens, writes, syncs, truncates, deletes */
    uint64_t fail_at; /* the call that fails; 0: none */
    int is_for_good;  /* and all behind it */
    int code;         /* of SQLite: SQLITE_IOERR_WRITE, SQLITE_FULL … */
    uint64_t bytes, syncs;
};

extern struct faultvfs faultvfs;

/*
 * Register it, once; and forget all counts.
 */
void faultvfs_begin(void);

#endif
