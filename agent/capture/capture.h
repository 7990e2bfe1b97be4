/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_CAPTURE_H
#define LB_CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/capture/staging.h"
#include "agent/store/link.h"
#include "agent/store/ring.h"
#include "agent/store/state.h"
#include "common/config.h"
#include "common/loop.h"

/*
 * The fast side: peers, streams, and the turns that move bytes from pipes
 * through staging into the ring. One thread runs all of it; it never waits for
 * a disk, a network, DNS, a lock, or a peer.
 *
 *   listen.c   who comes in                intake.c   handshakes
 *   streams.c  slots, recovery, ends       feed.c     one stream's turn
 *   turns.c    whose turn it is, stalls, receipts
 */
#define LB_TURN_BYTES       65536u /* of one stream, before the next has its turn */
#define LB_TURN_STREAMS     16u    /* stream turns before descriptors are looked at again */
#define LB_ORPHAN_WAIT_NS   (5 * 1000000000ull)
#define LB_ORPHAN_FORGET_NS (60 * 1000000000ull)
#define LB_SHARES           64u
#define LB_TELL_EVERY_NS    1000000000ull
#define LB_PEERS_EXTRA      32u /* connections beyond max_streams that may be in a handshake */

struct lb_capture;

/* A connection to intake.sock. */
enum lb_peer_state { LB_PEER_GREETING = 0, LB_PEER_DRAINING, LB_PEER_READING };

struct lb_peer {
    struct lb_watch watch;
    struct lb_capture *capture;
    uid_t uid;
    pid_t pid;
    enum lb_peer_state state;
    uint64_t deadline_ns; /* of the handshake; LB_NEVER once the pipe is read */
    uint64_t stream_id;
    enum lb_stream_kind kind;
    struct lb_stream_name name;
    int64_t slot; /* -1: none yet */
    bool said_bye;
    bool is_paused; /* DATA waits in the socket until the ring has room */
};

enum lb_stream_state { LB_STREAM_FREE = 0, LB_STREAM_ORPHAN, LB_STREAM_OPEN };

struct lb_stream {
    struct lb_watch watch; /* of the pipe; fd -1: none */
    struct lb_capture *capture;
    uint32_t slot;
    enum lb_stream_state state;
    struct lb_peer *peer; /* NULL: gone, or not back yet */
    const struct lb_service_config *settings;
    uint32_t service_ix;
    uid_t uid;
    enum lb_stream_kind kind;
    bool is_ready;    /* in its share's queue */
    bool is_stalled;  /* waits for room in the ring */
    bool has_ended;   /* the pipe has no writers and is empty */
    bool close_early; /* what is staged goes out as it is, marked */
    uint64_t orphan_since_ns;
    uint64_t open_bytes;         /* staged, as told to other threads */
    uint64_t pipe_bytes_charged; /* of its uid's share of pipe-user-pages-soft */
    struct lb_stream *next_ready;
};

/* What one uid takes of the whole. */
struct lb_share {
    uid_t uid;
    bool is_used;
    uint32_t streams;
    uint64_t pipe_bytes;
    struct lb_stream *first_ready, *last_ready;
};

struct lb_capture {
    struct lb_loop *loop;
    struct lb_staging *staging;
    struct lb_ring *ring;
    struct lb_state *state;
    struct lb_link *link;
    const struct lb_config *config;
    struct lb_stream *streams; /* by slot */
    struct lb_peer **peers;
    uint32_t peer_count, peer_max;
    struct lb_share share[LB_SHARES];
    uint32_t next_share;
    uint32_t ready_count;
    struct lb_watch listener;
    struct lb_watch door; /* link->to_fast_fd */
    struct lb_timer handshake_timer, orphan_timer, stall_timer, tell_timer;
    uint64_t stall_start_ns; /* 0: the last record found room */
    uint64_t stall_tail;
    uint32_t stalled_count;
    bool has_untold;
    bool is_stopping;          /* no new peers */
    uint64_t pipe_share_bytes; /* a quarter of pipe-user-pages-soft */
    uid_t own_uid;
    uint32_t streams_open; /* told to other threads, as are those below */
    uint32_t free_chunks;
    uint64_t cut_streams; /* leftovers of earlier agents that went out marked */
    uint64_t refused;
};

/*
 * Start the fast side's inputs: binds intake.sock in the runtime directory
 * (mode 0666), takes over what recovery left in the slots.
 *   capture   loop staging ring state link config are set by the caller, the rest is zero
 *   returns   0 | -ENOMEM | negative errno of socket, bind, listen
 *   calls     main thread, before its first turn
 */
int lb_capture_start(struct lb_capture *capture, int dir_fd);

/*
 * Give streams whose turn it is their turn.
 *   returns   true: more is waiting, do not sleep | false: wait for events
 *   calls     fast side, after each loop turn
 */
bool lb_capture_turns(struct lb_capture *capture);

/*
 * A new configuration: services' settings are looked up anew.
 *   config    outlives the capture or the next call of this
 *   calls     fast side
 */
void lb_capture_reload(struct lb_capture *capture, const struct lb_config *config);

/*
 * Take no new peers; read what the pipes hold now, each at most once around.
 *   calls     fast side
 */
void lb_capture_drain(struct lb_capture *capture);

/*
 * Hang up on all peers and free all memory. What is staged stays in the file.
 *   calls     main thread, after the last turn
 */
void lb_capture_stop(struct lb_capture *capture);

/*
 * What is staged and in no record yet, for status.
 *   row        of the books
 *   ret_lines  streams with something staged: lines begun, not ended
 *   ret_bytes  their bytes
 *   calls      any thread
 */
void lb_capture_open(const struct lb_capture *capture, uint32_t row, uint64_t *ret_lines,
                     uint64_t *ret_bytes);

/*
 * How many streams are open, how many chunks of staging lie free.
 *   calls      any thread
 */
uint32_t lb_capture_streams(const struct lb_capture *capture);
uint32_t lb_capture_free_chunks(const struct lb_capture *capture);

#endif
