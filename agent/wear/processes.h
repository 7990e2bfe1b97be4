/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_PROCESSES_H
#define LB_WEAR_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/wear/process_read.h"
#include "agent/wear/view.h"

/*
 * The processes of the last look, by pid, and how much each has grown since.
 *
 *   lb_processes_begin() ─▶ for each that is there: find or add, mark seen ─▶ lb_processes_settle()
 *     ─▶ grown is right: who inherited a child has the child's taken off ─▶ lb_processes_end(): the gone go
 */
#define LB_PROCESSES_MAX 4096

struct lb_process {
    int pid, parent;
    uint64_t started_ticks;
    bool is_seen;     /* in this look */
    bool is_replaced; /* its pid is another's now */
    bool is_readable; /* false: io is not known */
    bool has_unit;    /* unit was read */
    bool is_kernel;   /* a thread of the kernel */
    uint32_t disks;   /* a bit for each that it was seen with files on, in this look */
    struct lb_process_io io, grown;
    char name[LB_WEAR_NAME], unit[LB_WEAR_UNIT];
};

struct lb_processes {
    uint32_t count;
    uint16_t slot[2 * LB_PROCESSES_MAX]; /* 0 free, else one more than an index: by pid, then the next free */
    struct lb_process at[LB_PROCESSES_MAX]; /* the last: memory beyond count is never touched */
};

/*
 * A look begins: no process is seen, none has grown.
 *   calls     the sampler's thread, as all of these; none of them waits or allocates
 */
void lb_processes_begin(struct lb_processes *processes);

/* The process that had this pid last; NULL: none. Good until lb_processes_end(). */
struct lb_process *lb_processes_find(struct lb_processes *processes, int pid);

/*
 * A process that was not there. What had its pid before is replaced: gone, but
 * not forgotten before lb_processes_end().
 *   returns   all zero but for its pid | NULL: no room
 */
struct lb_process *lb_processes_add(struct lb_processes *processes, int pid);

/*
 * Take off what was counted already. A parent that waits for a child has all
 * that the child ever did added to its own counters; what is gone is looked for
 * at its parent, and if that is gone too at those above it.
 */
void lb_processes_settle(struct lb_processes *processes);

/* The look ends: what is gone is forgotten. */
void lb_processes_end(struct lb_processes *processes);

#endif
