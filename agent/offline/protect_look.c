/* SPDX-License-Identifier: MIT */
/*
 * What finders of protect have in common. In: a system's files, the kernel's word. Out: what lies on flash,
 * who is enabled, how old things are. Always true: of an image nothing is asked of the machine that looks.
 */
#include "agent/offline/protect_find.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mounts.h"

#define WALK_DEEP  6
#define WALK_FILES 20000
#define WALK_NAMES 4096 /* of one directory */

/* ---- what lies on flash ---- */

/* A path without links, as the system sees it; where it is not there, that of its nearest directory. */
static void resolve(const struct lb_protect_look *look, const char *path, char to[PATH_MAX])
{
    char link[64], top[PATH_MAX], full[PATH_MAX], part[PATH_MAX];
    ssize_t top_len, len;
    int fd = -1;

    snprintf(to, PATH_MAX, "%s", path);
    snprintf(part, sizeof part, "%s", path);
    while ((fd = lb_protect_open(look->tree, part, O_PATH)) < 0 && strrchr(part, '/') > part)
        *strrchr(part, '/') = '\0';
    if (fd < 0)
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    len = readlink(link, full, sizeof full - 1);
    snprintf(link, sizeof link, "/proc/self/fd/%d", look->tree->fd);
    top_len = readlink(link, top, sizeof top - 1);
    close(fd);
    if (top_len == 1) /* "/" */
        top_len = 0;
    if (len < 0 || top_len < 0 || len < top_len || memcmp(full, top, (size_t)top_len) != 0)
        return;
    full[len] = '\0';
    snprintf(to, PATH_MAX, "%s", len == top_len ? "/" : full + top_len);
}

static bool is_below(const char *path, const char *point)
{
    size_t len = strlen(point);

    return strcmp(point, "/") == 0 ||
           (strncmp(path, point, len) == 0 && (path[len] == '/' || path[len] == '\0'));
}

/* Of an image: RAM is what is RAM on each system, and what fstab says. */
static bool is_on_flash_in_image(const struct lb_protect_look *look, const char *path)
{
    static const char *const ram[] = { "/run", "/dev", "/proc", "/sys", "/var/run" };
    static const char *const not_flash[] = { "tmpfs", "ramfs", "nfs", "nfs4", "cifs", "fuse.sshfs", "9p" };
    const struct lb_protect_fstab_line *best = NULL;

    for (size_t i = 0; i < sizeof ram / sizeof ram[0]; i++)
        if (is_below(path, ram[i]))
            return false;
    for (size_t i = 0; i < look->fstab_lines; i++)
        if (look->fstab[i].point[0] == '/' && is_below(path, look->fstab[i].point) &&
            (!best || strlen(look->fstab[i].point) >= strlen(best->point)))
            best = &look->fstab[i];
    for (size_t i = 0; best && i < sizeof not_flash / sizeof not_flash[0]; i++)
        if (strcmp(best->type, not_flash[i]) == 0)
            return false;
    return true;
}

bool lb_protect_is_flash(const struct lb_protect_look *look, const struct lb_ground_view *view)
{
    return view->ground == LB_GROUND_FLASH ||
           (view->ground == LB_GROUND_OTHER && look->is_unknown_flash && view->device[0]);
}

bool lb_protect_is_on_flash(const struct lb_protect_look *look, const char *path)
{
    struct lb_ground_view view;
    char real[PATH_MAX];

    resolve(look, path, real);
    if (!look->is_live)
        return is_on_flash_in_image(look, real);
    lb_ground_of_dev(0, real, look->kernel, &view);
    return lb_protect_is_flash(look, &view);
}

static void say_place(const struct lb_protect_look *look, const char *path, struct lb_ground_view *view)
{
    lb_ground_of_dev(0, path, look->kernel, view);
    LB_PROTECT_SAY_MORE(look->plan->ground, "%s is on %s", path, view->device[0] ? view->device : view->name);
    if (view->device[0] && view->type[0])
        LB_PROTECT_SAY_MORE(look->plan->ground, " (%s)", view->type);
}

static void say_ground(const struct lb_protect_look *look)
{
    char *ground = look->plan->ground;
    struct lb_ground_view view, disk;
    const char *why;

    if (!look->is_live) {
        LB_PROTECT_SAY(look->plan->ground, "an image, taken to be made for flash");
        return;
    }
    say_place(look, "/var/log", &view);
    lb_protect_say_more(ground, sizeof look->plan->ground, "%s; ",
                        view.ground == LB_GROUND_RAM ? ", which is memory" : "");
    say_place(look, "/", &view);
    if (view.ground == LB_GROUND_RAM || !view.disk[0])
        return;
    lb_ground_of_name(look->kernel, view.disk, &disk, &why);
    lb_protect_say_more(ground, sizeof look->plan->ground, ": %s%s", why,
                        view.ground == LB_GROUND_FLASH     ? ""
                        : lb_protect_is_flash(look, &view) ? ", taken for flash as asked"
                                                           : ", so not taken for flash (--flash takes it)");
}

/* ---- fstab ---- */

static void take_fstab_line(struct lb_protect_look *look, const char *line)
{
    struct lb_protect_fstab_line *at = &look->fstab[look->fstab_lines];

    *at = (struct lb_protect_fstab_line) { .options = "defaults" };
    if (look->fstab_lines == LB_PROTECT_FSTAB || line[strspn(line, " \t")] == '#' ||
        sscanf(line, " %255s %255s %63s %511s", at->device, at->point, at->type, at->options) < 3)
        return;
    lb_mounts_unescape(at->point);
    look->fstab_lines++;
}

static void read_fstab(struct lb_protect_look *look)
{
    char *text = malloc(LB_PROTECT_FILE_MOST), *rest;
    size_t len;
    int rc = text ? lb_protect_read(look->tree, "/etc/fstab", text, LB_PROTECT_FILE_MOST, &len) : -ENOMEM;

    look->fstab_lines = 0;
    if (rc != 0 && rc != -ENOENT && rc != -ENOTDIR)
        look->plan->unreadable++;
    if (rc == 0)
        for (char *line = strtok_r(text, "\n", &rest); line && look->fstab_lines < LB_PROTECT_FSTAB;
             line = strtok_r(NULL, "\n", &rest))
            take_fstab_line(look, line);
    free(text);
}

/* ---- units, files ---- */

bool lb_protect_is_enabled(const struct lb_protect_look *look, const char *target, const char *unit)
{
    static const char *const homes[] = { "/etc", "/usr/lib", "/lib" };
    char name[NAME_MAX + 32], path[PATH_MAX];
    struct stat st;

    snprintf(name, sizeof name, "systemd/system/%s", unit);
    if (!lb_protect_conf_find(look->tree, name, path))
        return false;
    for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++) {
        snprintf(path, sizeof path, "%s/systemd/system/%s.wants/%s", homes[i], target, unit);
        if (lb_protect_stat(look->tree, path, true, &st) == 0)
            return true;
    }
    return false;
}

enum lb_protect_state lb_protect_want(struct lb_protect_look *look, enum lb_protect_file file,
                                      const char *text, unsigned pending)
{
    enum lb_protect_is is = lb_protect_file_is(look->tree, look->manifest, file);

    look->plan->file[file].is_wanted = true;
    snprintf(look->plan->file[file].text, sizeof look->plan->file[file].text, "%s", text);
    if (is == LB_PROTECT_IS_FOREIGN)
        return LB_PROTECT_BLOCKED;
    if (is == LB_PROTECT_IS_MISSING || !lb_protect_file_has(look->tree, file, text))
        return LB_PROTECT_WOULD;
    return look->is_live && look->manifest->pending & pending ? LB_PROTECT_WOULD : LB_PROTECT_DONE;
}

struct walk {
    const struct lb_protect_look *look;
    lb_protect_walk_file file;
    void *arg;
    unsigned files;
};

static void walk(struct walk *all, const char *dir, unsigned deep)
{
    char **names;
    size_t count;

    if (lb_protect_list(all->look->tree, dir, WALK_NAMES, &names, &count) != 0)
        return;
    for (size_t i = 0; i < count && all->files < WALK_FILES; i++) {
        char path[PATH_MAX];
        struct stat st;

        if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, names[i]) >= sizeof path ||
            lb_protect_stat(all->look->tree, path, true, &st) != 0)
            continue;
        all->files++;
        if (S_ISREG(st.st_mode))
            all->file(all->arg, path, &st);
        else if (S_ISDIR(st.st_mode) && deep > 1)
            walk(all, path, deep - 1);
    }
    lb_protect_names_free(names, count);
}

void lb_protect_walk(const struct lb_protect_look *look, const char *dir, lb_protect_walk_file file,
                     void *arg)
{
    struct walk all = { look, file, arg, 0 };

    walk(&all, dir, WALK_DEEP);
}

const char *lb_protect_age(uint64_t now_s, int64_t then_s, char buf[LB_PROTECT_AGE])
{
    uint64_t age_s = then_s >= 0 && (uint64_t)then_s < now_s ? now_s - (uint64_t)then_s : 0;

    if (age_s < 60)
        snprintf(buf, LB_PROTECT_AGE, "now");
    else if (age_s < 2 * 3600)
        snprintf(buf, LB_PROTECT_AGE, "%" PRIu64 " min ago", age_s / 60);
    else if (age_s < 2 * 86400)
        snprintf(buf, LB_PROTECT_AGE, "%" PRIu64 " h ago", age_s / 3600);
    else
        snprintf(buf, LB_PROTECT_AGE, "%" PRIu64 " days ago", age_s / 86400);
    return buf;
}

void lb_protect_find(struct lb_protect_look *look)
{
    memset(look->plan, 0, sizeof *look->plan);
    look->plan->swappiness = -1;
    read_fstab(look);
    say_ground(look);
    lb_protect_find_journal(look);
    lb_protect_find_logs(look);
    lb_protect_find_docker(look);
    lb_protect_find_services(look);
    lb_protect_find_swap(look);
    lb_protect_find_mounts(look);
    lb_protect_find_timesyncd(look);
    lb_protect_find_timers(look);
    lb_protect_sort(look->plan);
}
