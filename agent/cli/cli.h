/* SPDX-License-Identifier: MIT */
#ifndef LB_CLI_CLI_H
#define LB_CLI_CLI_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

/*
 * What the subcommands share: exit codes, how they speak, where the agent is.
 * Nothing here keeps state. All calls: the program's one thread.
 */

/* Exit codes (design.md 4). `run` has its command's. */
enum lb_exit {
    LB_EXIT_DONE = 0,
    LB_EXIT_FAILED = 1,
    LB_EXIT_USAGE = 2,
    LB_EXIT_NO_AGENT = 3,
    LB_EXIT_NOT_EXECUTABLE = 126,
    LB_EXIT_NOT_FOUND = 127,
    LB_EXIT_SIGNAL = 128
};

#define LB_NEVER_NS UINT64_MAX

/* The subcommands, one file each. argv[0] is "logboom NAME"; they return the exit code. */
int lb_cmd_pipe(int argc, char **argv);
int lb_cmd_run(int argc, char **argv);
int lb_cmd_tail(int argc, char **argv);
int lb_cmd_status(int argc, char **argv);
int lb_cmd_flush(int argc, char **argv);
int lb_cmd_ping(int argc, char **argv);
int lb_cmd_check(int argc, char **argv);
int lb_cmd_explain(int argc, char **argv);
int lb_cmd_plan(int argc, char **argv);
int lb_cmd_protect(int argc, char **argv);
int lb_cmd_top(int argc, char **argv);
int lb_cmd_wear(int argc, char **argv);

/*
 * Say one line on stderr, "logboom: ..." (after <N>, warning, under systemd).
 * Never waits: where stderr is full the line is given up, because whoever
 * writes our pipe must not wait for whoever reads our stderr.
 */
void lb_cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Say what is wrong with the command line, and where help is.
 *   command  argv[0] of the subcommand
 *   returns  LB_EXIT_USAGE
 */
int lb_cli_usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Answer getopt_long() where it is the same for every subcommand: 'h' prints
 * the help on stdout, anything else (getopt has said why) points to it.
 *   returns  LB_EXIT_DONE | LB_EXIT_USAGE
 */
int lb_cli_help_or_usage(int option, const char *command, const char *help);

/*
 * The address of one of the agent's sockets, in $LOGBOOM_RUNTIME_DIR or /run/logboom.
 *   name         "intake.sock" or "control.sock"
 *   ret_address  written always; cut when too long
 *   returns      0 | -ENAMETOOLONG the path does not fit into a socket address
 */
int lb_cli_socket_address(const char *name, struct sockaddr_un *ret_address);

/*
 * What a person can do about a socket that cannot be reached.
 *   error    negative errno of the attempt
 *   returns  a static text to go behind the error's, "" where there is nothing to say
 */
const char *lb_cli_reach_hint(int error);

/*
 * From now on these signals are read, not delivered. A child that is to have them
 * delivered needs *ret_before back.
 *   signals     the numbers, ended by 0
 *   ret_before  the mask as it was
 *   returns     a signalfd, non-blocking, the caller's | -errno
 */
int lb_cli_signal_fd(const int *signals, sigset_t *ret_before);

/*
 * Write all of it, waiting as long as it takes.
 *   returns  0 | -errno of write(2)
 */
int lb_cli_write_all(int fd, const char *bytes, size_t len);

#endif
