/* SPDX-License-Identifier: MIT */
/* Names that loggers have for their levels. In: a word. Out: a level, or none. Nearly every word asked for is
 * none, so the first letter leads to at most five names of the table, and of these only one that is as long
 * is compared, by words of a register.
 */
#include "common/level_word.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/level.h"

struct name {
    unsigned char len, level; /* len 0 ends the list */
    char text[LB_LEVEL_WORD_MAX + 1];
};
#define NAME(text, level)               \
    {                                   \
        sizeof(text) - 1, (level), text \
    }
#define LIST (const struct name[])

static const struct name *const by_letter[26] = {
    ['a' - 'a'] = LIST { NAME("alert", LB_LEVEL_ALERT), { 0 } },
    ['c' - 'a'] = LIST { NAME("critical", LB_LEVEL_CRITICAL), NAME("crit", LB_LEVEL_CRITICAL), { 0 } },
    ['d' - 'a'] = LIST { NAME("debug", LB_LEVEL_DEBUG),
                         NAME("dbg", LB_LEVEL_DEBUG),
                         NAME("debu", LB_LEVEL_DEBUG), /* logrus cuts at four letters, supervisord too */
                         NAME("debg", LB_LEVEL_DEBUG),
                         { 0 } },
    ['e' - 'a'] = LIST { NAME("error", LB_LEVEL_ERROR),
                         NAME("err", LB_LEVEL_ERROR),
                         NAME("erro", LB_LEVEL_ERROR),
                         NAME("emerg", LB_LEVEL_EMERGENCY),
                         NAME("emergency", LB_LEVEL_EMERGENCY),
                         { 0 } },
    ['f' - 'a'] = LIST { NAME("fatal", LB_LEVEL_CRITICAL),
                         NAME("fata", LB_LEVEL_CRITICAL),
                         NAME("ftl", LB_LEVEL_CRITICAL),
                         { 0 } },
    ['i' - 'a'] = LIST { NAME("info", LB_LEVEL_INFO),
                         NAME("inf", LB_LEVEL_INFO),
                         NAME("information", LB_LEVEL_INFO),
                         NAME("informational", LB_LEVEL_INFO),
                         { 0 } },
    ['n' - 'a'] = LIST { NAME("notice", LB_LEVEL_NOTICE), NAME("notset", LB_LEVEL_DEBUG), { 0 } },
    ['p' - 'a'] = LIST { NAME("panic", LB_LEVEL_EMERGENCY), NAME("pani", LB_LEVEL_EMERGENCY), { 0 } },
    ['s' - 'a'] = LIST { NAME("success", LB_LEVEL_INFO), NAME("severe", LB_LEVEL_ERROR), { 0 } },
    ['t' - 'a'] =
        LIST {
            NAME("trace", LB_LEVEL_DEBUG), NAME("trac", LB_LEVEL_DEBUG), NAME("trc", LB_LEVEL_DEBUG), { 0 } },
    ['v' - 'a'] = LIST { NAME("verbose", LB_LEVEL_DEBUG), { 0 } },
    ['w' - 'a'] = LIST { NAME("warning", LB_LEVEL_WARNING),
                         NAME("warn", LB_LEVEL_WARNING),
                         NAME("wrn", LB_LEVEL_WARNING),
                         { 0 } },
};

/* With bit 5 set in each byte: capitals become small letters, and no other byte becomes one. */
static uint32_t four(const char *text)
{
    uint32_t bytes;

    memcpy(&bytes, text, sizeof bytes);
    return bytes | 0x20202020u;
}

static uint64_t eight(const char *text)
{
    uint64_t bytes;

    memcpy(&bytes, text, sizeof bytes);
    return bytes | 0x2020202020202020u;
}

/* name is in small letters. Both are loaded from the front and from the end, which may overlap. */
static bool is_name(const char *name, const char *text, size_t len)
{
    if (len >= 8)
        return eight(name) == eight(text) && eight(name + len - 8) == eight(text + len - 8);
    if (len >= 4)
        return four(name) == four(text) && four(name + len - 4) == four(text + len - 4);
    return (text[1] | 0x20) == name[1] && (text[2] | 0x20) == name[2];
}

/* For each letter a bit for each length that a name of it has, so that other words go no further. */
#define BIT(len) (1u << (len))
static const uint16_t lengths[26] = {
    ['a' - 'a'] = BIT(5),
    ['c' - 'a'] = BIT(4) | BIT(8),
    ['d' - 'a'] = BIT(3) | BIT(4) | BIT(5),
    ['e' - 'a'] = BIT(3) | BIT(4) | BIT(5) | BIT(9),
    ['f' - 'a'] = BIT(3) | BIT(4) | BIT(5),
    ['i' - 'a'] = BIT(3) | BIT(4) | BIT(11) | BIT(13),
    ['n' - 'a'] = BIT(6),
    ['p' - 'a'] = BIT(4) | BIT(5),
    ['s' - 'a'] = BIT(6) | BIT(7),
    ['t' - 'a'] = BIT(3) | BIT(4) | BIT(5),
    ['v' - 'a'] = BIT(7),
    ['w' - 'a'] = BIT(3) | BIT(4) | BIT(7),
};

int lb_level_word(const char *text, size_t len)
{
    const struct name *name;
    unsigned letter;

    if (len == 0 || len > LB_LEVEL_WORD_MAX)
        return -1;
    letter = ((unsigned char)text[0] | 0x20u) - 'a';
    if (letter >= 26 || !(lengths[letter] & BIT(len)))
        return -1;
    for (name = by_letter[letter]; name->len > 0; name++)
        if (name->len == len && is_name(name->text, text, len))
            return name->level;
    return -1;
}
