/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_CAPTURE_H
#define LB_CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/capture/heartbeat.h"
#include "agent/capture/landing.h"
#include "agent/capture/rest.h"
#include "agent/capture/shortage.h"
#include "agent/capture/staging.h"
#include "agent/shape/pipeline.h"
#include "agent/store/held.h"
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
 *   records.c  lines to records            own.c      records of our own
 *   exits.c    how services end            clients.c  what clients must know of the settings
 *   context.c  the flight recorder         own_throttle.c  what the throttle has to tell
 *   shortage.c what runs short             heartbeat.c  a sign of life
 *   datagrams.c  syslog.sock               landing.c  where a datagram lies
 *   turns.c    whose turn it is, stalls
 *   pipes.c    when pipes are looked at    rest.c     when they may be left alone
 *   inputs.h   what is read beside the pipes: files and the journal
 */
#define LB_TURN_BYTES       65536u /* of one stream, before the next has its turn */
#define LB_TURN_STREAMS     16u    /* stream turns before descriptors are looked at again */
#define LB_ORPHAN_WAIT_NS   (5 * 1000000000ull)
#define LB_ORPHAN_FORGET_NS (60 * 1000000000ull)
#define LB_SHARES           64u
#define LB_STALL_LOOK_NS    4000000ull /* no room: look again after this before asking to be told */
#define LB_TELL_EVERY_NS    1000000000ull
#define LB_CAPTURE_ROOM     (160 * 1024u) /* bytes: the longest line, or join, that a configuration allows */
#define LB_FLUSH_TURNS      17u /* of one stream: what the widest pipe holds, and one to see its end */
#define LB_PEERS_EXTRA      32u /* connections beyond max_streams that may be in a handshake */

struct lb_capture;
struct lb_inputs;
struct lb_input_file;

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
    struct lb_peer *peer;       /* NULL: gone, or not back yet */
    struct lb_input_file *file; /* that is followed; NULL: it has a pipe, or a client's packets */
    const struct lb_service_config *settings;
    struct lb_shape_settings shape_settings; /* the same, as the steps look at them */
    uint32_t service_ix;
    uid_t uid;
    enum lb_stream_kind kind;
    bool is_ready;        /* in its share's queue */
    bool is_stalled;      /* waits for room in the ring */
    bool is_of_file;      /* of an input; its place outlives agents */
    bool waits_for_room;  /* whatever `overload` says: an input's source keeps what is not read */
    bool has_ended;       /* the pipe has no writers and is empty */
    bool close_early;     /* what is staged goes out as it is, marked */
    uint32_t flush_turns; /* that a flush may still take to see its pipe empty; 0: none is under way */
    bool must_close;      /* the open record is whole, and waits for room in the ring */
    const struct lb_stream_name *name;
    struct lb_shape shape;   /* the record that is open */
    uint64_t join_due_ns;    /* and until when it waits for more */
    struct lb_collapse last; /* what it said last */
    uint64_t last_error;     /* fingerprint of the last traceback; 0: none */
    uint64_t orphan_since_ns;
    uint64_t open_bytes;         /* staged, as told to other threads */
    uint64_t open_lines;         /* in them, those that were begun among them */
    uint64_t pipe_bytes;         /* what the pipe holds */
    uint64_t pipe_bytes_charged; /* of its uid's share of pipe-user-pages-soft */
    struct lb_pace pace;
    struct lb_stream *next_ready;
};

/* The sockets that bring datagrams: our own, and what systemd passes. */
#define LB_DATAGRAM_SOCKETS 4
struct lb_datagram_watch {
    struct lb_capture *capture;
    int fd;
};

struct lb_datagrams {
    struct lb_landing landing;
    struct lb_watch watch[LB_DATAGRAM_SOCKETS];
    struct lb_datagram_watch arg[LB_DATAGRAM_SOCKETS];
    unsigned count, passed;     /* sockets, and those of them that systemd passed; 0: syslog = no */
    bool is_waiting;            /* for room in the ring: nothing is received */
    struct lb_stream stream;    /* stands for all of them; in no slot */
    struct lb_stream_name name; /* of the sender of the one that is here */
    uint64_t stream_id, stream_off;
    char *copy;            /* of the text that is shaped */
    uint64_t queue_length; /* net.unix.max_dgram_qlen; 0: not known */
    uint64_t taken;        /* told to other threads */
};

/* What one uid takes of the whole. */
struct lb_share {
    uid_t uid;
    bool is_used;
    uint32_t streams;
    uint64_t pipe_bytes;
    struct lb_stream *first_ready, *last_ready;
};

/* What is remembered of a stream that ended, for the report of how its service ended. */
#define LB_ENDED 64
struct lb_ended {
    uint64_t stream_id, last_error;
};

struct lb_capture {
    struct lb_loop *loop;
    struct lb_staging *staging;
    struct lb_ring *ring;
    struct lb_state *state;
    struct lb_link *link;
    const struct lb_config *config;
    const struct lb_rules *rules; /* of the configuration */
    struct lb_held *held;
    struct lb_limit *limit;
    struct lb_pattern_memo *memo;
    struct lb_stream *streams; /* by slot */
    struct lb_peer **peers;
    uint32_t peer_count, peer_max;
    struct lb_datagrams datagrams;
    struct lb_inputs *inputs; /* NULL: there are none */
    struct lb_share share[LB_SHARES];
    uint32_t next_share;
    uint32_t ready_count;
    struct lb_loop pipes; /* the pipes alone, watched in `loop` as one */
    struct lb_watch pipes_watch;
    struct lb_timer rest_timer;
    struct lb_rest rest;
    bool is_listening; /* to the pipes: an event of theirs wakes us */
    bool has_looked;   /* and found something, since it was last decided whether to rest */
    struct lb_watch listener;
    struct lb_watch door; /* link->to_fast_fd */
    struct lb_timer handshake_timer, orphan_timer, stall_timer, tell_timer, join_timer, repeat_timer;
    struct lb_timer collapse_timer, summary_timer;
    struct lb_shortage shortage;
    struct lb_heart heart;
    char *room;                                 /* for a text that does not lie in one piece, or is changed */
    char *mask_room;                            /* for one that secrets are taken out of */
    struct lb_collapse said[LB_SERVICES_BOOKS]; /* by service: what came last in messages without a stream */
    struct lb_ended ended[LB_ENDED];            /* the newest ones, in turn */
    uint64_t exit_ids[LB_ENDED];                /* of reports that were taken */
    unsigned next_ended, next_exit_id;
    uint64_t summaries_told_ns;
    uint64_t started_ns;
    int dir_fd;          /* the runtime directory, the caller's */
    uint64_t flush_seen; /* the last flush that was asked for and begun */
    bool is_flushing;
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
 *   capture   loop staging ring state link config rules held limit are set by the caller, the rest is zero
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
 *   config, rules  outlive the capture or the next call of this
 *   calls     fast side
 */
void lb_capture_reload(struct lb_capture *capture, const struct lb_config *config,
                       const struct lb_rules *rules);

/*
 * Take no new peers; read what the pipes hold now, each at most once around.
 *   calls     fast side
 */
void lb_capture_drain(struct lb_capture *capture);

/*
 * Hang up on all peers. What is staged stays in the file.
 *   calls     main thread, after the last turn
 */
void lb_capture_stop(struct lb_capture *capture);

/*
 * Free all memory, after lb_capture_stop().
 *   calls     main thread, when the slow side has ended: status looks at it to the last
 */
void lb_capture_free(struct lb_capture *capture);

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

/* How an input does. */
struct lb_input_view {
    const char *name, *type, *state; /* live as long as the capture */
    bool is_journal;
    uint32_t files;   /* that are followed */
    char cursor[256]; /* of a journal: behind which entry it goes on; "" when none was read */
    char error[328];  /* "" when there is none */
};

/* How syslog.sock does. What waits in a socket's queue survives the agent where systemd passed the socket. */
struct lb_datagram_view {
    unsigned sockets, passed; /* 0: syslog = no */
    uint64_t queue_length;    /* datagrams that one socket holds before its senders wait; 0: not known */
    uint64_t taken;           /* since the agent started */
};

/*
 * The same, for status.
 *   calls     any thread
 */
void lb_capture_datagrams(const struct lb_capture *capture, struct lb_datagram_view *ret_view);

/*
 * How many inputs there are, and how one of them does, for status.
 *   index     below that number
 *   calls     any thread
 */
unsigned lb_capture_inputs(const struct lb_capture *capture);
void lb_capture_input(const struct lb_capture *capture, unsigned index, struct lb_input_view *ret_view);

#endif
