/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_INI_READ_H
#define LB_COMMON_INI_READ_H

#include <stdbool.h>
#include <stddef.h>

#define LB_INI_KEY_MAX     128 /* bytes of a key */
#define LB_INI_SECTION_MAX 192 /* bytes between the brackets: a kind, a blank, a name of LB_NAME_MAX */

/*
 * Reads one INI file by the rules of design.md 4, with Debian's inih doing the
 * parsing: only `=` separates, comments only at line start (`;` or `#`), a
 * line that starts with a blank is an error, values up to LB_VALUE_MAX bytes,
 * a second value for a key in one file is the caller's to refuse. A UTF-8
 * byte-order mark at the start and a CR at a line's end are passed over. A NUL
 * byte, a section without `]`, text after `]`, a line that is neither section,
 * key nor comment, an empty key, and a line longer than the bounds are faults.
 * Blanks within the brackets are cut at both ends; a line of blanks only is empty.
 */
struct lb_ini_line {
    const char *section; /* "" before the first section */
    const char *key;     /* NULL: this is the section's own line (told so that empty sections are checked) */
    const char *value;   /* blanks at both ends cut */
    int line;            /* 1-based */
    bool is_in_doubt;    /* the last section line was a fault: section is still the one before it */
};

/* Called for each section line and each key. Nonzero from it stops the reading and is returned. */
typedef int (*lb_ini_handler)(void *arg, const struct lb_ini_line *line);
/* Called for each fault of syntax; reading goes on after it. */
typedef void (*lb_ini_fault)(void *arg, int line, const char *text);

/*
 * Read a whole file.
 *   text, len  the file's bytes; not changed
 *   returns    0 | what the handler returned | -ENOMEM | -EIO inih gave back other text than it was handed
 *   calls      any thread; does not touch the disk
 */
int lb_ini_read(const char *text, size_t len, lb_ini_handler handler, lb_ini_fault fault, void *arg);

#endif
