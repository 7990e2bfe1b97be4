/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_PIPELINE_RULES_H
#define LB_SHAPE_PIPELINE_RULES_H

#include <stdbool.h>

#include "common/config.h"

/*
 * The rules of a configuration, compiled: what to mask, what to drop, what to
 * keep. Made by whoever loads the configuration, beside it, and used by the fast
 * side until the next one is there.
 */
struct lb_redact;
struct lb_filter;

struct lb_service_rules {
    struct lb_redact *redact; /* NULL: nothing is masked */
    struct lb_filter *filter; /* NULL: there are none */
};

struct lb_rules;

/*
 * Compile the rules of all services.
 *   faults     what is wrong with a rule is added, with its file and line
 *   ret_rules  free with lb_rules_free()
 *   returns    0 | -EINVAL a rule is wrong | -ENOMEM
 *   calls      the thread that loads the configuration
 */
int lb_rules_compile(const struct lb_config *config, struct lb_config_faults *faults,
                     struct lb_rules **ret_rules);

/*
 * Free them, or do nothing with NULL.
 */
void lb_rules_free(struct lb_rules *rules);

/*
 * The rules of a service.
 *   rules     NULL: there are none
 *   service   of the configuration that was compiled, by lb_config_service()
 *   returns   lives as long as rules
 *   calls     any thread
 */
const struct lb_service_rules *lb_rules_of(const struct lb_rules *rules, const struct lb_config *config,
                                           const struct lb_service_config *service);

/*
 * Are the user's own patterns to be masked matched by compiled code (the JIT of
 * PCRE2), or interpreted, where memory may not be executable?
 *   calls     any thread
 */
bool lb_rules_use_jit(const struct lb_rules *rules);

#endif
