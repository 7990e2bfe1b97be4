/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_UNIT_NAME_H
#define LB_COMMON_UNIT_NAME_H

#include <stddef.h>
#include <sys/types.h>

/*
 * What a process is called where nobody gave it a name: its systemd unit, else
 * its program. The agent asks for its peers, the client for itself, and both
 * must come to the same.
 */

#define LB_PROGRAM_NAME_MAX 15 /* bytes that the kernel keeps of a program's name (comm) */

/*
 * The systemd unit that a process belongs to, without ".service".
 *   pid      0: we ourselves
 *   buf      room for size bytes, ends in NUL; untouched when there is none; a longer name is cut
 *   returns  length of the name | 0 it is in no service, or is gone
 *   calls    any thread; reads /proc, which is memory
 */
size_t lb_unit_name(pid_t pid, char *buf, size_t size);

/*
 * The same, from what /proc/PID/cgroup says.
 *   text     ends in NUL
 *   calls    any thread; a pure function
 */
size_t lb_unit_name_in(const char *text, char *buf, size_t size);

/*
 * The name that the kernel will give a program when it is started.
 *   path     as handed to exec
 *   buf      room for LB_PROGRAM_NAME_MAX + 1 bytes; ends in NUL; legal as a service's name
 *   returns  length of the name; 0 where path ends in '/', which is no program
 *   calls    any thread; a pure function
 */
size_t lb_program_name(const char *path, char *buf);

/*
 * Make a legal service name (common/proto.h) of any bytes: each illegal one becomes '_'.
 *   returns  the length that is left of len: LB_PROTO_SERVICE_MAX at most
 *   calls    any thread; a pure function
 */
size_t lb_service_name_make_legal(char *name, size_t len);

#endif
