/* SPDX-License-Identifier: MIT */
/*
 * Looking a key up. In: a section and a name. Out: the row, or what may have
 * been meant. Always true: of a name that is not known no more is repeated than
 * its start, since it may be a secret gone astray.
 */
#include <stdio.h>
#include <string.h>

#include "common/keys.h"

#define NAME_BOUND 32 /* longer names are not compared, nor repeated in full */

const struct lb_key *lb_key_find(enum lb_key_section section, const char *name)
{
    size_t count;
    const struct lb_key *keys = lb_keys(&count);

    for (size_t i = 0; i < count; i++)
        if (lb_key_is_in(&keys[i], section) &&
            (strcmp(keys[i].name, name) == 0 || lb_key_rule_name(&keys[i], name)))
            return &keys[i];
    return NULL;
}

const char *lb_key_rule_name(const struct lb_key *key, const char *text)
{
    size_t kind_len = key->type == LB_KEY_RULES ? strcspn(key->name, " ") : 0;

    if (kind_len == 0 || strncmp(key->name, text, kind_len) != 0 || text[kind_len] != ' ')
        return NULL;
    return text + kind_len + strspn(text + kind_len, " \t");
}

/* Letters to insert, delete or change to make one of the other; NAME_BOUND where a name is that long. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_BOUND + 1];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len >= NAME_BOUND || b_len >= NAME_BOUND)
        return NAME_BOUND;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[b_len];
}

/* A short name may be two letters away from anything: at least half of it must be right. */
static bool is_near(const char *name, const char *known, size_t *best)
{
    size_t apart = distance(name, known);

    if (apart > 2 || apart >= *best || 2 * apart > strlen(known))
        return false;
    *best = apart;
    return true;
}

void lb_key_explain_unknown(enum lb_key_section section, const char *name, char *why, size_t size)
{
    const struct lb_key *elsewhere = NULL, *nearest = NULL;
    const struct lb_key_section_info *there;
    const char *here = lb_key_section_info(section)->name;
    size_t count, best = NAME_BOUND;
    const struct lb_key *keys = lb_keys(&count);

    for (size_t i = 0; i < count; i++) {
        if (!elsewhere && strcmp(keys[i].name, name) == 0)
            elsewhere = &keys[i];
        if (lb_key_is_in(&keys[i], section) && is_near(name, keys[i].name, &best))
            nearest = &keys[i];
    }
    there = elsewhere ? lb_key_section_info(elsewhere->section) : NULL;
    if (there)
        snprintf(why, size, "unknown key \"%s\" in [%s]: it belongs in [%s%s]", name, here, there->name,
                 there->sample_name ? " NAME" : "");
    else if (nearest)
        snprintf(why, size, "unknown key \"%s\" in [%s]: is %s meant?", name, here, nearest->name);
    else
        snprintf(why, size, "unknown key \"%.*s%s\" in [%s]", NAME_BOUND, name,
                 strlen(name) > NAME_BOUND ? "..." : "", here);
}

void lb_key_explain_unknown_section(const char *kind, char *why, size_t size)
{
    const char *nearest = NULL;
    size_t best = NAME_BOUND;

    for (int section = 0; section < LB_SECTION_COUNT; section++)
        if (is_near(kind, lb_key_section_info(section)->name, &best))
            nearest = lb_key_section_info(section)->name;
    if (nearest)
        snprintf(why, size, "unknown section [%s]: is [%s] meant?", kind, nearest);
    else
        snprintf(why, size, "unknown section [%.*s%s]", NAME_BOUND, kind,
                 strlen(kind) > NAME_BOUND ? "..." : "");
}

bool lb_key_is_for(const struct lb_key *key, const char *type)
{
    size_t len = strlen(type);

    for (const char *at = key->sink_type; at; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, type, len) == 0 && (at[len] == '|' || at[len] == '\0'))
            return true;
    }
    return !key->sink_type;
}
