/* SPDX-License-Identifier: MIT */
/* A syslog datagram. In: its bytes. Out: where its parts lie. Always true: nothing is lost; what is not
 * recognised stays in the message, and only what is recognised is taken out of it.
 *
 * Without RFC 5424's grammar the rest is habit. Behind a stamp, which no one writes by chance, the first word
 * is the tag if it ends with a colon, as local senders have it; else it is the host, if a tag follows or it
 * looks like one. A zone and a year may stand in between, and with a stamp and a tag even the PRI may be
 * missing, as in a line of /var/log. Without a stamp there is Python's SysLogHandler, whose text is anything:
 * "pump: on" begins with its ident, "ValueError: bad" and "Temperature: 21" do not. There a tag is a
 * program's name in small letters, or any name with [pid], and a blank follows; a level or an exception is
 * none.
 */
#include "agent/shape/syslog.h"

#include <string.h>
#include <strings.h>

#include "agent/shape/syslog_parts.h"
#include "common/level_word.h"
#include "common/stamp.h"

#define PRI_MAX      191
#define TAG_MAX      128 /* behind a stamp; Docker's may be a container's name and id */
#define BARE_TAG_MAX 48
#define PID_MAX      32
#define HOST_MAX     255
#define ZONE_MAX     5 /* letters, as in "CEST" */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static struct lb_syslog_span span(size_t from, size_t to)
{
    return (struct lb_syslog_span) { (uint32_t)from, (uint32_t)(to - from) };
}

/* "<N>", 0 to 191, without leading zeros. Returns the value, or -1. */
static int take_pri(struct lb_syslog_rest *rest)
{
    size_t at = 1;
    int pri = 0;

    if (rest->end == 0 || rest->text[0] != '<')
        return -1;
    while (at < rest->end && at <= 3 && is_digit(rest->text[at]))
        pri = pri * 10 + rest->text[at++] - '0';
    if (at == 1 || at == rest->end || rest->text[at] != '>' || pri > PRI_MAX ||
        (rest->text[1] == '0' && at > 2))
        return -1;
    rest->at = at + 1;
    return pri;
}

/* "tag:" or "tag[pid]:", a word at the front. Where its parts end, by positions. */
struct tag {
    size_t from, name_end, pid, pid_end, end; /* pid == pid_end: there is none; end: behind the colon */
};

static size_t word_end(const struct lb_syslog_rest *rest)
{
    size_t at = rest->at;

    while (at < rest->end && rest->text[at] > ' ' && rest->text[at] < 0x7f)
        at++;
    return at;
}

/* The word, or what of it ends in "]:": some senders put no blank behind a pid. */
static size_t tag_word_end(const struct lb_syslog_rest *rest)
{
    size_t end = word_end(rest);
    const char *pid = memmem(rest->text + rest->at, end - rest->at, "]:", 2);

    return pid ? (size_t)(pid - rest->text) + 2 : end;
}

static bool find_tag(const struct lb_syslog_rest *rest, struct tag *ret)
{
    size_t end = tag_word_end(rest), name_end;
    const char *text = rest->text;
    struct tag tag = { .from = rest->at, .end = end };

    if (end < rest->at + 2 || text[end - 1] != ':' ||
        (end < rest->end && text[end] != ' ' && text[end] != '\n' && text[end - 2] != ']'))
        return false;
    name_end = end - 1;
    if (text[name_end - 1] == ']') {
        const char *bracket = memrchr(text + rest->at, '[', name_end - rest->at);

        if (!bracket)
            return false;
        tag.pid = (size_t)(bracket - text) + 1;
        tag.pid_end = name_end - 1;
        name_end = tag.pid - 1;
        if (tag.pid_end == tag.pid || tag.pid_end - tag.pid > PID_MAX)
            return false;
    }
    tag.name_end = name_end;
    *ret = tag;
    return name_end > rest->at && name_end - rest->at <= TAG_MAX;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
    return len >= strlen(end) && memcmp(text + len - strlen(end), end, strlen(end)) == 0;
}

/* Is it a program's name, where nothing but its shape speaks for it? */
static bool is_program(const char *name, size_t len, bool has_pid)
{
    if (len > BARE_TAG_MAX || (!is_letter(name[0]) && name[0] != '_') || lb_level_word(name, len) >= 0)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_letter(name[i]) && !is_digit(name[i]) && (name[i] == '\0' || !strchr("._/@-", name[i])))
            return false;
    if (has_pid)
        return true;
    return name[0] >= 'a' && !ends_with(name, len, "Error") && !ends_with(name, len, "Exception") &&
           !ends_with(name, len, "Warning"); /* "json.decoder.JSONDecodeError: ..." */
}

static void take_tag(struct lb_syslog_rest *rest, const struct tag *tag, struct lb_syslog *ret)
{
    ret->appname = span(tag->from, tag->name_end);
    ret->procid = span(tag->pid, tag->pid_end);
    rest->at = tag->end + (tag->end < rest->end && rest->text[tag->end] == ' ');
}

/* A word that a host may be called; without a tag behind it, one that no sentence begins with. */
static bool is_host(const char *word, size_t len, bool is_sure)
{
    if (len == 0 || len > HOST_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_letter(word[i]) && !is_digit(word[i]) && (word[i] == '\0' || !strchr(".:_-%", word[i])))
            return false;
        is_sure |= is_digit(word[i]) || ((word[i] == '.' || word[i] == '-') && i > 0 && i + 1 < len);
    }
    return is_sure;
}

/* "tag: text", "host tag: text". */
static bool take_tagged(struct lb_syslog_rest *rest, struct lb_syslog *ret)
{
    struct lb_syslog_rest behind = *rest;
    size_t end = word_end(rest);
    struct tag tag;

    if (find_tag(rest, &tag)) {
        take_tag(rest, &tag, ret);
        return true;
    }
    behind.at = end + 1;
    if (end == rest->end || rest->text[end] != ' ' || !find_tag(&behind, &tag) ||
        !is_host(rest->text + rest->at, end - rest->at, true))
        return false;
    ret->hostname = span(rest->at, end);
    take_tag(rest, &tag, ret);
    return true;
}

/* "CET", "2026": what may stand between a stamp and a host. */
static bool is_zone_or_year(const char *word, size_t len)
{
    size_t at = 0;

    if (len == 4 && (word[0] == '1' || word[0] == '2'))
        return is_digit(word[1]) && is_digit(word[2]) && is_digit(word[3]);
    while (at < len && word[at] >= 'A' && word[at] <= 'Z')
        at++;
    return len > 2 && len <= ZONE_MAX && at == len;
}

/* Behind a stamp: what take_tagged() reads, perhaps behind a zone and a year; or "host text", "text". */
static bool take_host_and_tag(struct lb_syslog_rest *rest, struct lb_syslog *ret)
{
    struct lb_syslog_rest behind = *rest;
    size_t end;

    for (unsigned skipped = 0; skipped <= 2; skipped++) {
        if (take_tagged(&behind, ret)) {
            *rest = behind;
            return true;
        }
        end = word_end(&behind);
        if (end == behind.end || behind.text[end] != ' ' ||
            !is_zone_or_year(behind.text + behind.at, end - behind.at))
            break;
        behind.at = end + 1;
    }
    end = word_end(rest);
    if (end < rest->end && rest->text[end] == ' ' && is_host(rest->text + rest->at, end - rest->at, false)) {
        ret->hostname = span(rest->at, end);
        rest->at = end + 1;
    }
    return false;
}

/* A classic stamp, perhaps with a router's colon, or one of RFC 3339, and a blank behind it. */
static bool take_stamp(struct lb_syslog_rest *rest, uint64_t *ret_ms)
{
    const char *text = rest->text + rest->at;
    size_t len = rest->end - rest->at, stamp = lb_stamp_rfc3164_length(text, len);
    uint64_t ms = 0;

    if (stamp > 0)
        stamp += stamp < len && text[stamp] == ':';
    else
        stamp = lb_stamp_read_rfc3339(text, len, &ms);
    if (stamp == 0 || stamp == len || text[stamp] != ' ')
        return false;
    rest->at += stamp + 1;
    *ret_ms = ms;
    return true;
}

/* A line as syslog daemons keep it: without a PRI. */
static void parse_kept(struct lb_syslog_rest *rest, struct lb_syslog *ret)
{
    struct lb_syslog found = *ret;

    if (rest->end == 0 || !is_letter(rest->text[0]) || !take_stamp(rest, &found.stamp_ms) ||
        !take_host_and_tag(rest, &found))
        return;
    found.form = LB_SYSLOG_3164;
    found.message = span(rest->at, rest->end);
    *ret = found;
}

static void parse_3164(struct lb_syslog_rest *rest, struct lb_syslog *ret)
{
    struct tag tag;

    ret->form = LB_SYSLOG_BARE;
    if (take_stamp(rest, &ret->stamp_ms)) {
        ret->form = LB_SYSLOG_3164;
        take_host_and_tag(rest, ret);
    } else if (find_tag(rest, &tag) && tag.end < rest->end && rest->text[tag.end] == ' ' &&
               is_program(rest->text + tag.from, tag.name_end - tag.from, tag.pid > 0)) {
        ret->form = LB_SYSLOG_3164;
        take_tag(rest, &tag, ret);
    }
    ret->message = span(rest->at, rest->end);
}

/* One NUL, as SysLogHandler and others end a message with, and line ends on either side of it. */
static size_t end_of(const char *text, size_t len)
{
    while (len > 0 && text[len - 1] == '\n')
        len--;
    if (len > 0 && text[len - 1] == '\0')
        len--;
    while (len > 0 && text[len - 1] == '\n')
        len--;
    return len;
}

static void skip_bom(const char *text, struct lb_syslog_span *message)
{
    if (message->len >= 3 && memcmp(text + message->at, "\xef\xbb\xbf", 3) == 0) {
        message->at += 3;
        message->len -= 3;
    }
}

void lb_syslog_parse(const char *text, size_t len, struct lb_syslog *ret)
{
    struct lb_syslog_rest rest = { .text = text, .end = end_of(text, len) };
    int pri = take_pri(&rest);

    *ret = (struct lb_syslog) { .severity = -1, .facility = -1, .message = span(0, rest.end) };
    if (pri < 0) {
        parse_kept(&rest, ret);
        return;
    }
    ret->severity = pri & 7;
    ret->facility = pri >> 3;
    if (!lb_syslog_5424(&rest, ret))
        parse_3164(&rest, ret);
    skip_bom(text, &ret->message);
}
