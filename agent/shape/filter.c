/* SPDX-License-Identifier: MIT */
/*
 * The user's rules on which records to drop and which to keep. In: a record's text. Out: a verdict, and
 * whose. Always true: the time of one look is bounded by the number of rules and the limits below.
 */
#include "agent/shape/filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define MATCH_LIMIT 20000u /* steps of the interpreter, and of the JIT: some milliseconds on a Pi */
#define DEPTH_LIMIT 500u

struct rule {
    char name[LB_RULE_NAME_MAX + 1];
    char *fixed; /* looked for as it is; NULL: code is */
    size_t fixed_len;
    pcre2_code *code;
};

struct lb_filter {
    struct rule rule[2 * LB_RULES_MAX * 2];
    size_t keeps, count; /* those that keep come first */
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

void lb_filter_free(struct lb_filter *filter)
{
    if (!filter)
        return;
    for (size_t i = 0; i < filter->count; i++) {
        free(filter->rule[i].fixed);
        pcre2_code_free(filter->rule[i].code);
    }
    pcre2_match_data_free(filter->match);
    pcre2_match_context_free(filter->limits);
    free(filter);
}

static int compile(const struct lb_rule *source, struct rule *rule, const char *kind,
                   struct lb_filter_faults *faults)
{
    struct lb_filter_fault *fault;
    size_t offset, len = strlen(source->text);
    char why[160];
    int error;

    strcpy(rule->name, source->name);
    if (strpbrk(source->text, "\\^$.[|()?*+{") == NULL) {
        rule->fixed = strdup(source->text);
        rule->fixed_len = len;
        return rule->fixed ? 0 : -ENOMEM;
    }
    rule->code = pcre2_compile((PCRE2_SPTR)source->text, len, PCRE2_MATCH_INVALID_UTF | PCRE2_NO_AUTO_CAPTURE,
                               &error, &offset, NULL);
    if (rule->code) {
        pcre2_jit_compile(rule->code, PCRE2_JIT_COMPLETE); /* where it may not, the interpreter does it */
        return 0;
    }
    if (faults->count == LB_FILTER_FAULTS_MAX)
        return -EINVAL;
    fault = &faults->fault[faults->count++];
    pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof why);
    fault->rule = source;
    fault->kind = kind;
    snprintf(fault->text, sizeof fault->text, "no pattern that PCRE2 understands: %s, at character %zu", why,
             offset + 1);
    return -EINVAL;
}

static bool is_overridden(const struct lb_rule_list *own, const char *name)
{
    for (size_t i = 0; own && i < own->count; i++)
        if (strcmp(own->rule[i].name, name) == 0)
            return true;
    return false;
}

/* All of a list, though one be wrong: rc, or what is worse. */
static int add_list(struct lb_filter *filter, const struct lb_rule_list *list, const struct lb_rule_list *own,
                    const char *kind, struct lb_filter_faults *faults, int rc)
{
    for (size_t i = 0; rc != -ENOMEM && list && i < list->count; i++) {
        int error = is_overridden(own, list->rule[i].name)
                        ? 0
                        : compile(&list->rule[i], &filter->rule[filter->count++], kind, faults);

        rc = error < 0 ? error : rc;
    }
    return rc;
}

int lb_filter_compile(const struct lb_throttle_config *all, const struct lb_throttle_config *own,
                      struct lb_filter **ret_filter, struct lb_filter_faults *ret_faults)
{
    struct lb_filter *filter;
    int rc;

    *ret_filter = NULL;
    ret_faults->count = 0;
    if (all->keep.count + all->drop.count + (own ? own->keep.count + own->drop.count : 0) == 0)
        return 0;
    filter = calloc(1, sizeof *filter);
    if (!filter)
        return -ENOMEM;
    filter->match = pcre2_match_data_create(1, NULL);
    filter->limits = pcre2_match_context_create(NULL);
    rc = filter->match && filter->limits ? 0 : -ENOMEM;
    if (rc == 0) {
        pcre2_set_match_limit(filter->limits, MATCH_LIMIT);
        pcre2_set_depth_limit(filter->limits, DEPTH_LIMIT);
    }
    rc = add_list(filter, &all->keep, own ? &own->keep : NULL, "keep", ret_faults, rc);
    rc = add_list(filter, own ? &own->keep : NULL, NULL, "keep", ret_faults, rc);
    filter->keeps = filter->count;
    rc = add_list(filter, &all->drop, own ? &own->drop : NULL, "drop", ret_faults, rc);
    rc = add_list(filter, own ? &own->drop : NULL, NULL, "drop", ret_faults, rc);
    if (rc < 0)
        lb_filter_free(filter);
    else
        *ret_filter = filter;
    return rc;
}

static bool matches(const struct lb_filter *filter, const struct rule *rule, const char *text, size_t len)
{
    if (rule->fixed)
        return memmem(text, len, rule->fixed, rule->fixed_len) != NULL;
    return pcre2_match(rule->code, (PCRE2_SPTR)text, len, 0, 0, filter->match, filter->limits) >= 0;
}

enum lb_filter_verdict lb_filter_look(const struct lb_filter *filter, const char *text, size_t len,
                                      const char **ret_name)
{
    for (size_t i = 0; filter && i < filter->count; i++) {
        if (!matches(filter, &filter->rule[i], text, len))
            continue;
        *ret_name = filter->rule[i].name;
        return i < filter->keeps ? LB_FILTER_KEEP : LB_FILTER_DROP;
    }
    return LB_FILTER_NONE;
}
