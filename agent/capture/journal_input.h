/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_JOURNAL_INPUT_H
#define LB_CAPTURE_JOURNAL_INPUT_H

#include "agent/capture/inputs.h"
#include "agent/capture/journal_child.h"
#include "agent/capture/journal_export.h"

/*
 * One input of type journal, shared by journal_input.c (journalctl and its
 * pipes) and journal_entries.c (entries to records). Nobody else includes this.
 */
#define LB_JOURNAL_MESSAGE_MAX (1024 * 1024) /* of one entry; what is longer is cut and marked */
#define LB_JOURNAL_READ_BYTES  65536
#define LB_JOURNAL_ARGS        (12 + 2 * LB_INPUT_UNITS_MAX)

/* The row of the state file: id, cursor, and how much of the entry behind it is in records already. */
enum { LB_JOURNAL_ROW_DONE = LB_INPUT_WORDS - 1 };
#define LB_JOURNAL_CURSOR_BYTES ((LB_JOURNAL_ROW_DONE - LB_INPUT_CURSOR) * 8)

struct lb_journal_input {
    struct lb_input *input;
    struct lb_capture *capture;
    /* What comes. */
    struct lb_journal parser;
    char *message, *buf;
    size_t at, len;    /* of buf: looked at, filled */
    bool has_entry;    /* one is whole, and in no record yet */
    bool is_waiting;   /* for room in the ring: nothing is read */
    bool is_heard;     /* the child gave an entry */
    bool skips_old;    /* entries from before since_us: only their cursor counts */
    bool has_tried;    /* a child was started before */
    uint64_t since_us; /* our own start */
    /* Who wrote it. */
    struct lb_stream stream; /* stands for all of them; in no slot */
    struct lb_stream_name name;
    uint64_t stream_id, stream_off;
    char own_unit[LB_PROTO_SERVICE_MAX + 1];
    size_t own_unit_len;
    char boot_id[33];
    /* journalctl. */
    struct lb_journal_child child;
    pid_t last_pid; /* ended, or to be: the next start waits for it */
    struct lb_watch out, err;
    struct lb_card_job job;
    int start_rc;
    struct lb_timer timer; /* the next start; while it runs: when it is believed */
    uint64_t wait_ns;
    char complaint[256];
    char *units; /* cut into words */
    char *argv[LB_JOURNAL_ARGS];
    char after_cursor[32 + LB_JOURNAL_CURSOR_BYTES];
};

/*
 * Take all entries that buf holds: put them, and move the cursor with them.
 *   returns   0 all of it | -EAGAIN the ring has no room: call again | -EBADMSG it is no journal
 */
int lb_journal_entries_take(struct lb_journal_input *journal);

/*
 * The cursor behind which the next child begins.
 *   buf       LB_JOURNAL_CURSOR_BYTES + 1; "" when there is none
 */
void lb_journal_entries_cursor(const struct lb_journal_input *journal, char *buf);

#endif
