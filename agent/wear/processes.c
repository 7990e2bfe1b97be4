/* SPDX-License-Identifier: MIT */
/*
 * The table of processes. In: who is there, with which counters. Out: how much each has grown by itself.
 * Always true: a pid is found at most once, and what a child was seen to do is not counted again for who
 * waited for it.
 *
 * What may go wrong. A child that nobody waits for (SIGCHLD ignored) leaves nothing behind: its parent is
 * then not to be robbed, so the child's counters are taken off only where all four of them fit into what the
 * parent has grown by; those of a child that was waited for always do. A child that is reaped in the moment
 * between the reading of its parent and its own is counted twice; disks do not pay more for it.
 */
#include "agent/wear/processes.h"

#include <stddef.h>
#include <string.h>

#define SLOTS     (2 * LB_PROCESSES_MAX)
#define DEPTH_MAX 8 /* parents above a process: a shell in a script in a session in ... */
#define INIT_PID  1

static uint32_t first_slot(int pid)
{
    return (uint32_t)pid % SLOTS;
}

void lb_processes_begin(struct lb_processes *processes)
{
    for (uint32_t i = 0; i < processes->count; i++) {
        processes->at[i].is_seen = false;
        processes->at[i].disks = 0;
        processes->at[i].grown = (struct lb_process_io) { 0 };
    }
}

struct lb_process *lb_processes_find(struct lb_processes *processes, int pid)
{
    for (uint32_t s = first_slot(pid); processes->slot[s] != 0; s = (s + 1) % SLOTS) {
        struct lb_process *process = &processes->at[processes->slot[s] - 1];

        if (process->pid == pid && !process->is_replaced)
            return process;
    }
    return NULL;
}

/* Half of the slots stay free, so there is one. */
static void link_process(struct lb_processes *processes, uint32_t index)
{
    uint32_t s = first_slot(processes->at[index].pid);

    while (processes->slot[s] != 0)
        s = (s + 1) % SLOTS;
    processes->slot[s] = (uint16_t)(index + 1);
}

struct lb_process *lb_processes_add(struct lb_processes *processes, int pid)
{
    struct lb_process *before = lb_processes_find(processes, pid);
    uint32_t index = processes->count;

    if (index >= LB_PROCESSES_MAX)
        return NULL;
    if (before) {
        before->is_replaced = true;
        before->is_seen = false;
    }
    processes->at[index] = (struct lb_process) { .pid = pid };
    processes->count++;
    link_process(processes, index);
    return &processes->at[index];
}

/* false: these counters are not among what it has grown by */
static bool take_off(struct lb_process_io *grown, const struct lb_process_io *child)
{
    if (grown->read_chars < child->read_chars || grown->written_chars < child->written_chars ||
        grown->dirtied_bytes < child->dirtied_bytes || grown->cancelled_bytes < child->cancelled_bytes)
        return false;
    grown->read_chars -= child->read_chars;
    grown->written_chars -= child->written_chars;
    grown->dirtied_bytes -= child->dirtied_bytes;
    grown->cancelled_bytes -= child->cancelled_bytes;
    return true;
}

/*
 * Find who inherited. A parent that lives is the only one who may have; where it is gone too, somebody above
 * it may have its children, or init.
 */
static void settle(struct lb_processes *processes, const struct lb_process *gone)
{
    int pid = gone->parent;

    for (unsigned depth = 0; depth < DEPTH_MAX && pid > 0; depth++) {
        struct lb_process *above = lb_processes_find(processes, pid);

        if (above && above->is_seen && (take_off(&above->grown, &gone->io) || depth == 0))
            return;
        /* Where the way up is not known, and as the last step, it is init that takes in orphans. */
        pid = pid == INIT_PID ? 0 : above && depth + 2 < DEPTH_MAX ? above->parent : INIT_PID;
    }
}

void lb_processes_settle(struct lb_processes *processes)
{
    for (uint32_t i = 0; i < processes->count; i++) {
        const struct lb_process *process = &processes->at[i];

        if (!process->is_seen && process->is_readable &&
            (process->io.dirtied_bytes > 0 || process->io.cancelled_bytes > 0))
            settle(processes, process);
    }
}

void lb_processes_end(struct lb_processes *processes)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < processes->count; i++) {
        if (!processes->at[i].is_seen)
            continue;
        if (kept != i)
            processes->at[kept] = processes->at[i];
        kept++;
    }
    if (kept == processes->count)
        return;
    processes->count = kept;
    memset(processes->slot, 0, sizeof processes->slot);
    for (uint32_t i = 0; i < kept; i++)
        link_process(processes, i);
}
