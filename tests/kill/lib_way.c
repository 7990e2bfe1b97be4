/* SPDX-License-Identifier: MIT */
/*
 * The way of a line. In: a pipe full of numbered lines. Out: records delivered or shed, and receipts for
 * these. Always true: a decision about a record depends on its lane and number alone.
 */
#include "tests/kill/lib_way.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    RING_BYTES = 65536,
    STAGING_BYTES = 131072,
    STREAMS = 3,
    STREAM_ID = 77,
    MAX_LINE = 4096,
    SLOT_WORDS_ROOM = 256
};

uint64_t way_kill_at, way_kill_again_at;

#define MUST(claim) must(claim, #claim, __LINE__)

static void must(bool is_true, const char *claim, int line)
{
    if (is_true)
        return;
    fprintf(stderr, "killed at %llu, and again at %llu: line %d: not so: %s\n",
            (unsigned long long)way_kill_at, (unsigned long long)way_kill_again_at, line, claim);
    abort();
}

/* Line i, with its end. Lengths are such that chunks are crossed and the ring is wrapped. */
static size_t make_line(unsigned i, char *line)
{
    size_t len = (size_t)sprintf(line, "%u:", i), want = i % 6 == 5 ? 2 : 20 + i * 977 % 2600;

    for (; len < want; len++)
        line[len] = (char)('a' + (i + len) % 26);
    line[len++] = '\n';
    return len;
}

static void fill_pipe(struct way *way)
{
    char line[MAX_LINE];

    way->total_bytes = 0;
    for (unsigned i = 0; i < WAY_LINES; i++) {
        size_t len = make_line(i, line);

        MUST(write(way->pipe_fd[1], line, len) == (ssize_t)len);
        way->total_bytes += len;
    }
}

static uint64_t left_in_pipe(const struct way *way)
{
    int bytes = 0;

    MUST(ioctl(way->pipe_fd[0], FIONREAD, &bytes) == 0);
    return (uint64_t)bytes;
}

void way_begin(struct way *way)
{
    memset(way, 0, sizeof *way);
    strcpy(way->store.path, "/dev/shm/lb_kill.XXXXXX");
    MUST(mkdtemp(way->store.path) != NULL);
    way->store.dir_fd = open(way->store.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    way->store.ring_bytes = RING_BYTES;
    way->store.staging_bytes = STAGING_BYTES;
    way->store.max_streams = STREAMS;
    way->witness =
        mmap(NULL, sizeof *way->witness, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(way->witness != MAP_FAILED);
    MUST(pipe2(way->pipe_fd, O_CLOEXEC) == 0); /* a blocking one: splice must not care */
    MUST(fcntl(way->pipe_fd[1], F_SETPIPE_SZ, 1 << 20) >= 1 << 17);
}

void way_fresh(struct way *way)
{
    static const char *const names[] = { "state", "state.new", "ring", "ring.new", "staging", "staging.new" };
    char rest[4096];

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        unlinkat(way->store.dir_fd, names[i], 0);
    while (left_in_pipe(way) > 0)
        MUST(read(way->pipe_fd[0], rest, sizeof rest) > 0);
    memset(way->witness, 0, sizeof *way->witness);
    way->finals = 0;
    fill_pipe(way);
}

void way_end(struct way *way)
{
    way_fresh(way);
    close(way->pipe_fd[0]);
    close(way->pipe_fd[1]);
    close(way->store.dir_fd);
    MUST(rmdir(way->store.path) == 0);
    munmap(way->witness, sizeof *way->witness);
}

/* ---- the fast side ---- */

static struct lb_commit *fast(struct way *way)
{
    return &way->store.state.fast;
}

static struct lb_commit *slow(struct way *way)
{
    return &way->store.state.slow;
}

static uint32_t slot_of(struct way *way)
{
    static const struct lb_stream_name name = { .pid = 1, .service_len = 4, .service = "shop" };
    int64_t slot;

    for (uint32_t i = 0; i < STREAMS; i++)
        if (lb_staging_get(&way->store.staging, i, LB_STREAM_ID) == STREAM_ID)
            return i;
    slot = lb_staging_slot_new(&way->store.staging, STREAM_ID, &name);
    MUST(slot >= 0);
    store_publish(&way->store);
    return (uint32_t)slot;
}

static int put_line(struct way *way, uint32_t slot, const struct lb_line *line)
{
    struct lb_record head = {
        .lane = line->body_len % 3 == 0 ? LB_LANE_URGENT : LB_LANE_ROUTINE,
        .severity = 6,
        .kind = LB_KIND_LINE,
        .boot_ns = 1000,
        .stream_id = STREAM_ID,
        .stream_off = lb_staging_get(&way->store.staging, slot, LB_STREAM_OFFSET),
        .raw_len = line->raw_len,
        .service_ix = lb_state_service(&way->store.state, "shop", 4),
        .lines = 1,
    };

    return lb_ring_put(&way->store.ring, &head, "shop", 4, NULL, 0, line->piece, line->pieces);
}

static bool take_lines(struct way *way, uint32_t slot, uint64_t turn)
{
    struct lb_line line;
    unsigned taken = 0;

    while (taken < 5 && lb_staging_next_line(&way->store.staging, slot, MAX_LINE, false, &line)) {
        uint32_t row = lb_state_service(&way->store.state, "shop", 4) * LB_BOOK_FAST_WORDS;

        if (put_line(way, slot, &line) < 0)
            break;
        lb_commit_add(fast(way), LB_FAST_BOOKS, row + LB_BOOK_QUEUED_LINES, 1);
        lb_commit_add(fast(way), LB_FAST_BOOKS, row + LB_BOOK_QUEUED_BYTES, line.body_len);
        lb_staging_consume(&way->store.staging, slot, line.raw_len);
        if (++taken == 3 && turn % 2) /* a turn too large for one block */
            store_publish(&way->store);
    }
    return taken > 0;
}

static bool tell_losses(struct way *way)
{
    struct lb_receipt receipt;
    unsigned row = 0;
    bool has_told = false;

    while (lb_loss_next(&way->store.state, &row, &receipt)) {
        struct iovec body = { &receipt, sizeof receipt };
        struct lb_record head = {
            .lane = LB_LANE_URGENT, .kind = LB_KIND_RECEIPT, .boot_ns = 1000, .lines = 1
        };
        uint32_t books = lb_state_service(&way->store.state, "shop", 4) * LB_BOOK_FAST_WORDS;

        if (lb_ring_put(&way->store.ring, &head, "shop", 4, NULL, 0, &body, 1) < 0)
            break;
        lb_commit_add(fast(way), LB_FAST_BOOKS, books + LB_BOOK_OWN_LINES, 1);
        lb_loss_told(&way->store.state, row);
        has_told = true;
        if (row % 2)
            store_publish(&way->store);
    }
    return has_told;
}

static bool fast_turn(struct way *way, uint64_t turn)
{
    uint32_t slot = slot_of(way);
    bool is_empty, has_moved = false;

    if (left_in_pipe(way) > 0 && way->store.staging.staged[slot].bytes < 2 * LB_CHUNK_BYTES)
        has_moved = lb_staging_splice(&way->store.staging, slot, way->pipe_fd[0], 20000, &is_empty) > 0;
    has_moved |= take_lines(way, slot, turn);
    has_moved |= tell_losses(way);
    store_publish(&way->store);
    return has_moved;
}

/* ---- the slow side ---- */

static bool is_to_be_shed(const struct lb_record *record)
{
    return record->kind == LB_KIND_RECEIPT ? record->n % 5 == 1 : record->n / 2 % 3 == 1;
}

static void see_line(struct way *way, const struct lb_record *record)
{
    unsigned i = (unsigned)strtoul(lb_record_body(record), NULL, 10);
    char line[MAX_LINE];
    struct way_witness *witness = way->witness;

    MUST(i < WAY_LINES);
    MUST(record->raw_len == make_line(i, line) && record->body_len == record->raw_len - 1);
    MUST(memcmp(lb_record_body(record), line, record->body_len) == 0);
    MUST(witness->lane_of_line[i] == 0 ||
         (witness->lane_of_line[i] == 1u + record->lane && witness->n_of_line[i] == record->n));
    /* The other thread may kill us between any two stores: what says "seen" comes last. */
    __atomic_store_n(&witness->n_of_line[i], record->n, __ATOMIC_RELEASE);
    __atomic_store_n(&witness->lane_of_line[i], 1u + record->lane, __ATOMIC_RELEASE);
}

static void shed_one(struct way *way, const struct lb_record *record, struct lb_receipt *lost, uint32_t books)
{
    struct lb_receipt told;

    if (lost->range[record->lane][0] == 0)
        lost->range[record->lane][0] = record->n;
    lost->range[record->lane][1] = record->n;
    way->witness->was_shed[record->lane][record->n] = 1;
    if (record->kind == LB_KIND_LINE) {
        lost->lines++;
        lost->bytes += record->body_len;
        lb_commit_add(slow(way), LB_SLOW_BOOKS, books + LB_BOOK_SHED, 1);
        return;
    }
    memcpy(&told, lb_record_body(record), sizeof told);
    lb_loss_return(&way->store.state, &told);
    lb_commit_add(slow(way), LB_SLOW_BOOKS, books + LB_BOOK_OWN_SHED, 1);
}

static void deliver_one(struct way *way, uint64_t pos, const struct lb_record *record, uint32_t books)
{
    lb_ring_set_state(&way->store.ring, pos, LB_STATE_IN_FLIGHT);
    if (record->kind == LB_KIND_RECEIPT) {
        memcpy(&way->witness->receipt[record->lane][record->n], lb_record_body(record),
               sizeof(struct lb_receipt));
        __atomic_store_n(&way->witness->has_receipt[record->lane][record->n], 1, __ATOMIC_RELEASE);
    }
    lb_commit_add(slow(way), LB_SLOW_BOOKS,
                  books + (record->kind == LB_KIND_RECEIPT ? LB_BOOK_OWN_DELIVERED : LB_BOOK_DELIVERED), 1);
}

/* Decide on up to four records of one fate in [pos, head). Returns where they end; pos: there is none. */
static uint64_t take_stretch(struct way *way, uint64_t pos, uint64_t head)
{
    uint64_t at = pos;
    uint32_t books = lb_state_find_service(&way->store.state, "shop", 4, 0) * LB_BOOK_SLOW_WORDS;
    struct lb_receipt lost = { .reason = LB_REASON_SHED, .name_len = 4 };
    const struct lb_record *record;
    bool is_shed = false;

    memcpy(lost.name, "shop", 4);
    for (unsigned i = 0; i < 4 && (record = lb_ring_at(&way->store.ring, at, head)); i++, at += record->len) {
        if (record->state >= LB_STATE_DELIVERED || (i > 0 && is_to_be_shed(record) != is_shed))
            break;
        is_shed = is_to_be_shed(record);
        way->final_lane[way->finals] = record->lane;
        way->final_n[way->finals++] = record->n;
        if (record->kind == LB_KIND_LINE)
            see_line(way, record);
        if (is_shed)
            shed_one(way, record, &lost, books);
        else
            deliver_one(way, at, record, books);
    }
    if (at == pos)
        return pos;
    if (is_shed)
        lb_loss_add(&way->store.state, &lost);
    MUST(lb_ring_finish(&way->store.ring, pos, at, is_shed ? LB_STATE_SHED : LB_STATE_DELIVERED) == 0);
    return at;
}

/* Their final state was published. Noted down before: the writer may be over them by now. */
static void note_final(struct way *way)
{
    while (way->finals > 0) {
        way->finals--;
        way->witness->is_final[way->final_lane[way->finals]][way->final_n[way->finals]] = 1;
    }
}

/* Behind the first stretch begins the second; which is answered first, and whether together, takes turns. */
static bool slow_turn(struct way *way, uint64_t turn)
{
    uint64_t head = lb_ring_head(&way->store.ring), first = lb_ring_tail(&way->store.ring), second, end,
             first_end;
    const struct lb_record *record;

    lb_loss_sweep(&way->store.state);
    if (turn % 3 == 2)
        lb_loss_release(&way->store.state);
    while ((record = lb_ring_at(&way->store.ring, first, head)) && record->state >= LB_STATE_DELIVERED)
        first += record->len;
    second = first;
    for (unsigned i = 0; i < 3 && (record = lb_ring_at(&way->store.ring, second, head)); i++)
        second += record->len;
    end = take_stretch(way, second, head);
    if (turn % 2) {
        lb_commit_publish(slow(way));
        note_final(way);
    }
    first_end = take_stretch(way, first, second);
    lb_commit_publish(slow(way));
    note_final(way);
    return first_end > first || end > second;
}

static bool has_losses(struct way *way)
{
    for (unsigned row = 0; row < LB_LOSS_SLOTS; row++)
        if (lb_commit_get(slow(way), LB_SLOW_LOSS, row * LB_LOSS_WORDS + LB_LOSS_STATE) != LB_LOSS_FREE)
            return true;
    return false;
}

void way_start(struct way *way)
{
    store_open(&way->store);
}

void way_live(struct way *way)
{
    unsigned idle = 0;

    for (uint64_t turn = 1; idle < 3 || has_losses(way); turn++) {
        bool has_moved = fast_turn(way, turn);

        if (turn % 2 == 0 || !has_moved)
            has_moved |= slow_turn(way, turn);
        idle = has_moved ? 0 : idle + 1;
        MUST(turn < 10000 && idle < 50);
    }
}

static void *live_slowly(void *arg)
{
    struct way *way = arg;

    for (uint64_t turn = 1; !__atomic_load_n(&way->must_end, __ATOMIC_ACQUIRE); turn++)
        if (!slow_turn(way, turn))
            sched_yield();
    return NULL;
}

void way_live_apart(struct way *way)
{
    pthread_t slow_side;
    unsigned idle = 0;

    MUST(pthread_create(&slow_side, NULL, live_slowly, way) == 0);
    for (uint64_t turn = 1; idle < 100; turn++) {
        idle = fast_turn(way, turn) ? 0 : idle + 1;
        if (idle)
            sched_yield();
    }
    __atomic_store_n(&way->must_end, 1, __ATOMIC_RELEASE);
    pthread_join(slow_side, NULL);
    way->must_end = 0;
}

/* ---- what must hold ---- */

static void check_staging(struct way *way)
{
    const struct lb_staging *staging = &way->store.staging;
    uint32_t slot = slot_of(way);
    const uint8_t *at;

    MUST(lb_staging_get(staging, slot, LB_STREAM_OFFSET) + staging->staged[slot].bytes + left_in_pipe(way) ==
         way->total_bytes);
    for (uint32_t i = 0; i < staging->free_count; i++) {
        at = staging->map.data + (uint64_t)staging->free_chunks[i] * LB_CHUNK_BYTES;
        for (uint32_t k = 0; k < LB_CHUNK_BYTES; k += 8)
            MUST(memcmp(at + k, "\xff\xff\xff\xff\xff\xff\xff\xff", 8) == 0);
    }
    MUST(staging->free_count + staging->staged[slot].chunks == staging->chunk_count);
    for (unsigned i = 0; i < LB_LANDING_WORDS; i++)
        MUST(staging->header->landing[i] == 0);
}

struct pending {
    uint64_t lines, own;
};

/* The ring, history and all: whole records, dense numbers, offsets without a gap, nothing pending that was
 * final. */
static void check_ring(struct way *way, struct pending *ret_pending)
{
    const struct lb_ring *ring = &way->store.ring;
    uint64_t head = lb_ring_head(ring), tail = lb_ring_tail(ring), next[2] = { 0 }, offset = UINT64_MAX;
    bool is_boundary = tail == head;

    memset(ret_pending, 0, sizeof *ret_pending);
    for (uint64_t pos = lb_ring_oldest(ring); pos < head;) {
        const struct lb_record *record = lb_ring_at(ring, pos, head);

        is_boundary |= pos == tail;
        MUST(record && lb_record_is_whole(record, head - pos, lb_ring_record_max(ring)));
        MUST(record->kind != LB_KIND_HOLE && record->state != LB_STATE_IN_FLIGHT);
        MUST(next[record->lane] == 0 || record->n == next[record->lane]);
        next[record->lane] = record->n + 1;
        if (record->kind == LB_KIND_LINE) {
            MUST(offset == UINT64_MAX || record->stream_off == offset);
            offset = record->stream_off + record->raw_len;
            see_line(way, record);
        }
        if (record->state == LB_STATE_PENDING) {
            MUST(pos >= tail && !way->witness->is_final[record->lane][record->n]);
            *(record->kind == LB_KIND_LINE ? &ret_pending->lines : &ret_pending->own) += 1;
        }
        pos += record->len;
    }
    MUST(is_boundary && lb_ring_oldest(ring) <= tail && tail <= head &&
         head - lb_ring_oldest(ring) <= ring->size);
    for (unsigned lane = 0; lane < 2; lane++)
        MUST(next[lane] == 0 ||
             next[lane] == lb_commit_get(fast(way), LB_FAST_RING, LB_RING_NEXT_URGENT + lane));
    MUST(offset == UINT64_MAX ||
         offset == lb_staging_get(&way->store.staging, slot_of(way), LB_STREAM_OFFSET));
}

static uint64_t fast_book(struct way *way, unsigned word)
{
    uint32_t row = lb_state_find_service(&way->store.state, "shop", 4, 0);

    return lb_commit_get(fast(way), LB_FAST_BOOKS, row * LB_BOOK_FAST_WORDS + word);
}

static uint64_t slow_book(struct way *way, unsigned word)
{
    uint32_t row = lb_state_find_service(&way->store.state, "shop", 4, 0);

    return lb_commit_get(slow(way), LB_SLOW_BOOKS, row * LB_BOOK_SLOW_WORDS + word);
}

void way_check_start(struct way *way)
{
    struct pending pending;

    MUST(way->store.repair.holes == 0 && way->store.repair.lost.lines == 0 &&
         !way->store.repair.cursors_were_bad);
    MUST(!way->store.was_damaged && !way->store.state.was_damaged);
    check_staging(way);
    check_ring(way, &pending);
    MUST(fast_book(way, LB_BOOK_QUEUED_LINES) ==
         slow_book(way, LB_BOOK_DELIVERED) + slow_book(way, LB_BOOK_SHED) + pending.lines);
    MUST(fast_book(way, LB_BOOK_OWN_LINES) ==
         slow_book(way, LB_BOOK_OWN_DELIVERED) + slow_book(way, LB_BOOK_OWN_SHED) + pending.own);
}

void way_check_end(struct way *way)
{
    static uint8_t told[2][WAY_NUMBERS];
    uint64_t lines_told = 0;

    way_check_start(way);
    memset(told, 0, sizeof told);
    MUST(left_in_pipe(way) == 0 && lb_ring_tail(&way->store.ring) == lb_ring_head(&way->store.ring));
    MUST(fast_book(way, LB_BOOK_QUEUED_LINES) == WAY_LINES);
    for (unsigned i = 0; i < WAY_LINES; i++)
        MUST(way->witness->lane_of_line[i] != 0);
    for (unsigned n = 0; n < 2 * WAY_NUMBERS; n++) {
        const struct lb_receipt *receipt = &way->witness->receipt[n / WAY_NUMBERS][n % WAY_NUMBERS];

        if (!way->witness->has_receipt[n / WAY_NUMBERS][n % WAY_NUMBERS])
            continue;
        lines_told += receipt->lines;
        for (unsigned lane = 0; lane < 2; lane++)
            for (uint64_t k = receipt->range[lane][0]; k > 0 && k <= receipt->range[lane][1]; k++)
                told[lane][k]++;
    }
    MUST(lines_told == slow_book(way, LB_BOOK_SHED) && lines_told > 0);
    for (unsigned lane = 0; lane < 2; lane++)
        for (unsigned n = 0; n < WAY_NUMBERS; n++)
            MUST(told[lane][n] == way->witness->was_shed[lane][n]);
}
