/* SPDX-License-Identifier: MIT */
/*
 * Boards. In: a table. Out: a directory with sys and proc in it. Always true: links lead where the kernel's
 * lead, since what is tied to USB is told by the path that they lead to.
 */
#include "tests/unit/lib_board.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FULL_BYTES 1024
#define DIR_BYTES  512
#define TEXT_BYTES 4096

char board_root[64];

int board_begin(void **state)
{
    (void)state;
    snprintf(board_root, sizeof board_root, "/tmp/logboom-board.XXXXXX");
    return mkdtemp(board_root) ? 0 : -1;
}

static void run(const char *command, const char *path)
{
    char line[FULL_BYTES];

    snprintf(line, sizeof line, "%s '%s%s'", command, board_root, path);
    assert_int_equal(system(line), 0); // NOLINT(cert-env33-c): our own directory
}

int board_end(void **state)
{
    (void)state;
    run("rm -rf", "");
    return 0;
}

void board_remove(const char *path)
{
    run("rm -rf", path);
}

static void make_dirs(const char *full)
{
    char part[FULL_BYTES];

    for (const char *at = full + 1; (at = strchr(at, '/')); at++) {
        snprintf(part, sizeof part, "%.*s", (int)(at - full), full);
        mkdir(part, 0755);
    }
}

void board_put_bytes(const char *path, const void *bytes, size_t len)
{
    char full[FULL_BYTES];
    FILE *file;

    snprintf(full, sizeof full, "%s%s", board_root, path);
    make_dirs(full);
    file = fopen(full, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

void board_put(const char *path, const char *text)
{
    char whole[TEXT_BYTES];
    size_t len = 0;

    for (; *text && len + sizeof board_root < sizeof whole; text++) {
        if (strncmp(text, "@R", 2) == 0) {
            len += (size_t)snprintf(whole + len, sizeof whole - len, "%s", board_root);
            text++;
        } else {
            whole[len++] = *text;
        }
    }
    assert_int_equal(*text, '\0');
    board_put_bytes(path, whole, len);
}

/* "FILE=TEXT;FILE=TEXT": each gets its newline, as sysfs has it. */
static void put_all(const char *dir, const char *facts)
{
    while (facts && *facts) {
        size_t len = strcspn(facts, ";"), name_len = strcspn(facts, "=");
        char path[FULL_BYTES], text[FULL_BYTES];

        assert_true(name_len < len);
        snprintf(path, sizeof path, "%s/%.*s", dir, (int)name_len, facts);
        snprintf(text, sizeof text, "%.*s\n", (int)(len - name_len - 1), facts + name_len + 1);
        board_put(path, text);
        facts += len + (facts[len] == ';');
    }
}

static void tie(const char *path, const char *target)
{
    char full[FULL_BYTES], to[FULL_BYTES];

    snprintf(full, sizeof full, "%s%s", board_root, path);
    snprintf(to, sizeof to, "%s%s", board_root, target);
    make_dirs(full);
    unlink(full);
    assert_int_equal(symlink(to, full), 0);
}

/* A device's own directory and its names in class/block and dev/block. */
static void tie_device(const char *dir, const char *name, unsigned maj, unsigned min)
{
    char path[FULL_BYTES], text[64];

    snprintf(path, sizeof path, "%s/dev", dir);
    snprintf(text, sizeof text, "%u:%u\n", maj, min);
    board_put(path, text);
    snprintf(path, sizeof path, "/sys/class/block/%s", name);
    tie(path, dir);
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u", maj, min);
    tie(path, dir);
}

static void dir_of(const struct board_disk *disk, char dir[DIR_BYTES])
{
    snprintf(dir, DIR_BYTES, "/sys/devices/%s/block/%s", disk->where, disk->name);
}

static void part_of(const struct board_disk *disk, unsigned part, char name[64])
{
    char last = disk->name[strlen(disk->name) - 1];

    snprintf(name, 64, "%s%s%u", disk->name, last >= '0' && last <= '9' ? "p" : "", part);
}

void board_plug(const struct board_disk *disk)
{
    char dir[DIR_BYTES], path[DIR_BYTES + 128], name[64];

    dir_of(disk, dir);
    tie_device(dir, disk->name, disk->maj, disk->min);
    put_all(dir, disk->facts);
    snprintf(path, sizeof path, "/sys/block/%s", disk->name);
    tie(path, dir);
    for (unsigned part = 1; part <= disk->parts; part++) {
        part_of(disk, part, name);
        snprintf(path, sizeof path, "%s/%s/partition", dir, name);
        board_put(path, "1\n");
        snprintf(path, sizeof path, "%s/%s", dir, name);
        tie_device(path, name, disk->maj, disk->min + part);
    }
}

void board_unplug(const struct board_disk *disk)
{
    char dir[DIR_BYTES], path[DIR_BYTES], name[64];

    dir_of(disk, dir);
    board_remove(dir);
    snprintf(path, sizeof path, "/sys/block/%s", disk->name);
    board_remove(path);
    for (unsigned part = 0; part <= disk->parts; part++) {
        part_of(disk, part, name);
        snprintf(path, sizeof path, "/sys/class/block/%s", part ? name : disk->name);
        board_remove(path);
        snprintf(path, sizeof path, "/sys/dev/block/%u:%u", disk->maj, disk->min + part);
        board_remove(path);
    }
}

void board_wrote(const char *disk, uint64_t ios, uint64_t sectors, uint64_t flushes)
{
    char path[FULL_BYTES], text[256];

    snprintf(path, sizeof path, "/sys/block/%s/stat", disk);
    snprintf(text, sizeof text,
             "    5210     1822   402930    20113 %8llu     9311 %8llu    55021        0    31000    75134"
             "        0        0        0        0 %8llu      900\n",
             (unsigned long long)ios, (unsigned long long)sectors, (unsigned long long)flushes);
    board_put(path, text);
}

void board_make(const struct board *board)
{
    for (unsigned i = 0; i < BOARD_DISKS && board->disk[i].name; i++)
        board_plug(&board->disk[i]);
    if (board->mountinfo)
        board_put("/proc/self/mountinfo", board->mountinfo);
    if (board->swaps)
        board_put("/proc/swaps", board->swaps);
    put_all("", board->more);
}
