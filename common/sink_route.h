/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_SINK_ROUTE_H
#define LB_COMMON_SINK_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config.h"

/*
 * Which records a sink gets: those of its services, by name, that are severe
 * enough. Pure, and asked for each record.
 */

/*
 * Is this record for that sink? A sink that is not filtered takes each.
 *   service      service_len bytes, need not end in NUL; of a longer one than a service's name may be the
 *                first LB_NAME_MAX count
 *   severity     as records have it, 0 to 7: lower is worse (common/level.h)
 *   calls        any thread; never allocates
 */
bool lb_sink_takes(const struct lb_sink_config *sink, const char *service, size_t service_len,
                   unsigned severity);

/*
 * Are there records that are not for that sink?
 *   calls        any thread
 */
bool lb_sink_is_filtered(const struct lb_sink_config *sink);

/*
 * May this stand in services: names of services, and * ? [ ] as fnmatch(3)
 * has them, parted by commas?
 *   services     "" is legal, and means all
 *   calls        any thread
 */
bool lb_sink_services_are_legal(const char *services);

#endif
