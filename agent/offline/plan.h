/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PLAN_H
#define LB_OFFLINE_PLAN_H

/*
 * `logboom plan`: what a configuration would keep, hold and ship of a log on
 * standard input, or of what the agent holds now, and what that costs.
 *   argc, argv  the options of design.md 4 as the client passes them on, argv[0] is not looked at
 *   returns     the exit code: 0 | 1 failed | 2 wrong usage or configuration | 3 --ring: no agent
 *   calls       main thread of an offline mode
 */
int lb_offline_plan(int argc, char **argv);

#endif
