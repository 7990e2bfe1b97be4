/* SPDX-License-Identifier: MIT */
/* Wear in status, and the agent itself in what is shown of wear. In: both. Out: JSON, a line, members. */
#include "agent/control/status_wear.h"

#include <stdlib.h>
#include <string.h>

#include "agent/control/books.h"
#include "agent/control/status_backlog.h"
#include "agent/control/wear_side.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/units.h"

static const char *state_of(const struct lb_status_source *source, const struct lb_wear_view *view,
                            uint64_t now_ns)
{
    if (lb_wear_side_hangs_ns(source->wear, now_ns) > 0)
        return "hangs";
    return view->sampled_ns > 0 ? "on" : "starting";
}

/* Until the first look nothing is missing. */
static void print_missing(const struct lb_wear_view *view, FILE *out)
{
    char escaped[6 * sizeof view->missing + 32];

    fprintf(
        out, "\"missing\":\"%.*s\"}",
        (int)(lb_json_escape(escaped, view->missing, strnlen(view->missing, sizeof view->missing)) - escaped),
        escaped);
}

void lb_status_print_wear(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    struct lb_wear_view *view = source->wear ? lb_wear_side_view(source->wear) : NULL;

    if (!view) {
        fputs("\"wear\":null", out);
        return;
    }
    fprintf(out, "\"wear\":{\"state\":\"%s\",\"sampled_s\":", state_of(source, view, now_ns));
    if (view->sampled_ns > 0) /* the look may have begun after the turn that asks */
        fprintf(out, "%.3f", now_ns > view->sampled_ns ? (double)(now_ns - view->sampled_ns) / 1e9 : 0.0);
    else
        fputs("null", out);
    fprintf(out, ",\"disks\":%u,\"processes\":{\"seen\":%u,\"refused\":%u},\"cost_ms\":%.3f,", view->disks,
            view->processes_seen, view->processes_refused, (double)view->cost_ns / 1e6);
    print_missing(view, out);
    free(view);
}

void lb_status_print_wear_text(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    struct lb_wear_view *view = source->wear ? lb_wear_side_view(source->wear) : NULL;

    if (!view)
        return;
    fprintf(out, "wear %s, %u disks watched (logboom wear)\n", state_of(source, view, now_ns), view->disks);
    if (view->missing[0])
        fprintf(out, "  %s\n", view->missing);
    free(view);
}

void lb_status_fill_wear(const struct lb_status_source *source, uint64_t now_ns, struct lb_wear_view *view)
{
    struct lb_book *books = calloc(LB_SERVICES_BOOKS, sizeof *books), all = { 0 };
    double hours = lb_status_hours_left(source, now_ns);

    if (books)
        lb_books_read(source, books, &all);
    free(books);
    snprintf(view->hostname, sizeof view->hostname, "%s", source->config->hostname);
    view->own_card_bytes = source->spooler ? source->spooler->budget_spent : 0;
    view->kept_off_bytes = all.in.bytes + all.in.lines; /* each with its line end */
    view->hours_left_x10 = hours >= 0 ? (uint64_t)(hours * 10) : LB_WEAR_UNKNOWN;
}
