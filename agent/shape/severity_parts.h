/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_SEVERITY_PARTS_H
#define LB_SHAPE_SEVERITY_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/shape/severity.h"

/*
 * The families of lines that severity_look.c chooses from. All are pure functions, for the fast side and
 * offline modes, and take any content.
 */

/*
 * Read the members of a JSON object.
 *   text     len bytes that begin with the object, perhaps behind blanks
 *   base     added to the positions of ids
 *   ret      level and rule, where it states a level; ids, where it has some; else untouched
 *   returns  is it one? What is broken later on still is
 */
bool lb_severity_json(const char *text, size_t len, size_t base, struct lb_severity *ret);

/*
 * Level of a run of key=value pairs, parted by blanks. The run ends where a word is no pair.
 *   returns  0..7 | -1 none
 */
int lb_severity_pairs(const char *text, size_t len);

/* Ids stand at the front, or at the end of a short line; a traceback has many '='. */
#define LB_SEVERITY_IDS_LOOK 4096u

/*
 * Find trace ids in a text that is not JSON: "dd.trace_id=123", with or without what ddtrace puts around it.
 *   text     len bytes, at most LB_SEVERITY_IDS_LOOK
 *   sign     the first '=' among them
 *   ret      ids, by position in text
 */
void lb_severity_ids(const char *text, size_t len, const char *sign, struct lb_severity *ret);

/*
 * Take a value for an id where it may be one: digits or hex, not 0.
 *   returns  is it one?
 */
bool lb_severity_is_id(const char *value, size_t len);

/* What a plain text's head says: by value, in one register. */
struct lb_severity_head {
    int level;       /* 0..7, -1: none */
    uint8_t rule;    /* enum lb_severity_rule, LB_SEVERITY_NONE if there is no level */
    bool is_stamped; /* it begins with a time stamp */
    bool is_sure;    /* nothing that was looked at can belong to an escape: folded, the text says the same */
};

/*
 * Read a plain text's head.
 *   text     at most LB_SEVERITY_LOOK bytes, in which an LB_ESCAPE stands for a run of escape sequences
 */
struct lb_severity_head lb_severity_head(const char *text, size_t len);

/*
 * Read the fields behind a time stamp, or behind brackets at the front.
 *   text        what follows the stamp
 *   is_stamped  else only what is framed, or stands behind frames alone, is believed
 */
struct lb_severity_head lb_severity_fields(const char *text, size_t len, bool is_stamped);

/*
 * Level of what stands between brackets: "info     ", "INFO/MainProcess", "core:error", "E".
 *   returns  0..7 | -1 none
 */
int lb_severity_framed(const char *text, size_t len);

/*
 * Level that a single letter stands for: D I W E F and T.
 *   returns  0..7 | -1 none
 */
int lb_severity_letter(char letter);

/*
 * Is a word written in capitals throughout?
 */
bool lb_severity_is_upper(const char *word, size_t len);

#endif
