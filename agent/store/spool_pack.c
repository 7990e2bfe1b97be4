/* SPDX-License-Identifier: MIT */
/*
 * Heads and books as bytes. In: structs, or bytes that a card gave back. Out: bytes, or structs. Always true:
 * what was packed parses to the same, and nothing that parses names a byte outside of what it came with.
 */
#include "agent/store/spool_pack.h"

#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HEAD_MARK      0x6873424cu /* "LBsh" */
#define BOOK_MARK      0x6273424cu /* "LBsb" */
#define FORMAT         1u
#define FRONT_BYTES    16u /* of both, before the check */
#define PREFIX_BYTES   24u /* with it */
#define PART_BYTES     96u
#define PART_BYTES_MAX 4096u /* of any later format: a bound on what is believed */
#define BOOK_FIXED     56u   /* numbers of the book, before its lists */
#define NEXT_ID_MAX                                                                        \
    (1ull << 62) /* SQLite's ids end at 2^63; what is beyond this was not counted up by us \
                  */

_Static_assert(LB_SPOOL_HEAD_BYTES(1) == PREFIX_BYTES + PART_BYTES, "the header promises this much");
_Static_assert(LB_LANE_COUNT == 2, "the book has room for two last numbers");

/* ---- little endian ---- */

static void put16(uint8_t **at, uint16_t value)
{
    (*at)[0] = (uint8_t)value;
    (*at)[1] = (uint8_t)(value >> 8);
    *at += 2;
}

static void put32(uint8_t **at, uint32_t value)
{
    put16(at, (uint16_t)value);
    put16(at, (uint16_t)(value >> 16));
}

static void put64(uint8_t **at, uint64_t value)
{
    put32(at, (uint32_t)value);
    put32(at, (uint32_t)(value >> 32));
}

static void put_bytes(uint8_t **at, const void *bytes, size_t len)
{
    memcpy(*at, bytes, len);
    *at += len;
}

static uint16_t get16(const uint8_t **at)
{
    uint16_t value = (uint16_t)((*at)[0] | (*at)[1] << 8);

    *at += 2;
    return value;
}

static uint32_t get32(const uint8_t **at)
{
    uint32_t low = get16(at);

    return low | (uint32_t)get16(at) << 16;
}

static uint64_t get64(const uint8_t **at)
{
    uint64_t low = get32(at);

    return low | (uint64_t)get32(at) << 32;
}

static void get_bytes(const uint8_t **at, void *bytes, size_t len)
{
    memcpy(bytes, *at, len);
    *at += len;
}

/* ---- what both have in front ---- */

static uint64_t check_of(const uint8_t *buf, size_t len)
{
    return XXH3_64bits_withSeed(buf + PREFIX_BYTES, len - PREFIX_BYTES, XXH3_64bits(buf, FRONT_BYTES));
}

static uint8_t *put_front(uint8_t *buf, uint32_t mark, uint16_t count, uint16_t more, uint32_t size)
{
    uint8_t *at = buf;

    put32(&at, mark);
    put16(&at, FORMAT);
    put16(&at, count);
    put16(&at, more);
    put16(&at, 0);
    put32(&at, size);
    return buf + PREFIX_BYTES;
}

/* The check comes last, when all is there. */
static size_t seal(uint8_t *buf, const uint8_t *end)
{
    size_t len = (size_t)(end - buf);
    uint8_t *at = buf + FRONT_BYTES;

    put64(&at, check_of(buf, len));
    return len;
}

struct front {
    uint16_t count, more;
    uint32_t size;
};

static bool get_front(const uint8_t *buf, size_t len, uint32_t mark, struct front *ret_front)
{
    const uint8_t *at = buf;
    const uint8_t *check_at = buf + FRONT_BYTES;

    if (len < PREFIX_BYTES || get32(&at) != mark || get16(&at) != FORMAT ||
        get64(&check_at) != check_of(buf, len))
        return false;
    ret_front->count = get16(&at);
    ret_front->more = get16(&at);
    at += 2;
    ret_front->size = get32(&at);
    return true;
}

/* ---- head ---- */

static bool is_legal(const struct lb_spool_part *part)
{
    const struct lb_segment_meta *meta = &part->meta;

    return part->len > 0 && part->len <= LB_SPOOL_PART_BYTES_MAX && meta->lane < LB_LANE_COUNT &&
           meta->why < LB_SPOOL_WHY_COUNT && meta->first_n <= meta->last_n && meta->first_ns <= meta->last_ns;
}

static void put_part(uint8_t **at, const struct lb_spool_part *part)
{
    const struct lb_segment_meta *meta = &part->meta;

    put_bytes(at, meta->boot_id, sizeof meta->boot_id);
    put64(at, meta->ring_id);
    put64(at, meta->first_n);
    put64(at, meta->last_n);
    put64(at, meta->first_ns);
    put64(at, meta->last_ns);
    put64(at, (uint64_t)meta->wall_offset_ns);
    put64(at, meta->records);
    put64(at, meta->lines);
    put64(at, meta->bytes);
    *(*at)++ = meta->lane;
    *(*at)++ = meta->clock_trust;
    *(*at)++ = meta->severity_mask;
    *(*at)++ = meta->why;
    put32(at, part->len);
}

static void get_part(const uint8_t *at, uint32_t offset, struct lb_spool_part *part)
{
    struct lb_segment_meta *meta = &part->meta;

    get_bytes(&at, meta->boot_id, sizeof meta->boot_id);
    meta->ring_id = get64(&at);
    meta->first_n = get64(&at);
    meta->last_n = get64(&at);
    meta->first_ns = get64(&at);
    meta->last_ns = get64(&at);
    meta->wall_offset_ns = (int64_t)get64(&at);
    meta->records = get64(&at);
    meta->lines = get64(&at);
    meta->bytes = get64(&at);
    meta->lane = *at++;
    meta->clock_trust = *at++;
    meta->severity_mask = *at++;
    meta->why = *at++;
    part->len = get32(&at);
    part->offset = offset;
    part->data = NULL;
}

size_t lb_spool_pack_head(const struct lb_spool_part *parts, unsigned count, uint8_t *buf)
{
    uint8_t *at = put_front(buf, HEAD_MARK, (uint16_t)count, 0, PART_BYTES);

    if (count == 0 || count > LB_SPOOL_PARTS_MAX)
        return 0;
    for (unsigned i = 0; i < count; i++) {
        if (!is_legal(&parts[i]))
            return 0;
        put_part(&at, &parts[i]);
    }
    return seal(buf, at);
}

int lb_spool_parse_head(const uint8_t *buf, size_t len, uint64_t body_bytes, struct lb_spool_part *ret_parts)
{
    struct front front;
    uint64_t offset = 0;

    if (!get_front(buf, len, HEAD_MARK, &front) || front.count == 0 || front.count > LB_SPOOL_PARTS_MAX ||
        front.size < PART_BYTES || front.size > PART_BYTES_MAX ||
        len != PREFIX_BYTES + (size_t)front.count * front.size)
        return -EBADMSG;
    for (unsigned i = 0; i < front.count; i++) {
        get_part(buf + PREFIX_BYTES + (size_t)i * front.size, (uint32_t)offset, &ret_parts[i]);
        if (!is_legal(&ret_parts[i]))
            return -EBADMSG;
        offset += ret_parts[i].len;
    }
    return offset == body_bytes ? front.count : -EBADMSG;
}

/* ---- book ---- */

size_t lb_spool_pack_book(const struct lb_spool_book *book, uint8_t *buf)
{
    uint8_t *at =
        put_front(buf, BOOK_MARK, (uint16_t)book->word_count, (uint16_t)book->progress_count, BOOK_FIXED);

    put64(&at, book->serial);
    put64(&at, book->next_id);
    put_bytes(&at, book->boot.boot_id, sizeof book->boot.boot_id);
    put64(&at, book->boot.ring_id);
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        put64(&at, book->boot.last_n[lane]);
    for (unsigned i = 0; i < book->word_count; i++)
        put64(&at, book->words[i]);
    for (unsigned i = 0; i < book->progress_count; i++) {
        put64(&at, book->progress[i].id);
        put64(&at, book->progress[i].done);
    }
    return seal(buf, at);
}

int lb_spool_parse_book(const uint8_t *buf, size_t len, struct lb_spool_book *ret_book)
{
    struct lb_spool_book book = { 0 };
    const uint8_t *at = buf + PREFIX_BYTES;
    struct front front;

    if (!get_front(buf, len, BOOK_MARK, &front) || front.count > LB_SPOOL_WORDS_MAX ||
        front.more > LB_SPOOL_PROGRESS_MAX || front.size != BOOK_FIXED ||
        len != PREFIX_BYTES + BOOK_FIXED + 8 * (size_t)front.count + 16 * (size_t)front.more)
        return -EBADMSG;
    book.serial = get64(&at);
    book.next_id = get64(&at);
    if (book.next_id == 0 || book.next_id > NEXT_ID_MAX)
        return -EBADMSG;
    get_bytes(&at, book.boot.boot_id, sizeof book.boot.boot_id);
    book.boot.ring_id = get64(&at);
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        book.boot.last_n[lane] = get64(&at);
    for (book.word_count = 0; book.word_count < front.count; book.word_count++)
        book.words[book.word_count] = get64(&at);
    for (book.progress_count = 0; book.progress_count < front.more; book.progress_count++) {
        book.progress[book.progress_count].id = get64(&at);
        book.progress[book.progress_count].done = get64(&at);
    }
    *ret_book = book;
    return 0;
}
