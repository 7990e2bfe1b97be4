/* SPDX-License-Identifier: MIT */
#ifndef LB_CLI_OFFLINE_EXEC_H
#define LB_CLI_OFFLINE_EXEC_H

/*
 * Become logboomd in an offline mode: looked for beside our own binary, then
 * in PATH, then in /usr/sbin (design.md 3).
 *   mode     its first argument, "--offline-check"
 *   args     NULL-terminated, go behind it
 *   returns  only on error, LB_EXIT_FAILED, after saying why
 *   calls    the program's one thread
 */
int lb_offline_exec(const char *mode, char *const *args);

#endif
