/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_REQUEST_H
#define LB_CONTROL_REQUEST_H

#include <stdint.h>
#include <stdio.h>

#include "agent/control/status.h"
#include "agent/store/link.h"

/*
 * What may be asked of the agent, whoever asks: over control.sock, or from
 * afar (remote.h). Each says in words why it cannot be done.
 */

/*
 * Find a service in the books.
 *   ret_row   where it is
 *   returns   NULL: found | why not, static
 *   calls     slow side
 */
const char *lb_request_service(const struct lb_state *state, const char *service, uint32_t *ret_row);

/*
 * Ask the fast side for what it holds of a service; link->context_done then
 * becomes link->context_asked. Who asks knocks at its door.
 *   service   NUL-terminated, any text
 *   returns   NULL: asked | why not, static
 *   calls     slow side
 */
const char *lb_request_context(struct lb_link *link, const struct lb_state *state, const char *service);

/*
 * Print how the agent is.
 *   form      "json"; anything else is for people
 *   now_ns    boot time
 *   calls     slow side
 */
void lb_request_status(const struct lb_status_source *source, const char *form, uint64_t now_ns, FILE *out);

/*
 * Print what wears the disks.
 *   form      "json", "html"; anything else is for people
 *   now_ns    boot time
 *   returns   NULL: printed | why not, static; nothing was printed
 *   calls     slow side
 */
const char *lb_request_wear(const struct lb_status_source *source, const char *form, uint64_t now_ns,
                            FILE *out);

#endif
