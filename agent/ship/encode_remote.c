/* SPDX-License-Identifier: MIT */
/* Records of commands from afar. In: the body of one. Out: a sentence, and members of JSON. Always true: what
 * somebody sent us is shown as text of his, never as more than that. */
#include "agent/ship/encode_remote.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/units.h"

/* Texts of ours are padded with NUL, and may fill their room. */
#define TEXT(field) (int)strnlen((field), sizeof(field)), (field)

int lb_encode_remote_text(const struct lb_remote_told *told, char *buf, size_t size)
{
    char time[32] = "";

    if (told->for_ms)
        lb_units_print_duration(told->for_ms, time, sizeof time);
    return snprintf(buf, size, "logboom: asked from afar for %.*s%s%.*s%s%.*s%s%s, by %.*s: %s%.*s",
                    TEXT(told->command), told->service[0] ? " " : "", TEXT(told->service),
                    told->level[0] ? " " : "", TEXT(told->level), time[0] ? " " : "", time, TEXT(told->who),
                    told->is_refused ? "refused: " : "", TEXT(told->text));
}

static char *add(char *to, const char *key, const char *text, size_t size)
{
    if (text[0] == '\0')
        return to;
    to += sprintf(to, ",\"%s\":\"", key);
    to = lb_json_escape(to, text, strnlen(text, size));
    *to++ = '"';
    return to;
}

char *lb_encode_remote_members(const struct lb_remote_told *told, char *to)
{
    to += sprintf(to, ",\"alert\":\"remote\",\"refused\":%s", told->is_refused ? "true" : "false");
    to = add(to, "command", told->command, sizeof told->command);
    to = add(to, "id", told->id, sizeof told->id);
    to = add(to, "who", told->who, sizeof told->who);
    to = add(to, "topic", told->topic, sizeof told->topic);
    to = add(to, "service", told->service, sizeof told->service);
    to = add(to, "level", told->level, sizeof told->level);
    if (told->for_ms)
        to += sprintf(to, ",\"for_ms\":%llu", (unsigned long long)told->for_ms);
    return add(to, "outcome", told->text, sizeof told->text);
}
