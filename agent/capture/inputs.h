/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_INPUTS_H
#define LB_CAPTURE_INPUTS_H

#include <sys/types.h>

#include "agent/capture/input_scan.h"
#include "agent/capture/parts.h"
#include "agent/store/card.h"

/*
 * What is read beside the pipes: [input NAME]. Files of this room only include
 * it: inputs.c (all of them), input_files.c (files that are followed),
 * input_disk.c (those of them that lie on a disk), journal_input.c.
 *
 *   globs ──scan──▶ found ──▶ file ─▶ a stream with a slot in staging ─▶ turns, as a pipe has them
 *   journalctl ──pipe──▶ entries ─▶ records, and the cursor in the same commit
 *
 * Invariants:
 * - the fast side opens no path and reads nothing but tmpfs, pipes and inotify;
 *   paths are resolved, disks read and children started by a card side of the
 *   inputs' own, so that a file system that hangs costs nobody but them;
 * - a source keeps what is not read: where the ring has no room it waits, and
 *   nothing of it is dropped;
 * - where a source is read from next is true in the commit that has the
 *   records before it.
 */
#define LB_INPUT_READ_BYTES LB_TURN_BYTES
#define LB_INPUT_SCAN_NS                                                              \
    (5 * 1000000000ull) /* between two scans: inotify may forget, and sees no network \
                         */
#define LB_INPUT_QUIET_NS \
    (5 * 1000000000ull) /* a file that is gone, read, and has no writer is let go after it */
#define LB_INPUT_LEFT_NS    (60 * 1000000000ull) /* the same where we may not know of writers */
#define LB_INPUT_REST_NS    32000000ull          /* inotify is looked at this often at most */
#define LB_INPUT_TEXT_WORDS 40

/* A short text that other threads may read while it changes. */
struct lb_input_text {
    uint64_t seq; /* odd: it is being changed */
    uint64_t word[LB_INPUT_TEXT_WORDS];
};

enum lb_input_state {
    LB_INPUT_STARTING = 0,
    LB_INPUT_READING,
    LB_INPUT_WAITING, /* nothing to read is there */
    LB_INPUT_REFUSED, /* all that is there lies on flash */
    LB_INPUT_FAILED
};

/* One [input NAME], as it was at the start. */
struct lb_input {
    struct lb_inputs *inputs;
    struct lb_input_config config; /* with texts of its own */
    uint64_t id;                   /* of its row in the state file; never 0 */
    uint32_t row;
    bool has_row; /* it was read before, by this agent or one since boot */
    struct lb_journal_input *journal;
    uint32_t state, files; /* told to other threads, as is the next one */
    struct lb_input_text error;
};

/* One file that is followed. */
struct lb_input_file {
    struct lb_input *input; /* NULL: the place is free */
    struct lb_stream *stream;
    uint64_t id;
    int fd;
    int wd;
    bool is_ram;
    bool is_seen; /* by the scan that is evaluated */
    bool is_at_end;
    bool is_told;           /* that it was truncated */
    bool wants_read;        /* of a disk: it waits for the reader, or its answer */
    uint64_t gone_since_ns; /* 0: the glob finds it */
    uint64_t read_ns;       /* when it last had something */
};

/* Reads files that lie on disks, one at a time. */
struct lb_input_reader {
    struct lb_card_job job;
    struct lb_input_file *file; /* whose turn it is; NULL: nobody's */
    bool is_out;
    int fd;
    uint64_t pos, size;
    int64_t got; /* bytes, or negative errno */
    size_t taken;
    unsigned next;
    char *buf;
};

struct lb_inputs {
    struct lb_capture *capture;
    struct lb_input input[LB_INPUTS_MAX];
    unsigned count;
    bool has_files;
    struct lb_input_file file[LB_INPUT_FILES];
    unsigned file_count;
    char *buf; /* of the fast side's own reads */
    struct lb_card card;
    bool has_card;
    struct lb_scan *scan;
    bool is_scanning, wants_scan, had_scan;
    struct lb_input_reader reader;
    struct lb_watch inotify;
    struct lb_timer scan_timer, inotify_timer;
    uint64_t truncated;
};

/* ---- inputs.c ---- */

/*
 * Tell others how an input does. A new error is logged, once.
 *   error   "" when there is none
 */
void lb_input_tell(struct lb_input *input, enum lb_input_state state, const char *error);

/*
 * Take the input's row of the state file, which says that it was read before.
 * True with the next publish.
 */
void lb_input_take_row(struct lb_input *input);

/*
 * A word of that row behind LB_INPUT_ID, and its change with the next publish.
 */
static inline uint64_t lb_input_get(const struct lb_input *input, unsigned word)
{
    return lb_commit_get(&input->inputs->capture->state->fast, LB_FAST_INPUTS,
                         input->row * LB_INPUT_WORDS + word);
}

static inline void lb_input_set(struct lb_input *input, unsigned word, uint64_t value)
{
    if (lb_input_get(input, word) != value)
        lb_commit_set(&input->inputs->capture->state->fast, LB_FAST_INPUTS,
                      input->row * LB_INPUT_WORDS + word, value);
}

/* ---- input_files.c ---- */

/*
 * Begin to follow files: inotify, timers, the first scan.
 * Without inotify, scans alone find out what is new.
 *   returns   0 | -ENOMEM | negative errno of epoll_ctl
 */
int lb_files_start(struct lb_inputs *inputs);

/*
 * Let go of all files. Their places stay in staging.
 */
void lb_files_stop(struct lb_inputs *inputs);

/*
 * Look for files soon.
 */
void lb_files_scan(struct lb_inputs *inputs);

/*
 * Where a file is read next: what is staged was read.
 *   returns   bytes from its begin
 */
uint64_t lb_files_position(const struct lb_input_file *file);

/*
 * How much one turn reads: so little that what becomes of it leaves the ring below its high-water mark.
 *   returns   bytes, LB_INPUT_READ_BYTES at most
 */
size_t lb_files_turn_bytes(const struct lb_inputs *inputs);

/*
 * A file is shorter than what was read of it: begin anew, and count it.
 */
void lb_files_truncated(struct lb_input_file *file);

/*
 * Put bytes that were read behind what the stream has staged, as far as there is room.
 *   returns   bytes that found room, maybe fewer than len | -ENOBUFS none did
 */
int64_t lb_files_stage(struct lb_input_file *file, const char *bytes, size_t len);

/* ---- input_disk.c ---- */

/*
 * Take what was read of a file on a disk, and ask for more of it.
 *   returns   as lb_input_file_read()
 */
int64_t lb_disk_read(struct lb_input_file *file, bool *ret_is_empty);

/*
 * Go on with the next file that waits.
 */
void lb_disk_next(struct lb_inputs *inputs);

/*
 * A file is let go: forget what was read of it.
 *   returns   true | false it is being read just now: ask again
 */
bool lb_disk_forget(struct lb_input_file *file);

/* ---- journal_input.c ---- */

/*
 * Begin to read the journal.
 *   returns   0 | -ENOMEM
 */
int lb_journal_input_start(struct lb_input *input);

/*
 * The ring may have room again. Nothing happens where nothing waits.
 */
void lb_journal_input_resume(struct lb_input *input);

/*
 * Take what journalctl has written until now.
 */
void lb_journal_input_drain(struct lb_input *input);

/*
 * End journalctl and free all.
 *   calls     after the inputs' card side has ended
 */
void lb_journal_input_stop(struct lb_input *input);

#endif
