/* SPDX-License-Identifier: MIT */
/*
 * Rules, which have names of their own: "suppress heartbeat = ...". In: one setting. Out: a rule in a list.
 * Always true: a name stands in a list once, and a later file's rule takes the place of an earlier one's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_load.h"
#include "common/proto.h"

void lb_config_free_rules(struct lb_rule_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->rule[i].text);
        free(list->rule[i].file);
    }
    free(list->rule);
}

/* Set one rule of a list: a new one, or in place of one that an earlier file has. */
static int set_rule(struct lb_rule_list *list, const char *name, const char *text, const struct lb_origin *at)
{
    struct lb_rule *rule = list->rule, *more;
    char *copy = strdup(text), *file = strdup(at->file);
    size_t i = 0;

    while (i < list->count && strcmp(rule[i].name, name) != 0)
        i++;
    more = i < list->count ? rule : reallocarray(rule, list->count + 1, sizeof *rule);
    if (more)
        list->rule = more;
    if (!copy || !file || !more) {
        free(copy);
        free(file);
        return -ENOMEM;
    }
    if (i == list->count) {
        list->count++;
        more[i] = (struct lb_rule) { 0 };
        snprintf(more[i].name, sizeof more[i].name, "%s", name);
    }
    free(more[i].text);
    free(more[i].file);
    more[i].text = copy;
    more[i].file = file;
    more[i].line = at->line;
    return 0;
}

int lb_config_apply_rule(struct lb_loader *loader, const struct lb_key *key, struct lb_rule_list *list,
                         const struct lb_setting *setting, const struct lb_origin *at)
{
    const char *name = lb_key_rule_name(key, setting->key);

    if (!name || strlen(name) > LB_RULE_NAME_MAX || !lb_service_name_is_legal(name, strlen(name))) {
        lb_config_fault(loader->faults, at, "the name in \"%s\" must be 1 to %d of A-Z a-z 0-9 . _ / @ : -",
                        key->name, LB_RULE_NAME_MAX);
        return 0;
    }
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->rule[i].name, name) == 0 && strcmp(list->rule[i].file, at->file) == 0) {
            lb_config_fault(loader->faults, at, "a second value for %s: the first is in line %d",
                            setting->key, list->rule[i].line);
            return 0;
        }
    if (setting->value[0] == '\0' && key->section == LB_SECTION_THROTTLE)
        lb_config_fault(loader->faults, at, "%s must not be empty: it would match every record",
                        setting->key);
    else if (list->count == LB_RULES_MAX)
        lb_config_fault(loader->faults, at, "more than %d of \"%s\"", LB_RULES_MAX, key->name);
    else
        return set_rule(list, name, setting->value, at);
    return 0;
}
