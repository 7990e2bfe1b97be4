/* SPDX-License-Identifier: MIT */
/*
 * Entries of the journal to records. In: bytes of journalctl. Out: one record an entry (several, all marked
 * cut, where one is longer than a record may be). Always true: the cursor moves in the commit that has the
 * entry's record; where an entry is several, the commit has how much of it is done.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/capture/journal_input.h"
#include "agent/capture/turn.h"
#include "common/clock.h"
#include "common/unit_name.h"

/* ---- the cursor ---- */

void lb_journal_entries_cursor(const struct lb_journal_input *journal, char *buf)
{
    memset(buf, 0, LB_JOURNAL_CURSOR_BYTES + 1);
    for (unsigned i = 0; journal->input->has_row && i < LB_JOURNAL_CURSOR_BYTES / 8; i++) {
        uint64_t word = lb_input_get(journal->input, LB_INPUT_CURSOR + i);

        memcpy(buf + 8 * i, &word, sizeof word);
    }
}

/* The entry is dealt with. One without a cursor that fits is read again by the next agent: there is none
 * such. */
static void move_on(struct lb_journal_input *journal)
{
    const struct lb_journal_value *cursor = &journal->parser.value[LB_JOURNAL_CURSOR];
    char text[LB_JOURNAL_CURSOR_BYTES] = { 0 };

    if (cursor->len == 0 || cursor->len > sizeof text)
        return;
    memcpy(text, cursor->text, cursor->len);
    lb_input_take_row(journal->input);
    for (unsigned i = 0; i < sizeof text / 8; i++) {
        uint64_t word;

        memcpy(&word, text + 8 * i, sizeof word);
        lb_input_set(journal->input, LB_INPUT_CURSOR + i, word);
    }
    lb_input_set(journal->input, LB_JOURNAL_ROW_DONE, 0);
}

/* ---- who and when ---- */

static bool is_called(const struct lb_journal_value *value, const char *name)
{
    return strcmp(value->text, name) == 0;
}

/* What we say ourselves would come back to us for ever. */
static bool is_own(const struct lb_journal_input *journal, const struct lb_journal_entry *entry)
{
    const struct lb_journal_value *unit = &journal->parser.value[LB_JOURNAL_UNIT];

    if (entry->pid == (uint32_t)getpid() || is_called(&journal->parser.value[LB_JOURNAL_COMM], "logboomd"))
        return true;
    return journal->own_unit_len > 0 && unit->len == journal->own_unit_len + strlen(".service") &&
           memcmp(unit->text, journal->own_unit, journal->own_unit_len) == 0;
}

static bool is_of_this_boot(const struct lb_journal_input *journal)
{
    return is_called(&journal->parser.value[LB_JOURNAL_BOOT_ID], journal->boot_id);
}

/* Does it lie before the place where this input began? */
static bool is_old(struct lb_journal_input *journal, const struct lb_journal_entry *entry)
{
    if (journal->skips_old && is_of_this_boot(journal) && entry->monotonic_us >= journal->since_us)
        journal->skips_old = false;
    return journal->skips_old;
}

static bool is_wanted(struct lb_journal_input *journal, const struct lb_journal_entry *entry)
{
    return journal->parser.has_message && !is_own(journal, entry) && !is_old(journal, entry) &&
           lb_journal_is_wanted(journal->input->config.units, entry->unit, entry->unit_len);
}

/* When journald took it, on our clock; for one of another boot: now. */
static uint64_t boot_ns_of(const struct lb_journal_input *journal, const struct lb_journal_entry *entry)
{
    uint64_t now_ns = journal->capture->loop->now_ns, now_us, age_ns;
    struct timespec now;

    if (entry->monotonic_us == 0 || !is_of_this_boot(journal))
        return now_ns;
    clock_gettime(CLOCK_MONOTONIC, &now);
    now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    if (entry->monotonic_us >= now_us)
        return now_ns;
    age_ns = (now_us - entry->monotonic_us) * 1000;
    return age_ns < now_ns ? now_ns - age_ns : 1;
}

static void name_sender(struct lb_journal_input *journal, const struct lb_journal_entry *entry)
{
    const struct lb_input_config *config = &journal->input->config;
    struct lb_stream_name *name = &journal->name;
    bool is_set = config->service[0] != '\0';
    const char *service = is_set ? config->service : entry->service;
    size_t len = is_set ? strlen(service) : entry->service_len;

    if (len == 0) {
        service = "unknown";
        len = strlen(service);
    }
    if (len > LB_PROTO_SERVICE_MAX)
        len = LB_PROTO_SERVICE_MAX;
    memcpy(name->service, service, len);
    name->service_len = (uint16_t)lb_service_name_make_legal(name->service, len);
    name->pid = entry->pid;
}

/* ---- records ---- */

static void begin(struct lb_journal_input *journal, const struct lb_journal_entry *entry,
                  struct lb_turn *turn)
{
    struct lb_capture *capture = journal->capture;

    lb_streams_settle(capture, &journal->stream);
    journal->stream.service_ix =
        lb_state_service(capture->state, journal->name.service, journal->name.service_len);
    memset(turn, 0, sizeof *turn);
    turn->capture = capture;
    turn->stream = &journal->stream;
    turn->last = &capture->said[journal->stream.service_ix]; /* one journal has many units */
    turn->now_ns = boot_ns_of(journal, entry);
    turn->head = (struct lb_record) {
        .kind = LB_KIND_LINE,
        .stream_id = journal->stream_id,
        .stream_off = journal->stream_off,
        .pid = entry->pid,
        .uid = entry->uid,
        .service_ix = journal->stream.service_ix,
    };
}

/* The longest text that one record may have. */
static size_t longest(const struct lb_turn *turn)
{
    const struct lb_capture_config *settings = &turn->stream->settings->capture;
    size_t fits = lb_ring_record_max(turn->capture->ring) - sizeof(struct lb_record) - LB_PROTO_SERVICE_MAX -
                  LB_PROTO_TAGS_MAX - LB_EXTRA_MAX - 8;
    size_t most =
        settings->join_bytes > settings->max_line_bytes ? settings->join_bytes : settings->max_line_bytes;

    if (most > LB_CAPTURE_ROOM)
        most = LB_CAPTURE_ROOM;
    return most < fits ? most : fits;
}

/* Put what is not in records yet, part by part. false: there is no room, and it waits */
static bool put_message(struct lb_journal_input *journal, const struct lb_journal_entry *entry, size_t len)
{
    struct lb_turn turn;
    bool is_last = false;
    size_t most;

    begin(journal, entry, &turn);
    most = longest(&turn);
    while (!is_last) {
        uint64_t done = journal->input->has_row ? lb_input_get(journal->input, LB_JOURNAL_ROW_DONE) : 0;
        size_t left = done < len ? len - (size_t)done : 0, part = left < most ? left : most;
        char *room = journal->capture->room;

        is_last = part == left;
        turn.head.flags = !is_last || done > 0 || journal->parser.is_message_cut ? LB_RECORD_CUT : 0;
        memcpy(room, journal->message + done, part); /* the steps may change it, and it may come again */
        if (part == 0)
            lb_records_drop(&turn, LB_DROP_BLANK, 1, 0);
        else if (!lb_records_message(&turn, room, part, entry->level, NULL))
            return false;
        if (is_last) {
            move_on(journal);
        } else {
            lb_input_take_row(journal->input);
            lb_input_set(journal->input, LB_JOURNAL_ROW_DONE, done + part);
        }
        lb_records_publish(&turn);
    }
    journal->stream_off += len + 1;
    return true;
}

/* false: there is no room, and it waits */
static bool take_entry(struct lb_journal_input *journal)
{
    size_t len = journal->parser.message_len;
    struct lb_journal_entry entry;

    lb_journal_describe(&journal->parser, &entry);
    if (!is_wanted(journal, &entry)) {
        move_on(journal);
        return true;
    }
    name_sender(journal, &entry);
    while (len > 0 && (journal->message[len - 1] == '\n' || journal->message[len - 1] == '\r'))
        len--;
    return put_message(journal, &entry, len);
}

int lb_journal_entries_take(struct lb_journal_input *journal)
{
    int rc = 0;

    while (rc == 0 && (journal->has_entry || journal->at < journal->len)) {
        if (!journal->has_entry) {
            int64_t got = lb_journal_feed(&journal->parser, journal->buf + journal->at,
                                          journal->len - journal->at, &journal->has_entry);

            if (got < 0) {
                rc = (int)got;
                break;
            }
            journal->at += (size_t)got;
        }
        if (!journal->has_entry)
            continue;
        if (lb_turns_must_yield(journal->capture, &journal->stream) || !take_entry(journal)) {
            rc = -EAGAIN;
            break;
        }
        journal->has_entry = false;
        journal->is_heard = true;
    }
    lb_turns_publish(journal->capture, false); /* the cursor, where nothing was put behind it */
    return rc;
}
