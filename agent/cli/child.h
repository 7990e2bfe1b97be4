/* SPDX-License-Identifier: MIT */
#ifndef LB_CLI_CHILD_H
#define LB_CLI_CHILD_H

#include <signal.h>
#include <stdbool.h>
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
 * Has the command ended? It is not reaped: its pid stays its own, and what
 * /proc tells of it, until we end.
 *   ret_code  exit code to pass on, 128 + N after signal N; only when it has ended
 */
bool lb_child_has_ended(pid_t pid, int *ret_code);

#endif
