/* SPDX-License-Identifier: MIT */
/*
 * What URLs and mail addresses tell. In: a text, and where "://" or "@" is. Out: spans. Always true: a unit
 * of systemd is no mail address, and a port no password.
 */
#include <string.h>

#include "agent/shape/redact_parts.h"

/* "://user:password@host", or "://token@host". */
void lb_redact_find_url(struct lb_redact_find *find, size_t colon)
{
    size_t start = colon + 3, end = start, at = 0, password = 0;

    while (end < find->len && !memchr(" \t\r\n/?#\"'`<>,", find->text[end], 13)) {
        if (find->text[end] == '@')
            at = end;
        if (find->text[end] == ':' && password == 0)
            password = end + 1;
        end++;
    }
    find->url_end = end;
    if (at == 0)
        return;
    if (password > 0 && password < at)
        lb_redact_add(find, password, at - password, LB_REDACT_URL);
    else if (password == 0 && at - start >= LB_REDACT_TOKEN_LEAST)
        lb_redact_add(find, start, at - start, LB_REDACT_URL);
}

/* What has an "@" and a dot and is no address: units of systemd, pictures for fine screens, git's user. */
static bool is_no_mail(const char *text, size_t len, const char *end_word, size_t end_len)
{
    static const char *const ends[] = { "service", "socket", "timer", "mount", "target", "slice", "scope",
                                        "device",  "path",   "swap",  "png",   "jpg",    "svg",   "gif" };

    if (len > 4 && memcmp(text, "git@", 4) == 0)
        return true;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (strlen(ends[i]) == end_len && memcmp(end_word, ends[i], end_len) == 0)
            return true;
    return false;
}

void lb_redact_find_mail(struct lb_redact_find *find, size_t sign)
{
    size_t start = sign, end = sign + 1, dot = 0;

    if (sign < find->url_end)
        return;
    while (start > 0 && (lb_redact_is_inner(find->text[start - 1]) || memchr("%+", find->text[start - 1], 2)))
        start--;
    while (start < sign && !lb_redact_is_alnum(find->text[start]))
        start++;
    while (end < find->len && (lb_redact_is_alnum(find->text[end]) || memchr(".-", find->text[end], 2))) {
        if (find->text[end] == '.')
            dot = end;
        end++;
    }
    while (end > sign + 1 && !lb_redact_is_alnum(find->text[end - 1]))
        end--;
    if (dot >= end) /* it ended a sentence */
        for (dot = end - 1; dot > sign && find->text[dot] != '.';)
            dot--;
    if (start == sign || dot <= sign + 1 || end - dot < 3)
        return;
    for (size_t i = dot + 1; i < end; i++)
        if (lb_redact_is_digit(find->text[i]) || find->text[i] == '-')
            return;
    if (!is_no_mail(find->text + start, end - start, find->text + dot + 1, end - dot - 1))
        lb_redact_add(find, start, end - start, LB_REDACT_EMAIL);
}
