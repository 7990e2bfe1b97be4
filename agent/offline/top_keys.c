/* SPDX-License-Identifier: MIT */
/* Keys. In: bytes. Out: what is to be shown, and how. Always true: no byte sequence leaves a filter that is
 * longer than its room, or begins or ends it within a character. */
#include "agent/offline/top_keys.h"

#include <string.h>

#define ESCAPE          '\x1b'
#define BACKSPACE       '\x7f'
#define CONTROL(letter) ((letter)&0x1f)

static const char *const sort_names[LB_TOP_SORTS] = {
    [LB_TOP_BY_LINES] = "lines/s", [LB_TOP_BY_BYTES] = "bytes/s",      [LB_TOP_BY_PENDING] = "pending",
    [LB_TOP_BY_HELD] = "held",     [LB_TOP_BY_SUPPRESSED] = "suppr/s", [LB_TOP_BY_LOST] = "lost",
    [LB_TOP_BY_NAME] = "service",
};

const char *lb_top_sort_name(enum lb_top_sort sort)
{
    return sort_names[sort];
}

int lb_top_sort_find(const char *name)
{
    int found = -1;

    for (int i = 0; i < LB_TOP_SORTS; i++) {
        if (strcmp(sort_names[i], name) == 0)
            return i;
        if (name[0] && strncmp(sort_names[i], name, strlen(name)) == 0) {
            if (found >= 0)
                return -1;
            found = i;
        }
    }
    return found;
}

static void set_filter(struct lb_top_keys *keys, size_t len)
{
    keys->filter_len = len;
    keys->filter[len] = '\0';
}

/* The last character goes: its last byte, and those that it continues. */
static void rub_out(struct lb_top_keys *keys)
{
    size_t len = keys->filter_len;

    while (len > 0 && (keys->filter[len - 1] & 0xc0) == 0x80)
        len--;
    set_filter(keys, len > 0 ? len - 1 : 0);
}

static size_t bytes_of(unsigned char first)
{
    return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
}

/* A first byte has room only if the rest of its character will have it; one that goes on needs one that
 * began. */
static bool has_room(const struct lb_top_keys *keys, unsigned char c)
{
    size_t begin = keys->filter_len;

    if ((c & 0xc0) != 0x80)
        return keys->filter_len + bytes_of(c) <= LB_TOP_FILTER_MAX;
    while (begin > 0 && (keys->filter[begin - 1] & 0xc0) == 0x80)
        begin--;
    return begin > 0 && keys->filter_len - begin + 1 < bytes_of((unsigned char)keys->filter[begin - 1]);
}

static void type(struct lb_top_keys *keys, char c)
{
    if (c == '\r' || c == '\n') {
        keys->mode = LB_TOP_LOOKING;
    } else if (c == BACKSPACE || c == '\b') {
        if (keys->filter_len == 0)
            keys->mode = LB_TOP_LOOKING;
        rub_out(keys);
    } else if (c == CONTROL('u')) {
        set_filter(keys, 0);
    } else if ((unsigned char)c >= ' ' && has_room(keys, (unsigned char)c)) {
        keys->filter[keys->filter_len] = c;
        set_filter(keys, keys->filter_len + 1);
    }
}

static void turn(struct lb_top_keys *keys, int by)
{
    keys->sort = (enum lb_top_sort)(((int)keys->sort + by + LB_TOP_SORTS) % LB_TOP_SORTS);
}

static void command(struct lb_top_keys *keys, char c)
{
    if (c >= '1' && c < '1' + LB_TOP_SORTS) {
        keys->sort = (enum lb_top_sort)(c - '1');
        return;
    }
    switch (c) {
    case 'q':
    case 'Q':
        keys->is_over = true;
        break;
    case 's':
    case '>':
        turn(keys, 1);
        break;
    case 'S':
    case '<':
        turn(keys, -1);
        break;
    case 'p':
    case ' ':
        keys->is_paused = !keys->is_paused;
        break;
    case '/':
    case 'f':
        keys->mode = LB_TOP_TYPING;
        break;
    case 'h':
    case '?':
        keys->mode = LB_TOP_HELPING;
        break;
    default:
        break;
    }
}

static void escape(struct lb_top_keys *keys)
{
    if (keys->mode != LB_TOP_HELPING)
        set_filter(keys, 0);
    keys->mode = LB_TOP_LOOKING;
}

static void take(struct lb_top_keys *keys, char c)
{
    if (keys->escape == LB_TOP_ESCAPE && (c == '[' || c == 'O')) {
        keys->escape = LB_TOP_SEQUENCE;
        return;
    }
    if (keys->escape == LB_TOP_SEQUENCE) {
        if (c >= '@' && c <= '~') {
            keys->escape = LB_TOP_NO_ESCAPE;
            if (keys->mode == LB_TOP_LOOKING && (c == 'C' || c == 'D'))
                turn(keys, c == 'C' ? 1 : -1);
        }
        return;
    }
    if (keys->escape == LB_TOP_ESCAPE) {
        keys->escape = LB_TOP_NO_ESCAPE;
        escape(keys);
    }
    if (c == ESCAPE)
        keys->escape = LB_TOP_ESCAPE;
    else if (keys->mode == LB_TOP_TYPING)
        type(keys, c);
    else if (keys->mode == LB_TOP_HELPING && c != 'q')
        keys->mode = LB_TOP_LOOKING;
    else
        command(keys, c);
}

void lb_top_keys_take(struct lb_top_keys *keys, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        take(keys, bytes[i]);
}

void lb_top_keys_pause(struct lb_top_keys *keys)
{
    if (keys->escape == LB_TOP_ESCAPE)
        escape(keys);
    keys->escape = LB_TOP_NO_ESCAPE;
}
