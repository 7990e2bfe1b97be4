/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PROTECT_H
#define LB_OFFLINE_PROTECT_H

/*
 * `logboom protect`: what else wears the card, and how to quiet it. Needs no
 * agent and no configuration. Without --apply and --undo nothing is changed.
 *   argc, argv  --dry-run (the default), --apply, --undo; --root DIR: an image, of which only files
 *               are looked at and changed, and nothing is started; --flash: a disk of which nothing
 *               is known counts as flash; --json: for programs, of a dry run. argv[0] is not looked
 *               at
 *   returns     the exit code: 0 (of a dry run always, unless there is no system to look at) | 1
 *               failed, or something was left as it is | 2 wrong usage
 *   calls       main thread of an offline mode
 */
int lb_offline_protect(int argc, char **argv);

#endif
