/* SPDX-License-Identifier: MIT */
/* What `logboom explain` prints. In: a record as the steps made it. Out: a paragraph, or a JSON object. */
#include "agent/offline/explain_print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shape/pattern.h"
#include "agent/shape/redact.h"
#include "common/json.h"
#include "common/level.h"

#define TEMPLATE_MAX 256
#define MASKS_MAX    64

/* By level: from emergency to debug. */
static const char *const colors[LB_LEVEL_COUNT] = { "\033[1;35m", "\033[1;35m", "\033[1;31m", "\033[31m",
                                                    "\033[33m",   "\033[36m",   "\033[32m",   "\033[2m" };
#define PLAIN "\033[0m"
#define FAINT "\033[2m"

static const char *verdict(const struct lb_shape_output *record)
{
    static const char *const names[] = { "queue", "repeat", "collapse", "hold", "drop" };

    return names[record->verdict];
}

/* ---- for programs ---- */

static void json_text(FILE *out, const char *key, const char *text, size_t len)
{
    char *escaped = malloc(lb_json_bound(len));

    if (!escaped)
        return; /* the member is missing, which a reader sees */
    fprintf(out, ",\"%s\":\"%.*s\"", key, (int)(lb_json_escape(escaped, text, len) - escaped), escaped);
    free(escaped);
}

static void json_error(FILE *out, const struct lb_shape_output *record)
{
    const struct lb_extra_error *error = &record->extra.error;

    fprintf(out, ",\"error\":{\"fingerprint\":\"%016" PRIx64 "\"", error->fingerprint);
    json_text(out, "kind", record->text + error->kind.at, error->kind.len);
    json_text(out, "message", record->text + error->message.at, error->message.len);
    fprintf(out, "},\"new\":%s", record->is_new ? "true" : "false");
}

/* Which rules masked something: names, never what. */
static void json_masks(FILE *out, const struct lb_explain_printer *printer,
                       const struct lb_shape_output *record)
{
    const char *before = "";

    fputs(",\"redacted\":[", out);
    for (unsigned i = 0; i < MASKS_MAX; i++) {
        if (!(record->masked_by >> i & 1))
            continue;
        fprintf(out, "%s\"%s\"", before, lb_redact_rule_name(printer->rules->redact, i));
        before = ",";
    }
    fputc(']', out);
}

static void json_throttle(FILE *out, const struct lb_explain_printer *printer,
                          const struct lb_shape_output *record)
{
    char text[TEMPLATE_MAX];

    if (record->masked_by)
        json_masks(out, printer, record);
    fprintf(out, ",\"pattern\":\"%016" PRIx64 "\"", record->pattern);
    json_text(out, "template", text, lb_pattern_template(record->text, record->len, text, sizeof text));
    json_text(out, "by", record->by, strlen(record->by));
    if (record->is_trigger)
        fputs(",\"trigger\":true", out);
}

static void print_json(const struct lb_explain_printer *printer, const struct lb_shape_output *record,
                       uint64_t first, size_t lines, bool is_cut)
{
    const struct lb_extra_trace *trace = &record->extra.trace;
    FILE *out = printer->out;

    fprintf(out,
            "{\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"lines\":%zu,\"status\":\"%s\",\"rule\":\"%s\"",
            first, first + lines - 1, lines, lb_level_name(record->severity), record->rule);
    fprintf(out, ",\"joined\":\"%s\",\"verdict\":\"%s\",\"cut\":%s", record->why, verdict(record),
            is_cut ? "true" : "false");
    json_text(out, "service", printer->service, strlen(printer->service));
    if (record->extra.has_error)
        json_error(out, record);
    if (record->extra.has_trace) {
        json_text(out, "trace_id", record->text + trace->trace_id.at, trace->trace_id.len);
        json_text(out, "span_id", record->text + trace->span_id.at, trace->span_id.len);
    }
    json_throttle(out, printer, record);
    json_text(out, "message", record->text, record->len);
    fputs("}\n", out);
}

/* ---- for people ---- */

/* The text, line by line behind a margin, without what a terminal would act on. */
static void print_text(FILE *out, const char *margin, const char *text, size_t len)
{
    bool is_start = true;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (is_start)
            fputs(margin, out);
        is_start = c == '\n';
        if (c == '\n' || c == '\t' || (c >= ' ' && c != 0x7f))
            fputc(c, out);
        else
            fprintf(out, "\\x%02x", c);
    }
    fputc('\n', out);
}

static void print_error(const struct lb_explain_printer *printer, const struct lb_shape_output *record)
{
    const struct lb_extra_error *error = &record->extra.error;

    fprintf(printer->out, "  error %.*s, fingerprint %016" PRIx64 "%s\n", (int)error->kind.len,
            record->text + error->kind.at, error->fingerprint,
            record->verdict == LB_SHAPE_REPEAT ? ": counted, not sent again within repeat_window"
            : record->is_new                   ? ": new"
                                               : "");
}

static void print_throttle(const struct lb_explain_printer *printer, const struct lb_shape_output *record)
{
    char text[TEMPLATE_MAX];
    size_t len = lb_pattern_template(record->text, record->len, text, sizeof text);

    if (record->masked_by) {
        fputs("  redacted by", printer->out);
        for (unsigned i = 0; i < MASKS_MAX; i++)
            if (record->masked_by >> i & 1)
                fprintf(printer->out, " %s", lb_redact_rule_name(printer->rules->redact, i));
        fputc('\n', printer->out);
    }
    fprintf(printer->out, "  pattern %016" PRIx64, record->pattern);
    print_text(printer->out, ": ", text, len);
    if (record->by[0])
        fprintf(printer->out, "  %s: %s%s\n", verdict(record), record->by,
                record->is_trigger ? "; brings along what was held before" : "");
}

static void print_paragraph(const struct lb_explain_printer *printer, const struct lb_shape_output *record,
                            uint64_t first, size_t lines, bool is_cut)
{
    const struct lb_extra_trace *trace = &record->extra.trace;
    const char *color = printer->has_colors ? colors[record->severity] : "";
    const char *plain = printer->has_colors ? PLAIN : "";

    if (lines == 1)
        fprintf(printer->out, "%" PRIu64, first);
    else
        fprintf(printer->out, "%" PRIu64 "-%" PRIu64, first, first + lines - 1);
    fprintf(printer->out, ": %s%s%s (%s), service %s, %s", color, lb_level_name(record->severity), plain,
            record->rule, printer->service, verdict(record));
    if (lines > 1)
        fprintf(printer->out, ", %zu lines joined%s%s", lines, record->why[0] ? ": " : "", record->why);
    fprintf(printer->out, "%s\n", is_cut ? ", cut" : "");
    if (record->extra.has_error)
        print_error(printer, record);
    if (record->extra.has_trace)
        fprintf(printer->out, "  trace %.*s\n", (int)trace->trace_id.len, record->text + trace->trace_id.at);
    print_throttle(printer, record);
    print_text(printer->out, "    ", record->text, record->len);
}

void lb_explain_print(const struct lb_explain_printer *printer, const struct lb_shape_output *record,
                      uint64_t first, size_t lines, bool is_cut)
{
    (printer->is_json ? print_json : print_paragraph)(printer, record, first, lines, is_cut);
}

void lb_explain_print_blank(const struct lb_explain_printer *printer, uint64_t number)
{
    if (printer->is_json)
        fprintf(printer->out,
                "{\"first\":%" PRIu64 ",\"last\":%" PRIu64
                ",\"lines\":1,\"verdict\":\"drop\",\"reason\":\"blank\"}\n",
                number, number);
    else
        fprintf(printer->out, "%" PRIu64 ": %sblank, dropped%s\n", number, printer->has_colors ? FAINT : "",
                printer->has_colors ? PLAIN : "");
}
