/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_WEAR_PRINT_H
#define LB_CONTROL_WEAR_PRINT_H

#include <stdio.h>

#include "agent/wear/view.h"

/*
 * `logboom wear`: who writes to which disk, and how long it will last.
 *
 * The object (sizes in bytes as disks count, times in seconds; null: not known):
 *
 *   sampled_s(ago) uptime_s watched_s hangs_s(a look has not come back for so long; 0) boot_reason missing
 *   disks: [ { name model made kind(sd|emmc|usb|nvme|sata|mtd|virtual|loop|other) flash why present capacity
 *              unit written writes flushes hour day day_span_s rate_per_day lifetime endurance
 *              endurance_told life_left_s health: { a b pre_eol }(eMMC; of 10 steps) | null
 *              io_errors(that the kernel's log tells of) io_error(the last of them, "": none)
 *              watched(written while we looked) unattributed(of that)
 *              programs: [ { name unit ours bytes } ](most first) } ]
 *   disks_left_out(there are more than fit)
 *   filesystems: [ { point type device disk read_only gone_read_only lifetime errors } ]
 *   findings: [ { disk what advice } ]
 *   own: { card_bytes(that logboom wrote, by its ledger) kept_off_bytes(texts of lines that a file would have
 *          taken) }  hours_left
 *   processes: { seen refused }  cost_ms(of the last look, processor time)
 *   history: { step_s buckets: [ { at_s(ago) covered_s disks: [n] lines_in lines_delivered lines_lost
 *              body_bytes backlog ring(fill, in thousandths) away } ] }
 *
 *   view      as lb_wear_side_view() gave it, with what its last part asks for
 *   hangs_s   of lb_wear_side_hangs_ns()
 *   errors    those of stdio, seen by ferror(out)
 *   calls     slow side
 */
void lb_wear_print_json(const struct lb_wear_view *view, uint64_t now_ns, uint64_t hangs_s, FILE *out);

/*
 * The same for a person: a few lines for each disk, shares as bars.
 */
void lb_wear_print_text(const struct lb_wear_view *view, uint64_t now_ns, uint64_t hangs_s, FILE *out);

/*
 * The programs that wrote to a disk, most first.
 *   order     room for LB_WEAR_PROGRAMS indexes
 *   returns   how many
 */
uint32_t lb_wear_order(const struct lb_wear_view *view, uint32_t disk, uint32_t order[LB_WEAR_PROGRAMS]);

#endif
