/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_TAIL_H
#define LB_OFFLINE_TAIL_H

/*
 * `logboom tail`: what is in the ring, the delivered part that is still there
 * included. A process of its own that maps the ring for reading; the agent
 * only hands over the descriptors.
 *   argc, argv  the options of design.md 4 as the client passes them on, argv[0] is not looked at
 *   returns     the exit code: 0 | 1 failed | 2 wrong usage | 3 no agent
 *   calls       main thread of an offline mode
 */
int lb_offline_tail(int argc, char **argv);

#endif
