/* SPDX-License-Identifier: MIT */
/*
 * A path, looked up below a directory without the kernel's help. In: a path. Out: a descriptor. Always true:
 * each name is opened in a directory that was reached from the top, and is not followed; ".." goes back to
 * where we came from, never to what the file system holds for the parent by then.
 */
#include "agent/offline/protect_beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MOST 40 /* as the kernel has it, path_resolution(7) */
#define DEPTH_MOST 64

struct walk {
    int fds[DEPTH_MOST + 1]; /* the way here; the first is the caller's */
    unsigned depth;
    unsigned links;
    char rest[PATH_MAX]; /* of the path */
};

static void go_back(struct walk *walk, unsigned depth)
{
    while (walk->depth > depth)
        close(walk->fds[walk->depth--]);
}

/* The next name; false: there is none. Is it the last one? */
static bool take_name(struct walk *walk, char name[NAME_MAX + 1], bool *ret_is_last)
{
    size_t start = strspn(walk->rest, "/"), len = strcspn(walk->rest + start, "/"), end = start + len;

    if (len == 0 || len > NAME_MAX)
        return false;
    memcpy(name, walk->rest + start, len);
    name[len] = '\0';
    *ret_is_last = walk->rest[end] == '\0';
    memmove(walk->rest, walk->rest + end, strlen(walk->rest + end) + 1);
    return true;
}

static int take_link(struct walk *walk, int fd)
{
    char path[PATH_MAX];
    ssize_t len = readlinkat(fd, "", path, sizeof path);
    size_t rest_len = strlen(walk->rest);

    if (len < 0)
        return -errno;
    if (len == 0)
        return -ENOENT;
    if (++walk->links > LINKS_MOST)
        return -ELOOP;
    if ((size_t)len + rest_len >= sizeof walk->rest)
        return -ENAMETOOLONG;
    if (path[0] == '/')
        go_back(walk, 0);
    memmove(walk->rest + len, walk->rest, rest_len + 1);
    memcpy(walk->rest, path, (size_t)len);
    return 0;
}

/* One name, of which fd is what it is. Returns 0 to go on, or the errno. Takes fd over. */
static int step(struct walk *walk, int fd, const struct stat *st)
{
    int rc = 0;

    if (S_ISDIR(st->st_mode) && walk->depth < DEPTH_MOST) {
        walk->fds[++walk->depth] = fd;
        return 0;
    }
    if (S_ISLNK(st->st_mode))
        rc = take_link(walk, fd);
    else
        rc = S_ISDIR(st->st_mode) ? -ENAMETOOLONG : -ENOTDIR;
    close(fd);
    return rc;
}

static int open_last(const struct walk *walk, const char *name, int flags)
{
    int fd = openat(walk->fds[walk->depth], name, flags | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

/* The descriptor, or 0 to go on. */
static int look_up(struct walk *walk, const char *name, bool is_last, int flags)
{
    int fd, rc;
    struct stat st;

    if (strcmp(name, ".") == 0)
        return 0;
    if (strcmp(name, "..") == 0) {
        go_back(walk, walk->depth > 0 ? walk->depth - 1 : 0);
        return 0;
    }
    fd = openat(walk->fds[walk->depth], name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) != 0) {
        rc = -errno;
        close(fd);
        return rc;
    }
    if (!is_last || (S_ISLNK(st.st_mode) && !(flags & O_NOFOLLOW)))
        return step(walk, fd, &st);
    close(fd);
    return open_last(walk, name, flags);
}

int lb_protect_beneath(int top, const char *path, int flags)
{
    struct walk walk = { .fds = { top } };
    size_t len = strlen(path);
    char name[NAME_MAX + 1];
    bool is_last = false;
    int found = 0;

    if (len >= sizeof walk.rest)
        return -ENAMETOOLONG;
    memcpy(walk.rest, path, len + 1);
    while (found == 0 && take_name(&walk, name, &is_last))
        found = look_up(&walk, name, is_last, flags);
    if (found == 0) /* it ended in a directory that we are in */
        found = strspn(walk.rest, "/") < strlen(walk.rest) ? -ENAMETOOLONG : open_last(&walk, ".", flags);
    go_back(&walk, 0);
    return found;
}
