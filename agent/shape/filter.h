/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_FILTER_H
#define LB_SHAPE_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config.h"

/*
 * The user's `drop NAME` and `keep NAME`: patterns of PCRE2 that a record's text
 * matches anywhere. A pattern without special characters is looked for as it
 * is, without PCRE2. Where both match the record is kept.
 *
 * No pattern can run away: a match that takes too long is none, and the record
 * goes its way.
 */
struct lb_filter;

/* What was wrong with rules; more than fit are left out. */
#define LB_FILTER_FAULTS_MAX 8
struct lb_filter_fault {
    const struct lb_rule *rule;
    const char *kind; /* "keep" or "drop" */
    char text[256];   /* what and where in the pattern */
};
struct lb_filter_faults {
    unsigned count;
    struct lb_filter_fault fault[LB_FILTER_FAULTS_MAX];
};

/*
 * Compile the rules of a service.
 *   all, own    of [throttle] and of its [service NAME]; own NULL: it has no section. One of own stands
 *               instead of one of all with the same name
 *   ret_filter  free with lb_filter_free(); NULL when there is no rule. Copies what it needs
 *   returns     0 | -EINVAL, *ret_faults filled | -ENOMEM
 *   calls       the thread that loads the configuration
 */
int lb_filter_compile(const struct lb_throttle_config *all, const struct lb_throttle_config *own,
                      struct lb_filter **ret_filter, struct lb_filter_faults *ret_faults);

/*
 * Free it, or do nothing with NULL.
 */
void lb_filter_free(struct lb_filter *filter);

enum lb_filter_verdict { LB_FILTER_NONE = 0, LB_FILTER_DROP, LB_FILTER_KEEP };

/*
 * Does a rule match?
 *   filter      NULL: there are none
 *   ret_name    of the rule; lives as long as the filter
 *   calls       one thread at a time; no allocation
 */
enum lb_filter_verdict lb_filter_look(const struct lb_filter *filter, const char *text, size_t len,
                                      const char **ret_name);

#endif
