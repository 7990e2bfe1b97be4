/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_PARTS_H
#define LB_CAPTURE_PARTS_H

#include "agent/capture/capture.h"

/*
 * What the files of capture/ call of each other. Fast side only, all of it;
 * nobody outside the room includes this.
 */

/* ---- turns.c ---- */

/*
 * Put a stream into its uid's queue, once.
 */
void lb_turns_make_ready(struct lb_capture *capture, struct lb_stream *stream);

/*
 * Take a stream out of its queue, if it is in it.
 */
void lb_turns_forget(struct lb_capture *capture, struct lb_stream *stream);

/*
 * The share of a uid, made if need be. When the table is full the last row is
 * shared by all later uids.
 */
struct lb_share *lb_turns_share(struct lb_capture *capture, uid_t uid);

/*
 * lb_ring_put() found no room for a line of this stream: wait, or drop?
 *   returns   true: drop it, now | false: wait; the stream is marked stalled and made ready when room returns
 */
bool lb_turns_no_room(struct lb_capture *capture, struct lb_stream *stream, uint64_t now_ns);

/*
 * An input's source keeps what is not read, so an input fills the ring to its
 * half and no further: what it put beyond that would be the first to be shed
 * when the sink goes away, or would take the room of lines that nobody keeps.
 *   returns   true: wait; the stream is marked stalled | false: go on
 */
bool lb_turns_must_yield(struct lb_capture *capture, struct lb_stream *stream);

/*
 * The stream waits; it is made ready when the ring has room again.
 */
void lb_turns_stall(struct lb_capture *capture, struct lb_stream *stream);

/*
 * A record found room: whatever stall there was is over.
 */
static inline void lb_turns_found_room(struct lb_capture *capture)
{
    capture->stall_start_ns = 0;
}

/*
 * Publish the fast side's commit, wipe what staging freed, and knock at the
 * slow side's door if it asked for that.
 *   has_urgent  the turn put an urgent record
 */
void lb_turns_publish(struct lb_capture *capture, bool has_urgent);

/*
 * A record is open and waits for its next line: look at it again then.
 *   due_ns    boot time; LB_NEVER: it waits for the line
 */
void lb_turns_join_until(struct lb_capture *capture, uint64_t due_ns);

/*
 * The slow side wants all that was written so far: read the pipes, close the
 * records that are open, and tell it when that is done.
 */
void lb_turns_flush(struct lb_capture *capture);

/*
 * Set up the door and the timers.
 *   returns   0 | negative errno of epoll_ctl
 */
int lb_turns_start(struct lb_capture *capture);

/* ---- own.c ---- */

/* A record of our own, about to be put. All pointers stay the caller's. */
struct lb_own {
    uint8_t kind; /* enum lb_record_kind */
    enum lb_level severity;
    const char *name;  /* of the service that it speaks of */
    uint64_t name_len; /* 0, or what no name has: of logboom itself */
    const char *tags;
    size_t tags_len;
    uint32_t pid;
    const void *body;
    size_t body_len;
};

/*
 * The lane of a record, by its severity and [ring] urgent: one that is urgent costs
 * a body. Where a quota runs short nothing less than an error is.
 *   returns   enum lb_lane
 */
unsigned lb_own_lane(const struct lb_capture *capture, int severity);

/*
 * Put a record of our own into the ring, with the next publish.
 *   returns   0 | -ENOSPC no room now
 */
int lb_own_put(struct lb_capture *capture, const struct lb_own *own, uint64_t now_ns);

/*
 * Tell the losses that are not told yet, as far as there is room.
 */
void lb_own_tell(struct lb_capture *capture, uint64_t now_ns);

/*
 * There are losses to be told: try soon.
 */
void lb_turns_tell_later(struct lb_capture *capture);

/*
 * There are errors that came again: tell them when their windows are over.
 */
void lb_turns_repeat_later(struct lb_capture *capture);

/*
 * Set up the timers; and the agent stops: tell what came again now.
 */
void lb_own_start(struct lb_capture *capture);
void lb_own_stop(struct lb_capture *capture);

/* ---- own_throttle.c ---- */

/*
 * A record is about to be queued that is not the same as those before: tell how
 * many there were, first.
 *   last, key  of the stream
 *   returns    false: the ring has no room now
 */
bool lb_own_tell_collapsed(struct lb_capture *capture, struct lb_collapse *last, uint64_t key,
                           uint64_t now_ns);

/*
 * A record was collapsed: its count is told when the window ends, at the latest.
 *   due_ns    boot time of that
 */
void lb_turns_collapse_later(struct lb_capture *capture, uint64_t due_ns);

/*
 * Something was suppressed: it is told within a minute.
 */
void lb_turns_summary_later(struct lb_capture *capture);

/*
 * Set up the timers; and the agent stops: tell all there is now.
 */
void lb_own_throttle_start(struct lb_capture *capture);
void lb_own_throttle_stop(struct lb_capture *capture);

/* ---- context.c ---- */

/*
 * Queue what was held of a service, as far back as its settings say.
 *   row           of the service in the books
 *   is_asked_for  by a person: whatever was brought along before
 *   returns       lines that were queued, with the next publish
 */
uint64_t lb_context_bring(struct lb_capture *capture, uint32_t row, const struct lb_throttle_config *settings,
                          uint64_t now_ns, bool is_asked_for);

/*
 * Somebody asked for what is held of a service (struct lb_link): queue it, and say so.
 */
void lb_context_answer(struct lb_capture *capture);

/* ---- hand_told.c ---- */

/*
 * Tell the commands from afar that are not told yet, as far as there is room.
 */
void lb_hand_tell(struct lb_capture *capture, uint64_t now_ns);

/* ---- exits.c ---- */

/*
 * A stream is about to be freed: remember what its service's end may ask for.
 */
void lb_exits_note_end(struct lb_capture *capture, const struct lb_stream *stream);

/*
 * A client reports how its command ended (LB_PROTO_EXIT). The peer is answered,
 * or refused, or hung up on where the ring has no room: it comes again.
 *   len       of the whole packet, head and all
 */
void lb_exits_on_packet(struct lb_capture *capture, struct lb_peer *peer, const struct lb_proto_exit *packet,
                        size_t len);

/*
 * A client went away without a goodbye while its pipe is read: tell it in a record.
 */
void lb_exits_client_lost(struct lb_capture *capture, const struct lb_stream *stream);

/* ---- datagrams.c ---- */

/*
 * Bind syslog.sock, take over the sockets that systemd passes, and what an
 * agent before us received and could not put; or do nothing with syslog = no.
 *   returns   0 | -ENOMEM | negative errno of socket, bind, open
 */
int lb_datagrams_start(struct lb_capture *capture, int dir_fd);

/*
 * The ring may have room again: go on with the datagram that waits.
 */
void lb_datagrams_resume(struct lb_capture *capture);

/*
 * Take what is queued now (a flush, or the agent stops).
 */
void lb_datagrams_drain(struct lb_capture *capture);

/*
 * Close the sockets. What is in the landing stays there.
 */
void lb_datagrams_stop(struct lb_capture *capture);

/* ---- clients.c ---- */

/*
 * Write what clients must know of the settings before there is a connection to
 * ask over into the file `clients` of the runtime directory: a line
 * "python_stdout VALUE" for all services and "python_stdout VALUE SERVICE" for
 * one. A client that does not find it has its own defaults.
 *   returns   0 | negative errno; the file is as it was
 */
int lb_clients_tell(int dir_fd, const struct lb_config *config);

/* ---- pipes.c ---- */

/*
 * Begin to watch the pipes.
 *   returns   0 | negative errno
 */
int lb_pipes_start(struct lb_capture *capture);

/*
 * Stop watching them; each pipe's descriptor stays its stream's.
 */
void lb_pipes_stop(struct lb_capture *capture);

/*
 * No stream is ready any more: the pipes rest for a while, or the next byte wakes us.
 */
void lb_pipes_settle(struct lb_capture *capture);

/*
 * End the rest, if there is one.
 */
void lb_pipes_wake(struct lb_capture *capture);

/* ---- inputs.c ---- */

/*
 * Begin to read what [input] sections name. One that cannot be read says so in
 * the log and in status, and keeps none from its work.
 *   returns   0 | -ENOMEM | negative errno of eventfd, epoll_ctl, pthread_create
 */
int lb_inputs_start(struct lb_capture *capture);

/*
 * The ring may have room again: go on with the entries that wait.
 */
void lb_inputs_resume(struct lb_capture *capture);

/*
 * Take what is there now and is no stream (a flush, or the agent stops).
 */
void lb_inputs_drain(struct lb_capture *capture);

/*
 * Let go of all. Places and cursors stay.
 */
void lb_inputs_stop(struct lb_capture *capture);

/* ---- input_files.c ---- */

/*
 * Move what a file has more, one turn of it, behind what its stream has staged.
 *   ret_is_empty  true: that was all, for now
 *   returns       bytes moved, 0 may be with more to come | -ENOBUFS no free chunk
 */
int64_t lb_input_file_read(struct lb_input_file *file, bool *ret_is_empty);

/*
 * Is a card side asked for more of it? Then its stream is made ready when the answer comes.
 */
bool lb_input_file_is_asked(const struct lb_input_file *file);

/*
 * A file's stream ended: close it, and forget it.
 */
void lb_input_file_end(struct lb_input_file *file);

/* ---- feed.c ---- */

enum lb_fed {
    LB_FED_IDLE = 0, /* nothing more now */
    LB_FED_MORE,     /* its turn is over, it has more */
    LB_FED_STALLED,  /* waits for room in the ring */
    LB_FED_ENDED,    /* the pipe ended and all of it is committed */
};

/*
 * One turn of one stream: splice, split, shape, put, publish.
 */
enum lb_fed lb_feed_stream(struct lb_capture *capture, struct lb_stream *stream, uint64_t now_ns);

/*
 * Stage the payload of a DATA packet and feed its lines.
 *   returns   0 taken and committed | -EAGAIN no room now, nothing was taken: offer it again
 */
int lb_feed_packet(struct lb_capture *capture, struct lb_stream *stream, const struct lb_proto_data *packet,
                   const void *payload, size_t len);

/* ---- streams.c ---- */

/*
 * Set up the timer and take over what recovery left.
 */
void lb_streams_start(struct lb_capture *capture);

/*
 * Take over what recovery left in the slots; they wait for their clients.
 */
void lb_streams_adopt_all(struct lb_capture *capture, uint64_t now_ns);

/*
 * Look up the settings of a stream's service in the configuration.
 */
void lb_streams_settle(struct lb_capture *capture, struct lb_stream *stream);

/*
 * The stream of an id, if a slot has it and the uid is the same.
 *   returns   a slot, or -1
 */
int64_t lb_streams_find(const struct lb_capture *capture, uint64_t stream_id, uid_t uid);

/*
 * Make a stream for a peer that has none.
 *   returns   its slot | -ENOSPC no slot is free
 */
int64_t lb_streams_new(struct lb_capture *capture, struct lb_peer *peer);

/*
 * Tie a peer to the stream in a slot (which may be an orphan).
 */
void lb_streams_tie(struct lb_capture *capture, struct lb_peer *peer, uint32_t slot);

/*
 * A peer that has no stream yet shows its pipe: if a client before it, of the
 * same user, service and tags, left a stream that reads or did read this pipe,
 * the peer goes on with that one, and with the line that was begun in it.
 *   pipe_fd     stays the caller's
 */
void lb_streams_reclaim(struct lb_capture *capture, struct lb_peer *peer, int pipe_fd);

/*
 * Begin to read a pipe for a peer.
 *   pipe_fd     becomes the stream's on success
 *   returns     0 | -EEXIST this pipe is read already | -EINVAL not the read end of a pipe
 *               | -ENOSPC no slot | other negative errno
 */
int lb_streams_attach(struct lb_capture *capture, struct lb_peer *peer, int pipe_fd);

/* INFO, beside what staging.h has there: the stream is a file's, and OFFSET - TAKEN is its place in that. */
enum { LB_STREAM_OF_FILE = 1 << 10 };

/* A file that is to be followed. */
struct lb_stream_source {
    uint64_t id; /* of the stream; never 0 */
    uint64_t dev, ino;
    uid_t uid;
    uint64_t offset; /* where it begins, if it is new */
    struct lb_stream_name name;
};

/*
 * The stream of a file: what an agent before us left of it, else a new one. One
 * that was left under another name goes on at its place under this one.
 *   returns   a slot | -ENOSPC none is free
 */
int64_t lb_streams_follow(struct lb_capture *capture, const struct lb_stream_source *source);

/*
 * The files that nobody follows any more are orphans as others are: what is
 * staged goes out, marked cut, and their places are forgotten.
 */
void lb_streams_give_up_files(struct lb_capture *capture);

/*
 * The stream ended and all of it is committed: free its slot, tell its client.
 */
void lb_streams_end(struct lb_capture *capture, struct lb_stream *stream);

/*
 * The peer is gone: the stream goes on without it, or waits for its return.
 */
void lb_streams_untie(struct lb_capture *capture, struct lb_stream *stream, bool said_bye);

/*
 * What staging can free when it has no chunk left: the stream with the oldest
 * begun line among those of uid, or of all when uid is (uid_t)-1, goes out cut.
 */
void lb_streams_close_early(struct lb_capture *capture, struct lb_stream *wanting);

/* ---- intake.c ---- */

/*
 * Tell a peer that its stream ended, and hang up.
 */
void lb_intake_end(struct lb_capture *capture, struct lb_peer *peer);

/*
 * Who a peer speaks for: fill in the name, derived where it gives none.
 *   service, tags  service_len and tags_len bytes
 *   returns        NULL | why it may not: a static text, for lb_intake_refuse()
 */
const char *lb_intake_name(const struct lb_peer *peer, uint32_t source_pid, const char *service,
                           uint16_t service_len, const char *tags, uint16_t tags_len,
                           struct lb_stream_name *ret_name);

/*
 * Answer a report of how a command ended: its record is committed.
 */
void lb_intake_take_exit(struct lb_capture *capture, struct lb_peer *peer);

/*
 * Let peers whose DATA waited for room go on.
 */
void lb_intake_resume(struct lb_capture *capture);

/*
 * A packet, or the end, from a peer (struct lb_watch).
 *   peer      a struct lb_peer; may be gone afterwards
 */
void lb_intake_on_peer(void *peer, uint32_t events);

/*
 * Tell a peer why it is turned away, count and log it, and hang up.
 *   reason    one line, for people
 */
void lb_intake_refuse(struct lb_capture *capture, struct lb_peer *peer, const char *reason);

/*
 * Close a connection and free its peer; its stream goes on without it.
 */
void lb_intake_hang_up(struct lb_capture *capture, struct lb_peer *peer);

/* ---- listen.c ---- */

/*
 * Bind intake.sock and start to listen.
 *   returns   0 | negative errno
 */
int lb_intake_start(struct lb_capture *capture, int dir_fd);

/*
 * Hang up on everybody.
 */
void lb_intake_stop(struct lb_capture *capture);

/* ---- peer_name.c ---- */

/*
 * The systemd unit of a process, without ".service", from its cgroup.
 *   returns   length of the name in buf | 0 it is in none
 */
size_t lb_peer_unit(pid_t pid, char *buf, size_t size);

/*
 * Who writes a peer's pipe: the process that it names, if that is of its own
 * user (root may name any); else the peer itself, for whom else it may not speak.
 *   pid, uid  of the peer, by the kernel
 */
pid_t lb_peer_speaker(pid_t pid, uid_t uid, uint32_t claimed_pid);

/*
 * A service name for a process: its unit, else its program, made legal.
 */
size_t lb_peer_service(pid_t pid, char *buf, size_t size);

/*
 * May this peer call itself by this service name (design.md 4: the name of a
 * unit only from that unit, its user, or root)?
 */
bool lb_peer_may_name(pid_t pid, uid_t uid, const char *name, size_t len);

#endif
