/* SPDX-License-Identifier: MIT */
#ifndef LB_CLI_CONTROL_CLIENT_H
#define LB_CLI_CONTROL_CLIENT_H

#include <stdint.h>

/*
 * Ask the agent one thing over control.sock (see the end of common/proto.h):
 * the answer's body goes to stdout as it comes, an error to stderr.
 *   request     without LF, shorter than LB_CONTROL_LINE_MAX
 *   timeout_ms  from now to the answer's end; waits at most that long
 *   returns     LB_EXIT_DONE | LB_EXIT_FAILED the agent said "error", or stdout cannot be written
 *               | LB_EXIT_NO_AGENT no agent, or no whole answer in time; why was said on stderr
 *   calls       the program's one thread; changes the disposition of SIGPIPE to ignored
 */
int lb_control_ask(const char *request, uint64_t timeout_ms);

/*
 * The same, and the answer's body goes elsewhere.
 *   out_fd      stays the caller's; what cannot be written to it is not said here
 *   ret_error   0 | negative errno of writing, and then LB_EXIT_FAILED is returned
 */
int lb_control_ask_to(const char *request, uint64_t timeout_ms, int out_fd, int *ret_error);

#endif
