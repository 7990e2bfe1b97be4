/* SPDX-License-Identifier: MIT */
/*
 * Files of a system below a directory. In: absolute paths. Out: texts, names, changes. Always true: a path is
 * looked up with the directory as its "/" (by the kernel, RESOLVE_IN_ROOT), links and ".." included; a change
 * is made in a directory that was opened thus, on a name without slashes.
 */
#include "agent/offline/protect_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/offline/protect_beneath.h"

#define TRIES_MOST 32
#define NEW_SUFFIX ".new" /* read by nobody: what is taken from a directory of drop-ins ends in .conf */

/* ---- looking ---- */

static int open_in(int top, const char *path, int flags)
{
    struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT };
    long fd;
    unsigned tries = 0;

    do /* EAGAIN: something was renamed while ".." was looked up */
        fd = syscall(SYS_openat2, top, path, &how, sizeof how);
    while (fd < 0 && errno == EAGAIN && ++tries < TRIES_MOST);
    return fd < 0 ? -errno : (int)fd;
}

int lb_protect_tree_open(const char *top, struct lb_protect_tree *ret_tree)
{
    int fd = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC), probe;

    if (fd < 0)
        return -errno;
    probe =
        open_in(fd, "/", O_PATH | O_DIRECTORY); /* ENOSYS; EPERM: a container forbids what it does not know */
    if (probe >= 0)
        close(probe);
    *ret_tree = (struct lb_protect_tree) { .fd = fd, .is_walked = probe < 0 };
    return 0;
}

void lb_protect_tree_close(struct lb_protect_tree *tree)
{
    close(tree->fd);
}

int lb_protect_open(const struct lb_protect_tree *tree, const char *path, int flags)
{
    return tree->is_walked ? lb_protect_beneath(tree->fd, path, flags) : open_in(tree->fd, path, flags);
}

int lb_protect_stat(const struct lb_protect_tree *tree, const char *path, bool is_link, struct stat *ret_stat)
{
    int fd = lb_protect_open(tree, path, O_PATH | (is_link ? O_NOFOLLOW : 0)), rc;

    if (fd < 0)
        return fd;
    rc = fstat(fd, ret_stat) == 0 ? 0 : -errno;
    close(fd);
    return rc;
}

bool lb_protect_exists(const struct lb_protect_tree *tree, const char *path)
{
    struct stat st;

    return lb_protect_stat(tree, path, false, &st) == 0;
}

static int read_all(int fd, char *buf, size_t size, size_t *ret_len)
{
    size_t len = 0;

    while (len < size) {
        ssize_t got = read(fd, buf + len, size - len);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0) {
            buf[len] = '\0';
            *ret_len = len;
            return 0;
        }
        len += (size_t)got;
    }
    return -E2BIG;
}

int lb_protect_read(const struct lb_protect_tree *tree, const char *path, char *buf, size_t size,
                    size_t *ret_len)
{
    int fd = lb_protect_open(tree, path, O_RDONLY | O_NONBLOCK | O_NOCTTY), rc;
    struct stat st;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) != 0)
        rc = -errno;
    else if (!S_ISREG(st.st_mode))
        rc = S_ISDIR(st.st_mode) ? -EISDIR : -ENXIO;
    else
        rc = read_all(fd, buf, size, ret_len);
    close(fd);
    return rc;
}

int lb_protect_read_link(const struct lb_protect_tree *tree, const char *path, char *buf, size_t size)
{
    int fd = lb_protect_open(tree, path, O_PATH | O_NOFOLLOW), rc = 0;
    struct stat st;
    ssize_t len;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) != 0)
        rc = -errno;
    else if (!S_ISLNK(st.st_mode))
        rc = -EINVAL;
    len = rc == 0 ? readlinkat(fd, "", buf, size) : 0;
    if (len < 0)
        rc = -errno;
    else if ((size_t)len >= size)
        rc = -E2BIG;
    else
        buf[len] = '\0';
    close(fd);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int take_name(char ***names, size_t *count, const char *name)
{
    char **more = realloc(*names, (*count + 1) * sizeof *more);

    if (!more)
        return -ENOMEM;
    *names = more;
    more[*count] = strdup(name);
    if (!more[*count])
        return -ENOMEM;
    ++*count;
    return 0;
}

int lb_protect_list(const struct lb_protect_tree *tree, const char *path, size_t most, char ***ret_names,
                    size_t *ret_count)
{
    int fd = lb_protect_open(tree, path, O_RDONLY | O_DIRECTORY), rc = 0;
    char **names = NULL;
    size_t count = 0;
    DIR *dir;

    *ret_names = NULL;
    *ret_count = 0;
    if (fd == -ENOENT || fd == -ENOTDIR)
        return 0;
    if (fd < 0)
        return fd;
    dir = fdopendir(fd);
    if (!dir) {
        rc = -errno;
        close(fd);
        return rc;
    }
    for (const struct dirent *entry; rc == 0 && count < most && (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            rc = take_name(&names, &count, entry->d_name);
    closedir(dir);
    if (rc != 0) {
        lb_protect_names_free(names, count);
        return rc;
    }
    if (count > 0)
        qsort(names, count, sizeof *names, by_name);
    *ret_names = names;
    *ret_count = count;
    return 0;
}

void lb_protect_names_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* ---- changing ---- */

static int may_write(const struct lb_protect_tree *tree)
{
    return tree->before_write ? tree->before_write(tree->arg) : 0;
}

/* The directory that a path lies in, to be closed, and the name there. */
static int open_parent(const struct lb_protect_tree *tree, const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    char dir[PATH_MAX];

    if (!slash || (size_t)(slash - path) + 1 >= sizeof dir ||
        strlen(slash + 1) > NAME_MAX - strlen(NEW_SUFFIX))
        return -ENAMETOOLONG;
    snprintf(dir, sizeof dir, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    *ret_name = slash + 1;
    return lb_protect_open(tree, dir, O_RDONLY | O_DIRECTORY);
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, text, len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        text += put;
        len -= (size_t)put;
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

static int put_in_place(const struct lb_protect_tree *tree, int dir, const char *fresh, const char *name)
{
    int rc = may_write(tree);

    if (rc == 0 && renameat(dir, fresh, dir, name) != 0)
        rc = -errno;
    if (rc == 0 && fsync(dir) != 0)
        rc = -errno;
    return rc;
}

int lb_protect_write(const struct lb_protect_tree *tree, const char *path, const char *text, size_t len,
                     mode_t mode)
{
    char fresh[NAME_MAX + 1];
    const char *name;
    int dir = open_parent(tree, path, &name), fd = -1, rc;

    if (dir < 0)
        return dir;
    snprintf(fresh, sizeof fresh, "%s" NEW_SUFFIX, name);
    rc = may_write(tree);
    if (rc == 0 && unlinkat(dir, fresh, 0) != 0 && errno != ENOENT)
        rc = -errno;
    if (rc == 0) {
        fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        rc = fd < 0 ? -errno : write_all(fd, text, len);
    }
    if (rc == 0 && fchmod(fd, mode) != 0) /* whatever the umask is */
        rc = -errno;
    if (fd >= 0 && close(fd) != 0 && rc == 0)
        rc = -errno;
    if (rc == 0)
        rc = put_in_place(tree, dir, fresh, name);
    if (rc != 0 && fd >= 0)
        unlinkat(dir, fresh, 0);
    close(dir);
    return rc;
}

int lb_protect_write_link(const struct lb_protect_tree *tree, const char *path, const char *target)
{
    char fresh[NAME_MAX + 1];
    const char *name;
    int dir = open_parent(tree, path, &name), rc;

    if (dir < 0)
        return dir;
    snprintf(fresh, sizeof fresh, "%s" NEW_SUFFIX, name);
    rc = may_write(tree);
    if (rc == 0 && unlinkat(dir, fresh, 0) != 0 && errno != ENOENT)
        rc = -errno;
    if (rc == 0 && symlinkat(target, dir, fresh) != 0)
        rc = -errno;
    if (rc == 0) {
        rc = put_in_place(tree, dir, fresh, name);
        if (rc != 0)
            unlinkat(dir, fresh, 0);
    }
    close(dir);
    return rc;
}

int lb_protect_mkdir(const struct lb_protect_tree *tree, const char *path)
{
    const char *name;
    int dir = open_parent(tree, path, &name), rc;

    if (dir < 0)
        return dir;
    rc = may_write(tree);
    if (rc == 0 && mkdirat(dir, name, 0755) != 0)
        rc = errno == EEXIST ? 0 : -errno;
    else if (rc == 0 && (fchmodat(dir, name, 0755, 0) != 0 || fsync(dir) != 0))
        rc = -errno;
    close(dir);
    return rc;
}

static int remove_name(const struct lb_protect_tree *tree, const char *path, int flags)
{
    char fresh[NAME_MAX + 1];
    const char *name;
    int dir = open_parent(tree, path, &name), rc;

    if (dir < 0)
        return dir == -ENOENT || dir == -ENOTDIR ? 0 : dir;
    rc = may_write(tree);
    if (rc == 0 && unlinkat(dir, name, flags) != 0 && errno != ENOENT)
        rc = errno == EEXIST ? -ENOTEMPTY : -errno;
    snprintf(fresh, sizeof fresh, "%s" NEW_SUFFIX, name);
    if (rc == 0 && flags == 0 && unlinkat(dir, fresh, 0) != 0 && errno != ENOENT)
        rc = -errno;
    if (rc == 0 && fsync(dir) != 0)
        rc = -errno;
    close(dir);
    return rc;
}

int lb_protect_unlink(const struct lb_protect_tree *tree, const char *path)
{
    return remove_name(tree, path, 0);
}

int lb_protect_rmdir(const struct lb_protect_tree *tree, const char *path)
{
    return remove_name(tree, path, AT_REMOVEDIR);
}
