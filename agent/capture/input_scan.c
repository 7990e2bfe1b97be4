/* SPDX-License-Identifier: MIT */
/*
 * Find the files that globs name. In: globs, and what is followed already. Out: an open descriptor for each
 * new file, and what is wrong. Always true: nothing but a regular file is opened for reading (to open a fifo
 * would wake its writer, a device anything), and none on flash that is not allowed.
 */
#include "agent/capture/input_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/ground.h"

#define TAIL_BYTES  4096 /* in which the end of the last whole line is looked for */
#define DIR_EVENTS  (IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR)
#define FILE_EVENTS IN_MODIFY

uint64_t lb_scan_id(const char *input, uint64_t dev, uint64_t ino, uint64_t born_ns)
{
    const uint64_t about[] = { dev, ino, born_ns };
    uint64_t id = XXH3_64bits_withSeed(input, strlen(input), XXH3_64bits(about, sizeof about));

    return id ? id : 1;
}

bool lb_scan_is_packed(const char *path)
{
    static const char *const ends[] = { ".gz", ".xz", ".zst", ".bz2", ".lz4" };
    size_t len = strlen(path);

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (len > strlen(ends[i]) && strcmp(path + len - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

static bool is_known(const struct lb_scan *scan, unsigned input, uint64_t id)
{
    for (unsigned i = 0; i < scan->known_count; i++)
        if (scan->known[i].input == input && scan->known[i].id == id)
            return true;
    return false;
}

static bool is_sought_id(const struct lb_scan *scan, uint64_t id)
{
    for (unsigned i = 0; i < scan->sought_count; i++)
        if (scan->sought[i].id == id)
            return true;
    return false;
}

static bool is_found(const struct lb_scan *scan, unsigned input, uint64_t id)
{
    for (unsigned i = 0; i < scan->found_count; i++)
        if (scan->found[i].input == input && scan->found[i].id == id)
            return true;
    return false;
}

static void complain(struct lb_scan_glob *glob, const char *what, const char *path, int error)
{
    if (glob->error[0] == '\0')
        snprintf(glob->error, sizeof glob->error, "cannot %s %s: %s", what, path, strerror(error));
}

/* Behind the last line end, if one is near: a line that is half there at the start is read whole later. */
static uint64_t whole_lines_end(int fd, uint64_t size)
{
    char tail[TAIL_BYTES];
    uint64_t from = size > sizeof tail ? size - sizeof tail : 0;
    ssize_t got = pread(fd, tail, sizeof tail, (off_t)from);
    const char *end = got > 0 ? memrchr(tail, '\n', (size_t)got) : NULL;

    if (end)
        return from + (uint64_t)(end - tail) + 1;
    return from == 0 && got >= 0 && (uint64_t)got == size ? 0 : size;
}

/* May it be followed, and by whom is it read? */
static bool judge_ground(struct lb_scan_glob *glob, const char *path, int fd, bool *ret_is_ram)
{
    struct lb_ground_view view;
    int rc = lb_ground_of(fd, "", &view);

    if (rc < 0) {
        complain(glob, "look where it lies:", path, -rc);
        return false;
    }
    *ret_is_ram = view.ground == LB_GROUND_RAM;
    if (view.ground != LB_GROUND_FLASH || glob->allow_flash)
        return true;
    glob->refused++;
    if (glob->error[0] == '\0')
        snprintf(glob->error, sizeof glob->error,
                 "%.96s is on %s: to read it is free, but whatever writes it wears the card; "
                 "allow_flash = yes follows it anyway",
                 path, view.name);
    return false;
}

/* Open what path_fd stands for, and fill in the rest of found. false: not to be followed */
static bool take_up(const struct lb_scan *scan, struct lb_scan_glob *glob, const char *path, int path_fd,
                    struct lb_scan_found *found)
{
    char link[64];

    if (!judge_ground(glob, path, path_fd, &found->is_ram))
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", path_fd);
    found->fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (found->fd < 0) {
        complain(glob, "open", path, errno);
        return false;
    }
    found->wd =
        inotify_add_watch(scan->inotify_fd, link, FILE_EVENTS); /* -1: it is looked at by every scan */
    found->end = whole_lines_end(found->fd, found->size);
    return true;
}

/* One path. sought: take it only if it is one of those that are sought */
static void look_at(struct lb_scan *scan, unsigned input, const char *path, bool is_sought)
{
    struct lb_scan_glob *glob = &scan->glob[input];
    struct lb_scan_found found = { .input = input, .fd = -1, .wd = -1, .is_gone = is_sought };
    int fd = open(path, O_PATH | O_CLOEXEC);
    struct statx st;
    bool is_new;

    if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st) != 0) {
        if (errno != ENOENT && !is_sought)
            complain(glob, "open", path, errno);
    } else if (S_ISREG(st.stx_mode)) {
        found.dev = makedev(st.stx_dev_major, st.stx_dev_minor);
        found.ino = st.stx_ino;
        found.uid = st.stx_uid;
        found.size = st.stx_size;
        found.id = lb_scan_id(glob->name, found.dev, found.ino,
                              st.stx_mask & STATX_BTIME
                                  ? (uint64_t)st.stx_btime.tv_sec * 1000000000u + st.stx_btime.tv_nsec
                                  : 0);
        glob->matches += !is_sought;
        is_new = !is_found(scan, input, found.id) && (!is_sought || is_sought_id(scan, found.id));
        scan->has_more |= is_new && scan->found_count == LB_INPUT_FILES;
        if (is_new && scan->found_count < LB_INPUT_FILES &&
            (is_known(scan, input, found.id) || take_up(scan, glob, path, fd, &found)))
            scan->found[scan->found_count++] = found;
    }
    if (fd >= 0)
        close(fd);
}

/* The directories that the glob's files lie in. Their number is bounded; what is beyond is seen by scans
 * alone. */
static void look_at_dirs(struct lb_scan *scan, unsigned input,
                         void (*look)(struct lb_scan *, unsigned, const char *))
{
    const char *path = scan->glob[input].path, *slash = strrchr(path, '/');
    char *dir = strndup(path, slash > path ? (size_t)(slash - path) : 1);
    glob_t dirs;

    if (dir && glob(dir, GLOB_NOSORT | GLOB_ONLYDIR, NULL, &dirs) == 0) {
        for (size_t i = 0; i < dirs.gl_pathc && i < LB_SCAN_DIRS; i++)
            look(scan, input, dirs.gl_pathv[i]);
        globfree(&dirs);
    }
    free(dir);
}

static void watch_dir(struct lb_scan *scan, unsigned input, const char *dir)
{
    (void)input;
    (void)inotify_add_watch(scan->inotify_fd, dir, DIR_EVENTS);
}

static bool is_sought_inode(const struct lb_scan *scan, uint64_t ino)
{
    for (unsigned i = 0; i < scan->sought_count; i++)
        if (scan->sought[i].ino == ino)
            return true;
    return false;
}

/* A file that was renamed while no agent ran is still there, under a name that no glob has. */
static void seek_in_dir(struct lb_scan *scan, unsigned input, const char *name)
{
    DIR *dir = opendir(name);
    const struct dirent *entry;
    char path[PATH_MAX];

    while (dir && (entry = readdir(dir)))
        if (is_sought_inode(scan, entry->d_ino) &&
            (size_t)snprintf(path, sizeof path, "%s/%s", name, entry->d_name) < sizeof path)
            look_at(scan, input, path, true);
    if (dir)
        closedir(dir);
}

static void run_glob(struct lb_scan *scan, unsigned input)
{
    glob_t paths;

    /* The watch comes first: what is made after the look makes an event. */
    look_at_dirs(scan, input, watch_dir);
    if (glob(scan->glob[input].path, 0, NULL, &paths) != 0)
        return;
    for (size_t i = 0; i < paths.gl_pathc; i++)
        if (!lb_scan_is_packed(paths.gl_pathv[i]))
            look_at(scan, input, paths.gl_pathv[i], false);
    globfree(&paths);
}

void lb_scan_run(struct lb_scan *scan)
{
    scan->found_count = 0;
    scan->has_more = false;
    for (unsigned i = 0; i < scan->globs; i++) {
        struct lb_scan_glob *glob = &scan->glob[i];

        glob->error[0] = '\0';
        glob->matches = glob->refused = 0;
        if (glob->is_wanted)
            run_glob(scan, i);
    }
    for (unsigned i = 0; i < scan->globs && scan->sought_count > 0; i++)
        if (scan->glob[i].is_wanted)
            look_at_dirs(scan, i, seek_in_dir);
}
