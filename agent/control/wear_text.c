/* SPDX-License-Identifier: MIT */
/* `logboom wear` for a person. In: a view. Out: a few lines for each disk. Always true: a name from outside
 * is printed as text only. */
#include <string.h>

#include "agent/control/wear_print.h"
#include "agent/wear/report_text.h"
#include "common/clock.h"

#define BAR       20
#define NAMES_MAX 10 /* of programs for a disk; the rest is one line */
#define LIFE_STEP 10 /* percent */

static void print_bar(uint64_t part, uint64_t whole, FILE *out)
{
    unsigned full = whole > 0 ? (unsigned)((double)part / (double)whole * BAR + 0.5) : 0;

    for (unsigned i = 0; i < BAR; i++)
        fputs(i < full ? "#" : i == 0 && part > 0 ? "|" : ".", out);
}

static void print_share(uint64_t part, uint64_t whole, FILE *out)
{
    char share[LB_REPORT_WORD], bytes[LB_REPORT_WORD];

    fputs("    ", out);
    print_bar(part, whole, out);
    fprintf(out, " %10s %10s  ", lb_report_share(part, whole, share), lb_report_bytes(part, bytes));
}

static void print_shares(const struct lb_wear_view *view, uint32_t disk, FILE *out)
{
    const struct lb_wear_figures *figures = &view->figures[disk];
    uint32_t order[LB_WEAR_PROGRAMS], count = lb_wear_order(view, disk, order);
    uint64_t rest = 0;
    char bytes[LB_REPORT_WORD], span[LB_REPORT_WORD];

    fprintf(out, "  %s in the last %s, of which\n", lb_report_bytes(figures->looked_bytes, bytes),
            lb_report_span((view->sampled_ns - view->began_ns) / LB_NS_PER_S, span));
    for (uint32_t i = 0; i < count; i++) {
        const struct lb_program *program = &view->program[order[i]];

        if (i >= NAMES_MAX) {
            rest += program->bytes[disk];
            continue;
        }
        print_share(program->bytes[disk], figures->looked_bytes, out);
        lb_report_plain(out, program->name, sizeof program->name);
        if (program->unit[0]) {
            fputs(" (", out);
            lb_report_plain(out, program->unit, sizeof program->unit);
            fputc(')', out);
        }
        fputs(program->is_ours ? ", logboom itself\n" : "\n", out);
    }
    if (rest > 0) {
        print_share(rest, figures->looked_bytes, out);
        fprintf(out, "%u more programs\n", count - NAMES_MAX);
    }
    print_share(figures->unattributed_bytes, figures->looked_bytes, out);
    fputs("the kernel, journals of file systems, who could not be looked at\n", out);
}

static void print_life(const struct lb_disk *disk, const struct lb_wear_figures *figures, FILE *out)
{
    unsigned step = disk->life_a > disk->life_b ? disk->life_a : disk->life_b;
    char life[LB_REPORT_WORD], endurance[LB_REPORT_WORD], lifetime[LB_REPORT_WORD];

    if (disk->lifetime_bytes != LB_WEAR_UNKNOWN)
        fprintf(out, "  %s in its life, as its file systems remember\n",
                lb_report_bytes(disk->lifetime_bytes, lifetime));
    if (step > 0)
        fprintf(out, "  its health register: %u to %u %% of its life is used%s\n", (step - 1) * LIFE_STEP,
                step * LIFE_STEP,
                disk->pre_eol > 2   ? ", 90 % of the spare blocks"
                : disk->pre_eol > 1 ? ", 80 % of the spare blocks"
                                    : "");
    if (figures->endurance_bytes == LB_WEAR_UNKNOWN)
        return;
    lb_report_bytes(figures->endurance_bytes, endurance);
    if (figures->life_left_s == LB_WEAR_UNKNOWN)
        fprintf(out, "  life left: not known yet, of %s%s\n", endurance,
                figures->is_endurance_told ? "" : " (estimated: set [wear] endurance)");
    else
        fprintf(out, "  life left: %s at this rate, of %s%s\n",
                figures->life_left_s ? lb_report_life(figures->life_left_s, life) : "none", endurance,
                figures->is_endurance_told ? "" : " (estimated: set [wear] endurance)");
}

static void print_disk(const struct lb_wear_view *view, uint32_t index, FILE *out)
{
    const struct lb_disk *disk = &view->disk[index];
    const struct lb_wear_figures *figures = &view->figures[index];
    char word[4][LB_REPORT_WORD];

    lb_report_plain(out, disk->name, sizeof disk->name);
    if (disk->model[0]) {
        fputs("  ", out);
        lb_report_plain(out, disk->model, sizeof disk->model);
    }
    if (disk->capacity_bytes)
        fprintf(out, ", %s", lb_report_bytes(disk->capacity_bytes, word[0]));
    if (disk->made[0]) {
        fputs(", made ", out);
        lb_report_plain(out, disk->made, sizeof disk->made);
    }
    fputs(disk->is_flash ? ", flash (" : ", not known to be flash (", out);
    lb_report_plain(out, disk->why, sizeof disk->why);
    fputs(disk->is_present ? ")\n" : "), taken out\n", out);
    fprintf(out, "  written %s since the start, %s in the last hour, %s a day; %s writes, %s flushes\n",
            lb_report_bytes(disk->written_bytes, word[0]), lb_report_bytes(figures->hour_bytes, word[1]),
            figures->rate_per_day == LB_WEAR_UNKNOWN ? "not yet known how much"
                                                     : lb_report_bytes(figures->rate_per_day, word[2]),
            lb_report_count(disk->writes, word[3]),
            lb_report_count(disk->flushes, (char[LB_REPORT_WORD]) { 0 }));
    if (disk->io_errors > 0) {
        fprintf(out,
                "  the kernel tells of %s errors, the last: ", lb_report_count(disk->io_errors, word[0]));
        lb_report_plain(out, disk->io_error, sizeof disk->io_error);
        fputc('\n', out);
    }
    print_life(disk, figures, out);
    if (figures->looked_bytes > 0)
        print_shares(view, index, out);
}

static void print_own(const struct lb_wear_view *view, FILE *out)
{
    char own[LB_REPORT_WORD], kept[LB_REPORT_WORD];

    fprintf(out, "logboom has written %s to the card, and kept %s of log off it",
            lb_report_bytes(view->own_card_bytes, own), lb_report_bytes(view->kept_off_bytes, kept));
    if (view->hours_left_x10 != LB_WEAR_UNKNOWN)
        fprintf(out, "; there is room for %.1f hours of outage", (double)view->hours_left_x10 / 10);
    fputc('\n', out);
}

void lb_wear_print_text(const struct lb_wear_view *view, uint64_t now_ns, uint64_t hangs_s, FILE *out)
{
    char span[LB_REPORT_WORD];

    if (hangs_s > 0)
        fprintf(out, "A look has not come back for %s: a disk or a process hangs. What follows is older.\n",
                lb_report_span(hangs_s, span));
    if (view->sampled_ns == 0) {
        fputs("Nothing was looked at yet.\n", out);
        return;
    }
    (void)now_ns;
    for (uint32_t disk = 0; disk < view->disks; disk++) {
        print_disk(view, disk, out);
        fputc('\n', out);
    }
    if (view->disks == 0)
        fputs("No disk is watched (see devices in [wear]).\n", out);
    if (view->disks_left_out > 0)
        fprintf(out, "%u more disks are not watched: name those that matter in [wear] devices\n",
                view->disks_left_out);
    print_own(view, out);
    for (uint32_t i = 0; i < view->findings; i++) {
        lb_report_plain(out, view->finding[i].what, sizeof view->finding[i].what);
        fputs("\n  ", out);
        lb_report_plain(out, view->finding[i].advice, sizeof view->finding[i].advice);
        fputc('\n', out);
    }
    if (view->boot_reason[0]) {
        fputs("the machine was started by: ", out);
        lb_report_plain(out, view->boot_reason, sizeof view->boot_reason);
        fputc('\n', out);
    }
    if (view->missing[0]) {
        lb_report_plain(out, view->missing, sizeof view->missing);
        fputc('\n', out);
    }
}
