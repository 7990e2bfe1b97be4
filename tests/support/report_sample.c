/* SPDX-License-Identifier: MIT */
/*
 * Print the wear report of a machine that there is not, for who looks at it:
 *
 *   report_sample NAME >page.html     one of tests/unit/lib_report.h: busy, fresh, worn, outage, hostile, ...
 */
#include <stdio.h>

#include "agent/wear/report.h"
#include "tests/unit/lib_report.h"

int main(int argc, char **argv)
{
    struct lb_wear_view *view = argc == 2 ? test_wear_view(argv[1]) : NULL;

    if (!view) {
        fputs("report_sample: which view?\n", stderr);
        return 2;
    }
    lb_report_print(view, stdout);
    return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
