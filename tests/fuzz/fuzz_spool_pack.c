/* SPDX-License-Identifier: MIT */
/*
 * What a card gives back: any bytes as the head of a batch or as the spool's book, and any damage to good
 * ones. In: libFuzzer's bytes. Out: nothing. Always true, or the run stops: parts that are told fill the body
 * and lie in it one behind the other; counts are within their bounds; a good one that was changed is refused;
 * and what the input describes is read back as it was written.
 *
 * Random bytes never have the right check: so the input also changes good ones, three bytes a change.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/spool_pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int is_true)
{
    if (!is_true)
        abort();
}

static int read_head(const uint8_t *bytes, size_t len, uint64_t body)
{
    static struct lb_spool_part parts[LB_SPOOL_PARTS_MAX];
    uint64_t at = 0;
    int count = lb_spool_parse_head(bytes, len, body, parts);

    must(count == -EBADMSG || (count > 0 && count <= (int)LB_SPOOL_PARTS_MAX));
    for (int i = 0; i < count; i++) {
        must(parts[i].offset == at && parts[i].len > 0 && parts[i].len <= LB_SPOOL_PART_BYTES_MAX);
        must(parts[i].meta.lane < LB_LANE_COUNT && parts[i].meta.why < LB_SPOOL_WHY_COUNT);
        at += parts[i].len;
    }
    must(count < 0 || at == body);
    return count;
}

static int read_book(const uint8_t *bytes, size_t len)
{
    static struct lb_spool_book book;
    int rc = lb_spool_parse_book(bytes, len, &book);

    must(rc == -EBADMSG || rc == 0);
    must(book.word_count <= LB_SPOOL_WORDS_MAX && book.progress_count <= LB_SPOOL_PROGRESS_MAX);
    return rc;
}

/* A few changes; true: something is not as it was. */
static int change(uint8_t *bytes, size_t len, const uint8_t *data, size_t size)
{
    static uint8_t before[LB_SPOOL_HEAD_BYTES(LB_SPOOL_PARTS_MAX)];

    memcpy(before, bytes, len);
    for (size_t i = 0; i + 3 <= size; i += 3)
        bytes[(data[i] | data[i + 1] << 8) % len] = data[i + 2];
    return memcmp(before, bytes, len) != 0;
}

static void with_a_good_head(const uint8_t *data, size_t size)
{
    static uint8_t bytes[LB_SPOOL_HEAD_BYTES(LB_SPOOL_PARTS_MAX)];
    static struct lb_spool_part parts[LB_SPOOL_PARTS_MAX];
    unsigned count = 1 + data[0] % LB_SPOOL_PARTS_MAX;
    uint64_t body = 0;
    size_t len;

    for (unsigned i = 0; i < count; i++) {
        parts[i] = (struct lb_spool_part) { .len = 1 + data[i % size] * 257u };
        parts[i].meta.first_n = data[i % size];
        parts[i].meta.last_n = UINT64_MAX - i;
        parts[i].meta.lane = data[i % size] % LB_LANE_COUNT;
        parts[i].meta.why = data[i % size] % LB_SPOOL_WHY_COUNT;
        body += parts[i].len;
    }
    len = lb_spool_pack_head(parts, count, bytes);
    must(len == LB_SPOOL_HEAD_BYTES(count) && read_head(bytes, len, body) == (int)count);
    must(read_head(bytes, len, body + 1) < 0);
    must(!change(bytes, len, data, size) || read_head(bytes, len, body) < 0);
}

static void with_a_good_book(const uint8_t *data, size_t size)
{
    static uint8_t bytes[LB_SPOOL_BOOK_BYTES];
    struct lb_spool_book book = { .serial = size, .next_id = 1u + data[0] };
    size_t len;

    book.word_count = data[0] % (LB_SPOOL_WORDS_MAX + 1);
    book.progress_count = data[0] % (LB_SPOOL_PROGRESS_MAX + 1);
    len = lb_spool_pack_book(&book, bytes);
    must(len <= sizeof bytes && read_book(bytes, len) == 0);
    must(!change(bytes, len, data, size) || read_book(bytes, len) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    read_head(data, size, data[0]);
    read_book(data, size);
    with_a_good_head(data, size);
    with_a_good_book(data, size);
    return 0;
}
