/* SPDX-License-Identifier: MIT */
/* The wear report. In: the view. Out: one page, from the answer down to the figures that it rests on, and
 * what could not be seen. It is well-formed XML too, so that anything can check it; it refers to nothing, and
 * its own policy forbids a browser to run or fetch anything, should a name ever get through as markup. */
#include "agent/wear/report.h"

#include "agent/wear/report_chart.h"
#include "agent/wear/report_disk.h"
#include "agent/wear/report_style.h"
#include "agent/wear/report_text.h"
#include "agent/wear/report_verdict.h"
#include "common/clock.h"

static void print_when(const struct lb_wear_view *view, FILE *out)
{
    char up[LB_REPORT_WORD], stamp[LB_REPORT_WORD];

    lb_report_span(view->uptime_s, up);
    if (view->sampled_ns && view->wall_offset_ns)
        fprintf(out, "<p class=\"when\">%s, up for %s</p>\n", lb_report_stamp(view, view->sampled_ns, stamp),
                up);
    else
        fprintf(out, "<p class=\"when\">uptime %s, %s</p>\n", up,
                view->wall_offset_ns ? "no sample yet" : "the clock is not known");
}

static void print_head(const struct lb_wear_view *view, FILE *out)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
          "'unsafe-inline'; "
          "base-uri 'none'; form-action 'none'\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
          "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
          "<meta name=\"format-detection\" content=\"telephone=no\"/>\n<title>Wear of ",
          out);
    lb_report_text(out, view->hostname, sizeof view->hostname);
    fprintf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n<header>\n", lb_report_style);
    fputs("<p class=\"eyebrow\">Who wears this card? A report by logboom " LB_VERSION "</p>\n<h1>", out);
    if (view->hostname[0])
        lb_report_text(out, view->hostname, sizeof view->hostname);
    else
        fputs("This machine", out);
    fputs("</h1>\n", out);
    print_when(view, out);
    lb_report_verdict(view, out);
    fputs("</header>\n", out);
}

static void print_disks(const struct lb_wear_view *view, uint32_t first, FILE *out)
{
    fputs("<section><h2>Disks</h2>\n", out);
    if (view->sampled_ns == 0)
        fputs("<p class=\"empty\">They have not been looked at yet.</p>\n", out);
    else if (first == UINT32_MAX)
        fputs("<p class=\"empty\">No disk is watched: [wear] devices says which.</p>\n", out);
    if (first != UINT32_MAX)
        lb_report_disk(view, first, true, out);
    for (uint32_t disk = 0; disk < view->disks && disk < LB_WEAR_DISKS; disk++) {
        if (disk != first)
            lb_report_disk(view, disk, false, out);
    }
    if (view->disks_left_out)
        fprintf(out, "<p class=\"sub\">%u more %s not watched: there is room for %u.</p>\n",
                view->disks_left_out, view->disks_left_out == 1 ? "disk is" : "disks are", LB_WEAR_DISKS);
    fputs("</section>\n", out);
}

static void print_pair(const char *name, const char *css, uint64_t bytes, uint64_t most, FILE *out)
{
    fprintf(out, "<li><span class=\"who\">%s</span>", name);
    lb_report_bar(out, bytes, most, css);
    fputs("<span class=\"pc\"></span><span class=\"n\">", out);
    lb_report_value(out, bytes);
    fputs("</span></li>\n", out);
}

static void print_outage(uint64_t hours_left_x10, FILE *out)
{
    double hours = (double)hours_left_x10 / 10;

    if (hours_left_x10 == LB_WEAR_UNKNOWN)
        fputs("<p>How long an outage may last before lines are lost is not known.</p>\n", out);
    else if (hours_left_x10 == 0)
        fputs("<p>There is <b>no room left</b>: in an outage, lines are lost from now on.</p>\n", out);
    else
        fprintf(out, "<p>An outage may last <b>%.*f hours</b> from now before lines are lost.</p>\n",
                hours < 100 ? 1 : 0, hours);
}

static void print_kept(const struct lb_wear_view *view, FILE *out)
{
    uint64_t kept = view->kept_off_bytes, own = view->own_card_bytes, most = kept > own ? kept : own;
    char word[LB_REPORT_WORD];

    fputs("<section><h2>What logboom kept off the card</h2>\n<ol class=\"shares\">\n", out);
    print_pair("Log text that was kept off", "p0", kept, most, out);
    print_pair("Written by logboom itself", "ours", own, most, out);
    fputs("</ol>\n", out);
    if (own > 0 && own < kept)
        fprintf(
            out,
            "<p class=\"sub\">What logboom wrote is %s of what log files would have taken at the least: file "
            "systems add to each line.</p>\n",
            lb_report_share(own, kept, word));
    else if (own == 0 && kept > 0)
        fputs("<p class=\"sub\">logboom itself wrote nothing to it; log files would have taken that text and "
              "what "
              "file systems add to each line.</p>\n",
              out);
    print_outage(view->hours_left_x10, out);
    fputs("</section>\n", out);
}

static void print_findings(const struct lb_wear_view *view, FILE *out)
{
    fputs("<section><h2>What could be otherwise</h2>\n", out);
    if (view->findings == 0)
        fputs(view->sampled_ns ? "<p class=\"empty\">Nothing was found that wears a disk without need.</p>\n"
                               : "<p class=\"empty\">Nothing has been looked at yet.</p>\n",
              out);
    for (uint32_t i = 0; i < view->findings && i < LB_WEAR_FINDINGS; i++) {
        fputs("<div class=\"finding\">", out);
        lb_report_text(out, view->finding[i].what, sizeof view->finding[i].what);
        if (view->finding[i].advice[0]) {
            fputs("<p>", out);
            lb_report_text(out, view->finding[i].advice, sizeof view->finding[i].advice);
            fputs("</p>", out);
        }
        fputs("</div>\n", out);
    }
    fputs("</section>\n", out);
}

static void print_unseen(const struct lb_wear_view *view, FILE *out)
{
    char seen[LB_REPORT_WORD], refused[LB_REPORT_WORD];

    fputs("<section><h2>What is seen, and what is not</h2>\n", out);
    if (view->processes_refused)
        fprintf(
            out,
            "<p>Processes seen: %s; of %s it may not be read what they write: that is unattributed.</p>\n",
            lb_report_count(view->processes_seen, seen), lb_report_count(view->processes_refused, refused));
    else if (view->processes_seen)
        fprintf(out, "<p>Processes seen: %s, and all could be read.</p>\n",
                lb_report_count(view->processes_seen, seen));
    if (view->missing[0]) {
        fputs("<p><b>Not seen:</b> ", out);
        lb_report_text(out, view->missing, sizeof view->missing);
        fputs("</p>\n", out);
    } else if (view->sampled_ns) {
        fputs("<p>Nothing that is looked for is out of reach.</p>\n", out);
    }
    fputs("<p>Why the machine started: ", out);
    if (view->boot_reason[0])
        lb_report_text(out, view->boot_reason, sizeof view->boot_reason);
    else
        fputs("the board does not tell", out);
    fputs("</p>\n</section>\n", out);
}

static void print_foot(const struct lb_wear_view *view, FILE *out)
{
    fputs("<footer>Bytes are what the disk was asked to write; inside, flash writes more than that, and "
          "nobody is told "
          "how much. 1 GB is 1,000,000,000 bytes, as on the label of a card.",
          out);
    if (view->cost_ns)
        fprintf(out, " The last look took %.1f ms of processor time.", (double)view->cost_ns / 1e6);
    fputs("</footer>\n</main>\n</body>\n</html>\n", out);
}

void lb_report_print(const struct lb_wear_view *view, FILE *out)
{
    uint32_t first = lb_report_first_disk(view);

    print_head(view, out);
    print_disks(view, first, out);
    lb_report_chart_writes(view, first, out);
    lb_report_chart_lines(view, out);
    print_kept(view, out);
    print_findings(view, out);
    print_unseen(view, out);
    print_foot(view, out);
}
