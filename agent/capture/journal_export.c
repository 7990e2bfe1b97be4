/* SPDX-License-Identifier: MIT */
/*
 * The journal's export format. In: bytes, in pieces of any size. Out: entries. Always true: how the bytes are
 * cut into pieces changes nothing; nothing is kept beyond the bounds that the header names.
 */
#include "agent/capture/journal_export.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

enum { FIELD_MESSAGE = -1, FIELD_OTHER = -2 };

static const char *const names[LB_JOURNAL_FIELDS] = {
    [LB_JOURNAL_CURSOR] = "__CURSOR",
    [LB_JOURNAL_MONOTONIC] = "__MONOTONIC_TIMESTAMP",
    [LB_JOURNAL_BOOT_ID] = "_BOOT_ID",
    [LB_JOURNAL_PRIORITY] = "PRIORITY",
    [LB_JOURNAL_UNIT] = "_SYSTEMD_UNIT",
    [LB_JOURNAL_OBJECT] = "UNIT",
    [LB_JOURNAL_IDENTIFIER] = "SYSLOG_IDENTIFIER",
    [LB_JOURNAL_COMM] = "_COMM",
    [LB_JOURNAL_PID] = "_PID",
    [LB_JOURNAL_UID] = "_UID",
};

void lb_journal_init(struct lb_journal *journal, char *message, size_t message_max)
{
    memset(journal, 0, sizeof *journal);
    journal->message = message;
    journal->message_max = message_max;
}

static void begin_entry(struct lb_journal *journal)
{
    for (unsigned i = 0; i < LB_JOURNAL_FIELDS; i++) {
        journal->value[i].len = 0;
        journal->value[i].is_set = journal->value[i].is_cut = false;
        journal->value[i].text[0] = '\0';
    }
    journal->message_len = 0;
    journal->has_message = journal->is_message_cut = false;
    journal->has_field = false;
}

static bool is_named(const struct lb_journal *journal, const char *name)
{
    return strlen(name) == journal->name_len && memcmp(name, journal->name, journal->name_len) == 0;
}

/* The name is whole: whose value comes now? The second of a name is nobody's. */
static void find_field(struct lb_journal *journal)
{
    journal->field = FIELD_OTHER;
    if (is_named(journal, "MESSAGE") && !journal->has_message) {
        journal->field = FIELD_MESSAGE;
        journal->has_message = true;
    }
    for (int i = 0; i < LB_JOURNAL_FIELDS; i++)
        if (is_named(journal, names[i]) && !journal->value[i].is_set) {
            journal->field = i;
            journal->value[i].is_set = true;
        }
    journal->has_field = true;
    journal->name_len = 0;
}

static void keep(struct lb_journal *journal, const char *bytes, size_t len)
{
    if (journal->field == FIELD_MESSAGE) {
        size_t room = journal->message_max - journal->message_len, part = len < room ? len : room;

        memcpy(journal->message + journal->message_len, bytes, part);
        journal->message_len += part;
        journal->is_message_cut |= part < len;
    } else if (journal->field >= 0) {
        struct lb_journal_value *value = &journal->value[journal->field];
        size_t room = LB_JOURNAL_VALUE_MAX - value->len, part = len < room ? len : room;

        memcpy(value->text + value->len, bytes, part);
        value->len = (uint16_t)(value->len + part);
        value->text[value->len] = '\0';
        value->is_cut |= part < len;
    }
}

static bool is_name_byte(const struct lb_journal *journal, char c)
{
    return (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9' && journal->name_len > 0);
}

/* A byte where a name is, or could begin. Returns true when the entry is whole. */
static bool take_name_byte(struct lb_journal *journal, char c)
{
    if (c == '\n' && journal->name_len == 0)
        return journal->has_field; /* an empty line with nothing before it ends nothing */
    if (c == '=' && journal->name_len > 0) {
        find_field(journal);
        journal->state = LB_JOURNAL_IN_TEXT;
    } else if (c == '\n') {
        find_field(journal);
        journal->left = 0;
        journal->length_bytes = 0;
        journal->state = LB_JOURNAL_IN_LENGTH;
    } else if (is_name_byte(journal, c) && journal->name_len < LB_JOURNAL_NAME_MAX) {
        journal->name[journal->name_len++] = c;
    } else {
        journal->name_len = 0;
        journal->junk_lines++;
        journal->state = LB_JOURNAL_IN_JUNK;
    }
    return false;
}

/* Text to the end of its line, kept or not. Returns bytes taken. */
static size_t take_to_line_end(struct lb_journal *journal, const char *bytes, size_t len)
{
    const char *end = memchr(bytes, '\n', len);
    size_t part = end ? (size_t)(end - bytes) : len;

    if (journal->state == LB_JOURNAL_IN_TEXT)
        keep(journal, bytes, part);
    if (!end)
        return part;
    journal->state = LB_JOURNAL_IN_NAME;
    return part + 1;
}

static size_t take_bytes(struct lb_journal *journal, const char *bytes, size_t len)
{
    size_t part = len < journal->left ? len : (size_t)journal->left;

    keep(journal, bytes, part);
    journal->left -= part;
    if (journal->left == 0)
        journal->state = LB_JOURNAL_AT_END;
    return part;
}

/* One of the eight bytes of a length, the least first. */
static void take_length_byte(struct lb_journal *journal, char c)
{
    journal->left |= (uint64_t)(unsigned char)c << (8 * journal->length_bytes++);
    if (journal->length_bytes < 8)
        return;
    journal->state = journal->left > LB_JOURNAL_FIELD_MAX ? LB_JOURNAL_BROKEN
                     : journal->left > 0                  ? LB_JOURNAL_IN_BYTES
                                                          : LB_JOURNAL_AT_END;
}

int64_t lb_journal_feed(struct lb_journal *journal, const char *bytes, size_t len, bool *ret_has_entry)
{
    size_t at = 0;

    *ret_has_entry = false;
    if (journal->state == LB_JOURNAL_IN_NAME && !journal->has_field && journal->name_len == 0)
        begin_entry(journal);
    while (at < len && !*ret_has_entry) {
        switch (journal->state) {
        case LB_JOURNAL_IN_NAME:
            *ret_has_entry = take_name_byte(journal, bytes[at++]);
            break;
        case LB_JOURNAL_IN_TEXT:
        case LB_JOURNAL_IN_JUNK:
            at += take_to_line_end(journal, bytes + at, len - at);
            break;
        case LB_JOURNAL_IN_LENGTH:
            take_length_byte(journal, bytes[at++]);
            break;
        case LB_JOURNAL_IN_BYTES:
            at += take_bytes(journal, bytes + at, len - at);
            break;
        case LB_JOURNAL_AT_END:
            journal->state = bytes[at++] == '\n' ? LB_JOURNAL_IN_NAME : LB_JOURNAL_BROKEN;
            break;
        case LB_JOURNAL_BROKEN:
            return -EBADMSG;
        }
    }
    if (*ret_has_entry)
        journal->has_field = false; /* the next call begins the next one */
    return journal->state == LB_JOURNAL_BROKEN ? -EBADMSG : (int64_t)at;
}

/* ---- what an entry says ---- */

bool lb_journal_number(const struct lb_journal_value *value, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (!value->is_set || value->len == 0 || value->len > 19)
        return false;
    for (unsigned i = 0; i < value->len; i++) {
        if (value->text[i] < '0' || value->text[i] > '9')
            return false;
        number = 10 * number + (uint64_t)(value->text[i] - '0');
    }
    *ret_number = number;
    return true;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
    size_t end_len = strlen(end);

    return len > end_len && memcmp(text + len - end_len, end, end_len) == 0;
}

static void find_service(const struct lb_journal *journal, struct lb_journal_entry *entry)
{
    static const enum lb_journal_field others[] = { LB_JOURNAL_IDENTIFIER, LB_JOURNAL_COMM };

    if (entry->unit_len > 0 && !ends_with(entry->unit, entry->unit_len, ".scope")) {
        entry->service = entry->unit;
        entry->service_len = entry->unit_len;
        return;
    }
    for (unsigned i = 0; i < 2 && entry->service_len == 0; i++) {
        entry->service = journal->value[others[i]].text;
        entry->service_len = journal->value[others[i]].len;
    }
    if (entry->service_len == 0) {
        entry->service = entry->unit;
        entry->service_len = entry->unit_len;
    }
}

void lb_journal_describe(const struct lb_journal *journal, struct lb_journal_entry *entry)
{
    const struct lb_journal_value *value = journal->value;
    uint64_t number;

    *entry = (struct lb_journal_entry) { .level = -1, .uid = (uint32_t)-1 };
    if (lb_journal_number(&value[LB_JOURNAL_PID], &number) && number <= INT32_MAX)
        entry->pid = (uint32_t)number;
    if (lb_journal_number(&value[LB_JOURNAL_UID], &number) && number < UINT32_MAX)
        entry->uid = (uint32_t)number;
    if (lb_journal_number(&value[LB_JOURNAL_PRIORITY], &number) && number <= 7)
        entry->level = (int)number;
    if (lb_journal_number(&value[LB_JOURNAL_MONOTONIC], &number))
        entry->monotonic_us = number;
    /* Who writes the name of another unit is to be systemd itself: any process can set a field without "_".
     */
    value = &value[entry->pid == 1 && value[LB_JOURNAL_OBJECT].len > 0 ? LB_JOURNAL_OBJECT : LB_JOURNAL_UNIT];
    entry->unit = value->text;
    entry->unit_len = value->len;
    if (ends_with(entry->unit, entry->unit_len, ".service"))
        entry->unit_len -= strlen(".service");
    find_service(journal, entry);
}

bool lb_journal_is_wanted(const char *units, const char *unit, size_t unit_len)
{
    char pattern[LB_JOURNAL_VALUE_MAX + 1], name[LB_JOURNAL_VALUE_MAX + 1];
    bool has_any = false;

    snprintf(name, sizeof name, "%.*s", (int)unit_len, unit);
    while (*(units += strspn(units, " \t")) != '\0') {
        size_t len = strcspn(units, " \t"), short_len = len;

        has_any = true;
        if (ends_with(units, len, ".service"))
            short_len -= strlen(".service");
        snprintf(pattern, sizeof pattern, "%.*s", (int)short_len, units);
        if (fnmatch(pattern, name, 0) == 0)
            return true;
        units += len;
    }
    return !has_any;
}
