/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_TOP_TABLE_H
#define LB_OFFLINE_TOP_TABLE_H

#include "agent/offline/top_screen.h"

/*
 * Draw the tables of services and of patterns into the lines that are left.
 *   calls    lb_top_screen_draw()
 */
void lb_top_tables_draw(const struct lb_top_view *view, struct lb_top_canvas *canvas);

/*
 * What is left of a quota, in percent.
 *   calls    any thread
 */
double lb_top_percent_left(const struct lb_top_quota *quota);

#endif
