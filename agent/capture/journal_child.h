/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_JOURNAL_CHILD_H
#define LB_CAPTURE_JOURNAL_CHILD_H

#include <sys/types.h>

/*
 * journalctl as a child. It is nice to others, and dies with the thread that
 * started it, however that ends.
 */
struct lb_journal_child {
    pid_t pid;  /* 0: none */
    int out_fd; /* what it prints; -1: none. Nonblocking, as is the next one */
    int err_fd; /* what it complains of */
};

/*
 * Start a program, found in PATH.
 *   argv      as for execvp
 *   ret_child filled on success; the descriptors are the caller's
 *   returns   0 | negative errno of pipe2, fork, exec (-ENOENT: there is no such program)
 *   calls     a card side: exec reads the disk, and the child dies with the thread
 */
int lb_journal_child_start(char *const *argv, struct lb_journal_child *ret_child);

/*
 * End a child and wait for it.
 *   pid       0: nothing happens
 *   calls     a card side: it may be asleep in the kernel
 */
void lb_journal_child_end(pid_t pid);

#endif
