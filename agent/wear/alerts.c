/* SPDX-License-Identifier: MIT */
/*
 * When to speak up. In: figures, limits, the time. Out: events for records. Always true: each "passed" that
 * was told is followed by one "over", and neither comes twice in a row.
 */
#include "agent/wear/alerts.h"

#include <stdio.h>
#include <string.h>

#include "common/units.h"

#define HOUR_NS      3600000000000ull
#define DAY_S        86400u
#define YEAR_S       (365ull * DAY_S)
#define EOL_STEP     10u /* of ten: its last tenth */
#define EOL_OVER     11u
#define PRE_EOL_WARN 2u

/* A claim about a subject: is its limit passed, and what is to be said. */
struct claim {
    struct lb_wear_event event;
    const char *name;
    bool is_passed;    /* beyond the limit */
    bool is_well;      /* so far below it that it is over */
    bool is_told_anew; /* it has grown worse: told again though it was told */
};

struct look {
    struct lb_alerts *alerts;
    const struct lb_wear_view *view;
    const struct lb_history *history;
    const struct lb_wear_limit_settings *limits;
    uint64_t now_ns;
    struct lb_wear_event *events;
    unsigned count;
};

const char *lb_wear_what_name(enum lb_wear_what what)
{
    static const char *const names[LB_WEAR_WHATS] = {
        "disk", "program", "life", "eol", "read_only", "errors"
    };

    return what < LB_WEAR_WHATS ? names[what] : "unknown";
}

/* ---- subjects ---- */

static struct lb_wear_subject *find(struct lb_alerts *alerts, enum lb_wear_what what, const char *name)
{
    struct lb_wear_subject *place = NULL;

    for (unsigned i = 0; i < LB_ALERTS_SUBJECTS; i++) {
        struct lb_wear_subject *subject = &alerts->subject[i];

        if (subject->name[0] && subject->what == what && strcmp(subject->name, name) == 0)
            return subject;
        /* One that is well and was told long ago makes room. */
        if (!place && (!subject->name[0] || (!subject->is_passed && !subject->is_told)))
            place = subject;
    }
    if (!place)
        return NULL;
    *place = (struct lb_wear_subject) { .what = what };
    snprintf(place->name, sizeof place->name, "%s", name);
    return place;
}

static bool may_leave(const struct lb_alerts *alerts, uint64_t now_ns)
{
    uint64_t oldest_ns = alerts->left_ns[alerts->left % LB_ALERTS_HOUR];

    return alerts->left < LB_ALERTS_HOUR || now_ns >= oldest_ns + HOUR_NS;
}

static bool put(struct look *look, const struct lb_wear_event *event)
{
    struct lb_alerts *alerts = look->alerts;

    if (look->count == LB_ALERTS_AT_ONCE || !may_leave(alerts, look->now_ns))
        return false;
    look->events[look->count++] = *event;
    alerts->left_ns[alerts->left++ % LB_ALERTS_HOUR] = look->now_ns;
    return true;
}

static void judge(struct look *look, struct claim *claim)
{
    struct lb_wear_subject *subject;

    if (!claim->is_passed && claim->is_well) { /* most are, and take no place */
        subject = NULL;
        for (unsigned i = 0; i < LB_ALERTS_SUBJECTS && !subject; i++)
            if (look->alerts->subject[i].what == claim->event.what &&
                strcmp(look->alerts->subject[i].name, claim->name) == 0)
                subject = &look->alerts->subject[i];
        if (!subject)
            return;
    } else {
        subject = find(look->alerts, claim->event.what, claim->name);
    }
    if (!subject)
        return;
    subject->was_seen = true;
    subject->is_passed = claim->is_passed || (subject->is_passed && !claim->is_well);
    claim->event.is_over = !subject->is_passed;
    if (subject->is_passed && (!subject->is_told || claim->is_told_anew)) {
        bool is_soon = subject->told_ns > 0 && look->now_ns < subject->told_ns + HOUR_NS;

        if (is_soon || !put(look, &claim->event))
            return;
        subject->is_told = true;
        subject->told_ns = look->now_ns;
    } else if (!subject->is_passed && subject->is_told && put(look, &claim->event)) {
        subject->is_told = false;
    }
}

/* ---- who is to blame ---- */

static void blame(const struct look *look, uint32_t disk, struct lb_wear_event *event, uint64_t *ret_bytes)
{
    uint64_t most = 0;
    uint32_t who = LB_WEAR_NO_PROGRAM;

    for (uint32_t i = 0; i < look->view->programs; i++) {
        uint64_t bytes = lb_history_program_hour(look->history, i, disk);

        if (bytes > most) {
            most = bytes;
            who = i;
        }
    }
    *ret_bytes = most;
    if (who == LB_WEAR_NO_PROGRAM)
        return;
    snprintf(event->program, sizeof event->program, "%s", look->view->program[who].name);
    snprintf(event->unit, sizeof event->unit, "%s", look->view->program[who].unit);
}

/* "; 71 % of it by python3 (telemetry.service)" */
static void add_blame(struct lb_wear_event *event, uint64_t bytes, uint64_t of)
{
    size_t used = strlen(event->text);

    if (event->program[0] == '\0' || bytes == 0 || of == 0)
        snprintf(event->text + used, sizeof event->text - used,
                 "; by the kernel, or by programs that may not be looked at");
    else
        snprintf(event->text + used, sizeof event->text - used, "; %.0f %% of it by %s%s%s%s",
                 bytes < of ? 100.0 * (double)bytes / (double)of : 100.0, event->program,
                 event->unit[0] ? " (" : "", event->unit, event->unit[0] ? ")" : "");
}

/* ---- claims ---- */

static void look_at_hour(struct look *look, uint32_t disk)
{
    const struct lb_disk *at = &look->view->disk[disk];
    uint64_t limit = look->limits->disk_bytes_per_hour, bytes = look->view->figures[disk].hour_bytes, blamed;
    char size[32], of[32];
    struct claim claim = { .event = { .what = LB_WEAR_DISK, .bytes = bytes, .limit_bytes = limit },
                           .name = at->name };

    if (limit == LB_WEAR_UNKNOWN)
        claim.is_well = true;
    else {
        claim.is_passed = bytes > limit;
        claim.is_well = bytes <= limit / 5 * 4;
    }
    blame(look, disk, &claim.event, &blamed);
    snprintf(claim.event.disk, sizeof claim.event.disk, "%s", at->name);
    lb_units_print_human(bytes, size, sizeof size);
    if (claim.is_well) {
        snprintf(claim.event.text, sizeof claim.event.text,
                 "%s was written %s in the last hour: well below "
                 "[wear] alert again",
                 at->name, size);
    } else {
        snprintf(claim.event.text, sizeof claim.event.text,
                 "%s was written %s in the last hour, [wear] alert "
                 "is %s/h",
                 at->name, size, lb_units_print_human(limit, of, sizeof of));
        add_blame(&claim.event, blamed, bytes);
    }
    judge(look, &claim);
}

static void print_years(uint64_t seconds, char *buf, size_t size)
{
    if (seconds >= 2 * YEAR_S)
        snprintf(buf, size, "%.1f years", (double)seconds / (double)YEAR_S);
    else
        snprintf(buf, size, "%llu days", (unsigned long long)(seconds / DAY_S));
}

static void look_at_life(struct look *look, uint32_t disk)
{
    const struct lb_disk *at = &look->view->disk[disk];
    const struct lb_wear_figures *figures = &look->view->figures[disk];
    uint64_t left_s = figures->life_left_s, blamed;
    char life[32], warn[32], rate[32];
    struct claim claim = { .event = { .what = LB_WEAR_LIFE, .is_grave = left_s == 0 }, .name = at->name };

    if (left_s == LB_WEAR_UNKNOWN || look->limits->life_warn_s == 0)
        claim.is_well = true;
    else {
        claim.is_passed = left_s < look->limits->life_warn_s;
        claim.is_well = left_s >= look->limits->life_warn_s / 4 * 5;
    }
    blame(look, disk, &claim.event, &blamed);
    snprintf(claim.event.disk, sizeof claim.event.disk, "%s", at->name);
    if (claim.is_well) {
        snprintf(claim.event.text, sizeof claim.event.text, "%s will last beyond [wear] life_warn again",
                 at->name);
    } else {
        print_years(left_s, life, sizeof life);
        print_years(look->limits->life_warn_s, warn, sizeof warn);
        snprintf(claim.event.text, sizeof claim.event.text,
                 "%s has %s left at %s a day, [wear] life_warn is %s", at->name, left_s ? life : "no life",
                 lb_units_print_human(figures->rate_per_day, rate, sizeof rate), warn);
        add_blame(&claim.event, blamed, figures->hour_bytes);
    }
    judge(look, &claim);
}

static void look_at_health(struct look *look, uint32_t disk)
{
    const struct lb_disk *at = &look->view->disk[disk];
    unsigned step = at->life_a > at->life_b ? at->life_a : at->life_b;
    struct claim claim = { .event = { .what = LB_WEAR_EOL,
                                      .is_grave = at->pre_eol > PRE_EOL_WARN || step >= EOL_OVER },
                           .name = at->name,
                           .is_passed = at->pre_eol >= PRE_EOL_WARN || step >= EOL_STEP };
    uint64_t blamed;

    claim.is_well = !claim.is_passed;
    blame(look, disk, &claim.event, &blamed);
    snprintf(claim.event.disk, sizeof claim.event.disk, "%s", at->name);
    if (claim.is_well)
        snprintf(claim.event.text, sizeof claim.event.text, "%s no longer says that it nears its end",
                 at->name);
    else if (at->pre_eol >= PRE_EOL_WARN)
        snprintf(claim.event.text, sizeof claim.event.text, "%s says that %u %% of its spare blocks are used",
                 at->name, at->pre_eol > PRE_EOL_WARN ? 90u : 80u);
    else
        snprintf(claim.event.text, sizeof claim.event.text, "%s says that %s of its life is used", at->name,
                 step >= EOL_OVER ? "more than all" : "more than nine tenths");
    if (claim.is_passed)
        add_blame(&claim.event, blamed, look->view->figures[disk].hour_bytes);
    judge(look, &claim);
}

static void look_at_program(struct look *look, uint32_t program)
{
    const struct lb_program *at = &look->view->program[program];
    uint64_t limit = look->limits->program_bytes_per_hour, bytes = 0, most = 0;
    char name[LB_WEAR_NAME + LB_WEAR_UNIT], size[32], of[32];
    struct claim claim = { .event = { .what = LB_WEAR_PROGRAM, .limit_bytes = limit }, .name = name };

    for (uint32_t disk = 0; disk < look->view->disks; disk++) {
        uint64_t there = lb_history_program_hour(look->history, program, disk);

        if (!look->view->disk[disk].is_flash)
            continue;
        bytes += there;
        if (there <= most)
            continue;
        most = there;
        snprintf(claim.event.disk, sizeof claim.event.disk, "%s", look->view->disk[disk].name);
    }
    claim.event.bytes = bytes;
    claim.is_passed = limit != LB_WEAR_UNKNOWN && bytes > limit;
    claim.is_well = limit == LB_WEAR_UNKNOWN || bytes <= limit / 5 * 4;
    snprintf(name, sizeof name, "%s%s%s", at->name, at->unit[0] ? " " : "", at->unit);
    snprintf(claim.event.program, sizeof claim.event.program, "%s", at->name);
    snprintf(claim.event.unit, sizeof claim.event.unit, "%s", at->unit);
    lb_units_print_human(bytes, size, sizeof size);
    snprintf(claim.event.text, sizeof claim.event.text, "%s%s%s%s wrote %s to flash in the last hour%s%s%s",
             at->name, at->unit[0] ? " (" : "", at->unit, at->unit[0] ? ")" : "", size,
             claim.is_well ? ": well below [wear] program_alert again" : ", [wear] program_alert is ",
             claim.is_well ? "" : lb_units_print_human(limit, of, sizeof of), claim.is_well ? "" : "/h");
    judge(look, &claim);
}

static void look_at_filesystem(struct look *look, const struct lb_filesystem *at)
{
    struct claim claim = { .event = { .what = LB_WEAR_READ_ONLY, .is_grave = true }, .name = at->device };
    const char *disk = at->disk < look->view->disks ? look->view->disk[at->disk].name : "";
    uint64_t blamed;

    claim.is_passed = at->is_read_only && at->was_writable;
    claim.is_well = !claim.is_passed;
    snprintf(claim.event.disk, sizeof claim.event.disk, "%s", disk);
    if (at->disk < look->view->disks)
        blame(look, at->disk, &claim.event, &blamed);
    snprintf(claim.event.text, sizeof claim.event.text,
             claim.is_passed ? "%s (%s on %s) has gone read-only: what is written there is lost"
                             : "%s (%s on %s) can be written to again",
             at->point, at->type, at->device);
    judge(look, &claim);
}

/* Errors do not go away: each time that there are more, one alert. */
static void look_at_errors(struct look *look, const struct lb_filesystem *at)
{
    struct claim claim = { .event = { .what = LB_WEAR_ERRORS, .is_grave = true }, .name = at->device };
    struct lb_wear_subject *subject;
    char news[40] = ""; /* what was there at the first look may be old */

    if (at->errors == LB_WEAR_UNKNOWN || at->errors == 0)
        return;
    subject = find(look->alerts, LB_WEAR_ERRORS, at->device);
    if (!subject || at->errors <= subject->value)
        return;
    claim.is_passed = claim.is_told_anew = true;
    snprintf(claim.event.disk, sizeof claim.event.disk, "%s",
             at->disk < look->view->disks ? look->view->disk[at->disk].name : "");
    if (look->alerts->has_looked)
        snprintf(news, sizeof news, ", %llu of them new", (unsigned long long)(at->errors - subject->value));
    snprintf(claim.event.text, sizeof claim.event.text,
             "%s (%s on %s) has counted %llu errors%s: the disk or its contacts fail, or power was cut",
             at->point, at->type, at->device, (unsigned long long)at->errors, news);
    judge(look, &claim);
    if (subject->told_ns == look->now_ns)
        subject->value = at->errors;
}

/* A program or a disk that is not there any more passes no limit. */
static void settle_gone(struct look *look)
{
    for (unsigned i = 0; i < LB_ALERTS_SUBJECTS; i++) {
        struct lb_wear_subject *subject = &look->alerts->subject[i];
        struct lb_wear_event event = { .what = subject->what, .is_over = true };

        if (subject->name[0] && !subject->was_seen && subject->is_told && subject->what != LB_WEAR_ERRORS) {
            snprintf(event.text, sizeof event.text, "%s is not there any more", subject->name);
            if (put(look, &event))
                subject->is_told = subject->is_passed = false;
        }
        subject->was_seen = false;
    }
}

unsigned lb_alerts_look(struct lb_alerts *alerts, const struct lb_wear_view *view,
                        const struct lb_history *history, const struct lb_wear_limit_settings *limits,
                        uint64_t now_ns, struct lb_wear_event *events)
{
    struct look look = { alerts, view, history, limits, now_ns, events, 0 };

    for (uint32_t disk = 0; disk < view->disks; disk++) {
        if (!view->disk[disk].is_present)
            continue;
        look_at_health(&look, disk);
        look_at_hour(&look, disk);
        look_at_life(&look, disk);
    }
    for (uint32_t i = 0; i < view->filesystems; i++) {
        look_at_filesystem(&look, &view->filesystem[i]);
        look_at_errors(&look, &view->filesystem[i]);
    }
    for (uint32_t i = 0; i < view->programs; i++)
        look_at_program(&look, i);
    settle_gone(&look);
    alerts->has_looked = true;
    return look.count;
}
