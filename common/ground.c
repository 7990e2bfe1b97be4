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

#include "common/mounts.h"
#include "common/sysfs.h"

#define DEPTH_MAX    6   /* a file system on a loop device on an overlay on LVM on ... */
#define SECTOR_BYTES 512 /* of every disk, as sysfs counts */

struct search {
    const char *root;
    struct lb_ground_view *view;
    unsigned depth;
    const char *why; /* of the disk found last */
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

static bool says(const char *dir, const char *name, char first)
{
    char text[16];

    lb_sysfs_text(dir, name, text, sizeof text);
    return text[0] == first;
}

/*
 * By name, else by how it is tied: of USB what can be pulled out (sticks and card readers, which often claim
 * to turn), and of USB, SATA and NVMe what does not turn. A virtual machine's disk (vda, xvda) tells nothing.
 */
static enum lb_ground of_disk(const char *dir, const char *name, const char **ret_why)
{
    bool is_usb = strstr(dir, "/usb") != NULL;
    bool is_real = is_usb || begins_with(name, "sd") || begins_with(name, "nvme");

    *ret_why = "nothing tells it";
    if (begins_with(name, "zram") || begins_with(name, "ram")) {
        *ret_why = "memory";
        return LB_GROUND_RAM;
    }
    if (begins_with(name, "mmcblk")) {
        *ret_why = says(dir, "device/type", 'M') ? "eMMC" : "an SD card";
        return LB_GROUND_FLASH;
    }
    if (begins_with(name, "mtdblock") || begins_with(name, "ubiblock")) {
        *ret_why = "a flash chip";
        return LB_GROUND_FLASH;
    }
    if (is_usb && says(dir, "removable", '1')) {
        *ret_why = "USB, can be taken out";
        return LB_GROUND_FLASH;
    }
    if (is_real && says(dir, "queue/rotational", '0')) {
        *ret_why = "does not turn";
        return LB_GROUND_FLASH;
    }
    if (is_real && says(dir, "queue/rotational", '1'))
        *ret_why = "says that it turns";
    else if (begins_with(name, "vd") || begins_with(name, "xvd"))
        *ret_why = "of a virtual machine, which tells nothing";
    return LB_GROUND_OTHER;
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
        lb_sysfs_text(path, "dev", number, sizeof number);
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

/* The ground below a loop device. A file that we may not see lies where its path is mounted. */
static bool look_at_backing(struct search *search, const char *dir)
{
    char path[PATH_MAX];
    struct stat st;

    lb_sysfs_text(dir, "loop/backing_file", path, sizeof path);
    if (path[0] != '/')
        return false;
    look_at_dev(search, stat(path, &st) == 0 ? st.st_dev : 0, path);
    return true;
}

/* PLACE is a block device's directory in sysfs, or a link to it. false: there is no such one */
static bool look_at_dir(struct search *search, const char *place)
{
    char path[PATH_MAX], dir[PATH_MAX];
    char *slash;

    if (!realpath(place, dir) || !(slash = strrchr(dir, '/')))
        return false;
    if (search->view->name[0] == '\0')
        snprintf(search->view->name, sizeof search->view->name, "%.*s", LB_GROUND_NAME - 1, slash + 1);
    if (search->view->device[0] == '\0')
        snprintf(search->view->device, sizeof search->view->device, "%.*s", LB_GROUND_WORD - 1, slash + 1);
    if ((size_t)snprintf(path, sizeof path, "%s/partition", dir) < sizeof path && access(path, F_OK) == 0) {
        *slash = '\0'; /* the disk that it is a part of */
        slash = strrchr(dir, '/');
    }
    if (look_at_parts(search, dir) || look_at_backing(search, dir))
        return true;
    search->view->ground = of_disk(dir, slash + 1, &search->why);
    snprintf(search->view->disk, sizeof search->view->disk, "%.*s", LB_GROUND_WORD - 1, slash + 1);
    return true;
}

/* false: the kernel knows no such block device */
static bool look_at_block(struct search *search, dev_t dev)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/sys/dev/block/%u:%u", search->root, major(dev), minor(dev));
    return look_at_dir(search, path);
}

static bool look_at_name(struct search *search, const char *device)
{
    char path[PATH_MAX];

    return device[0] != '\0' && device[0] != '.' && !strchr(device, '/') &&
           (size_t)snprintf(path, sizeof path, "%s/sys/class/block/%s", search->root, device) < sizeof path &&
           look_at_dir(search, path);
}

/* The same by its name in /dev: a service's own /dev (PrivateDevices=) has no node of it to ask. */
static bool look_at_source(struct search *search, const char *source)
{
    struct stat st;

    if (stat(source, &st) == 0 && S_ISBLK(st.st_mode) && look_at_block(search, st.st_rdev))
        return true;
    return begins_with(source, "/dev/") && look_at_name(search, source + strlen("/dev/"));
}

/* ---- mounts ---- */

/* How much of a path a mount's point is; 0: the path does not lie on it. */
static size_t matched(const struct lb_mount *mount, const char *path)
{
    size_t len = strlen(mount->point);

    if (strcmp(mount->point, "/") == 0)
        return 1;
    return strncmp(path, mount->point, len) == 0 && (path[len] == '/' || path[len] == '\0') ? len : 0;
}

/* The mount that a path lies on: the longest, and of several in one place the last, which covers the others.
 */
static bool find_mount(const struct search *search, const char *path, struct lb_mount *ret_mount)
{
    char *line = NULL, name[PATH_MAX];
    struct lb_mount *mount = calloc(1, sizeof *mount);
    size_t size = 0, best = 0;
    FILE *file;

    snprintf(name, sizeof name, "%s/proc/self/mountinfo", search->root);
    file = fopen(name, "re");
    while (mount && file && getline(&line, &size, file) > 0) {
        size_t len = lb_mounts_parse(line, mount) ? matched(mount, path) : 0;

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

/* The file system that takes what is written at a path, below any overlay. */
static void note_type(const char *root, const char *path, struct lb_ground_view *view)
{
    struct lb_mount *mount = calloc(1, sizeof *mount);
    struct search search = { .root = root, .view = view };
    char place[PATH_MAX], upper[PATH_MAX];
    struct stat st;

    snprintf(place, sizeof place, "%s", path);
    for (unsigned depth = 0; mount && depth < DEPTH_MAX && find_mount(&search, place, mount); depth++) {
        snprintf(view->type, sizeof view->type, "%.*s", LB_GROUND_WORD - 1, mount->type);
        if (strcmp(mount->type, "overlay") != 0)
            break;
        view->leaves_out_syncs |= lb_mounts_has(mount->options, "volatile");
        if (!lb_mounts_value(mount->options, "upperdir=", upper, sizeof upper) || stat(upper, &st) != 0)
            break;
        snprintf(place, sizeof place, "%s", upper);
    }
    free(mount);
}

static void look_at_mount(struct search *search, const char *path)
{
    struct lb_mount *mount = calloc(1, sizeof *mount);
    char upper[PATH_MAX];
    struct stat st;

    if (mount && find_mount(search, path, mount)) {
        search->view->ground = by_type(mount->type);
        if (search->view->name[0] == '\0')
            snprintf(search->view->name, sizeof search->view->name, "%.*s", LB_GROUND_NAME - 1, mount->type);
        if (strcmp(mount->type, "overlay") == 0 &&
            lb_mounts_value(mount->options, "upperdir=", upper, sizeof upper) && strcmp(upper, path) != 0 &&
            stat(upper, &st) == 0)
            look_at_dev(search, st.st_dev, upper);
        else if ((mount->source[0] != '/' || !look_at_source(search, mount->source)) && mount->maj > 0)
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
    struct search search = { .root = root, .view = view };
    struct lb_mount *mount = calloc(1, sizeof *mount);
    size_t used;

    *view = (struct lb_ground_view) { .ground = LB_GROUND_OTHER };
    look_at_dev(&search, dev, path);
    if (view->name[0] == '\0')
        snprintf(view->name, sizeof view->name, "device %u:%u", major(dev), minor(dev));
    used = strlen(view->name);
    if (path[0] != '\0')
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
    /* f_type is signed, and RAMFS_MAGIC has the highest of 32 bits. */
    if (fs.f_type == TMPFS_MAGIC || (uint32_t)fs.f_type == RAMFS_MAGIC) {
        *view = (struct lb_ground_view) { .ground = LB_GROUND_RAM, .name = "tmpfs", .type = "tmpfs" };
        return 0;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    lb_ground_of_dev(st.st_dev, path, root, view);
    return 0;
}

enum lb_ground lb_ground_of_name(const char *root, const char *device, struct lb_ground_view *view,
                                 const char **ret_why)
{
    struct search search = { .root = root, .view = view, .why = "" };

    *view = (struct lb_ground_view) { .ground = LB_GROUND_OTHER };
    look_at_name(&search, device);
    *ret_why = search.why;
    return view->ground;
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
    lb_sysfs_text(dir, name, text, sizeof text);
    for (unsigned i = 0; i < place; i++) {
        at += strspn(at, " ");
        at += strcspn(at, " ");
    }
    if (!lb_sysfs_parse(at, 10, &sectors, NULL) || __builtin_mul_overflow(sectors, SECTOR_BYTES, &sectors))
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
