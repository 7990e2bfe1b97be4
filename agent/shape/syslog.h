/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_SYSLOG_H
#define LB_SHAPE_SYSLOG_H

#include <stddef.h>
#include <stdint.h>

/* A part of the datagram. len 0: there is none, or it is "-". */
struct lb_syslog_span {
    uint32_t at, len;
};

enum lb_syslog_form {
    LB_SYSLOG_TEXT = 0, /* no PRI: kept as it is */
    LB_SYSLOG_BARE,     /* PRI, then text in which nothing was recognised */
    LB_SYSLOG_3164,     /* PRI, then a stamp or a tag, or both; or a classic stamp and a tag without PRI */
    LB_SYSLOG_5424
};

/* One datagram taken apart. Spans lie in the datagram that was given. */
struct lb_syslog {
    enum lb_syslog_form form;
    int severity; /* 0..7, -1: no PRI */
    int facility; /* 0..23, -1: no PRI */
    struct lb_syslog_span hostname, appname, procid,
        msgid;                             /* appname is the tag of RFC 3164, procid its [pid] */
    struct lb_syslog_span structured_data; /* "[id a=\"b\"]..." as written */
    struct lb_syslog_span message;         /* without BOM, and without one NUL and the LFs at its end */
    uint64_t stamp_ms; /* of an RFC 5424 or RFC 3339 stamp with date and zone, since 1970; 0: none */
};

/*
 * Take a syslog message apart: RFC 5424 with structured data, RFC 3164 with or without host, with classic or
 * RFC 3339 stamp or none, "tag: text", "tag[pid]: text", a bare "<PRI>text"; what Python's SysLogHandler,
 * glibc's syslog(3), logger(1), Docker's driver and journald's ForwardToSyslog send; a line of /var/log. What
 * is not well formed is kept as text: the whole of it is then the message, behind a PRI if that much is good.
 *   text     len bytes (less than 4 GiB), any content
 *   ret      filled in
 *   calls    fast side, offline modes; a pure function
 */
void lb_syslog_parse(const char *text, size_t len, struct lb_syslog *ret);

#endif
