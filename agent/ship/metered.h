/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_METERED_H
#define LB_SHIP_METERED_H

#include <stdbool.h>

#include "common/config.h"

/*
 * Is the link paid for by the byte? Nobody tells a daemon without a bus; but
 * where the default route goes by a modem, it most likely is.
 *
 *   /proc/net/route, /proc/net/ipv6_route   the default route with the least metric, of IPv4 where there is
 * one /sys/class/net/IF/uevent                DEVTYPE=wwan (wwan(4), qmi_wwan, cdc_mbim); a name as of ppp,
 * which says nothing there
 */
#define LB_METERED_EVERY_NS (10 * 1000000000ull) /* a route that goes away is told by nobody */

/*
 * Look.
 *   setting   [network] metered: the answer where it is not auto
 *   root      "" for this machine; a directory with proc/ and sys/ below it (tests)
 *   returns   false also where there is no default route
 *   calls     any thread; reads files that lie in memory
 */
bool lb_metered_look(enum lb_metered setting, const char *root);

#endif
