/* SPDX-License-Identifier: MIT */
/*
 * Who says it. In: a line. Out: where the names of a host, a program and a logger stand in its header, which
 * are shown in a template and make no difference to its number. Always true: a name is taken for one by what
 * stands around it, and what nothing stands around is left to be a word of the message.
 *
 *     Jun 14 15:16:01 [host sshd[19939]:] check pass
 *     2026-01-15 10:00:00 INFO [app.camera] - started
 *     2026-01-15 10:00:00 25746 INFO [nova.compute.manager] [req-7] started
 */
#include <string.h>

#include "agent/shape/pattern_kinds.h"
#include "agent/shape/pattern_parts.h"
#include "common/eight.h"
#include "common/level_word.h"
#include "common/stamp.h"

#define WORDS_MAX 8 /* of a header in front of its level */
#define BEHIND    3 /* and behind it, until the logger's name is over */

/* The blank behind a word. */
static inline const char *end_of(const char *at)
{
    uint64_t found;

    while ((found = lb_eight_equal(lb_eight_load(at), ' ')) == 0)
        at += 8;
    return at + lb_eight_first(found);
}

static inline const char *next_of(const char *at, const char *end)
{
    while (at < end && *at == ' ')
        at++;
    return at;
}

/* Behind the stamp of RFC 3164: a host, and a program's name with a colon. */
static struct lb_pattern_span syslog_names(const char *line, const char *host, const char *end)
{
    const char *host_end = end_of(host), *tag = next_of(host_end, end), *tag_end = end_of(tag);

    if (tag_end < end && tag_end > tag && tag_end[-1] != ':' &&
        tag_end[1] == '(') /* "sandboxd[129] ([31211]):" */
        tag_end = end_of(tag_end + 1);
    if (tag_end == tag || tag_end[-1] != ':')
        tag_end = host_end;
    return (struct lb_pattern_span) { (size_t)(host - line), (size_t)(tag_end - line) };
}

/* "app.camera", "[dfs.DataNode$PacketResponder]", "app.db:run:54": parts of letters joined by dots. */
static bool is_dotted(const char *word, const char *end)
{
    const char *at = word + (*word == '[');
    bool has_dot = false;

    for (; at < end; at++) {
        if (*at == '/' || *at == '(' || *at == '=' || *at == '"')
            return false;
        has_dot |= *at == '.' && kind(at - 1) & (LETTER | DIGIT) && kind(at + 1) == LETTER;
    }
    return has_dot;
}

/* Is a name in front of a level or of a message by what stands behind it? */
static inline bool is_set_off(const char *word_end, const char *next, const char *end)
{
    return word_end[-1] == ':' || word_end[-1] == ']' ||
           (next < end &&
            (*next == '[' || *next == '|' || ((*next == '-' || *next == ':') && next[1] == ' ')));
}

static inline bool is_level(const char *word, const char *end)
{
    word += *word == '[';
    end -= end[-1] == ']' || end[-1] == ':';
    return kind(word) == LETTER && end > word && end - word <= LB_LEVEL_WORD_MAX &&
           lb_level_word(word, (size_t)(end - word)) >= 0;
}

struct lb_pattern_span lb_pattern_names(const char *line, size_t len)
{
    const char *end = line + len, *word = next_of(line, end), *word_end, *next;
    size_t stamp = 0;
    struct lb_pattern_span found = { len, len };
    unsigned left = WORDS_MAX;
    bool has_level = false;

    if (word == end || *word == '{' || memchr(word, '=', (size_t)(end_of(word) - word)))
        return found; /* JSON, logfmt */
    if (*line >= 'A' && *line <= 'S')
        stamp = lb_stamp_rfc3164_length(line, len);
    if (stamp > 0 && line[stamp] == ' ')
        return syslog_names(line, next_of(line + stamp, end), end);
    for (; word < end && left > 0; word = next, left--) {
        word_end = end_of(word);
        next = next_of(word_end, end);
        if (!has_level && is_level(word, word_end)) {
            has_level = true;
            if (found.from < len)
                return found;
            left = left < BEHIND ? left : BEHIND + 1;
        } else if (word > line && kind(word + (*word == '[')) == LETTER && is_set_off(word_end, next, end) &&
                   is_dotted(word, word_end)) {
            found = (struct lb_pattern_span) { (size_t)(word - line), (size_t)(word_end - line) };
            if (has_level)
                return found;
        }
    }
    return (struct lb_pattern_span) { len, len };
}
