/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_TOP_H
#define LB_OFFLINE_TOP_H

/*
 * `logboom top`: services, sinks and patterns, live; or as text, where stdout
 * is no terminal. A process of its own: it asks the agent for its status, once
 * an interval, and follows its rings by descriptors that may only be read.
 *   argc, argv  the options of design.md 4 as the client passes them on, argv[0] is not looked at
 *   returns     the exit code: 0 | 1 failed | 2 wrong usage | 3 no agent; ends by SIGTERM or SIGHUP where
 *               that is what ended it
 *   calls       main thread of an offline mode
 */
int lb_offline_top(int argc, char **argv);

#endif
