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
#include "agent/shape/pattern.h"
#include "agent/shape/repeat.h"
#include "common/clock.h"

#define DEFAULT_FILE "/etc/logboom/logboom.ini"

/* A line that is in no record yet. */
struct line {
    size_t at, len; /* in the text */
    uint32_t raw_len;
    bool is_cut;
};

struct explain {
    struct lb_config *config;
    const struct lb_service_config *settings;
    struct lb_explain_printer printer;
    struct lb_shape shape;
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
    struct line *line;
    size_t lines, line_room, shown; /* those before `shown` were shown to the steps */
    char *text;
    size_t text_len, text_room;
    char *room;
    uint64_t first_number; /* of line[0], from 1 */
};

/* ---- records ---- */

/* The text of the first `count` lines, joined. */
static size_t join(struct explain *explain, size_t count)
{
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            explain->room[len++] = '\n';
        memcpy(explain->room + len, explain->text + explain->line[i].at, explain->line[i].len);
        len += explain->line[i].len;
    }
    return len;
}

static void forget(struct explain *explain, size_t count)
{
    size_t from = count < explain->lines ? explain->line[count].at : explain->text_len;

    memmove(explain->text, explain->text + from, explain->text_len - from);
    memmove(explain->line, explain->line + count, (explain->lines - count) * sizeof *explain->line);
    explain->text_len -= from;
    explain->lines -= count;
    for (size_t i = 0; i < explain->lines; i++)
        explain->line[i].at -= from;
    explain->first_number += count;
    explain->shown = 0;
}

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

/* The first `count` lines are a record. */
static void tell(struct explain *explain, const struct lb_shape *shape, size_t count, bool is_cut)
{
    struct lb_shape_input in = { .text = explain->room,
                                 .may_change = true,
                                 .room = explain->room,
                                 .mask_room = explain->mask_room,
                                 .mask_bytes = explain->mask_bytes,
                                 .mask_state = &explain->mask_state,
                                 .kind = LB_STREAM_STDIN,
                                 .boot_ns = explain->now_ns += LB_NS_PER_MS,
                                 .key = 1,
                                 .last = &explain->last,
                                 .wants_pattern = true };
    struct lb_shape_output out;

    in.len = join(explain, count);
    lb_shape_record(shape, &explain->shape_settings, &explain->tables, &in, &out);
    lb_explain_print(&explain->printer, &out, explain->first_number, count, is_cut);
    note(explain, &out, (uint32_t)count);
    if (out.verdict == LB_SHAPE_QUEUE && explain->last.has_count)
        forget_count(explain);
    lb_shape_note(&explain->shape_settings, &explain->tables, &in, &out, (uint32_t)count);
    lb_commit_publish(&explain->commit);
    forget(explain, count);
}

static void close_record(struct explain *explain)
{
    struct lb_shape *shape = &explain->shape;
    bool is_cut = shape->is_full || shape->is_continued;

    if (shape->lines > 0)
        tell(explain, shape, shape->lines, is_cut);
    lb_shape_closed(shape);
    explain->shown = 0;
}

static void tell_alone(struct explain *explain, const struct line *line)
{
    struct lb_shape alone;

    if (explain->shape.lines + explain->shape.held > 0) {
        close_record(explain);
        return;
    }
    if (line->len == 0) {
        lb_explain_print_blank(&explain->printer, explain->first_number);
        forget(explain, 1);
        return;
    }
    lb_shape_message(&alone, explain->text + line->at, line->len, -1);
    tell(explain, &alone, 1, line->is_cut);
}

/* Show the lines that were not shown yet, until they are all part of the record that is open, or gone. */
static void go_on(struct explain *explain)
{
    while (explain->shown < explain->lines) {
        const struct line *line = &explain->line[explain->shown];

        if (line->is_cut || explain->settings->capture.multiline == LB_JOIN_OFF) {
            tell_alone(explain, line);
            continue;
        }
        switch (lb_shape_line(&explain->shape, &explain->settings->capture, explain->text + line->at,
                              line->len, line->raw_len)) {
        case LB_SHAPE_BLANK:
            lb_explain_print_blank(&explain->printer, explain->first_number);
            forget(explain, 1);
            break;
        case LB_SHAPE_KEEP:
            explain->shown++;
            break;
        case LB_SHAPE_CLOSE:
            close_record(explain);
            break;
        }
    }
}

static void finish(struct explain *explain)
{
    do {
        close_record(explain);
        go_on(explain);
    } while (explain->lines > 0);
}

/* ---- input ---- */

static bool grow(void **memory, size_t *room, size_t need, size_t size)
{
    size_t wanted = *room * 2 > need ? *room * 2 : need + 64;
    void *more;

    if (need <= *room)
        return true;
    more = realloc(*memory, wanted * size);
    if (!more)
        return false;
    *memory = more;
    *room = wanted;
    return true;
}

/* Add one line, or a piece of one. false: out of memory */
static bool add(struct explain *explain, const char *text, size_t len, size_t raw_len, bool is_cut)
{
    if (!grow((void **)&explain->line, &explain->line_room, explain->lines + 1, sizeof *explain->line) ||
        !grow((void **)&explain->text, &explain->text_room, explain->text_len + len, 1))
        return false;
    explain->line[explain->lines++] =
        (struct line) { .at = explain->text_len, .len = len, .raw_len = (uint32_t)raw_len, .is_cut = is_cut };
    if (len > 0)
        memcpy(explain->text + explain->text_len, text, len);
    explain->text_len += len;
    return true;
}

/* A line as it was read, its end included: in pieces where it is longer than max_line. */
static bool take(struct explain *explain, const char *text, size_t raw_len)
{
    size_t most = explain->settings->capture.max_line_bytes, len = raw_len;
    bool is_long;

    if (len > 0 && text[len - 1] == '\n')
        len--;
    if (len > 0 && text[len - 1] == '\r')
        len--;
    is_long = len > most;
    do {
        size_t part = len < most ? len : most;

        if (!add(explain, text, part, is_long ? part : raw_len, is_long))
            return false;
        text += part;
        len -= part;
        go_on(explain);
    } while (len > 0);
    return true;
}

static int read_all(struct explain *explain, FILE *in)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t got;
    int code = 0;

    while (code == 0 && (got = getline(&text, &room, in)) > 0)
        if (!take(explain, text, (size_t)got))
            code = 1;
    free(text);
    if (code == 0)
        finish(explain);
    if (code != 0 || ferror(in)) {
        fprintf(stderr, "logboom explain: %s\n", code ? "out of memory" : "cannot read standard input");
        return 1;
    }
    return fflush(stdout) == 0 ? 0 : 1;
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
    size_t longest;

    if (rc != 0)
        return rc == -EINVAL ? 2 : 1;
    explain->settings = lb_config_service(explain->config, service, strlen(service));
    longest = explain->settings->capture.join_bytes + explain->settings->capture.max_line_bytes;
    explain->room = malloc(longest + 1);
    explain->mask_bytes = longest + longest / 2 + 4096;
    explain->mask_room = malloc(explain->mask_bytes);
    explain->first_number = 1;
    explain->printer.service = service;
    rc = compile_rules(explain);
    if (rc != 0)
        return rc == -EINVAL ? 2 : 1;
    explain->printer.rules = lb_rules_of(explain->rules, explain->config, explain->settings);
    explain->shape_settings =
        (struct lb_shape_settings) { &explain->settings->capture, &explain->settings->throttle,
                                     explain->printer.rules };
    return explain->room && explain->mask_room && make_tables(explain) == 0 ? 0 : 1;
}

static void stop(struct explain *explain)
{
    lb_commit_close(&explain->commit);
    lb_rules_free(explain->rules);
    lb_config_free(explain->config);
    free(explain->state);
    free(explain->mask_room);
    free(explain->room);
    free(explain->line);
    free(explain->text);
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
        code = read_all(&explain, stdin);
    stop(&explain);
    return code;
}
