/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PROTECT_CONF_H
#define LB_OFFLINE_PROTECT_CONF_H

#include <limits.h>

#include "agent/offline/protect_tree.h"

/*
 * Settings as systemd reads them (systemd.syntax(7)): [Section], Key=Value,
 * comments of whole lines by # and ;, a backslash at the end that goes on in
 * the next line. Of a file there is one, of its drop-ins (FILE.d/NAME.conf)
 * one of each name: that of the first directory in /etc, /run,
 * /usr/local/lib, /usr/lib, which hides the others. Drop-ins follow the file,
 * sorted by name over all directories; what comes last, wins.
 */
#define LB_PROTECT_VALUE 512

/* A key with its value, cut to what fits; NUL bytes within are '?'. file: where it stands, for people. */
typedef void (*lb_protect_conf_key)(void *arg, const char *file, const char *section, const char *key,
                                    const char *value);

/*
 * Take a text apart.
 *   text     len bytes, of any content
 *   calls    any thread
 */
void lb_protect_conf_parse(const char *text, size_t len, const char *file, lb_protect_conf_key key,
                           void *arg);

/*
 * Read a file and its drop-ins, in the order in which systemd does.
 *   where    directories below, parted by colons: "systemd" for /etc/systemd, /usr/lib/systemd and
 *            so on; LB_PROTECT_UNITS for units
 *   name     "journald.conf"
 *   without  a name of a drop-in that is left out, NULL: none. So what would be true without our
 *            own is known.
 *   returns  how many files could not be read (too large, no permission), 0 most often
 *   calls    an offline mode
 */
#define LB_PROTECT_SYSTEMD "systemd"
#define LB_PROTECT_UNITS   "systemd/system"
unsigned lb_protect_conf_read(const struct lb_protect_tree *tree, const char *where, const char *name,
                              const char *without, lb_protect_conf_key key, void *arg);

/*
 * The files of a directory of drop-ins alone, by the same rule ("sysctl.d").
 *   key      gets "" as its section; systemd-sysctl's "-" in front of a key is left out
 */
unsigned lb_protect_conf_read_dir(const struct lb_protect_tree *tree, const char *where, const char *without,
                                  lb_protect_conf_key key, void *arg);

/* One key's value in the end. */
struct lb_protect_setting {
    const char *section, *key; /* set by the caller */
    bool is_set;               /* to something: an empty value takes back what was before */
    char value[LB_PROTECT_VALUE];
    char file[PATH_MAX]; /* that which won */
};

/*
 * For lb_protect_conf_read: arg is an array of settings that ends with one without a key.
 */
void lb_protect_conf_take(void *arg, const char *file, const char *section, const char *key,
                          const char *value);

/*
 * The first file or directory of this name ("systemd/system/rsyslog.service"), as read above.
 *   ret_path  its path
 *   returns   false: there is none, or it is masked (a link to /dev/null, an empty file)
 */
bool lb_protect_conf_find(const struct lb_protect_tree *tree, const char *name, char ret_path[PATH_MAX]);

#endif
