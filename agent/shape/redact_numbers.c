/* SPDX-License-Identifier: MIT */
/*
 * Where numbers and addresses are in a text: payment cards, IBANs, IPv4 and IPv6. In: a text, and which rules
 * are on. Out: spans. Always true: what checks is found, however a line is filled around it.
 */
#include <string.h>

#include "agent/shape/redact_parts.h"

#define WITHIN_MAX 16 /* characters of an IBAN before its first four digits in a row */

static inline bool is_upper_or_digit(char c)
{
    return lb_redact_is_digit(c) || (c >= 'A' && c <= 'Z');
}

static bool is_group(const char *text)
{
    for (unsigned i = 0; i < 4; i++)
        if (!is_upper_or_digit(text[i]))
            return false;
    return true;
}

/* Does a group of digits belong to an IBAN that is written together, or begins up to three groups before? */
static bool look_for_iban(struct lb_redact_find *find, size_t start)
{
    size_t len;

    for (size_t least = start > WITHIN_MAX ? start - WITHIN_MAX : 0;
         start > least && is_upper_or_digit(find->text[start - 1]);)
        start--;
    for (unsigned groups = 0;
         groups < 3 && start >= 5 && find->text[start - 1] == ' ' && is_group(find->text + start - 5);
         groups++)
        start -= 5;
    if (find->text[start] < 'A' || find->text[start] > 'Z' ||
        (start > 0 && lb_redact_is_alnum(find->text[start - 1])))
        return false;
    len = lb_redact_iban(find->text, find->len, start);
    lb_redact_add(find, start, len, LB_REDACT_IBAN);
    return len > 0;
}

void lb_redact_find_number(struct lb_redact_find *find, size_t start)
{
    size_t len;

    if (lb_redact_has(find, LB_REDACT_IBAN) && look_for_iban(find, start))
        return;
    if (lb_redact_has(find, LB_REDACT_CARD) && (start == 0 || (!lb_redact_is_alnum(find->text[start - 1]) &&
                                                               !memchr("._-", find->text[start - 1], 3)))) {
        len = lb_redact_card(find->text, find->len, start);
        lb_redact_add(find, start, len, LB_REDACT_CARD);
    }
}

void lb_redact_find_addresses(struct lb_redact_find *find)
{
    for (size_t at = 0; at < find->len; at++) {
        size_t len = 0;
        enum lb_redact_rule rule = LB_REDACT_IPV4;

        if (at > 0 && (lb_redact_is_alnum(find->text[at - 1]) || memchr(".:", find->text[at - 1], 2)))
            continue;
        if (lb_redact_has(find, LB_REDACT_IPV4) && lb_redact_is_digit(find->text[at]))
            len = lb_redact_ipv4(find->text, find->len, at);
        if (len == 0 && lb_redact_has(find, LB_REDACT_IPV6)) {
            len = lb_redact_ipv6(find->text, find->len, at);
            rule = LB_REDACT_IPV6;
        }
        lb_redact_add(find, at, len, rule);
        at += len;
    }
}
