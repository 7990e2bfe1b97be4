/* SPDX-License-Identifier: MIT */
/* Names of what may be asked from afar. In: text. Out: one of a list that is written here and nowhere else.
 */
#include "common/remote_names.h"

#include <string.h>

static const char *const names[LB_REMOTE_NAMES] = { "context", "level", "status", "wear" };

int lb_remote_name_find(const char *text, size_t len)
{
    for (int i = 0; i < LB_REMOTE_NAMES; i++)
        if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0)
            return i;
    return -1;
}

const char *lb_remote_name_text(int name)
{
    return name >= 0 && name < LB_REMOTE_NAMES ? names[name] : "";
}

unsigned lb_remote_names_parse(const char *text)
{
    unsigned bits = 0;

    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        size_t len = strcspn(text, " ");
        int name = lb_remote_name_find(text, len);

        if (name < 0)
            return 0;
        bits |= 1u << name;
        text += len;
    }
    return bits;
}
