/* SPDX-License-Identifier: MIT */
/* A card that fails on request. In: what SQLite asks of its VFS. Out: the same to the system, or an error. */
#include "tests/unit/lib_faultvfs.h"

#include <sqlite3.h>
#include <string.h>

struct faultvfs faultvfs;

struct file {
    sqlite3_file base;
    sqlite3_file *real; /* behind us in the same piece of memory */
};

static sqlite3_vfs *system_vfs;

static int strike(void)
{
    uint64_t call = ++faultvfs.calls;

    if (faultvfs.fail_at == 0 || call < faultvfs.fail_at ||
        (call > faultvfs.fail_at && !faultvfs.is_for_good))
        return SQLITE_OK;
    return faultvfs.code;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct file *)file)->real;
}

static int do_close(sqlite3_file *file)
{
    return real_of(file)->pMethods ? real_of(file)->pMethods->xClose(real_of(file)) : SQLITE_OK;
}

static int do_read(sqlite3_file *file, void *buf, int len, sqlite3_int64 at)
{
    return real_of(file)->pMethods->xRead(real_of(file), buf, len, at);
}

static int do_write(sqlite3_file *file, const void *buf, int len, sqlite3_int64 at)
{
    int rc = strike();

    if (rc != SQLITE_OK) {
        if (len > 512) /* half of it may have come through */
            real_of(file)->pMethods->xWrite(real_of(file), buf, 512, at);
        return rc;
    }
    faultvfs.bytes += (uint64_t)len;
    return real_of(file)->pMethods->xWrite(real_of(file), buf, len, at);
}

static int do_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int rc = strike();

    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int do_sync(sqlite3_file *file, int flags)
{
    int rc = strike();

    faultvfs.syncs++;
    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int do_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int do_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int do_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int do_check(sqlite3_file *file, int *result)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), result);
}

static int do_control(sqlite3_file *file, int op, void *arg)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int do_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int do_traits(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = do_close,
    .xRead = do_read,
    .xWrite = do_write,
    .xTruncate = do_truncate,
    .xSync = do_sync,
    .xFileSize = do_size,
    .xLock = do_lock,
    .xUnlock = do_unlock,
    .xCheckReservedLock = do_check,
    .xFileControl = do_control,
    .xSectorSize = do_sector,
    .xDeviceCharacteristics = do_traits,
};

static int do_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    struct file *ours = (struct file *)file;
    int rc = strike();

    (void)vfs;
    ours->real = (sqlite3_file *)(ours + 1);
    memset(ours->real, 0, (size_t)system_vfs->szOsFile);
    ours->base.pMethods = NULL;
    if (rc == SQLITE_OK)
        rc = system_vfs->xOpen(system_vfs, name, ours->real, flags, ret_flags);
    else
        rc = SQLITE_CANTOPEN;
    if (rc == SQLITE_OK)
        ours->base.pMethods = &methods;
    return rc;
}

static int do_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    int rc = strike();

    (void)vfs;
    return rc != SQLITE_OK ? SQLITE_IOERR_DELETE : system_vfs->xDelete(system_vfs, name, sync_dir);
}

void faultvfs_begin(void)
{
    static sqlite3_vfs vfs;

    if (!system_vfs) {
        sqlite3_initialize();
        system_vfs = sqlite3_vfs_find(NULL);
        vfs = *system_vfs;
        vfs.zName = FAULTVFS;
        vfs.szOsFile = (int)sizeof(struct file) + system_vfs->szOsFile;
        vfs.xOpen = do_open;
        vfs.xDelete = do_delete;
        sqlite3_vfs_register(&vfs, 0);
    }
    memset(&faultvfs, 0, sizeof faultvfs);
}
