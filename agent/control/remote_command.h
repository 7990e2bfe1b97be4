/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_REMOTE_COMMAND_H
#define LB_CONTROL_REMOTE_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"
#include "common/remote_names.h"

/*
 * A command from afar, read. One JSON object, and nothing behind it:
 *
 *   {"id":"7","command":"status"}
 *   {"id":"7","command":"context","service":"checkout","who":"ops"}
 *   {"id":"7","command":"level","service":"checkout","level":"debug","for":"10m","expires":1767225600}
 *
 * id (1–64 of [A-Za-z0-9._:-]) and command are required, and what the command
 * takes; who (text of at most 64 bytes, no control characters) and expires
 * (seconds since 1970) may be there. Nothing else may, and nothing twice.
 */
#define LB_REMOTE_COMMAND_MAX 512
#define LB_REMOTE_ID_MAX      64
#define LB_REMOTE_WHO_MAX     64

struct lb_remote_command {
    int name;                                                  /* enum lb_remote_name; -1: none */
    char id[LB_REMOTE_ID_MAX + 1], who[LB_REMOTE_WHO_MAX + 1]; /* "": none */
    char service[LB_PROTO_SERVICE_MAX + 1];                    /* legal, or "" */
    int level;                                                 /* 0..7; -1: none */
    uint64_t for_ms;
    uint64_t expires_s; /* 0: it does not */
};

/*
 * Read a command.
 *   text         len bytes, any content
 *   ret_command  filled with what could be read, also of what is refused, so that it can be answered
 *   returns      NULL: it is whole | why it is none, static
 *   calls        any thread; a pure function
 */
const char *lb_remote_command_read(const char *text, size_t len, struct lb_remote_command *ret_command);

#endif
