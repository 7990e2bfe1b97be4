/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_REMOTE_STATUS_H
#define LB_CONTROL_REMOTE_STATUS_H

#include <stdint.h>
#include <stdio.h>

#include "agent/control/status.h"

/*
 * The part of status about commands from afar: "remote": null where they are
 * off, else { state(connecting|subscribing|refused|subscribed) topic done
 * refused silent(of those, without an answer) lost(that came too fast to be
 * looked at) levels: { SERVICE: { level left_s } } }.
 *   now_ns    boot time
 *   errors    those of stdio, seen by ferror(out)
 *   calls     slow side, as the next two
 */
void lb_status_print_remote(const struct lb_status_source *source, uint64_t now_ns, FILE *out);

/*
 * The same for people: nothing where they are off.
 *   now_ns    boot time
 */
void lb_status_print_remote_text(const struct lb_status_source *source, uint64_t now_ns, FILE *out);

/*
 * The same for Prometheus: commands by what became of them, and whether they
 * are heard; nothing where they are off.
 */
void lb_metrics_print_remote(const struct lb_status_source *source, FILE *out);

#endif
