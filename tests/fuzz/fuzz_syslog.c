/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a syslog datagram. In: libFuzzer's bytes. Out: nothing. Always true, or the run stops: parts
 * lie in the datagram, in their order, and none overlaps the next; the message reaches to the end but for NUL
 * and line ends; without a PRI, unless a stamp and a tag are there, or where nothing is recognised behind it,
 * all of the text is the message.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shape/syslog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

/* A part begins where the one before it has ended, or behind. */
static void check_part(struct lb_syslog_span part, size_t *at)
{
    if (part.len == 0)
        return;
    must(part.at >= *at);
    *at = (size_t)part.at + part.len;
}

static void check(const char *text, size_t size)
{
    struct lb_syslog s;
    size_t at = 0, end;

    lb_syslog_parse(text, size, &s);
    check_part(s.hostname, &at);
    check_part(s.appname, &at);
    check_part(s.procid, &at);
    check_part(s.msgid, &at);
    check_part(s.structured_data, &at);
    end = (size_t)s.message.at + s.message.len;
    must(s.message.at >= at && end <= size);
    for (; end < size; end++)
        must(text[end] == '\n' || text[end] == '\0');
    must((s.severity < 0) == (s.facility < 0));
    if (s.severity < 0)
        must(s.form == LB_SYSLOG_TEXT || (s.form == LB_SYSLOG_3164 && s.appname.len > 0));
    must(s.form != LB_SYSLOG_TEXT || s.severity < 0);
    must(s.severity <= 7 && s.facility <= 23);
    if (s.form == LB_SYSLOG_TEXT)
        must(s.message.at == 0);
    if (s.form == LB_SYSLOG_BARE)
        must(at == 0 && s.message.at <= 5 + 3); /* "<191>", and a BOM */
    if (s.form == LB_SYSLOG_5424)
        must(s.structured_data.len == 0 || text[s.structured_data.at] == '[');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1); /* its own block: a read past it is seen */

    memcpy(copy, data, size);
    check(copy, size);
    free(copy);
    return 0;
}
