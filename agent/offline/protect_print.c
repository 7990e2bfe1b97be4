/* SPDX-License-Identifier: MIT */
/* What `logboom protect` prints. In: a plan. Out: paragraphs for people, or one JSON object. */
#include "agent/offline/protect_print.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"

#define INDENT 13 /* of texts, behind their labels */

/* ---- for people ---- */

/* Characters, not bytes. */
static unsigned width_of(const char *text, size_t len)
{
    unsigned width = 0;

    for (size_t i = 0; i < len; i++)
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
    return width;
}

/* A label, then the text, broken between words. */
static void print_wrapped(FILE *out, const char *label, const char *text, unsigned columns)
{
    unsigned at = INDENT;

    if (text[0] == '\0')
        return;
    fprintf(out, "   %-*s", INDENT - 3, label);
    for (bool is_first = true; *text; is_first = false) {
        size_t len = strcspn(text, " ");
        unsigned width = width_of(text, len);

        if (!is_first && at + 1 + width > columns) {
            fprintf(out, "\n%*s", INDENT, "");
            at = INDENT;
        } else if (!is_first) {
            fputc(' ', out);
            at++;
        }
        fprintf(out, "%.*s", (int)len, text);
        at += width;
        text += len;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void print_end(const struct lb_protect_plan *plan, FILE *out)
{
    size_t would = 0, done = 0;

    for (size_t i = 0; i < plan->count; i++) {
        would += plan->finding[i].state == LB_PROTECT_WOULD;
        done += plan->finding[i].state == LB_PROTECT_DONE;
    }
    if (plan->left_out > 0)
        fprintf(out, "%zu more of the same kind are not shown.\n", plan->left_out);
    if (plan->unreadable > 0)
        fprintf(out, "%u file%s of settings could not be read: too large, or for root alone.\n",
                plan->unreadable, plan->unreadable == 1 ? "" : "s");
    if (plan->count == 0)
        fputs("Nothing was found here that wears flash.\n", out);
    if (would > 0)
        fprintf(out, "%zu of %zu can be quieted now: logboom protect --apply (and --undo takes it back).\n",
                would, plan->count);
    if (done > 0)
        fprintf(out, "%zu of %zu %s quieted: logboom protect --undo takes it back.\n", done, plan->count,
                done == 1 ? "is" : "are");
}

void lb_protect_print(const struct lb_protect_plan *plan, FILE *out, unsigned columns)
{
    static const char *const labels[] = { [LB_PROTECT_WOULD] = "--apply:",
                                          [LB_PROTECT_DONE] = "done:",
                                          [LB_PROTECT_BY_HAND] = "by hand:",
                                          [LB_PROTECT_BLOCKED] = "blocked:" };

    fprintf(out, "%s\n\n", plan->ground);
    for (size_t i = 0; i < plan->count; i++) {
        const struct lb_protect_finding *finding = &plan->finding[i];

        fprintf(out, "%zu. %s\n", i + 1, finding->title);
        print_wrapped(out, "seen:", finding->known, columns);
        print_wrapped(out, "cost:", finding->cost, columns);
        print_wrapped(out, labels[finding->state], finding->action, columns);
        fputc('\n', out);
    }
    print_end(plan, out);
}

/* ---- for programs ---- */

static void print_text(FILE *out, const char *before, const char *key, const char *text)
{
    size_t len = strlen(text);
    char *escaped = malloc(lb_json_bound(len));

    if (!escaped)
        return; /* the member is missing, which a reader sees */
    fprintf(out, "%s\"%s\":\"%.*s\"", before, key, (int)(lb_json_escape(escaped, text, len) - escaped),
            escaped);
    free(escaped);
}

void lb_protect_print_json(const struct lb_protect_plan *plan, FILE *out)
{
    static const char *const states[] = { [LB_PROTECT_WOULD] = "would",
                                          [LB_PROTECT_DONE] = "done",
                                          [LB_PROTECT_BY_HAND] = "by_hand",
                                          [LB_PROTECT_BLOCKED] = "blocked" };

    print_text(out, "{", "ground", plan->ground);
    fprintf(out, ",\"unreadable\":%u,\"left_out\":%zu,\"findings\":[", plan->unreadable, plan->left_out);
    for (size_t i = 0; i < plan->count; i++) {
        const struct lb_protect_finding *finding = &plan->finding[i];

        print_text(out, i > 0 ? ",{" : "{", "id", finding->id);
        print_text(out, ",", "state", states[finding->state]);
        print_text(out, ",", "title", finding->title);
        print_text(out, ",", "known", finding->known);
        print_text(out, ",", "cost", finding->cost);
        print_text(out, ",", "action", finding->action);
        fputc('}', out);
    }
    fputs("]}\n", out);
}
