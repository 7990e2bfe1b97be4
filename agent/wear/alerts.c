/* SPDX-License-Identifier: MIT */
/*
 * When to speak up. In: figures, limits, the time. Out: events for records. Always true: each "passed" that
 * was told is followed by one "over", also when its disk or program goes; what finds no room waits, and what
 * has gone by while it waited is not told at all. A place is not given away within an hour after it was told:
 * it is what keeps a thing that comes and goes from being told each time.
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
    const char *name, *unit;
    bool is_passed; /* beyond the limit */
    bool is_well;   /* so far below it that it is over */
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

static struct lb_wear_subject *find(struct lb_alerts *alerts, enum lb_wear_what what, const char *name,
                                    const char *unit)
{
    for (unsigned i = 0; i < LB_ALERTS_SUBJECTS; i++) {
        struct lb_wear_subject *subject = &alerts->subject[i];

        if (subject->is_used && subject->what == what && strcmp(subject->name, name) == 0 &&
            strcmp(subject->unit, unit) == 0)
            return subject;
    }
    return NULL;
}

/* Has it nothing to remember? */
static bool is_free(const struct lb_wear_subject *subject, uint64_t now_ns)
{
    return !subject->is_used || (!subject->is_passed && !subject->is_told && !subject->is_kept &&
                                 (subject->told_ns == 0 || now_ns >= subject->told_ns + HOUR_NS));
}

/* That of a name, or a new one; NULL: all remember something. */
static struct lb_wear_subject *take(const struct look *look, enum lb_wear_what what, const char *name,
                                    const char *unit)
{
    struct lb_wear_subject *subject = find(look->alerts, what, name, unit);

    for (unsigned i = 0; i < LB_ALERTS_SUBJECTS && !subject; i++) {
        if (!is_free(&look->alerts->subject[i], look->now_ns))
            continue;
        subject = &look->alerts->subject[i];
        *subject = (struct lb_wear_subject) { .what = what, .is_used = true };
        snprintf(subject->name, sizeof subject->name, "%s", name);
        snprintf(subject->unit, sizeof subject->unit, "%s", unit);
    }
    return subject;
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

/* That it is passed: at most once an hour. */
static bool tell(struct look *look, struct lb_wear_subject *subject, const struct lb_wear_event *event)
{
    bool is_soon = subject->told_ns > 0 && look->now_ns < subject->told_ns + HOUR_NS;

    if (is_soon || !put(look, event))
        return false;
    subject->is_told = true;
    subject->is_grave = event->is_grave;
    subject->told_ns = look->now_ns;
    return true;
}

static void judge(struct look *look, struct claim *claim)
{
    struct lb_wear_event *event = &claim->event;
    struct lb_wear_subject *subject;

    /* Most are well, and take no place. */
    subject = claim->is_passed ? take(look, event->what, claim->name, claim->unit)
                               : find(look->alerts, event->what, claim->name, claim->unit);
    if (!subject)
        return;
    subject->was_seen = true;
    snprintf(subject->disk, sizeof subject->disk, "%s", event->disk);
    subject->is_passed = claim->is_passed || (subject->is_passed && !claim->is_well);
    event->is_over = !subject->is_passed;
    event->is_grave &= subject->is_passed;
    if (subject->is_passed && (!subject->is_told || (event->is_grave && !subject->is_grave)))
        tell(look, subject, event);
    else if (!subject->is_passed && subject->is_told && put(look, event))
        subject->is_told = subject->is_grave = false;
}

/* ---- who is to blame ---- */

/*
 * Who wrote most to a disk in the last hour, and how much of it:
 * "; 71 % of it by python3 (telemetry.service)". Nothing was written: nobody.
 *   what      the part is of
 */
static void blame(const struct look *look, uint32_t disk, const char *what, struct lb_wear_event *event)
{
    uint64_t most = 0, all = look->view->figures[disk].hour_bytes;
    const struct lb_program *who = NULL;
    size_t used = strlen(event->text);

    for (uint32_t i = 0; i < look->view->programs; i++) {
        uint64_t bytes = lb_history_program_hour(look->history, i, disk);

        if (bytes > most) {
            most = bytes;
            who = &look->view->program[i];
        }
    }
    if (all == 0)
        return;
    if (!who) {
        snprintf(event->text + used, sizeof event->text - used,
                 "; written by the kernel, or by programs that may not be looked at");
        return;
    }
    snprintf(event->program, sizeof event->program, "%s", who->name);
    snprintf(event->unit, sizeof event->unit, "%s", who->unit);
    snprintf(event->text + used, sizeof event->text - used, "; %.0f %% of %s by %s%s%s%s",
             most < all ? 100.0 * (double)most / (double)all : 100.0, what, event->program,
             event->unit[0] ? " (" : "", event->unit, event->unit[0] ? ")" : "");
}

/* ---- claims about disks ---- */

static struct claim about_disk(enum lb_wear_what what, const struct lb_disk *disk)
{
    struct claim claim = { .event = { .what = what }, .name = disk->name, .unit = "" };

    snprintf(claim.event.disk, sizeof claim.event.disk, "%s", disk->name);
    return claim;
}

/* A disk that turns, or that of a virtual machine, is worn by nobody, unless somebody has named it. */
static bool wears(const struct look *look, const struct lb_disk *disk)
{
    return disk->is_flash || look->limits->are_named;
}

static void look_at_hour(struct look *look, uint32_t disk)
{
    const struct lb_disk *at = &look->view->disk[disk];
    uint64_t limit = look->limits->disk_bytes_per_hour, bytes = look->view->figures[disk].hour_bytes;
    bool is_off = limit == LB_WEAR_UNKNOWN || !wears(look, at);
    struct claim claim = about_disk(LB_WEAR_DISK, at);
    char size[32], of[32];

    claim.event.bytes = bytes;
    claim.event.limit_bytes = is_off ? 0 : limit;
    claim.is_passed = !is_off && bytes > limit;
    claim.is_well = is_off || bytes <= limit / 5 * 4;
    lb_units_print_human(bytes, size, sizeof size);
    snprintf(claim.event.text, sizeof claim.event.text, "%s was written %s in the last hour%s%s%s", at->name,
             size,
             is_off          ? ", [wear] alert is off"
             : claim.is_well ? ": well below [wear] alert again"
                             : ", [wear] alert is ",
             claim.is_well ? "" : lb_units_print_human(limit, of, sizeof of), claim.is_well ? "" : "/h");
    if (claim.is_passed)
        blame(look, disk, "it", &claim.event);
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
    uint64_t left_s = figures->life_left_s, warn_s = look->limits->life_warn_s;
    char life[32], warn[32], rate[32];
    struct claim claim = about_disk(LB_WEAR_LIFE, at);

    claim.event.is_grave = left_s == 0;
    claim.is_well = left_s == LB_WEAR_UNKNOWN || warn_s == 0 || left_s >= warn_s / 4 * 5;
    claim.is_passed = !claim.is_well && left_s < warn_s;
    print_years(left_s, life, sizeof life);
    print_years(warn_s, warn, sizeof warn);
    if (claim.is_well)
        snprintf(claim.event.text, sizeof claim.event.text,
                 warn_s == 0 ? "%s: [wear] life_warn is off"
                             : "%s is no longer said to end before [wear] life_warn",
                 at->name);
    else
        snprintf(claim.event.text, sizeof claim.event.text,
                 "%s has %s left at %s a day, [wear] life_warn is %s", at->name, left_s ? life : "no life",
                 lb_units_print_human(figures->rate_per_day, rate, sizeof rate), warn);
    if (claim.is_passed)
        blame(look, disk, "the last hour's bytes", &claim.event);
    judge(look, &claim);
}

static void look_at_health(struct look *look, uint32_t disk)
{
    const struct lb_disk *at = &look->view->disk[disk];
    unsigned step = at->life_a > at->life_b ? at->life_a : at->life_b;
    struct claim claim = about_disk(LB_WEAR_EOL, at);

    claim.event.is_grave = at->pre_eol > PRE_EOL_WARN || step >= EOL_OVER;
    claim.is_passed = at->pre_eol >= PRE_EOL_WARN || step >= EOL_STEP;
    claim.is_well = !claim.is_passed;
    if (claim.is_well)
        snprintf(claim.event.text, sizeof claim.event.text, "%s no longer says that it nears its end",
                 at->name);
    else if (step >= EOL_OVER || at->pre_eol < PRE_EOL_WARN)
        snprintf(claim.event.text, sizeof claim.event.text, "%s says that %s of its life is used", at->name,
                 step >= EOL_OVER ? "more than all" : "more than nine tenths");
    else
        snprintf(claim.event.text, sizeof claim.event.text, "%s says that %u %% of its spare blocks are used",
                 at->name, at->pre_eol > PRE_EOL_WARN ? 90u : 80u);
    if (claim.is_passed)
        blame(look, disk, "the last hour's bytes", &claim.event);
    judge(look, &claim);
}

/* ---- claims about programs and file systems ---- */

static void look_at_program(struct look *look, uint32_t program)
{
    const struct lb_program *at = &look->view->program[program];
    uint64_t limit = look->limits->program_bytes_per_hour, bytes = 0, most = 0;
    bool is_off = limit == LB_WEAR_UNKNOWN;
    struct claim claim = { .event = { .what = LB_WEAR_PROGRAM, .limit_bytes = is_off ? 0 : limit },
                           .name = at->name,
                           .unit = at->unit };
    char size[32], of[32];

    for (uint32_t disk = 0; disk < look->view->disks; disk++) {
        uint64_t there =
            wears(look, &look->view->disk[disk]) ? lb_history_program_hour(look->history, program, disk) : 0;

        bytes += there;
        if (there <= most)
            continue;
        most = there;
        snprintf(claim.event.disk, sizeof claim.event.disk, "%s", look->view->disk[disk].name);
    }
    claim.event.bytes = bytes;
    claim.is_passed = !is_off && bytes > limit;
    claim.is_well = is_off || bytes <= limit / 5 * 4;
    snprintf(claim.event.program, sizeof claim.event.program, "%s", at->name);
    snprintf(claim.event.unit, sizeof claim.event.unit, "%s", at->unit);
    lb_units_print_human(bytes, size, sizeof size);
    snprintf(claim.event.text, sizeof claim.event.text, "%s%s%s%s wrote %s to flash in the last hour%s%s%s",
             at->name, at->unit[0] ? " (" : "", at->unit, at->unit[0] ? ")" : "", size,
             is_off          ? ", [wear] program_alert is off"
             : claim.is_well ? ": well below [wear] program_alert again"
                             : ", [wear] program_alert is ",
             claim.is_well ? "" : lb_units_print_human(limit, of, sizeof of), claim.is_well ? "" : "/h");
    judge(look, &claim);
}

static const char *disk_of(const struct look *look, const struct lb_filesystem *at)
{
    return at->disk < look->view->disks ? look->view->disk[at->disk].name : "";
}

static void look_at_filesystem(struct look *look, const struct lb_filesystem *at)
{
    struct claim claim = { .event = { .what = LB_WEAR_READ_ONLY, .is_grave = true },
                           .name = at->device,
                           .unit = "" };

    claim.is_passed = at->is_read_only && at->was_writable;
    claim.is_well = !claim.is_passed;
    snprintf(claim.event.disk, sizeof claim.event.disk, "%s", disk_of(look, at));
    snprintf(claim.event.text, sizeof claim.event.text,
             claim.is_passed ? "%s (%s on %s) has gone read-only: what is written there is lost"
                             : "%s (%s on %s) can be written to again",
             at->point, at->type, at->device);
    judge(look, &claim);
}

/*
 * Errors do not go away: each time that there are more, one alert. Those of before we looked are not new.
 *   name, by     what has them, and who says so
 *   front, back  what stands in the text before and behind the count
 */
static void judge_errors(struct look *look, const char *name, const char *by, uint64_t errors,
                         const char *disk, const char *front, const char *back)
{
    struct lb_wear_event event = { .what = LB_WEAR_ERRORS, .is_grave = true };
    struct lb_wear_subject *subject = take(look, LB_WEAR_ERRORS, name, by);
    uint64_t before;
    char news[40] = "";

    if (!subject)
        return;
    if (!subject->is_kept)
        subject->first = errors;
    subject->is_kept = subject->was_seen = true;
    if (errors < subject->first) /* it was mended, or made anew: the count begins at nothing */
        subject->first = errors;
    if (errors < subject->value)
        subject->value = errors;
    if (errors == subject->value)
        return;
    before = subject->value > subject->first ? subject->value : subject->first;
    snprintf(event.disk, sizeof event.disk, "%s", disk);
    if (errors > before)
        snprintf(news, sizeof news, ", %llu of them new", (unsigned long long)(errors - before));
    snprintf(event.text, sizeof event.text, "%s %llu errors%s%s", front, (unsigned long long)errors, news,
             back);
    if (tell(look, subject, &event))
        subject->value = errors;
}

static void look_at_errors(struct look *look, const struct lb_filesystem *at)
{
    char front[160];

    if (at->errors == LB_WEAR_UNKNOWN)
        return;
    snprintf(front, sizeof front, "%.60s (%s on %s) has counted", at->point, at->type, at->device);
    judge_errors(look, at->device, "", at->errors, disk_of(look, at), front,
                 ": the disk or its contacts fail, or power was cut");
}

/* The kernel's own words on a disk. */
static void look_at_kernel(struct look *look, const struct lb_disk *at)
{
    char front[80], back[sizeof at->io_error + 4];

    snprintf(front, sizeof front, "%s: the kernel tells of", at->name);
    snprintf(back, sizeof back, ": %s", at->io_error);
    judge_errors(look, at->name, "kernel", at->io_errors, at->name, front, back);
}

/* ---- what went ---- */

static struct lb_wear_event event_of_gone(const struct lb_wear_subject *subject)
{
    struct lb_wear_event event = { .what = subject->what, .is_over = true };
    bool is_program = subject->what == LB_WEAR_PROGRAM;

    snprintf(event.disk, sizeof event.disk, "%s", subject->disk);
    if (is_program) {
        snprintf(event.program, sizeof event.program, "%s", subject->name);
        snprintf(event.unit, sizeof event.unit, "%s", subject->unit);
    }
    snprintf(event.text, sizeof event.text, "%s%s%s%s is not %s any more", subject->name,
             subject->unit[0] ? " (" : "", subject->unit, subject->unit[0] ? ")" : "",
             is_program ? "one of those that write most" : "there");
    return event;
}

/* A program or a disk that is not there any more passes no limit. */
static void settle_gone(struct look *look)
{
    for (unsigned i = 0; i < LB_ALERTS_SUBJECTS; i++) {
        struct lb_wear_subject *subject = &look->alerts->subject[i];
        struct lb_wear_event event;

        if (subject->is_used && !subject->was_seen) {
            event = event_of_gone(subject);
            subject->is_passed = subject->is_kept = false;
            if (subject->what == LB_WEAR_ERRORS || (subject->is_told && put(look, &event)))
                subject->is_told = subject->is_grave = false;
        }
        subject->was_seen = false;
    }
}

unsigned lb_alerts_look(struct lb_alerts *alerts, const struct lb_wear_view *view,
                        const struct lb_history *history, const struct lb_wear_limit_settings *limits,
                        uint64_t now_ns, struct lb_wear_event *events)
{
    struct look look = { alerts, view, history, limits, now_ns, events, 0 };

    /* What is grave comes first: there may be room for one only. */
    for (uint32_t i = 0; i < view->filesystems; i++) {
        look_at_filesystem(&look, &view->filesystem[i]);
        look_at_errors(&look, &view->filesystem[i]);
    }
    for (uint32_t disk = 0; disk < view->disks; disk++)
        if (view->disk[disk].is_present) {
            look_at_kernel(&look, &view->disk[disk]);
            look_at_health(&look, disk);
            look_at_life(&look, disk);
        }
    for (uint32_t disk = 0; disk < view->disks; disk++)
        if (view->disk[disk].is_present)
            look_at_hour(&look, disk);
    for (uint32_t i = 0; i < view->programs; i++)
        look_at_program(&look, i);
    settle_gone(&look);
    return look.count;
}
