/* SPDX-License-Identifier: MIT */
/* A plan, printed. In: what engines counted. Out: tables for a person, or JSON. No text of a log goes to a
 * terminal as it is: templates are escaped. */
#include "agent/offline/plan_print.h"

#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/units.h"

#define MONTH_DAYS    30
#define PATTERNS_TEXT 10
#define PATTERNS_JSON 50
/* In columns: nothing is wider than 100 of them. */
#define TEMPLATE_MAX     34
#define NAME_MAX_COLUMNS 14
#define WHY_NAME_COLUMNS 20
#define WHY_BY_COLUMNS   54
#define TITLE_COLUMNS    20
#define MINUTE_MS        60000

/* ---- for a person ---- */

static const char *date_of(uint64_t ms, char buf[32])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(buf, 32, "%F %T", &tm);
    return buf;
}

static void print_row(const struct lb_plan_result *result, const char *name, int name_len,
                      const struct lb_plan_book *book, FILE *out)
{
    double day = lb_plan_a_day(result, book->wire_bytes);
    char bytes[32], wire[32], a_day[32], a_month[32];

    fprintf(out, "  %-14.*s %9llu %9llu %9llu %9llu %10s %10s %10s %10s\n",
            name_len < NAME_MAX_COLUMNS ? name_len : NAME_MAX_COLUMNS, name, (unsigned long long)book->in,
            (unsigned long long)book->kept, (unsigned long long)book->held, (unsigned long long)book->dropped,
            lb_units_print_human(book->in_bytes, bytes, sizeof bytes),
            lb_units_print_human((uint64_t)book->wire_bytes, wire, sizeof wire),
            lb_units_print_human((uint64_t)day, a_day, sizeof a_day),
            lb_units_print_human((uint64_t)(day * MONTH_DAYS), a_month, sizeof a_month));
}

static struct lb_plan_book all_of(const struct lb_plan_engine *engine)
{
    struct lb_plan_book all = lb_plan_book_of(engine, LB_SERVICES_BOOKS);

    all.wire_bytes = (double)engine->sent.wire_bytes;
    return all;
}

/* The same log, all of it kept. */
static struct lb_plan_book unthrottled_of(const struct lb_plan_result *result)
{
    struct lb_plan_book all = lb_plan_book_of(result->plan, LB_SERVICES_BOOKS);

    all.dropped = all.dropped_by[LB_DROP_BLANK];
    all.kept = all.in - all.dropped;
    all.held = 0;
    all.wire_bytes = result->plain->wire_bytes;
    return all;
}

/* The end of a path tells more than its begin. */
static const char *short_name(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash ? slash + 1 : name;
}

static void print_engine_rows(const struct lb_plan_result *result, const struct lb_plan_engine *engine,
                              const char *label, FILE *out)
{
    struct lb_plan_book book = all_of(engine);

    print_row(result, label, (int)strlen(label), &book, out);
    for (unsigned i = 0; lb_plan_services(engine) > 1 && i < lb_plan_services(engine); i++) {
        uint32_t row = lb_plan_service(engine, i);
        const struct lb_state_name *name = &engine->files.state.file->name[row];

        book = lb_plan_book_of(engine, row);
        print_row(result, name->text, (int)name->len, &book, out);
    }
}

static int columns_of(const struct lb_state_name *name, int max)
{
    return (int)name->len < max ? (int)name->len : max;
}

static void print_why(const struct lb_plan_engine *engine, uint32_t row, const struct lb_plan_why *why,
                      bool is_rest, FILE *out)
{
    const struct lb_state_name *name = &engine->files.state.file->name[row];

    fprintf(out, "  %-*.*s %10llu  %-9s %.*s\n", WHY_NAME_COLUMNS, columns_of(name, WHY_NAME_COLUMNS),
            name->text, (unsigned long long)why->lines, is_rest ? "" : lb_drop_name(why->drop),
            WHY_BY_COLUMNS, is_rest ? "(all others)" : why->by);
}

static void print_whys(const struct lb_plan_engine *engine, FILE *out)
{
    const struct lb_plan_tally *tally = &engine->tally;

    if (tally->whys > 0)
        fprintf(out, "\nwhat gave way, and to what\n");
    for (unsigned i = 0; i < tally->whys; i++)
        print_why(engine, tally->why[i].row, &tally->why[i], false, out);
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++)
        if (tally->why_rest[row].lines > 0)
            print_why(engine, row, &tally->why_rest[row], true, out);
}

/*
 * Control characters, and what is no ASCII, as a dot: columns stay columns on any terminal. The time in
 * front, which most lines have, tells nothing.
 */
static void print_template(const struct lb_plan_pattern *pattern, FILE *out)
{
    static const char stamp[] = "<time> ";
    const char *text = pattern->template;
    size_t left = pattern->template_len, len;

    if (pattern->pattern == 0) {
        fputs("(all others)\n", out);
        return;
    }
    if (left >= sizeof stamp && memcmp(text, stamp, sizeof stamp - 1) == 0) {
        text += sizeof stamp - 1;
        left -= sizeof stamp - 1;
    }
    len = left < TEMPLATE_MAX ? left : TEMPLATE_MAX;
    for (size_t i = 0; i < len; i++)
        fputc(text[i] >= ' ' && text[i] < 127 ? text[i] : '.', out);
    fputs(len < left ? "...\n" : "\n", out);
}

/* What is said of how exact the counts are. */
static void print_pattern_title(const struct lb_plan_engine *engine, uint32_t row, FILE *out)
{
    const struct lb_state_name *name = &engine->files.state.file->name[row];

    fprintf(out, "\npatterns of %.*s", columns_of(name, TITLE_COLUMNS), name->text);
    if (lb_plan_tally_is_sampled(&engine->tally, row))
        fprintf(out, ": beyond the first %u, lines that are kept are counted by 1 in %u",
                LB_PLAN_PATTERNS_WHOLE, LB_PLAN_PATTERN_IN);
    fprintf(out, "\n  %8s %8s %7s %7s %7s %7s %9s  %s\n", "lines", "kept", "held", "sampled", "folded",
            "dropped", "bytes", "pattern");
}

static void print_patterns(const struct lb_plan_engine *engine, uint32_t row, FILE *out)
{
    struct lb_plan_pattern best[PATTERNS_TEXT + 1];
    unsigned count = lb_plan_tally_best(&engine->tally, row, best, PATTERNS_TEXT + 1);
    char bytes[32];

    print_pattern_title(engine, row, out);
    for (unsigned i = 0; i < count; i++) {
        const uint64_t *lines = best[i].lines;
        uint64_t folded = lines[LB_PLAN_COLLAPSED] + lines[LB_PLAN_REPEATED];

        fprintf(out, "  %8llu %8llu %7llu %7llu %7llu %7llu %9s  ",
                (unsigned long long)lb_plan_pattern_lines(&best[i]), (unsigned long long)lines[LB_PLAN_KEPT],
                (unsigned long long)lines[LB_PLAN_HELD], (unsigned long long)lines[LB_PLAN_SAMPLED],
                (unsigned long long)folded, (unsigned long long)lines[LB_PLAN_DROPPED],
                lb_units_print_human(best[i].bytes, bytes, sizeof bytes));
        print_template(&best[i], out);
    }
}

static void print_head(const struct lb_plan_result *result, FILE *out)
{
    uint64_t span_ms = result->last_ms - result->first_ms;
    char size[32], first[32], last[32];

    fprintf(out, "%llu lines, %s, from %s to %s UTC (%.1f h)\n", (unsigned long long)result->lines,
            lb_units_print_human(result->bytes, size, sizeof size), date_of(result->first_ms, first),
            date_of(result->last_ms, last), (double)span_ms / 3600000);
    if (result->timed == 0)
        fprintf(out, "no record bears a time: they come one after the other at --rate\n");
    else if (result->timed < result->records)
        fprintf(out,
                "%llu of %llu records bear no time, or a wild one: they have that of the record before\n",
                (unsigned long long)(result->records - result->timed), (unsigned long long)result->records);
    if (span_ms < MINUTE_MS)
        fprintf(out, "less than a minute: what is said of a day is no more than a guess\n");
}

/* How much of it was packed in earnest, 0 to 1. While the twin rests all that is packed is the first one's.
 */
static double unthrottled_measured(const struct lb_plan_result *result)
{
    double first = lb_plan_engine_measured(result->plan),
           own = lb_plan_engine_measured(result->plain->engine);

    return result->plain->phase == LB_TWIN_RESTS || first < own ? first : own;
}

/* What is on the wire is an estimate beyond the first stretch of a log. */
static void print_shares(const struct lb_plan_result *result, FILE *out)
{
    double first = lb_plan_engine_measured(result->plan), own = unthrottled_measured(result);

    if (first < 1 || own < 1)
        fprintf(
            out,
            "What is on the wire is estimated beyond the first bodies, from 1 in %u; packed were %.0f %% of\n"
            "what is sent, unthrottled %.0f %%.\n",
            LB_PLAN_ONE_IN, first * 100, own * 100);
}

void lb_plan_print_text(const struct lb_plan_result *result, FILE *out)
{
    struct lb_plan_book plain = unthrottled_of(result), all = all_of(result->plan);

    print_head(result, out);
    fprintf(out, "\n  %-14s %9s %9s %9s %9s %10s %10s %10s %10s\n", "", "lines", "kept", "held", "dropped",
            "bytes", "on wire", "a day", "a month");
    print_engine_rows(result, result->plan, result->against ? short_name(result->file) : "all", out);
    if (result->against)
        print_engine_rows(result, result->against, short_name(result->against_file), out);
    print_row(result, "unthrottled", 11, &plain, out);
    fprintf(
        out,
        "\nkept: sent, %llu of them as the context of an error. On wire: bodies as the sink packs them,\n"
        "with %u bytes of head each and what TLS adds; %llu bodies, unthrottled %.0f. A month has 30 days.\n",
        (unsigned long long)all.promoted, LB_PLAN_HEAD_BYTES, (unsigned long long)result->plan->sent.bodies,
        result->plain->bodies);
    print_shares(result, out);
    print_whys(result->plan, out);
    for (unsigned i = 0; i < lb_plan_services(result->plan); i++)
        print_patterns(result->plan, lb_plan_service(result->plan, i), out);
}

/* ---- for programs ---- */

static void print_escaped(const char *text, size_t len, FILE *out)
{
    char escaped[6 * LB_TEMPLATE_BYTES + 8];
    size_t part = len < LB_TEMPLATE_BYTES ? len : LB_TEMPLATE_BYTES;

    fprintf(out, "\"%.*s\"", (int)(lb_json_escape(escaped, text, part) - escaped), escaped);
}

static void print_reasons(const char *key, const uint64_t *lines, unsigned from, unsigned count, FILE *out)
{
    fprintf(out, ",\"%s\":{", key);
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "%s\"%s\":%llu", i ? "," : "", lb_drop_name(from + i), (unsigned long long)lines[i]);
    fputc('}', out);
}

static void print_json_why(const struct lb_plan_why *why, const char *reason, const char *before, FILE *out)
{
    fprintf(out, "%s{\"reason\":\"%s\",\"by\":", before, reason);
    print_escaped(why->by, strlen(why->by), out);
    fprintf(out, ",\"lines\":%llu,\"bytes\":%llu}", (unsigned long long)why->lines,
            (unsigned long long)why->bytes);
}

static void print_json_whys(const struct lb_plan_engine *engine, uint32_t row, FILE *out)
{
    const struct lb_plan_tally *tally = &engine->tally;
    const char *before = "";

    fputs(",\"why\":[", out);
    for (unsigned i = 0; i < tally->whys; i++) {
        if (tally->why[i].row != row)
            continue;
        print_json_why(&tally->why[i], lb_drop_name(tally->why[i].drop), before, out);
        before = ",";
    }
    if (tally->why_rest[row].lines > 0)
        print_json_why(&tally->why_rest[row], "others", before, out);
    fputc(']', out);
}

static void print_json_patterns(const struct lb_plan_engine *engine, uint32_t row, FILE *out)
{
    static const char *const fates[LB_PLAN_FATES] = { "kept",      "held",     "sampled",
                                                      "collapsed", "repeated", "dropped" };
    static struct lb_plan_pattern best[PATTERNS_JSON + 1]; /* large */
    unsigned count = lb_plan_tally_best(&engine->tally, row, best, PATTERNS_JSON + 1);

    fputs(",\"patterns\":[", out);
    for (unsigned i = 0; i < count; i++) {
        fprintf(out, "%s{\"pattern\":\"%016llx\",\"template\":", i ? "," : "",
                (unsigned long long)best[i].pattern);
        print_escaped(best[i].template, best[i].template_len, out);
        for (unsigned fate = 0; fate < LB_PLAN_FATES; fate++)
            fprintf(out, ",\"%s\":%llu", fates[fate], (unsigned long long)best[i].lines[fate]);
        fprintf(out, ",\"bytes\":%llu}", (unsigned long long)best[i].bytes);
    }
    fputc(']', out);
}

static void print_json_service(const struct lb_plan_engine *engine, uint32_t row, FILE *out)
{
    const struct lb_state_name *name = &engine->files.state.file->name[row];
    struct lb_plan_book book = lb_plan_book_of(engine, row);

    fprintf(out, "\"%.*s\":{\"in\":%llu,\"in_bytes\":%llu,\"kept\":%llu,\"kept_bytes\":%llu,\"held\":%llu,",
            (int)name->len, name->text, (unsigned long long)book.in, (unsigned long long)book.in_bytes,
            (unsigned long long)book.kept, (unsigned long long)book.kept_bytes,
            (unsigned long long)book.held);
    fprintf(out, "\"dropped\":%llu,\"own\":%llu,\"promoted\":%llu,\"wire_bytes\":%.0f",
            (unsigned long long)book.dropped, (unsigned long long)book.own, (unsigned long long)book.promoted,
            book.wire_bytes);
    print_reasons("held_by", book.held_by, LB_DROP_FILTER, LB_HELD_REASONS, out);
    print_reasons("dropped_by", book.dropped_by, 0, LB_DROP_COUNT, out);
    print_json_whys(engine, row, out);
    fprintf(out, ",\"patterns_one_in\":%u",
            lb_plan_tally_is_sampled(&engine->tally, row) ? LB_PLAN_PATTERN_IN : 1);
    print_json_patterns(engine, row, out);
    fputc('}', out);
}

static void print_wire(const struct lb_plan_result *result, double wire_bytes, double bodies, double measured,
                       FILE *out)
{
    double day = lb_plan_a_day(result, wire_bytes);

    fprintf(out,
            "\"wire_bytes\":%.0f,\"bodies\":%.0f,\"measured\":%.3f,\"wire_day\":%.0f,\"wire_month\":%.0f",
            wire_bytes, bodies, measured, day, day * MONTH_DAYS);
}

static void print_json_engine(const struct lb_plan_result *result, const struct lb_plan_engine *engine,
                              const char *file, FILE *out)
{
    struct lb_plan_book all = all_of(engine);

    fputs("{\"config\":", out);
    print_escaped(file, strlen(file), out);
    fprintf(out, ",\"in\":%llu,\"kept\":%llu,\"held\":%llu,\"dropped\":%llu,\"promoted\":%llu,\"own\":%llu,",
            (unsigned long long)all.in, (unsigned long long)all.kept, (unsigned long long)all.held,
            (unsigned long long)all.dropped, (unsigned long long)all.promoted, (unsigned long long)all.own);
    print_wire(result, (double)engine->sent.wire_bytes, (double)engine->sent.bodies,
               lb_plan_engine_measured(engine), out);
    fprintf(out, ",\"steps\":{\"quota\":%u,\"pressure\":%u},\"services\":{",
            engine->capture.shortage.quota_step, engine->capture.shortage.pressure_step);
    for (unsigned i = 0; i < lb_plan_services(engine); i++) {
        fputs(i ? "," : "", out);
        print_json_service(engine, lb_plan_service(engine, i), out);
    }
    fputs("}}", out);
}

void lb_plan_print_json(const struct lb_plan_result *result, FILE *out)
{
    fprintf(out, "{\"lines\":%llu,\"bytes\":%llu,\"records\":%llu,\"timed\":%llu,\"first_ms\":%llu,",
            (unsigned long long)result->lines, (unsigned long long)result->bytes,
            (unsigned long long)result->records, (unsigned long long)result->timed,
            (unsigned long long)result->first_ms);
    fprintf(out, "\"last_ms\":%llu,\"span_s\":%.3f,\"plan\":", (unsigned long long)result->last_ms,
            (double)(result->last_ms - result->first_ms) / 1000);
    print_json_engine(result, result->plan, result->file, out);
    if (result->against) {
        fputs(",\"against\":", out);
        print_json_engine(result, result->against, result->against_file, out);
    }
    fputs(",\"unthrottled\":{", out);
    print_wire(result, result->plain->wire_bytes, result->plain->bodies, unthrottled_measured(result), out);
    fputs("}}\n", out);
}
