/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PROTECT_APPLY_H
#define LB_OFFLINE_PROTECT_APPLY_H

#include <stdio.h>

#include "agent/offline/protect_find.h"

/*
 * Doing what was planned, and undoing it. Only files of our own
 * (lb_protect_paths) are written or removed. The manifest is there before the
 * first and until after the last of them, so a step that fails, or a kill
 * between any two, leaves what an undo takes back.
 */
struct lb_protect_hands {
    /* Run a program to its end; its exit code, or -1. Never called for an image. */
    int (*run)(void *arg, const char *const *argv);
    void *arg;
    bool has_systemd; /* it runs, so that it can be told */
    FILE *out, *err;  /* a line for each step; for each fault */
};

/*
 * Apply a plan. Applied once more it changes nothing.
 *   look     as lb_protect_find() left it
 *   returns  true: all of it is done | false: something could not be, or was left since somebody had changed
 *            it; the rest is done, and each fault was told
 *   calls    an offline mode, one at a time for a system (lb_protect_lock)
 */
bool lb_protect_apply(struct lb_protect_look *look, const struct lb_protect_hands *hands);

/*
 * Take back all that the manifest tells of: files of ours that nobody changed, directories of ours that are
 * empty, mounts and swappiness if they are still as we made them.
 *   look     tree, kernel, is_live and now_s are set
 *   returns  true: nothing of ours is left | false: something is, and was told
 */
bool lb_protect_undo(struct lb_protect_look *look, const struct lb_protect_hands *hands);

/*
 * Keep others from doing either meanwhile.
 *   returns  a descriptor, to be closed | -EWOULDBLOCK another is at work | negative errno
 */
int lb_protect_lock(const struct lb_protect_tree *tree);

/* ---- what both use: protect_steps.c ---- */

/*
 * Make what runs take up what was written (bits of enum lb_protect_pending), as far as it runs.
 *   returns  the bits that could not be
 */
unsigned lb_protect_take_up(const struct lb_protect_hands *hands, unsigned pending);

/* Tell a step; tell a fault, by its negative errno. */
void lb_protect_step(const struct lb_protect_hands *hands, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void lb_protect_fault(const struct lb_protect_hands *hands, const char *what, const char *path, int error);

/*
 * Run a program, and tell it.
 *   returns  it ended well
 */
bool lb_protect_run(const struct lb_protect_hands *hands, const char *const *argv);

/*
 * How a file system is mounted now.
 *   ret_is_noatime, ret_commit_s   0: it says nothing of commit, which is 5 s of ext3 and ext4
 *   returns  false: nothing is mounted there
 */
bool lb_protect_mounted(const char *kernel, const char *point, bool *ret_is_noatime, uint64_t *ret_commit_s);

/*
 * Read and write the machine's swappiness.
 *   returns  that, or -1 | 0 or negative errno
 */
int lb_protect_swappiness(const char *kernel);
int lb_protect_set_swappiness(const char *kernel, int swappiness);

/* Runs programs by PATH: a hand for lb_protect_hands. arg is not looked at. */
int lb_protect_run_program(void *arg, const char *const *argv);

#endif
