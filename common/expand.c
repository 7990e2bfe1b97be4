/* SPDX-License-Identifier: MIT */
/*
 * %words, $NAMES and @/files in a text. In: the text as configured. Out: the
 * text as meant. Always true: a part that is missing is an error, never "".
 */
#include "common/expand.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/read_file.h"

#define PART_MAX 4096 /* bytes of one part, and of a path or a name */

static const struct lb_expand_paths system_paths = {
    .machine_id = "/etc/machine-id",
    .serial = { "/proc/device-tree/serial-number", "/sys/firmware/devicetree/base/serial-number" },
};

struct expansion {
    const struct lb_expand_paths *paths;
    char *buf;
    size_t size, len;
    char *why;
    size_t why_size;
    char name[PART_MAX + 1]; /* of the part at hand */
    char part[PART_MAX + 1]; /* what it stands for */
};

static int put(struct expansion *e, const char *bytes, size_t len)
{
    if (len >= e->size - e->len) {
        snprintf(e->why, e->why_size, "too long when expanded (at most %zu bytes)", e->size - 1);
        return -E2BIG;
    }
    memcpy(e->buf + e->len, bytes, len);
    e->len += len;
    return 0;
}

/* Cut blanks (and the NUL that ends a device tree's texts) at both ends. False when it is empty or not one
 * line. */
static bool clean_part(struct expansion *e, size_t len)
{
    size_t start = 0;

    while (len > 0 && (e->part[len - 1] == '\0' || isspace((unsigned char)e->part[len - 1])))
        len--;
    while (start < len && isspace((unsigned char)e->part[start]))
        start++;
    for (size_t i = start; i < len; i++)
        if ((unsigned char)e->part[i] < ' ' || e->part[i] == 0x7f)
            return false;
    memmove(e->part, e->part + start, len - start);
    e->part[len - start] = '\0';
    return len > start;
}

static int put_part(struct expansion *e, size_t len, char mark)
{
    if (clean_part(e, len))
        return put(e, e->part, strlen(e->part));
    snprintf(e->why, e->why_size, "%c%.128s is empty or not one line of text", mark, e->name);
    return -EINVAL;
}

static int put_file(struct expansion *e, const char *path, char mark)
{
    size_t len = 0;
    int rc = lb_read_file(path, e->part, PART_MAX, &len);

    if (rc == 0)
        return put_part(e, len, mark);
    snprintf(e->why, e->why_size, "%c%.128s: cannot read %.256s: %s", mark, e->name, path, strerror(-rc));
    return -EINVAL;
}

static int put_percent(struct expansion *e)
{
    if (strcmp(e->name, "hostname") == 0) {
        if (gethostname(e->part, sizeof e->part) != 0)
            e->part[0] = '\0';
        return put_part(e, strlen(e->part), '%');
    }
    if (strcmp(e->name, "machine_id") == 0)
        return put_file(e, e->paths->machine_id, '%');
    if (strcmp(e->name, "serial") == 0) {
        bool is_second = access(e->paths->serial[0], R_OK) != 0 && e->paths->serial[1];

        return put_file(e, e->paths->serial[is_second ? 1 : 0], '%');
    }
    snprintf(e->why, e->why_size,
             "unknown %%%.64s: there are %%hostname, %%machine_id, %%serial, and %%%% for %%", e->name);
    return -EINVAL;
}

static int put_environment(struct expansion *e)
{
    const char *value = getenv(e->name);

    if (!value) {
        snprintf(e->why, e->why_size, "$%.64s is not set in the environment ($$ stands for $)", e->name);
        return -EINVAL;
    }
    if (strlen(value) > PART_MAX) {
        snprintf(e->why, e->why_size, "$%.64s is too long", e->name);
        return -E2BIG;
    }
    memcpy(e->part, value, strlen(value) + 1);
    return put_part(e, strlen(value), '$');
}

/* Take the name that follows a % or $, or the path after an @. Gives its length. */
static size_t take_name(struct expansion *e, const char *text, char mark)
{
    size_t len = 0;

    if (mark == '@')
        len = strcspn(text, ", \t");
    else
        while (isalnum((unsigned char)text[len]) || text[len] == '_')
            len++;
    if (len > PART_MAX)
        return 0;
    memcpy(e->name, text, len);
    e->name[len] = '\0';
    return len;
}

int lb_expand(const char *text, const struct lb_expand_paths *paths, char *buf, size_t size, char *why,
              size_t why_size)
{
    struct expansion e = {
        .paths = paths ? paths : &system_paths, .buf = buf, .size = size, .why = why, .why_size = why_size
    };
    int rc = 0;

    while (rc == 0 && *text != '\0') {
        char mark = *text++;
        size_t len;

        if ((mark != '%' && mark != '$' && mark != '@') || (mark == '@' && *text != '/')) {
            rc = put(&e, &mark, 1);
            continue;
        }
        if (mark != '@' && *text == mark) {
            text++;
            rc = put(&e, &mark, 1);
            continue;
        }
        len = take_name(&e, text, mark);
        text += len;
        if (len == 0) {
            snprintf(why, why_size, "no name follows %c (%c%c stands for %c)", mark, mark, mark, mark);
            rc = -EINVAL;
        } else {
            rc = mark == '%'   ? put_percent(&e)
                 : mark == '$' ? put_environment(&e)
                               : put_file(&e, e.name, '@');
        }
    }
    if (rc == 0)
        buf[e.len] = '\0';
    return rc;
}
