/* SPDX-License-Identifier: MIT */
/* Views made up for the report. In: a name. Out: the same view each time: what looks like chance is reckoned
 * from the number of a bucket. */
#include "tests/unit/lib_report.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"

#define KB      1000ull
#define MB      (1000 * KB)
#define GB      (1000 * MB)
#define TB      (1000 * GB)
#define HOUR_NS (3600 * LB_NS_PER_S)
#define WALL_NS (1795733100ull * LB_NS_PER_S) /* some morning in November 2026, when the machine started */

static struct lb_wear_view view;

static uint32_t noise(uint32_t number, uint32_t below)
{
    uint32_t x = number * 2654435761u + 12345;

    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    return x % below;
}

static uint32_t add_program(const char *name, const char *unit)
{
    struct lb_program *program = &view.program[view.programs];

    snprintf(program->name, sizeof program->name, "%s", name);
    snprintf(program->unit, sizeof program->unit, "%s", unit);
    program->is_ours = strcmp(name, "logboomd") == 0;
    return view.programs++;
}

static uint32_t add_disk(const char *name, const char *model, enum lb_disk_kind kind, uint64_t capacity_bytes)
{
    struct lb_disk *disk = &view.disk[view.disks];

    snprintf(disk->name, sizeof disk->name, "%s", name);
    snprintf(disk->model, sizeof disk->model, "%s", model);
    snprintf(disk->why, sizeof disk->why, "%s",
             kind == LB_DISK_SD     ? "an SD card"
             : kind == LB_DISK_EMMC ? "eMMC"
                                    : "USB, can be taken out");
    disk->kind = kind;
    disk->is_flash = disk->is_present = true;
    disk->capacity_bytes = capacity_bytes;
    disk->lifetime_bytes = LB_WEAR_UNKNOWN;
    disk->unit_bytes = 4194304;
    view.figures[view.disks].rate_per_day = LB_WEAR_UNKNOWN;
    view.figures[view.disks].life_left_s = LB_WEAR_UNKNOWN;
    view.figures[view.disks].endurance_bytes = capacity_bytes * 300;
    return view.disks++;
}

static void add_filesystem(const char *point, const char *device, uint32_t disk, uint64_t lifetime_bytes)
{
    struct lb_filesystem *filesystem = &view.filesystem[view.filesystems++];

    snprintf(filesystem->point, sizeof filesystem->point, "%s", point);
    snprintf(filesystem->type, sizeof filesystem->type, "%s",
             strcmp(point, "/boot/firmware") ? "ext4" : "vfat");
    snprintf(filesystem->device, sizeof filesystem->device, "%s", device);
    filesystem->disk = disk;
    filesystem->was_writable = true;
    filesystem->lifetime_bytes = lifetime_bytes;
    filesystem->errors = lifetime_bytes == LB_WEAR_UNKNOWN ? LB_WEAR_UNKNOWN : 0;
}

static void add_finding(uint32_t disk, const char *what, const char *advice)
{
    struct lb_finding *finding = &view.finding[view.findings++];

    finding->disk = disk;
    snprintf(finding->what, sizeof finding->what, "%s", what);
    snprintf(finding->advice, sizeof finding->advice, "%s", advice);
}

static struct lb_wear_bucket *add_bucket(uint64_t start_ns)
{
    struct lb_wear_bucket *bucket = &view.bucket[view.buckets++];

    bucket->start_ns = start_ns;
    bucket->covered_s = 600;
    return bucket;
}

/* What a program wrote in a bucket, and the disk with it. */
static void write_kib(struct lb_wear_bucket *bucket, uint32_t program, uint32_t disk, uint32_t kib)
{
    bucket->program_kib[program][disk] += kib;
    bucket->disk_bytes[disk] += kib * 1024ull;
    view.program[program].bytes[disk] += kib * 1024ull;
    view.figures[disk].looked_bytes += kib * 1024ull;
}

static void write_rest(struct lb_wear_bucket *bucket, uint32_t disk, uint32_t kib)
{
    bucket->disk_bytes[disk] += kib * 1024ull;
    view.figures[disk].unattributed_bytes += kib * 1024ull;
    view.figures[disk].looked_bytes += kib * 1024ull;
}

/* What follows from the buckets. */
static void reckon(uint32_t disk)
{
    struct lb_wear_figures *figures = &view.figures[disk];
    uint64_t looked_s = (view.sampled_ns - view.began_ns) / LB_NS_PER_S;

    for (uint32_t b = 0; b < view.buckets; b++) {
        figures->day_bytes += view.bucket[b].disk_bytes[disk];
        if (b + 6 >= view.buckets)
            figures->hour_bytes += view.bucket[b].disk_bytes[disk];
    }
    figures->day_span_s = looked_s < 86400 ? looked_s : 86400;
    view.disk[disk].written_bytes = figures->looked_bytes + 37 * MB;
    view.disk[disk].writes = view.disk[disk].written_bytes / 23000;
    view.disk[disk].flushes = view.disk[disk].written_bytes / 90000;
    if (looked_s < 3600)
        return;
    figures->rate_per_day = figures->day_bytes * 86400 / figures->day_span_s;
    if (figures->rate_per_day)
        figures->life_left_s = figures->endurance_bytes * 9 / 10 / figures->rate_per_day * 86400;
}

static void make_clock(uint64_t up_hours, uint64_t looked_hours, uint64_t wall_ns)
{
    view.uptime_s = up_hours * 3600 + 12 * 60;
    view.sampled_ns = view.uptime_s * LB_NS_PER_S;
    view.began_ns = view.sampled_ns - looked_hours * HOUR_NS;
    view.wall_offset_ns = wall_ns;
    view.bucket_s = 600;
    view.processes_seen = 134;
    view.cost_ns = 3400000;
    view.hours_left_x10 = LB_WEAR_UNKNOWN;
    snprintf(view.hostname, sizeof view.hostname, "greenhouse-07");
}

static void make_busy(void)
{
    uint32_t sd, usb, who[9];

    make_clock(311, 26, WALL_NS);
    sd = add_disk("mmcblk0", "SC32G (manfid 0x03)", LB_DISK_SD, 31914 * MB);
    usb = add_disk("sda", "SanDisk Ultra Fit", LB_DISK_USB, 123 * GB);
    snprintf(view.disk[sd].made, sizeof view.disk[sd].made, "08/2021");
    view.disk[sd].lifetime_bytes = 811 * GB;
    who[0] = add_program("systemd-journal", "systemd-journald.service");
    who[1] = add_program("python3", "telemetry.service");
    who[2] = add_program("python3", "home-assistant@homeassistant.service");
    who[3] = add_program("rsyslogd", "rsyslog.service");
    who[4] = add_program("logboomd", "logboomd.service");
    who[5] = add_program("apt-get", "apt-daily-upgrade.service");
    who[6] = add_program("chromium", "session-3.scope");
    who[7] = add_program("systemd-timesyn", "systemd-timesyncd.service");
    who[8] = add_program("others", "");
    for (uint32_t b = 0; b < 144; b++) {
        struct lb_wear_bucket *bucket =
            add_bucket(view.sampled_ns - 24 * HOUR_NS + (b * 600ull + 300) * LB_NS_PER_S);
        uint32_t day = b > 30 && b < 110 ? 3 : 1;

        write_kib(bucket, who[0], sd, 900 + day * 300 + noise(b, 700));
        write_kib(bucket, who[1], sd, 2600 + day * 600 + noise(b + 500, 1400));
        write_kib(bucket, who[2], sd, 700 * day + noise(b + 900, 400));
        write_kib(bucket, who[3], sd, 500 + noise(b + 1300, 300));
        write_kib(bucket, who[4], sd, b % 36 == 7 ? 1100 : 0);
        write_kib(bucket, who[5], sd, b == 52 ? 28000 : b == 53 ? 9000 : 0);
        write_kib(bucket, who[6], sd, day == 3 ? noise(b + 77, 1500) : 0);
        write_kib(bucket, who[7], sd, 40);
        write_kib(bucket, who[8], sd, noise(b, 260));
        write_rest(bucket, sd, 800 + day * 200 + noise(b + 31, 300));
        write_kib(bucket, who[2], usb, b % 18 == 3 ? 90000 : 0);
        write_rest(bucket, usb, b % 18 == 3 ? 700 : 0);
        bucket->lines_in = 24000 + day * 9000 + noise(b, 9000);
        bucket->was_away = b >= 70 && b < 79;
        bucket->lines_delivered = bucket->was_away    ? 0
                                  : b >= 79 && b < 85 ? bucket->lines_in + 84000
                                                      : bucket->lines_in - noise(b, 300);
        bucket->ring_permille = bucket->was_away ? 200 + 70 * (b - 70) : 30 + noise(b, 60);
        bucket->backlog_permille = b >= 72 && b < 79 ? 40 * (b - 71) : b >= 79 && b < 85 ? 40 * (85 - b) : 0;
    }
    view.bucket[143].covered_s = 300;
    view.disk[sd].written_bytes = 0;
    reckon(sd);
    reckon(usb);
    add_filesystem("/", "mmcblk0p2", sd, 811 * GB);
    add_filesystem("/boot/firmware", "mmcblk0p1", sd, LB_WEAR_UNKNOWN);
    add_filesystem("/srv/media", "sda1", usb, LB_WEAR_UNKNOWN);
    add_finding(sd, "swap on mmcblk0: /var/swap, 100M, 12M used", "use zram instead: apt install zram-tools");
    add_finding(sd, "rsyslog writes what the journal has already",
                "apt remove rsyslog, or [input journal] here");
    snprintf(view.missing, sizeof view.missing,
             "programs of 3 containers: their file systems are not seen from here");
    snprintf(view.boot_reason, sizeof view.boot_reason, "power came on (PM_RSTS 0x1000)");
    view.processes_refused = 3;
    view.own_card_bytes = 4631 * KB;
    view.kept_off_bytes = 812 * MB;
    view.hours_left_x10 = 415;
}

static void make_fresh(void)
{
    uint32_t sd, python;

    make_clock(3, 0, 0);
    view.began_ns = view.sampled_ns - 840 * LB_NS_PER_S;
    sd = add_disk("mmcblk0", "", LB_DISK_SD, 15931 * MB);
    view.disk[sd].flushes = LB_WEAR_UNKNOWN;
    python = add_program("python3", "telemetry.service");
    write_kib(add_bucket(view.sampled_ns - 840 * LB_NS_PER_S), python, sd, 9800);
    view.bucket[0].lines_in = view.bucket[0].lines_delivered = 4100;
    reckon(sd);
    view.disk[sd].flushes = LB_WEAR_UNKNOWN;
}

static void make_worn(void)
{
    uint32_t emmc, postgres;

    make_clock(7000, 8, WALL_NS);
    emmc = add_disk("mmcblk2", "DG4016", LB_DISK_EMMC, 15758 * MB);
    snprintf(view.disk[emmc].made, sizeof view.disk[emmc].made, "03/2019");
    view.disk[emmc].life_a = 4;
    view.disk[emmc].life_b = 10;
    view.disk[emmc].pre_eol = 2;
    view.disk[emmc].io_errors = 3;
    snprintf(view.disk[emmc].io_error, sizeof view.disk[emmc].io_error,
             "I/O error, dev mmcblk0, sector 81920 op 0x1:(WRITE)");
    view.disk[emmc].lifetime_bytes = 4400 * GB;
    postgres = add_program("postgres", "postgresql@15-main.service");
    for (uint32_t b = 0; b < 48; b++) {
        struct lb_wear_bucket *bucket = add_bucket(view.sampled_ns - 8 * HOUR_NS + b * 600 * LB_NS_PER_S);

        write_kib(bucket, postgres, emmc, 90000 + noise(b, 40000));
        write_rest(bucket, emmc, 70000 + noise(b + 5, 70000));
        bucket->lines_in = bucket->lines_delivered = 800 + noise(b, 90);
    }
    reckon(emmc);
    view.figures[emmc].is_endurance_told = true;
    view.figures[emmc].life_left_s = 41ull * 86400;
    add_filesystem("/", "mmcblk2p1", emmc, 4400 * GB);
    add_filesystem("/var/lib/postgresql", "mmcblk2p3", emmc, 4100 * GB);
    view.filesystem[1].is_read_only = true;
    view.filesystem[1].errors = 17;
    view.filesystem[0].updates_atime = view.filesystem[0].is_sync = true;
    view.own_card_bytes = 90 * MB;
    view.kept_off_bytes = 2 * MB;
    view.hours_left_x10 = 1207;
}

static void make_outage(void)
{
    uint32_t sd, python;

    make_clock(90, 30, WALL_NS);
    sd = add_disk("mmcblk0", "SN64G (manfid 0x03)", LB_DISK_SD, 63864 * MB);
    python = add_program("python3", "telemetry.service");
    for (uint32_t b = 0; b < 100; b++) {
        struct lb_wear_bucket *bucket;

        if (b >= 20 && b < 32) /* the agent did not run */
            continue;
        bucket = add_bucket(view.sampled_ns - (100 - b) * 600 * LB_NS_PER_S);
        if (b < 60 || b > 66)
            write_kib(bucket, python, sd, 200 + noise(b, 900));
        bucket->lines_in = 5000 + noise(b, 1200);
        bucket->was_away = b >= 66;
        bucket->lines_delivered = bucket->was_away ? 0 : bucket->lines_in;
        bucket->lines_lost = b >= 92 ? 900 + noise(b, 600) : 0;
        bucket->ring_permille = bucket->was_away ? 1000 : 20;
        bucket->backlog_permille = bucket->was_away ? (b - 65) * 1000 / 35 : 0;
    }
    view.bucket[40].covered_s = 240;
    reckon(sd);
    view.own_card_bytes = 0;
    view.kept_off_bytes = 61 * MB;
    view.hours_left_x10 = 0;
}

/* Fill a text with bytes of another, over and over, up to its end. */
static void fill(char *text, size_t size, const char *with)
{
    for (size_t i = 0; i + 1 < size; i++)
        text[i] = with[i % strlen(with)];
    text[size - 1] = '\0';
}

static void fill_names(const char *with)
{
    fill(view.hostname, sizeof view.hostname, with);
    fill(view.missing, sizeof view.missing, with);
    fill(view.boot_reason, sizeof view.boot_reason, with);
    for (uint32_t i = 0; i < view.programs; i++) {
        fill(view.program[i].name, sizeof view.program[i].name, with);
        fill(view.program[i].unit, sizeof view.program[i].unit, with);
    }
    for (uint32_t i = 0; i < view.disks; i++) {
        fill(view.disk[i].name, sizeof view.disk[i].name, with);
        fill(view.disk[i].model, sizeof view.disk[i].model, with);
        fill(view.disk[i].made, sizeof view.disk[i].made, with);
        fill(view.disk[i].why, sizeof view.disk[i].why, with);
    }
    for (uint32_t i = 0; i < view.filesystems; i++) {
        fill(view.filesystem[i].point, sizeof view.filesystem[i].point, with);
        fill(view.filesystem[i].type, sizeof view.filesystem[i].type, with);
        fill(view.filesystem[i].device, sizeof view.filesystem[i].device, with);
    }
    for (uint32_t i = 0; i < view.findings; i++) {
        fill(view.finding[i].what, sizeof view.finding[i].what, with);
        fill(view.finding[i].advice, sizeof view.finding[i].advice, with);
    }
}

static void make_hostile(void)
{
    make_busy();
    fill_names("</title><script src=//x>alert(1)</script>\"'& "
               "\x01\x1b[31m\xff\xc0\x80\xe2\x80\xae\xf0\x9f\x92\xa9]]>");
}

static void make_full(void)
{
    make_clock(50000, 40, WALL_NS);
    while (view.disks < LB_WEAR_DISKS) {
        uint32_t disk = add_disk("x", "x", LB_DISK_EMMC, 999 * TB);

        view.disk[disk].life_a = view.disk[disk].life_b = 11;
        view.disk[disk].pre_eol = 3;
        view.disk[disk].io_errors = 1ull << 40;
        memset(view.disk[disk].io_error, '"', sizeof view.disk[disk].io_error - 1);
        view.disk[disk].lifetime_bytes = 12345678901234567ull;
    }
    while (view.programs < LB_WEAR_PROGRAMS)
        add_program("x", "x");
    while (view.filesystems < LB_WEAR_FILESYSTEMS) {
        add_filesystem("x", "x", view.filesystems % LB_WEAR_DISKS, 12345678901234567ull);
        view.filesystem[view.filesystems - 1].is_read_only = true;
        view.filesystem[view.filesystems - 1].errors = 12345678901234567ull;
        view.filesystem[view.filesystems - 1].is_sync = view.filesystem[view.filesystems - 1].updates_atime =
            true;
    }
    while (view.findings < LB_WEAR_FINDINGS)
        add_finding(0, "x", "x");
    for (uint32_t b = 0; b < LB_WEAR_BUCKETS; b++) {
        struct lb_wear_bucket *bucket =
            add_bucket(view.sampled_ns - (LB_WEAR_BUCKETS - b) * 600 * LB_NS_PER_S);

        for (uint32_t disk = 0; disk < LB_WEAR_DISKS; disk++) {
            for (uint32_t i = 0; i < LB_WEAR_PROGRAMS; i++)
                write_kib(bucket, i, disk, 3000000000u + noise(b * 64 + i, 1000000000u));
            write_rest(bucket, disk, 4000000000u);
        }
        bucket->covered_s = 599;
        bucket->lines_in = bucket->lines_delivered = bucket->lines_lost = 600000000 + noise(b, 1000);
        bucket->ring_permille = noise(b, 1001);
        bucket->backlog_permille = noise(b + 1000, 1001);
        bucket->was_away = b % 2;
    }
    for (uint32_t disk = 0; disk < LB_WEAR_DISKS; disk++)
        reckon(disk);
    view.disks_left_out = 7;
    fill_names("\""); /* no byte takes more room */
}

struct lb_wear_view *test_wear_view(const char *name)
{
    static const struct {
        const char *name;
        void (*make)(void);
    } makers[] = {
        { "busy", make_busy },     { "fresh", make_fresh },     { "worn", make_worn },
        { "outage", make_outage }, { "hostile", make_hostile }, { "full", make_full },
        { "none", NULL },          { "nodisk", NULL },
    };

    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
        if (strcmp(makers[i].name, name) != 0)
            continue;
        memset(&view, 0, sizeof view);
        make_clock(3, 0, 0);
        if (makers[i].make)
            makers[i].make();
        if (strcmp(name, "none") == 0)
            view.sampled_ns = view.began_ns = view.processes_seen = view.cost_ns = 0;
        return &view;
    }
    return NULL;
}
