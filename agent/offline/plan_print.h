/* SPDX-License-Identifier: MIT */
#ifndef LB_OFFLINE_PLAN_PRINT_H
#define LB_OFFLINE_PLAN_PRINT_H

#include <stdio.h>

#include "agent/offline/plan_engine.h"
#include "agent/offline/plan_twin.h"

/* What a plan came to. */
struct lb_plan_result {
    const struct lb_plan_engine *plan;    /* the configuration */
    const struct lb_plan_engine *against; /* another one, NULL: none */
    const struct lb_plan_twin *plain;     /* the first one without its throttle */
    const char *file, *against_file;      /* names of the configurations */
    uint64_t lines, bytes;                /* of the input, line ends included */
    uint64_t first_ms, last_ms;           /* wall time of the records */
    uint64_t timed;                       /* records that bore a time */
    uint64_t records;
};

/*
 * Print it: for a person, at most 100 columns wide, or as one JSON object,
 * whose members are told in the manual page.
 *   calls  offline modes
 */
void lb_plan_print_text(const struct lb_plan_result *result, FILE *out);
void lb_plan_print_json(const struct lb_plan_result *result, FILE *out);

/* The books of a service, or of all (row LB_SERVICES_BOOKS), in lines. */
struct lb_plan_book {
    uint64_t in, in_bytes, kept, kept_bytes, held, dropped, own, promoted;
    uint64_t held_by[LB_HELD_REASONS], dropped_by[LB_DROP_COUNT];
    double wire_bytes;
};

/*
 * Read them.
 *   calls     offline modes, after lb_plan_engine_finish()
 */
struct lb_plan_book lb_plan_book_of(const struct lb_plan_engine *engine, uint32_t row);

/*
 * How many services have books, our own not counted, and the row of the index-th of them.
 */
unsigned lb_plan_services(const struct lb_plan_engine *engine);
uint32_t lb_plan_service(const struct lb_plan_engine *engine, unsigned index);

/*
 * So much in the input's time is how much in a day?
 */
double lb_plan_a_day(const struct lb_plan_result *result, double amount);

#endif
