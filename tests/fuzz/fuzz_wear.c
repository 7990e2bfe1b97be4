/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what the kernel tells of disks and processes. In: libFuzzer's bytes, parted by 0xFF into files
 * of a machine of our making, some for a first look and some for a second, and a kernel's log. Out: nothing.
 * Always true, or the run stops: looks end; names end within their room; what programs are given of a disk
 * and what nobody is add up to what was looked at; what is shown of it can be printed in all forms.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/control/wear_print.h"
#include "agent/wear/kernel_log.h"
#include "agent/wear/report.h"
#include "agent/wear/sampler.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SYS "sys/devices/platform/mmc/mmcblk0"

static const char *const files[] = {
    SYS "/stat",
    SYS "/size",
    SYS "/device/life_time",
    SYS "/device/pre_eol_info",
    SYS "/device/name",
    SYS "/device/type",
    "proc/self/mountinfo",
    "proc/swaps",
    "proc/7/io",
    "proc/7/stat",
    "proc/7/cgroup",
    "proc/7/fdinfo/3",
    "proc/7/mountinfo",
    "sys/fs/ext4/mmcblk0p2/errors_count",
    "sys/fs/ext4/mmcblk0p2/lifetime_write_kbytes",
};
enum { FILES = sizeof files / sizeof files[0] };

static char root[128];

static void must(int is_true)
{
    if (!is_true)
        abort();
}

static void put(const char *name, const void *bytes, size_t len)
{
    char path[256];
    int fd;

    snprintf(path, sizeof path, "%s/%s", root, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    close(fd);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static void make_dir(const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *at = path + strlen(root) + 1; *at; at++)
        if (*at == '/') {
            *at = '\0';
            mkdir(path, 0700);
            *at = '/';
        }
    mkdir(path, 0700);
}

static void make_link(const char *name, const char *to)
{
    char path[256], target[256];

    snprintf(path, sizeof path, "%s/%s", root, name);
    snprintf(target, sizeof target, "%s/%s", root, to);
    must(symlink(target, path) == 0);
}

static void remove_all(void)
{
    char command[256];

    snprintf(command, sizeof command, "rm -rf %s", root);
    if (system(command) != 0) // NOLINT(cert-env33-c): a name of our own
        return;
}

static void begin(void)
{
    static const char *const dirs[] = { SYS "/device", SYS "/queue",      SYS "/mmcblk0p2",
                                        "sys/block",   "sys/class/block", "sys/dev/block",
                                        "proc/self",   "proc/7/fdinfo",   "sys/fs/ext4/mmcblk0p2" };
    const char *parent = getenv("LB_FUZZ_DIR");

    snprintf(root, sizeof root, "%s/logboom-fuzz-XXXXXX", parent ? parent : "/dev/shm");
    must(mkdtemp(root) != NULL);
    atexit(remove_all);
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
        make_dir(dirs[i]);
    put_text(SYS "/dev", "179:0\n");
    put_text(SYS "/mmcblk0p2/dev", "179:2\n");
    put_text(SYS "/mmcblk0p2/partition", "2\n");
    make_link("sys/block/mmcblk0", SYS);
    make_link("sys/class/block/mmcblk0", SYS);
    make_link("sys/class/block/mmcblk0p2", SYS "/mmcblk0p2");
    make_link("sys/dev/block/179:0", SYS);
    make_link("sys/dev/block/179:2", SYS "/mmcblk0p2");
}

static void put_good(void)
{
    put_text(files[0], "1 0 8 0 100 0 80000 0 0 0 0 0 0 0 0 7 0\n");
    put_text(files[1], "62333952\n");
    put_text(files[2], "0x01 0x02\n");
    put_text(files[3], "0x01\n");
    put_text(files[4], "SC32G\n");
    put_text(files[5], "SD\n");
    put_text(files[6], "20 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw\n");
    put_text(files[7], "Filename Type Size Used Priority\n/var/swap file 102396 0 -2\n");
    put_text(files[8], "rchar: 1\nwchar: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n");
    put_text(files[9], "7 (app) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 123 0 0\n");
    put_text(files[10], "0::/system.slice/app.service\n");
    put_text(files[11], "pos:\t0\nflags:\t0100001\nmnt_id:\t20\n");
    put_text(files[12], "20 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw\n");
    put_text(files[13], "0\n");
    put_text(files[14], "1000\n");
}

/* Pieces of the input in place of files, as many as there are up to a mark of two; returns what is left. */
static size_t put_pieces(const uint8_t *data, size_t size)
{
    size_t used = 0;

    while (used + 1 < size) {
        unsigned file = data[used++] % (FILES + 1);
        const uint8_t *end = memchr(data + used, 0xff, size - used);
        size_t len = end ? (size_t)(end - data) - used : size - used;

        if (file == FILES)
            return used;
        put(files[file], data + used, len);
        used += len + (end != NULL);
    }
    return size;
}

static void check(const struct lb_wear_view *view)
{
    must(view->disks <= LB_WEAR_DISKS && view->programs <= LB_WEAR_PROGRAMS);
    must(view->filesystems <= LB_WEAR_FILESYSTEMS && view->findings <= LB_WEAR_FINDINGS);
    for (uint32_t disk = 0; disk < view->disks; disk++) {
        uint64_t sum = view->figures[disk].unattributed_bytes;

        must(memchr(view->disk[disk].model, '\0', sizeof view->disk[disk].model) != NULL);
        for (uint32_t i = 0; i < view->programs; i++)
            sum += view->program[i].bytes[disk];
        must(sum == view->figures[disk].looked_bytes);
    }
    for (uint32_t i = 0; i < view->programs; i++)
        must(memchr(view->program[i].unit, '\0', sizeof view->program[i].unit) != NULL);
}

static void print(const struct lb_wear_view *view, uint64_t now_ns)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    must(out != NULL);
    lb_wear_print_json(view, now_ns, 0, out);
    lb_wear_print_text(view, now_ns, 0, out);
    lb_report_print(view, out);
    must(fclose(out) == 0 && len < 1024 * 1024);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lb_kernel_log kernel_log;
    struct lb_wear_settings settings = { .devices = "auto",
                                         .history_s = 86400,
                                         .limits = { 1 << 20, 1 << 20, 86400 * 365ull, false } };
    struct lb_wear_input input = { .now_ns = 7200 * 1000000000ull };
    struct lb_wear_event events[LB_ALERTS_AT_ONCE];
    struct lb_disks disks = { .count = 1 };
    struct lb_sampler *sampler;
    size_t used = 0;

    if (root[0] == '\0')
        begin();
    snprintf(disks.disk[0].name, sizeof disks.disk[0].name, "mmcblk0");
    disks.disk[0].is_present = true;
    lb_kernel_log_take(&kernel_log, (const char *)data, size, &disks);
    put_good();
    sampler = lb_sampler_new(root, 1);
    must(sampler != NULL);
    for (unsigned look = 0; look < 3; look++) {
        unsigned told = lb_sampler_look(sampler, &settings, &input, events);

        must(told <= LB_ALERTS_AT_ONCE);
        for (unsigned i = 0; i < told; i++)
            must(memchr(events[i].text, '\0', sizeof events[i].text) != NULL);
        check(lb_sampler_view(sampler));
        used += put_pieces(data + used, size - used);
        input.now_ns += 60 * 1000000000ull;
    }
    print(lb_sampler_view(sampler), input.now_ns);
    lb_sampler_free(sampler);
    return 0;
}
