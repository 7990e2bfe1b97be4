/* SPDX-License-Identifier: MIT */
/* Who wrote how much to a disk. In: the programs' bytes since the look began. Out: rows whose bytes add up to
 * what the disk counted in that time: what has no row of its own is in one that says so. */
#include <stdlib.h>

#include "agent/wear/report_disk.h"
#include "agent/wear/report_text.h"

struct row {
    uint64_t bytes;
    uint32_t program;
};

static int by_bytes(const void *left, const void *right)
{
    const struct row *a = left, *b = right;

    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? 1 : -1;
    return (a->program > b->program) - (a->program < b->program);
}

/* What stands behind the name in a row. */
static void print_rest(uint64_t bytes, uint64_t whole, const char *css, FILE *out)
{
    char share[LB_REPORT_WORD];

    fputs("</span>", out);
    lb_report_bar(out, bytes, whole, css);
    fprintf(out, "<span class=\"pc\">%s</span><span class=\"n\">", lb_report_share(bytes, whole, share));
    lb_report_value(out, bytes);
    fputs("</span></li>\n", out);
}

void lb_report_shares(const struct lb_wear_view *view, uint32_t disk, uint32_t rows_max, FILE *out)
{
    const struct lb_wear_figures *figures = &view->figures[disk];
    struct row rows[LB_WEAR_PROGRAMS];
    uint64_t more_bytes = 0;
    uint32_t count = 0;

    for (uint32_t i = 0; i < view->programs && i < LB_WEAR_PROGRAMS; i++) {
        if (view->program[i].bytes[disk] > 0)
            rows[count++] = (struct row) { view->program[i].bytes[disk], i };
    }
    if (figures->looked_bytes == 0 && count == 0) {
        fputs("<p class=\"empty\">Nobody has written to it since it is watched.</p>\n", out);
        return;
    }
    qsort(rows, count, sizeof rows[0], by_bytes);
    fputs("<ol class=\"shares\">\n", out);
    for (uint32_t i = 0; i < count && i < rows_max; i++) {
        const struct lb_program *program = &view->program[rows[i].program];

        fputs("<li><span class=\"who\">", out);
        lb_report_program(out, program);
        fputs(program->is_ours ? " <small>this is logboom</small>" : "", out);
        print_rest(rows[i].bytes, figures->looked_bytes, program->is_ours ? "ours" : "p0", out);
    }
    for (uint32_t i = rows_max; i < count; i++)
        more_bytes += rows[i].bytes;
    if (count > rows_max) {
        fprintf(out, "<li><span class=\"who\">%u more programs", count - rows_max);
        print_rest(more_bytes, figures->looked_bytes, "p6", out);
    }
    fputs("<li><span class=\"who\">kernel, journal and unattributed", out);
    print_rest(figures->unattributed_bytes, figures->looked_bytes, "p7", out);
    fputs("</ol>\n", out);
}
