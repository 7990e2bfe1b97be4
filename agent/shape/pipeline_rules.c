/* SPDX-License-Identifier: MIT */
/*
 * The rules of a configuration, compiled. In: a snapshot. Out: a set of rules for each service that has any
 * of its own, and one for all others. Always true: a fault names the file and line of the rule that is wrong.
 */
#include "agent/shape/pipeline_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shape/filter.h"
#include "agent/shape/redact.h"
#include "common/config_load.h"

struct lb_rules {
    struct lb_service_rules all;
    struct lb_service_rules *own; /* one for each of config->services */
    size_t count;
};

static const struct lb_rule *find(const struct lb_rule_list *list, const char *name)
{
    for (size_t i = 0; list && i < list->count; i++)
        if (strcmp(list->rule[i].name, name) == 0)
            return &list->rule[i];
    return NULL;
}

static int complain(struct lb_config_faults *faults, const struct lb_rule *rule, const char *kind,
                    const char *why)
{
    struct lb_origin at = { rule->file, rule->line };

    lb_config_fault(faults, &at, "%s %s: %s", kind, rule->name, why);
    return -EINVAL;
}

/* ---- masks ---- */

/* Rules of the section that the service has no own one for, and then its own. */
static unsigned gather(const struct lb_redact_config *all, const struct lb_redact_config *own,
                       const struct lb_rule **rule)
{
    unsigned count = 0;

    for (size_t i = 0; i < all->rule.count; i++)
        if (!own || !find(&own->rule, all->rule.rule[i].name))
            rule[count++] = &all->rule.rule[i];
    for (size_t i = 0; own && i < own->rule.count; i++)
        rule[count++] = &own->rule.rule[i];
    return count;
}

static const char *replacement_of(const struct lb_redact_config *all, const struct lb_redact_config *own,
                                  const char *name)
{
    const struct lb_rule *rule = own ? find(&own->replace, name) : NULL;

    if (!rule)
        rule = find(&all->replace, name);
    return rule ? rule->text : NULL;
}

/* A replacement of a rule that is not there was meant for another one. */
static int check_replacements(const struct lb_redact_config *all, const struct lb_redact_config *own,
                              struct lb_config_faults *faults)
{
    const struct lb_rule_list *list = own ? &own->replace : &all->replace;
    int rc = 0;

    for (size_t i = 0; i < list->count; i++)
        if (!find(&all->rule, list->rule[i].name) && !(own && find(&own->rule, list->rule[i].name)))
            rc = complain(faults, &list->rule[i], "replace", "there is no rule of this name");
    return rc;
}

static int compile_masks(const struct lb_redact_config *all, const struct lb_redact_config *own,
                         const struct lb_config *config, struct lb_config_faults *faults,
                         struct lb_redact **ret)
{
    const struct lb_rule *rule[2 * LB_RULES_MAX];
    struct lb_redact_rule_text text[2 * LB_RULES_MAX];
    unsigned count = gather(all, own, rule);
    struct lb_origin whole = { config->file, 0 };
    char why[512];
    int rc = check_replacements(all, own, faults);

    for (unsigned i = 0; i < count; i++) {
        struct lb_redact *alone;

        text[i] = (struct lb_redact_rule_text) { rule[i]->name, rule[i]->text,
                                                 replacement_of(all, own, rule[i]->name) };
        if (lb_redact_compile("off", &text[i], 1, &alone, why, sizeof why) == -EINVAL)
            rc = complain(faults, rule[i], "rule", why);
        else
            lb_redact_free(alone);
    }
    if (rc < 0)
        return rc;
    rc = lb_redact_compile(own ? own->builtin : all->builtin, text, count, ret, why, sizeof why);
    if (rc == -EINVAL)
        lb_config_fault(faults, &whole, "builtin in [%s]: %s", own ? "service NAME" : "redact", why);
    return rc;
}

/* ---- all ---- */

static int compile_one(const struct lb_config *config, const struct lb_service_config *own,
                       struct lb_config_faults *faults, struct lb_service_rules *rules)
{
    struct lb_filter_faults wrong;
    int rc = compile_masks(&config->redact, own ? &own->redact : NULL, config, faults, &rules->redact);
    int rc_of_filter =
        lb_filter_compile(&config->throttle, own ? &own->throttle : NULL, &rules->filter, &wrong);

    for (unsigned i = 0; i < wrong.count; i++)
        complain(faults, wrong.fault[i].rule, wrong.fault[i].kind, wrong.fault[i].text);
    return rc < 0 ? rc : rc_of_filter;
}

/* A service without rules of its own has those of all. */
static bool has_own(const struct lb_config *config, const struct lb_service_config *service)
{
    return service->redact.rule.count + service->redact.replace.count + service->throttle.drop.count +
                   service->throttle.keep.count >
               0 ||
           strcmp(service->redact.builtin, config->redact.builtin) != 0;
}

int lb_rules_compile(const struct lb_config *config, struct lb_config_faults *faults,
                     struct lb_rules **ret_rules)
{
    struct lb_rules *rules = calloc(1, sizeof *rules);
    int rc = -ENOMEM;

    if (rules) {
        rules->count = config->service_count;
        rules->own = calloc(rules->count ? rules->count : 1, sizeof *rules->own);
        rc = rules->own ? compile_one(config, NULL, faults, &rules->all) : -ENOMEM;
    }
    for (size_t i = 0; rc == 0 && i < rules->count; i++)
        if (has_own(config, &config->services[i]))
            rc = compile_one(config, &config->services[i], faults, &rules->own[i]);
    if (rc == 0)
        *ret_rules = rules;
    else
        lb_rules_free(rules);
    return rc;
}

static void free_one(struct lb_service_rules *rules)
{
    lb_redact_free(rules->redact);
    lb_filter_free(rules->filter);
}

void lb_rules_free(struct lb_rules *rules)
{
    if (!rules)
        return;
    for (size_t i = 0; rules->own && i < rules->count; i++)
        free_one(&rules->own[i]);
    free_one(&rules->all);
    free(rules->own);
    free(rules);
}

const struct lb_service_rules *lb_rules_of(const struct lb_rules *rules, const struct lb_config *config,
                                           const struct lb_service_config *service)
{
    static const struct lb_service_rules none;
    size_t i = (size_t)(service - config->services);

    if (!rules)
        return &none;
    if (service == &config->default_service || i >= rules->count || !has_own(config, service))
        return &rules->all;
    return &rules->own[i];
}

bool lb_rules_use_jit(const struct lb_rules *rules)
{
    return lb_redact_uses_jit(rules->all.redact);
}
