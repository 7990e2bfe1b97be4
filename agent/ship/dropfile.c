/* SPDX-License-Identifier: MIT */
/*
 * The file of a file sink. In: bodies. Out: bytes behind those that are there. Always true: the file ends
 * with a whole line, or a whole frame.
 *
 * What a full or failing disk took of a body is cut off again at once. What an agent left that was killed in
 * a write is cut off by the next one before its first body: those records are in the ring still and come
 * again.
 */
#include "agent/ship/dropfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "common/ground.h"
#include "common/log.h"

#define TORN_BLOCK 4096
#define TORN_MAX   (8 << 20) /* a line of ours is shorter */
#define NAME_ROOM  (LB_SINK_URL_LEN + 16)

static int write_all(int fd, const char *from, size_t len)
{
    while (len > 0) {
        ssize_t wrote = write(fd, from, len);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return wrote < 0 ? errno : EIO;
        from += wrote;
        len -= (size_t)wrote;
    }
    return 0;
}

/* ---- what a killed agent has left ---- */

/* Where a file's last line begins that has no end; its size: there is none such. */
static off_t torn_line(int fd, off_t size)
{
    char block[TORN_BLOCK];

    for (off_t end = size; end > 0 && size - end < TORN_MAX;) {
        size_t len = end < (off_t)sizeof block ? (size_t)end : sizeof block;
        const char *last;

        if (pread(fd, block, len, end - (off_t)len) != (ssize_t)len)
            return size;
        end -= (off_t)len;
        last = memrchr(block, '\n', len);
        if (last)
            return end + (last - block) + 1;
        if (end == 0)
            return 0;
    }
    return size;
}

/* Does the file begin as one that is packed? */
static bool is_packed(int fd)
{
    static const unsigned char magic[] = { 0x28, 0xb5, 0x2f, 0xfd }; /* RFC 8878, 3.1.1 */
    unsigned char start[sizeof magic];

    return pread(fd, start, sizeof start, 0) == sizeof start && memcmp(start, magic, sizeof magic) == 0;
}

/* Where the frame begins that is not whole; its size: there is none such. */
static off_t torn_frame(int fd, off_t size)
{
    const char *text = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    size_t at = 0, len;

    if (text == MAP_FAILED)
        return size;
    while (at < (size_t)size &&
           !ZSTD_isError(len = ZSTD_findFrameCompressedSize(text + at, (size_t)size - at)))
        at += len;
    munmap((void *)(uintptr_t)text, (size_t)size);
    return (off_t)at;
}

/* Cut off what a killed agent has begun; what others have begun is ended. A file that cannot be read stays as
 * it is. */
static void mend(const char *path)
{
    int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char start[2] = "";
    struct stat st;
    off_t from;
    bool has_frames;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        has_frames = is_packed(fd);
        from = has_frames ? torn_frame(fd, st.st_size) : torn_line(fd, st.st_size);
        if (from < st.st_size) {
            bool is_ours = has_frames || (pread(fd, start, 2, from) == 2 && memcmp(start, "{\"", 2) == 0);

            if (is_ours && ftruncate(fd, from) == 0)
                lb_log(LB_LEVEL_NOTICE, "%s: cut off half a line that a killed agent has left", path);
            else
                write_all(fd, "\n", 1); /* if this fails, the body behind it does too, and is taken back */
        }
    }
    close(fd);
}

/* ---- where it lies ---- */

bool lb_dropfile_is_worn(const char *root, const struct lb_ground_view *view)
{
    char link[128], to[512];
    ssize_t len;

    if (view->ground != LB_GROUND_FLASH)
        return false;
    if (strncmp(view->disk, "sd", 2) != 0)
        return strncmp(view->disk, "nvme", 4) != 0;
    snprintf(link, sizeof link, "%s/sys/class/block/%s", root, view->disk);
    len = readlink(link, to, sizeof to - 1);
    if (len < 0)
        return false;
    to[len] = '\0';
    return strstr(to, "/usb") != NULL;
}

/* The file, or the directory that it will be made in. */
static int open_to_look(const char *path)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    const char *slash = strrchr(path, '/');
    char dir[NAME_ROOM];

    if (fd >= 0 || !slash)
        return fd;
    snprintf(dir, sizeof dir, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int judge_ground(const struct lb_dropfile *file, char *why, size_t size)
{
    struct lb_ground_view view;
    int fd = open_to_look(file->path), rc;

    if (fd < 0)
        return 0; /* what is wrong there the write will say */
    rc = lb_ground_of(fd, file->root, &view);
    close(fd);
    if (rc < 0 || file->allow_flash || !lb_dropfile_is_worn(file->root, &view))
        return 0;
    snprintf(why, size,
             "the file would lie on %s, which lines wear out; allow_flash = yes writes it all the same",
             view.name);
    return ENOTSUP;
}

/* ---- appending ---- */

static void name_of(const struct lb_dropfile *file, unsigned n, char name[NAME_ROOM])
{
    snprintf(name, NAME_ROOM, n > 0 ? "%s.%u" : "%s", file->path, n);
}

/* PATH becomes PATH.1, that PATH.2; the oldest goes. */
static int put_aside(const struct lb_dropfile *file)
{
    char from[NAME_ROOM], to[NAME_ROOM];

    if (file->keep == 0)
        return unlink(file->path) == 0 || errno == ENOENT ? 0 : errno;
    for (unsigned n = file->keep; n > 0; n--) {
        name_of(file, n - 1, from);
        name_of(file, n, to);
        if (rename(from, to) != 0 && errno != ENOENT)
            return errno;
    }
    return 0;
}

static int write_whole(const char *path, const void *body, size_t len)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    struct stat st;
    int error;

    if (fd < 0)
        return errno;
    if (fstat(fd, &st) != 0) {
        error = errno;
    } else {
        error = write_all(fd, body, len);
        if (error && S_ISREG(st.st_mode) && ftruncate(fd, st.st_size) != 0)
            error = errno;
    }
    if (close(fd) != 0 && error == 0)
        error = errno;
    return error;
}

static bool is_full(const struct lb_dropfile *file, size_t len)
{
    struct stat st;

    return file->rotate_bytes != LB_OFF && stat(file->path, &st) == 0 && S_ISREG(st.st_mode) &&
           st.st_size > 0 && (uint64_t)st.st_size + len > file->rotate_bytes;
}

int lb_dropfile_append(struct lb_dropfile *file, const void *body, size_t len, char *why, size_t size)
{
    int error = 0;

    why[0] = '\0';
    if (!file->is_known) {
        error = judge_ground(file, why, size);
        if (error)
            return error;
        mend(file->path);
    }
    file->is_known = true;
    if (is_full(file, len)) {
        error = put_aside(file);
        if (error) {
            snprintf(why, size, "cannot put %.100s aside: %s", file->path, strerror(error));
            return error;
        }
    }
    error = write_whole(file->path, body, len);
    if (error)
        snprintf(why, size, "cannot append: %s", strerror(error));
    return error;
}
