/* SPDX-License-Identifier: MIT */
#ifndef LB_CLI_CHILD_H
#define LB_CLI_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/*
 * The command of `logboom run`. It gets standard input, signal dispositions,
 * environment and descriptors as we were given them, and two pipes of ours as
 * its output. All calls: the program's one thread.
 */

/*
 * Start a command, searched for in PATH.
 *   argv     NULL-terminated
 *   mask     its signal mask
 *   out_fd   its standard output, and err_fd its standard error; stay the caller's, close-on-exec
 *   ret_pid  the command, running
 *   returns  0 it runs | -errno of fork or of exec: -ENOENT not found, others not executable
 *   blocks   until exec, a matter of the command's own file
 */
int lb_child_start(char *const *argv, const sigset_t *mask, int out_fd, int err_fd, pid_t *ret_pid);

/*
 * Reap whoever has ended of our children but the command: as PID 1, or where
 * we are a subreaper, what the command left behind comes to us.
 *   command  is not reaped, its pid stays its own; 0: there is none any more
 *   returns  true the command has ended; what ended beside it may be left to be reaped, until it is
 *            | false it runs, or there is none, and nothing is left
 */
bool lb_child_reap_others(pid_t command);

/*
 * Reap the command, which has ended. Whoever looks for it by its pid finds us
 * instead, so we go by its name (comm) from then on: the agent calls a service
 * without a name by that.
 *   ret_status, ret_usage  as of wait4(2); touched only on success
 *   returns                0 | -errno
 */
int lb_child_reap(pid_t command, int *ret_status, struct rusage *ret_usage);

#endif
