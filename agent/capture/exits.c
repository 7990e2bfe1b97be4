/* SPDX-License-Identifier: MIT */
/*
 * How services end. In: what `logboom run` says of its command, and clients that went away without a word.
 * Out: exit records. Always true: a report is answered when its record is committed; one that is sent again,
 * because the answer was lost, is one record still.
 *
 * A service that ends again and again does not flood: the first EXITS_WHOLE ends within its repeat_window are
 * told whole, and so is the first one of each further kind; the others are counted (agent/shape/repeat.h).
 */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "agent/capture/parts.h"
#include "agent/shape/repeat.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/unit_name.h"

#define EXITS_WHOLE 10
/* A report comes again at most so long after the agent that took it was killed (the client's patience is 10
 * s). */
#define AGAIN_NS (30 * LB_NS_PER_S)

/* ---- what is known of a stream ---- */

void lb_exits_note_end(struct lb_capture *capture, const struct lb_stream *stream)
{
    struct lb_ended *ended = &capture->ended[capture->next_ended++ % LB_ENDED];

    ended->stream_id = lb_staging_get(capture->staging, stream->slot, LB_STREAM_ID);
    ended->last_error = stream->last_error;
}

/* Fingerprint of the last traceback in a stream; 0: there was none, or it is not known any more. */
static uint64_t last_error_of(const struct lb_capture *capture, uint64_t stream_id, uid_t uid)
{
    int64_t slot = stream_id ? lb_streams_find(capture, stream_id, uid) : -1;

    if (slot >= 0)
        return capture->streams[slot].last_error;
    for (unsigned i = 0; i < LB_ENDED && stream_id; i++)
        if (capture->ended[i].stream_id == stream_id)
            return capture->ended[i].last_error;
    return 0;
}

/* ---- the same report again ---- */

static bool is_in_ring(const struct lb_capture *capture, uint64_t exit_id)
{
    const struct lb_ring *ring = capture->ring;
    uint64_t head = lb_ring_head(ring), pos = lb_ring_oldest(ring);
    const struct lb_record *record;

    for (; (record = lb_ring_at(ring, pos, head)); pos += record->len) {
        uint64_t id;

        if (record->kind != LB_KIND_EXIT || record->body_len != sizeof(struct lb_exit))
            continue;
        memcpy(&id, lb_record_body(record) + offsetof(struct lb_exit, exit_id), sizeof id);
        if (id == exit_id)
            return true;
    }
    return false;
}

static bool is_known(const struct lb_capture *capture, uint64_t exit_id)
{
    for (unsigned i = 0; i < LB_ENDED; i++)
        if (capture->exit_ids[i] == exit_id)
            return true;
    return capture->loop->now_ns - capture->started_ns < AGAIN_NS && is_in_ring(capture, exit_id);
}

/* ---- the record ---- */

/* Stopped by who runs it: nothing went wrong. */
static bool is_asked_for(uint64_t number)
{
    return number == SIGTERM || number == SIGINT || number == SIGHUP;
}

static enum lb_level level_of(const struct lb_exit *end)
{
    if (end->flags & LB_EXIT_LOST)
        return LB_LEVEL_WARNING;
    if (end->signal)
        return is_asked_for(end->signal) ? LB_LEVEL_INFO : LB_LEVEL_CRITICAL;
    return end->code ? LB_LEVEL_ERROR : LB_LEVEL_INFO;
}

/* One number for all ends of the same kind. Never 0. */
static uint64_t kind_of(const struct lb_exit *end)
{
    uint64_t parts[] = { end->code, end->signal, end->flags, end->fingerprint };
    uint64_t kind = XXH3_64bits_withSeed(parts, sizeof parts, LB_KIND_EXIT);

    return kind ? kind : 1;
}

static uint64_t more_word(uint32_t row, unsigned word)
{
    return (uint64_t)row * LB_FAST_MORE_WORDS + word;
}

/* Has this service told enough of its ends lately? Counts this one, if it is to be told. */
static bool has_told_enough(struct lb_capture *capture, uint32_t row, uint64_t window_ns, uint64_t now_ns)
{
    struct lb_commit *commit = &capture->state->fast;
    uint32_t since = (uint32_t)more_word(row, LB_FAST_MORE_EXITS_SINCE_NS);
    uint32_t told = (uint32_t)more_word(row, LB_FAST_MORE_EXITS_TOLD);

    if (now_ns - lb_commit_get(commit, LB_FAST_MORE, since) >= window_ns ||
        lb_commit_get(commit, LB_FAST_MORE, told) == 0) {
        lb_commit_set(commit, LB_FAST_MORE, since, now_ns);
        lb_commit_set(commit, LB_FAST_MORE, told, 0);
    }
    if (lb_commit_get(commit, LB_FAST_MORE, told) >= EXITS_WHOLE)
        return true;
    lb_commit_add(commit, LB_FAST_MORE, told, 1);
    return false;
}

/* Count it, or put it whole. false: the ring has no room */
static bool tell(struct lb_capture *capture, const struct lb_own *own, const struct lb_exit *end,
                 uint32_t row)
{
    struct lb_commit *commit = &capture->state->fast;
    uint64_t now_ns = capture->loop->now_ns, kind = kind_of(end);
    uint64_t window_ns =
        lb_config_service(capture->config, own->name, own->name_len)->capture.repeat_window_ms * LB_NS_PER_MS;
    char what[LB_OWN_NAME_BYTES];
    bool is_enough = window_ns > 0 && has_told_enough(capture, row, window_ns, now_ns);

    snprintf(what, sizeof what, "the same end of %.*s", (int)end->name_len, end->name);
    if (is_enough && lb_repeat_look(commit, row, kind, window_ns, now_ns) == LB_REPEAT_FOLD) {
        lb_repeat_count(commit, row, kind, 0, 0, now_ns);
        lb_turns_repeat_later(capture);
        return true;
    }
    if (lb_own_put(capture, own, now_ns) < 0)
        return false;
    if (is_enough)
        lb_repeat_seen(commit, row, kind, own->severity, what, strlen(what), now_ns);
    return true;
}

static bool put_exit(struct lb_capture *capture, const struct lb_stream_name *name, struct lb_exit *end)
{
    uint32_t row = lb_state_service(capture->state, name->service, name->service_len);
    uint32_t ends = (uint32_t)more_word(row, LB_FAST_MORE_EXITS);
    struct lb_own own = {
        .kind = LB_KIND_EXIT,
        .severity = level_of(end),
        .name = name->service,
        .name_len = name->service_len,
        .tags = name->tags,
        .tags_len = name->tags_len,
        .pid = name->pid,
        .body = end,
        .body_len = sizeof *end,
    };

    end->restarts = lb_commit_get(&capture->state->fast, LB_FAST_MORE, ends);
    if (own.severity <= LB_LEVEL_ERROR)
        lb_context_bring(capture, row,
                         &lb_config_service(capture->config, name->service, name->service_len)->throttle,
                         capture->loop->now_ns, false);
    if (!tell(capture, &own, end, row))
        return false;
    if (!(end->flags & LB_EXIT_LOST))
        lb_commit_add(&capture->state->fast, LB_FAST_MORE, ends, 1);
    lb_turns_publish(capture, own.severity <= capture->config->ring_urgent);
    return true;
}

/* ---- EXIT ---- */

static void fill(const struct lb_capture *capture, const struct lb_peer *peer,
                 const struct lb_proto_exit *packet, struct lb_exit *end)
{
    const char *program = (const char *)(packet + 1) + packet->service_len + packet->tags_len;

    *end = (struct lb_exit) {
        .code = packet->flags & LB_PROTO_EXIT_SIGNALLED ? 0 : packet->code,
        .signal = packet->flags & LB_PROTO_EXIT_SIGNALLED ? packet->code : 0,
        .flags = (packet->flags & LB_PROTO_EXIT_CORE ? LB_EXIT_CORE : 0) |
                 (packet->flags & LB_PROTO_EXIT_OOM ? LB_EXIT_OOM : 0),
        .run_ms = packet->ended_ns > packet->started_ns
                      ? (packet->ended_ns - packet->started_ns) / LB_NS_PER_MS
                      : 0,
        .cpu_ms = packet->cpu_us / 1000,
        .peak_rss_bytes = packet->peak_rss_kib * 1024,
        .exit_id = packet->exit_id,
        .name_len = packet->name_len,
    };
    memcpy(end->name, program, packet->name_len);
    for (unsigned i = 0; i < 2 && end->fingerprint == 0; i++)
        end->fingerprint = last_error_of(capture, packet->stream_id[1 - i], peer->uid); /* stderr first */
}

/* Whose end is told? NULL, or why the report is refused. */
static const char *read_name(const struct lb_peer *peer, const struct lb_proto_exit *packet, size_t len,
                             struct lb_stream_name *name)
{
    const char *service = (const char *)(packet + 1), *tags = service + packet->service_len, *fault;

    if (len < sizeof *packet || packet->name_len > LB_PROTO_NAME_MAX || packet->exit_id == 0 ||
        len != sizeof *packet + packet->service_len + packet->tags_len + packet->name_len)
        return "malformed report of an end";
    fault =
        lb_intake_name(peer, packet->source_pid, service, packet->service_len, tags, packet->tags_len, name);
    if (!fault && packet->source_pid)
        name->pid = packet->source_pid; /* it is gone: nobody can be asked whether it was */
    return fault;
}

void lb_exits_on_packet(struct lb_capture *capture, struct lb_peer *peer, const struct lb_proto_exit *packet,
                        size_t len)
{
    struct lb_stream_name name;
    struct lb_exit end;
    const char *fault = read_name(peer, packet, len, &name);

    if (fault) {
        lb_intake_refuse(capture, peer, fault);
        return;
    }
    if (!is_known(capture, packet->exit_id)) {
        fill(capture, peer, packet, &end);
        if (!put_exit(capture, &name, &end)) {
            peer->said_bye = true; /* no room in the ring: it comes again */
            lb_intake_hang_up(capture, peer);
            return;
        }
        capture->exit_ids[capture->next_exit_id++ % LB_ENDED] = packet->exit_id;
    }
    lb_intake_take_exit(capture, peer);
}

/* ---- clients that were killed ---- */

void lb_exits_client_lost(struct lb_capture *capture, const struct lb_stream *stream)
{
    const struct lb_stream_name *name = stream->name;
    struct lb_exit end = { .flags = LB_EXIT_LOST, .fingerprint = stream->last_error };

    /* `logboom run` has two streams, and is told once. */
    if (capture->is_stopping || stream->kind == LB_STREAM_STDERR)
        return;
    end.name_len = name->service_len < LB_OWN_NAME_BYTES ? name->service_len : LB_OWN_NAME_BYTES;
    memcpy(end.name, name->service, end.name_len);
    if (!put_exit(capture, name, &end))
        lb_log(LB_LEVEL_WARNING, "no room in the ring to tell that the client of %.*s was killed",
               name->service_len, name->service);
}
