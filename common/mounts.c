/* SPDX-License-Identifier: MIT */
/*
 * mountinfo. In: "ID PARENT MAJ:MIN ROOT POINT FLAGS [TAG...] - TYPE SOURCE OPTIONS". Out: its parts. Always
 * true: a path is what open() wants, since a point may have blanks ("/media/pi/MY CARD").
 */
#include "common/mounts.h"

#include <stdio.h>
#include <string.h>

static bool is_octal(const char *text)
{
    for (int i = 0; i < 3; i++)
        if (text[i] < '0' || text[i] > '7')
            return false;
    return true;
}

void lb_mounts_unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from; to++) {
        if (from[0] == '\\' && is_octal(from + 1)) {
            *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

bool lb_mounts_parse(const char *line, struct lb_mount *mount)
{
    const char *tail = strstr(line, " - ");

    mount->options[0] = '\0';
    // NOLINTNEXTLINE(cert-err34-c): the kernel's own text
    if (!tail || sscanf(line, "%*u %*u %u:%u %*s %4095s %255s", &mount->maj, &mount->min, mount->point,
                        mount->flags) != 4)
        return false;
    if (sscanf(tail + 3, "%63s %4095s %4095s", mount->type, mount->source, mount->options) < 2)
        return false;
    lb_mounts_unescape(mount->point);
    lb_mounts_unescape(mount->source);
    return true;
}

bool lb_mounts_has(const char *options, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = options; (at = strstr(at, word)); at += len)
        if ((at == options || at[-1] == ',') && strchr(",\n", at[len]))
            return true;
    return false;
}

bool lb_mounts_value(const char *options, const char *key, char *buf, size_t size)
{
    const char *at = options;

    while ((at = strstr(at, key)) && at != options && at[-1] != ',')
        at++;
    if (!at)
        return false;
    at += strlen(key);
    snprintf(buf, size, "%.*s", (int)strcspn(at, ",\n"), at);
    lb_mounts_unescape(buf);
    return true;
}
