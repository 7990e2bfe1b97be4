/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_REPORT_STYLE_H
#define LB_WEAR_REPORT_STYLE_H

/*
 * The style of the report, as it stands in its <style>: light, dark and print,
 * from a phone's width up. Text has a contrast of 4.5 or more on what it stands
 * on; the colours of the parts are told apart by who sees few colours, and none
 * of them is all that tells something.
 *   calls    any thread; a constant
 */
extern const char lb_report_style[];

#endif
