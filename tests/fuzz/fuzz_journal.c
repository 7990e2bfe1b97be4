/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what journalctl writes. In: libFuzzer's bytes. Out: nothing. Always true, or the run stops:
 * what is told is within its bounds, and cut into pieces the same bytes tell the same entries.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/capture/journal_export.h"

#define MESSAGE_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int is_true)
{
    if (!is_true)
        abort();
}

static uint64_t mix(uint64_t sum, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < len; i++)
        sum = (sum ^ at[i]) * 1099511628211u;
    return (sum ^ len) * 1099511628211u;
}

static uint64_t sum_of(const struct lb_journal *journal, uint64_t sum)
{
    struct lb_journal_entry entry;

    must(journal->message_len <= MESSAGE_MAX);
    for (unsigned i = 0; i < LB_JOURNAL_FIELDS; i++) {
        must(journal->value[i].len <= LB_JOURNAL_VALUE_MAX &&
             journal->value[i].text[journal->value[i].len] == 0);
        sum = mix(sum, journal->value[i].text, journal->value[i].len);
    }
    lb_journal_describe(journal, &entry);
    must(entry.level >= -1 && entry.level <= 7 && entry.service_len <= LB_JOURNAL_VALUE_MAX);
    lb_journal_is_wanted("nginx getty@* [a-", entry.unit, entry.unit_len);
    return mix(sum, journal->message, journal->message_len);
}

/* All of it in pieces; returns a sum of what was told. */
static uint64_t run(const uint8_t *data, size_t size, size_t piece)
{
    struct lb_journal *journal = malloc(sizeof *journal);
    char *message = malloc(MESSAGE_MAX);
    uint64_t sum = 14695981039346656037u;

    lb_journal_init(journal, message, MESSAGE_MAX);
    for (size_t at = 0; at < size;) {
        size_t left = size - at;
        bool has_entry;
        int64_t got =
            lb_journal_feed(journal, (const char *)data + at, left < piece ? left : piece, &has_entry);

        if (got < 0)
            break;
        must(got > 0 && (size_t)got <= left);
        at += (size_t)got;
        if (has_entry)
            sum = sum_of(journal, sum);
    }
    free(message);
    free(journal);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t whole = run(data, size, size + 1);

    must(run(data, size, 1) == whole);
    must(run(data, size, 13) == whole);
    return 0;
}
