/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_SETTINGS_H
#define LB_OFFLINE_SETTINGS_H

#include "agent/shape/pipeline_rules.h"
#include "common/config.h"

#define LB_OFFLINE_FILE "/etc/logboom/logboom.ini"

/*
 * The configuration of a mode that works on a log, or the defaults where there is none on this machine.
 *   who         names the mode on stderr; NULL: that the defaults are used is not told
 *   file        NULL: LB_OFFLINE_FILE
 *   sink        the text of the sink that the defaults go with
 *   ret_config, ret_rules   the caller's to free, also where it fails: NULL or whole
 *   returns     the exit code: 0 | 1 failed | 2 it has faults, which were told on stderr
 *   calls       offline modes; may block
 */
int lb_offline_settings(const char *who, const char *file, const char *sink, struct lb_config **ret_config,
                        struct lb_rules **ret_rules);

#endif
