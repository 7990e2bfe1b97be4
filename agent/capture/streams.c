/* SPDX-License-Identifier: MIT */
/*
 * Streams: who owns a slot of staging, which pipe feeds it, and how it ends. In: peers, descriptors, what
 * recovery left. Always true: one pipe is read by one stream; a slot is free only when nothing is staged in
 * it.
 *
 *   free ── new ──▶ open ── pipe ends ──▶ free
 *    ▲               │ agent restarts
 *    │               ▼
 *    └── 60 s ── orphan ── its id, or its pipe under another id, comes back ──▶ open
 *                   after 5 s what is staged goes out, marked cut
 *
 * A file's stream that an agent before us left waits until the inputs have looked for the file: its place is
 * all that says what of it was read.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/capture/parts.h"
#include "common/log.h"

void lb_streams_settle(struct lb_capture *capture, struct lb_stream *stream)
{
    const struct lb_stream_name *name = stream->name;

    stream->settings = lb_config_service(capture->config, name->service, name->service_len);
    stream->shape_settings =
        (struct lb_shape_settings) { &stream->settings->capture, &stream->settings->throttle,
                                     lb_rules_of(capture->rules, capture->config, stream->settings) };
}

static void init_stream(struct lb_capture *capture, uint32_t slot, enum lb_stream_state state)
{
    struct lb_stream *stream = &capture->streams[slot];
    const struct lb_stream_name *name = &capture->staging->names[slot];
    uint32_t row = lb_state_service(capture->state, name->service, name->service_len);
    uint64_t info = lb_staging_get(capture->staging, slot, LB_STREAM_INFO);

    /* Field by field: status reads two of them from the other side at any time. */
    __atomic_store_n(&stream->open_bytes, capture->staging->staged[slot].bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&stream->open_lines, capture->staging->staged[slot].bytes > 0, __ATOMIC_RELAXED);
    __atomic_store_n(&stream->service_ix, row, __ATOMIC_RELAXED);
    __atomic_store_n(&capture->streams_open, capture->streams_open + 1, __ATOMIC_RELAXED);
    stream->watch.fd = -1;
    stream->peer = NULL;
    stream->file = NULL;
    stream->is_of_file = stream->waits_for_room = info & LB_STREAM_OF_FILE;
    stream->is_ready = stream->is_stalled = stream->has_ended = stream->close_early = false;
    stream->orphan_since_ns = stream->pipe_bytes_charged = 0;
    stream->join_due_ns = stream->last_error = 0;
    stream->flush_turns = 0;
    stream->must_close = false;
    memset(&stream->shape, 0, sizeof stream->shape);
    memset(&stream->last, 0, sizeof stream->last);
    lb_staging_look_again(capture->staging, slot);
    stream->name = name;
    stream->next_ready = NULL;
    stream->capture = capture;
    stream->slot = slot;
    stream->state = state;
    stream->uid = (uid_t)(info >> 32);
    stream->kind = (enum lb_stream_kind)((info & 0xff) < LB_STREAM_KIND_COUNT ? info & 0xff : 0);
    lb_streams_settle(capture, stream);
    lb_turns_share(capture, stream->uid)->streams++;
}

static void release(struct lb_capture *capture, struct lb_stream *stream)
{
    struct lb_share *share = lb_turns_share(capture, stream->uid);

    lb_turns_forget(capture, stream);
    if (stream->watch.fd >= 0) {
        lb_loop_remove(&capture->pipes, &stream->watch);
        close(stream->watch.fd);
        stream->watch.fd = -1;
    }
    if (share->streams > 0)
        share->streams--;
    share->pipe_bytes -=
        stream->pipe_bytes_charged < share->pipe_bytes ? stream->pipe_bytes_charged : share->pipe_bytes;
    stream->pipe_bytes_charged = 0;
    stream->state = LB_STREAM_FREE;
    stream->flush_turns = 0;
    __atomic_store_n(&stream->open_bytes, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&capture->streams_open, capture->streams_open - 1, __ATOMIC_RELAXED);
}

/* ---- orphans ---- */

static bool is_known_name(const struct lb_stream_name *name)
{
    return lb_service_name_is_legal(name->service, name->service_len) && name->tags_len <= LB_PROTO_TAGS_MAX;
}

void lb_streams_adopt_all(struct lb_capture *capture, uint64_t now_ns)
{
    static const struct lb_stream_name unknown = { .service_len = 7, .service = "unknown" };

    for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++) {
        capture->streams[slot].watch.fd = -1;
        if (lb_staging_get(capture->staging, slot, LB_STREAM_ID) == 0)
            continue;
        if (!is_known_name(&capture->staging->names[slot]))
            capture->staging->names[slot] = unknown; /* damaged in memory */
        init_stream(capture, slot, LB_STREAM_ORPHAN);
        capture->streams[slot].orphan_since_ns = now_ns;
        capture->orphan_timer.due_ns = now_ns + LB_ORPHAN_WAIT_NS;
    }
}

static void forget_orphan(struct lb_capture *capture, struct lb_stream *stream)
{
    lb_staging_slot_free(capture->staging, stream->slot);
    release(capture, stream);
}

/* Each waits from its own begin: the next look is when the first of them is due. */
static void on_orphan_timer(void *arg, uint64_t now_ns)
{
    struct lb_capture *capture = arg;
    uint64_t due_ns = LB_NEVER, since_ns;

    for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++) {
        struct lb_stream *stream = &capture->streams[slot];
        bool has_bytes = capture->staging->staged[slot].bytes > 0;

        if (stream->state != LB_STREAM_ORPHAN || stream->is_of_file)
            continue;
        if (now_ns - stream->orphan_since_ns >= LB_ORPHAN_WAIT_NS && has_bytes) {
            if (!stream->close_early) /* else it waits for room in the ring, and is counted */
                __atomic_fetch_add(&capture->cut_streams, 1, __ATOMIC_RELAXED);
            stream->close_early = true;
            lb_turns_make_ready(capture, stream);
        } else if (now_ns - stream->orphan_since_ns >= LB_ORPHAN_FORGET_NS && !stream->is_ready) {
            forget_orphan(capture, stream);
            continue;
        }
        since_ns = stream->close_early || !has_bytes ? now_ns : stream->orphan_since_ns;
        if (since_ns + LB_ORPHAN_WAIT_NS < due_ns)
            due_ns = since_ns + LB_ORPHAN_WAIT_NS;
    }
    lb_turns_publish(capture, false);
    if (due_ns != LB_NEVER)
        capture->orphan_timer.due_ns = due_ns;
}

void lb_streams_start(struct lb_capture *capture)
{
    capture->orphan_timer = (struct lb_timer) { LB_NEVER, on_orphan_timer, capture, NULL };
    lb_loop_add_timer(capture->loop, &capture->orphan_timer);
    lb_streams_adopt_all(capture, capture->loop->now_ns);
}

/* ---- finding and making ---- */

int64_t lb_streams_find(const struct lb_capture *capture, uint64_t stream_id, uid_t uid)
{
    for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++)
        if (capture->streams[slot].state != LB_STREAM_FREE && capture->streams[slot].uid == uid &&
            !capture->streams[slot].is_of_file && /* its id can be guessed, and is no peer's */
            lb_staging_get(capture->staging, slot, LB_STREAM_ID) == stream_id)
            return slot;
    return -1;
}

/* An orphan with nothing staged only remembers offsets: it gives way to a stream that needs the slot. */
static bool make_a_slot_free(struct lb_capture *capture)
{
    for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++) {
        struct lb_stream *stream = &capture->streams[slot];

        if (stream->state != LB_STREAM_ORPHAN || stream->is_of_file ||
            capture->staging->staged[slot].bytes > 0)
            continue;
        forget_orphan(capture, stream);
        lb_turns_publish(capture, false);
        return true;
    }
    return false;
}

void lb_streams_tie(struct lb_capture *capture, struct lb_peer *peer, uint32_t slot)
{
    struct lb_stream *stream = &capture->streams[slot];

    stream->peer = peer;
    stream->state = LB_STREAM_OPEN;
    peer->slot = slot;
    lb_streams_settle(capture, stream);
}

static int64_t new_slot(struct lb_capture *capture, uint64_t id, const struct lb_stream_name *name)
{
    int64_t slot = lb_staging_slot_new(capture->staging, id, name);

    if (slot < 0 && make_a_slot_free(capture))
        slot = lb_staging_slot_new(capture->staging, id, name);
    return slot;
}

int64_t lb_streams_new(struct lb_capture *capture, struct lb_peer *peer)
{
    int64_t slot = new_slot(capture, peer->stream_id, &peer->name);

    if (slot < 0)
        return slot;
    lb_staging_set(capture->staging, (uint32_t)slot, LB_STREAM_INFO, (uint64_t)peer->uid << 32 | peer->kind);
    init_stream(capture, (uint32_t)slot, LB_STREAM_OPEN);
    lb_streams_tie(capture, peer, (uint32_t)slot);
    lb_turns_publish(capture, false); /* the slot has its owner before anything is spliced for it */
    return slot;
}

/* The slot of the stream that reads, or did read, this pipe; -1: none. */
static int64_t reader_of(const struct lb_capture *capture, const struct stat *st)
{
    for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++)
        if (capture->streams[slot].state != LB_STREAM_FREE &&
            lb_staging_get(capture->staging, slot, LB_STREAM_DEV) == st->st_dev &&
            lb_staging_get(capture->staging, slot, LB_STREAM_INO) == st->st_ino)
            return slot;
    return -1;
}

/* ---- pipes ---- */

static int check_pipe(int fd, struct stat *ret_st)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fstat(fd, ret_st) != 0)
        return -EBADF;
    return S_ISFIFO(ret_st->st_mode) && (flags & O_ACCMODE) != O_WRONLY && !(flags & O_PATH) ? 0 : -EINVAL;
}

/* A larger pipe lets the app write on while we do something else; its pages count against its user. */
static void enlarge(struct lb_capture *capture, struct lb_stream *stream, int fd)
{
    struct lb_share *share = lb_turns_share(capture, stream->uid);
    uint64_t want = capture->config->pipe_size_bytes;
    int now = fcntl(fd, F_GETPIPE_SZ);

    stream->pipe_bytes = now > 0 ? (uint64_t)now : 0;
    stream->pace = (struct lb_pace) { 0, 0 };
    if (want == 0 || want == LB_OFF || now < 0 || (uint64_t)now >= want)
        return;
    if (share->pipe_bytes + want > capture->pipe_share_bytes)
        return;
    if (fcntl(fd, F_SETPIPE_SZ, (int)want) < 0)
        return;
    stream->pipe_bytes = want;
    stream->pipe_bytes_charged = want;
    share->pipe_bytes += want;
}

static void on_pipe(void *arg, uint32_t events)
{
    struct lb_stream *stream = arg;

    (void)events; /* data or hang-up: the next splice tells which */
    lb_turns_make_ready(stream->capture, stream);
}

static int begin_reading(struct lb_capture *capture, struct lb_stream *stream, int fd, const struct stat *st)
{
    uint64_t info = lb_staging_get(capture->staging, stream->slot, LB_STREAM_INFO);
    int rc;

    stream->watch = (struct lb_watch) { fd, on_pipe, stream };
    rc = lb_loop_add(&capture->pipes, &stream->watch, EPOLLIN | EPOLLET);
    if (rc < 0) {
        stream->watch.fd = -1;
        return rc;
    }
    lb_staging_set(capture->staging, stream->slot, LB_STREAM_DEV, st->st_dev);
    lb_staging_set(capture->staging, stream->slot, LB_STREAM_INO, st->st_ino);
    lb_staging_set(capture->staging, stream->slot, LB_STREAM_INFO, info & ~(uint64_t)LB_STREAM_DRAINING);
    lb_turns_publish(capture, false);
    enlarge(capture, stream, fd);
    lb_pipes_wake(capture); /* its first line waits for nobody's rest */
    lb_turns_make_ready(capture, stream);
    return 0;
}

static bool is_same_name(const struct lb_stream_name *a, const struct lb_stream_name *b)
{
    return a->service_len == b->service_len && a->tags_len == b->tags_len &&
           memcmp(a->service, b->service, a->service_len) == 0 && memcmp(a->tags, b->tags, a->tags_len) == 0;
}

/* Would a stream be the same in this peer's hands? Its user, service and tags stand on every record. */
static bool is_same_source(const struct lb_stream *stream, const struct lb_peer *peer)
{
    const struct lb_stream_name *old = stream->name, *now = &peer->name;

    return stream->uid == peer->uid && is_same_name(old, now);
}

/* The peer goes on with a stream that another client of the same source left. */
static void take_over(struct lb_capture *capture, struct lb_peer *peer, struct lb_stream *stream)
{
    lb_staging_set(capture->staging, stream->slot, LB_STREAM_ID, peer->stream_id);
    capture->staging->names[stream->slot].pid =
        peer->name.pid; /* one word: a kill finds the old or the new */
    lb_streams_tie(capture, peer, stream->slot);
    lb_turns_publish(capture, false);
}

/* What is left of a stream goes out as it is: its pipe is another one's now. */
static void let_go(struct lb_capture *capture, struct lb_stream *orphan)
{
    orphan->close_early = true;
    lb_staging_set(capture->staging, orphan->slot, LB_STREAM_INO, 0);
    lb_turns_make_ready(capture, orphan);
}

void lb_streams_reclaim(struct lb_capture *capture, struct lb_peer *peer, int pipe_fd)
{
    struct stat st = { 0 };
    int64_t reader = peer->slot < 0 && check_pipe(pipe_fd, &st) == 0 ? reader_of(capture, &st) : -1;
    struct lb_stream *stream = reader >= 0 ? &capture->streams[reader] : NULL;

    if (stream && !stream->peer && is_same_source(stream, peer))
        take_over(capture, peer, stream);
}

int lb_streams_attach(struct lb_capture *capture, struct lb_peer *peer, int pipe_fd)
{
    struct stat st = { 0 };
    int rc = check_pipe(pipe_fd, &st);
    int64_t reader, own;

    if (rc < 0)
        return rc;
    lb_streams_reclaim(capture, peer, pipe_fd); /* where the greeting did not show the pipe */
    reader = reader_of(capture, &st);
    own = peer->slot;
    if (own >= 0 && own == reader && capture->streams[own].watch.fd >= 0) {
        close(pipe_fd); /* the agent never stopped reading it, whoever its client was */
        return 0;
    }
    if (reader >= 0 && capture->streams[reader].watch.fd >= 0)
        return -EEXIST;
    if (own < 0)
        own = lb_streams_new(capture, peer);
    if (own < 0)
        return (int)own;
    if (capture->streams[own].watch.fd >= 0)
        return -EEXIST; /* this stream has a pipe already, another one */
    if (reader >= 0 && reader != own)
        let_go(capture, &capture->streams[reader]);
    return begin_reading(capture, &capture->streams[own], pipe_fd, &st);
}

/* ---- files ---- */

static struct lb_stream *find_left_file(struct lb_capture *capture, uint64_t id)
{
    for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++)
        if (capture->streams[slot].state == LB_STREAM_ORPHAN && capture->streams[slot].is_of_file &&
            lb_staging_get(capture->staging, slot, LB_STREAM_ID) == id)
            return &capture->streams[slot];
    return NULL;
}

/* The stream is no file's any more: what is staged goes out, marked cut, and then the slot is free. */
static void give_up_file(struct lb_capture *capture, struct lb_stream *stream)
{
    uint64_t info = lb_staging_get(capture->staging, stream->slot, LB_STREAM_INFO);

    lb_staging_set(capture->staging, stream->slot, LB_STREAM_INFO, info & ~(uint64_t)LB_STREAM_OF_FILE);
    lb_staging_set(capture->staging, stream->slot, LB_STREAM_INO, 0);
    stream->is_of_file = false;
    stream->orphan_since_ns = capture->loop->now_ns;
    if (capture->orphan_timer.due_ns == LB_NEVER)
        capture->orphan_timer.due_ns = capture->loop->now_ns + LB_ORPHAN_WAIT_NS;
}

/* A stream of its own for the file, which goes on where old ends; NULL: where the source says. */
static int64_t new_file_slot(struct lb_capture *capture, const struct lb_stream_source *source,
                             struct lb_stream *old)
{
    struct lb_staging *staging = capture->staging;
    uint64_t info = (uint64_t)source->uid << 32 | LB_STREAM_DRAINING | LB_STREAM_OF_FILE;
    int64_t slot = new_slot(capture, source->id, &source->name);

    if (slot < 0)
        return slot;
    lb_staging_set(staging, (uint32_t)slot, LB_STREAM_OFFSET, source->offset);
    if (old) {
        lb_staging_set(staging, (uint32_t)slot, LB_STREAM_OFFSET,
                       lb_staging_get(staging, old->slot, LB_STREAM_OFFSET) +
                           staging->staged[old->slot].bytes);
        lb_staging_set(staging, (uint32_t)slot, LB_STREAM_TAKEN,
                       lb_staging_get(staging, old->slot, LB_STREAM_TAKEN));
        /* No two streams have one id: an agent after us would not know which of them is the file's. */
        lb_staging_set(staging, old->slot, LB_STREAM_ID, ~source->id ? ~source->id : 1);
        give_up_file(capture, old);
    }
    lb_staging_set(staging, (uint32_t)slot, LB_STREAM_DEV, source->dev);
    lb_staging_set(staging, (uint32_t)slot, LB_STREAM_INO, source->ino);
    lb_staging_set(staging, (uint32_t)slot, LB_STREAM_INFO, info);
    init_stream(capture, (uint32_t)slot, LB_STREAM_OPEN);
    lb_turns_publish(capture, false);
    return slot;
}

int64_t lb_streams_follow(struct lb_capture *capture, const struct lb_stream_source *source)
{
    struct lb_stream *left = find_left_file(capture, source->id);

    if (!left || !is_same_name(left->name, &source->name))
        return new_file_slot(capture, source, left);
    left->state = LB_STREAM_OPEN;
    return left->slot;
}

void lb_streams_give_up_files(struct lb_capture *capture)
{
    for (uint32_t slot = 0; slot < capture->staging->max_streams; slot++)
        if (capture->streams[slot].state == LB_STREAM_ORPHAN && capture->streams[slot].is_of_file)
            give_up_file(capture, &capture->streams[slot]);
    lb_turns_publish(capture, false);
}

/* ---- ends ---- */

void lb_streams_end(struct lb_capture *capture, struct lb_stream *stream)
{
    struct lb_peer *peer = stream->peer;

    lb_exits_note_end(capture, stream);
    if (stream->file)
        lb_input_file_end(stream->file);
    stream->file = NULL;
    lb_staging_slot_free(capture->staging, stream->slot);
    lb_turns_publish(capture, false);
    release(capture, stream);
    stream->peer = NULL;
    if (peer) {
        peer->slot = -1;
        lb_intake_end(capture, peer);
    }
}

void lb_streams_untie(struct lb_capture *capture, struct lb_stream *stream, bool said_bye)
{
    const struct lb_stream_name *name = stream->name;

    stream->peer = NULL;
    if (stream->watch.fd >= 0) {
        if (said_bye)
            return;
        lb_log(LB_LEVEL_WARNING,
               "the client of %.*s (pid %u) went away without a goodbye; its pipe is read on until it ends",
               name->service_len, name->service, name->pid);
        lb_exits_client_lost(capture, stream);
        return;
    }
    stream->state = LB_STREAM_ORPHAN; /* it was only draining: it may come back */
    stream->orphan_since_ns = capture->loop->now_ns;
    if (capture->orphan_timer.due_ns == LB_NEVER)
        capture->orphan_timer.due_ns = capture->loop->now_ns + LB_ORPHAN_WAIT_NS;
}

void lb_streams_close_early(struct lb_capture *capture, struct lb_stream *wanting)
{
    struct lb_staging *staging = capture->staging;
    struct lb_stream *victim = NULL;
    uint64_t held = 0;

    /* Who holds more than half of the pool pays himself; else the one who holds most. */
    for (uint32_t slot = 0; slot < staging->max_streams; slot++)
        if (capture->streams[slot].uid == wanting->uid && capture->streams[slot].state != LB_STREAM_FREE)
            held += staging->staged[slot].chunks;
    for (uint32_t slot = 0; slot < staging->max_streams; slot++) {
        struct lb_stream *stream = &capture->streams[slot];
        bool may_be = held * 2 <= staging->chunk_count || stream->uid == wanting->uid;

        if (stream->state == LB_STREAM_FREE || staging->staged[slot].bytes == 0 || !may_be)
            continue;
        if (!victim || staging->staged[slot].chunks > staging->staged[victim->slot].chunks)
            victim = stream;
    }
    if (!victim)
        return;
    victim->close_early = true;
    lb_turns_make_ready(capture, victim);
}
