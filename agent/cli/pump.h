/* SPDX-License-Identifier: MIT */
#ifndef LB_CLI_PUMP_H
#define LB_CLI_PUMP_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Put a pipe where standard input is none, or where it is to be copied: a
 * process of our own moves the bytes on, so that the agent is handed a pipe in
 * every case and the rest of the client need not know. Standard input (and,
 * with a copy, standard output) is the pump's alone afterwards: here it is
 * /dev/null, so that its other end sees the pump leave.
 *   wants_copy   every byte goes to standard output too; when that closes,
 *                copying stops and logging goes on
 *   ret_pipe_fd  the read end, close-on-exec, the caller's
 *   ret_pid      the pump: ends with its input. It does not heed INT, HUP and
 *                TERM while a pipe is its input, whose writer would die of it
 *   returns      0 | -errno
 *   calls        the program's one thread, before any other descriptor is open
 */
int lb_pump_start(bool wants_copy, int *ret_pipe_fd, pid_t *ret_pid);

#endif
