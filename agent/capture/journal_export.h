/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_JOURNAL_EXPORT_H
#define LB_CAPTURE_JOURNAL_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * systemd's journal export format, as it comes: bytes in, entries out. Pure;
 * no descriptor, no clock, no allocation.
 *
 *   entry = field* LF               (an empty line ends it)
 *   field = NAME "=" text LF        (text without LF)
 *         | NAME LF u64le-length bytes LF
 *   NAME  = 1 to 64 of A-Z 0-9 _, no digit first
 *
 * Bounds: a field that nobody asks for is passed over, however long it is; one
 * that is asked for is kept to its bound; a message to the caller's buffer.
 * Of a field that comes several times the first one counts. A line that is
 * neither field nor empty is passed over and counted; a length that no field
 * has means that we are out of step: -EBADMSG.
 */
#define LB_JOURNAL_NAME_MAX  64
#define LB_JOURNAL_VALUE_MAX 256
#define LB_JOURNAL_FIELD_MAX (1ull << 30) /* bytes; journald takes 768 MiB */

enum lb_journal_field {
    LB_JOURNAL_CURSOR = 0,
    LB_JOURNAL_MONOTONIC,
    LB_JOURNAL_BOOT_ID,
    LB_JOURNAL_PRIORITY,
    LB_JOURNAL_UNIT,   /* of the process */
    LB_JOURNAL_OBJECT, /* what systemd itself speaks of */
    LB_JOURNAL_IDENTIFIER,
    LB_JOURNAL_COMM,
    LB_JOURNAL_PID,
    LB_JOURNAL_UID,
    LB_JOURNAL_FIELDS
};

struct lb_journal_value {
    uint16_t len;
    bool is_set;
    bool is_cut;                         /* it was longer */
    char text[LB_JOURNAL_VALUE_MAX + 1]; /* ends in NUL */
};

enum lb_journal_state {
    LB_JOURNAL_IN_NAME = 0,
    LB_JOURNAL_IN_TEXT,
    LB_JOURNAL_IN_LENGTH,
    LB_JOURNAL_IN_BYTES,
    LB_JOURNAL_AT_END, /* of bytes: a LF comes */
    LB_JOURNAL_IN_JUNK,
    LB_JOURNAL_BROKEN
};

struct lb_journal {
    /* The entry, once lb_journal_feed() has it. */
    struct lb_journal_value value[LB_JOURNAL_FIELDS];
    char *message; /* the caller's, message_max bytes */
    size_t message_len;
    bool has_message;
    bool is_message_cut;
    uint64_t junk_lines; /* since the begin */
    /* Private. */
    size_t message_max;
    enum lb_journal_state state;
    char name[LB_JOURNAL_NAME_MAX];
    size_t name_len;
    bool has_field; /* the entry has begun */
    int field;      /* enum lb_journal_field; or one of the two below zero */
    uint64_t left;  /* bytes of the value; while its length is read, that */
    unsigned length_bytes;
};

/*
 * Begin a stream.
 *   message   room for message_max bytes, stays the caller's
 */
void lb_journal_init(struct lb_journal *journal, char *message, size_t message_max);

/*
 * Take bytes until an entry is whole. Its fields are valid until the next call.
 *   ret_has_entry  true: one is whole | false: all of it was taken, more is wanted
 *   returns        bytes taken, at most len | -EBADMSG what comes is no such format: begin anew
 */
int64_t lb_journal_feed(struct lb_journal *journal, const char *bytes, size_t len, bool *ret_has_entry);

/*
 * A value as a number.
 *   returns   true and *ret_number | false: it is not set, or none
 */
bool lb_journal_number(const struct lb_journal_value *value, uint64_t *ret_number);

/*
 * What an entry says about itself, in the words of a record.
 */
struct lb_journal_entry {
    const char *unit; /* unit_len bytes, without ".service"; none: it has none */
    size_t unit_len;
    const char
        *service; /* unit, else what it calls itself, else its program; as it came, so not made legal */
    size_t service_len;
    int level;             /* -1: not told */
    uint32_t pid, uid;     /* 0 and (uint32_t)-1: not told */
    uint64_t monotonic_us; /* 0: not told */
};

/*
 * Read the fields of the entry that is whole. A unit that is a scope names no
 * service: one for each login would come and go. What systemd says about
 * another unit is that unit's.
 *   ret_entry  points into journal
 */
void lb_journal_describe(const struct lb_journal *journal, struct lb_journal_entry *ret_entry);

/*
 * Does a list of units name this one?
 *   units     globs parted by blanks, with or without ".service"; "": all
 *   unit      unit_len bytes, without ".service"
 *   returns   true: yes
 */
bool lb_journal_is_wanted(const char *units, const char *unit, size_t unit_len);

#endif
