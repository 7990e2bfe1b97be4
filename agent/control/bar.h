/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_BAR_H
#define LB_CONTROL_BAR_H

#include "agent/control/outlets.h"

/*
 * A link that is paid for by the byte bars sinks from it as their `when` says.
 * Who has no sink that cares pays nothing.
 */
struct lb_bar {
    bool is_metered; /* the link is, as last looked at */
    uint64_t due_ns; /* looked at again then; 0: with the next step */
};

/*
 * Look at the link if it is time, and bar or let go; what changes is logged.
 *   bar       zero at first
 *   returns   when to look again (boot time), LB_NEVER: nobody cares, or the settings say it
 *   calls     slow side, before the shippers have their steps
 */
uint64_t lb_bar_step(struct lb_bar *bar, struct lb_shipper *first, struct lb_outlets *outlets,
                     uint64_t now_ns);

#endif
