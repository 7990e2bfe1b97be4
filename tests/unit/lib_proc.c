/* SPDX-License-Identifier: MIT */
/* A /proc and a /sys of our making. In: processes, files, disks. Out: their trees in /tmp. */
#include "tests/unit/lib_proc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char proc_root[64];

static void must(int is_so, const char *what)
{
    if (is_so)
        return;
    perror(what);
    abort();
}

int proc_make(void **state)
{
    (void)state;
    snprintf(proc_root, sizeof proc_root, "/tmp/logboom-proc.XXXXXX");
    must(mkdtemp(proc_root) != NULL, "mkdtemp");
    must(chmod(proc_root, 0755) == 0, "chmod");
    return 0;
}

static void remove_tree(const char *path)
{
    char command[256];

    snprintf(command, sizeof command, "rm -rf '%s%s'", proc_root, path);
    must(system(command) == 0, command); // NOLINT(cert-env33-c): our own directory
}

int proc_remove(void **state)
{
    (void)state;
    remove_tree("");
    return 0;
}

static void make_dirs(const char *path)
{
    char part[512];

    for (const char *at = path + 1; (at = strchr(at, '/')); at++) {
        snprintf(part, sizeof part, "%s%.*s", proc_root, (int)(at - path), path);
        mkdir(part, 0755);
    }
}

void proc_put(const char *path, const char *bytes, size_t len)
{
    char full[512];
    FILE *file;

    make_dirs(path);
    snprintf(full, sizeof full, "%s%s", proc_root, path);
    file = fopen(full, "we");
    must(file != NULL, full);
    must(fwrite(bytes, 1, len, file) == len, full);
    must(fclose(file) == 0, full);
}

void proc_print(const char *path, const char *format, ...)
{
    char text[8192];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    must(len >= 0 && (size_t)len < sizeof text, path);
    proc_put(path, text, (size_t)len);
}

void proc_tie(const char *path, const char *target)
{
    char full[512], to[512];

    make_dirs(path);
    snprintf(full, sizeof full, "%s%s", proc_root, path);
    snprintf(to, sizeof to, "%s%s", proc_root, target);
    must(symlink(to, full) == 0, full);
}

void proc_start(int pid, int parent, uint64_t started_ticks, const char *name)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    proc_print(path,
               "%d (%s) S %d 7 7 0 -1 4194560 9 9 0 0 1 2 3 4 20 0 1 0 %" PRIu64
               " 1 2 18446744073709551615 1\n",
               pid, name, parent, started_ticks);
    snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
    proc_print(path, "0::/\n");
    proc_io(pid, 0, 0);
}

void proc_io(int pid, uint64_t dirtied_bytes, uint64_t cancelled_bytes)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/io", pid);
    proc_print(path,
               "rchar: %" PRIu64 "\nwchar: %" PRIu64
               "\nsyscr: 1\nsyscw: 1\nread_bytes: 0\nwrite_bytes: %" PRIu64
               "\ncancelled_write_bytes: %" PRIu64 "\n",
               dirtied_bytes, dirtied_bytes, dirtied_bytes, cancelled_bytes);
}

void proc_end(int pid)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d", pid);
    remove_tree(path);
}

void proc_open(int pid, int fd, int flags, unsigned mount)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", pid, fd);
    proc_print(path, "pos:\t0\nflags:\t0%o\nmnt_id:\t%u\nino:\t12\n", (unsigned)flags, mount);
}

void proc_close(int pid)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/fdinfo", pid);
    remove_tree(path);
}

void proc_disk(unsigned maj, const char *name)
{
    char path[256], link[64];

    snprintf(path, sizeof path, "/sys/devices/%s/block/%s/%sp1/partition", name, name, name);
    proc_print(path, "1\n");
    snprintf(path, sizeof path, "/sys/devices/%s/block/%s/%sp1/dev", name, name, name);
    proc_print(path, "%u:1\n", maj);
    snprintf(link, sizeof link, "/sys/dev/block/%u:1", maj);
    snprintf(path, sizeof path, "/sys/devices/%s/block/%s/%sp1", name, name, name);
    proc_tie(link, path);
    snprintf(link, sizeof link, "/sys/dev/block/%u:0", maj);
    snprintf(path, sizeof path, "/sys/devices/%s/block/%s", name, name);
    proc_tie(link, path);
}
