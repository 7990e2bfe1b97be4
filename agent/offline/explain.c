/* SPDX-License-Identifier: MIT */
/*
 * logboom explain. In: lines on standard input, a configuration. Out: for each record that they make, what it
 * is and by which rule. Always true: the decisions are those of agent/shape, which the agent calls the same
 * way (agent/capture/records.c); the input is read as it comes, and no more of it is held than one record.
 */
#include "agent/offline/explain.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/offline/explain_print.h"
#include "agent/offline/joiner.h"
#include "agent/shape/pattern.h"
#include "agent/shape/repeat.h"
#include "common/clock.h"

#define DEFAULT_FILE "/etc/logboom/logboom.ini"

struct explain {
    struct lb_config *config;
    const struct lb_service_config *settings;
    struct lb_explain_printer printer;
    struct lb_joiner joiner;
    struct lb_commit commit;     /* of the tables of the steps, which lie in memory of our own */
    struct lb_state_file *state; /* only its tables are used */
    struct lb_rules *rules;
    struct lb_limit limit;
    struct lb_pattern_memo memo;
    struct lb_shape_settings shape_settings;
    struct lb_shape_tables tables;
    struct lb_collapse last;
    uint8_t mask_state;
    uint64_t now_ns; /* a clock of its own: a millisecond a record */
    char *mask_room;
    size_t mask_bytes;
};

/* ---- records ---- */

static void note(struct explain *explain, const struct lb_shape_output *out, uint32_t lines)
{
    const struct lb_extra_error *error = &out->extra.error;

    if (out->extra.has_error && out->verdict == LB_SHAPE_QUEUE)
        lb_repeat_seen(&explain->commit, 0, error->fingerprint, out->severity, out->text + error->kind.at,
                       error->kind.len, explain->now_ns);
    if (out->verdict == LB_SHAPE_REPEAT)
        lb_repeat_count(&explain->commit, 0, error->fingerprint, lines, out->len, explain->now_ns);
}

/* Another record: what was collapsed before it would be told now. */
static void forget_count(struct explain *explain)
{
    struct lb_collapse_due due;
    uint32_t row;

    if (lb_collapse_of(&explain->commit, 1, &row, &due))
        lb_collapse_told(&explain->commit, row);
    explain->last.has_count = false;
}

static void on_blank(void *arg)
{
    struct explain *explain = arg;

    lb_explain_print_blank(&explain->printer, explain->joiner.first_number);
}

/* The first `count` lines are a record. */
static void on_record(void *arg, const struct lb_shape *shape, size_t count, bool is_cut)
{
    struct explain *explain = arg;
    struct lb_shape_input in = { .text = explain->joiner.room,
                                 .may_change = true,
                                 .room = explain->joiner.room,
                                 .mask_room = explain->mask_room,
                                 .mask_bytes = explain->mask_bytes,
                                 .mask_state = &explain->mask_state,
                                 .kind = LB_STREAM_STDIN,
                                 .boot_ns = explain->now_ns += LB_NS_PER_MS,
                                 .key = 1,
                                 .last = &explain->last,
                                 .wants_pattern = true };
    struct lb_shape_output out;

    in.len = lb_joiner_text(&explain->joiner, count);
    lb_shape_record(shape, &explain->shape_settings, &explain->tables, &in, &out);
    lb_explain_print(&explain->printer, &out, explain->joiner.first_number, count, is_cut);
    note(explain, &out, (uint32_t)count);
    if (out.verdict == LB_SHAPE_QUEUE && explain->last.has_count)
        forget_count(explain);
    lb_shape_note(&explain->shape_settings, &explain->tables, &in, &out, (uint32_t)count);
    lb_commit_publish(&explain->commit);
}

/* ---- start ---- */

static int load(const char *file, struct lb_config **ret_config)
{
    struct lb_config_faults faults = { 0 };
    int rc = lb_config_load(file, LB_CONFIG_CHECK, ret_config, &faults);

    for (size_t i = 0; i < faults.count; i++)
        fprintf(stderr, "%s\n", faults.text[i]);
    lb_config_faults_free(&faults);
    return rc;
}

static int compile_rules(struct explain *explain)
{
    struct lb_config_faults faults = { 0 };
    int rc = lb_rules_compile(explain->config, &faults, &explain->rules);

    for (size_t i = 0; i < faults.count; i++)
        fprintf(stderr, "%s\n", faults.text[i]);
    lb_config_faults_free(&faults);
    return rc;
}

/* Where there is no configuration the defaults are shown: one that says nothing but where records would go.
 */
static int load_defaults(struct lb_config **ret_config)
{
    static const char text[] = "[sink none]\ntype = file\npath = /dev/null\n";
    char path[64];
    int fd = memfd_create("defaults", MFD_CLOEXEC), rc;

    if (fd < 0 || write(fd, text, sizeof text - 1) != (ssize_t)(sizeof text - 1)) {
        rc = -errno;
    } else {
        fprintf(stderr, "logboom explain: there is no " DEFAULT_FILE ": the defaults are used\n");
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        rc = load(path, ret_config);
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

/* The tables that the agent has in its state file. */
static int make_tables(struct explain *explain)
{
    struct lb_state_file *state = calloc(1, sizeof *state);
    const struct {
        unsigned region;
        size_t offset, bytes;
    } tables[] = {
        { LB_FAST_REPEATS, offsetof(struct lb_state_file, repeats), sizeof state->repeats },
        { LB_FAST_THROTTLE, offsetof(struct lb_state_file, throttle), sizeof state->throttle },
        { LB_FAST_PATTERNS, offsetof(struct lb_state_file, patterns), sizeof state->patterns },
        { LB_FAST_SUPPRESSED, offsetof(struct lb_state_file, suppressed), sizeof state->suppressed },
        { LB_FAST_COLLAPSE, offsetof(struct lb_state_file, collapse), sizeof state->collapse },
    };
    int rc = state ? 0 : -ENOMEM;

    explain->state = state;
    if (rc == 0)
        lb_commit_init(&explain->commit, &state->fast_block, NULL, NULL);
    for (size_t i = 0; rc == 0 && i < sizeof tables / sizeof tables[0]; i++)
        rc = lb_commit_region(&explain->commit, tables[i].region,
                              (uint64_t *)(void *)((char *)state + tables[i].offset),
                              (uint32_t)(tables[i].bytes / sizeof(uint64_t)));
    if (rc == 0)
        lb_limit_open(&explain->limit, &explain->commit);
    explain->tables = (struct lb_shape_tables) { &explain->commit, &explain->limit, &explain->memo };
    return rc;
}

static int start(struct explain *explain, const char *file, const char *service)
{
    bool has_none = !file && access(DEFAULT_FILE, F_OK) != 0 && errno == ENOENT;
    int rc = has_none ? load_defaults(&explain->config) : load(file, &explain->config);
    if (rc != 0)
        return rc == -EINVAL ? 2 : 1;
    explain->settings = lb_config_service(explain->config, service, strlen(service));
    explain->joiner.settings = &explain->settings->capture;
    explain->joiner.arg = explain;
    explain->joiner.on_record = on_record;
    explain->joiner.on_blank = on_blank;
    explain->mask_bytes = lb_joiner_longest(&explain->joiner) * 3 / 2 + 4096;
    explain->mask_room = malloc(explain->mask_bytes);
    explain->printer.service = service;
    rc = compile_rules(explain);
    if (rc != 0)
        return rc == -EINVAL ? 2 : 1;
    explain->printer.rules = lb_rules_of(explain->rules, explain->config, explain->settings);
    explain->shape_settings =
        (struct lb_shape_settings) { &explain->settings->capture, &explain->settings->throttle,
                                     explain->printer.rules };
    return explain->mask_room && lb_joiner_begin(&explain->joiner) == 0 && make_tables(explain) == 0 ? 0 : 1;
}

static void stop(struct explain *explain)
{
    lb_commit_close(&explain->commit);
    lb_rules_free(explain->rules);
    lb_config_free(explain->config);
    free(explain->state);
    free(explain->mask_room);
    lb_joiner_end(&explain->joiner);
}

int lb_offline_explain(int argc, char **argv)
{
    static struct explain explain; /* large, zeroed */
    static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
    const char *file = NULL, *service = "stdin";
    int option, code;

    while ((option = getopt_long(argc, argv, "+c:s:", options, NULL)) != -1) {
        if (option == '?')
            return 2;
        if (option == 'c')
            file = optarg;
        if (option == 's')
            service = optarg;
        explain.printer.is_json |= option == 'j';
    }
    explain.printer.out = stdout;
    explain.printer.has_colors = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    code = start(&explain, file, service);
    if (code == 0)
        code = lb_joiner_read((struct lb_joiner *[]) { &explain.joiner }, 1, STDIN_FILENO, "logboom explain",
                              NULL, NULL);
    if (code == 0 && fflush(stdout) != 0)
        code = 1;
    stop(&explain);
    return code;
}
