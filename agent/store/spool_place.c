/* SPDX-License-Identifier: MIT */
/*
 * Where a spool may lie. In: a path. Out: the same without symbolic links, or a sentence on why not. Always
 * true: a place that passes keeps what was synced, outlives a reboot, and is nobody's to put things into but
 * ours.
 *
 * SQLite opens what it finds: a link in the place of the file or of its journal would have us write wherever
 * it points, with our rights. So the directory must not be open to others, and both are looked at first.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/store/spool_parts.h"
#include "common/ground.h"

int lb_spool_say(struct lb_spool *spool, int rc, const char *text)
{
    snprintf(spool->why, sizeof spool->why, "%.110s: %.140s", spool->path, text);
    return rc;
}

/*
 * File systems whose fsync() is a promise, and whose structure survives a cut: those with a journal, or that
 * never write in place. What is not here is refused, since a spool that loses what it acknowledged is worse
 * than none:
 *   vfat, exfat    no journal: a cut in mid-update loses the file's chain of clusters, or the directory
 *   ext2           none either: it needs a repair after a cut, and that may move the file to lost+found
 *   ntfs3          its log is for its own structure, and we have no figures
 *   fuse           a server in between, of which nobody knows what it does with a sync
 *   nfs, cifs, 9p  another machine; and locks that may not be
 *   overlay        only where its upper directory is out of sight: it may be RAM
 */
static bool keeps_what_was_synced(const char *type)
{
    static const char *const good[] = { "ext4", "ext3", "xfs", "btrfs", "f2fs", "ubifs", "bcachefs", "zfs" };

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (strcmp(type, good[i]) == 0)
            return true;
    return false;
}

static int judge_ground(struct lb_spool *spool, int dir_fd)
{
    struct lb_ground_view view;
    char text[160];
    int rc = lb_ground_of(dir_fd, spool->root, &view);

    if (rc != 0)
        return lb_spool_say(spool, rc, strerror(-rc));
    snprintf(spool->disk, sizeof spool->disk, "%s", view.disk);
    if (spool->any_ground)
        return 0;
    if (view.ground == LB_GROUND_RAM)
        return lb_spool_say(spool, -EOPNOTSUPP,
                            "it would lie in RAM, and what lies there goes with a reboot");
    if (keeps_what_was_synced(view.type) && !view.leaves_out_syncs)
        return 0;
    snprintf(text, sizeof text, "%s, which may lose in a power cut what was synced%s",
             view.type[0] ? view.type : "a file system of unknown kind",
             view.leaves_out_syncs               ? " (volatile)"
             : strcmp(view.type, "overlay") == 0 ? " (what is below is out of sight)"
                                                 : "");
    return lb_spool_say(spool, -EOPNOTSUPP, text);
}

static int judge_dir(struct lb_spool *spool, int dir_fd)
{
    struct statvfs fs;
    struct stat st;

    if (fstat(dir_fd, &st) != 0 || fstatvfs(dir_fd, &fs) != 0)
        return lb_spool_say(spool, -errno, strerror(errno));
    if (fs.f_flag & ST_RDONLY)
        return lb_spool_say(spool, -EROFS, "its file system is mounted read-only");
    if (faccessat(dir_fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
        return lb_spool_say(spool, -errno, "its directory is not ours to write in");
    if ((st.st_mode & S_IWOTH) && !spool->any_ground)
        return lb_spool_say(spool, -EPERM, "everybody may write in its directory");
    return 0;
}

int lb_spool_place(struct lb_spool *spool, const char *path)
{
    char parent[PATH_MAX], base[PATH_MAX];
    int dir_fd, rc;

    snprintf(spool->path, sizeof spool->path, "%s", path);
    snprintf(parent, sizeof parent, "%s", path);
    snprintf(base, sizeof base, "%s", path);
    if (!realpath(dirname(parent), spool->dir))
        return lb_spool_say(spool, -errno, errno == ENOENT ? "its directory is not there" : strerror(errno));
    if ((size_t)snprintf(spool->path, sizeof spool->path, "%s/%s", spool->dir, basename(base)) >=
            sizeof spool->path ||
        (size_t)snprintf(spool->journal, sizeof spool->journal, "%s-journal", spool->path) >=
            sizeof spool->journal)
        return lb_spool_say(spool, -ENAMETOOLONG, "the path is too long");
    dir_fd = open(spool->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return lb_spool_say(spool, -errno,
                            errno == EACCES ? "its directory is not ours to read" : strerror(errno));
    rc = judge_ground(spool, dir_fd);
    if (rc == 0)
        rc = judge_dir(spool, dir_fd);
    close(dir_fd);
    return rc;
}

/* 1 it is there, and ours | 0 | negative errno */
static int look_at_file(struct lb_spool *spool, const char *path, const char *what)
{
    char text[64];
    struct stat st;

    if (lstat(path, &st) != 0)
        return errno == ENOENT ? 0 : lb_spool_say(spool, -errno, strerror(errno));
    if (S_ISLNK(st.st_mode)) {
        snprintf(text, sizeof text, "%s is a symbolic link", what);
        return lb_spool_say(spool, -ELOOP, text);
    }
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1) {
        snprintf(text, sizeof text, "%s is not a file of ours", what);
        return lb_spool_say(spool, -EPERM, text);
    }
    return 1;
}

int lb_spool_file(struct lb_spool *spool)
{
    int rc = look_at_file(spool, spool->journal, "its journal");

    return rc < 0 ? rc : look_at_file(spool, spool->path, "it");
}

int lb_spool_floor(struct lb_spool *spool, uint64_t more_bytes)
{
    struct statvfs fs;
    uint64_t free_bytes, floor_bytes;

    if (spool->free_floor_percent == 0)
        return 0;
    if (statvfs(spool->dir, &fs) != 0)
        return lb_spool_say(spool, -errno, strerror(errno));
    free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    floor_bytes = (uint64_t)fs.f_blocks * fs.f_frsize / 100 * spool->free_floor_percent;
    if (free_bytes < more_bytes || free_bytes - more_bytes < floor_bytes)
        return lb_spool_say(spool, -EDQUOT,
                            "less of its file system would be left free than free_floor says");
    return 0;
}
