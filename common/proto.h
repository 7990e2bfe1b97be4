/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_PROTO_H
#define LB_COMMON_PROTO_H

#include <stddef.h>
#include <stdint.h>

/*
 * What the thin client and the agent say to each other over intake.sock, a
 * SOCK_SEQPACKET socket: every message is one packet, host byte order (both
 * ends are on one machine), a fixed head and then what the head announces.
 *
 *   client                                agent
 *   HELLO   who I am, which stream   -->
 *                                    <--  WELCOME  taken so far | REFUSED why
 *   DATA    lines drained while the  -->
 *           agent was away (0..n)    <--  TAKEN    total drained bytes committed
 *   PIPE    the read end itself      -->           (SCM_RIGHTS, one descriptor)
 *                                    <--  READING | REFUSED why
 *   ...     the agent reads the pipe; both sides are silent
 *                                    <--  END      the pipe ended, all is committed
 *   BYE     (at any time) I leave on purpose, the pipe goes on without me
 *
 * From PIPE until the agent's end of the socket closes, the client must not
 * read the pipe. When the socket closes without END, the agent is gone: the
 * client may drain the pipe into its own buffer and must start again with
 * HELLO and the same stream id; WELCOME then tells how many drained bytes the
 * agent has committed already, so that the client resends only the rest.
 */
#define LB_PROTO_MAGIC       0x314d4f42u /* "BOM1" */
#define LB_PROTO_VERSION     1
#define LB_PROTO_SERVICE_MAX 128
#define LB_PROTO_TAGS_MAX    256
#define LB_PROTO_DATA_MAX    16384 /* payload bytes of one DATA */
#define LB_PROTO_REASON_MAX  200
/* DATA payload that may be under way beyond the last TAKEN. The agent tells TAKEN as it commits, not only at
 * the end. */
#define LB_PROTO_DATA_WINDOW 65536
/* A handshake must reach READING within this time, or the agent hangs up. DATA restarts it. */
#define LB_PROTO_HANDSHAKE_MS 5000

enum lb_proto_type {
    LB_PROTO_HELLO = 1,
    LB_PROTO_WELCOME,
    LB_PROTO_REFUSED,
    LB_PROTO_DATA,
    LB_PROTO_TAKEN,
    LB_PROTO_PIPE,
    LB_PROTO_READING,
    LB_PROTO_END,
    LB_PROTO_BYE,
    LB_PROTO_EXIT
};

/* Which of the service's outputs a stream carries. Decides its default level. */
enum lb_stream_kind { LB_STREAM_STDIN = 0, LB_STREAM_STDOUT, LB_STREAM_STDERR, LB_STREAM_KIND_COUNT };

/* The head of every message. `length` is that of the whole packet in bytes. */
struct lb_proto_head {
    uint32_t magic;
    uint16_t version;
    uint16_t type; /* enum lb_proto_type */
    uint32_t length;
    uint32_t reserved; /* 0 */
};

/*
 * HELLO: followed by service_len bytes of service name (0: the agent derives it), then tags_len bytes
 * "k:v,k:v". It may carry the pipe's read end (SCM_RIGHTS): not to be read yet, but so that the agent knows
 * the pipe that a client before this one left, and goes on with the line begun there.
 */
struct lb_proto_hello {
    struct lb_proto_head head;
    uint64_t stream_id; /* random, never 0 */
    uint32_t kind;      /* enum lb_stream_kind */
    uint16_t service_len;
    uint16_t tags_len;
    uint32_t
        source_pid;    /* process that writes the pipe (run: the child), 0: the client itself speaks for it */
    uint32_t reserved; /* 0 */
};

/* WELCOME and TAKEN: how many bytes of DATA payload of this stream id are committed, in all. */
struct lb_proto_taken {
    struct lb_proto_head head;
    uint64_t taken_bytes;
};

/*
 * DATA: followed by payload. Packets are contiguous: first_byte of each is the
 * end of the one before. Where the client's buffer overflowed, lost_* say what
 * of the oldest was thrown away just before this packet (whole lines, except
 * that the end of a line already begun may be among it); lost bytes do not
 * count in first_byte.
 */
struct lb_proto_data {
    struct lb_proto_head head;
    uint64_t first_byte; /* position in the stream's drained bytes */
    uint64_t boot_ns;    /* CLOCK_BOOTTIME when the client read these bytes from the pipe */
    uint64_t lost_lines;
    uint64_t lost_bytes;
};

/*
 * EXIT: the only packet of a connection of its own, which `logboom run` makes when its command has ended and
 * both streams are with the agent. Followed by service_len bytes of service name (0: the agent derives it),
 * tags_len bytes of tags, name_len bytes of the program's name. The agent answers TAKEN (taken_bytes 1) once
 * the exit record is committed, or REFUSED; a client that got neither sends it again, with the same exit_id.
 */
enum { LB_PROTO_EXIT_SIGNALLED = 1, LB_PROTO_EXIT_CORE = 2, LB_PROTO_EXIT_OOM = 4 };
#define LB_PROTO_NAME_MAX 64

struct lb_proto_exit {
    struct lb_proto_head head;
    uint64_t exit_id;      /* random, never 0 */
    uint64_t stream_id[2]; /* of stdout and stderr, 0: none */
    uint64_t started_ns;   /* CLOCK_BOOTTIME */
    uint64_t ended_ns;
    uint64_t cpu_us; /* user and system */
    uint64_t peak_rss_kib;
    uint32_t source_pid; /* of the command */
    uint32_t code;       /* exit code, or the signal's number with LB_PROTO_EXIT_SIGNALLED */
    uint32_t flags;
    uint16_t service_len, tags_len;
    uint16_t name_len;
    uint16_t reserved[3]; /* 0 */
};

/* PIPE, READING, END and BYE are a bare head. REFUSED: followed by a reason, text without NUL, one line. */

/*
 * Fill a message's head.
 *   length   bytes of the whole packet
 *   calls    any thread
 */
void lb_proto_head_init(struct lb_proto_head *head, enum lb_proto_type type, size_t length);

/*
 * Check a received packet's head against what arrived.
 *   packet   got_bytes bytes, 8-byte aligned
 *   returns  the type (> 0) | -EBADMSG too short, foreign magic or wrong length
 *            | -EPROTONOSUPPORT another version
 *   calls    any thread
 */
int lb_proto_check(const void *packet, size_t got_bytes);

/*
 * Is this a legal service name: 1..128 bytes of [A-Za-z0-9._/@:-] (design.md 4)?
 *   name     len bytes, need not end in NUL
 *   returns  1 yes | 0 no
 *   calls    any thread
 */
int lb_service_name_is_legal(const char *name, size_t len);

/*
 * Are these legal tags: "k:v,k:v", printable, no blanks or quotes, each with a
 * key and a colon, at most LB_PROTO_TAGS_MAX bytes; or empty?
 *   returns  1 yes | 0 no
 *   calls    any thread
 */
int lb_tags_are_legal(const char *tags, size_t len);

/*
 * The control protocol, over control.sock (SOCK_STREAM): the client sends one
 * line, a verb and its arguments parted by single blanks, ended by LF; the
 * agent answers with text and closes. The answer's first line is "ok" or
 * "error TEXT"; the rest is the answer's body. Verbs:
 *   status json|text     body: one JSON object (documented in agent/control/status.h), or the same for a
 * person flush MS             ship all; answers when delivered or after MS: "ok", or "error N lines left"
 *   wear json|text|html  body: the disks and who writes to them (agent/control/wear_print.h)
 *   flush-context NAME   (reserved for the flight recorder)
 *   ping [SINK]          body: a line for each step of reaching the sink
 *   ring                 the first byte of the answer carries read-only descriptors of the ring
 *                        files (SCM_RIGHTS, at most LB_CONTROL_FDS_MAX), newest first; body: "config PATH",
 *                        the agent's configuration file
 *   stall MS             only in test builds
 */
#define LB_CONTROL_LINE_MAX 256
#define LB_CONTROL_FDS_MAX  8

#endif
