/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_PROTECT_H
#define TESTS_LIB_PROTECT_H

#include "agent/offline/protect_apply.h"
#include "tests/unit/lib_board.h"

/*
 * A system to protect: a board (lib_board.h) with files of settings beside its
 * /proc and /sys. Programs are not run but noted; mount(8) and the service
 * change the board's mountinfo, as the kernel would.
 */
struct protect {
    struct lb_protect_tree tree;
    struct lb_protect_manifest manifest;
    struct lb_protect_look look;
    struct lb_protect_hands hands;
    char ran[4096];            /* a line for each program */
    char out[8192], err[8192]; /* what was told in the last apply or undo */
    const char *failing;       /* programs with this in their line fail */
    unsigned writes, fails_at; /* changes so far; the one that fails, 0 none */
};
extern struct protect protect;

#define PROTECT_NOW_S 1790000000ull

/* Set-up and tear-down for cmocka: an empty board, opened. */
int protect_begin(void **state);
int protect_end(void **state);

/* A Raspberry Pi with a persistent journal, timesyncd, swap on its card, and relatime. */
void protect_pi(void);

/* Look; of the machine that runs, or of an image. */
void protect_find(bool is_live);

/* The n-th finding with this id (from 0); NULL: there is none. */
const struct lb_protect_finding *protect_finding(const char *id, unsigned n);

/* Look anew, and apply; undo. What they returned. */
bool protect_apply(bool is_live);
bool protect_undo(bool is_live);

/*
 * All below /etc and /var, one line each: name, mode, and of what is no
 * directory its time and content. To be freed.
 */
char *protect_snapshot(void);

/* An empty directory, a link. */
void protect_dir(const char *path);
void protect_link(const char *path, const char *target);

#endif
