/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_REMOTE_NAMES_H
#define LB_COMMON_REMOTE_NAMES_H

#include <stddef.h>

/*
 * The commands that may come from afar, all of them: [remote] commands names
 * some, and a command names one.
 */
enum lb_remote_name {
    LB_REMOTE_CONTEXT = 0,
    LB_REMOTE_LEVEL,
    LB_REMOTE_STATUS,
    LB_REMOTE_WEAR,
    LB_REMOTE_NAMES
};

/*
 * A command by its name.
 *   text     len bytes
 *   returns  enum lb_remote_name | -1 there is none of this name
 *   calls    any thread; a pure function, as are all here
 */
int lb_remote_name_find(const char *text, size_t len);

/*
 * What a command is called.
 *   returns  static; "" for what is none
 */
const char *lb_remote_name_text(int name);

/*
 * Names parted by blanks.
 *   returns  a bit for each, 1 << enum lb_remote_name | 0 one of them is unknown, or there is none
 */
unsigned lb_remote_names_parse(const char *text);

#endif
