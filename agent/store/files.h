/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_FILES_H
#define LB_STORE_FILES_H

#include <stdbool.h>

#include "agent/store/backlog.h"
#include "agent/store/held.h"
#include "agent/store/ring.h"
#include "agent/store/state.h"

/*
 * The runtime directory and what the store keeps in it. One agent at a time:
 * the file `lock` is held with flock(2), which the kernel lets go whatever
 * way the process ends.
 *
 *   lock  state  ring  held  backlog  ring.old (set aside until it is drained)  *.damaged (set aside for a
 * person to look at)
 */
struct lb_files {
    int dir_fd;
    int lock_fd;
    bool is_tmpfs;
    struct lb_state state;
    struct lb_held held;
    uint64_t held_bytes; /* as configured, set by the caller; 0: none */
    struct lb_backlog backlog;
    uint64_t backlog_bytes; /* as held_bytes */
    struct lb_ring ring;
    struct lb_ring old_ring; /* map.fd < 0: there is none */
    bool has_old_ring;
    bool ring_was_damaged;
    struct lb_ring_repair repair;
};

/*
 * Open the directory, made if missing, and take the lock.
 *   ret_other_pid  of the agent that holds it, on -EWOULDBLOCK; 0 unknown
 *   returns   0 | -EWOULDBLOCK another agent runs there | other negative errno
 *   calls     before the threads start
 */
int lb_files_lock(struct lb_files *files, const char *path, int *ret_other_pid);

/*
 * Is there room for need_bytes in the file system and in the machine's memory?
 *   returns   0 | -ENOSPC the file system is too full | -ENOMEM MemAvailable is too low
 *   calls     before the threads start
 */
int lb_files_check_room(const struct lb_files *files, uint64_t need_bytes);

/*
 * What is missing of the files that are to be, in bytes: what
 * lb_files_check_room() is to be asked for.
 *   ring_bytes, staging_bytes  as configured
 */
uint64_t lb_files_missing(const struct lb_files *files, uint64_t ring_bytes, uint64_t staging_bytes);

/*
 * Open state, rings, held pool and backlog, and add their tables to both commits. The caller adds
 * its own and then calls lb_files_recover().
 *   returns   0 | -ENOSPC | -ENOMEM | -EPROTO a ring of a newer format | other negative errno
 *   calls     before the threads start; files does not move afterwards
 */
int lb_files_open(struct lb_files *files, uint64_t ring_bytes, bool lock);

/*
 * Recover both commits, the rings, the held pool and the backlog.
 *   calls     before the threads start
 */
void lb_files_recover(struct lb_files *files);

/*
 * After recovery: what is held is given up where the pool is to have another
 * size, the backlog is copied over (lb_backlog_resize()); and if the ring has
 * another size than wanted, set it aside and make a new one. A ring that is
 * empty is replaced at once; while an older one is still being drained
 * nothing is done.
 *   returns  0 | negative errno
 *   calls    before the threads start
 */
int lb_files_resize(struct lb_files *files, uint64_t ring_bytes, bool lock);

/*
 * The old ring is drained: unmap and remove it.
 *   calls     slow side
 */
void lb_files_drop_old_ring(struct lb_files *files);

/*
 * Close all; the files stay.
 *   calls     when both sides have stopped
 */
void lb_files_close(struct lb_files *files);

#endif
