/* SPDX-License-Identifier: MIT */
/* One disk of the report. In: its part of the view. Out: a card with figures. What is not known says so and
 * never shows as nothing; what is reckoned says from what. */
#include "agent/wear/report_disk.h"

#include "agent/wear/report_chart.h"
#include "agent/wear/report_text.h"
#include "agent/wear/report_verdict.h"
#include "common/clock.h"
#include "common/units.h"

#define HOUR_S      3600u
#define DAY_S       86400u
#define POINT_CHARS 72 /* what is longer is no more telling */
#define TYPE_CHARS  16
#define ROWS_FIRST                                                                                         \
    12               /* programs of the disk that the page is about, and of others: with all disks watched \
                      */
#define ROWS_OTHER 3 /* and all names full, the page stays below 250 KB */

static const char *const kinds[LB_DISK_KINDS] = {
    [LB_DISK_OTHER] = "disk",       [LB_DISK_SD] = "SD card",
    [LB_DISK_EMMC] = "eMMC",        [LB_DISK_USB] = "USB disk",
    [LB_DISK_NVME] = "NVMe",        [LB_DISK_SATA] = "SATA disk",
    [LB_DISK_MTD] = "raw flash",    [LB_DISK_VIRTUAL] = "virtual disk",
    [LB_DISK_LOOP] = "loop device",
};

/* A figure: what it is, and how much, and a word on it. */
static void print_fact(FILE *out, const char *name, uint64_t bytes, const char *note)
{
    fprintf(out, "<div><dt>%s</dt><dd>", name);
    lb_report_value(out, bytes);
    fprintf(out, "%s%s%s</dd></div>\n", note[0] ? " <small>" : "", note, note[0] ? "</small>" : "");
}

static void print_head(const struct lb_disk *disk, FILE *out)
{
    fputs("<h3>", out);
    lb_report_text(out, disk->name, sizeof disk->name);
    fprintf(out, " <small>%s", kinds[(unsigned)disk->kind < LB_DISK_KINDS ? disk->kind : LB_DISK_OTHER]);
    if (!disk->is_present)
        fputs(", was taken out", out);
    fputs("</small></h3>\n<p class=\"sub\">", out);
    if (disk->model[0])
        lb_report_text(out, disk->model, sizeof disk->model);
    else
        fputs("It does not tell its model", out);
    if (disk->made[0]) {
        fputs(", made ", out);
        lb_report_text(out, disk->made, sizeof disk->made);
    }
    fputs(disk->is_flash ? ". Taken for flash: " : ". Not taken for flash: ", out);
    if (disk->why[0])
        lb_report_text(out, disk->why, sizeof disk->why);
    else
        fputs("nothing tells", out);
    fputs(".</p>\n", out);
}

static uint64_t watched_s(const struct lb_wear_view *view)
{
    return view->sampled_ns > view->began_ns ? (view->sampled_ns - view->began_ns) / LB_NS_PER_S : 0;
}

static void print_written(const struct lb_wear_view *view, const struct lb_disk *disk,
                          const struct lb_wear_figures *figures, FILE *out)
{
    uint64_t looked_s = watched_s(view);
    char note[3 * LB_REPORT_WORD], span[LB_REPORT_WORD];

    snprintf(note, sizeof note, "in %s of uptime", lb_report_span(view->uptime_s, span));
    print_fact(out, "Written since it started", disk->written_bytes, note);
    note[0] = '\0';
    if (looked_s < HOUR_S)
        snprintf(note, sizeof note, "in %s: it is not watched for longer", lb_report_span(looked_s, span));
    print_fact(out, "In the last hour", figures->hour_bytes, note);
    note[0] = '\0';
    if (figures->day_span_s < DAY_S)
        snprintf(note, sizeof note, "%s of it are known", lb_report_span(figures->day_span_s, span));
    print_fact(out, "In the last day", figures->day_bytes, note);
    print_fact(out, "A day, at this rate", figures->rate_per_day,
               figures->rate_per_day == LB_WEAR_UNKNOWN ? "after an hour it is" : "");
}

static void print_life(const struct lb_disk *disk, const struct lb_wear_figures *figures, FILE *out)
{
    static const char *const words[] = { "quiet", "fine", "look", "act" };
    char buf[LB_REPORT_WORD];

    fputs("<div><dt>Life left</dt><dd>", out);
    if (!disk->is_flash)
        fputs("<span>not reckoned</span> <small>only flash wears by being written to</small>", out);
    else if (figures->life_left_s == 0)
        fputs("<span class=\"act\">past it</span>", out);
    else
        fprintf(out, "<span class=\"%s\">%s</span>", words[lb_report_disk_mood(disk, figures)],
                lb_report_life(figures->life_left_s, buf));
    if (disk->is_flash && figures->endurance_bytes != LB_WEAR_UNKNOWN) {
        fputs(" <small>of ", out);
        lb_report_value(out, figures->endurance_bytes);
        fprintf(out, " that it can take, %s</small>",
                figures->is_endurance_told ? "as configured" : "estimated from its size");
    }
    fputs("</dd></div>\n", out);
}

static void print_counts(const struct lb_disk *disk, const struct lb_wear_figures *figures, FILE *out)
{
    char buf[LB_REPORT_WORD], note[2 * LB_REPORT_WORD] = "by what its file systems remember";

    if (disk->lifetime_bytes == LB_WEAR_UNKNOWN)
        snprintf(note, sizeof note, "no file system on it remembers");
    else if (disk->is_flash && figures->endurance_bytes != LB_WEAR_UNKNOWN && figures->endurance_bytes > 0)
        snprintf(note, sizeof note, "%s of what it can take",
                 lb_report_share(disk->lifetime_bytes, figures->endurance_bytes, buf));
    print_fact(out, "Written in its life", disk->lifetime_bytes, note);
    note[0] = '\0';
    if (disk->unit_bytes)
        snprintf(note, sizeof note, "erased in units of %s",
                 lb_units_print_human(disk->unit_bytes, buf, sizeof buf));
    print_fact(out, "Capacity", disk->capacity_bytes ? disk->capacity_bytes : LB_WEAR_UNKNOWN, note);
    fprintf(out, "<div><dt>Write requests</dt><dd>%s", lb_report_count(disk->writes, buf));
    if (disk->flushes == LB_WEAR_UNKNOWN)
        fputs(" <small>this kernel does not count flushes</small></dd></div>\n", out);
    else
        fprintf(out, " <small>and %s flushes</small></dd></div>\n", lb_report_count(disk->flushes, buf));
}

/* ---- what eMMC says of itself ---- */

static void print_gauge(const char *area, unsigned life, FILE *out)
{
    char words[64];

    if (life > 10)
        snprintf(words, sizeof words, "past 100 %% used");
    else
        snprintf(words, sizeof words, "%u to %u %% used", (life - 1) * 10, life * 10);
    fprintf(out,
            "<div class=\"gauge\"><span>%s</span><svg viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" "
            "role=\"img\" "
            "aria-label=\"%s: %s\">",
            area, area, words);
    for (unsigned i = 0; i < 10; i++) {
        if (i == 0 || i == life)
            fprintf(out, "%s<path class=\"%s\" d=\"", i ? "\"/>" : "", i ? "off" : life >= 10 ? "bad" : "on");
        fprintf(out, "M%u 0h9v10h-9z", i * 10);
    }
    fprintf(out, "\"/></svg><span>%s</span></div>\n", words);
}

static void print_health(const struct lb_disk *disk, FILE *out)
{
    static const char *const spares[] = { "", "fewer than 80 % are used", "80 % are used", "90 % are used" };

    if (disk->kind != LB_DISK_EMMC && !disk->life_a && !disk->life_b && !disk->pre_eol)
        return;
    fputs("<h4>What it says of its health</h4>\n", out);
    if (!disk->life_a && !disk->life_b && !disk->pre_eol) {
        fputs("<p class=\"empty\">Nothing: that is not the same as healthy.</p>\n", out);
        return;
    }
    if (disk->life_a)
        print_gauge("Type A cells", disk->life_a, out);
    if (disk->life_b)
        print_gauge("Type B cells", disk->life_b, out);
    fprintf(out, "<p class=\"sub\">Spare blocks: %s.</p>\n",
            disk->pre_eol >= 1 && disk->pre_eol <= 3 ? spares[disk->pre_eol] : "not known");
}

static void print_kernel(const struct lb_disk *disk, FILE *out)
{
    char buf[LB_REPORT_WORD];

    if (disk->io_errors == 0)
        return;
    fprintf(out, "<h4>What the kernel says of it</h4>\n<p><span class=\"act\">%s errors</span>, the last: ",
            lb_report_count(disk->io_errors, buf));
    lb_report_text(out, disk->io_error, sizeof disk->io_error);
    fputs("</p>\n", out);
}

/* ---- file systems ---- */

static void print_state(const struct lb_filesystem *filesystem, FILE *out)
{
    const char *before = "";
    char buf[LB_REPORT_WORD];
    const struct {
        bool is_so;
        const char *text;
    } states[] = {
        { filesystem->is_read_only && filesystem->was_writable, "<b class=\"act\">went read-only</b>" },
        { filesystem->is_read_only && !filesystem->was_writable, "read-only" },
        { filesystem->updates_atime, "each read writes (atime)" },
        { filesystem->is_sync, "each write is waited for (sync)" },
    };

    for (unsigned i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (!states[i].is_so)
            continue;
        fprintf(out, "%s%s", before, states[i].text);
        before = ", ";
    }
    if (filesystem->errors > 0 && filesystem->errors != LB_WEAR_UNKNOWN) {
        fprintf(out, "%s<b class=\"act\">%s errors</b>", before, lb_report_count(filesystem->errors, buf));
        before = ", ";
    }
    if (before[0] == '\0')
        fputs("writable", out);
}

static void print_filesystems(const struct lb_wear_view *view, uint32_t disk, FILE *out)
{
    bool has_any = false;

    for (uint32_t i = 0; i < view->filesystems && i < LB_WEAR_FILESYSTEMS; i++) {
        const struct lb_filesystem *filesystem = &view->filesystem[i];

        if (filesystem->disk != disk)
            continue;
        if (!has_any)
            fputs("<h4>File systems on it</h4>\n<ul class=\"fs\">\n", out);
        has_any = true;
        fputs("<li><b>", out);
        lb_report_text_cut(out, filesystem->point, sizeof filesystem->point, POINT_CHARS);
        fputs("</b> <span class=\"unit\">", out);
        lb_report_text_cut(out, filesystem->type, sizeof filesystem->type, TYPE_CHARS);
        fputs(" on ", out);
        lb_report_text(out, filesystem->device, sizeof filesystem->device);
        fputs("</span>: ", out);
        print_state(filesystem, out);
        if (filesystem->lifetime_bytes != LB_WEAR_UNKNOWN) {
            fputs(", ", out);
            lb_report_value(out, filesystem->lifetime_bytes);
            fputs(" in its life", out);
        }
        fputs("</li>\n", out);
    }
    fputs(has_any ? "</ul>\n" : "<p class=\"empty\">No mounted file system lies on it.</p>\n", out);
}

void lb_report_disk(const struct lb_wear_view *view, uint32_t index, bool is_first, FILE *out)
{
    const struct lb_disk *disk = &view->disk[index];
    const struct lb_wear_figures *figures = &view->figures[index];
    char span[LB_REPORT_WORD];

    fputs("<article class=\"disk\">\n", out);
    print_head(disk, out);
    fputs("<dl>\n", out);
    print_life(disk, figures, out);
    print_written(view, disk, figures, out);
    print_counts(disk, figures, out);
    fputs("</dl>\n", out);
    print_health(disk, out);
    print_kernel(disk, out);
    fprintf(out, "<h4>Who wrote to it, in the %s that it was watched</h4>\n",
            lb_report_span(watched_s(view), span));
    lb_report_shares(view, index, is_first ? ROWS_FIRST : ROWS_OTHER, out);
    if (!is_first)
        lb_report_chart_spark(view, index, out);
    print_filesystems(view, index, out);
    fputs("</article>\n", out);
}
