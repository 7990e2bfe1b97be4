/* SPDX-License-Identifier: MIT */
/*
 * logboom plan. In: a log, one or two configurations. Out: what they make of it, side by side with what it
 * would cost without a throttle. Always true: the log is read once, and no more of it is held than a record,
 * and those whose time only later ones can tell.
 *
 *     line ─▶ joiner of each configuration ─▶ record ─▶ its time ─▶ engine
 *                                                               `──▶ the one without a throttle
 */
#include "agent/offline/plan.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/offline/joiner.h"
#include "agent/offline/plan_clock.h"
#include "agent/offline/plan_print.h"
#include "agent/offline/plan_queue.h"
#include "agent/offline/plan_twin.h"
#include "agent/offline/ring_reader.h"
#include "agent/store/extra.h"
#include "common/clock.h"
#include "common/line_time.h"
#include "common/log.h"
#include "common/units.h"

#define DEFAULT_FILE  "/etc/logboom/logboom.ini"
#define RATE_DEFAULT  (10 * 86400ull) /* a day */
#define WAITING_BYTES (64u << 10)     /* of records that wait for their time, at most */
#define MS_PER_DAY    86400000.0
#define TELL_EVERY    (4u << 20) /* bytes between looks at the clock for the progress line */
#define TELL_EVERY_NS LB_NS_PER_S

struct plan;

/* A configuration at work. */
struct side {
    struct plan *plan;
    const char *file;
    struct lb_config *config, *plain_config; /* until an engine has them */
    struct lb_rules *rules, *plain_rules;
    struct lb_plan_engine *engine, *plain; /* NULL: before the first record; plain: of the first side only */
    struct lb_plan_twin twin;              /* feeds plain */
    struct lb_joiner joiner;
    struct lb_plan_clock clock;
    struct lb_plan_queue queue;                         /* of records that wait for their time */
    uint64_t first_ms, last_ms, timed, records, blanks; /* blanks: before there is an engine */
    bool has_failed;
};

struct plan {
    struct side side[2];
    unsigned sides;
    const char *service; /* of the lines; of a ring no other one is taken where has_service */
    bool has_service, is_json, is_ring, has_progress;
    uint64_t rate_per_day, lines, bytes, told_at;
    uint64_t told_ns;
};

/* ---- records ---- */

/* Lines that are in no record. */
static void put_blanks(struct side *side, uint64_t count)
{
    const char *service = side->plan->service;

    for (; count > 0; count--) {
        lb_plan_engine_blank(side->engine, service, strlen(service));
        if (side->plain)
            lb_plan_engine_blank(side->plain, service, strlen(service));
    }
}

static bool start_engines(struct side *side, uint64_t wall_ms)
{
    if (!side->engine) {
        side->engine = lb_plan_engine_new(side->config, side->rules, false, wall_ms);
        side->config = NULL;
        side->rules = NULL;
    }
    if (side->engine && !side->plain && side->plain_config) {
        side->plain = lb_plan_engine_new(side->plain_config, side->plain_rules, true, wall_ms);
        side->plain_config = NULL;
        side->plain_rules = NULL;
        side->twin.engine = side->plain;
    }
    if (!side->engine || (!side->plain && side == side->plan->side))
        return false;
    put_blanks(side, side->blanks);
    side->blanks = 0;
    return true;
}

static void put(struct side *side, const char *service, size_t service_len, const struct lb_shape *shape,
                char *text, size_t len, bool is_cut, uint64_t wall_ms)
{
    if (side->records++ == 0)
        side->first_ms = wall_ms;
    side->last_ms = wall_ms;
    if (side->has_failed || !start_engines(side, wall_ms)) {
        side->has_failed = true;
        return;
    }
    side->has_failed =
        !lb_plan_engine_put(side->engine, service, service_len, shape, text, len, is_cut, wall_ms);
    if (!side->has_failed && side->plain)
        side->has_failed =
            !lb_plan_twin_put(&side->twin, side->engine, service, service_len, shape->lines, is_cut, wall_ms);
}

static void put_line(struct side *side, const struct lb_shape *shape, char *text, size_t len, bool is_cut,
                     uint64_t wall_ms)
{
    put(side, side->plan->service, strlen(side->plan->service), shape, text, len, is_cut, wall_ms);
}

/* Those that waited, as far as it is known by now when they happened. */
static void put_waiting(struct side *side)
{
    uint64_t wall_ms;

    while (!side->has_failed && lb_plan_clock_take(&side->clock, &wall_ms)) {
        char *text;
        const struct lb_plan_queued *record = lb_plan_queue_take(&side->queue, &text);

        put_line(side, &record->shape, text, record->len, record->is_cut, wall_ms);
    }
}

static void on_record(void *arg, const struct lb_shape *shape, size_t count, bool is_cut)
{
    struct side *side = arg;
    struct lb_joiner *joiner = &side->joiner;
    const struct lb_joiner_line *first = &joiner->line[0];
    size_t len = lb_joiner_text(joiner, count);
    uint64_t wall_ms;

    if (side->has_failed)
        return;
    lb_plan_clock_add(&side->clock, lb_line_time_of(joiner->text + first->at, first->len));
    if (side->queue.count == 0 && lb_plan_clock_take(&side->clock, &wall_ms)) { /* as nearly all do */
        put_line(side, shape, joiner->room, len, is_cut, wall_ms);
        return;
    }
    if (!lb_plan_queue_put(&side->queue, shape, joiner->room, len, is_cut)) {
        side->has_failed = true;
        return;
    }
    if (side->queue.len > WAITING_BYTES)
        lb_plan_clock_decide(&side->clock);
    put_waiting(side);
}

static void on_blank(void *arg)
{
    struct side *side = arg;

    if (side->engine)
        put_blanks(side, 1);
    else
        side->blanks++;
}

/* The log has ended: no later record tells when the last ones happened. */
static int put_rest(struct plan *plan)
{
    bool has_failed = false;

    for (unsigned i = 0; i < plan->sides; i++) {
        struct side *side = &plan->side[i];

        lb_plan_clock_decide(&side->clock);
        put_waiting(side);
        side->timed += lb_plan_clock_timed(&side->clock);
        has_failed |= side->has_failed;
    }
    return has_failed ? 1 : 0;
}

/* ---- input ---- */

static void tell_progress(struct plan *plan)
{
    uint64_t now_ns;
    char size[32];

    if (!plan->has_progress || plan->bytes < plan->told_at + TELL_EVERY)
        return;
    now_ns = lb_clock_boot_ns();
    plan->told_at = plan->bytes;
    if (now_ns < plan->told_ns + TELL_EVERY_NS)
        return;
    plan->told_ns = now_ns;
    fprintf(stderr, "\rlogboom plan: %s, %llu lines ", lb_units_print_human(plan->bytes, size, sizeof size),
            (unsigned long long)plan->lines);
}

/* Before a part of a line is taken. false: an engine has failed */
static bool on_part(void *arg, size_t len, bool is_end)
{
    struct plan *plan = arg;

    plan->lines += is_end;
    plan->bytes += len;
    tell_progress(plan);
    return !plan->side[0].has_failed && !plan->side[1].has_failed;
}

static int read_log(struct plan *plan)
{
    struct lb_joiner *joiners[] = { &plan->side[0].joiner, &plan->side[1].joiner };
    int code = lb_joiner_read(joiners, plan->sides, STDIN_FILENO, "logboom plan", on_part, plan);

    if (plan->told_ns > 0)
        fprintf(stderr, "\r%60s\r", "");
    return plan->side[0].has_failed || plan->side[1].has_failed ? 1 : code;
}

static bool is_asked_for(const struct plan *plan, const struct lb_record *record)
{
    return !plan->has_service || (strlen(plan->service) == record->service_len &&
                                  memcmp(plan->service, lb_record_service(record), record->service_len) == 0);
}

static void put_held(struct plan *plan, const struct lb_record *record)
{
    struct lb_shape shape;
    uint32_t len;
    const char *text = lb_record_text(record, &len);
    uint64_t offset_ns = lb_clock_wall_ns() - lb_clock_boot_ns();

    if (!is_asked_for(plan, record))
        return;
    plan->lines += record->lines;
    plan->bytes += len;
    for (unsigned i = 0; i < plan->sides; i++) {
        struct side *side = &plan->side[i];
        uint64_t wall_ms = (record->boot_ns + offset_ns) / LB_NS_PER_MS;

        side->timed++;
        if (len > lb_joiner_longest(&side->joiner))
            len = (uint32_t)lb_joiner_longest(&side->joiner);
        memcpy(side->joiner.room, text, len);
        lb_shape_message(&shape, side->joiner.room, len, record->severity);
        put(side, lb_record_service(record), record->service_len, &shape, side->joiner.room, len,
            record->flags & LB_RECORD_CUT, wall_ms > side->last_ms ? wall_ms : side->last_ms);
    }
}

/* What the agent has queued and held, in the order of time. */
static int read_ring(struct plan *plan)
{
    struct lb_ring_reader reader = { .wants_backlog = true, .wish = { .level = -1 } };
    const struct lb_record *queued = NULL, *held;
    int rc = lb_ring_reader_open(&reader);
    uint64_t ring_id;

    if (rc < 0) {
        fprintf(stderr, "logboom plan: the agent cannot be reached: %s\n", strerror(-rc));
        return rc == -EPROTO ? 1 : 3;
    }
    for (;;) {
        held = lb_held_reader_peek(&reader.held);
        if (!queued)
            queued = lb_ring_reader_next(&reader, &ring_id);
        if (!held && !queued)
            break;
        if (held && (!queued || held->boot_ns < queued->boot_ns)) {
            put_held(plan, held);
            lb_held_reader_take(&reader.held);
            continue;
        }
        if (queued->kind == LB_KIND_LINE)
            put_held(plan, queued);
        queued = NULL;
    }
    lb_ring_reader_close(&reader);
    return plan->side[0].has_failed ? 1 : 0;
}

/* ---- start ---- */

static int load(const char *file, struct lb_config **ret_config, struct lb_rules **ret_rules)
{
    struct lb_config_faults faults = { 0 };
    int rc = lb_config_load(file, LB_CONFIG_CHECK, ret_config, &faults);

    if (rc == 0)
        rc = lb_rules_compile(*ret_config, &faults, ret_rules);
    for (size_t i = 0; i < faults.count; i++)
        fprintf(stderr, "%s\n", faults.text[i]);
    lb_config_faults_free(&faults);
    return rc == 0 ? 0 : rc == -EINVAL ? 2 : 1;
}

/* Where there is no configuration the defaults are planned with, and Datadog as the sink. */
static int load_or_default(const char *file, struct lb_config **ret_config, struct lb_rules **ret_rules)
{
    static const char text[] = "[sink datadog]\ntype = datadog\n";
    char path[64];
    int fd, code = 1;

    if (file || access(DEFAULT_FILE, F_OK) == 0 || errno != ENOENT)
        return load(file, ret_config, ret_rules);
    fd = memfd_create("defaults", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)(sizeof text - 1))
        code = load(path, ret_config, ret_rules);
    if (fd >= 0)
        close(fd);
    return code;
}

static int start_side(struct plan *plan, const char *file, bool has_plain)
{
    struct side *side = &plan->side[plan->sides];
    int code = load_or_default(file, &side->config, &side->rules);

    if (code == 0 && has_plain)
        code = load_or_default(file, &side->plain_config, &side->plain_rules);
    if (code != 0)
        return code;
    if (!file && access(DEFAULT_FILE, F_OK) != 0)
        fprintf(stderr, "logboom plan: there is no " DEFAULT_FILE ": the defaults are used\n");
    side->plan = plan;
    side->file = file ? file : DEFAULT_FILE;
    side->joiner.settings = &lb_config_service(side->config, plan->service, strlen(plan->service))->capture;
    side->joiner.arg = side;
    side->joiner.on_record = on_record;
    side->joiner.on_blank = on_blank;
    lb_plan_clock_begin(&side->clock, lb_clock_wall_ns() / LB_NS_PER_MS,
                        MS_PER_DAY / (double)plan->rate_per_day);
    plan->sides++;
    return lb_joiner_begin(&side->joiner) == 0 ? 0 : 1;
}

static void stop_side(struct side *side)
{
    lb_plan_engine_free(side->engine);
    lb_plan_engine_free(side->plain);
    lb_rules_free(side->rules);
    lb_rules_free(side->plain_rules);
    lb_config_free(side->config);
    lb_config_free(side->plain_config);
    lb_joiner_end(&side->joiner);
    lb_plan_queue_free(&side->queue);
}

/* ---- end ---- */

static int print_result(struct plan *plan)
{
    const struct side *first = &plan->side[0], *second = &plan->side[1];
    struct lb_plan_result result = { .plan = first->engine,
                                     .against = plan->sides > 1 ? second->engine : NULL,
                                     .plain = &first->twin,
                                     .file = first->file,
                                     .against_file = second->file,
                                     .lines = plan->lines,
                                     .bytes = plan->bytes,
                                     .first_ms = first->first_ms,
                                     .last_ms = first->last_ms,
                                     .timed = first->timed,
                                     .records = first->records };

    if (!first->engine || !first->plain) {
        fprintf(stderr, "logboom plan: there are no lines%s\n", plan->is_ring ? " in queue and held" : "");
        return 1;
    }
    for (unsigned i = 0; i < plan->sides; i++)
        if (plan->side[i].engine)
            lb_plan_engine_finish(plan->side[i].engine);
    lb_plan_twin_finish(&plan->side[0].twin, first->engine);
    errno = 0;
    if (plan->is_json)
        lb_plan_print_json(&result, stdout);
    else
        lb_plan_print_text(&result, stdout);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    fprintf(stderr, "logboom plan: cannot write: %s\n", strerror(errno));
    return 1;
}

static int read_options(struct plan *plan, int argc, char **argv, const char **ret_file,
                        const char **ret_against)
{
    static const struct option options[] = { { "json", no_argument, NULL, 'j' },
                                             { "ring", no_argument, NULL, 'r' },
                                             { "rate", required_argument, NULL, 'R' },
                                             { "against", required_argument, NULL, 'a' },
                                             { 0 } };
    int option;

    while ((option = getopt_long(argc, argv, "+c:s:", options, NULL)) != -1) {
        if (option == '?')
            return 2;
        if (option == 'c')
            *ret_file = optarg;
        if (option == 's')
            plan->service = optarg;
        plan->has_service |= option == 's';
        if (option == 'a')
            *ret_against = optarg;
        plan->is_json |= option == 'j';
        plan->is_ring |= option == 'r';
        if (option == 'R' && (lb_units_rate(optarg, &plan->rate_per_day) != 0 || plan->rate_per_day == 0)) {
            fprintf(stderr, "logboom plan: --rate takes lines in a time, like 200/s or 20/min, not %s\n",
                    optarg);
            return 2;
        }
    }
    return 0;
}

int lb_offline_plan(int argc, char **argv)
{
    static struct plan plan; /* large, zeroed */
    const char *file = NULL, *against = NULL;
    int code;

    plan.service = "stdin";
    plan.rate_per_day = RATE_DEFAULT;
    plan.has_progress = isatty(STDERR_FILENO);
    lb_log_set_level(LB_LEVEL_CRITICAL); /* what a shipper would tell of its sink is not of the plan */
    code = read_options(&plan, argc, argv, &file, &against);
    if (code == 0 && !plan.is_ring && isatty(STDIN_FILENO))
        fprintf(stderr, "logboom plan: reading lines from the terminal; a log comes as logboom plan < LOG\n");
    if (code == 0)
        code = start_side(&plan, file, true);
    if (code == 0 && against)
        code = start_side(&plan, against, false);
    if (code == 0)
        code = plan.is_ring ? read_ring(&plan) : read_log(&plan);
    if (code == 0)
        code = put_rest(&plan);
    if (code == 0)
        code = print_result(&plan);
    for (unsigned i = 0; i < 2; i++)
        stop_side(&plan.side[i]);
    return code;
}
