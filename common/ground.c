/* SPDX-License-Identifier: MIT */
/*
 * What a file lies on. In: a descriptor, /sys and /proc/self/mountinfo. Out: RAM, flash or other, and its
 * name. Always true: what cannot be told is "other", which is neither refused nor read on the fast side.
 *
 *   st_dev ── block device ──▶ /sys/dev/block ──▶ partition of ─▶ disk ── dm, md ──▶ its parts, again
 *      └───── none (0:N) ────▶ mountinfo ───────▶ overlay: its upper directory, btrfs: its source, again
 */
#include "common/ground.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DEPTH_MAX     6 /* a file system on a loop device on an overlay on LVM on ... */
#define OPTIONS_BYTES 4096
#define SECTOR_BYTES  512 /* of every disk, as sysfs counts */

struct search {
    const char *root;
    struct lb_ground_view *view;
    unsigned depth;
};

static void look_at_dev(struct search *search, dev_t dev, const char *path);

/* ---- names that say it ---- */

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool is_one_of(const char *text, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0)
            return true;
    return false;
}

/* File systems that tell by themselves what is below. */
static enum lb_ground by_type(const char *type)
{
    static const char *const ram[] = { "tmpfs", "ramfs", "devtmpfs" };
    static const char *const raw_flash[] = { "ubifs", "jffs2", "yaffs2" };

    if (is_one_of(type, ram, sizeof ram / sizeof ram[0]))
        return LB_GROUND_RAM;
    return is_one_of(type, raw_flash, sizeof raw_flash / sizeof raw_flash[0]) ? LB_GROUND_FLASH
                                                                              : LB_GROUND_OTHER;
}

/* ---- block devices ---- */

/* The first line of a small file of sysfs; "" if there is none. */
static void read_text(const char *dir, const char *name, char *buf, size_t size)
{
    char path[PATH_MAX];
    int fd;
    ssize_t got = 0;

    buf[0] = '\0';
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        got = read(fd, buf, size - 1);
        close(fd);
    }
    buf[got > 0 ? got : 0] = '\0';
    buf[strcspn(buf, "\n")] = '\0';
}

static bool says(const char *dir, const char *name, char first)
{
    char text[16];

    read_text(dir, name, text, sizeof text);
    return text[0] == first;
}

/*
 * By name, else by how it is tied: of USB what can be pulled out (sticks and card readers, which often claim
 * to turn), and of USB, SATA and NVMe what does not turn. A virtual machine's disk (vda, xvda) tells nothing.
 */
static enum lb_ground of_disk(const char *dir, const char *name)
{
    bool is_usb = strstr(dir, "/usb") != NULL;
    bool is_real = is_usb || begins_with(name, "sd") || begins_with(name, "nvme");

    if (begins_with(name, "zram") || begins_with(name, "ram"))
        return LB_GROUND_RAM;
    if (begins_with(name, "mmcblk") || begins_with(name, "mtdblock") || begins_with(name, "ubiblock"))
        return LB_GROUND_FLASH;
    if (is_usb && says(dir, "removable", '1'))
        return LB_GROUND_FLASH;
    return is_real && says(dir, "queue/rotational", '0') ? LB_GROUND_FLASH : LB_GROUND_OTHER;
}

/* The ground below a device that is made of others (dm, md): flash if any part of it is. */
static bool look_at_parts(struct search *search, const char *dir)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    enum lb_ground found = LB_GROUND_OTHER;
    bool has_any = false;
    DIR *parts;

    if ((size_t)snprintf(path, sizeof path, "%s/slaves", dir) >= sizeof path || !(parts = opendir(path)))
        return false;
    while (found != LB_GROUND_FLASH && (entry = readdir(parts))) {
        char number[32];
        unsigned maj, min;

        if (entry->d_name[0] == '.')
            continue;
        if ((size_t)snprintf(path, sizeof path, "%s/slaves/%s", dir, entry->d_name) >= sizeof path)
            continue;
        read_text(path, "dev", number, sizeof number);
        if (sscanf(number, "%u:%u", &maj, &min) != 2) // NOLINT(cert-err34-c): the kernel's own text
            continue;
        has_any = true;
        search->view->ground = LB_GROUND_OTHER;
        look_at_dev(search, makedev(maj, min), "");
        found = search->view->ground;
    }
    closedir(parts);
    return has_any;
}

/* The ground below a loop device. */
static bool look_at_backing(struct search *search, const char *dir)
{
    char path[PATH_MAX];
    struct stat st;

    read_text(dir, "loop/backing_file", path, sizeof path);
    if (path[0] != '/' || stat(path, &st) != 0)
        return false;
    look_at_dev(search, st.st_dev, path);
    return true;
}

/* false: the kernel knows no such block device */
static bool look_at_block(struct search *search, dev_t dev)
{
    char path[PATH_MAX], dir[PATH_MAX];
    char *slash;

    snprintf(path, sizeof path, "%s/sys/dev/block/%u:%u", search->root, major(dev), minor(dev));
    if (!realpath(path, dir))
        return false;
    slash = strrchr(dir, '/');
    if (search->view->name[0] == '\0')
        snprintf(search->view->name, sizeof search->view->name, "%.*s", LB_GROUND_NAME - 1, slash + 1);
    if ((size_t)snprintf(path, sizeof path, "%s/partition", dir) < sizeof path && access(path, F_OK) == 0) {
        *slash = '\0'; /* the disk that it is a part of */
        slash = strrchr(dir, '/');
    }
    if (look_at_parts(search, dir) || look_at_backing(search, dir))
        return true;
    search->view->ground = of_disk(dir, slash + 1);
    snprintf(search->view->disk, sizeof search->view->disk, "%.*s", LB_GROUND_WORD - 1, slash + 1);
    return true;
}

/* ---- mounts ---- */

struct mount {
    char type[64], source[PATH_MAX], options[OPTIONS_BYTES];
    unsigned maj, min;
};

/* One line: "ID PARENT MAJ:MIN ROOT POINT OPTIONS ... - TYPE SOURCE SUPER_OPTIONS". Returns the length of
 * POINT. */
static size_t read_mount(const char *line, const char *path, struct mount *mount)
{
    const char *tail = strstr(line, " - ");
    char point[PATH_MAX];
    size_t len;

    // NOLINTNEXTLINE(cert-err34-c): the kernel's own text
    if (!tail || sscanf(line, "%*u %*u %u:%u %*s %4095s", &mount->maj, &mount->min, point) != 3 ||
        sscanf(tail + 3, "%63s %4095s %4095s", mount->type, mount->source, mount->options) < 2)
        return 0;
    len = strlen(point);
    if (strcmp(point, "/") == 0)
        return 1;
    return strncmp(path, point, len) == 0 && (path[len] == '/' || path[len] == '\0') ? len : 0;
}

/* The mount that a path lies on: the longest, and of several in one place the last, which covers the others.
 */
static bool find_mount(const struct search *search, const char *path, struct mount *ret_mount)
{
    char *line = NULL, name[PATH_MAX];
    struct mount *mount = calloc(1, sizeof *mount);
    size_t size = 0, best = 0;
    FILE *file;

    snprintf(name, sizeof name, "%s/proc/self/mountinfo", search->root);
    file = fopen(name, "re");
    while (mount && file && getline(&line, &size, file) > 0) {
        size_t len = read_mount(line, path, mount);

        if (len == 0 || len < best)
            continue;
        best = len;
        *ret_mount = *mount;
    }
    if (file)
        fclose(file);
    free(line);
    free(mount);
    return best > 0;
}

/* The value of "upperdir=" among an overlay's options. */
static bool upper_dir(const char *options, char *buf, size_t size)
{
    const char *at = strstr(options, "upperdir=");

    if (!at || (at > options && at[-1] != ','))
        return false;
    at += strlen("upperdir=");
    snprintf(buf, size, "%.*s", (int)strcspn(at, ",\n"), at);
    return true;
}

static bool has_option(const char *options, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = options; (at = strstr(at, word)); at += len)
        if ((at == options || at[-1] == ',') && strchr(",\n", at[len]))
            return true;
    return false;
}

/* The file system that takes what is written at a path, below any overlay. */
static void note_type(const char *root, const char *path, struct lb_ground_view *view)
{
    struct mount *mount = calloc(1, sizeof *mount);
    struct search search = { root, view, 0 };
    char place[PATH_MAX], upper[PATH_MAX];
    struct stat st;

    snprintf(place, sizeof place, "%s", path);
    for (unsigned depth = 0; mount && depth < DEPTH_MAX && find_mount(&search, place, mount); depth++) {
        snprintf(view->type, sizeof view->type, "%.*s", LB_GROUND_WORD - 1, mount->type);
        if (strcmp(mount->type, "overlay") != 0)
            break;
        view->leaves_out_syncs |= has_option(mount->options, "volatile");
        if (!upper_dir(mount->options, upper, sizeof upper) || stat(upper, &st) != 0)
            break;
        snprintf(place, sizeof place, "%s", upper);
    }
    free(mount);
}

static void look_at_mount(struct search *search, const char *path)
{
    struct mount *mount = calloc(1, sizeof *mount);
    char upper[PATH_MAX];
    struct stat st;

    if (mount && find_mount(search, path, mount)) {
        search->view->ground = by_type(mount->type);
        if (search->view->name[0] == '\0')
            snprintf(search->view->name, sizeof search->view->name, "%.*s", LB_GROUND_NAME - 1, mount->type);
        if (strcmp(mount->type, "overlay") == 0 && upper_dir(mount->options, upper, sizeof upper) &&
            strcmp(upper, path) != 0 && stat(upper, &st) == 0)
            look_at_dev(search, st.st_dev, upper);
        else if (mount->source[0] == '/' && stat(mount->source, &st) == 0 && S_ISBLK(st.st_mode))
            look_at_dev(search, st.st_rdev, "");
        else if (mount->maj > 0)
            look_at_block(search, makedev(mount->maj, mount->min));
    }
    free(mount);
}

static void look_at_dev(struct search *search, dev_t dev, const char *path)
{
    if (search->depth >= DEPTH_MAX)
        return;
    search->depth++;
    if ((major(dev) == 0 || !look_at_block(search, dev)) && path[0] != '\0')
        look_at_mount(search, path);
    search->depth--;
}

/* ---- all of it ---- */

void lb_ground_of_dev(dev_t dev, const char *path, const char *root, struct lb_ground_view *view)
{
    struct search search = { root, view, 0 };
    struct mount *mount = calloc(1, sizeof *mount);
    size_t used;

    *view = (struct lb_ground_view) { .ground = LB_GROUND_OTHER };
    look_at_dev(&search, dev, path);
    if (view->name[0] == '\0')
        snprintf(view->name, sizeof view->name, "device %u:%u", major(dev), minor(dev));
    used = strlen(view->name);
    note_type(root, path, view);
    if (mount && path[0] != '\0' && find_mount(&search, path, mount) && strcmp(mount->type, view->name) != 0)
        snprintf(view->name + used, sizeof view->name - used, " (%s)", mount->type);
    free(mount);
}

int lb_ground_of(int fd, const char *root, struct lb_ground_view *view)
{
    char link[64], path[PATH_MAX];
    struct statfs fs;
    struct stat st;
    ssize_t len;

    if (fstat(fd, &st) != 0 || fstatfs(fd, &fs) != 0)
        return -errno;
    if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC) {
        *view = (struct lb_ground_view) { .ground = LB_GROUND_RAM, .name = "tmpfs", .type = "tmpfs" };
        return 0;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    lb_ground_of_dev(st.st_dev, path, root, view);
    return 0;
}

/* ---- figures of a disk ---- */

/* The number at a place of a file of /sys/block/DISK, in bytes. */
static int read_sectors(const char *root, const char *disk, const char *name, unsigned place,
                        uint64_t *ret_bytes)
{
    char dir[PATH_MAX], text[256];
    const char *at = text;
    uint64_t sectors;

    if (disk[0] == '\0' || strchr(disk, '/') ||
        (size_t)snprintf(dir, sizeof dir, "%s/sys/block/%s", root, disk) >= sizeof dir ||
        access(dir, F_OK) != 0)
        return -ENOENT;
    read_text(dir, name, text, sizeof text);
    for (unsigned i = 0; i < place; i++) {
        at += strspn(at, " ");
        at += strcspn(at, " ");
    }
    // NOLINTNEXTLINE(cert-err34-c): the kernel's own text
    if (sscanf(at, "%" SCNu64, &sectors) != 1 || __builtin_mul_overflow(sectors, SECTOR_BYTES, &sectors))
        return -EINVAL;
    *ret_bytes = sectors;
    return 0;
}

int lb_ground_capacity(const char *root, const char *disk, uint64_t *ret_bytes)
{
    return read_sectors(root, disk, "size", 0, ret_bytes);
}

int lb_ground_written(const char *root, const char *disk, uint64_t *ret_bytes)
{
    return read_sectors(root, disk, "stat", 6,
                        ret_bytes); /* reads: 4 numbers; writes: ios, merges, sectors */
}
