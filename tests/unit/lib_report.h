/* SPDX-License-Identifier: MIT */
#ifndef LB_UNIT_LIB_REPORT_H
#define LB_UNIT_LIB_REPORT_H

#include "agent/wear/view.h"

/*
 * Views that the report's tests share, made up by name; all figures in one add
 * up as the sampler's do.
 *   busy     a Pi that logs on its SD card, beside a USB disk, for a day
 *   fresh    logboom began 14 minutes ago, the clock is not known
 *   worn     eMMC in its last tenth, a file system on it went read-only
 *   outage   no sink for five hours, a time without looks, nothing written for a while
 *   hostile  every name is bytes that a page must not take as they are
 *   full     every array is full, every text as long and as costly as can be
 *   none     no sample yet
 *   nodisk   a sample, and no disk
 *   returns  static, until the next call | NULL there is no such view
 */
struct lb_wear_view *test_wear_view(const char *name);

#endif
