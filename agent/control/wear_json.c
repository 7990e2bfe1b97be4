/* SPDX-License-Identifier: MIT */
/* `logboom wear --json`. In: a view. Out: one object. Always true: names from outside are escaped, and what
 * is not known is null. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/control/wear_print.h"
#include "common/clock.h"
#include "common/json.h"

uint32_t lb_wear_order(const struct lb_wear_view *view, uint32_t disk, uint32_t order[LB_WEAR_PROGRAMS])
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < view->programs && i < LB_WEAR_PROGRAMS; i++) {
        uint32_t at = count;

        if (view->program[i].bytes[disk] == 0)
            continue;
        for (; at > 0 && view->program[order[at - 1]].bytes[disk] < view->program[i].bytes[disk]; at--)
            order[at] = order[at - 1];
        order[at] = i;
        count++;
    }
    return count;
}

static void text(FILE *out, const char *key, const char *value, size_t size)
{
    char escaped[2048];
    size_t len = strnlen(value, size);

    len = lb_json_bound(len) <= sizeof escaped ? len : (sizeof escaped - 32) / 6;
    fprintf(out, "\"%s\":\"%.*s\"", key, (int)(lb_json_escape(escaped, value, len) - escaped), escaped);
}

static void number(FILE *out, const char *key, uint64_t value)
{
    if (value == LB_WEAR_UNKNOWN)
        fprintf(out, ",\"%s\":null", key);
    else
        fprintf(out, ",\"%s\":%" PRIu64, key, value);
}

static void flag(FILE *out, const char *key, bool value)
{
    fprintf(out, ",\"%s\":%s", key, value ? "true" : "false");
}

static void print_programs(const struct lb_wear_view *view, uint32_t disk, FILE *out)
{
    uint32_t order[LB_WEAR_PROGRAMS], count = lb_wear_order(view, disk, order);

    fputs(",\"programs\":[", out);
    for (uint32_t i = 0; i < count; i++) {
        const struct lb_program *program = &view->program[order[i]];

        fputs(i ? ",{" : "{", out);
        text(out, "name", program->name, sizeof program->name);
        fputc(',', out);
        text(out, "unit", program->unit, sizeof program->unit);
        flag(out, "ours", program->is_ours);
        number(out, "bytes", program->bytes[disk]);
        fputc('}', out);
    }
    fputc(']', out);
}

static void print_health(const struct lb_disk *disk, FILE *out)
{
    if (disk->life_a == 0 && disk->life_b == 0 && disk->pre_eol == 0)
        fputs(",\"health\":null", out);
    else
        fprintf(out, ",\"health\":{\"a\":%u,\"b\":%u,\"pre_eol\":%u}", disk->life_a, disk->life_b,
                disk->pre_eol);
}

static void print_disk(const struct lb_wear_view *view, uint32_t index, FILE *out)
{
    static const char *const kinds[LB_DISK_KINDS] = { "other", "sd",  "emmc",    "usb", "nvme",
                                                      "sata",  "mtd", "virtual", "loop" };
    const struct lb_disk *disk = &view->disk[index];
    const struct lb_wear_figures *figures = &view->figures[index];

    fputs(index ? ",{" : "{", out);
    text(out, "name", disk->name, sizeof disk->name);
    fputc(',', out);
    text(out, "model", disk->model, sizeof disk->model);
    fputc(',', out);
    text(out, "made", disk->made, sizeof disk->made);
    fprintf(out, ",\"kind\":\"%s\"", kinds[disk->kind < LB_DISK_KINDS ? disk->kind : LB_DISK_OTHER]);
    flag(out, "flash", disk->is_flash);
    fputc(',', out);
    text(out, "why", disk->why, sizeof disk->why);
    flag(out, "present", disk->is_present);
    number(out, "capacity", disk->capacity_bytes ? disk->capacity_bytes : LB_WEAR_UNKNOWN);
    number(out, "unit", disk->unit_bytes ? disk->unit_bytes : LB_WEAR_UNKNOWN);
    number(out, "written", disk->written_bytes);
    number(out, "writes", disk->writes);
    number(out, "flushes", disk->flushes);
    number(out, "hour", figures->hour_bytes);
    number(out, "day", figures->day_bytes);
    number(out, "day_span_s", figures->day_span_s);
    number(out, "rate_per_day", figures->rate_per_day);
    number(out, "lifetime", disk->lifetime_bytes);
    number(out, "endurance", figures->endurance_bytes);
    flag(out, "endurance_told", figures->is_endurance_told);
    number(out, "life_left_s", figures->life_left_s);
    print_health(disk, out);
    number(out, "io_errors", disk->io_errors);
    fputc(',', out);
    text(out, "io_error", disk->io_error, sizeof disk->io_error);
    number(out, "watched", figures->looked_bytes);
    number(out, "unattributed", figures->unattributed_bytes);
    print_programs(view, index, out);
    fputc('}', out);
}

static const char *disk_name(const struct lb_wear_view *view, uint32_t disk)
{
    return disk < view->disks ? view->disk[disk].name : "";
}

static void print_filesystems(const struct lb_wear_view *view, FILE *out)
{
    fputs(",\"filesystems\":[", out);
    for (uint32_t i = 0; i < view->filesystems; i++) {
        const struct lb_filesystem *at = &view->filesystem[i];

        fputs(i ? ",{" : "{", out);
        text(out, "point", at->point, sizeof at->point);
        fputc(',', out);
        text(out, "type", at->type, sizeof at->type);
        fputc(',', out);
        text(out, "device", at->device, sizeof at->device);
        fputc(',', out);
        text(out, "disk", disk_name(view, at->disk), LB_WEAR_NAME);
        flag(out, "read_only", at->is_read_only);
        flag(out, "gone_read_only", at->is_read_only && at->was_writable);
        number(out, "lifetime", at->lifetime_bytes);
        number(out, "errors", at->errors);
        fputc('}', out);
    }
    fputs("],\"findings\":[", out);
    for (uint32_t i = 0; i < view->findings; i++) {
        const struct lb_finding *at = &view->finding[i];

        fputs(i ? ",{" : "{", out);
        text(out, "disk", disk_name(view, at->disk), LB_WEAR_NAME);
        fputc(',', out);
        text(out, "what", at->what, sizeof at->what);
        fputc(',', out);
        text(out, "advice", at->advice, sizeof at->advice);
        fputc('}', out);
    }
    fputc(']', out);
}

/* The clock of who asks may be a little behind that of the look. */
static uint64_t since_s(uint64_t now_ns, uint64_t at_ns)
{
    return now_ns > at_ns ? (now_ns - at_ns) / LB_NS_PER_S : 0;
}

static void print_history(const struct lb_wear_view *view, uint64_t now_ns, FILE *out)
{
    fprintf(out, ",\"history\":{\"step_s\":%" PRIu64 ",\"buckets\":[", view->bucket_s);
    for (uint32_t i = 0; i < view->buckets; i++) {
        const struct lb_wear_bucket *at = &view->bucket[i];

        fprintf(out, "%s{\"at_s\":%" PRIu64 ",\"covered_s\":%u,\"disks\":[", i ? "," : "",
                since_s(now_ns, at->start_ns), at->covered_s);
        for (uint32_t disk = 0; disk < view->disks; disk++)
            fprintf(out, "%s%" PRIu64, disk ? "," : "", at->disk_bytes[disk]);
        fputc(']', out);
        number(out, "lines_in", at->lines_in);
        number(out, "lines_delivered", at->lines_delivered);
        number(out, "lines_lost", at->lines_lost);
        number(out, "body_bytes", at->body_bytes);
        number(out, "backlog", at->backlog_permille);
        number(out, "ring", at->ring_permille);
        flag(out, "away", at->was_away);
        fputc('}', out);
    }
    fputs("]}", out);
}

void lb_wear_print_json(const struct lb_wear_view *view, uint64_t now_ns, uint64_t hangs_s, FILE *out)
{
    bool is_known = view->sampled_ns > 0;

    fputc('{', out);
    text(out, "hostname", view->hostname, sizeof view->hostname);
    number(out, "sampled_s", is_known ? since_s(now_ns, view->sampled_ns) : LB_WEAR_UNKNOWN);
    number(out, "uptime_s", now_ns / LB_NS_PER_S);
    number(out, "watched_s", is_known ? (view->sampled_ns - view->began_ns) / LB_NS_PER_S : 0);
    number(out, "hangs_s", hangs_s);
    fputc(',', out);
    text(out, "boot_reason", view->boot_reason, sizeof view->boot_reason);
    fputc(',', out);
    text(out, "missing", view->missing, sizeof view->missing);
    fputs(",\"disks\":[", out);
    for (uint32_t disk = 0; disk < view->disks; disk++)
        print_disk(view, disk, out);
    fputc(']', out);
    number(out, "disks_left_out", view->disks_left_out);
    print_filesystems(view, out);
    fprintf(out, ",\"own\":{\"card_bytes\":%" PRIu64 ",\"kept_off_bytes\":%" PRIu64 "}", view->own_card_bytes,
            view->kept_off_bytes);
    if (view->hours_left_x10 == LB_WEAR_UNKNOWN)
        fputs(",\"hours_left\":null", out);
    else
        fprintf(out, ",\"hours_left\":%.1f", (double)view->hours_left_x10 / 10);
    fprintf(out, ",\"processes\":{\"seen\":%u,\"refused\":%u},\"cost_ms\":%.3f", view->processes_seen,
            view->processes_refused, (double)view->cost_ns / 1e6);
    print_history(view, now_ns, out);
    fputs("}\n", out);
}
