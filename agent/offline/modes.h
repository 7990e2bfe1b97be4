/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_MODES_H
#define LB_OFFLINE_MODES_H

/*
 * Run the offline mode that the first argument asks for, as the thin client
 * does for subcommands that need the agent's rooms.
 *   returns  its exit code | -1 it asks for none
 *   calls    main thread, before anything else
 */
int lb_offline_run(int argc, char **argv);

#endif
