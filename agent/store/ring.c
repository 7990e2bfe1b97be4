/* SPDX-License-Identifier: MIT */
/*
 * The queue ring.
 *
 * Happy path. The writer copies a record behind the head that others see, gives it the next number of its
 * lane, and moves its private head; the fast side's publish then moves the visible head, the numbers and
 * whatever else the turn changed, in one step. The reader walks from the tail, ships, and hands back ranges
 * with a final state; the slow side's publish sets the state bytes and moves the tail over everything final.
 * What lies behind the tail stays readable for `logboom tail` until the writer comes round.
 *
 * Why overwriting is safe. The writer writes only below tail + size, and the tail is a word that the slow
 * side publishes after the state bytes of what it passes. Before the writer overwrites history it moves
 * `oldest`, by a 64th of the ring at a time; a reader that copied a record looks at `oldest` again and throws
 * the copy away if it was passed.
 *
 * Crash story. A record beyond the visible head does not exist. State bytes may be new while the tail is old,
 * or the other way round only inside a valid redo block, which is applied again. The block's ranges are
 * clipped to the tail, because what the tail has passed may be overwritten already. In flight means nothing
 * after a kill: recovery makes it pending, and the sink may see it twice (at least once, as promised).
 *
 * Failure modes. Damaged bytes (a stray write, a bad RAM cell): recovery finds the next whole record by its
 * check, turns the stretch between into a hole, and tells which numbers are missing. A record is at most a
 * third of the ring, so one line can never fill it.
 */
#include "agent/store/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "agent/store/killpoint.h"

static const char magic[8] = "LBRING";

static uint64_t identity_check(const struct lb_ring_header *header)
{
    return XXH3_64bits(header, offsetof(struct lb_ring_header, check));
}

int lb_ring_check_identity(const struct lb_ring_header *header, size_t data_bytes)
{
    if (memcmp(header->magic, magic, sizeof magic) != 0 || header->check != identity_check(header))
        return -EBADMSG;
    if (header->format != LB_RING_FORMAT || header->header_bytes != LB_RING_HEADER_BYTES)
        return -EPROTO;
    return header->data_bytes == data_bytes && data_bytes > 0 ? 0 : -EBADMSG;
}

static int make(int dir_fd, const char *name, size_t size, unsigned flags, struct lb_mapfile *ret_map)
{
    struct lb_ring_header *header;
    int rc = lb_mapfile_create(dir_fd, name, LB_RING_HEADER_BYTES, lb_mapfile_round(size), flags, ret_map);

    if (rc < 0)
        return rc;
    header = (struct lb_ring_header *)ret_map->header;
    memcpy(header->magic, magic, sizeof magic);
    header->format = LB_RING_FORMAT;
    header->header_bytes = LB_RING_HEADER_BYTES;
    header->data_bytes = ret_map->data_bytes;
    while (header->ring_id == 0)
        if (getrandom(&header->ring_id, sizeof header->ring_id, 0) < 0 && errno != EINTR)
            break;
    header->check = identity_check(header);
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        header->fast[LB_RING_NEXT_URGENT + lane] = header->slow[LB_RING_TAIL_NEXT + lane] = 1;
    rc = lb_mapfile_publish(dir_fd, name);
    if (rc < 0)
        lb_mapfile_close(ret_map);
    return rc;
}

int lb_ring_open(int dir_fd, const char *name, size_t size, bool lock, struct lb_ring *ret_ring)
{
    unsigned flags = LB_MAP_MIRROR | (lock ? LB_MAP_LOCK : 0);
    struct lb_ring ring = { 0 };
    int rc = lb_mapfile_open(dir_fd, name, LB_RING_HEADER_BYTES, flags, &ring.map);

    if (rc == -ENOENT && size > 0) {
        rc = make(dir_fd, name, size, flags, &ring.map);
        ring.is_new = true;
    }
    if (rc < 0)
        return rc == -EINVAL ? -EBADMSG : rc;
    ring.header = (struct lb_ring_header *)ring.map.header;
    rc = lb_ring_check_identity(ring.header, ring.map.data_bytes);
    if (rc < 0) {
        lb_mapfile_close(&ring.map);
        return rc;
    }
    ring.size = ring.map.data_bytes;
    ring.id = ring.header->ring_id;
    *ret_ring = ring;
    return 0;
}

int lb_ring_attach(struct lb_ring *ring, struct lb_commit *fast, unsigned fast_region, struct lb_commit *slow,
                   unsigned slow_region)
{
    int rc;

    ring->fast = fast;
    ring->slow = slow;
    ring->fast_region = fast_region;
    ring->slow_region = slow_region;
    if (fast) {
        rc = lb_commit_region(fast, fast_region, ring->header->fast, LB_RING_FAST_WORDS);
        if (rc < 0)
            return rc;
    }
    return lb_commit_region(slow, slow_region, ring->header->slow, LB_RING_SLOW_WORDS);
}

void lb_ring_close(struct lb_ring *ring)
{
    lb_mapfile_close(&ring->map);
    memset(ring, 0, sizeof *ring);
}

size_t lb_ring_record_max(const struct lb_ring *ring)
{
    uint64_t third = ring->size / 3 / 8 * 8;

    return third < LB_RECORD_MAX ? third : LB_RECORD_MAX;
}

uint64_t lb_ring_head(const struct lb_ring *ring)
{
    return lb_load(&ring->header->fast[LB_RING_HEAD]);
}

uint64_t lb_ring_tail(const struct lb_ring *ring)
{
    return lb_load(&ring->header->slow[LB_RING_TAIL]);
}

uint64_t lb_ring_oldest(const struct lb_ring *ring)
{
    return lb_load(&ring->header->oldest);
}

uint64_t lb_ring_room(const struct lb_ring *ring)
{
    return ring->size - (lb_commit_get(ring->fast, ring->fast_region, LB_RING_HEAD) - lb_ring_tail(ring));
}

static struct lb_record *place(const struct lb_ring *ring, uint64_t pos)
{
    return (struct lb_record *)(ring->map.data + pos % ring->size);
}

/* XXH3 from behind the state byte to the end. The seed holds the length, which lies before. */
static uint32_t record_check(const struct lb_record *record)
{
    size_t from = offsetof(struct lb_record, lane);

    return (uint32_t)XXH3_64bits_withSeed((const char *)record + from, record->len - from, record->len);
}

void lb_record_seal(struct lb_record *record)
{
    record->check = record_check(record);
}

bool lb_record_is_whole(const struct lb_record *record, uint64_t room, uint64_t record_max)
{
    if (room < sizeof *record || record->len < sizeof *record || record->len > room ||
        record->len > record_max || record->len % 8 != 0)
        return false;
    if (record->kind >= LB_KIND_COUNT || record->lane >= LB_LANE_COUNT || record->state >= LB_STATE_COUNT)
        return false;
    if (record->kind != LB_KIND_HOLE &&
        lb_record_size(record->service_len, record->tags_len, record->body_len) != record->len)
        return false;
    return record->check == record_check(record);
}

/* ---- history makes way ---- */

static uint64_t mark_step(const struct lb_ring *ring)
{
    return ring->size / LB_RING_MARKS;
}

/* A record is about to begin at pos, the first one in its step. */
static void set_mark(struct lb_ring *ring, uint64_t pos)
{
    uint64_t step = pos / mark_step(ring);

    ring->writer.mark[step % LB_RING_MARKS] = pos;
    ring->writer.next_mark = (step + 1) * mark_step(ring);
}

/* The first record of the step behind the one of pos, as far as marks know; 0: they do not. */
static uint64_t mark_behind(const struct lb_ring *ring, uint64_t pos)
{
    uint64_t step = pos / mark_step(ring) + 1, mark = ring->writer.mark[step % LB_RING_MARKS];

    return mark / mark_step(ring) == step ? mark : 0;
}

/* From record to record, up to the first one at or behind `need`: each is a cache line that nobody has. */
static uint64_t walk_history(const struct lb_ring *ring, uint64_t oldest, uint64_t need, uint64_t tail)
{
    while (oldest < need) {
        uint32_t len = oldest < tail ? place(ring, oldest)->len : 0;

        if (len < sizeof(struct lb_record) || len % 8 != 0 || len > tail - oldest)
            return tail; /* history that cannot be walked is none */
        oldest += len;
    }
    return oldest;
}

/*
 * History makes way for what is about to be written up to end, a step at a time: the writer has noted where
 * records begin, so it need not read the ones that it overwrites. What was there before it started it walks.
 */
static void move_oldest(struct lb_ring *ring, uint64_t end)
{
    uint64_t need = end - ring->size, tail = ring->writer.seen_tail;
    uint64_t oldest = mark_behind(ring, need);

    if (oldest == 0)
        oldest = walk_history(ring, ring->header->oldest, need, tail);
    lb_store(&ring->header->oldest, oldest < tail ? oldest : tail);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* copiers look at oldest after they copied */
}

/* Parts may be empty, and then may have no address. */
static char *append(char *to, const void *from, size_t len)
{
    if (len > 0)
        memcpy(to, from, len);
    return to + len;
}

/* The head is in place, but for the check; so is the padding. */
static void fill(struct lb_record *at, const char *service, const char *tags, const struct iovec *body,
                 unsigned pieces)
{
    char *to = (char *)(at + 1);

    to = append(to, service, at->service_len);
    to = append(to, tags, at->tags_len);
    for (unsigned i = 0; i < pieces; i++)
        to = append(to, body[i].iov_base, body[i].iov_len);
    lb_killpoint();
    at->check = record_check(at);
    lb_killpoint();
}

/* Is there room up to end? The tail is read anew only when the one seen last leaves none. */
static bool has_room_to(struct lb_ring *ring, uint64_t end)
{
    if (end - ring->writer.seen_tail > ring->size)
        ring->writer.seen_tail = lb_ring_tail(ring);
    return end - ring->writer.seen_tail <= ring->size;
}

/* The place of the head. Heads follow each other, so that the division is for the first one only. */
static struct lb_record *place_of_head(struct lb_ring *ring, uint64_t pos, size_t len)
{
    uint64_t at = pos == ring->writer.head_pos ? ring->writer.head_place : pos % ring->size;

    ring->writer.head_pos = pos + len;
    ring->writer.head_place = at + len < ring->size ? at + len : at + len - ring->size;
    return (struct lb_record *)(void *)(ring->map.data + at);
}

int lb_ring_put(struct lb_ring *ring, const struct lb_record *head, const char *service, size_t service_len,
                const char *tags, size_t tags_len, const struct iovec *body, unsigned pieces)
{
    uint32_t next = head->lane == LB_LANE_URGENT ? LB_RING_NEXT_URGENT : LB_RING_NEXT_ROUTINE;
    uint64_t pos = lb_commit_get(ring->fast, ring->fast_region, LB_RING_HEAD);
    uint64_t n = lb_commit_get(ring->fast, ring->fast_region, next);
    size_t body_len = 0, len;
    struct lb_record *at;

    for (unsigned i = 0; i < pieces; i++)
        body_len += body[i].iov_len;
    len = lb_record_size(service_len, tags_len, body_len);
    if (len > LB_RECORD_MAX || len * 3 > ring->size) /* lb_ring_record_max(), without its division */
        return -EMSGSIZE;
    if (!has_room_to(ring, pos + len))
        return -ENOSPC;
    if (pos + len > ring->header->oldest + ring->size)
        move_oldest(ring, pos + len);
    if (pos >= ring->writer.next_mark)
        set_mark(ring, pos);
    at = place_of_head(ring, pos, len);
    memset((char *)at + len - 8, 0, 8); /* the padding; the rest of it is written over */
    *at = *head;
    at->len = (uint32_t)len;
    at->state = LB_STATE_PENDING;
    at->service_len = (uint8_t)service_len;
    at->tags_len = (uint16_t)tags_len;
    at->body_len = (uint32_t)body_len;
    at->n = n;
    fill(at, service, tags, body, pieces);
    lb_commit_set(ring->fast, ring->fast_region, next, n + 1);
    lb_commit_set(ring->fast, ring->fast_region, LB_RING_HEAD, pos + len);
    return 0;
}

const struct lb_record *lb_ring_at(const struct lb_ring *ring, uint64_t pos, uint64_t head)
{
    const struct lb_record *record = place(ring, pos);

    if (pos >= head || head - pos < sizeof *record || record->len < sizeof *record ||
        record->len > head - pos || record->len % 8 != 0)
        return NULL;
    return record;
}

void lb_ring_set_state(struct lb_ring *ring, uint64_t pos, enum lb_record_state state)
{
    __atomic_store_n(&place(ring, pos)->state, (uint8_t)state, __ATOMIC_RELAXED);
    lb_killpoint();
}

static bool is_final(unsigned state)
{
    return state >= LB_STATE_DELIVERED;
}

/* Does a range that waits in the slow commit make the record at pos final? */
static bool will_be_final(const struct lb_ring *ring, uint64_t pos)
{
    const struct lb_commit *slow = ring->slow;

    for (uint32_t i = 0; i < slow->range_count; i++)
        if (slow->range[i].ring == ring->slow_region && is_final(slow->range[i].state) &&
            pos >= slow->range[i].from && pos < slow->range[i].to)
            return true;
    return false;
}

/*
 * Move the tail over all that is final once the ranges in the commit are applied. All of them count, not only
 * the newest: bodies are answered out of order, and the one that the others waited for may come last.
 */
void lb_ring_move_tail(struct lb_ring *ring)
{
    uint64_t head = lb_ring_head(ring);
    uint64_t tail = lb_commit_get(ring->slow, ring->slow_region, LB_RING_TAIL);
    uint64_t next[LB_LANE_COUNT] = { 0 };
    const struct lb_record *record;

    if (ring->has_limit && head > ring->limit)
        head = ring->limit;
    while ((record = lb_ring_at(ring, tail, head))) {
        if (!is_final(__atomic_load_n(&record->state, __ATOMIC_RELAXED)) && !will_be_final(ring, tail))
            break;
        for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
            if (record->kind == LB_KIND_HOLE && lb_hole_count(record, lane) > 0)
                next[lane] = lb_hole_first(record, lane) + lb_hole_count(record, lane);
        if (record->kind != LB_KIND_HOLE && record->lane < LB_LANE_COUNT)
            next[record->lane] = record->n + 1;
        tail += record->len;
    }
    if (tail != lb_commit_get(ring->slow, ring->slow_region, LB_RING_TAIL))
        lb_commit_set(ring->slow, ring->slow_region, LB_RING_TAIL, tail);
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        if (next[lane])
            lb_commit_set(ring->slow, ring->slow_region, LB_RING_TAIL_NEXT + lane, next[lane]);
}

bool lb_ring_set_limit(struct lb_ring *ring, uint64_t limit)
{
    uint64_t tail = lb_commit_get(ring->slow, ring->slow_region, LB_RING_TAIL);
    bool was_held = ring->has_limit && tail == ring->limit && limit > tail;

    ring->has_limit = true;
    ring->limit = limit;
    if (was_held)
        lb_ring_move_tail(ring);
    return was_held && lb_commit_get(ring->slow, ring->slow_region, LB_RING_TAIL) != tail;
}

void lb_ring_pass(struct lb_ring *ring, uint64_t to, const uint64_t next[LB_LANE_COUNT])
{
    if (ring->has_limit && to > ring->limit) {
        lb_ring_finish(ring, lb_commit_get(ring->slow, ring->slow_region, LB_RING_TAIL), to,
                       LB_STATE_DELIVERED);
        return;
    }
    lb_commit_set(ring->slow, ring->slow_region, LB_RING_TAIL, to);
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        if (next[lane])
            lb_commit_set(ring->slow, ring->slow_region, LB_RING_TAIL_NEXT + lane, next[lane]);
    lb_ring_move_tail(ring);
}

int lb_ring_finish(struct lb_ring *ring, uint64_t from, uint64_t to, enum lb_record_state state)
{
    int rc = lb_commit_range(ring->slow, ring->slow_region, from, to, state);

    if (rc < 0)
        return rc;
    lb_ring_move_tail(ring);
    return 0;
}

void lb_ring_apply_range(struct lb_ring *ring, uint64_t from, uint64_t to, unsigned state)
{
    uint64_t head = lb_ring_head(ring);
    uint64_t tail = lb_ring_tail(ring);
    uint64_t pos = from > tail ? from : tail; /* what the tail has passed may be overwritten by now */

    /* Recovery comes here before anything was looked at: block and cursors may be damaged. */
    if (pos % 8 != 0 || tail > head || head - tail > ring->size || state >= LB_STATE_COUNT)
        return;
    while (pos < to) {
        const struct lb_record *record = lb_ring_at(ring, pos, head);

        if (!record)
            return;
        if (!is_final(record->state))
            lb_ring_set_state(ring, pos, state);
        pos += record->len;
    }
}

int64_t lb_ring_copy(const struct lb_ring *ring, uint64_t pos, void *buf, size_t size)
{
    const struct lb_record *record = place(ring, pos);
    uint32_t len = __atomic_load_n(&record->len, __ATOMIC_RELAXED);
    bool fits = len >= sizeof *record && len <= size && len <= lb_ring_record_max(ring);

    if (fits)
        memcpy(buf, record, len);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (lb_ring_oldest(ring) > pos)
        return -EAGAIN;
    if (!fits || !lb_record_is_whole(buf, len, lb_ring_record_max(ring)))
        return -EBADMSG;
    return len;
}
