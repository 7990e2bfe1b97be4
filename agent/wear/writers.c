/* SPDX-License-Identifier: MIT */
/*
 * Who makes the kernel write. In: /proc, what the disks counted. Out: programs with their shares. Always
 * true: what programs have of a disk is never more than it counted while we looked.
 *
 *   scan     the io of each process; of those that grew also who they are and their files
 *   settle   what a child did is not its parent's
 *   bill     what each has grown by waits under its program
 *   pay      what the disks counted goes to those who wait for it
 *
 * What it costs. Nearly all processes write nothing in a minute: of them io is read and nothing else, by
 * three calls. That also decides when a pid is asked who it is: a new process behind a known pid shows in
 * counters that differ. If by chance it had dirtied exactly as much as the one before and all its others were
 * no less, that much is missed.
 *
 * A kernel thread has no files, so it is paid out of what programs leave over. What may go wrong: a process
 * that ends between two looks has its bytes with whoever waited for it, mostly a shell or systemd, or with
 * nobody. Beyond LB_PROCESSES_MAX processes the rest is told as refused.
 */
#include "agent/wear/writers.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/wear/attribution.h"
#include "agent/wear/process_disks.h"
#include "agent/wear/process_read.h"
#include "agent/wear/processes.h"
#include "agent/wear/programs.h"

#define NS_PER_S 1000000000ull

/* Which disk had a place at the last look. */
struct place {
    char name[LB_WEAR_NAME];
    uint64_t medium;
};

struct lb_writers {
    bool has_looked;
    bool are_all; /* the disks that are watched are all there are */
    bool is_blind,
        was_blind; /* somebody could not be held in this look, the last one: may seem new in the next */
    uint64_t looked_ns, ns_per_tick;
    uint32_t seen, refused;
    struct place place[LB_WEAR_DISKS];
    struct lb_programs programs;
    struct lb_attribution attribution;
    struct lb_process_disks files;
    struct lb_processes processes;
};

struct lb_writers *lb_writers_new(void)
{
    struct lb_writers *writers = calloc(1, sizeof *writers);
    long ticks_per_s = sysconf(_SC_CLK_TCK);

    if (writers)
        writers->ns_per_tick = NS_PER_S / (uint64_t)(ticks_per_s > 0 ? ticks_per_s : 100);
    return writers;
}

void lb_writers_free(struct lb_writers *writers)
{
    free(writers);
}

/* ---- scan ---- */

static bool is_gone(int rc)
{
    return rc == -ENOENT || rc == -ESRCH;
}

/* Nothing that we count moved, and nothing went back, as it would in another process. */
static bool is_idle(const struct lb_process *process, const struct lb_process_io *io)
{
    return process->is_readable && io->dirtied_bytes == process->io.dirtied_bytes &&
           io->cancelled_bytes == process->io.cancelled_bytes && io->read_chars >= process->io.read_chars &&
           io->written_chars >= process->io.written_chars;
}

static uint64_t growth(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

/* How much a process has grown since the last look. One that is new, and not to us alone, began at 0. */
static struct lb_process_io grown_by(const struct lb_writers *writers, const struct lb_process *process,
                                     bool is_new, const struct lb_process_io *io)
{
    static const struct lb_process_io nothing = { 0 };
    const struct lb_process_io *before = is_new ? &nothing : &process->io;
    bool was_there = writers->was_blind && process->started_ticks < writers->looked_ns / writers->ns_per_tick;

    if (!writers->has_looked || (is_new ? was_there : !process->is_readable))
        return nothing;
    return (struct lb_process_io) {
        .read_chars = growth(io->read_chars, before->read_chars),
        .written_chars = growth(io->written_chars, before->written_chars),
        .dirtied_bytes = growth(io->dirtied_bytes, before->dirtied_bytes),
        .cancelled_bytes = growth(io->cancelled_bytes, before->cancelled_bytes),
    };
}

/* Where a process that grew belongs. When it executes another program it has another name, maybe unit. */
static void look_closer(struct lb_writers *writers, int dir, const struct lb_process_stat *stat,
                        struct lb_process *process)
{
    if (!process->has_unit || strcmp(process->name, stat->name) != 0) {
        memcpy(process->name, stat->name, sizeof process->name);
        process->unit[0] = '\0';
        if (!stat->is_kernel)
            lb_process_read_unit(dir, process->unit);
        process->has_unit = true;
    }
    if (!stat->is_kernel && process->grown.dirtied_bytes > 0)
        process->disks = lb_process_disks_look(&writers->files, dir);
}

/* A process that is new, or has moved. All is read below one open directory, so it is of one process. */
static int look_at_mover(struct lb_writers *writers, int dir, int pid, struct lb_process *process)
{
    struct lb_process_stat stat;
    struct lb_process_io io = { 0 };
    int rc_io = lb_process_read_io(dir, "io", &io), rc = lb_process_read_stat(dir, &stat);
    bool is_new;

    if (rc != 0)
        return rc;
    if (is_gone(rc_io))
        return rc_io;
    is_new = !process || process->started_ticks != stat.started_ticks;
    if (is_new)
        process = lb_processes_add(&writers->processes, pid);
    if (!process)
        return -ENOSPC;
    process->is_seen = true;
    process->parent = stat.parent;
    process->is_kernel = stat.is_kernel;
    process->started_ticks = stat.started_ticks;
    if (rc_io == 0) {
        process->grown = grown_by(writers, process, is_new, &io);
        process->io = io;
        if (process->grown.dirtied_bytes > 0 || process->grown.cancelled_bytes > 0)
            look_closer(writers, dir, &stat, process);
    }
    process->is_readable = rc_io == 0;
    return rc_io;
}

/* Its figures are not to be had: when they are, they are taken as they are. */
static void note_refused(struct lb_writers *writers, int pid)
{
    struct lb_process *process = lb_processes_find(&writers->processes, pid);

    writers->refused++;
    if (process) {
        process->is_seen = true;
        process->is_readable = false;
    } else {
        writers->is_blind = true;
    }
}

static int look_at(struct lb_writers *writers, int proc, int pid)
{
    struct lb_process *process = lb_processes_find(&writers->processes, pid);
    struct lb_process_io io;
    char path[32];
    int dir, rc;

    snprintf(path, sizeof path, "%d/io", pid);
    rc = lb_process_read_io(proc, path, &io);
    if (is_gone(rc) || (process && rc != 0 && !process->is_readable))
        return rc;
    if (process && rc == 0 && is_idle(process, &io)) {
        process->io = io;
        process->is_seen = true;
        return 0;
    }
    snprintf(path, sizeof path, "%d", pid);
    dir = openat(proc, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    rc = look_at_mover(writers, dir, pid, process);
    close(dir);
    return rc;
}

/* The number that a name is; 0: it is none. */
static int pid_of(const char *name)
{
    char *end;
    long pid;

    if (!isdigit((unsigned char)name[0]))
        return 0;
    errno = 0;
    pid = strtol(name, &end, 10);
    return errno == 0 && *end == '\0' && pid <= INT_MAX ? (int)pid : 0;
}

static int scan(struct lb_writers *writers, const char *root)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    DIR *proc;
    int rc;

    snprintf(path, sizeof path, "%s/proc", root);
    proc = opendir(path);
    if (!proc)
        return -errno;
    while (errno = 0, (entry = readdir(proc))) {
        int pid = pid_of(entry->d_name);

        if (pid <= 0)
            continue;
        rc = look_at(writers, dirfd(proc), pid);
        writers->seen += !is_gone(rc);
        if (rc != 0 && !is_gone(rc))
            note_refused(writers, pid);
    }
    rc = -errno;
    closedir(proc);
    return rc;
}

/* ---- bill and pay ---- */

static void bill(struct lb_writers *writers, const struct lb_process *process, int own_pid, uint64_t now_ns)
{
    uint64_t dirtied = process->grown.dirtied_bytes, cancelled = process->grown.cancelled_bytes;
    uint32_t program, merged, disks;

    if (dirtied <= cancelled) {
        program = lb_programs_find(&writers->programs, process->name, process->unit);
        if (program != LB_WEAR_NO_PROGRAM)
            lb_attribution_cancel(&writers->attribution, program, cancelled - dirtied);
        return;
    }
    program = lb_programs_take(&writers->programs, process->name, process->unit, process->pid == own_pid,
                               dirtied - cancelled, &merged);
    if (merged != LB_WEAR_NO_PROGRAM)
        lb_attribution_move(&writers->attribution, merged, LB_PROGRAMS_OTHERS);
    disks = process->is_kernel ? LB_ATTRIBUTION_LAST
                               : lb_programs_disks(&writers->programs, program, process->disks, now_ns);
    if ((disks == 0 || process->is_kernel) && !writers->are_all)
        return;                              /* for a disk that is not watched, as like as not */
    if (disks != LB_PROCESS_DISKS_ELSEWHERE) /* and on no other: they are no business of ours */
        lb_attribution_add(&writers->attribution, program, disks, dirtied - cancelled);
}

static void pay(struct lb_writers *writers, const struct lb_disks *disks)
{
    uint64_t counted[LB_WEAR_DISKS] = { 0 }, rest[LB_WEAR_DISKS];
    uint64_t shares[LB_WEAR_PROGRAMS][LB_WEAR_DISKS];

    for (uint32_t i = 0; i < disks->count; i++)
        counted[i] = disks->disk[i].delta_bytes;
    lb_attribution_pay(&writers->attribution, counted, shares, rest);
    lb_programs_pay(&writers->programs, shares);
}

/* A disk keeps its place while it lives; where another has it, or another card is in the slot, all is new. */
static void follow_disks(struct lb_writers *writers, const struct lb_disks *disks)
{
    for (uint32_t i = 0; i < disks->count; i++) {
        struct place *place = &writers->place[i];
        const struct lb_disk *disk = &disks->disk[i];

        if (place->medium == disk->medium && strcmp(place->name, disk->name) == 0)
            continue;
        lb_programs_forget_disk(&writers->programs, i);
        lb_attribution_forget_disk(&writers->attribution, i);
        memcpy(place->name, disk->name, sizeof place->name);
        place->medium = disk->medium;
    }
}

int lb_writers_sample(struct lb_writers *writers, const char *root, const struct lb_disks *disks, int own_pid,
                      uint64_t now_ns)
{
    struct lb_processes *processes = &writers->processes;
    int rc;

    writers->seen = writers->refused = 0;
    writers->is_blind = false;
    writers->are_all = disks->are_all;
    follow_disks(writers, disks);
    lb_programs_begin(&writers->programs, now_ns);
    lb_processes_begin(processes);
    lb_process_disks_begin(&writers->files, root, disks, now_ns);
    rc = scan(writers, root);
    if (rc == 0)
        lb_processes_settle(processes);
    lb_attribution_age(&writers->attribution, now_ns);
    for (uint32_t i = 0; i < processes->count; i++)
        if (processes->at[i].grown.dirtied_bytes > 0 || processes->at[i].grown.cancelled_bytes > 0)
            bill(writers, &processes->at[i], own_pid, now_ns);
    pay(writers, disks);
    if (rc == 0) { /* else who was not reached is not gone */
        lb_processes_end(processes);
        writers->has_looked = true;
    }
    writers->was_blind = writers->is_blind;
    writers->looked_ns = now_ns;
    return rc;
}

void lb_writers_view(const struct lb_writers *writers, struct lb_wear_view *view,
                     uint32_t moved[LB_WEAR_PROGRAMS])
{
    view->programs = writers->programs.count;
    memcpy(view->program, writers->programs.at, sizeof view->program);
    view->processes_seen = writers->seen;
    view->processes_refused = writers->refused;
    memcpy(moved, writers->programs.moved, sizeof writers->programs.moved);
}
