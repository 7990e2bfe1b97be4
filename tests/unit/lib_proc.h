/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_PROC_H
#define TESTS_LIB_PROC_H

#include <stddef.h>
#include <stdint.h>

/*
 * A /proc and a /sys of our making, below a directory in /tmp, laid out as the
 * kernel does it. Cannot fail: a fault in here ends the test program.
 */
extern char proc_root[64];

/* Make and remove the directory: setup and teardown of a test. */
int proc_make(void **state);
int proc_remove(void **state);

/* A file of len bytes, with the directories above it; path as the kernel has it, "/proc/7/io". */
void proc_put(const char *path, const char *bytes, size_t len);

/* The same, of a text as printf() makes it. */
__attribute__((format(printf, 2, 3))) void proc_print(const char *path, const char *format, ...);

/* A symbolic link below the root, to another place below it. */
void proc_tie(const char *path, const char *target);

/* A process that has written nothing: stat, io, and a cgroup of no unit. */
void proc_start(int pid, int parent, uint64_t started_ticks, const char *name);

/* Its counters; what it read and wrote by system calls is as much as it dirtied. */
void proc_io(int pid, uint64_t dirtied_bytes, uint64_t cancelled_bytes);

/* It ends. */
void proc_end(int pid);

/* It has a file open: flags as of open(2), the mount by its id in mountinfo. */
void proc_open(int pid, int fd, int flags, unsigned mount);

/* It closes all of its files. */
void proc_close(int pid);

/* A disk MAJ:0 with a partition MAJ:1 in /sys. */
void proc_disk(unsigned maj, const char *name);

#endif
