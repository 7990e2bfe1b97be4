/* SPDX-License-Identifier: MIT */
#ifndef LB_CLI_WRITER_H
#define LB_CLI_WRITER_H

#include <sys/types.h>

/*
 * Which process writes this pipe? Looked for in /proc among the processes that
 * we may see, by their standard output and standard error.
 *   returns  its pid, the lowest where there are several | 0 none was found
 *   calls    once at start; costs a look at each process
 */
pid_t lb_writer_of(int pipe_fd);

#endif
