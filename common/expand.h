/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_EXPAND_H
#define LB_COMMON_EXPAND_H

#include <stddef.h>

/*
 * Expands `hostname` and `tags` (design.md 4):
 *   %hostname    what the kernel calls this machine
 *   %machine_id  of /etc/machine-id
 *   %serial      of the board, from the device tree
 *   $NAME        from the environment
 *   @/path       the text of a file, blanks at both ends cut; the path ends at a comma or a blank
 *   %% $$        a plain % or $
 * An @ that no / follows is plain (owner:me@example.com). What was put in is
 * not expanded again. Where a part is missing or empty there is no result: a
 * device without its name is a mistake that should show at once.
 */

/* Where %machine_id and %serial are read. */
struct lb_expand_paths {
    const char *machine_id;
    const char *serial[2]; /* tried in order; NULL: none */
};

/*
 * Expand one text.
 *   paths    NULL: those of the system
 *   buf      room for size bytes with NUL
 *   why      on error: what is wrong, with the name of the part, never with what it holds
 *   returns  0 | -EINVAL not of the form, or a part is missing, empty or has control characters
 *            | -E2BIG the result does not fit
 *   calls    may block on the disk: start-up, card side, offline modes
 */
int lb_expand(const char *text, const struct lb_expand_paths *paths, char *buf, size_t size, char *why,
              size_t why_size);

#endif
