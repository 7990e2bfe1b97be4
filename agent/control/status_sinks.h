/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_STATUS_SINKS_H
#define LB_CONTROL_STATUS_SINKS_H

#include "agent/control/books.h"
#include "agent/control/status.h"

/*
 * The sinks in a snapshot.
 */

/*
 * The snapshot as one of the sinks beside the first has it: its shipper and its
 * drain in the place of the first one's.
 *   outlet    of source->outlets
 *   calls     slow side
 */
struct lb_status_source lb_status_of_outlet(const struct lb_status_source *source,
                                            const struct lb_outlet *outlet);

/*
 * What its store has taken and what became of it.
 */
struct lb_outlet_book {
    struct lb_sum queued, pending, delivered, shed, rejected, missed;
};

/*
 * Add the books of an outlet up.
 *   calls     slow side
 */
struct lb_outlet_book lb_status_outlet_book(const struct lb_outlet *outlet);

/*
 * Print "sinks": [ ... ] (status.h).
 *   errors    those of stdio, seen by ferror(out)
 *   calls     slow side
 */
void lb_status_print_sinks(const struct lb_status_source *source, uint64_t now_ns, FILE *out);

/*
 * Print the sinks for a person.
 *   errors    those of stdio, seen by ferror(out)
 *   calls     slow side
 */
void lb_status_print_sinks_text(const struct lb_status_source *source, uint64_t now_ns, FILE *out);

#endif
