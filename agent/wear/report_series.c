/* SPDX-License-Identifier: MIT */
/* Who wrote how much in each bucket. In: the buckets. Out: at most eight parts for each, which add up to what
 * the disk counted. Programs' bytes are kept in KiB, so a bucket's parts may be off by that much: the rest
 * takes it up. */
#include "agent/wear/report_series.h"

#include <string.h>

#include "agent/wear/report_text.h"

#define SHORT_CHARS 15 /* as long as the kernel's own names are */

static uint32_t programs_of(const struct lb_wear_view *view)
{
    return view->programs < LB_WEAR_PROGRAMS ? view->programs : LB_WEAR_PROGRAMS;
}

static bool is_others(const struct lb_program *program)
{
    return strncmp(program->name, "others", sizeof program->name) == 0 && program->unit[0] == '\0';
}

static void choose(const struct lb_wear_view *view, const uint64_t *bytes, struct lb_report_series *series)
{
    bool is_chosen[LB_WEAR_PROGRAMS] = { false };

    for (unsigned rank = 0; rank < LB_REPORT_TOP; rank++) {
        uint32_t best = LB_WEAR_NO_PROGRAM;

        for (uint32_t i = 0; i < programs_of(view); i++) {
            if (is_chosen[i] || bytes[i] == 0 || is_others(&view->program[i]))
                continue;
            if (best == LB_WEAR_NO_PROGRAM || bytes[i] > bytes[best])
                best = i;
        }
        series->program[rank] = best;
        if (best != LB_WEAR_NO_PROGRAM)
            is_chosen[best] = true;
    }
}

void lb_report_parts(const struct lb_wear_view *view, const struct lb_report_series *series,
                     const struct lb_wear_bucket *bucket, uint64_t ret_part[LB_REPORT_PARTS])
{
    uint64_t known = 0, named = 0, whole = bucket->disk_bytes[series->disk];

    for (uint32_t i = 0; i < programs_of(view); i++)
        known += bucket->program_kib[i][series->disk] * 1024ull;
    for (unsigned rank = 0; rank < LB_REPORT_TOP; rank++) {
        uint32_t program = series->program[rank];

        ret_part[rank] =
            program == LB_WEAR_NO_PROGRAM ? 0 : bucket->program_kib[program][series->disk] * 1024ull;
        named += ret_part[rank];
    }
    ret_part[LB_REPORT_OTHER] = known - named;
    ret_part[LB_REPORT_REST] = whole > known ? whole - known : 0;
}

struct lb_report_series lb_report_series(const struct lb_wear_view *view, const struct lb_report_axis *axis,
                                         uint32_t disk)
{
    struct lb_report_series series = { .disk = disk };
    uint64_t bytes[LB_WEAR_PROGRAMS] = { 0 }, part[LB_REPORT_PARTS], sum;

    for (uint32_t b = 0; b < view->buckets && b < LB_WEAR_BUCKETS; b++) {
        if (lb_report_axis_x(axis, &view->bucket[b]) < 0)
            continue;
        for (uint32_t i = 0; i < programs_of(view); i++)
            bytes[i] += view->bucket[b].program_kib[i][disk] * 1024ull;
    }
    choose(view, bytes, &series);
    for (uint32_t b = 0; b < view->buckets && b < LB_WEAR_BUCKETS; b++) {
        if (lb_report_axis_x(axis, &view->bucket[b]) < 0)
            continue;
        lb_report_parts(view, &series, &view->bucket[b], part);
        sum = 0;
        for (unsigned i = 0; i < LB_REPORT_PARTS; i++) {
            series.part[i] += part[i];
            sum += part[i];
        }
        series.total += sum;
        series.peak = sum > series.peak ? sum : series.peak;
    }
    return series;
}

void lb_report_part_name(const struct lb_wear_view *view, const struct lb_report_series *series,
                         unsigned part, bool is_short, FILE *out)
{
    const struct lb_program *program;

    if (part == LB_REPORT_OTHER) {
        fputs("others", out);
        return;
    }
    if (part == LB_REPORT_REST) {
        fputs(is_short ? "unattributed" : "kernel, journal and unattributed", out);
        return;
    }
    program = &view->program[series->program[part]];
    if (is_short)
        lb_report_text_cut(out, program->name, sizeof program->name, SHORT_CHARS);
    else
        lb_report_program(out, program);
}
