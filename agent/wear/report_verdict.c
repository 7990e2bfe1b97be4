/* SPDX-License-Identifier: MIT */
/* The report's first answer. In: the view. Out: one box with a sentence, or two where something cannot wait.
 * Each figure in it is one of the view's: nothing is reckoned anew, so the page never argues with the rest of
 * it. */
#include "agent/wear/report_verdict.h"

#include "agent/wear/report_text.h"
#include "common/clock.h"

#define YEAR_S 31557600ull

static const struct {
    const char *css, *word;
} moods[] = {
    [LB_REPORT_QUIET] = { "quiet", "Not known yet" },
    [LB_REPORT_FINE] = { "fine", "Fine" },
    [LB_REPORT_LOOK] = { "look", "Look at it" },
    [LB_REPORT_ACT] = { "act", "Act now" },
};

/* Is disk a of more concern than b? */
static bool is_before(const struct lb_wear_view *view, uint32_t a, uint32_t b)
{
    const struct lb_disk *disk = view->disk;
    const struct lb_wear_figures *figures = view->figures;

    if (disk[a].is_present != disk[b].is_present)
        return disk[a].is_present;
    if (disk[a].is_flash != disk[b].is_flash)
        return disk[a].is_flash;
    if (figures[a].life_left_s != figures[b].life_left_s)
        return figures[a].life_left_s < figures[b].life_left_s; /* not known is the largest */
    if (figures[a].looked_bytes != figures[b].looked_bytes)
        return figures[a].looked_bytes > figures[b].looked_bytes;
    return disk[a].written_bytes > disk[b].written_bytes;
}

uint32_t lb_report_first_disk(const struct lb_wear_view *view)
{
    uint32_t first = 0;

    if (view->disks == 0)
        return UINT32_MAX;
    for (uint32_t disk = 1; disk < view->disks && disk < LB_WEAR_DISKS; disk++) {
        if (is_before(view, disk, first))
            first = disk;
    }
    return first;
}

uint32_t lb_report_first_program(const struct lb_wear_view *view, uint32_t disk)
{
    uint32_t first = LB_WEAR_NO_PROGRAM;
    uint64_t most = 0;

    for (uint32_t i = 0; i < view->programs && i < LB_WEAR_PROGRAMS; i++) {
        if (view->program[i].bytes[disk] > most) {
            most = view->program[i].bytes[disk];
            first = i;
        }
    }
    return first;
}

enum lb_report_mood lb_report_disk_mood(const struct lb_disk *disk, const struct lb_wear_figures *figures)
{
    if (disk->life_a >= 10 || disk->life_b >= 10 || disk->pre_eol >= 3)
        return LB_REPORT_ACT;
    if (!disk->is_flash || figures->life_left_s == LB_WEAR_UNKNOWN)
        return disk->pre_eol >= 2 ? LB_REPORT_LOOK : LB_REPORT_QUIET;
    if (figures->life_left_s == 0)
        return LB_REPORT_ACT;
    return disk->pre_eol >= 2 || figures->life_left_s < YEAR_S ? LB_REPORT_LOOK : LB_REPORT_FINE;
}

static void print_name(FILE *out, const struct lb_disk *disk)
{
    fputs("<b>", out);
    lb_report_text(out, disk->name, sizeof disk->name);
    fputs("</b>", out);
}

/* ---- what cannot wait ---- */

static bool has_turned(const struct lb_filesystem *filesystem)
{
    return filesystem->is_read_only && filesystem->was_writable;
}

static void print_turned(const struct lb_wear_view *view, FILE *out)
{
    for (uint32_t i = 0; i < view->filesystems && i < LB_WEAR_FILESYSTEMS; i++) {
        const struct lb_filesystem *filesystem = &view->filesystem[i];

        if (!has_turned(filesystem))
            continue;
        fputs("<p>The file system <b>", out);
        lb_report_text(out, filesystem->point, sizeof filesystem->point);
        fputs("</b>", out);
        if (filesystem->disk < view->disks && filesystem->disk < LB_WEAR_DISKS) {
            fputs(" on ", out);
            print_name(out, &view->disk[filesystem->disk]);
        }
        fputs(" went read-only: nothing is saved there any more. Save what matters, and check or replace the "
              "disk.</p>",
              out);
    }
}

static void print_worn(const struct lb_disk *disk, const struct lb_wear_figures *figures, FILE *out)
{
    unsigned used = disk->life_a > disk->life_b ? disk->life_a : disk->life_b;
    const char *text = NULL;

    if (!disk->is_present)
        return;
    if (used > 10)
        text = " says that it is past the life its maker gave it: replace it now.";
    else if (used == 10)
        text = " says that it is in the last tenth of its life: replace it soon.";
    else if (disk->pre_eol >= 3)
        text = " says that 90 % of its spare blocks are used: replace it soon.";
    else if (disk->pre_eol == 2)
        text = " says that 80 % of its spare blocks are used: plan to replace it.";
    else if (disk->is_flash && figures->life_left_s == 0)
        text = " has taken more than it can be expected to: replace it before it fails.";
    if (!text)
        return;
    fputs("<p>", out);
    print_name(out, disk);
    fprintf(out, "%s</p>", text);
}

/* ---- what the first disk takes ---- */

static void print_most(const struct lb_wear_view *view, uint32_t disk, FILE *out)
{
    uint32_t first = lb_report_first_program(view, disk);
    uint64_t whole = view->figures[disk].looked_bytes;
    uint64_t rest = view->figures[disk].unattributed_bytes;
    uint64_t most = first == LB_WEAR_NO_PROGRAM ? 0 : view->program[first].bytes[disk];
    char share[LB_REPORT_WORD];

    if (whole == 0 || (most == 0 && rest == 0))
        return;
    lb_report_share(most > rest ? most : rest, whole, share);
    if ((most > rest ? most : rest) > whole / 2)
        fprintf(out, " Most of it (%s) comes from ", share);
    else
        fprintf(out, " The largest part (%s) comes from ", share);
    if (rest >= most) {
        fputs("the kernel, the journal of the file system, and what could not be attributed.", out);
        return;
    }
    fputs("<b>", out);
    lb_report_program(out, &view->program[first]);
    fputs(view->program[first].is_ours ? "</b>, which is logboom itself." : "</b>.", out);
}

static void print_life(const struct lb_disk *disk, const struct lb_wear_figures *figures, FILE *out)
{
    char life[LB_REPORT_WORD];

    if (!disk->is_flash)
        fputs("; it is not known to be flash, so no life is reckoned", out);
    else if (figures->life_left_s == 0)
        fputs("; it is past the life that it can be expected to have", out);
    else if (figures->life_left_s == LB_WEAR_UNKNOWN)
        fputs("; how long it lasts is not known", out);
    else
        fprintf(out, "; at this rate it lasts %s", lb_report_life(figures->life_left_s, life));
}

static void print_takes(const struct lb_wear_view *view, uint32_t first, FILE *out)
{
    const struct lb_disk *disk = &view->disk[first];
    const struct lb_wear_figures *figures = &view->figures[first];
    char span[LB_REPORT_WORD], bytes[LB_REPORT_WORD];
    uint64_t looked_ns = view->sampled_ns > view->began_ns ? view->sampled_ns - view->began_ns : 0;

    fputs("<p>", out);
    print_name(out, disk);
    if (!disk->is_present)
        fputs(", which was taken out,", out);
    if (figures->rate_per_day == LB_WEAR_UNKNOWN) {
        fprintf(out, " took %s in the %s that it has been watched: too little history for a rate.",
                lb_report_bytes(figures->looked_bytes, bytes), lb_report_span(looked_ns / LB_NS_PER_S, span));
    } else if (figures->rate_per_day == 0) {
        fputs(" takes nothing: it was not written to.", out);
    } else {
        fprintf(out, " takes %s a day", lb_report_bytes(figures->rate_per_day, bytes));
        print_life(disk, figures, out);
        fputc('.', out);
    }
    print_most(view, first, out);
    fputs("</p>", out);
}

static enum lb_report_mood mood_of(const struct lb_wear_view *view, uint32_t first)
{
    enum lb_report_mood worst = LB_REPORT_QUIET;

    if (view->sampled_ns == 0 || first == UINT32_MAX)
        return LB_REPORT_QUIET;
    for (uint32_t i = 0; i < view->disks && i < LB_WEAR_DISKS; i++) {
        enum lb_report_mood mood = lb_report_disk_mood(&view->disk[i], &view->figures[i]);

        if (!view->disk[i].is_present)
            continue;
        /* A disk that is fine does not make up for a first one of which nothing is known. */
        if (mood > worst && (i == first || mood > LB_REPORT_FINE))
            worst = mood;
    }
    for (uint32_t i = 0; i < view->filesystems && i < LB_WEAR_FILESYSTEMS; i++) {
        if (has_turned(&view->filesystem[i]))
            worst = LB_REPORT_ACT;
    }
    return worst;
}

void lb_report_verdict(const struct lb_wear_view *view, FILE *out)
{
    uint32_t first = lb_report_first_disk(view);
    enum lb_report_mood mood = mood_of(view, first);

    fprintf(out, "<div class=\"verdict %s\"><p class=\"word\">%s</p>", moods[mood].css, moods[mood].word);
    if (view->sampled_ns == 0) {
        fputs("<p>The disks have not been looked at yet. Ask again in a minute.</p>", out);
    } else if (first == UINT32_MAX) {
        fputs("<p>No disk is watched, so nothing can be said of its wear.</p>", out);
    } else {
        print_turned(view, out);
        for (uint32_t i = 0; i < view->disks && i < LB_WEAR_DISKS; i++)
            print_worn(&view->disk[i], &view->figures[i], out);
        print_takes(view, first, out);
    }
    fputs("</div>\n", out);
}
