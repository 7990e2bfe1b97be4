/* SPDX-License-Identifier: MIT */
/* Findings. In: texts. Out: a list in order. Always true: a text is one line that a terminal only shows. */
#include "agent/offline/protect_plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const lb_protect_paths[LB_PROTECT_FILES] = {
    [LB_PROTECT_JOURNALD] = "/etc/systemd/journald.conf.d/" LB_PROTECT_DROP_IN,
    [LB_PROTECT_TIMESYNCD] = "/etc/systemd/timesyncd.conf.d/" LB_PROTECT_DROP_IN,
    [LB_PROTECT_SYSCTL] = "/etc/sysctl.d/" LB_PROTECT_DROP_IN,
    [LB_PROTECT_UNIT] = "/etc/systemd/system/" LB_PROTECT_SERVICE,
    [LB_PROTECT_UNIT_LINK] = "/etc/systemd/system/multi-user.target.wants/" LB_PROTECT_SERVICE,
};

struct lb_protect_finding *lb_protect_add(struct lb_protect_plan *plan, const char *id, unsigned rank,
                                          enum lb_protect_state state)
{
    struct lb_protect_finding *finding;

    if (plan->count == LB_PROTECT_MOST)
        plan->left_out++;
    else
        plan->count++;
    finding = &plan->finding[plan->count - 1];
    *finding = (struct lb_protect_finding) { .id = id, .rank = rank, .state = state };
    return finding;
}

static void make_showable(char *text)
{
    size_t len = strlen(text), lead = len;

    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    /* A character that was cut at the end. */
    while (lead > 0 && len - lead < 3 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
        lead--;
    if (lead > 0) {
        unsigned char first = (unsigned char)text[lead - 1];
        size_t need = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;

        if (need > 1 && len - lead + 1 < need)
            text[lead - 1] = '\0';
    }
}

void lb_protect_say(char *to, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(to, size, format, args);
    va_end(args);
    make_showable(to);
}

void lb_protect_say_more(char *to, size_t size, const char *format, ...)
{
    size_t used = strlen(to);
    va_list args;

    va_start(args, format);
    vsnprintf(to + used, size - used, format, args);
    va_end(args);
    make_showable(to);
}

void lb_protect_sort(struct lb_protect_plan *plan)
{
    for (size_t i = 1; i < plan->count; i++) {
        struct lb_protect_finding moving = plan->finding[i];
        size_t at = i;

        for (; at > 0 && plan->finding[at - 1].rank < moving.rank; at--)
            plan->finding[at] = plan->finding[at - 1];
        plan->finding[at] = moving;
    }
}
