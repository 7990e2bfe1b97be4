/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_EXPLAIN_H
#define LB_OFFLINE_EXPLAIN_H

/*
 * `logboom explain`: what each line on standard input would become, and why:
 * through the agent's own shaping steps, without an agent. Nothing is sent.
 *   argc, argv  the options of design.md 4 as the client passes them on, argv[0] is not looked at
 *   returns     the exit code: 0 | 1 failed | 2 wrong usage or configuration
 *   calls       main thread of an offline mode
 */
int lb_offline_explain(int argc, char **argv);

#endif
