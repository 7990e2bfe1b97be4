/* SPDX-License-Identifier: MIT */
/*
 * Swap on flash. In: /proc/swaps, zram in sysfs; of an image fstab and the programs that make swap. Out: a
 * finding, and vm.swappiness=1 where that helps. Always true: swap is not switched off, since who has too
 * little memory would lose a program by it; where zram is used besides, swappiness stays, since a low one
 * would spare the zram first; a swappiness of somebody's own choice stays.
 */
#include "agent/offline/protect_find.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mounts.h"
#include "common/sysfs.h"
#include "common/units.h"

#define RANK_SWAP  70
#define SWAPS_MOST 32
#define NAME_LEN   64 /* of an area, for people */
#define SWAPPINESS 1
#define DFLT       60 /* the kernel's */
#define ZRAMS_MOST 8

struct swap {
    char areas[320]; /* "/var/swap (100 MiB, 12 MiB used) on mmcblk0" */
    unsigned count;
    bool has_zram, is_zram_writing;
    const char *advice;
};

static const char by_file[] = "zram instead: apt install zram-tools; systemctl disable --now dphys-swapfile";
static const char by_fstab[] =
    "zram instead: apt install zram-tools; then swapoff it and take it out of /etc/fstab";
static const char by_rpi[] = "Mechanism=zram in /etc/rpi/swap.conf, section [Main], and reboot";

__attribute__((format(printf, 2, 3))) static void add_area(struct swap *swap, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    LB_PROTECT_SAY_MORE(swap->areas, "%s%s", swap->count++ > 0 ? "; " : "", text);
}

/* ---- of the machine ---- */

static bool has_dphys(const struct lb_protect_look *look)
{
    return lb_protect_exists(look->tree, "/usr/sbin/dphys-swapfile") ||
           lb_protect_exists(look->tree, "/sbin/dphys-swapfile");
}

static void take_swap(const struct lb_protect_look *look, struct swap *swap, const char *line)
{
    char name[PATH_MAX], type[16], size[32], used[32];
    struct lb_ground_view view;
    uint64_t size_kib, used_kib;
    const char *rest, *why;
    bool is_file;
    int at = 0;

    if (sscanf(line, "%4095s %15s %n", name, type, &at) != 2 || at == 0 || name[0] != '/' ||
        !lb_sysfs_parse(line + at, 10, &size_kib, &rest) || !lb_sysfs_parse(rest, 10, &used_kib, NULL) ||
        size_kib > UINT64_MAX / 1024 || used_kib > UINT64_MAX / 1024)
        return;
    lb_mounts_unescape(name);
    is_file = strcmp(type, "file") == 0;
    if (is_file)
        lb_ground_of_dev(0, name, look->kernel, &view);
    else
        lb_ground_of_name(look->kernel, strrchr(name, '/') + 1, &view, &why);
    if (strncmp(name, "/dev/zram", strlen("/dev/zram")) == 0)
        swap->has_zram = true;
    else if (lb_protect_is_flash(look, &view)) {
        add_area(swap, "%.*s (%s, %s used) on %s", NAME_LEN, name,
                 lb_units_print_human(size_kib * 1024, size, sizeof size),
                 lb_units_print_human(used_kib * 1024, used, sizeof used), view.disk);
        swap->advice = is_file && has_dphys(look) ? by_file : by_fstab;
    }
}

static void take_zram(const struct lb_protect_look *look, struct swap *swap, unsigned number)
{
    char dir[PATH_MAX], backing[PATH_MAX], stat[128], written[32] = "";
    struct lb_ground_view view;
    const char *at = stat, *why;
    uint64_t units = 0;

    if ((size_t)snprintf(dir, sizeof dir, "%s/sys/block/zram%u", look->kernel, number) >= sizeof dir)
        return;
    lb_sysfs_text(dir, "backing_dev", backing, sizeof backing);
    if (backing[0] != '/')
        return;
    lb_ground_of_name(look->kernel, strrchr(backing, '/') + 1, &view, &why);
    if (!lb_protect_is_flash(look, &view))
        return;
    lb_sysfs_text(dir, "bd_stat", stat, sizeof stat); /* pages there now, read, written; of 4 KiB each */
    for (int i = 0; i < 3; i++)
        if (!lb_sysfs_parse(at, 10, &units, &at))
            units = UINT64_MAX;
    if (units <= UINT64_MAX / 4096)
        snprintf(written, sizeof written, ", %" PRIu64 " MiB so far", units * 4096 >> 20);
    add_area(swap, "zram%u writes out to %.*s on %s%s", number, NAME_LEN, backing, view.disk, written);
    swap->is_zram_writing = true;
    swap->advice = by_rpi;
}

static void look_at_machine(const struct lb_protect_look *look, struct swap *swap)
{
    char path[PATH_MAX], *line = NULL;
    size_t size = 0;
    FILE *file;

    snprintf(path, sizeof path, "%s/proc/swaps", look->kernel);
    file = fopen(path, "re");
    for (unsigned i = 0; file && i < SWAPS_MOST && getline(&line, &size, file) > 0; i++)
        take_swap(look, swap, line);
    if (file)
        fclose(file);
    free(line);
    for (unsigned i = 0; i < ZRAMS_MOST; i++)
        take_zram(look, swap, i);
}

/* What was swapped out since the machine started: with zram that is not all to flash. */
static void say_measured(const struct lb_protect_look *look, struct lb_protect_finding *finding)
{
    char path[PATH_MAX], size_text[32], *line = NULL;
    unsigned long long pages = 0;
    size_t size = 0;
    FILE *file;

    snprintf(path, sizeof path, "%s/proc/vmstat", look->kernel);
    file = fopen(path, "re");
    while (file && getline(&line, &size, file) > 0)
        if (strncmp(line, "pswpout ", strlen("pswpout ")) == 0)
            pages = strtoull(line + strlen("pswpout "), NULL, 10);
    if (file) {
        fclose(file);
        LB_PROTECT_SAY_MORE(
            finding->known, "; %s swapped out since the start",
            lb_units_print_human(pages * (uint64_t)sysconf(_SC_PAGESIZE), size_text, sizeof size_text));
    }
    free(line);
}

/* ---- of an image ---- */

static void look_at_image(const struct lb_protect_look *look, struct swap *swap)
{
    struct lb_protect_setting setting[] = { { .section = "Main", .key = "Mechanism" }, { 0 } };

    for (size_t i = 0; i < look->fstab_lines; i++) {
        const struct lb_protect_fstab_line *line = &look->fstab[i];

        if (strcmp(line->type, "swap") != 0)
            continue;
        if (strstr(line->device, "zram"))
            swap->has_zram = true;
        else {
            add_area(swap, "%.*s in /etc/fstab", NAME_LEN, line->device);
            swap->advice = by_fstab;
        }
    }
    if (has_dphys(look)) {
        add_area(swap, "dphys-swapfile makes /var/swap");
        swap->advice = by_file;
    }
    if (!lb_protect_exists(look->tree, "/etc/rpi/swap.conf"))
        return;
    lb_protect_conf_read(look->tree, "rpi", "swap.conf", NULL, lb_protect_conf_take, setting);
    if (setting[0].is_set && strcmp(setting[0].value, "zram") == 0) {
        swap->has_zram = true;
        return;
    }
    add_area(swap, "rpi-swap with Mechanism=%.*s", NAME_LEN, setting[0].is_set ? setting[0].value : "auto");
    swap->is_zram_writing = true;
    swap->advice = by_rpi;
}

/* ---- swappiness ---- */

static void take_swappiness(void *arg, const char *file, const char *section, const char *key,
                            const char *value)
{
    bool *is_chosen = arg;

    (void)file;
    (void)section;
    (void)value;
    *is_chosen |= strcmp(key, "vm.swappiness") == 0 || strcmp(key, "vm/swappiness") == 0;
}

static bool is_chosen_by_somebody(const struct lb_protect_look *look)
{
    char *text = malloc(LB_PROTECT_FILE_MOST);
    bool is_chosen = false;
    size_t len;

    look->plan->unreadable +=
        lb_protect_conf_read_dir(look->tree, "sysctl.d", LB_PROTECT_DROP_IN, take_swappiness, &is_chosen);
    if (text && lb_protect_read(look->tree, "/etc/sysctl.conf", text, LB_PROTECT_FILE_MOST, &len) == 0)
        lb_protect_conf_parse(text, len, "", take_swappiness, &is_chosen);
    free(text);
    return is_chosen;
}

/* That before protect; of an image the kernel's default. */
static int swappiness(const struct lb_protect_look *look)
{
    char dir[PATH_MAX];
    uint64_t number = DFLT;

    if (look->manifest->swappiness >= 0)
        return look->manifest->swappiness;
    snprintf(dir, sizeof dir, "%s/proc/sys/vm", look->kernel);
    if (look->is_live)
        lb_sysfs_number(dir, "swappiness", 10, &number);
    return number <= 200 ? (int)number : DFLT;
}

static enum lb_protect_state plan_it(struct lb_protect_look *look, const struct swap *swap)
{
    int before = swappiness(look);

    if (swap->has_zram || swap->is_zram_writing || before <= SWAPPINESS || is_chosen_by_somebody(look))
        return LB_PROTECT_BY_HAND;
    look->plan->swappiness = before;
    return lb_protect_want(look, LB_PROTECT_SYSCTL,
                           "# Written by `logboom protect --apply`; `logboom protect --undo` takes it back.\n"
                           "vm.swappiness = 1\n",
                           LB_PROTECT_PENDING_SYSCTL);
}

void lb_protect_find_swap(struct lb_protect_look *look)
{
    struct swap swap = { .advice = by_fstab };
    struct lb_protect_finding *finding;
    enum lb_protect_state state;

    if (look->is_live)
        look_at_machine(look, &swap);
    else
        look_at_image(look, &swap);
    if (swap.count == 0)
        return;
    state = plan_it(look, &swap);
    finding = lb_protect_add(look->plan, "swap", RANK_SWAP, state);
    LB_PROTECT_SAY(finding->title, "Memory is swapped to flash");
    LB_PROTECT_SAY(finding->known, "%s", swap.areas);
    if (look->is_live && !swap.has_zram && !swap.is_zram_writing)
        say_measured(look, finding);
    if (state == LB_PROTECT_BLOCKED)
        LB_PROTECT_SAY(finding->action, "%s is not as protect wrote it: it is left as it is. ",
                       lb_protect_paths[LB_PROTECT_SYSCTL]);
    else if (state != LB_PROTECT_BY_HAND)
        LB_PROTECT_SAY(finding->action,
                       "vm.swappiness=1 in %s: less is swapped, not nothing. For good, by hand: ",
                       lb_protect_paths[LB_PROTECT_SYSCTL]);
    LB_PROTECT_SAY_MORE(finding->action, "%s", swap.advice);
}
