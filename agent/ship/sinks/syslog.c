/* SPDX-License-Identifier: MIT */
/*
 * A syslog server: RFC 5424 messages, each with its length in front (RFC 6587, 3.4.1), over TLS (RFC 5425),
 * TCP or a unix stream socket; a datagram socket gets each without it. In: settings, records. Out: a target,
 * bodies, and what an answer means.
 *
 * What the other forms have as members is structured data, under the number that RFC 5612 keeps for examples:
 * logboom@32473 has them as one text of JSON, tags@32473 the tags. Every message has its own numbers: there
 * is no body to tell ranges of. The text is sent as it is, without a byte order mark (MSG-ANY), which most
 * receivers would show.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/ship/encode.h"
#include "agent/ship/sinks/sink.h"
#include "common/calendar.h"
#include "common/json.h"

#define LENGTH_ROOM 8 /* digits and a blank */
#define FACILITIES  24
#define APPNAME_MAX 48 /* RFC 5424, 6 */
#define SD_NAME_MAX 32

/* What is behind a word at the front of an address. NULL: another word is there. */
static const char *behind(const char *address, const char *word)
{
    size_t len = strlen(word);

    return strncmp(address, word, len) == 0 ? address + len : NULL;
}

static int aim(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target)
{
    const char *address = config->address, *path = behind(address, "unix:");
    bool is_tls = behind(address, "tls://");
    int len;

    (void)key;
    ret_target->headers = 0;
    ret_target->unix_path[0] = '\0';
    ret_target->is_datagram = !path && (path = behind(address, "unix-dgram:"));
    if (path) {
        len = snprintf(ret_target->unix_path, sizeof ret_target->unix_path, "%s", path);
        if (len < 0 || (size_t)len >= sizeof ret_target->unix_path)
            return -E2BIG;
        address = "tcp://localhost";
    }
    len =
        snprintf(ret_target->url, sizeof ret_target->url, "%s://%s", is_tls ? "https" : "http", address + 6);
    return len < 0 || (size_t)len >= sizeof ret_target->url ? -E2BIG : 0;
}

static enum lb_verdict judge(const struct lb_answer *answer)
{
    if (answer->error)
        return answer->is_clock_fault ? LB_VERDICT_CLOCK : LB_VERDICT_RETRY;
    return answer->reply_len > 0 ? LB_VERDICT_PARTLY : LB_VERDICT_DELIVERED;
}

/* The numbers of messages that no datagram takes: of records, since each is one message. */
static void partly(const struct lb_answer *answer, struct lb_partly *ret_partly)
{
    const char *at = answer->reply, *end = at + answer->reply_len;

    *ret_partly = (struct lb_partly) { 0 };
    while (at < end) {
        uint32_t number = 0;

        for (; at < end && *at >= '0' && *at <= '9'; at++)
            number = number * 10 + (uint32_t)(*at - '0');
        at++;
        if (ret_partly->count < LB_PARTLY_MAX)
            ret_partly->index[ret_partly->count++] = number;
        else
            ret_partly->unknown++;
    }
}

/* ---- the message ---- */

static char *add_text(char *to, const char *text)
{
    return lb_json_raw(to, text, strlen(text));
}

/* A field of the header: printable ASCII without blanks; "-" where nothing is left. */
static char *add_field(char *to, const char *text, size_t len, size_t most)
{
    if (len == 0)
        *to++ = '-';
    for (size_t i = 0; i < len && i < most; i++)
        *to++ = text[i] > ' ' && text[i] < 0x7f ? text[i] : '?';
    return to;
}

/* Text within a quoted value of structured data: RFC 5424, 6.3.3. */
static char *add_escaped(char *to, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"' || text[i] == '\\' || text[i] == ']')
            *to++ = '\\';
        *to++ = text[i];
    }
    return to;
}

static char *add_name(char *to, const char *text, size_t len)
{
    if (len == 0)
        *to++ = '_';
    for (size_t i = 0; i < len && i < SD_NAME_MAX; i++)
        *to++ = text[i] > ' ' && text[i] < 0x7f && !strchr("=]\"", text[i]) ? text[i] : '_';
    return to;
}

static char *add_tags(char *to, const struct lb_view *view)
{
    bool has_any = false;

    for (unsigned i = 0; i < 3; i++) {
        const char *text = view->tags[i].text, *key, *value;
        size_t len = view->tags[i].len, key_len, value_len;

        while (lb_encode_next_tag(&text, &len, &key, &key_len, &value, &value_len)) {
            if (!has_any)
                to = add_text(to, "[tags@32473");
            has_any = true;
            *to++ = ' ';
            to = add_name(to, key, key_len);
            to = add_text(to, "=\"");
            to = add_escaped(to, value, value_len);
            *to++ = '"';
        }
    }
    if (has_any)
        *to++ = ']';
    return to;
}

static char *add_structured_data(char *to, const struct lb_view *view)
{
    char *start = to;

    if (view->members_len > 0) {
        to = add_text(to, "[logboom@32473 json=\"{");
        to = add_escaped(to, view->members, view->members_len);
        to = add_text(to, "}\"]");
    }
    to = add_tags(to, view);
    return to == start ? add_text(to, "-") : to;
}

static char *add_message(struct lb_composer *composer, const struct lb_record *record, char *to)
{
    struct lb_view view;
    unsigned facility = (unsigned)composer->sink_config->facility;

    lb_encode_view(composer->encoder, record, &view);
    if (view.has_extra && view.extra.has_syslog && view.extra.syslog.facility < FACILITIES)
        facility = (unsigned)view.extra.syslog.facility;
    to += sprintf(to, "<%u>1 ", facility * 8 + (view.severity & 7));
    to = view.has_stamp ? lb_calendar_stamp(to, view.wall_ns, 6) : add_text(to, "-");
    *to++ = ' ';
    to = add_field(to, view.hostname, strlen(view.hostname), 255);
    *to++ = ' ';
    to = add_field(to, view.service, view.service_len, APPNAME_MAX);
    to += record->pid ? sprintf(to, " %u - ", record->pid) : sprintf(to, " - - ");
    to = add_structured_data(to, &view);
    *to++ = ' ';
    return lb_json_raw(to, view.text, view.text_len);
}

/* ---- the body ---- */

static char *begin(struct lb_composer *composer, char *to)
{
    (void)composer;
    return to;
}

static char *add(struct lb_composer *composer, const struct lb_record *record, char *to)
{
    char *end = add_message(composer, record, to + LENGTH_ROOM);
    size_t len = (size_t)(end - to) - LENGTH_ROOM;
    char prefix[24];
    int prefix_len = snprintf(prefix, sizeof prefix, "%zu ", len);

    memmove(to + prefix_len, to + LENGTH_ROOM, len);
    memcpy(to, prefix, (size_t)prefix_len);
    return to + prefix_len + len;
}

static char *end(struct lb_composer *composer, const struct lb_body_ranges *ranges, char *to)
{
    (void)composer;
    (void)ranges;
    return to;
}

static const struct lb_sink_format format = { begin, add, end };

extern const struct lb_sink lb_sink_syslog;

const struct lb_sink lb_sink_syslog = {
    .type = "syslog",
    .transport = LB_TRANSPORT_STREAM,
    .limits = { 256 * 1024, 1000, 262144, false, 0 },
    .format = &format,
    .probe = "",
    .aim = aim,
    .judge = judge,
    .partly = partly,
};
