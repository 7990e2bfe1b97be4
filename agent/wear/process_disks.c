/* SPDX-License-Identifier: MIT */
/*
 * Which disks a process writes to. In: its fdinfo and mountinfo, /sys. Out: a bit for each disk. Always true:
 * what cannot be read or makes no sense tells of no disk.
 *
 * Of layers the nearest that is watched is taken: who names a loop device or dm-0 in [wear] devices wants to
 * see who writes there; else it is the disk below all of them.
 */
#include "agent/wear/process_disks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/wear/process_read.h"
#include "common/ground.h"

#define FORGET_NS    (600 * 1000000000ull) /* numbers of loop devices and of what has none are used again */
#define FDINFO_BYTES 256                   /* flags and mnt_id are among the first lines */
#define LINE_BYTES   4096                  /* of mountinfo; what is longer (overlay's directories) is cut */

void lb_process_disks_begin(struct lb_process_disks *memory, const char *root, const struct lb_disks *disks,
                            uint64_t now_ns)
{
    memory->root = root;
    memory->disks = disks;
    memory->mounts = 0;
    if (now_ns >= memory->forgot_ns + FORGET_NS) {
        memory->devices = 0;
        memory->forgot_ns = now_ns;
    }
}

/* ---- mountinfo, line by line ---- */

struct lines {
    int fd;
    size_t from, len;
    bool is_cut; /* the rest of a line that was too long is passed over */
    char text[LINE_BYTES];
};

/* The next line, without its end; NULL: no more. Good until the next call. */
static const char *next_line(struct lines *lines)
{
    for (;;) {
        char *start = lines->text + lines->from, *end = memchr(start, '\n', lines->len);
        bool is_full = lines->len == sizeof lines->text - 1;
        ssize_t got;

        if (end || (is_full && lines->from == 0)) {
            bool is_rest = lines->is_cut;

            lines->is_cut = !end;
            end = end ? end : start + lines->len;
            *end = '\0';
            lines->len -= (size_t)(end - start) + !lines->is_cut;
            lines->from += (size_t)(end - start) + !lines->is_cut;
            if (!is_rest)
                return start;
            continue;
        }
        memmove(lines->text, start, lines->len);
        lines->from = 0;
        got = read(lines->fd, lines->text + lines->len, sizeof lines->text - 1 - lines->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return NULL; /* what has no end yet is no line */
        lines->len += (size_t)got;
    }
}

/* "ID PARENT MAJ:MIN ROOT POINT ..." */
static bool read_mount(const char *line, uint64_t *ret_id, dev_t *ret_dev, char *point, size_t size)
{
    unsigned long long id;
    unsigned maj, min;
    int at = 0;

    // NOLINTNEXTLINE(cert-err34-c): the kernel's own text; another number finds no device
    if (sscanf(line, "%llu %*u %u:%u %*s %n", &id, &maj, &min, &at) != 3 || at == 0)
        return false;
    *ret_id = id;
    *ret_dev = makedev(maj, min);
    if (point)
        snprintf(point, size, "%.*s", (int)strcspn(line + at, " "), line + at);
    return true;
}

/*
 * Where we see a device that is none of /sys (overlay, btrfs) ourselves: a process in a container sees it
 * elsewhere, and common/ground.h goes by our own mounts. "": we do not.
 */
static void find_point(const char *root, dev_t dev, char *point, size_t size)
{
    struct lines lines = { 0 };
    const char *line;
    char path[PATH_MAX];
    uint64_t id;
    dev_t found;

    snprintf(path, sizeof path, "%s/proc/self/mountinfo", root);
    lines.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (lines.fd >= 0 && (line = next_line(&lines))) {
        if (read_mount(line, &id, &found, point, size) && found == dev)
            break;
        point[0] = '\0';
    }
    if (lines.fd >= 0)
        close(lines.fd);
}

/* ---- devices ---- */

/* The whole disk that a device is or is a part of. */
static void find_near(const char *root, dev_t dev, char near[LB_WEAR_NAME])
{
    char path[PATH_MAX], dir[PATH_MAX], *slash;

    near[0] = '\0';
    snprintf(path, sizeof path, "%s/sys/dev/block/%u:%u", root, major(dev), minor(dev));
    if (!realpath(path, dir))
        return;
    if ((size_t)snprintf(path, sizeof path, "%s/partition", dir) < sizeof path && access(path, F_OK) == 0)
        *strrchr(dir, '/') = '\0';
    slash = strrchr(dir, '/');
    if (slash)
        snprintf(near, LB_WEAR_NAME, "%.*s", LB_WEAR_NAME - 1, slash + 1);
}

static void find_device(const struct lb_process_disks *memory, dev_t dev,
                        struct lb_process_device *ret_device)
{
    struct lb_ground_view ground;
    char point[PATH_MAX] = "";

    *ret_device = (struct lb_process_device) { .dev = dev };
    if (major(dev) == 0)
        find_point(memory->root, dev, point, sizeof point);
    else
        find_near(memory->root, dev, ret_device->near);
    lb_ground_of_dev(dev, point, memory->root, &ground);
    snprintf(ret_device->below, sizeof ret_device->below, "%.*s", LB_WEAR_NAME - 1, ground.disk);
}

/* The bit of a disk that is watched; 0: it is not. */
static uint32_t bit_of(const struct lb_disks *disks, const char *name)
{
    for (uint32_t i = 0; i < disks->count && name[0] != '\0'; i++)
        if (disks->disk[i].is_present && strcmp(disks->disk[i].name, name) == 0)
            return 1u << i;
    return 0;
}

static uint32_t disks_of_device(struct lb_process_disks *memory, dev_t dev)
{
    struct lb_process_device *device = memory->device, *end = device + memory->devices;
    uint32_t bit;

    while (device < end && device->dev != dev)
        device++;
    if (device == end) {
        if (memory->devices == LB_PROCESS_DEVICES_MAX)
            memory->devices = 0; /* so many are not in use at once: begin anew */
        device = &memory->device[memory->devices++];
        find_device(memory, dev, device);
    }
    bit = bit_of(memory->disks, device->near);
    if (bit == 0)
        bit = bit_of(memory->disks, device->below);
    return bit == 0 && device->below[0] != '\0' ? LB_PROCESS_DISKS_ELSEWHERE : bit;
}

/* ---- files ---- */

/* Is a file open for writing, and on which mount? */
static bool read_fdinfo(int dir, const char *name, uint64_t *ret_mount)
{
    char text[FDINFO_BYTES], *end;
    const char *flags, *mount;
    unsigned long mode;

    if (lb_process_read(dir, name, text, sizeof text) <= 0)
        return false;
    flags = strstr(text, "flags:\t");
    mount = strstr(text, "mnt_id:\t");
    if (!flags || !mount)
        return false;
    mode = strtoul(flags + strlen("flags:\t"), &end, 8) & O_ACCMODE;
    if (*end != '\n' || (mode != O_WRONLY && mode != O_RDWR))
        return false;
    *ret_mount = strtoull(mount + strlen("mnt_id:\t"), &end, 10);
    return *end == '\n' || *end == '\0';
}

static const struct lb_process_mount *known_mount(const struct lb_process_disks *memory, uint64_t id)
{
    for (uint32_t i = 0; i < memory->mounts; i++)
        if (memory->mount[i].id == id)
            return &memory->mount[i];
    return NULL;
}

/* Find the disks of mounts that are new in this look. What is in no mountinfo is a socket or a pipe. */
static void find_mounts(struct lb_process_disks *memory, int dir, struct lb_process_mount *mounts,
                        uint32_t count)
{
    struct lines lines = { .fd = openat(dir, "mountinfo", O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
    const char *line;
    uint64_t id;
    dev_t dev;

    if (lines.fd < 0)
        return; /* not remembered: another process may show them */
    while ((line = next_line(&lines)))
        for (uint32_t i = 0; read_mount(line, &id, &dev, NULL, 0) && i < count; i++)
            if (mounts[i].id == id)
                mounts[i].disks = disks_of_device(memory, dev);
    close(lines.fd);
    for (uint32_t i = 0; i < count && memory->mounts < LB_PROCESS_MOUNTS_MAX; i++)
        memory->mount[memory->mounts++] = mounts[i];
}

static bool is_among(const struct lb_process_mount *mounts, uint32_t count, uint64_t id)
{
    for (uint32_t i = 0; i < count; i++)
        if (mounts[i].id == id)
            return true;
    return false;
}

uint32_t lb_process_disks_look(struct lb_process_disks *memory, int dir)
{
    struct lb_process_mount fresh[LB_PROCESS_MOUNTS_NEW];
    uint32_t count = 0, disks = 0;
    int fd = openat(dir, "fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *files = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (!files) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    for (unsigned seen = 0; seen < LB_PROCESS_FDS_MAX && (entry = readdir(files));) {
        const struct lb_process_mount *known;
        uint64_t id;

        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        seen++;
        if (!read_fdinfo(dirfd(files), entry->d_name, &id))
            continue;
        known = known_mount(memory, id);
        if (known)
            disks |= known->disks;
        else if (count < LB_PROCESS_MOUNTS_NEW && !is_among(fresh, count, id))
            fresh[count++] = (struct lb_process_mount) { .id = id };
    }
    closedir(files);
    if (count > 0)
        find_mounts(memory, dir, fresh, count);
    for (uint32_t i = 0; i < count; i++)
        disks |= fresh[i].disks;
    return disks;
}
