/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_BACKLOG_PARTS_H
#define LB_STORE_BACKLOG_PARTS_H

#include "agent/store/backlog.h"

/*
 * What the files of the backlog share among themselves.
 *
 * Make a file of a size, empty, that has no name yet: lb_mapfile_publish() gives it that.
 *   bytes     as configured
 *   flags     as lb_mapfile_open()
 *   returns   0 | -ENOSPC | other negative errno of lb_mapfile_create()
 *   calls     before the threads start
 */
int lb_backlog_create(int dir_fd, uint64_t bytes, unsigned flags, struct lb_mapfile *ret_map);

/*
 * Use the file that backlog->map has: its rows become the slow side's region,
 * in place of any that were; all blocks count as free.
 *   returns   0 | -ENOMEM
 *   calls     before the threads start
 */
int lb_backlog_begin(struct lb_backlog *backlog);

#endif
